/* Step 6. Tasks: who runs next, who waits for what.
 *
 * Every task has a kernel stack of one page. A program is a task that goes to ring 3 and comes back on that stack,
 * because the task state segment (TSS) says so: of that structure, this is all that we use. */
#include "io.h"
#include "kernel.h"

#define USER_CODE 0x1B                  /* selectors with the ring in the low bits */
#define USER_DATA 0x23
#define KERNEL_DATA 0x10
#define TSS_SELECTOR 0x28
#define EFLAGS_IF 0x202

uint32_t kernel_page_directory(void);
void switch_stacks(uint32_t *save, uint32_t load);
void interrupt_return(void);
void task_start(void);
extern uint64_t gdt[];

struct task tasks[TASKS], *current, *foreground;
static uint32_t tss[26];                /* SDM volume 3, 7.2.1: ESP0 and SS0 are words 1 and 2 */

void tasks_init(void)
{
    uint32_t base = (uint32_t)tss;
    tss[2] = KERNEL_DATA;
    tss[25] = sizeof tss << 16;         /* the map of permitted ports lies beyond the limit: no port is */
    gdt[TSS_SELECTOR / 8] = (sizeof tss - 1) | (uint64_t)(base & 0xFFFFFF) << 16 | 0x89ull << 40 | (uint64_t)(base >> 24) << 56;
    __asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
    current = &tasks[0];
    current->state = READY;
    current->directory = kernel_page_directory();
    memcpy(current->name, "idle", 5);
}

static struct task *task_alloc(const char *name)
{
    for (int i = 1; i < TASKS; i++) {
        struct task *task = &tasks[i];
        if (task->state != FREE)
            continue;
        memset(task, 0, sizeof *task);
        if (!(task->stack = page_alloc()))
            return 0;
        task->id = i;
        task->pages = 1;
        for (unsigned j = 0; j < sizeof task->name - 1 && name[j]; j++)
            task->name[j] = name[j];
        return task;
    }
    return 0;
}

/* The stack of a task that has not run yet is as if it had called switch_stacks: EBP, EDI, ESI, EBX, the return address. */
static void set_stack(struct task *task, uint32_t *top, uint32_t ebx, void (*address)(void))
{
    *--top = (uint32_t)address;
    *--top = ebx;
    top -= 3;
    task->esp = (uint32_t)top;
}

struct task *task_new(const char *name, void (*function)(void))
{
    struct task *task = task_alloc(name);
    if (!task)
        panic("no memory for the task %s", name);
    task->directory = kernel_page_directory();
    set_stack(task, (uint32_t *)(task->stack + PAGE_SIZE), (uint32_t)function, task_start);
    task->state = READY;
    return task;
}

/* Start one of the programs in the image; 0: there is none of that name, or no memory. */
struct task *program_start(const char *name, const char *arguments, int background)
{
    const struct program *program = programs;
    while (program->start && strcmp(program->name, name))
        program++;
    if (!program->start)
        return 0;
    struct task *task = task_alloc(name);
    if (!task || !(task->directory = address_space_new())) {
        printf("%s: no memory\n", name);
        if (task)
            page_free(task->stack);
        return 0;
    }
    task->pages += 2;
    task->background = background;
    for (const uint8_t *at = program->start; at < program->end; at += PAGE_SIZE) {
        uint32_t page = page_alloc(), left = program->end - at;
        if (!page)
            panic("no memory for a program");
        memcpy((void *)page, at, left < PAGE_SIZE ? left : PAGE_SIZE);
        *user_page(task->directory, USER_START + (at - program->start)) = page | PTE_PRESENT | PTE_WRITE | PTE_USER;
        task->pages++;
    }
    /* The last page is the stack's first; the arguments' text lies at its top. */
    uint32_t page = page_alloc(), n = strlen(arguments) + 1, esp = (USER_END - n) & -16u;
    if (!page)
        panic("no memory for a program");
    *user_page(task->directory, USER_END - PAGE_SIZE) = page | PTE_PRESENT | PTE_WRITE | PTE_USER;
    task->pages++;
    memcpy((void *)(page + PAGE_SIZE - (USER_END - esp)), arguments, n);

    struct frame *frame = (struct frame *)(task->stack + PAGE_SIZE) - 1;
    frame->eip = USER_START;
    frame->cs = USER_CODE;
    frame->ds = frame->es = frame->ss = USER_DATA;
    frame->eflags = EFLAGS_IF;
    frame->eax = esp;                   /* prog/start.asm finds the arguments by it */
    frame->esp = esp;
    set_stack(task, (uint32_t *)frame, 0, interrupt_return);
    if (!background)
        foreground = task;
    task->state = READY;
    return task;
}

/* Give the CPU to the next task that can run, in turn; idle when there is none. Interrupts are off. */
void schedule(void)
{
    struct task *next = &tasks[0], *last = current;
    for (int i = 1; i <= TASKS; i++) {
        struct task *task = &tasks[(current->id + i) % TASKS];
        if (task->state == READY && task != &tasks[0]) {
            next = task;
            break;
        }
    }
    if (next == current)
        return;
    current = next;
    tss[1] = next->stack + PAGE_SIZE;
    if (next->directory != last->directory)
        write_cr3(next->directory);
    fpu_switched();
    switch_stacks(&last->esp, next->esp);
}

/* ---------------------------------------------------------------- waiting */
void wait_on(void *channel, uint32_t until)
{
    current->channel = channel;
    current->wake_at = until;
    current->state = WAITING;
    schedule();
}

static void ready(struct task *task)
{
    task->state = READY;
    task->channel = 0;
    task->wake_at = 0;
}

void wake(void *channel)
{
    for (int i = 1; i < TASKS; i++)
        if (tasks[i].state == WAITING && tasks[i].channel == channel)
            ready(&tasks[i]);
}

void timer_tick(void)
{
    current->ticks++;
    for (int i = 1; i < TASKS; i++)
        if (tasks[i].state == WAITING && tasks[i].wake_at && (int32_t)(ticks - tasks[i].wake_at) >= 0)
            ready(&tasks[i]);
}

void sleep_ticks(uint32_t n)
{
    uint32_t flags = irq_save(), until = (ticks + n) | !(ticks + n);    /* 0 would mean for ever */
    while ((int32_t)(ticks - until) < 0 && !current->killed)
        wait_on(0, until);
    irq_restore(flags);
}

/* ---------------------------------------------------------------- the end */
void task_exit(int status)
{
    cli();
    fpu_forget(current);
    current->status = status;
    current->state = ENDED;             /* its memory is given back by who waits, for it stands on this stack */
    wake(current);
    schedule();
    panic("an ended task ran");
}

static void task_free(struct task *task)
{
    address_space_free(task->directory);
    page_free(task->stack);
    task->state = FREE;
}

/* Wait for a program's end; its status. */
int task_wait(struct task *task)
{
    uint32_t flags = irq_save();
    while (task->state != ENDED)
        wait_on(task, 0);
    if (foreground == task)
        foreground = 0;
    int status = task->status;
    task_free(task);
    irq_restore(flags);
    return status;
}

/* Programs end themselves, at the latest with the next timer interrupt. 0: there is no such program. */
int task_kill(int id)
{
    uint32_t flags = irq_save();
    int found = id > 0 && id < TASKS && tasks[id].state != FREE && tasks[id].directory != kernel_page_directory();
    if (found) {
        tasks[id].killed = 1;
        if (tasks[id].state == WAITING)
            ready(&tasks[id]);
    }
    irq_restore(flags);
    return found;
}

/* Say which programs in the background have ended, and clear them away. */
void reap(void)
{
    for (int i = 1; i < TASKS; i++)
        if (tasks[i].state == ENDED && tasks[i].background) {
            printf("[%d] %s ended with status %d\n", i, tasks[i].name, tasks[i].status);
            task_free(&tasks[i]);
        }
}

/* ---------------------------------------------------------------- commands */
void command_ps(const char *arguments)
{
    static const char *const states[] = {"", "ready", "waiting", "ended"};
    (void)arguments;
    printf("id  ring  state    seconds  pages  name\n");
    for (int i = 0; i < TASKS; i++) {
        struct task *task = &tasks[i];
        if (task->state != FREE)
            printf("%2d  %4d  %-7s  %4u.%02u  %5u  %s\n", i, task->directory == kernel_page_directory() ? 0 : 3,
                   task == current ? "running" : states[task->state], task->ticks / HZ, task->ticks % HZ, task->pages, task->name);
    }
}

void command_kill(const char *arguments)
{
    int id;
    if (!number(arguments, &id))
        printf("kill ID: the number that ps shows\n");
    else if (!task_kill(id))
        printf("kill: %d is no program\n", id);
}

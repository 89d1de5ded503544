/* What the files of the kernel know of each other, in the order in which to read them. */
#ifndef KERNEL_H
#define KERNEL_H
#include <stdarg.h>
#include <stdint.h>

#define PAGE_SIZE 4096u
#define HZ 100u                         /* timer interrupts a second */

/* format.c */
void format(void (*put)(char), const char *text, va_list arguments);
void *memcpy(void *to, const void *from, unsigned n);
void *memmove(void *to, const void *from, unsigned n);
void *memset(void *to, int byte, unsigned n);
int memcmp(const void *a, const void *b, unsigned n);
unsigned strlen(const char *s);
int strcmp(const char *a, const char *b);

/* console.c: the screen and the serial line, as one terminal */
void console_init(void);
void put_char(char c);
void printf(const char *text, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *text, ...) __attribute__((format(printf, 1, 2), noreturn));
void status_line(const char *left, const char *right);
void console_graphics(int on);

/* serial.c */
void serial_init(void);
void serial_put(char c);

/* keyboard.c, input.c: keys and serial input in one queue */
void keyboard_init(void);
void input_put(char c);
int input_get(void);                    /* waits; -1: the task is to end */
int input_poll(void);                   /* -1: there is none */

/* interrupts.c */
struct frame {                          /* as entry.asm pushes it, the last pushed first */
    uint32_t es, ds;
    uint32_t edi, esi, ebp, esp_ignored, ebx, edx, ecx, eax;
    uint32_t number, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss;                   /* only when it came from ring 3 */
};
void interrupts_init(void);
void irq_handler(int irq, void (*handler)(void));
void interrupt(struct frame *frame);

/* memory.c: physical pages */
void memory_init(void);
uint32_t page_alloc(void);              /* zeroed; its physical address, 0 when there are no more */
void page_free(uint32_t page);
extern uint32_t pages_total, pages_free;
extern uint32_t memory_top;
void command_mem(const char *arguments);

/* paging.c: page tables */
#define PTE_PRESENT 1u
#define PTE_WRITE 2u
#define PTE_USER 4u
#define USER_START 0x40000000u          /* a program's 4 MiB: one page table */
#define USER_END 0x40400000u
#define USER_SCREEN 0x40300000u         /* where it finds the screen's memory in graphics mode */
void paging_init(void);
uint32_t address_space_new(void);
void address_space_free(uint32_t directory);
uint32_t *user_page(uint32_t directory, uint32_t address);  /* the entry for an address in a program's table */
void map_screen(int on);
int page_fault(struct frame *frame);    /* 0: not ours to cure */
volatile void *physical_window(uint32_t address);

/* task.c */
enum state { FREE, READY, WAITING, ENDED };
struct task {
    int id;
    enum state state;
    int killed;                         /* it is to end as soon as it would go back to ring 3 */
    int status;                         /* of exit() */
    void *channel;                      /* what it waits for */
    uint32_t wake_at;                   /* or until when, in ticks; 0: not by time */
    uint32_t esp;                       /* its kernel stack, while another task runs */
    uint32_t stack;                     /* the page of that stack */
    uint32_t directory;                 /* page directory */
    uint32_t pages;                     /* that it has been given */
    uint32_t ticks;                     /* timer interrupts that found it running */
    int background;
    char name[12];
    uint8_t fpu[108];                   /* as FNSAVE stores it */
    int fpu_used;
};
#define TASKS 16
extern struct task tasks[TASKS], *current, *foreground;
void tasks_init(void);
struct task *task_new(const char *name, void (*function)(void));
struct task *program_start(const char *name, const char *arguments, int background);
void schedule(void);
void wait_on(void *channel, uint32_t until);    /* interrupts are off */
void wake(void *channel);
void task_exit(int status) __attribute__((noreturn));
int task_kill(int id);
int task_wait(struct task *task);
void timer_tick(void);
void sleep_ticks(uint32_t n);
void command_ps(const char *arguments);
void command_kill(const char *arguments);

/* timer.c */
extern volatile uint32_t ticks;
void timer_init(void);

/* fpu.c */
void fpu_init(void);
void fpu_trap(void);
void fpu_switched(void);
void fpu_forget(struct task *task);

/* syscall.c */
void system_call(struct frame *frame);

/* programs.asm: the programs that the image contains */
struct program { char name[8]; const uint8_t *start, *end; };
extern const struct program programs[];

/* vga.c */
void graphics_mode(void);
void text_mode(void);
void set_palette(const uint8_t *rgb);

/* pci.c */
uint32_t pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset);
void command_pci(const char *arguments);

/* power.c, acpi.c */
int acpi_soft_off(void);
void command_reboot(const char *arguments);
void command_poweroff(const char *arguments);
void command_exit(const char *arguments);

/* shell.c, line.c */
void shell(void);
int read_line(const char *prompt, char *line, int size);
int number(const char *text, int *value);
#endif

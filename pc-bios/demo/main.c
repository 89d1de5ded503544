/* Step 3. The first C function: each part of the system is set up, then the tasks begin.
 *
 * We are in protected mode, without paging, interrupts off. */
#include "io.h"
#include "kernel.h"

/* A kernel task of its own, so that something happens while the shell waits: the line at the top of the screen. */
static void clock_task(void)
{
    for (;;) {
        char right[] = "up 00:00:00 ";
        uint32_t seconds = ticks / HZ, parts[] = {seconds / 3600 % 100, seconds / 60 % 60, seconds % 60};
        for (int i = 0; i < 3; i++) {
            right[3 + 3 * i] = '0' + parts[i] / 10;
            right[4 + 3 * i] = '0' + parts[i] % 10;
        }
        status_line(" demo: a small operating system", right);
        sleep_ticks(HZ - ticks % HZ);
    }
}

static void idle(void)
{
    for (;;) {
        cli();
        schedule();
        sti_hlt();                      /* until the next interrupt: an idle machine costs the host nothing */
    }
}

void kmain(void)
{
    serial_init();
    console_init();
    memory_init();
    paging_init();
    interrupts_init();
    timer_init();
    keyboard_init();
    fpu_init();
    tasks_init();                       /* what runs here becomes task 0, idle */
    printf("demo: %u KiB of memory, %u pages free. Type help, and Return.\n\n", memory_top / 1024, pages_free);
    task_new("shell", shell);
    task_new("clock", clock_task);
    idle();
}

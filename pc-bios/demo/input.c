/* One queue for what is typed, on the keyboard or on the serial line. Interrupts fill it, a task empties it. */
#include "io.h"
#include "kernel.h"

#define SIZE 256                        /* a power of two: the indices may run over */
#define CONTROL_C 3

static char queue[SIZE];
static volatile uint32_t first, last;   /* counted since the start */

/* In an interrupt. What does not fit is lost, as with every keyboard. Ctrl-C ends the program in the foreground. */
void input_put(char c)
{
    if (c == CONTROL_C && foreground) {
        task_kill(foreground->id);
        return;
    }
    if (last - first < SIZE)
        queue[last++ % SIZE] = c;
    wake(queue);
}

int input_poll(void)
{
    uint32_t flags = irq_save();
    int c = first == last ? -1 : (uint8_t)queue[first++ % SIZE];
    irq_restore(flags);
    return c;
}

int input_get(void)
{
    uint32_t flags = irq_save();        /* else a key could come between the look and the wait, and wake nobody */
    while (first == last && !current->killed)
        wait_on(queue, 0);
    irq_restore(flags);
    return input_poll();
}

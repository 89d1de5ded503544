/* The clock tick: counter 0 of the 8254, 100 times a second. */
#include "io.h"
#include "kernel.h"

#define PIT_CLOCK 1193182u              /* Hz: a third of the colour carrier of American television */
#define COUNTER0 0x40
#define CONTROL 0x43

volatile uint32_t ticks;

static void timer_interrupt(void)
{
    ticks++;
    timer_tick();
}

void timer_init(void)
{
    uint32_t divisor = (PIT_CLOCK + HZ / 2) / HZ;
    outb(CONTROL, 0x34);                /* counter 0, low then high byte, mode 2: rate generator */
    outb(COUNTER0, divisor);
    outb(COUNTER0, divisor >> 8);
    irq_handler(0, timer_interrupt);
}

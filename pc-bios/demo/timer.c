/* The clock tick: counter 0 of the 8254, 100 times a second. */
#include "io.h"
#include "kernel.h"

volatile uint32_t ticks;

static void timer_interrupt(void)
{
    ticks++;
    timer_tick();
}

void timer_init(void)
{
    uint32_t divisor = (PIT_CLOCK + HZ / 2) / HZ;
    outb(PIT_CONTROL, 0x34);        /* counter 0, low then high byte, mode 2: rate generator */
    outb(PIT_COUNTER(0), divisor);
    outb(PIT_COUNTER(0), divisor >> 8);
    irq_handler(0, timer_interrupt);
}

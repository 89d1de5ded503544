/* COM1, a 16450 or better: 115200 baud, 8 bits, no parity. Sending waits for the chip; receiving is by interrupt.
 *
 * The FIFO of a 16550 stays as the BIOS left it, off: turning it on would lose what was typed ahead. */
#include "io.h"
#include "kernel.h"

#define COM1 0x3F8
#define DATA (COM1 + 0)
#define INTERRUPT_ENABLE (COM1 + 1)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)
#define SCRATCH (COM1 + 7)
#define RECEIVED 0x01                   /* of the line status */
#define MAY_SEND 0x20
#define PATIENCE (1u << 26)             /* polls; then nobody seems to listen, and what does not go at once is dropped */

static int present, stuck;

void serial_init(void)
{
    outb(SCRATCH, 0x5A);
    present = inb(SCRATCH) == 0x5A;     /* a PC without COM1 gives FFh */
    if (!present)
        return;
    outb(LINE_CONTROL, 0x80);           /* DLAB: the first two ports are the divisor of 115200 */
    outb(DATA, 1);
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x03);
    outb(MODEM_CONTROL, 0x0B);          /* DTR, RTS, and OUT2, which on a PC lets the interrupt through */
}

void serial_put(char c)
{
    if (!present)
        return;
    for (uint32_t i = 0; !(inb(LINE_STATUS) & MAY_SEND); i++) {
        if (stuck || i == PATIENCE) {
            stuck = 1;
            return;
        }
    }
    stuck = 0;
    outb(DATA, c);
}

static void serial_interrupt(void)
{
    while (inb(LINE_STATUS) & RECEIVED)
        input_put(inb(DATA));
}

/* After interrupts_init(). */
void serial_listen(void)
{
    if (present) {
        irq_handler(4, serial_interrupt);
        outb(INTERRUPT_ENABLE, 0x01);
        serial_interrupt();             /* what came before we listened would hold the line up for ever */
    }
}

/* COM1, a 16450 or better: 115200 baud, 8 bits, no parity. Sending waits for the chip; receiving is by interrupt.
 *
 * The FIFO of a 16550 stays as the BIOS left it, off: turning it on would lose what was typed ahead. */
#include "io.h"
#include "kernel.h"

#define COM1 0x3F8
#define PATIENCE (1u << 26)             /* polls; then nobody seems to listen, and what does not go at once is dropped */

static int present, stuck;

void serial_init(void)
{
    outb(COM1 + UART_SCRATCH, 0x5A);
    present = inb(COM1 + UART_SCRATCH) == 0x5A;     /* a PC without COM1 gives FFh */
    if (!present)
        return;
    outb(COM1 + UART_LINE, UART_DLAB);        /* DLAB: the first two ports are the divisor of 115200 */
    outb(COM1 + UART_DATA, 1);
    outb(COM1 + UART_INTERRUPTS, 0);
    outb(COM1 + UART_LINE, UART_8N1);
    outb(COM1 + UART_MODEM, UART_DTR_RTS | UART_OUT2);
}

void serial_put(char c)
{
    if (!present)
        return;
    for (uint32_t i = 0; !(inb(COM1 + UART_STATUS) & UART_MAY_SEND); i++) {
        if (stuck || i == PATIENCE) {
            stuck = 1;
            return;
        }
    }
    stuck = 0;
    outb(COM1 + UART_DATA, c);
}

static void serial_interrupt(void)
{
    while (inb(COM1 + UART_STATUS) & UART_RECEIVED)
        input_put(inb(COM1 + UART_DATA));
}

/* After interrupts_init(). */
void serial_listen(void)
{
    if (present) {
        irq_handler(4, serial_interrupt);
        outb(COM1 + UART_INTERRUPTS, 0x01);
        serial_interrupt();             /* what came before we listened would hold the line up for ever */
    }
}

/* INT 05h, 11h, 12h, 14h, 17h and interrupts that nobody wants. */
#include "bios.h"

void handle_10(struct regs *r) { }                  /* until a VGA BIOS comes there is no screen */
void handle_11(struct regs *r) { r->ax = peekw(BDA, 0x10); }
void handle_12(struct regs *r) { r->ax = peekw(BDA, 0x13); }

/* An interrupt without a handler: acknowledged at the controller that has it in service. */
void handle_irq(struct regs *r)
{
    outb(PIC_SLAVE, PIC_READ_ISR);
    outb(PIC_MASTER, PIC_READ_ISR);
    u8 slave = inb(PIC_SLAVE), master = inb(PIC_MASTER);
    if (slave)
        outb(PIC_SLAVE, PIC_EOI);
    if (master)
        outb(PIC_MASTER, PIC_EOI);
}

/* ---- serial and printer */
static u32 port_of(u16 table, u16 n, u16 last) { return n > last ? 0 : peekw(BDA, table + 2 * n); }

/* Poll until (port & mask) == want, `ticks` of 55 ms at most, counted by the refresh toggle. */
static int ready(u16 port, u8 mask, u8 want, u32 ticks)
{
    u8 last = 0;
    for (u32 n = 0; n < ticks * 3640;) {
        if ((inb(port) & mask) == want)
            return 1;
        u8 toggle = inb(PORT_B) & PORT_B_REFRESH;
        n += toggle != last;
        last = toggle;
    }
    return 0;
}

void handle_14(struct regs *r)
{
    static const u16 divisors[] = { 1047, 768, 384, 192, 96, 48, 24, 12 };
    u16 port = port_of(0, r->dx, 3);
    u8 limit = peekb(BDA, 0x7C + (r->dx & 3));
    if (!port)
        return;
    if (r->ah == 0) {
        u16 divisor = divisors[r->al >> 5];
        outb(port + UART_LINE, UART_DLAB | r->al & 0x1F);
        outb(port, divisor);
        outb(port + 1, divisor >> 8);
        outb(port + UART_LINE, r->al & 0x1F);
        outb(port + 1, 0);
    } else if (r->ah == 1) {
        outb(port + UART_MODEM, UART_DTR_RTS);
        if (!ready(port + UART_STATUS, UART_MAY_SEND, UART_MAY_SEND, 18 * limit)) {
            r->ah = inb(port + UART_STATUS) | 0x80;
            return;
        }
        outb(port, r->al);
        r->ah = inb(port + UART_STATUS) & 0x7F;
        return;
    } else if (r->ah == 2) {
        outb(port + UART_MODEM, 0x01);
        if (!ready(port + UART_STATUS, UART_RECEIVED, UART_RECEIVED, 18 * limit)) {
            r->ah = inb(port + UART_STATUS) | 0x80;
            return;
        }
        r->ah = inb(port + UART_STATUS) & 0x1E;
        r->al = inb(port);
        return;
    } else if (r->ah == 4) {                        /* PS/2: AL break, BH parity, BL stop bits, CH data bits, CL rate */
        static const u8 parities[] = { 0x00, 0x08, 0x18, 0x28, 0x38 };
        if (r->al > 1 || r->bh > 4 || r->bl > 1 || r->ch > 3 || r->cl > 8)
            return;
        u16 divisor = r->cl == 8 ? 6 : divisors[r->cl];
        u8 line = r->al << 6 | parities[r->bh] | r->bl << 2 | r->ch;
        outb(port + UART_LINE, UART_DLAB | line);
        outb(port, divisor);
        outb(port + 1, divisor >> 8);
        outb(port + UART_LINE, line);
    } else if (r->ah == 5) {                        /* the modem's lines: AL 0 read, 1 write BL */
        if (r->al > 1)
            return;
        if (r->al)
            outb(port + UART_MODEM, r->bl);
        r->bl = inb(port + UART_MODEM);
    } else if (r->ah != 3)
        return;
    r->ah = inb(port + UART_STATUS);
    r->al = inb(port + UART_MODEM_STATUS);
}

void handle_17(struct regs *r)
{
    u16 port = port_of(8, r->dx, 2);
    if (!port)
        r->ah = 0x01;                               /* time-out */
    if (!port || r->ah > 2)
        return;
    int late = 0;
    if (r->ah == 0) {
        late = !ready(port + 1, 0x80, 0x80, 18 * peekb(BDA, 0x78 + r->dx));
        if (!late) {
            outb(port, r->al);
            outb(port + 2, 0x0D);                   /* strobe */
            outb(port + 2, 0x0C);
        }
    } else if (r->ah == 1) {
        outb(port + 2, 0x08);                       /* INIT# */
        outb(port + 2, 0x0C);
    }
    r->ah = (inb(port + 1) ^ 0x48) & 0xF8 | late;
}

/* ---- INT 05h: the screen to the first printer; how it went at 50h:0 */
#define STATUS 0x500
enum { DONE, PRINTING, FAILED = 0xFF };

static int to_printer(u8 c)
{
    struct regs r = { .eax = c };
    call_int(0x17, &r);
    return !(r.ah & 0x29);                          /* time-out, error, out of paper */
}

void handle_05(struct regs *r)
{
    struct regs video = { .eax = 0x0F00 }, cursor = { .eax = 0x0300 }, at;
    u8 rows = peekb(BDA, 0x84) ? peekb(BDA, 0x84) + 1 : 25;
    if (peekb(0, STATUS) == PRINTING)
        return;
    pokeb(0, STATUS, PRINTING);
    sti();
    call_int(0x10, &video);
    cursor.bh = video.bh;
    call_int(0x10, &cursor);
    int good = to_printer('\r') && to_printer('\n');
    for (u8 row = 0; good && row < rows; row++) {
        for (u8 column = 0; good && column < video.ah; column++) {
            at = (struct regs) { .eax = 0x0200, .ebx = video.bh << 8, .edx = row << 8 | column };
            call_int(0x10, &at);
            at = (struct regs) { .eax = 0x0800, .ebx = video.bh << 8 };
            call_int(0x10, &at);
            good = to_printer(at.al ? at.al : ' ');
        }
        good = good && to_printer('\r') && to_printer('\n');
    }
    at = (struct regs) { .eax = 0x0200, .ebx = video.bh << 8, .edx = cursor.dx };
    call_int(0x10, &at);
    pokeb(0, STATUS, good ? DONE : FAILED);
}

/* INT 11h, 12h, 14h, 15h, 17h, 1Ah and interrupts that nobody wants. What is not served answers as an AT's BIOS does
   where a function is unknown: carry and 86h, or a time-out. */
#include "bios.h"

void handle_10(struct regs *r) { }                  /* until a VGA BIOS comes there is no screen */
void handle_11(struct regs *r) { r->ax = peekw(BDA, 0x10); }
void handle_12(struct regs *r) { r->ax = peekw(BDA, 0x13); }

/* An interrupt without a handler: acknowledged at the controller that has it in service. */
void handle_irq(struct regs *r)
{
    outb(0xA0, 0x0B);
    outb(0x20, 0x0B);
    u8 slave = inb(0xA0), master = inb(0x20);
    if (slave)
        outb(0xA0, 0x20);
    if (master)
        outb(0x20, 0x20);
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
        u8 toggle = inb(0x61) & 0x10;
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
        outb(port + 3, 0x80 | r->al & 0x1F);
        outb(port, divisor);
        outb(port + 1, divisor >> 8);
        outb(port + 3, r->al & 0x1F);
        outb(port + 1, 0);
    } else if (r->ah == 1) {
        outb(port + 4, 0x03);
        if (!ready(port + 5, 0x20, 0x20, 18 * limit)) {
            r->ah = inb(port + 5) | 0x80;
            return;
        }
        outb(port, r->al);
        r->ah = inb(port + 5) & 0x7F;
        return;
    } else if (r->ah == 2) {
        outb(port + 4, 0x01);
        if (!ready(port + 5, 0x01, 0x01, 18 * limit)) {
            r->ah = inb(port + 5) | 0x80;
            return;
        }
        r->ah = inb(port + 5) & 0x1E;
        r->al = inb(port);
        return;
    } else if (r->ah != 3)
        return;
    r->ah = inb(port + 5);
    r->al = inb(port + 6);
}

void handle_17(struct regs *r)
{
    u16 port = port_of(8, r->dx, 2);
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

/* ---- INT 15h */
void handle_15(struct regs *r)
{
    u32 kib = extended_memory();
    if (r->ax == 0xE820) {
        map_entry(r);
        return;
    }
    carry(r, 0);
    if (r->ax == 0xE801) {
        r->ax = r->cx = kib > 0x3C00 ? 0x3C00 : kib;
        r->bx = r->dx = kib > 0x3C00 ? (kib - 0x3C00) >> 6 : 0;
    } else if (r->ah == 0x88)
        r->ax = kib > 0xFC00 ? 0xFC00 : kib;
    else if (r->ax == 0x2400 || r->ax == 0x2401) {
        outb(0x92, inb(0x92) & 0xFC | (r->al ? 2 : 0));
        r->ah = 0;
    } else if (r->ax == 0x2402) {
        r->al = inb(0x92) >> 1 & 1;
        r->ah = 0;
    } else if (r->ax == 0x2403) {
        r->bx = 3;                                  /* keyboard controller and port 92h */
        r->ah = 0;
    } else if (r->ah == 0x86) {                     /* CX:DX microseconds, in refresh half periods of 15 */
        u8 last = inb(0x61) & 0x10;
        for (u32 n = (r->cx << 16 | r->dx) / 15 + 1; n;) {
            u8 toggle = inb(0x61) & 0x10;
            n -= toggle != last;
            last = toggle;
        }
        r->ah = 0;
    } else if (r->ah == 0x87) {                     /* descriptors 2 and 3 of ES:SI: from, to; CX words */
        u16 at = r->si;
        u32 from = peekl(r->es, at + 18) & 0xFFFFFF | peekb(r->es, at + 23) << 24;
        u32 to = peekl(r->es, at + 26) & 0xFFFFFF | peekb(r->es, at + 31) << 24;
        copy_flat(to, from, (u32) r->cx * 2);
        r->ah = 0;
    } else if (r->ah == 0xC0) {
        static const u8 table[] = { 8, 0, 0xFC, 0, 0, 0x70, 0, 0, 0, 0 };
        r->es = 0xF000;
        r->bx = (u16) (u32) table;
        r->ah = 0;
    } else if (r->ah == 0xC1)
        r->es = EBDA;
    else if (r->ah == 0x4F)
        carry(r, 1);                                /* the key is to be taken as it is */
    else if (r->ah == 0x90 || r->ah == 0x91)
        r->ah = 0;
    else {
        r->ah = 0x86;
        carry(r, 1);
    }
}

/* ---- INT 1Ah */
static void set_clock(u8 index, u8 value) { outb(0x70, index); outb(0x71, value); }

static void settled(void)                           /* out of the update cycle */
{
    while (cmos(0x0A) & 0x80)
        ;
}

void handle_1a(struct regs *r)
{
    carry(r, 0);
    switch (r->ah) {
    case 0:
        r->cx = peekw(BDA, 0x6E);
        r->dx = peekw(BDA, 0x6C);
        r->al = peekb(BDA, 0x70);
        pokeb(BDA, 0x70, 0);
        break;
    case 1:
        pokel(BDA, 0x6C, r->cx << 16 | r->dx);
        pokeb(BDA, 0x70, 0);
        break;
    case 2:
        settled();
        r->ch = cmos(4);
        r->cl = cmos(2);
        r->dh = cmos(0);
        r->dl = cmos(0x0B) & 1;
        break;
    case 3:
        set_clock(0x0B, cmos(0x0B) & 0x7E | 0x80 | r->dl & 1);
        set_clock(4, r->ch);
        set_clock(2, r->cl);
        set_clock(0, r->dh);
        set_clock(0x0B, cmos(0x0B) & 0x7F);
        break;
    case 4:
        settled();
        r->ch = cmos(0x32);
        r->cl = cmos(9);
        r->dh = cmos(8);
        r->dl = cmos(7);
        break;
    case 5:
        set_clock(0x0B, cmos(0x0B) | 0x80);
        set_clock(0x32, r->ch);
        set_clock(9, r->cl);
        set_clock(8, r->dh);
        set_clock(7, r->dl);
        set_clock(0x0B, cmos(0x0B) & 0x7F);
        break;
    default:
        carry(r, 1);
    }
}

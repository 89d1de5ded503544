/* The clock chip: INT 1Ah, 70h (IRQ 8), and the waits of INT 15h, which count its periodic interrupt. */
#include "bios.h"
#include "drives.h"

#define SECONDS 0x00
#define SECONDS_ALARM 0x01
#define MINUTES 0x02
#define MINUTES_ALARM 0x03
#define HOURS 0x04
#define HOURS_ALARM 0x05
#define DAY 0x07
#define MONTH 0x08
#define YEAR 0x09
#define REG_A 0x0A
#define UPDATING 0x80
#define REG_B 0x0B
#define SET 0x80
#define PERIODIC 0x40
#define ALARM 0x20
#define REG_C 0x0C
#define REG_D 0x0D
#define VALID 0x80
#define CENTURY 0x32
#define PERIOD 976                                  /* us, of 1024 Hz */

/* BIOS data area */
#define WAIT_FLAG 0x98                              /* far pointer: to the byte whose bit 7 is set in the end */
#define WAIT_LEFT 0x9C                              /* us */
#define WAIT_ACTIVE 0xA0                            /* bit 0: a wait is going on; bit 7: it has ended */

static void set(u8 index, u8 value) { out_index(CMOS, index, value); }

/* Out of the update cycle? It lasts 2 ms. */
static int settled(void)
{
    struct timeout limit = MILLISECONDS(10);
    while (cmos(REG_A) & UPDATING)
        if (expired(&limit))
            return 0;
    return 1;
}

/* ---- waits */
static int start_wait(u16 segment, u16 offset, u32 microseconds)
{
    if (peekb(BDA, WAIT_ACTIVE) & 1)
        return 0;
    pokew(BDA, WAIT_FLAG, offset);
    pokew(BDA, WAIT_FLAG + 2, segment);
    pokel(BDA, WAIT_LEFT, microseconds);
    pokeb(BDA, WAIT_ACTIVE, 1);
    outb(PIC_SLAVE + 1, inb(PIC_SLAVE + 1) & ~0x01);
    set(REG_A, cmos(REG_A) & 0x70 | 0x06);          /* 1024 Hz */
    set(REG_B, cmos(REG_B) | PERIODIC);
    return 1;
}

static void end_wait(void)
{
    set(REG_B, cmos(REG_B) & ~PERIODIC);
    pokeb(BDA, WAIT_ACTIVE, 0);
}

/* INT 15h 83h: ES:BX's byte gets bit 7 after CX:DX microseconds; AL 1: it is called off. */
void event_wait_15(struct regs *r)
{
    if (r->al == 1)
        end_wait();
    else if (r->al || !start_wait(r->es, r->bx, r->cx << 16 | r->dx)) {
        r->ah = r->al ? 0x86 : 0x80;
        carry(r, 1);
        return;
    }
    r->ah = 0;
}

/* INT 15h 86h: after CX:DX microseconds. Shorter than the clock's period, they are told by the refresh toggle's 15. */
void wait_15(struct regs *r)
{
    u32 microseconds = r->cx << 16 | r->dx;
    r->ah = 0;
    if (peekb(BDA, WAIT_ACTIVE) & 1) {
        r->ah = 0x83;
        carry(r, 1);
    } else if (microseconds < 2 * PERIOD) {
        struct timeout limit = { microseconds / 15 + 1, inb(PORT_B) & PORT_B_REFRESH };
        while (!expired(&limit))
            ;
    } else {
        start_wait(BDA, WAIT_ACTIVE, microseconds);
        while (!(peekb(BDA, WAIT_ACTIVE) & 0x80))
            asm volatile("sti; hlt; cli" : : : "memory");
        pokeb(BDA, WAIT_ACTIVE, 0);
    }
}

static void periodic(void)
{
    u32 left = peekl(BDA, WAIT_LEFT);
    if (!(peekb(BDA, WAIT_ACTIVE) & 1))
        return;
    if (left > PERIOD) {
        pokel(BDA, WAIT_LEFT, left - PERIOD);
        return;
    }
    u16 offset = peekw(BDA, WAIT_FLAG), segment = peekw(BDA, WAIT_FLAG + 2);
    end_wait();
    pokeb(segment, offset, peekb(segment, offset) | 0x80);
}

/* INT 70h */
void handle_70(struct regs *r)
{
    u8 enabled = cmos(REG_B), causes = cmos(REG_C) & enabled;
    outb(CMOS, 0x0D);                               /* NMI on again */
    outb(PIC_SLAVE, PIC_EOI);
    outb(PIC_MASTER, PIC_EOI);
    if (causes & PERIODIC)
        periodic();
    if (causes & ALARM) {
        struct regs alarm = { 0 };
        call_int(0x4A, &alarm);
    }
}

/* ---- INT 1Ah */
static void ticks(struct regs *r)
{
    if (r->ah) {
        pokel(BDA, 0x6C, r->cx << 16 | r->dx);
        pokeb(BDA, 0x70, 0);
        return;
    }
    r->cx = peekw(BDA, 0x6E);
    r->dx = peekw(BDA, 0x6C);
    r->al = peekb(BDA, 0x70);                       /* a day has passed */
    pokeb(BDA, 0x70, 0);
}

static void get_time(struct regs *r)
{
    r->ch = cmos(HOURS);
    r->cl = cmos(MINUTES);
    r->dh = cmos(SECONDS);
    r->dl = cmos(REG_B) & 1;
}

static void set_time(struct regs *r)
{
    set(REG_B, cmos(REG_B) & 0x7E | SET | r->dl & 1);
    set(HOURS, r->ch);
    set(MINUTES, r->cl);
    set(SECONDS, r->dh);
    set(REG_B, cmos(REG_B) & ~SET);
}

static void get_date(struct regs *r)
{
    r->ch = cmos(CENTURY);
    r->cl = cmos(YEAR);
    r->dh = cmos(MONTH);
    r->dl = cmos(DAY);
}

static void set_date(struct regs *r)
{
    set(REG_B, cmos(REG_B) | SET);
    set(CENTURY, r->ch);
    set(YEAR, r->cl);
    set(MONTH, r->dh);
    set(DAY, r->dl);
    set(REG_B, cmos(REG_B) & ~SET);
}

/* 0: there is one set already. */
static int set_alarm(struct regs *r)
{
    if (cmos(REG_B) & ALARM)
        return 0;
    set(HOURS_ALARM, r->ch);
    set(MINUTES_ALARM, r->cl);
    set(SECONDS_ALARM, r->dh);
    outb(PIC_SLAVE + 1, inb(PIC_SLAVE + 1) & ~0x01);
    set(REG_B, cmos(REG_B) & ~SET | ALARM);
    return 1;
}

void handle_1a(struct regs *r)
{
    carry(r, 0);
    if (r->ah < 2) {
        ticks(r);
        return;
    }
    if (r->ah > 9 || r->ah == 8 || !(cmos(REG_D) & VALID) || !settled()) {
        carry(r, 1);
        return;
    }
    switch (r->ah) {
    case 2: get_time(r); break;
    case 3: set_time(r); break;
    case 4: get_date(r); break;
    case 5: set_date(r); break;
    case 6: carry(r, !set_alarm(r)); break;
    case 7: set(REG_B, cmos(REG_B) & ~ALARM); break;
    case 9:
        r->ch = cmos(HOURS_ALARM);
        r->cl = cmos(MINUTES_ALARM);
        r->dh = cmos(SECONDS_ALARM);
        r->dl = !!(cmos(REG_B) & ALARM);
    }
}

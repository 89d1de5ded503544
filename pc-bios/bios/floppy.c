/* The 82077AA diskette controller (datasheet 290166) with DMA channel 2 and IRQ 6; what the BIOS data area says of both.

   A drive's change line tells that the medium is another one. The next access takes it back with a step, fails once
   with "medium changed", as the AT's BIOS does, and the one after that finds the data rate (READ ID at each that the
   drive can do) and the format (which sectors a track has, a second head, cylinder 45).

   Not here: 300 kbit/s and double steps, for 360 KiB media in 1.2 MiB drives of iron; waits for motors and heads. */
#include "bios.h"
#include "drives.h"

#define DOR 0x3F2
#define MSR 0x3F4
#define FIFO 0x3F5
#define DIR_CCR 0x3F7
#define RQM_DIO 0xC0
#define RATE_500 0
#define RATE_250 2
#define RATE_1000 3

#define CALIBRATED 0x3E                             /* in the BIOS data area: bit n: drive n; bit 7: the interrupt came */
#define MOTORS 0x3F
#define MOTOR_TICKS 0x40
#define RESULTS 0x42
#define LAST_RATE 0x8B
#define CONTROLLER 0x8F
#define MEDIA_STATE 0x90
#define ESTABLISHED 0x10
#define CYLINDER 0x94

struct format media[FLOPPIES];
u8 floppy_types[FLOPPIES], floppy_count;
extern u8 diskette_table[];

/* The parameter table of INT 1Eh, by offset. */
static u8 parameter(int n)
{
    return peekb(peekw(0, 4 * 0x1E + 2), (u16) (peekw(0, 4 * 0x1E) + n));
}

/* ---- the controller */
static int send(u8 byte)
{
    struct timeout limit = MILLISECONDS(50);
    while (!expired(&limit))
        if ((inb(MSR) & RQM_DIO) == 0x80) {
            outb(FIFO, byte);
            return 1;
        }
    return 0;
}

/* A command's results, to the data area; how many there were. */
static int results(int most)
{
    int n = 0;
    struct timeout limit = MILLISECONDS(50);
    while (n < most && !expired(&limit)) {
        u8 status = inb(MSR);
        if ((status & RQM_DIO) == RQM_DIO)
            pokeb(BDA, RESULTS + n++, inb(FIFO));
        else if ((status & RQM_DIO) == 0x80)
            break;                                  /* it awaits a command */
    }
    return n;
}

static int command(const u8 *bytes, int count)
{
    while (count--)
        if (!send(*bytes++))
            return 0;
    return 1;
}

static u8 sense_interrupt(void)
{
    return send(0x08) && results(2) ? OK : TIMED_OUT;
}

/* IRQ 6: its handler, and the wait for it. INT 15h lets a system do something else meanwhile. */
void handle_0e(struct regs *r)
{
    pokeb(BDA, CALIBRATED, peekb(BDA, CALIBRATED) | 0x80);
    outb(PIC_MASTER, PIC_EOI);
    struct regs post = { .eax = 0x9101 };
    call_int(0x15, &post);
}

static void expect_interrupt(void) { pokeb(BDA, CALIBRATED, peekb(BDA, CALIBRATED) & 0x7F); }

static u8 await_interrupt(void)
{
    struct timeout limit = MILLISECONDS(2000);
    struct regs wait = { .eax = 0x9001 };
    sti();
    call_int(0x15, &wait);
    sti();
    do {
        if (peekb(BDA, CALIBRATED) & 0x80) {
            expect_interrupt();
            return OK;
        }
    } while (!(wait.flags & CF) && !expired(&limit));
    return TIMED_OUT;
}

/* Motor on, drive selected. The motors stay on until floppy_rest() has started their time. */
static void select(u8 drive)
{
    u8 motors = peekb(BDA, MOTORS) & 0x0F | 1 << drive;
    pokeb(BDA, MOTOR_TICKS, 0xFF);
    pokeb(BDA, MOTORS, motors | drive << 4);
    outb(DOR, motors << 4 | 0x0C | drive);
}

void floppy_rest(void) { pokeb(BDA, MOTOR_TICKS, parameter(2)); }

static u8 specify(void)
{
    u8 bytes[] = { 0x03, parameter(0), parameter(1) & 0xFE };
    return command(bytes, 3) ? OK : TIMED_OUT;
}

u8 floppy_reset(void)
{
    u8 motors = peekb(BDA, MOTORS);
    pokeb(BDA, CALIBRATED, 0);
    outb(DOR, motors << 4 | 0x08 | motors >> 4 & 3);
    expect_interrupt();
    outb(DOR, motors << 4 | 0x0C | motors >> 4 & 3);
    if (await_interrupt())
        return TIMED_OUT;
    for (int n = 0; n < 4; n++)                     /* the four drives were polled */
        if (sense_interrupt() || (peekb(BDA, RESULTS) & 0xC0) != 0xC0)
            return CONTROLLER_FAILED;
    return specify();
}

static void set_rate(u8 rate)
{
    outb(DIR_CCR, rate);
    pokeb(BDA, LAST_RATE, peekb(BDA, LAST_RATE) & 0x3F | rate << 6);
}

/* RECALIBRATE or SEEK, and its interrupt. */
static u8 step(const u8 *bytes, int count)
{
    expect_interrupt();
    if (!command(bytes, count) || await_interrupt() || sense_interrupt())
        return TIMED_OUT;
    return (peekb(BDA, RESULTS) & 0xE0) == 0x20 ? OK : 0x40;
}

static u8 recalibrate(u8 drive)
{
    u8 bytes[] = { 0x07, drive };
    if (step(bytes, 2) && step(bytes, 2))           /* 80 tracks are more than the steps of one */
        return TIMED_OUT;
    pokeb(BDA, CALIBRATED, peekb(BDA, CALIBRATED) | 1 << drive);
    pokeb(BDA, CYLINDER + drive, 0);
    return OK;
}

static u8 seek(u8 drive, u8 head, u8 cylinder)
{
    u8 bytes[] = { 0x0F, head << 2 | drive, cylinder };
    if (!(peekb(BDA, CALIBRATED) & 1 << drive) && recalibrate(drive))
        return TIMED_OUT;
    if (peekb(BDA, CYLINDER + drive) == cylinder)
        return OK;
    u8 status = step(bytes, 3);
    if (!status)
        pokeb(BDA, CYLINDER + drive, cylinder);
    return status;
}

static u8 result_status(void)
{
    static const u8 of_bit[] = { NO_ADDRESS_MARK, WRITE_PROTECTED, NOT_FOUND, CONTROLLER_FAILED, DMA_OVERRUN, DATA_ERROR,
        CONTROLLER_FAILED, NOT_FOUND };
    u8 st1 = peekb(BDA, RESULTS + 1);
    if (!(peekb(BDA, RESULTS) & 0xC0))
        return OK;
    for (int bit = 7; bit >= 0; bit--)
        if (st1 & 1 << bit)
            return of_bit[bit];
    return CONTROLLER_FAILED;
}

static u8 execute(const u8 *bytes, int count)
{
    expect_interrupt();
    if (!command(bytes, count) || await_interrupt() || results(7) != 7) {
        floppy_reset();
        return TIMED_OUT;
    }
    return result_status();
}

/* ---- DMA channel 2. It cannot carry from bit 15 of the address. */
static u8 dma(u8 mode, u16 seg, u16 off, u32 bytes)
{
    u32 address = (seg << 4) + off;
    if ((address & 0xFFFF) + bytes > 0x10000 || address > 0xFFFFF)
        return DMA_BOUNDARY;
    outb(0x0A, 0x06);
    outb(0x0C, 0);
    outb(0x0B, mode | 2);
    outb(0x04, address);
    outb(0x04, address >> 8);
    outb(0x81, address >> 16);
    outb(0x05, bytes - 1);
    outb(0x05, bytes - 1 >> 8);
    outb(0x0A, 0x02);
    return OK;
}

static u8 last_sector(u8 drive)
{
    u16 table = peekw(0, 4 * 0x1E);
    if (peekw(0, 4 * 0x1E + 2) == 0xF000 && table == (u16) (u32) diskette_table && media[drive].sectors)
        return media[drive].sectors;
    return parameter(4);
}

static u8 sectors_at(u8 drive, u8 op, u8 mode, u8 c, u8 h, u8 r, u8 last, u8 count, u16 seg, u16 off)
{
    u8 bytes[] = { op, h << 2 | drive, c, h, r, 2, last, parameter(5), 0xFF };
    u8 status = dma(mode, seg, off, count * 512);
    return status ? status : execute(bytes, 9);
}

/* ---- media */
static u8 read_id(u8 drive, u8 head)
{
    u8 bytes[] = { 0x4A, head << 2 | drive };
    return execute(bytes, 2);
}

void set_medium(u8 drive, struct format form)
{
    u8 kind = floppy_types[drive] == 1 ? 3 : form.sectors == 15 ? 5 : 7;
    media[drive] = form;
    pokeb(BDA, MEDIA_STATE + drive, form.rate << 6 | ESTABLISHED | kind);
    pokeb(BDA, CONTROLLER, peekb(BDA, CONTROLLER) | 4 << 4 * drive);
    set_rate(form.rate);
}

static u8 find_medium(u8 drive)
{
    static const u8 rates[] = { RATE_1000, RATE_500, RATE_250 };
    static const u8 lengths[][9] = { { 24, 23, 22, 21, 20, 18, 15 }, { 0 }, { 10, 9, 8 }, { 48, 44, 40, 39, 36 } };
    u8 status = OK;
    for (unsigned n = 0; n < sizeof rates; n++) {
        u8 rate = rates[n];
        set_rate(rate);
        status = seek(drive, 0, 0);
        if (!status)
            status = read_id(drive, 0);
        if (status == TIMED_OUT)
            return status;
        if (status)
            continue;
        const u8 *length = lengths[rate];
        while (*length && sectors_at(drive, FLOPPY_READ, 0x40, 0, 0, *length, *length, 1, 0, 0))
            length++;
        struct format form = { 80, read_id(drive, 1) ? 1 : 2, *length, rate };
        if (rate == RATE_250 && (floppy_types[drive] == 1 || seek(drive, 0, 45) || read_id(drive, 0)))
            form.tracks = 40;
        if (*length) {
            set_medium(drive, form);
            return OK;
        }
    }
    return status ? status : UNKNOWN_MEDIUM;
}

/* Selects the drive. */
int floppy_changed(u8 drive)
{
    select(drive);
    return inb(DIR_CCR) & 0x80;
}

/* Selects the drive; then its medium is known, or what hinders that is returned. */
u8 floppy_ready(u8 drive)
{
    if (floppy_changed(drive)) {
        pokeb(BDA, MEDIA_STATE + drive, peekb(BDA, MEDIA_STATE + drive) & ~ESTABLISHED);
        u8 status = recalibrate(drive);
        if (status)
            return status;
        return inb(DIR_CCR) & 0x80 ? TIMED_OUT : MEDIUM_CHANGED;
    }
    if (!(peekb(BDA, MEDIA_STATE + drive) & ESTABLISHED))
        return find_medium(drive);
    set_rate(peekb(BDA, MEDIA_STATE + drive) >> 6);
    return OK;
}

/* *done has the sectors that were moved. */
u8 floppy_sectors(u8 drive, u8 op, u8 cylinder, u8 head, u8 sector, u8 count, u16 seg, u16 off, u8 *done)
{
    u8 last = last_sector(drive);
    *done = 0;
    u8 status = floppy_ready(drive);
    if (!status)
        status = specify();
    if (!status)
        status = seek(drive, head, cylinder);
    if (status)
        return status;
    status = op == FLOPPY_WRITE ? sectors_at(drive, op, 0x48, cylinder, head, sector, last, count, seg, off)
             : sectors_at(drive, FLOPPY_READ, op == FLOPPY_VERIFY ? 0x40 : 0x44, cylinder, head, sector, last, count, seg, off);
    if (!status)
        *done = count;
    else if (status != DMA_BOUNDARY && status != TIMED_OUT) {
        int c = peekb(BDA, RESULTS + 3) - cylinder, h = peekb(BDA, RESULTS + 4) - head, r = peekb(BDA, RESULTS + 5) - sector;
        int moved = (c * 2 + h) * last + r;
        *done = moved > 0 && moved < count ? moved : 0;
    }
    return status;
}

/* seg:off: C, H, R, N of each sector. */
u8 floppy_format(u8 drive, u8 cylinder, u8 head, u8 sectors, u16 seg, u16 off)
{
    u8 bytes[] = { 0x4D, head << 2 | drive, 2, sectors, parameter(7), parameter(8) };
    u8 status = floppy_ready(drive);
    if (!status)
        status = specify();
    if (!status)
        status = seek(drive, head, cylinder);
    if (!status)
        status = dma(0x48, seg, off, 4 * sectors);
    return status ? status : execute(bytes, 6);
}

/* The drives are those that the CMOS RAM names. */
void floppy_init(void)
{
    u8 types = cmos(0x10);
    floppy_types[0] = types >> 4;
    floppy_types[1] = types & 15;
    floppy_count = !!floppy_types[0] + !!floppy_types[1];
    pokew(0, 4 * 0x1E, (u16) (u32) diskette_table);
    pokew(0, 4 * 0x1E + 2, 0xF000);
    for (int n = 0; n < FLOPPIES; n++)
        if (floppy_types[n])                        /* 80 tracks, several rates */
            pokeb(BDA, CONTROLLER, peekb(BDA, CONTROLLER) | (floppy_types[n] > 1 ? 3 : 0) << 4 * n);
    if (floppy_count)
        floppy_reset();
}

/* INT 13h for diskettes. */
#include "bios.h"
#include "drives.h"

#define RATE_500 0
#define RATE_250 2
#define RATE_1000 3

/* By the CMOS RAM's type. */
static const struct format formats[] = {
    { 0 }, { 40, 2, 9, RATE_250 }, { 80, 2, 15, RATE_500 }, { 80, 2, 9, RATE_250 }, { 80, 2, 18, RATE_500 }, { 80, 2, 36, RATE_1000 },
};
#define TYPES (sizeof formats / sizeof *formats)
/* Parameter tables: step rate, motor off, bytes and sectors, gaps, filler, settling, motor start. */
static const u8 tables[][11] = {
    { 0xAF, 0x02, 0x25, 2, 18, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F, 0x08 }, { 0xDF, 0x02, 0x25, 2, 9, 0x2A, 0xFF, 0x50, 0xF6, 0x0F, 0x08 },
    { 0xDF, 0x02, 0x25, 2, 15, 0x1B, 0xFF, 0x54, 0xF6, 0x0F, 0x08 }, { 0xDF, 0x02, 0x25, 2, 9, 0x2A, 0xFF, 0x50, 0xF6, 0x0F, 0x08 },
    { 0xAF, 0x02, 0x25, 2, 18, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F, 0x08 }, { 0xAF, 0x02, 0x25, 2, 36, 0x1B, 0xFF, 0x53, 0xF6, 0x0F, 0x08 },
};

const struct format *drive_format(u8 type) { return &formats[type < TYPES ? type : 4]; }

/* ES:DI. */
void floppy_table(struct regs *r, u8 type)
{
    r->es = 0xF000;
    r->di = (u16) (u32) tables[type < TYPES ? type : 4];
}

static int established(u8 drive) { return peekb(BDA, 0x90 + drive) & 0x10; }

static void parameters(struct regs *r)
{
    u8 drive = r->dl, type = floppy_types[drive];
    const struct format *form = established(drive) ? &media[drive] : drive_format(type);
    r->ax = 0;
    r->bx = type == 5 ? 6 : type;                   /* 2.88 MiB: 5 in the CMOS RAM, 6 here */
    r->ch = form->tracks - 1;
    r->cl = form->sectors;
    r->dh = form->heads - 1;
    r->dl = floppy_count;
    floppy_table(r, type);
}

/* 17h: what is to be formatted, by its number. 18h: by cylinders and sectors. */
static u8 disk_type(struct regs *r)
{
    static const u8 types[] = { 0, 1, 1, 2, 3 };
    if (!r->al || r->al > 4)
        return BAD_COMMAND;
    set_medium(r->dl, *drive_format(types[r->al]));
    return OK;
}

static u8 media_type(struct regs *r)
{
    u8 drive = r->dl;
    u16 cylinders = (r->ch | (r->cl & 0xC0) << 2) + 1;
    const struct format *most = drive_format(floppy_types[drive]);
    if (floppy_changed(drive) && floppy_ready(drive) == TIMED_OUT)
        return TIMED_OUT;
    for (u8 type = 1; type < TYPES; type++)
        if (formats[type].tracks == cylinders && formats[type].sectors == (r->cl & 63)
            && formats[type].sectors <= most->sectors && cylinders <= most->tracks) {
            set_medium(drive, formats[type]);
            floppy_table(r, type);
            return OK;
        }
    return UNKNOWN_MEDIUM;
}

static u8 access(struct regs *r)
{
    u8 op = r->ah == 2 ? FLOPPY_READ : r->ah == 3 ? FLOPPY_WRITE : FLOPPY_VERIFY, count = r->al, done = 0, status;
    if (!count || !r->cl || r->dh > 1)
        status = count ? NOT_FOUND : BAD_COMMAND;
    else if (count > 127)
        status = DMA_BOUNDARY;
    else
        status = floppy_sectors(r->dl, op, r->ch, r->dh, r->cl, count, r->es, r->bx, &done);
    r->al = done;
    return status;
}

void floppy_13(struct regs *r)
{
    u8 status = OK, drive = r->dl, function = r->ah;
    if (function == 0x01) {
        r->ah = peekb(BDA, 0x41);
        carry(r, r->ah);
        return;
    }
    int absent = drive >= FLOPPIES || !floppy_types[drive];
    if (function == 0x00)
        status = floppy_count ? floppy_reset() : OK;
    else if (function == 0x15) {
        r->ah = absent ? 0 : floppy_types[drive] == 1 ? 1 : 2;
        carry(r, 0);
        return;
    } else if (function == 0x08 && absent) {
        r->ax = r->bx = r->cx = r->es = r->di = 0;
        r->dx = floppy_count;
        status = BAD_COMMAND;
    } else if (absent) {
        status = function > 0x18 ? BAD_COMMAND : TIMED_OUT;
        if (function >= 0x02 && function <= 0x04)
            r->al = 0;                              /* sectors */
    } else
        switch (function) {
        case 0x02: case 0x03: case 0x04:
            status = access(r);
            break;
        case 0x05:
            status = r->dh > 1 ? NOT_FOUND : floppy_format(drive, r->ch, r->dh, r->al, r->es, r->bx);
            break;
        case 0x08:
            parameters(r);
            break;
        case 0x16:
            status = floppy_changed(drive) ? MEDIUM_CHANGED : OK;
            break;
        case 0x17:
            status = disk_type(r);
            break;
        case 0x18:
            status = media_type(r);
            break;
        default:
            status = BAD_COMMAND;
        }
    floppy_rest();
    pokeb(BDA, 0x41, status);
    r->ah = status;
    carry(r, status);
}

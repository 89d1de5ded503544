/* ATA disks and ATAPI CD-ROM drives by PIO, on the two channels where an AT has them (ATA/ATAPI-6). */
#include "bios.h"
#include "drives.h"

#define BSY 0x80
#define DRQ 0x08
#define ERR 0x01
#define SENSE_NOT_READY 2
#define SENSE_ILLEGAL_REQUEST 5
#define SENSE_ATTENTION 6

struct drive disks[DRIVES], cds[DRIVES];
u8 disk_count, cd_count, foreign_disks;
static u16 identity[256];

/* Until not busy; the status, or BSY after 10 s. */
static u8 wait(u16 port)
{
    struct timeout limit = MILLISECONDS(10000);
    while (!expired(&limit)) {
        u8 status = inb(port + 7);
        if (!(status & BSY))
            return status;
    }
    return BSY;
}

static void ins(u16 port, u16 seg, u16 off, u32 words)
{
    asm volatile("pushw %%es; movw %w3, %%es; cld; rep insw; popw %%es"
                 : "+D"((u32) { off }), "+c"(words) : "d"(port), "r"((u32) seg) : "memory");
}

static void outs(u16 port, u16 seg, u16 off, u32 words)
{
    asm volatile("pushw %%ds; movw %w3, %%ds; cld; rep outsw; popw %%ds"
                 : "+S"((u32) { off }), "+c"(words) : "d"(port), "r"((u32) seg) : "memory");
}

/* ---- disks */
/* Move or verify `count` sectors. *done has the sectors that were moved. */
u8 transfer(struct drive *d, u8 command, u32 lba, u32 count, u16 seg, u16 off, u32 *done)
{
    u16 port = d->port;
    u8 failed = command == WRITE_SECTORS ? WRITE_FAULT : DATA_ERROR;
    *done = 0;
    while (*done < count) {
        u32 part = count - *done > 128 ? 128 : count - *done;
        int wide = lba + part > 0x0FFFFFFF;
        outb(port + 6, 0xE0 | d->unit << 4 | (wide ? 0 : lba >> 24 & 15));
        if (wait(port) & BSY)
            return TIMED_OUT;
        if (wide) {
            outb(port + 2, 0);
            outb(port + 3, lba >> 24);
            outb(port + 4, 0);
            outb(port + 5, 0);
        }
        outb(port + 2, part);
        outb(port + 3, lba);
        outb(port + 4, lba >> 8);
        outb(port + 5, lba >> 16);
        outb(port + 7, wide ? command == VERIFY_SECTORS ? 0x42 : command + 4 : command);
        for (u32 n = 0; n < part; n++) {
            u8 status = wait(port);
            if (status & BSY)
                return TIMED_OUT;
            if (status & ERR)
                return inb(port + 1) & 0x10 ? NOT_FOUND : failed;
            if (command == VERIFY_SECTORS)
                break;
            if (!(status & DRQ))
                return CONTROLLER_FAILED;
            u16 s = seg + (off >> 4), o = off & 15;
            if (command == WRITE_SECTORS)
                outs(port, s, o, 256);
            else
                ins(port, s, o, 256);
            seg += 32;
            ++*done;
        }
        u8 status = wait(port);
        if (status & BSY)
            return TIMED_OUT;
        if (status & ERR)
            return failed;
        if (command == VERIFY_SECTORS)
            *done += part;
        lba += part;
    }
    return OK;
}

/* ---- CD-ROM drives */
/* One packet command whose answer, if any, goes to seg:off, at most `bytes` of it; what comes beyond is dropped.
   1: it ended with CHECK CONDITION. */
static int packet_once(struct drive *d, const u8 *command, u16 seg, u16 off, u32 bytes, u8 *status)
{
    u16 port = d->port;
    *status = TIMED_OUT;
    outb(port + 6, 0xA0 | d->unit << 4);
    if (wait(port) & BSY)
        return 0;
    outb(port + 1, 0);                              /* PIO */
    outb(port + 4, 0x00);                           /* DRQ blocks of at most F800h bytes: 31 sectors */
    outb(port + 5, 0xF8);
    outb(port + 7, 0xA0);
    u8 s = wait(port);
    if (s & BSY || !(s & DRQ))
        return s & ERR;
    outs(port, 0xF000, (u16) (u32) command, 6);
    for (;;) {
        s = wait(port);
        if (s & BSY)
            return 0;
        if (s & ERR)
            return 1;
        if (!(s & DRQ))
            break;
        u32 size = inb(port + 4) | inb(port + 5) << 8, take = size < bytes ? size : bytes;
        ins(port, seg + (off >> 4), off & 15, take / 2);
        for (u32 n = take / 2; n < size / 2; n++)
            inw(port);
        bytes -= take;
        u32 linear = (seg << 4) + off + take;
        seg = linear >> 4;
        off = linear & 15;
    }
    *status = OK;
    return 0;
}

/* A packet command; a unit attention is noted, and the command given again. */
u8 packet(struct drive *d, const u8 *command, u16 seg, u16 off, u32 bytes)
{
    static const u8 request_sense[12] = { 0x03, 0, 0, 0, 18 };
    static u8 sense[18];
    struct timeout limit = MILLISECONDS(10000);
    u8 status;
    do {
        if (!packet_once(d, command, seg, off, bytes, &status))
            return status;
        if (packet_once(d, request_sense, 0xF000, (u16) (u32) sense, sizeof sense, &status) || status)
            return CONTROLLER_FAILED;
        u8 key = sense[2] & 15;
        if (key == SENSE_ATTENTION)
            d->changed |= sense[12] == 0x28;        /* medium may have changed */
        else if (key == SENSE_NOT_READY && sense[12] == 0x3A)
            return NO_MEDIUM;
        else if (key == SENSE_NOT_READY && sense[12] == 0x04 && sense[13] == 0x01)
            ;                                       /* in process of becoming ready */
        else
            return key == SENSE_ILLEGAL_REQUEST ? sense[12] == 0x53 ? VOLUME_LOCKED : BAD_COMMAND
                   : key == SENSE_NOT_READY ? TIMED_OUT : DATA_ERROR;
    } while (!expired(&limit));
    return TIMED_OUT;
}

u8 cd_ready(struct drive *d)
{
    static const u8 test_unit_ready[12] = { 0 };
    return packet(d, test_unit_ready, 0, 0, 0);
}

/* Sectors of 2048 bytes. */
u8 cd_read(struct drive *d, u32 lba, u32 count, u16 seg, u16 off, u32 *done)
{
    *done = 0;
    while (*done < count) {
        u32 part = count - *done > 64 ? 64 : count - *done;
        u8 read[12] = { 0x28, 0, lba >> 24, lba >> 16, lba >> 8, lba, 0, 0, part };
        u8 status = packet(d, read, seg, off, part * 2048);
        if (status)
            return status == BAD_COMMAND ? NOT_FOUND : status;
        *done += part;
        lba += part;
        seg += part * 128;
    }
    return OK;
}

/* ---- which drives there are */
/* LBA-assisted translation, as all BIOSes do it: 63 sectors, as many heads as keep the cylinders below 1024. */
static void translate(struct drive *d)
{
    d->spt = d->real_spt;
    d->heads = d->real_heads;
    d->cylinders = d->real_cylinders;
    if (d->cylinders > 1024) {
        d->spt = 63;
        for (d->heads = 16; d->heads < 128 && d->sectors / 63 / d->heads > 1024; d->heads *= 2)
            ;
        if (d->sectors / 63 / d->heads > 1024)
            d->heads = 255;
        u32 cylinders = d->sectors / 63 / d->heads;
        d->cylinders = cylinders > 1024 ? 1024 : cylinders;
    }
}

static struct drive *new_drive(struct drive *table, u8 *count, u16 port, u8 unit)
{
    struct drive *d = &table[(*count)++];
    d->port = port;
    d->unit = unit;
    d->changed = d->locks = 0;
    int end = 0;
    for (int n = 0; n < 40; n++) {
        d->model[n] = identity[27 + n / 2] >> (n & 1 ? 0 : 8);
        if (d->model[n] != ' ')
            end = n + 1;
    }
    d->model[end] = 0;
    return d;
}

static int identified(u16 port, u8 command)
{
    outb(port + 7, command);
    u8 status = wait(port);
    if (status & (BSY | ERR) || !(status & DRQ))
        return 0;
    ins(port, 0xF000, (u16) (u32) identity, 256);
    return 1;
}

static void identify(u16 port, u8 unit)
{
    outb(port + 6, 0xA0 | unit << 4);
    u8 status = inb(port + 7);
    if (status == 0xFF || status == 0x7F || wait(port) & BSY)
        return;                                     /* nobody drives the bus */
    outb(port + 2, 0x55);
    if (inb(port + 2) != 0x55)
        return;                                     /* an absent drive 1, for which drive 0 answers, takes nothing */
    if (identified(port, 0xEC)) {
        struct drive *d = new_drive(disks, &disk_count, port, unit);
        d->lba48 = identity[83] >> 10 & 1;
        d->sectors = identity[60] | identity[61] << 16;
        if (d->lba48)
            d->sectors = identity[102] || identity[103] ? 0xFFFFFFFF : identity[100] | identity[101] << 16;
        d->real_cylinders = identity[1];
        d->real_heads = identity[3];
        d->real_spt = identity[6];
        translate(d);
    } else if (inb(port + 4) == 0x14 && inb(port + 5) == 0xEB && identified(port, 0xA1)
               && (identity[0] >> 8 & 31) == 5)     /* a CD-ROM device, says its signature, then its word 0 */
        new_drive(cds, &cd_count, port, unit);
}

/* What INT 41h and 46h point to: the first two disks as an AT's driver takes them, with the signature A0h and the
   physical geometry behind where that is another one. */
static u8 parameter_tables[2][16];

static void parameter_table(int n)
{
    struct drive *d = &disks[n];
    u8 *t = parameter_tables[n], sum = 0;
    int translated = d->cylinders != d->real_cylinders;
    for (int k = 0; k < 16; k++)
        t[k] = 0;
    t[0] = d->cylinders;
    t[1] = d->cylinders >> 8;
    t[2] = d->heads;
    t[3] = translated ? 0xA0 : 0;
    t[4] = translated ? d->real_spt : 0;
    t[5] = t[6] = 0xFF;                             /* no write precompensation */
    t[8] = 0xC0 | (d->real_heads > 8 ? 0x08 : 0);
    t[9] = translated ? d->real_cylinders : 0;
    t[10] = translated ? d->real_cylinders >> 8 : 0;
    t[11] = translated ? d->real_heads : 0;
    t[12] = translated ? 0 : d->cylinders;          /* landing zone */
    t[13] = translated ? 0 : d->cylinders >> 8;
    t[14] = d->spt;
    for (int k = 0; k < 15; k++)
        sum += t[k];
    t[15] = translated ? -sum : 0;
    pokew(0, 4 * (n ? 0x46 : 0x41), (u16) (u32) t);
    pokew(0, 4 * (n ? 0x46 : 0x41) + 2, 0xF000);
}

void ata_init(void)
{
    disk_count = cd_count = 0;
    for (int channel = 0; channel < 2; channel++) {
        u16 port = channel ? 0x170 : 0x1F0;
        outb(port + 0x206, 0x02);                   /* no interrupts: we poll */
        identify(port, 0);
        identify(port, 1);
    }
    for (int n = 0; n < 2 && n < disk_count; n++)
        parameter_table(n);
    pokeb(BDA, 0x75, disk_count);
}

/* ATA hard disks by PIO, INT 13h with CHS and EDD 1.1 packets, INT 18h, and INT 19h, which starts the first of them. */
#include "bios.h"

#define DISKS 4
#define BSY 0x80
#define DRQ 0x08
#define ERR 0x01
#define TIMEOUT 660000                              /* half periods of the refresh toggle, 15 us each: 10 s */

static struct disk {
    u16 port;
    u8 unit, lba48;
    u32 sectors, cylinders;                         /* CHS as INT 13h shows it */
    u16 heads, spt;
    u16 real_cylinders, real_heads, real_spt;
} disks[DISKS];
static u8 disk_count;
static u16 identity[256];

/* Until not busy; the status, or BSY after 10 s. Interrupts do not matter: the refresh toggle counts. */
static u8 wait(u16 port)
{
    u8 status, last = 0;
    for (u32 n = 0; n < TIMEOUT;) {
        status = inb(port + 7);
        if (!(status & BSY))
            return status;
        u8 toggle = inb(0x61) & 0x10;
        n += toggle != last;
        last = toggle;
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

/* Move or verify `count` sectors; 0, or INT 13h's error. *done has the sectors that were moved. */
static u8 transfer(struct disk *d, u8 command, u32 lba, u32 count, u16 seg, u16 off, u32 *done)
{
    u16 port = d->port;
    *done = 0;
    while (*done < count) {
        u32 part = count - *done > 128 ? 128 : count - *done;
        int wide = lba + part > 0x0FFFFFFF;
        outb(port + 6, 0xE0 | d->unit << 4 | (wide ? 0 : lba >> 24 & 15));
        if (wait(port) & BSY)
            return 0x80;
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
        outb(port + 7, wide ? command == 0x40 ? 0x42 : command + 4 : command);
        for (u32 n = 0; n < part; n++) {
            u8 status = wait(port);
            if (status & BSY)
                return 0x80;
            if (status & ERR)
                return inb(port + 1) & 0x10 ? 0x04 : command == 0x30 ? 0xCC : 0x10;
            if (command == 0x40)
                break;
            if (!(status & DRQ))
                return 0x20;
            u16 s = seg + (off >> 4), o = off & 15;
            if (command == 0x30)
                outs(port, s, o, 256);
            else
                ins(port, s, o, 256);
            seg += 32;
            ++*done;
        }
        u8 status = wait(port);
        if (status & BSY)
            return 0x80;
        if (status & ERR)
            return command == 0x30 ? 0xCC : 0x10;
        if (command == 0x40)
            *done += part;
        lba += part;
    }
    return 0;
}

/* LBA-assisted translation, as all BIOSes do it: 63 sectors, as many heads as keep the cylinders below 1024. */
static void translate(struct disk *d)
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
        d->cylinders = d->sectors / 63 / d->heads;
        if (d->cylinders > 1024)
            d->cylinders = 1024;
    }
}

static void identify(u16 port, u8 unit)
{
    outb(port + 6, 0xA0 | unit << 4);
    u8 status = inb(port + 7);
    if (status == 0 || status == 0xFF || status == 0x7F || wait(port) & BSY)
        return;                                     /* nobody drives the bus */
    outb(port + 7, 0xEC);
    status = wait(port);
    if (status & (BSY | ERR) || !(status & DRQ) || disk_count == DISKS)
        return;                                     /* a CD-ROM drive aborts it */
    ins(port, 0xF000, (u16) (u32) identity, 256);
    struct disk *d = &disks[disk_count++];
    d->port = port;
    d->unit = unit;
    d->lba48 = identity[83] >> 10 & 1;
    d->sectors = identity[60] | identity[61] << 16;
    if (d->lba48)
        d->sectors = identity[102] || identity[103] ? 0xFFFFFFFF : identity[100] | identity[101] << 16;
    d->real_cylinders = identity[1];
    d->real_heads = identity[3];
    d->real_spt = identity[6];
    translate(d);
}

void disk_init(void)
{
    disk_count = 0;
    for (int channel = 0; channel < 2; channel++) {
        u16 port = channel ? 0x170 : 0x1F0;
        outb(port + 0x206, 0x02);                   /* no interrupts: we poll */
        identify(port, 0);
        identify(port, 1);
    }
    pokeb(BDA, 0x75, disk_count);
}

static void packet(struct disk *d, struct regs *r)
{
    u16 seg = r->ds, si = r->si;
    u32 count = peekw(seg, si + 2), done, lba = peekl(seg, si + 8);
    if (peekb(seg, si) < 16 || peekl(seg, si + 12) || lba >= d->sectors || count > d->sectors - lba) {
        r->ah = 1;
        return;
    }
    u8 command = r->ah == 0x42 ? 0x20 : r->ah == 0x43 ? 0x30 : 0x40;
    if (r->ah == 0x47)
        count = 0;
    r->ah = transfer(d, command, lba, count, peekw(seg, si + 6), peekw(seg, si + 4), &done);
    pokew(seg, si + 2, done);
}

static void parameters(struct disk *d, struct regs *r)
{
    u16 seg = r->ds, si = r->si;
    if (peekw(seg, si) < 26) {
        r->ah = 1;
        return;
    }
    pokew(seg, si, 26);
    pokew(seg, si + 2, 0x0002);                     /* the geometry is valid */
    pokel(seg, si + 4, d->real_cylinders);
    pokel(seg, si + 8, d->real_heads);
    pokel(seg, si + 12, d->real_spt);
    pokel(seg, si + 16, d->sectors);
    pokel(seg, si + 20, 0);
    pokew(seg, si + 24, 512);
    r->ah = 0;
}

static void chs(struct disk *d, struct regs *r)
{
    u32 cylinder = r->ch | (r->cl & 0xC0) << 2, sector = r->cl & 63, count = r->al, done;
    u32 lba = (cylinder * d->heads + r->dh) * d->spt + sector - 1;
    if (!count || !sector || sector > d->spt || r->dh >= d->heads || lba >= d->sectors || count > d->sectors - lba) {
        r->ah = count ? 4 : 1;
        r->al = 0;
        return;
    }
    u8 command = r->ah == 2 ? 0x20 : r->ah == 3 ? 0x30 : 0x40;
    r->ah = transfer(d, command, lba, count, r->es, r->bx, &done);
    r->al = done;
}

void handle_13(struct regs *r)
{
    struct disk *d = &disks[r->dl & 0x7F];
    u8 function = r->ah;
    if (function == 0x01) {
        r->ah = peekb(BDA, 0x74);
        carry(r, r->ah);
        return;
    }
    if (r->dl < 0x80 || (r->dl & 0x7F) >= disk_count) {
        if (function == 0x08)
            r->dl = disk_count;
        r->ah = function == 0x15 ? 0 : 1;
        carry(r, r->ah);
        return;
    }
    switch (function) {
    case 0x00: case 0x0D: case 0x09: case 0x10: case 0x11: case 0x14:
        r->ah = 0;
        break;
    case 0x02: case 0x03: case 0x04:
        chs(d, r);
        break;
    case 0x08:
        r->ax = 0;
        r->ch = d->cylinders - 1;
        r->cl = d->spt | (d->cylinders - 1) >> 2 & 0xC0;
        r->dh = d->heads - 1;
        r->dl = disk_count;
        break;
    case 0x0C:
        r->ah = 0;
        break;
    case 0x15:
        r->ah = 3;
        r->cx = d->sectors >> 16;
        r->dx = d->sectors;
        carry(r, 0);
        return;
    case 0x41:
        if (r->bx != 0x55AA) {
            r->ah = 1;
            break;
        }
        r->bx = 0xAA55;
        r->ah = 0x01;                               /* 1.x */
        r->cx = 0x0001;                             /* packets */
        carry(r, 0);
        return;
    case 0x42: case 0x43: case 0x44: case 0x47:
        packet(d, r);
        break;
    case 0x48:
        parameters(d, r);
        break;
    default:
        r->ah = 1;
    }
    pokeb(BDA, 0x74, r->ah);
    carry(r, r->ah);
}

void handle_18(struct regs *r)
{
    print("No bootable device.\r\n");
    for (;;)
        asm volatile("sti; hlt");
}

void handle_19(struct regs *r)
{
    u32 done;
    for (int n = 0; n < disk_count; n++) {
        print("Booting from Hard Disk...\r\n");
        if (transfer(&disks[n], 0x20, 0, 1, 0, 0x7C00, &done) || peekw(0, 0x7DFE) != 0xAA55)
            continue;
        sti();
        struct regs start = { .edx = 0x80 + n, .eax = 0xAA55 };
        call_regs(0, 0x7C00, &start, 1);
    }
    handle_18(r);
}

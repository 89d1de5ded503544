/* INT 13h: who answers it; hard disks, by cylinder, head and sector and by the packets of EDD 3.0 (T13 1226). */
#include "bios.h"
#include "drives.h"

/* EDD's packet: its size, sectors, where to, the first one. */
static void extended(struct drive *d, struct regs *r)
{
    u16 seg = r->ds, si = r->si, off = peekw(seg, si + 4);
    u32 count = peekw(seg, si + 2), done = 0, lba = peekl(seg, si + 8);
    u8 command = r->ah == 0x42 ? READ_SECTORS : r->ah == 0x43 ? WRITE_SECTORS : VERIFY_SECTORS;
    if (peekb(seg, si) < 16 || peekl(seg, si + 12) || lba >= d->sectors || count > d->sectors - lba) {
        finish_13(r, BAD_COMMAND);
        return;
    }
    u8 status = r->ah == 0x47 ? OK : transfer(d, command, lba, count, peekw(seg, si + 6), off, &done);
    if (r->ah != 0x47)
        pokew(seg, si + 2, done);
    finish_13(r, status);
}

/* The device parameter table extension: how a driver reaches the drive by itself. Of the drive asked for last. */
static struct {
    u16 base, control;
    u8 head, vendor, irq, multiple, dma, pio;
    u16 options, reserved;
    u8 revision, checksum;
} extension;

static void extension_of(struct drive *d, int cd)
{
    u8 sum = 0;
    extension.base = d->port;
    extension.control = d->port + 0x206;
    extension.head = 0xE0 | d->unit << 4;
    extension.irq = d->port == 0x1F0 ? 14 : 15;
    extension.options = cd ? 0x0060 : 0x0010 | (d->cylinders == d->real_cylinders ? 0 : 0x0208);
    extension.revision = 0x11;
    extension.checksum = 0;
    for (unsigned n = 0; n < sizeof extension; n++)
        sum += ((u8 *) &extension)[n];
    extension.checksum = -sum;
}

static void text(u16 seg, u16 at, const char *letters, int width)
{
    while (width--)
        pokeb(seg, at++, *letters ? *letters++ : ' ');
}

/* Where the drive is: a PCI function's channel, or ports; master or slave. With 16 bytes of device path as T13 has it,
   with 8 as Phoenix's own EDD 3.0 has. */
static void path(struct drive *d, u16 seg, u16 si, int length, int cd)
{
    u8 sum = 0;
    for (int n = 30; n < 30 + length; n++)
        pokeb(seg, si + n, 0);
    pokew(seg, si + 30, 0xBEDD);
    pokeb(seg, si + 32, length);
    text(seg, si + 36, has_pci ? "PCI" : "ISA", 4);
    text(seg, si + 40, cd ? "ATAPI" : "ATA", 8);
    if (has_pci) {
        pokeb(seg, si + 49, 1);                     /* 0:1.1 is the PIIX3's IDE function */
        pokeb(seg, si + 50, 1);
        pokeb(seg, si + 51, d->port == 0x170);
    } else
        pokew(seg, si + 48, d->port);
    pokeb(seg, si + 56, d->unit);
    for (int n = 30; n < 30 + length; n++)
        sum += peekb(seg, si + n);
    pokeb(seg, si + 29 + length, -sum);
}

/* 48h: as much as the caller has room for. */
void edd_parameters(struct drive *d, struct regs *r, int cd)
{
    u16 seg = r->ds, si = r->si, room = peekw(seg, si);
    if (room < 26) {
        finish_13(r, BAD_COMMAND);
        return;
    }
    pokew(seg, si + 2, cd ? 0x0074 : 0x0002);       /* removable, with change line, lockable; or: CHS is valid */
    pokel(seg, si + 4, cd ? 0xFFFFFFFFU : d->real_cylinders);
    pokel(seg, si + 8, cd ? 0xFFFFFFFFU : d->real_heads);
    pokel(seg, si + 12, cd ? 0xFFFFFFFFU : d->real_spt);
    pokel(seg, si + 16, cd ? 0xFFFFFFFFU : d->sectors);
    pokel(seg, si + 20, cd ? 0xFFFFFFFFU : 0);
    pokew(seg, si + 24, cd ? 2048 : 512);
    pokew(seg, si, room < 30 ? 26 : room < 66 ? 30 : room < 74 ? 66 : 74);
    if (room >= 30) {
        extension_of(d, cd);
        pokew(seg, si + 26, (u16) (u32) &extension);
        pokew(seg, si + 28, 0xF000);
    }
    if (room >= 66)
        path(d, seg, si, room < 74 ? 36 : 44, cd);
    finish_13(r, OK);
}

static u8 chs(struct drive *d, struct regs *r)
{
    u32 cylinder = r->ch | (r->cl & 0xC0) << 2, sector = r->cl & 63, count = r->al, done;
    u32 lba = (cylinder * d->heads + r->dh) * d->spt + sector - 1;
    u8 command = r->ah == 2 ? READ_SECTORS : r->ah == 3 ? WRITE_SECTORS : VERIFY_SECTORS;
    r->al = 0;
    if (!count || !sector || sector > d->spt || r->dh >= d->heads || lba >= d->sectors || count > d->sectors - lba)
        return count ? NOT_FOUND : BAD_COMMAND;
    u8 status = transfer(d, command, lba, count, r->es, r->bx, &done);
    r->al = done;
    return status;
}

void finish_13(struct regs *r, u8 status)
{
    pokeb(BDA, 0x74, status);
    r->ah = status;
    carry(r, status);
}

void disk_13(struct regs *r)
{
    struct drive *d = &disks[r->dl & 0x7F];
    u8 function = r->ah, status = OK;
    if (function == 0x01) {
        r->ah = peekb(BDA, 0x74);
        carry(r, r->ah);
        return;
    }
    if ((r->dl & 0x7F) >= disk_count) {
        if (function == 0x08)
            r->dl = disk_count;
        r->ah = function == 0x15 ? 0 : BAD_COMMAND;
        carry(r, r->ah);
        return;
    }
    switch (function) {
    case 0x00: case 0x0D: case 0x09: case 0x0C: case 0x10: case 0x11: case 0x14:
        break;
    case 0x02: case 0x03: case 0x04:
        status = chs(d, r);
        break;
    case 0x08:
        r->ax = 0;
        r->ch = d->cylinders - 1;
        r->cl = d->spt | (d->cylinders - 1) >> 2 & 0xC0;
        r->dh = d->heads - 1;
        r->dl = peekb(BDA, 0x75);
        break;
    case 0x15:
        r->ah = 3;
        r->cx = d->sectors >> 16;
        r->dx = d->sectors;
        carry(r, 0);
        return;
    case 0x41:
        if (r->bx != 0x55AA) {
            status = BAD_COMMAND;
            break;
        }
        r->bx = 0xAA55;
        r->ah = 0x30;                               /* EDD 3.0 */
        r->cx = 0x0005;                             /* packets, and the parameter table extension */
        carry(r, 0);
        return;
    case 0x42: case 0x43: case 0x44: case 0x47:
        extended(d, r);
        return;
    case 0x48:
        edd_parameters(d, r, 0);
        return;
    case 0x4E:                                      /* prefetch off, PIO and DMA modes as after POST: so they are */
        status = r->al == 1 || r->al == 3 || r->al == 4 || r->al == 6 ? OK : BAD_COMMAND;
        r->al = 0;
        break;
    default:
        status = BAD_COMMAND;
    }
    finish_13(r, status);
}

void handle_13(struct regs *r)
{
    if (r->flags & IF)
        sti();
    u8 drive = r->dl, function = r->ah;
    if (eltorito_13(r))
        return;
    u8 real = r->dl;
    if (real < FIRST_DISK)
        floppy_13(r);
    else if (real >= FIRST_CD && real - FIRST_CD < cd_count)
        cd_13(r);
    else
        disk_13(r);
    if (drive == real)
        return;
    if (function == 0x08)
        r->dl += real < FIRST_DISK;                 /* the emulated diskette counts */
    else if (function != 0x15 || real < FIRST_DISK)
        r->dl = drive;
}

/* Discs that boot (El Torito, version 1.0): an image on the disc is loaded as it is, or stands for a diskette or a hard
   disk, which then is drive 00h or 80h; the others of its kind move by one. INT 13h, functions 4Ah to 4Dh, tell of it.

   The catalog is read as far as its first sector goes. Selection criteria and CDs of several systems: the first entry for
   80x86 is taken. Images on multi-session discs count from the beginning. */
#include "bios.h"
#include "drives.h"

#define SECTOR 2048
#define BOOT_RECORD 17                              /* a volume descriptor at a fixed place */
#define BOOTABLE 0x88
#define LAST_HEADER 0x91
#define TO_HARD_DISK 4
#define TOP ((u32) peekw(BDA, 0x13) << 10)

static u8 buffer[SECTOR];                           /* of the disc's sectors, where 512 bytes are asked for */
static u32 buffered = 0xFFFFFFFF;
static struct {
    u8 active;                                      /* INT 13h shows the image as a drive */
    u8 booted;                                      /* from an image, whether or not it is a drive */
    u8 media, drive, cd;                            /* 0: none, 1-3: diskettes, 4: hard disk */
    u32 lba;
    u16 segment, count;
    u16 cylinders, heads, spt;
} image;

static u32 word(int at) { return buffer[at] | buffer[at + 1] << 8; }
static u32 dword(int at) { return word(at) | word(at + 2) << 16; }

static u8 fill(struct drive *d, u32 lba)
{
    u32 done;
    buffered = 0xFFFFFFFF;
    u8 status = cd_read(d, lba, 1, 0xF000, (u16) (u32) buffer, &done);
    if (!status && d == &cds[image.cd])
        buffered = lba;
    return status;
}

static int same(int at, const char *text)
{
    while (*text)
        if (buffer[at++] != *text++)
            return 0;
    return 1;
}

/* Where the catalog is; 0: the disc does not boot. */
static u32 catalog_of(struct drive *d)
{
    if (fill(d, BOOT_RECORD) || buffer[0] || !same(1, "CD001\1EL TORITO SPECIFICATION"))
        return 0;
    return dword(0x47);
}

/* The offset of the entry to start, in the catalog's first sector, which is in the buffer; 0: none. */
static int entry_of(struct drive *d, u32 catalog)
{
    u32 sum = 0;
    if (!catalog || fill(d, catalog) || buffer[0] != 1 || buffer[30] != 0x55 || buffer[31] != 0xAA)
        return 0;
    for (int n = 0; n < 32; n += 2)
        sum += word(n);
    if (sum & 0xFFFF)
        return 0;
    if (buffer[1] == 0 && buffer[32] == BOOTABLE)
        return 32;
    for (int at = 64; at < SECTOR && (buffer[at] | 1) == LAST_HEADER;) {
        int header = at, entries = word(at + 2);
        for (at += 32; entries-- && at < SECTOR; at += 32) {
            if (buffer[header + 1] == 0 && buffer[at] == BOOTABLE)
                return at;
            while (buffer[at] && buffer[at + 1] & 0x20 && at + 32 < SECTOR && buffer[at + 32] == 0x44)
                at += 32;                           /* extension records */
        }
        if (buffer[header] == LAST_HEADER)
            break;
    }
    return 0;
}

/* ---- the image as a drive */
u8 emulated_floppies(void) { return image.active && image.media < TO_HARD_DISK; }
static u8 emulated_disks(void) { return image.active && image.media == TO_HARD_DISK; }

static void count_drives(void)
{
    u8 floppies = floppy_count + emulated_floppies();
    u16 equipment = peekw(BDA, 0x10) & ~0x00C1;
    pokew(BDA, 0x10, equipment | (floppies ? 1 | floppies - 1 << 6 : 0));
    pokeb(BDA, 0x75, disk_count + foreign_disks + emulated_disks());
}

/* Geometry: of the diskette; of a hard disk, as the end of its only partition has it. */
static u8 measure(struct drive *d)
{
    static const u8 spt[] = { 0, 15, 18, 36 };
    if (image.media < TO_HARD_DISK) {
        image.cylinders = 80;
        image.heads = 2;
        image.spt = spt[image.media];
        return OK;
    }
    u8 status = fill(d, image.lba);
    image.heads = buffer[0x1BE + 5] + 1;
    image.spt = buffer[0x1BE + 6] & 63;
    image.cylinders = (buffer[0x1BE + 7] | (buffer[0x1BE + 6] & 0xC0) << 2) + 1;
    return status ? status : image.spt ? OK : UNKNOWN_MEDIUM;
}

void end_emulation(void)
{
    image.active = image.booted = 0;
    count_drives();
}

static u8 begin_emulation(void)
{
    u8 status = image.media ? measure(&cds[image.cd]) : OK;
    if (status)
        return status;
    image.drive = image.media == 0 ? FIRST_CD + image.cd : image.media == TO_HARD_DISK ? FIRST_DISK : 0;
    image.active = image.media != 0;
    image.booted = 1;
    count_drives();
    return OK;
}

static u8 emulated_read(u32 sector, u32 count, u16 seg, u16 off, u32 *done)
{
    struct drive *d = &cds[image.cd];
    *done = 0;
    while (*done < count) {
        u32 lba = image.lba + sector / 4, part = count - *done, moved;
        u8 status = OK;
        if (sector & 3 || part < 4) {
            if (buffered != lba)
                status = fill(d, lba);
            for (int n = 0; n < 512 && !status; n += 4)
                pokel(seg + (off >> 4), (off & 15) + n, dword((sector & 3) * 512 + n));
            part = 1;
        } else {
            part = part & ~3U;
            status = cd_read(d, lba, part / 4, seg, off, &moved);
        }
        if (status)
            return status;
        *done += part;
        sector += part;
        seg += part * 32;
    }
    return OK;
}

static u8 access(struct regs *r)
{
    u32 cylinder = r->ch | (r->cl & 0xC0) << 2, sector = r->cl & 63, count = r->al, done = 0;
    u8 function = r->ah;
    r->al = 0;
    if (function == 3)
        return WRITE_PROTECTED;
    if (!count || !sector || sector > image.spt || r->dh >= image.heads || cylinder >= image.cylinders)
        return count ? NOT_FOUND : BAD_COMMAND;
    u32 first = (cylinder * image.heads + r->dh) * image.spt + sector - 1;
    u8 status = function == 2 ? emulated_read(first, count, r->es, r->bx, &done) : OK;
    r->al = function == 2 ? done : count;
    return status;
}

static u8 extended(struct regs *r)
{
    u16 seg = r->ds, si = r->si;
    u32 count = peekw(seg, si + 2), lba = peekl(seg, si + 8), done = 0, sectors = image.cylinders * image.heads * image.spt;
    if (r->ah == 0x43)
        return WRITE_PROTECTED;
    if (peekb(seg, si) < 16 || peekl(seg, si + 12) || lba >= sectors || count > sectors - lba)
        return BAD_COMMAND;
    if (r->ah != 0x42)
        return OK;
    u8 status = emulated_read(lba, count, peekw(seg, si + 6), peekw(seg, si + 4), &done);
    pokew(seg, si + 2, done);
    return status;
}

static u8 parameters(struct regs *r)
{
    u16 seg = r->ds, si = r->si;
    if (peekw(seg, si) < 26)
        return BAD_COMMAND;
    pokew(seg, si, 26);
    pokew(seg, si + 2, 0x0002);
    pokel(seg, si + 4, image.cylinders);
    pokel(seg, si + 8, image.heads);
    pokel(seg, si + 12, image.spt);
    pokel(seg, si + 16, image.cylinders * image.heads * image.spt);
    pokel(seg, si + 20, 0);
    pokew(seg, si + 24, 512);
    return OK;
}

static void emulated_13(struct regs *r)
{
    int disk = image.media == TO_HARD_DISK;
    u16 last = disk ? 0x74 : 0x41;
    u8 status = OK, function = r->ah;
    switch (function) {
    case 0x00: case 0x0D: case 0x09: case 0x0C: case 0x10: case 0x11: case 0x14: case 0x16:
        break;
    case 0x01:
        status = r->ah = peekb(BDA, last);
        break;
    case 0x02: case 0x03: case 0x04:
        status = access(r);
        break;
    case 0x05:
        status = WRITE_PROTECTED;
        break;
    case 0x08:
        r->ax = 0;
        r->ch = image.cylinders - 1;
        r->cl = image.spt | (image.cylinders - 1) >> 2 & 0xC0;
        r->dh = image.heads - 1;
        r->dl = disk ? peekb(BDA, 0x75) : floppy_count + 1;
        if (!disk) {
            r->bl = image.media == 1 ? 2 : image.media == 2 ? 4 : 6;
            floppy_table(r, image.media == 1 ? 2 : image.media + 2);
        }
        break;
    case 0x15:
        r->ah = disk ? 3 : 1;
        if (disk) {
            u32 sectors = image.cylinders * image.heads * image.spt;
            r->cx = sectors >> 16;
            r->dx = sectors;
        }
        carry(r, 0);
        return;
    case 0x41:
        if (disk && r->bx == 0x55AA) {
            r->bx = 0xAA55;
            r->ah = 0x21;
            r->cx = 0x0001;
            carry(r, 0);
            return;
        }
        status = BAD_COMMAND;
        break;
    case 0x42: case 0x43: case 0x44: case 0x47:
        status = disk ? extended(r) : BAD_COMMAND;
        break;
    case 0x48:
        status = disk ? parameters(r) : BAD_COMMAND;
        break;
    default:
        status = BAD_COMMAND;
    }
    pokeb(BDA, last, status);
    r->ah = status;
    carry(r, status);
}

/* ---- functions 4Ah to 4Dh */
static void put_specification(u16 seg, u16 si)
{
    pokeb(seg, si, 19);
    pokeb(seg, si + 1, image.media);
    pokeb(seg, si + 2, image.drive);
    pokeb(seg, si + 3, cds[image.cd].port == 0x170);
    pokel(seg, si + 4, image.lba);
    pokew(seg, si + 8, cds[image.cd].unit);
    pokew(seg, si + 10, 0);                         /* no cache segment */
    pokew(seg, si + 12, image.segment);
    pokew(seg, si + 14, image.count);
    pokeb(seg, si + 16, image.cylinders - 1);
    pokeb(seg, si + 17, image.spt | image.cylinders - 1 >> 2 & 0xC0);
    pokeb(seg, si + 18, image.heads - 1);
}

/* 4Ah, 4Ch: the image that the caller describes becomes the drive. */
static u8 take_specification(u16 seg, u16 si)
{
    u8 media = peekb(seg, si + 1) & 15, cd = (peekb(seg, si + 3) & 1) << 1 | peekw(seg, si + 8) & 1;
    int n = 0;
    while (n < cd_count && ((cds[n].port == 0x170) << 1 | cds[n].unit) != cd)
        n++;
    if (media > TO_HARD_DISK || n == cd_count)
        return BAD_COMMAND;
    end_emulation();
    image.cd = n;
    image.media = media;
    image.lba = peekl(seg, si + 4);
    image.segment = peekw(seg, si + 12);
    image.count = peekw(seg, si + 14);
    return begin_emulation();
}

static u8 catalog_sectors(u16 seg, u16 si)
{
    struct drive *d = &cds[image.cd];
    u32 lba = catalog_of(d), done;
    if (!lba)
        return DATA_ERROR;
    return cd_read(d, lba + peekw(seg, si + 6), peekb(seg, si + 1), peekw(seg, si + 4), peekw(seg, si + 2), &done);
}

static const char *load_and_start(void);

static void control_13(struct regs *r)
{
    u8 status = BAD_COMMAND, ours = image.booted && (r->dl == image.drive || r->dl == 0x7F);
    if (r->ax == 0x4A00)
        status = take_specification(r->ds, r->si);
    else if (r->ax == 0x4B00 || r->ax == 0x4B01) {
        if (ours) {
            put_specification(r->ds, r->si);
            status = OK;
            if (r->al == 0)
                end_emulation();
        }
    } else if (r->ax == 0x4C00) {
        status = take_specification(r->ds, r->si);
        if (!status) {
            load_and_start();
            end_emulation();
            status = DATA_ERROR;
        }
    } else if (r->ax == 0x4D00 && ours)
        status = catalog_sectors(r->ds, r->si);
    finish_13(r, status);
}

/* Is it ours? Then it is answered. Else DL is the drive's number without the emulated one. */
int eltorito_13(struct regs *r)
{
    if (r->ah >= 0x4A && r->ah <= 0x4D) {
        control_13(r);
        return 1;
    }
    if (!image.active || r->dl >= FIRST_CD || (r->dl ^ image.drive) & 0x80)
        return 0;
    if (r->dl == image.drive) {
        emulated_13(r);
        return 1;
    }
    r->dl--;
    return 0;
}

/* ---- start */
/* Returns, with the reason, only if there is nothing to start. */
static const char *load_and_start(void)
{
    u32 done, segment = image.segment ? image.segment : SECTOR_SEGMENT, count = image.count ? image.count : 1;
    u8 status;
    if ((segment << 4) + count * 512 > TOP)
        return "its boot image is too large";
    if (image.media)
        status = emulated_read(0, count, segment, 0, &done);
    else
        status = cd_read(&cds[image.cd], image.lba, (count + 3) / 4, segment, 0, &done);
    if (status)
        return "could not read the boot image";
    if (segment == SECTOR_SEGMENT)
        start_boot(0, SECTOR_AT, image.drive);
    start_boot(segment, 0, image.drive);
}

const char *boot_cd(int n)
{
    struct drive *d = &cds[n];
    u8 status = cd_ready(d);
    if (status)
        return status == NO_MEDIUM ? "no disc" : "could not read the disc";
    image.cd = n;
    int at = entry_of(d, catalog_of(d));
    if (!at || (buffer[at + 1] & 15) > TO_HARD_DISK)
        return "not a bootable disc";
    image.media = buffer[at + 1] & 15;
    image.segment = word(at + 2);
    image.count = word(at + 6);
    image.lba = dword(at + 8);
    image.cylinders = image.heads = 1;
    image.spt = 0;
    const char *why = "not a bootable disc";
    if (!begin_emulation())
        why = load_and_start();
    end_emulation();
    return why;
}

/* INT 19h: the devices that can be started, in the order that the CMOS RAM has (-boot), or as the menu says; INT 18h:
   the next of them. */
#include "bios.h"
#include "drives.h"

#define UNSIGNED_DISKETTES 0x01                     /* in CMOS 38h */
#define FW_CFG_BOOT_MENU 0x0E
#define MENU_WAIT 2500                              /* ms, if etc/boot-menu-wait does not say */
#define FOREVER 0xFFFFFFFFU
#define ESCAPE 27
#define DEVICES 16

enum { NOTHING, FLOPPY, DISK, CD, NETWORK, FIRST };
static struct device {
    u8 kind, unit;
    u16 segment, offset, product;                   /* of an option ROM: bootstrap entry vector, its name */
} devices[DEVICES], *queue[DEVICES];
static u8 device_count, queue_length, next;         /* next: of the queue */

static void add(u8 kind, u8 unit)
{
    if (device_count < DEVICES)
        devices[device_count++] = (struct device) { kind, unit };
}

/* An option ROM's bootstrap entry vector (Plug and Play BIOS Specification 1.0a); first: before all drives. */
void add_bootstrap(u16 segment, u16 offset, u16 product, int first)
{
    if (device_count < DEVICES)
        devices[device_count++] = (struct device) { first ? FIRST : NETWORK, 0, segment, offset, product };
}

/* A disk of an option ROM. */
void add_disk(u8 unit, u16 segment, u16 product)
{
    if (device_count < DEVICES)
        devices[device_count++] = (struct device) { DISK, unit, segment, 0, product };
}

/* ---- names */
static void print_far(u16 segment, u16 offset)
{
    char letter[2] = { 0, 0 };
    for (int n = 0; n < 60 && (letter[0] = peekb(segment, offset + n)) >= ' '; n++)
        print(letter);
}

static void print_name(const struct device *d)
{
    if (d->product)
        print_far(d->segment, d->product);
    else
        print("option ROM");
}

static void print_device(const struct device *d)
{
    static const char *const floppies[] = { "", "360 KiB", "1.2 MiB", "720 KiB", "1.44 MiB", "2.88 MiB" };
    char letter[] = { 'A' + d->unit, ':', ' ', 0 };
    switch (d->kind) {
    case FLOPPY:
        print("Floppy ");
        print(letter);
        print(floppies[floppy_types[d->unit] > 5 ? 0 : floppy_types[d->unit]]);
        break;
    case DISK:
        print("Hard disk ");
        print_number(d->unit);
        print(": ");
        if (d->segment) {
            print_name(d);
            break;
        }
        print(disks[d->unit].model);
        print(", ");
        print_size(disks[d->unit].sectors / 2);
        break;
    case CD:
        print("CD-ROM ");
        print_number(d->unit);
        print(": ");
        print(cds[d->unit].model);
        break;
    default:
        print_name(d);
    }
}

/* At the end of POST: what there is, ROMs' devices last. */
void show_devices(void)
{
    struct device roms[DEVICES];
    int count = device_count;
    for (int n = 0; n < count; n++)
        roms[n] = devices[n];
    device_count = 0;
    for (int n = 0; n < FLOPPIES; n++)
        if (floppy_types[n])
            add(FLOPPY, n);
    for (int n = 0; n < disk_count; n++)
        add(DISK, n);
    for (int n = 0; n < cd_count; n++)
        add(CD, n);
    for (int n = 0; n < count && device_count < DEVICES; n++)
        devices[device_count++] = roms[n];
    for (int n = 0; n < device_count; n++) {
        print_device(&devices[n]);
        print("\r\n");
    }
    if (device_count)
        print("\r\n");
}

/* ---- the order */
static void enqueue(u8 kind)
{
    for (int n = 0; n < device_count; n++)
        if (devices[n].kind == kind && !(kind == FLOPPY && devices[n].unit))
            queue[queue_length++] = &devices[n];
}

static void make_queue(void)
{
    u8 kinds[] = { FIRST, cmos(0x3D) & 15, cmos(0x3D) >> 4, cmos(0x38) >> 4 };
    queue_length = next = 0;
    for (unsigned n = 0; n < sizeof kinds; n++)
        if (kinds[n] != NOTHING)
            enqueue(kinds[n]);
}

/* That one first; then the others as they would have come. */
static void prefer(struct device *d)
{
    int at = 0;
    while (at < queue_length && queue[at] != d)
        at++;
    if (at == queue_length && queue_length < DEVICES)
        queue_length++;
    for (; at > 0; at--)
        queue[at] = queue[at - 1];
    queue[0] = d;
}

static void menu(void)
{
    if (!fw_cfg_word(FW_CFG_BOOT_MENU))
        return;
    print("Press Esc for the boot menu.\r\n\r\n");
    if (read_key((fw_cfg_number("etc/boot-menu-wait", MENU_WAIT) & 0xFFFF) / 55 + 1) != ESCAPE)
        return;
    print("Boot from:\r\n\r\n");
    for (int n = 0; n < device_count && n < 9; n++) {
        print_number(n + 1);
        print("  ");
        print_device(&devices[n]);
        print("\r\n");
    }
    print("\r\n");
    for (;;) {
        int key = read_key(1000);
        if (key == ESCAPE)
            return;
        if (key > '0' && key <= '9' && key - '1' < device_count) {
            prefer(&devices[key - '1']);
            return;
        }
    }
}

/* ---- start. Each returns, with the reason, only if there is nothing to start. */
/* A floppy drive is asked again: it may tell that the medium is another one. */
static u8 floppy_sector(u8 drive)
{
    u8 done, status = OK;
    for (int n = 0; n < 4; n++) {
        status = floppy_sectors(drive, FLOPPY_READ, 0, 0, 1, 1, 0, SECTOR_AT, &done);
        if (!status || status == TIMED_OUT)
            break;
        if (status != MEDIUM_CHANGED)
            floppy_reset();
    }
    floppy_rest();
    return status;
}

static const char *boot_sector(u8 status, u32 drive, int unsigned_too)
{
    if (drive < FIRST_DISK && (status == TIMED_OUT || status == NO_MEDIUM))
        return "no diskette";
    if (status) {
        print("Error ");
        print_hex(status, 2);
        print("h. ");
        return "could not read the boot sector";
    }
    if (!unsigned_too && peekw(0, SECTOR_AT + 510) != 0xAA55)
        return "not a bootable disk";
    start_boot(0, SECTOR_AT, drive);
}

/* By INT 13h, because some are option ROMs'. */
static u8 disk_sector(u8 unit)
{
    struct regs r = { .eax = 0x0201, .ebx = SECTOR_AT, .ecx = 1, .edx = FIRST_DISK + unit };
    call_int(0x13, &r);
    return r.flags & CF ? r.ah ? r.ah : BAD_COMMAND : OK;
}

static const char *boot(const struct device *d)
{
    struct regs r = { 0 };
    switch (d->kind) {
    case FLOPPY:
        return boot_sector(floppy_sector(d->unit), d->unit, cmos(0x38) & UNSIGNED_DISKETTES);
    case DISK:
        return boot_sector(disk_sector(d->unit), FIRST_DISK + d->unit, 0);
    case CD:
        return boot_cd(d->unit);
    }
    call_regs(d->segment, d->offset, &r, 0);
    return "the option ROM came back";
}

static void boot_next(void)
{
    static const char *const names[] = { "", "Floppy", "Hard Disk", "CD-ROM", "ROM", "ROM" };
    end_emulation();
    while (next < queue_length) {
        const struct device *d = queue[next++];
        print("Booting from ");
        print(names[d->kind]);
        print("...\r\n");
        const char *why = boot(d);
        print("Boot failed: ");
        print(why);
        print(".\r\n\r\n");
    }
    if (!queue_length)
        print(device_count ? "None of the drives is one that -boot names.\r\n" : "There is no drive.\r\n");
    print("No bootable device.");
    u32 wait = fw_cfg_number("etc/boot-fail-wait", FOREVER);
    if (wait != FOREVER) {
        print(" Starting again.");
        read_key(wait / 55 + 1);
        reboot();
    }
    print(" Ctrl-Alt-Delete starts again.");
    for (;;)
        asm volatile("sti; hlt");
}

/* Both begin on an empty stack: their caller is gone. */
void handle_18(void)
{
    fw_cfg_init();
    print("\r\n");
    boot_next();
}

void handle_19(void)
{
    pmm_end();
    fw_cfg_init();
    make_queue();
    menu();
    boot_next();
}

/* INT 19h: the devices that can be started, in the order that the CMOS RAM has; INT 18h: the next of them. */
#include "bios.h"
#include "drives.h"

#define SECTOR_AT 0x7C00
#define UNSIGNED_DISKETTES 0x01                     /* in CMOS 38h */

void start_boot(u16 segment, u16 offset, u32 drive) __attribute__((noreturn));

enum { NOTHING, FLOPPY, DISK, CD, NETWORK };
static int next;                                    /* of the order; what it names has been tried before */

static int order(int n)
{
    return n == 0 ? cmos(0x3D) & 15 : n == 1 ? cmos(0x3D) >> 4 : n == 2 ? cmos(0x38) >> 4 : NOTHING;
}

/* A floppy drive is asked again: it may tell that the medium is another one. */
static int floppy_sector(void)
{
    u8 done;
    for (int n = 0; n < 4; n++) {
        u8 status = floppy_sectors(0, FLOPPY_READ, 0, 0, 1, 1, 0, SECTOR_AT, &done);
        if (status && status != MEDIUM_CHANGED)
            floppy_reset();
        if (!status || status == TIMED_OUT)
            return !status;
    }
    return 0;
}

static void failed(const char *why)
{
    print("Boot failed: ");
    print(why);
    print("\r\n\r\n");
}

static void try_floppy(void)
{
    print("Booting from Floppy...\r\n");
    int there = floppy_count && floppy_sector();
    floppy_rest();
    if (!there)
        failed("could not read the boot disk");
    else if (!(cmos(0x38) & UNSIGNED_DISKETTES) && peekw(0, SECTOR_AT + 510) != 0xAA55)
        failed("not a bootable disk");
    else
        start_boot(0, SECTOR_AT, 0);
}

static void try_disk(int n)
{
    u32 done;
    print("Booting from Hard Disk...\r\n");
    if (transfer(&disks[n], READ_SECTORS, 0, 1, 0, SECTOR_AT, &done))
        failed("could not read the boot disk");
    else if (peekw(0, SECTOR_AT + 510) != 0xAA55)
        failed("not a bootable disk");
    else
        start_boot(0, SECTOR_AT, FIRST_DISK + n);
}

static void boot_next(void)
{
    while (next < 3)
        switch (order(next++)) {
        case FLOPPY:
            if (floppy_count)
                try_floppy();
            break;
        case DISK:
            for (int n = 0; n < disk_count; n++)
                try_disk(n);
            break;
        }
    print("No bootable device.\r\n");
    for (;;)
        asm volatile("sti; hlt");
}

/* Both begin on an empty stack: their caller is gone. */
void handle_18(void)
{
    print("\r\n");
    boot_next();
}

void handle_19(void)
{
    next = 0;
    boot_next();
}

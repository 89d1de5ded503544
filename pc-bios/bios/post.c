/* Power-on self test: chips, interrupt table, BIOS data area, then drives, option ROMs and the start. */
#include "bios.h"
#include "drives.h"

extern u16 entry_table[], entry_irq_offset;
void dummy_iret(void);
#define EBDA_START 0x9FC0
int has_pci;
u8 apm_there;

u8 cmos(u8 index) { return in_index(CMOS, index); }

void call_int(u8 number, struct regs *r)
{
    call_regs(peekw(0, 4 * number + 2), peekw(0, 4 * number), r, 1);
}

static void vectors(void)
{
    for (int n = 0; n < 0x78; n++) {
        int irq = (n >= 8 && n < 0x10) || n >= 0x70;
        pokew(0, 4 * n, irq ? entry_irq_offset : (u16) (u32) dummy_iret);
        pokew(0, 4 * n + 2, 0xF000);
    }
    for (int n = 0x78; n < 0x100; n++)
        pokel(0, 4 * n, 0);
    for (u16 *p = entry_table; *p != 0xFFFF; p += 2)
        pokew(0, 4 * *p, p[1]);
    /* 1Dh-1Fh are pointers to tables: those of the VGA BIOS come with it. */
    pokel(0, 4 * 0x1D, 0);
    pokel(0, 4 * 0x1E, 0);
    pokel(0, 4 * 0x1F, 0);
}

static void chips(void)
{
    static const u16 writes[] = {
        0x20, 0x11, 0x21, 0x08, 0x21, 0x04, 0x21, 0x01, 0xA0, 0x11, 0xA1, 0x70, 0xA1, 0x02, 0xA1, 0x01,
        0x21, 0xB8, 0xA1, 0x8F,                     /* timer, keyboard, cascade, diskette; clock, FPU, disk */
        0x43, 0x34, 0x40, 0, 0x40, 0, 0x43, 0x54, 0x41, 18,
        0xD6, 0xC0, 0xD4, 0x00 };
    for (unsigned n = 0; n < sizeof writes / 2; n += 2)
        outb(writes[n], writes[n + 1]);
    outb(SYSTEM_CONTROL, inb(SYSTEM_CONTROL) & 0xFE | SYSTEM_CONTROL_A20);
    outb(PIC_MASTER + 1, 0xB8);
    outb(PIC_SLAVE + 1, 0x8E);
}

static void data_area(void)
{
    static const u16 com[] = { 0x3F8, 0x2F8, 0x3E8, 0x2E8 };
    static const u16 lpt[] = { 0x378, 0x278, 0x3BC };
    int serials = 0, printers = 0;
    for (int n = 0; n < 0x100; n += 2)
        pokew(BDA, n, 0);
    for (int n = 0; n < 4; n++) {
        outb(com[n] + 1, 0x02);                     /* of IER four bits stay, of nothing all or none */
        if (inb(com[n] + 1) == 2 && inb(com[n] + 2) != 0xFF) {
            outb(com[n] + 1, 0);
            pokeb(BDA, 0x7C + serials, 10);
            pokew(BDA, 2 * serials++, com[n]);
        }
    }
    for (int n = 0; n < 3; n++) {
        outb(lpt[n], 0xAA);
        if (inb(lpt[n]) == 0xAA) {
            pokeb(BDA, 0x78 + printers, 20);
            pokew(BDA, 8 + 2 * printers++, lpt[n]);
        }
    }
    pokew(BDA, 0x0E, EBDA_START);
    for (int n = 0; n < 0x400; n += 2)
        pokew(EBDA, n, 0);
    pokew(EBDA, 0, 1);
    pokew(BDA, 0x13, EBDA_START >> 6);
    pokew(BDA, 0x10, 0x0020 | cmos(0x14) & 0xC7 | serials << 9 | printers << 14);
}

/* Ticks since midnight from the clock chip. */
static u32 bcd(u8 v) { return (v >> 4) * 10 + (v & 15); }

static void tick_count(void)
{
    out_index(CMOS, 0x0B, 0x02);                    /* 24 hours, BCD */
    u32 seconds = (bcd(cmos(4)) * 60 + bcd(cmos(2))) * 60 + bcd(cmos(0));
    pokel(BDA, 0x6C, seconds * 18 + seconds / 5 + seconds / 154);
}

/* After a reset of everything that goes on in a program: the chips as they were; memory is as it is. */
void resume(void)
{
    chips();
    pci_init();
    controller_init();
}

static void print_ports(const char *name, u16 table, u8 count)
{
    for (u8 n = 0; n < count; n++) {
        print(name);
        print_number(n + 1);
        print(" at ");
        print_hex(peekw(BDA, table + 2 * n), 3);
        print("h, ");
    }
}

/* What there is but drives, and devices that only the debug console is told of. */
static void show_board(void)
{
    u16 equipment = peekw(BDA, 0x10);
    print("qemu_py BIOS\r\n\r\n");
    print_size(memory_size());
    print(" of memory, ");
    print_number(cpu_count);
    print(cpu_count == 1 ? " processor\r\n" : " processors\r\n");
    print_ports("COM", 0, equipment >> 9 & 7);
    print_ports("LPT", 8, equipment >> 14);
    print(equipment & 0x04 ? "keyboard, mouse\r\n\r\n" : "keyboard\r\n\r\n");
}

void post(void)
{
    outl(PCI_ADDRESS, PCI_ENABLE);
    has_pci = inl(PCI_DATA) == 0x12378086;
    chips();
    vectors();
    data_area();
    tick_count();
    fw_cfg_init();
    text_init();
    say("qemu_py BIOS\n");
    display = 0;
    if (has_pci)
        pci_init();
    smp_init();
    memory_init();
    acpi_init();                                    /* it asks where pci_init() has put the power management */
    smbios_init();
    irq_tables_init();
    memory_map_init();
    keyboard_init();
    mouse_init();
    apm_there = has_pci;                            /* the PIIX4 can switch off */
    pmm_init();
    display_rom();
    struct regs mode = { .eax = 0x0003 };           /* a VGA BIOS leaves the choice of a mode to us */
    call_int(0x10, &mode);
    show_board();
    option_roms();
    sti();
    floppy_init();
    ata_init();
    connect_disks();
    protect_roms();
    show_devices();
    struct regs r = { 0 };
    call_int(0x19, &r);
}

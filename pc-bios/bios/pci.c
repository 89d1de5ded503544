/* PCI: bus numbers, base addresses and windows of bridges, interrupts, the PIIX's parts. */
#include "bios.h"

#define IO_START 0xC000
#define MEMORY_START 0xE0000000U
#define MEMORY_END 0xFEC00000U                      /* the I/O APIC's */
#define ROM 0x30

static u32 address(u16 bdf, u8 reg) { return 0x80000000U | bdf << 8 | (reg & 0xFC); }
u32 pci_get(u16 bdf, u8 reg) { outl(PCI_ADDRESS, address(bdf, reg)); return inl(PCI_DATA); }
void pci_put(u16 bdf, u8 reg, u32 v) { outl(PCI_ADDRESS, address(bdf, reg)); outl(PCI_DATA, v); }
static void putb(u16 bdf, u8 reg, u8 v) { outl(PCI_ADDRESS, address(bdf, reg)); outb(PCI_DATA + (reg & 3), v); }
static void putw(u16 bdf, u8 reg, u16 v) { outl(PCI_ADDRESS, address(bdf, reg)); outw(PCI_DATA + (reg & 2), v); }

const u8 pirqs[4] = { 10, 10, 11, 11 };             /* where PIRQA#-PIRQD# lead to */
struct pci_slot pci_slots[PCI_SLOTS];
u32 pci_slot_count;
static u32 next_io, next_memory;
u16 display;

/* Room of a size that is a power of 2, from next to end; 0: there is none. */
static u32 place(u32 *next, u32 size, u32 end)
{
    u32 at = *next + size - 1 & -size;
    if (at < *next || at >= end || size > end - at)
        return 0;
    *next = at + size;
    return at;
}

/* Return: a register of 64 bits? */
static int base_address(u16 bdf, u8 reg)
{
    u32 before = pci_get(bdf, reg);
    pci_put(bdf, reg, reg == ROM ? 0xFFFFF800U : 0xFFFFFFFFU);
    u32 mask = pci_get(bdf, reg), at;
    pci_put(bdf, reg, before);
    int wide = reg != ROM && (mask & 7) == 4;
    if (reg != ROM && mask & 1)
        at = place(&next_io, -(mask & 0xFFFC) & 0xFFFF, 0x10000);
    else if (!(mask & ~15U))
        return wide;
    else
        at = place(&next_memory, -(mask & ~15U), MEMORY_END);
    pci_put(bdf, reg, at);
    if (wide)
        pci_put(bdf, reg + 4, 0);
    if (!at)
        say("PCI: no room for a base address\n");
    return wide;
}

/* The PIIX's functions and what is fixed about them. */
static void chip_set(u16 bdf, u32 id)
{
    if (id == 0x70008086) {
        for (int n = 0; n < 4; n++)
            putb(bdf, 0x60 + n, pirqs[n]);
        outb(0x4D0, 0x00);
        outb(0x4D1, 0x0C);
    } else if (id == 0x70108086)
        pci_put(bdf, 0x40, 0x80008000U);            /* both channels decode */
    else if (id == 0x71138086) {
        putb(bdf, 0x3C, 9);
        pci_put(bdf, 0x40, 0x601);
        putb(bdf, 0x80, 1);
        pci_put(bdf, 0x90, 0x701);
        putb(bdf, 0xD2, 9);
    }
}

static void log_function(u16 bdf, u32 id)
{
    say("PCI ");
    say_hex(bdf >> 8, 2);
    say(":");
    say_hex(bdf >> 3 & 31, 2);
    say(".");
    say_hex(bdf & 7, 1);
    say(" ");
    say_hex(id & 0xFFFF, 4);
    say(":");
    say_hex(id >> 16, 4);
    say(", class ");
    say_hex(pci_get(bdf, 8) >> 16, 4);
    if (pci_get(bdf, 0x3C) & 0xFF00) {
        say(", IRQ ");
        say_hex(pci_get(bdf, 0x3C) & 0xFF, 2);
    }
    say("\n");
}

static void bus_init(u8 bus, u8 route);             /* route: what is added to a slot's number, on the way to its PIRQs */

/* What is behind it gets numbers and addresses in one piece; a window that nothing is in is closed. */
static void bridge(u16 bdf, u8 route)
{
    u32 io = next_io = next_io + 0xFFF & -0x1000, memory = next_memory = next_memory + 0xFFFFF & -0x100000;
    u8 bus = ++pci_last_bus;
    int screen = !display;
    putb(bdf, 0x18, bdf >> 8);
    putb(bdf, 0x19, bus);
    putb(bdf, 0x1A, 0xFF);
    bus_init(bus, route);
    putb(bdf, 0x1A, pci_last_bus);
    next_io = next_io + 0xFFF & -0x1000;
    next_memory = next_memory + 0xFFFFF & -0x100000;
    int none = next_io == io;
    putb(bdf, 0x1C, none ? 0xF0 : io >> 8);
    putb(bdf, 0x1D, none ? 0 : next_io - 1 >> 8);
    none = next_memory == memory;
    pci_put(bdf, 0x20, none ? 0x0000FFF0 : memory >> 16 | next_memory - 1 & 0xFFF00000U);
    pci_put(bdf, 0x24, 0x0000FFF0);                 /* nothing apart for what can be prefetched */
    if (screen && display)
        putw(bdf, 0x3E, pci_get(bdf, 0x3C) >> 16 | 0x0008);     /* the VGA's old addresses lead there */
}

static void function(u16 bdf, struct pci_slot *slot)
{
    u32 id = pci_get(bdf, 0);
    u8 type = pci_get(bdf, 0x0C) >> 16 & 0x7F, pin = pci_get(bdf, 0x3C) >> 8;
    for (int reg = 0x10; type < 2 && reg < (type ? 0x18 : 0x28); reg += 4)
        reg += 4 * base_address(bdf, reg);
    if (type < 2)
        base_address(bdf, type ? 0x38 : ROM);
    if (pin && pin <= 4) {
        putb(bdf, 0x3C, pirqs[pin - 1 + slot->route & 3]);
        slot->pins |= 1 << pin - 1;
    }
    if (pci_get(bdf, 8) >> 16 == 0x0300 && !display)
        display = bdf;
    chip_set(bdf, id);
    log_function(bdf, id);
    putw(bdf, 4, pci_get(bdf, 4) | (type == 1 ? 7 : 3));
    if (type == 1)
        bridge(bdf, slot->route);
}

static void bus_init(u8 bus, u8 route)
{
    struct pci_slot none, *slot = &none;
    for (int devfn = 0; devfn < 0x100; devfn++) {
        u16 bdf = bus << 8 | devfn;
        int there = (pci_get(bdf, 0) & 0xFFFF) != 0xFFFF;
        if (!(devfn & 7)) {
            slot = there && pci_slot_count < PCI_SLOTS ? &pci_slots[pci_slot_count++] : &none;
            *slot = (struct pci_slot) { bdf, route + (devfn >> 3) & 3, 0 };
        }
        if (there)
            function(bdf, slot);
        if (!(devfn & 7) && !(there && pci_get(bdf, 0x0C) & 0x800000))
            devfn |= 7;
    }
}

void pci_init(void)
{
    next_io = IO_START;
    next_memory = MEMORY_START;
    pci_slot_count = pci_last_bus = display = 0;
    bus_init(0, 3);                                 /* INTA# of slot 1 is PIRQA# */
    outl(PCI_ADDRESS, PCI_ENABLE | 0x58);           /* PAM1-PAM6: C0000h-EFFFFh are RAM; PAM0 stays */
    u32 pam = inl(PCI_DATA);
    outl(PCI_DATA, pam & 0xFFFF | 0x33330000U);
    outl(PCI_ADDRESS, PCI_ENABLE | 0x5C);
    outl(PCI_DATA, 0x33333333);
}

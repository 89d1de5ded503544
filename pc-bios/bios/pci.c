/* PCI bus 0: base addresses, interrupts, the PIIX's parts; the display's ROM. Buses behind bridges stay as they are. */
#include "bios.h"

static u32 address(u8 devfn, u8 reg) { return 0x80000000U | devfn << 8 | (reg & 0xFC); }
static u32 get(u8 devfn, u8 reg) { outl(0xCF8, address(devfn, reg)); return inl(0xCFC); }
static void put(u8 devfn, u8 reg, u32 v) { outl(0xCF8, address(devfn, reg)); outl(0xCFC, v); }
static void putb(u8 devfn, u8 reg, u8 v) { outl(0xCF8, address(devfn, reg)); outb(0xCFC + (reg & 3), v); }
static void putw(u8 devfn, u8 reg, u16 v) { outl(0xCF8, address(devfn, reg)); outw(0xCFC + (reg & 2), v); }

static const u8 irqs[4] = { 10, 10, 11, 11 };       /* of PIRQA#-PIRQD# */
static u32 next_io, next_memory;
static u32 vga_rom;

static void base_address(u8 devfn, u8 reg)
{
    u32 before = get(devfn, reg);
    put(devfn, reg, reg == 0x30 ? 0xFFFFF800U : 0xFFFFFFFFU);
    u32 mask = get(devfn, reg);
    put(devfn, reg, before);
    if (!mask)
        return;
    u32 *next = mask & 1 && reg != 0x30 ? &next_io : &next_memory;
    u32 size = next == &next_io ? -(mask & 0xFFFC) & 0xFFFF : -(mask & ~15U);
    *next = *next + size - 1 & -size;
    put(devfn, reg, *next);
    *next += size;
}

static void function(u8 devfn)
{
    u32 id = get(devfn, 0), class = get(devfn, 8) >> 16;
    u8 type = get(devfn, 0x0C) >> 16 & 0x7F, pin = get(devfn, 0x3C) >> 8;
    for (int reg = 0x10; type == 0 && reg < 0x28; reg += 4) {
        int wide = (get(devfn, reg) & 7) == 4;
        base_address(devfn, reg);
        if (wide)
            put(devfn, reg += 4, 0);
    }
    if (type == 0)
        base_address(devfn, 0x30);
    if (pin)
        putb(devfn, 0x3C, irqs[pin - 1 + (devfn >> 3) - 1 & 3]);
    putw(devfn, 4, get(devfn, 4) | 3);
    if (id == 0x70008086) {
        for (int n = 0; n < 4; n++)
            putb(devfn, 0x60 + n, irqs[n]);
        outb(0x4D0, 0x00);
        outb(0x4D1, 0x0C);
    } else if (id == 0x70108086)
        put(devfn, 0x40, 0x80008000U);              /* both channels decode */
    else if (id == 0x71138086) {
        putb(devfn, 0x3C, 9);
        put(devfn, 0x40, 0x601);
        putb(devfn, 0x80, 1);
        put(devfn, 0x90, 0x701);
        putb(devfn, 0xD2, 9);
    } else if (class == 0x0300 && !vga_rom && get(devfn, 0x30))
        vga_rom = get(devfn, 0x30) | 1, put(devfn, 0x30, vga_rom);
}

void pci_init(void)
{
    next_io = 0xC000;
    next_memory = 0xE0000000U;
    vga_rom = 0;
    for (int devfn = 0; devfn < 0x100; devfn++) {
        if ((get(devfn, 0) & 0xFFFF) != 0xFFFF)
            function(devfn);
        if (!(devfn & 7) && !(get(devfn, 0x0C) & 0x800000))
            devfn |= 7;
    }
    outl(0xCF8, 0x80000058U);                       /* PAM1-PAM3: C0000h-DFFFFh are RAM; PAM0 stays */
    u32 pam = inl(0xCFC);
    outl(0xCFC, pam & 0xFFFF | 0x33330000U);
    outl(0xCF8, 0x8000005CU);
    outl(0xCFC, inl(0xCFC) & 0xFFFF0000U | 0x3333);
    if (vga_rom) {
        u32 from = vga_rom & ~1U;
        copy_flat(0xC0000, from, 4);
        if (peekw(0xC000, 0) == 0xAA55)
            copy_flat(0xC0000, from, peekb(0xC000, 2) * 512);
    }
}

/* The modes' numbers: VESA's to 11Bh, then those that programs know from the Bochs VBE extensions. */
#include "vbe.h"

#define ALL(n8, n15, w, h) { n8, w, h, 8 }, { n15, w, h, 15 }, { n15 + 1, w, h, 16 }, { n15 + 2, w, h, 24 }
#define HIGH(n, w, h) { n, w, h, 16 }, { n + 1, w, h, 24 }, { n + 2, w, h, 32 }

ROM struct vbe_mode vbe_modes[] = {
    { 0x108, 80, 60, 0 }, { 0x109, 132, 25, 0 }, { 0x10A, 132, 43, 0 }, { 0x10B, 132, 50, 0 }, { 0x10C, 132, 60, 0 },
    { 0x100, 640, 400, 8 }, { 0x102, 800, 600, 4 }, { 0x104, 1024, 768, 4 }, { 0x106, 1280, 1024, 4 },
    ALL(0x146, 0x10D, 320, 200), ALL(0x101, 0x110, 640, 480), ALL(0x103, 0x113, 800, 600), ALL(0x105, 0x116, 1024, 768),
    ALL(0x107, 0x119, 1280, 1024), ALL(0x11C, 0x11D, 1600, 1200),
    { 0x140, 320, 200, 32 }, { 0x141, 640, 400, 32 }, { 0x142, 640, 480, 32 }, { 0x143, 800, 600, 32 },
    { 0x144, 1024, 768, 32 }, { 0x145, 1280, 1024, 32 }, { 0x147, 1600, 1200, 32 },
    ALL(0x148, 0x149, 1152, 864), { 0x14C, 1152, 864, 32 },
    HIGH(0x175, 1280, 768), HIGH(0x178, 1280, 800), HIGH(0x17B, 1280, 960), HIGH(0x17E, 1440, 900), HIGH(0x181, 1400, 1050),
    HIGH(0x184, 1680, 1050), HIGH(0x187, 1920, 1200), HIGH(0x18A, 2560, 1600), HIGH(0x18D, 1280, 720),
    HIGH(0x190, 1920, 1080), HIGH(0x193, 1600, 900), HIGH(0x196, 2560, 1440),
    { 0 },
};

#define ISA_FRAME_BUFFER 0xE0000000

static u32 config(u32 bus_device, u32 offset)
{
    outl(PCI_ADDRESS, PCI_ENABLE | bus_device << 11 | offset);
    return inl(PCI_DATA);
}

/* Where the adapter's BAR 0 has the memory; without PCI, where it always is. */
u32 frame_buffer(void)
{
    u32 saved = inl(PCI_ADDRESS), address = 0;
    outl(PCI_ADDRESS, PCI_ENABLE);
    if (inl(PCI_ADDRESS) == PCI_ENABLE)
        for (u32 n = 0; n < 8 * 32 && !address; n++)
            if (config(n, 0) == 0x11111234)
                address = config(n, 0x10) & ~15U;
    outl(PCI_ADDRESS, saved);
    return address ? address : ISA_FRAME_BUFFER;
}

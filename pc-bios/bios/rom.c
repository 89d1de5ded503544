/* Option ROMs: 55AAh, length, checksum 0, entry at offset 3. The display's comes through PCI or fw_cfg. */
#include "bios.h"

static void fw_cfg_key(u16 key) { outw(0x510, key); }
static u32 big(int bytes) { u32 v = 0; while (bytes--) v = v << 8 | inb(0x511); return v; }

/* The first file of the directory vgaroms/, to C0000h. */
static void fw_cfg_vga(void)
{
    fw_cfg_key(0);
    if (big(4) != 0x51454D55)                       /* "QEMU" */
        return;
    fw_cfg_key(0x19);
    for (u32 count = big(4); count; count--) {
        u32 size = big(4), key = big(2);
        big(2);
        char name[56];
        for (int n = 0; n < 56; n++)
            name[n] = inb(0x511);
        static const char want[] = "vgaroms/";
        int n = 0;
        while (n < 8 && name[n] == want[n])
            n++;
        if (n == 8 && size <= 0x10000) {
            fw_cfg_key(key);
            for (u32 at = 0; at < size; at++)
                pokeb(0xC000, at, inb(0x511));
            return;
        }
    }
}

void option_roms(void)
{
    if (!has_pci)
        fw_cfg_vga();
    for (u32 segment = 0xC000; segment < 0xE000;) {
        u32 length = peekb(segment, 2) * 512;
        u8 sum = 0;
        if (peekw(segment, 0) == 0xAA55 && length) {
            for (u32 n = 0; n < length; n++)
                sum += peekb(segment + (n >> 4), n & 15);
            if (!sum) {
                struct regs r = { 0 };
                call_regs(segment, 3, &r, 0);
                segment += (length + 2047 & ~2047U) >> 4;
                continue;
            }
        }
        segment += 0x80;
    }
}

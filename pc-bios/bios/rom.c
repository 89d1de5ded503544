/* Option ROMs: 55AAh, length, checksum 0, entry at offset 3. The display's comes through PCI or fw_cfg, others through
   fw_cfg; what boots says so in a Plug and Play header (Plug and Play BIOS Specification 1.0a, chapter 3). */
#include "bios.h"
#include "drives.h"

#define FIRST_SEGMENT 0xC000
#define END_SEGMENT 0xE000

extern u8 pnp_structure[];
static char boot_order[256];                        /* a path in each line, of what is to be started before all drives */

/* Is the ROM of that file named? */
static int ordered(const char *file)
{
    for (const char *line = boot_order; *line; line++) {
        const char *name = after(line, "/rom@");
        if (name && (name = after(name, file)) && *name <= '\n')
            return 1;
        while (*line && *line != '\n')
            line++;
        if (!*line)
            break;
    }
    return 0;
}

static u32 length_of(u32 segment)
{
    u32 length = peekb(segment, 2) * 512;
    u8 sum = 0;
    if (peekw(segment, 0) != 0xAA55 || (segment << 4) + length > END_SEGMENT << 4)
        return 0;
    for (u32 n = 0; n < length; n++)
        sum += peekb(segment + (n >> 4), n & 15);
    return sum ? 0 : length;
}

static void bootstrap(u32 segment, const char *file)
{
    u16 at = peekw(segment, 0x1A);
    if (!at || peekl(segment, at) != 0x506E5024)    /* $PnP */
        return;
    u16 vector = peekw(segment, at + 26);
    if (vector)
        add_bootstrap(segment, vector, peekw(segment, at + 16), file && ordered(file));
}

/* Initialize it; the segment behind it, or 0: there is no ROM. */
static u32 start(u32 segment, const char *file)
{
    struct regs r = { .es = 0xF000, .edi = (u32) pnp_structure };
    if (!length_of(segment))
        return 0;
    call_regs(segment, 3, &r, 0);
    bootstrap(segment, file);
    return segment + (peekb(segment, 2) * 512 + 2047 & ~2047U) / 16;       /* it may have become shorter */
}

void option_roms(void)
{
    const struct fw_cfg_file *f = fw_cfg_file("vgaroms/", 0);
    u8 sum = 0;
    for (int n = 0; n < 33; n++)
        sum += pnp_structure[n];
    pnp_structure[8] -= sum;
    if (!has_pci && f && f->size <= 0x10000)
        fw_cfg_load(f, FIRST_SEGMENT);
    fw_cfg_string(fw_cfg_file("bootorder", 0), boot_order, sizeof boot_order);
    u32 end = start(FIRST_SEGMENT, 0);
    end = end ? end : FIRST_SEGMENT;
    for (u32 segment = end; segment < END_SEGMENT; segment += 0x80)
        pokew(segment, 0, 0);                       /* in RAM: copies of before a reset */
    for (u32 segment = end; segment < END_SEGMENT;) {
        u32 next = start(segment, 0);
        if (next)
            end = next;
        segment = next ? next : segment + 0x80;
    }
    for (int n = 0; (f = fw_cfg_file("genroms/", n)); n++)
        if ((end << 4) + f->size <= END_SEGMENT << 4) {
            fw_cfg_load(f, end);
            u32 next = start(end, f->name);
            end = next ? next : end;
        }
}

/* Option ROMs: 55AAh, length, checksum 0, entry at offset 3. Displays' and other PCI devices' come from their ROM's base
   address (PCI Firmware Specification 3.0, chapter 5), others through fw_cfg, or are where an ISA card has them. What boots,
   or adds disks, says so in Plug and Play headers (Plug and Play BIOS Specification 1.0a, chapter 3). */
#include "bios.h"
#include "drives.h"

#define FIRST_SEGMENT 0xC000
#define END_SEGMENT 0xF000
#define STEP 0x80                                   /* ROMs begin at multiples of 2 KiB */
#define SIGNATURE 0xAA55
#define PNP 0x506E5024                              /* "$PnP" */
#define PCIR 0x52494350                             /* "PCIR" */
#define X86 0
#define LAST_IMAGE 0x80
#define ROM 0x30
#define CONNECTIONS 8

extern u8 pnp_structure[];
static char boot_order[256];                        /* a path in each line, of what is to be started before all drives */
static u32 end;                                     /* the segment where the next ROM goes */
static struct { u16 segment, vector, product; } connections[CONNECTIONS];
static u32 connection_count;

static u32 physical(const void *p) { return 0xF0000 + (u32) p; }

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
    if (peekw(segment, 0) != SIGNATURE || !length || (segment << 4) + length > END_SEGMENT << 4)
        return 0;
    for (u32 n = 0; n < length; n++)
        sum += peekb(segment + (n >> 4), n & 15);
    return sum ? 0 : length;
}

/* Its Plug and Play headers: bootstrap entry vectors, and boot connection vectors, which take over INT 13h. */
static void headers(u32 segment, const char *file)
{
    u16 at = peekw(segment, 0x1A);
    for (int n = 0; n < 8 && at && peekl(segment, at) == PNP; n++) {
        u16 product = peekw(segment, at + 16), connection = peekw(segment, at + 22), bootstrap = peekw(segment, at + 26);
        if (bootstrap)
            add_bootstrap(segment, bootstrap, product, file && ordered(file));
        if (connection && connection_count < CONNECTIONS) {
            connections[connection_count].segment = segment;
            connections[connection_count].product = product;
            connections[connection_count++].vector = connection;
        }
        at = peekw(segment, at + 6);
    }
}

/* Initialize it: a function of PCI, or 0, its own; a file, or none. 0: there is no ROM. */
static int start(u32 segment, u16 bdf, const char *file)
{
    struct regs r = { .es = 0xF000, .edi = (u32) pnp_structure, .eax = bdf, .ebx = 0xFFFF, .edx = 0xFFFF };
    if (!length_of(segment))
        return 0;
    data_limits(BIG);                               /* they may reach their devices' memory (PCI Firmware, 5.2.1.3) */
    call_regs(segment, 3, &r, 0);
    data_limits(NORMAL);
    headers(segment, file);
    end = segment + (peekb(segment, 2) * 32 + STEP - 1 & -STEP);        /* it may have become shorter */
    return 1;
}

/* Where in a ROM the image for us is; a display's may lack the PCI data structure. */
static u32 find_image(u16 bdf, u32 at, int display)
{
    struct { u16 signature; u8 length, code[21]; u16 data, pnp; } head;
    struct { u32 signature, id; u16 list, size; u8 revision, class[3]; u16 length, level; u8 type, last; } data;
    for (int n = 0; n < 16; n++) {
        copy_flat(physical(&head), at, sizeof head);
        if (head.signature != SIGNATURE)
            break;
        copy_flat(physical(&data), at + head.data, sizeof data);
        if (!head.data || data.signature != PCIR)
            return display ? at : 0;
        if (data.type == X86 && data.id == pci_get(bdf, 0))
            return at;
        if (data.last & LAST_IMAGE || !data.length)
            break;
        at += data.length * 512;
    }
    return 0;
}

static void pci_rom(u16 bdf, int display)
{
    u32 rom = pci_get(bdf, ROM) & ~1U, from, size;
    u8 head[4];
    if (!rom || pci_get(bdf, 0x0C) >> 16 & 0x7F)
        return;
    pci_put(bdf, ROM, rom | 1);
    from = find_image(bdf, rom, display);
    copy_flat(physical(head), from, sizeof head);
    size = head[2] * 512;
    int fits = from && (end << 4) + size <= END_SEGMENT << 4;
    if (fits)
        copy_flat(end << 4, from, size);
    pci_put(bdf, ROM, rom);
    if (from && !fits)
        say("Option ROM: no room\n");
    if (fits)
        start(end, bdf, 0);
}

static void pci_roms(void)
{
    for (u32 n = 0; n < pci_slot_count; n++)
        for (u16 bdf = pci_slots[n].bdf; bdf < pci_slots[n].bdf + 8; bdf++) {
            if ((pci_get(bdf, 0) & 0xFFFF) != 0xFFFF && bdf != display)
                pci_rom(bdf, 0);
            if (!(bdf & 7) && !(pci_get(bdf, 0x0C) & 0x800000))
                break;
        }
}

/* ROMs stay when zeros are written; copies of before a reset go. */
static void isa_roms(void)
{
    for (u32 segment = end; segment < END_SEGMENT; segment += STEP)
        pokew(segment, 0, 0);
    for (u32 segment = end; segment < END_SEGMENT;)
        segment = start(segment, 0, 0) ? end : segment + STEP;
}

static void file_rom(const struct fw_cfg_file *f)
{
    if ((end << 4) + f->size > END_SEGMENT << 4)
        return;
    fw_cfg_load(f, end);
    start(end, 0, f->name);
}

/* The display's, so that there is something to see. */
void display_rom(void)
{
    const struct fw_cfg_file *f = fw_cfg_file("vgaroms/", 0);
    u8 sum = 0;
    for (int n = 0; n < 33; n++)
        sum += pnp_structure[n];
    pnp_structure[8] -= sum;
    end = FIRST_SEGMENT;
    connection_count = 0;
    if (display)
        pci_rom(display, 1);
    else if (f)
        file_rom(f);
    else
        start(FIRST_SEGMENT, 0, 0);
}

void option_roms(void)
{
    const struct fw_cfg_file *f;
    fw_cfg_string(fw_cfg_file("bootorder", 0), boot_order, sizeof boot_order);
    if (has_pci)
        pci_roms();
    else
        isa_roms();
    for (int n = 0; (f = fw_cfg_file("genroms/", n)); n++)
        file_rom(f);
}

/* Boot connection vectors: more disks, of ROMs; their number in the BIOS data area grows. */
void connect_disks(void)
{
    for (u32 n = 0; n < connection_count; n++) {
        struct regs r = { .es = 0xF000, .edi = (u32) pnp_structure, .ebx = 0xFFFF, .edx = 0xFFFF };
        u8 before = peekb(BDA, 0x75);
        data_limits(BIG);
        call_regs(connections[n].segment, connections[n].vector, &r, 0);
        data_limits(NORMAL);
        for (u8 unit = before; unit < peekb(BDA, 0x75); unit++)
            add_disk(unit, connections[n].segment, connections[n].product);
    }
    foreign_disks = peekb(BDA, 0x75) - disk_count;
}

/* RAM in their place becomes a ROM, in units of 16 KiB (440FX: PAM1-PAM6). */
void protect_roms(void)
{
    for (u32 segment = FIRST_SEGMENT; has_pci && segment < end; segment += 0x400) {
        u8 n = segment - FIRST_SEGMENT >> 10, reg = 0x5A + n / 2, shift = 8 * (reg & 3) + 4 * (n & 1);
        pci_put(0, reg, pci_get(0, reg) & ~(0xFU << shift) | 1U << shift);
    }
}

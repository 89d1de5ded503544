/* The tables that the machine hands over through fw_cfg: ACPI's, by the commands of etc/table-loader (allocate a file, add
   its address to a pointer, make a checksum), and SMBIOS' (System Management BIOS 2.8, section 5.2.1).

   They are put together in low memory, which nobody uses yet. What systems search for stays in our segment; the rest
   goes to the last 64 KiB below the top of RAM, which the memory map then keeps. */
#include "bios.h"

#define ALLOCATE 1
#define ADD_POINTER 2
#define ADD_CHECKSUM 3
#define ZONE_FSEG 2
#define COMMAND 128                                 /* bytes of each */
#define LOADER 0x1000                               /* segments */
#define STAGE 0x2000
#define STAGE_END 0x8000
#define PLACES 8

u32 reserved_ram;                                   /* bytes below the top */
static u8 fseg[2048] __attribute__((aligned(16)));
static u32 fseg_used, high_used;
static u16 stage;
static struct place { const struct fw_cfg_file *file; u16 staged; u32 address; } places[PLACES];
static int place_count;

/* Somewhere to stay; 0: no room. */
static u32 allocate(u32 size, u32 align, int in_fseg)
{
    u32 top = memory_below_4g(), at = fseg_used + align - 1 & -align;
    if (in_fseg) {
        if (at + size > sizeof fseg)
            return 0;
        fseg_used = at + size;
        return 0xF0000 + (u32) fseg + at;
    }
    if (high_used + size + align > RESERVED || top < (1 << 20) + 2 * RESERVED)
        return 0;
    reserved_ram = RESERVED;
    at = top - high_used - size & -align;
    high_used = top - at;
    return at;
}

static struct place *put(const struct fw_cfg_file *f, u32 align, int in_fseg)
{
    struct place *p = &places[place_count];
    if (!f || place_count == PLACES || stage + (f->size + 15 >> 4) > STAGE_END)
        return 0;
    *p = (struct place) { f, stage, allocate(f->size, align, in_fseg) };
    if (!p->address)
        return 0;
    fw_cfg_load(f, stage);
    stage += f->size + 15 >> 4;
    place_count++;
    return p;
}

static u32 name_ends(const char *name, const char *other)
{
    const char *rest = after(name, other);
    return rest && !*rest;
}

/* The place of the file that a command names at LOADER:at. */
static struct place *named(u32 at)
{
    char name[57];
    for (int n = 0; n < 56; n++)
        name[n] = peekb(LOADER + (at >> 4), (at & 15) + n);
    name[56] = 0;
    for (int n = 0; n < place_count; n++)
        if (name_ends(places[n].file->name, name))
            return &places[n];
    const struct fw_cfg_file *f = fw_cfg_file(name, 0);
    u32 command = at - 4;
    if (!f || !name_ends(f->name, name) || peekl(LOADER + (command >> 4), command & 15) != ALLOCATE)
        return 0;
    return put(f, peekl(LOADER + (at >> 4), (at & 15) + 56), peekb(LOADER + (at >> 4), (at & 15) + 60) == ZONE_FSEG);
}

static void sum_up(struct place *p, u32 offset, u32 start, u32 length)
{
    u8 sum = 0;
    for (u32 n = start; n < start + length && n < p->file->size; n++)
        sum += peekb(p->staged + (n >> 4), n & 15);
    if (offset < p->file->size) {
        u16 segment = p->staged + (offset >> 4);
        pokeb(segment, offset & 15, peekb(segment, offset & 15) - sum);
    }
}

static void add_pointer(struct place *p, u32 offset, u32 size, u32 address)
{
    u16 segment = p->staged + (offset >> 4), at = offset & 15;
    u32 before = peekl(segment, at);
    if (size < 4 || offset + size > p->file->size)
        return;                                     /* ours have 4 or 8 bytes */
    pokel(segment, at, before + address);
    if (size == 8 && before + address < before)
        pokel(segment, at + 4, peekl(segment, at + 4) + 1);
}

static int acpi(const struct fw_cfg_file *loader)
{
    if (!loader || loader->size > STAGE - LOADER << 4)
        return 0;
    fw_cfg_load(loader, LOADER);
    for (u32 at = 0; at + COMMAND <= loader->size; at += COMMAND) {
        u16 segment = LOADER + (at >> 4);
        u32 kind = peekl(segment, 0);
        if (kind != ALLOCATE && kind != ADD_POINTER && kind != ADD_CHECKSUM)
            continue;
        struct place *p = named(at + 4), *from;
        if (!p)
            return 0;
        if (kind == ADD_POINTER) {
            if (!(from = named(at + 60)))
                return 0;
            add_pointer(p, peekl(segment, 116), peekb(segment, 120), from->address);
        } else if (kind == ADD_CHECKSUM)
            sum_up(p, peekl(segment, 60), peekl(segment, 64), peekl(segment, 68));
    }
    return 1;
}

static void smbios(void)
{
    const struct fw_cfg_file *anchor = fw_cfg_file("etc/smbios/smbios-anchor", 0);
    const struct fw_cfg_file *tables = fw_cfg_file("etc/smbios/smbios-tables", 0);
    if (!anchor || anchor->size != 31 || !tables)
        return;
    struct place *structures = put(tables, 16, tables->size + 64 < sizeof fseg - fseg_used), *entry;
    if (!structures || !(entry = put(anchor, 16, 1)))
        return;
    pokel(entry->staged, 24, structures->address);
    sum_up(entry, 21, 16, 15);
    sum_up(entry, 4, 0, 31);
}

void tables_init(void)
{
    stage = STAGE;
    place_count = 0;
    if (!acpi(fw_cfg_file("etc/table-loader", 0)))  /* all of it, or nothing */
        place_count = fseg_used = high_used = reserved_ram = 0;
    smbios();
    for (int n = 0; n < place_count; n++)
        copy_flat(places[n].address, places[n].staged << 4, places[n].file->size);
}

/* ACPI tables come through fw_cfg with the commands that place them: etc/table-loader, entries of 128 bytes (QEMU's
   bios-linker-loader). Files are put at the top of RAM, or in our segment, where the RSDP is looked for. */
#include "bios.h"

enum { ALLOCATE = 1, ADD_POINTER, ADD_CHECKSUM, WRITE_POINTER };
enum { ZONE_HIGH = 1, ZONE_FSEG };
#define FILE_NAME 56
#define FILES 16
#define F_SEGMENT_SIZE 0xF00

static union command {
    struct { u32 kind; char file[FILE_NAME]; u32 align; u8 zone; } __attribute__((packed)) allocate;
    struct { u32 kind; char to[FILE_NAME], of[FILE_NAME]; u32 offset; u8 size; } __attribute__((packed)) pointer;
    struct { u32 kind; char file[FILE_NAME]; u32 at, start, length; } __attribute__((packed)) checksum;
    struct { u32 kind; char to[FILE_NAME], of[FILE_NAME]; u32 offset, of_offset; u8 size; } __attribute__((packed)) write;
    u8 room[128];
} command;
static struct placed { const struct fw_cfg_file *file; u32 address; } placed[FILES];
static u32 placed_count;
extern u8 f_segment[F_SEGMENT_SIZE];                /* entry.asm */
static u32 f_segment_used;

static u32 physical(const void *p) { return 0xF0000 + (u32) p; }

/* Room in the segment F000h, where tables are looked for on paragraphs; its address, or 0. */
u32 allocate_f_segment(u32 size, u32 align)
{
    u32 at = f_segment_used + align - 1 & -align;
    if (align > 64 || size > F_SEGMENT_SIZE || at > F_SEGMENT_SIZE - size)
        return 0;
    f_segment_used = at + size;
    return physical(f_segment + at);
}

static const struct placed *find(const char *name)
{
    for (u32 n = 0; n < placed_count; n++) {
        const char *rest = after(name, placed[n].file->name);
        if (rest && !*rest)
            return &placed[n];
    }
    return 0;
}

static int allocate(void)
{
    const struct fw_cfg_file *f = fw_cfg_named(command.allocate.file);
    u32 align = command.allocate.align < 16 ? 16 : command.allocate.align;
    if (!f || placed_count == FILES || align & align - 1)
        return 0;
    u32 address = command.allocate.zone == ZONE_FSEG ? allocate_f_segment(f->size, align) : allocate_high(f->size, align);
    if (!address)
        return 0;
    fw_cfg_read(f, 0, address, f->size);
    placed[placed_count++] = (struct placed) { f, address };
    return 1;
}

static int inside(const struct placed *p, u32 offset, u32 size) { return size <= p->file->size && offset <= p->file->size - size; }

static int add_pointer(void)
{
    const struct placed *to = find(command.pointer.to), *of = find(command.pointer.of);
    u32 size = command.pointer.size;
    u64 value = 0;
    if (!to || !of || size > 8 || size & size - 1 || !inside(to, command.pointer.offset, size))
        return 0;
    copy_flat(physical(&value), to->address + command.pointer.offset, size);
    value += of->address;
    copy_flat(to->address + command.pointer.offset, physical(&value), size);
    return 1;
}

static int add_checksum(void)
{
    const struct placed *p = find(command.checksum.file);
    u32 from = command.checksum.start, length = command.checksum.length;
    u8 part[64], sum = 0;
    if (!p || !inside(p, command.checksum.at, 1) || !inside(p, from, length))
        return 0;
    for (from += p->address; length;) {
        u32 count = length < sizeof part ? length : sizeof part;
        copy_flat(physical(part), from, count);
        for (u32 n = 0; n < count; n++)
            sum += part[n];
        from += count;
        length -= count;
    }
    copy_flat(physical(part), p->address + command.checksum.at, 1);
    part[0] -= sum;
    copy_flat(p->address + command.checksum.at, physical(part), 1);
    return 1;
}

/* Tell the device where a file has been put. */
static int write_pointer(void)
{
    const struct fw_cfg_file *to = fw_cfg_named(command.write.to);
    const struct placed *of = find(command.write.of);
    u64 value;
    if (!to || !of || command.write.size > 8)
        return 0;
    value = of->address + command.write.of_offset;
    return fw_cfg_write(to, command.write.offset, physical(&value), command.write.size);
}

static int carry_out(u32 kind)
{
    switch (kind) {
    case ALLOCATE: return allocate();
    case ADD_POINTER: return add_pointer();
    case ADD_CHECKSUM: return add_checksum();
    case WRITE_POINTER: return write_pointer();
    default: return 1;
    }
}

static void clear(void)
{
    placed_count = f_segment_used = 0;
    for (u32 n = 0; n < F_SEGMENT_SIZE; n++)      /* before a reset there were others */
        f_segment[n] = 0;
}

void acpi_init(void)
{
    const struct fw_cfg_file *f = fw_cfg_named("etc/table-loader");
    clear();
    for (u32 at = 0; f && at + sizeof command <= f->size; at += sizeof command) {
        fw_cfg_read(f, at, physical(&command), sizeof command);
        if (!carry_out(command.allocate.kind)) {
            say("ACPI: a command of etc/table-loader cannot be carried out\n");
            clear();                                /* all of it, or nothing */
            memory_init();
            return;
        }
    }
}

/* Where the RSDP is; 0: there are no tables. */
u32 acpi_rsdp(void)
{
    const struct placed *p = find("etc/acpi/rsdp");
    return p ? p->address : 0;
}

/* SMBIOS 2.8, 5.2.1: the entry point here, the structures, too, if there is room, or at the top of RAM. */
void smbios_init(void)
{
    const struct fw_cfg_file *anchor = fw_cfg_named("etc/smbios/smbios-anchor"), *f = fw_cfg_named("etc/smbios/smbios-tables");
    u8 entry[32], sum = 0, dmi = 0;
    if (!anchor || !f || anchor->size != 31)
        return;
    u32 at = allocate_f_segment(31, 16), tables = allocate_f_segment(f->size, 16);
    if (!tables)
        tables = allocate_high(f->size, 16);
    if (!tables || !at)
        return;
    fw_cfg_read(f, 0, tables, f->size);
    fw_cfg_read(anchor, 0, physical(entry), 31);
    *(u32 *) (entry + 24) = tables;
    entry[4] = entry[21] = 0;
    for (int n = 16; n < 31; n++)
        dmi += entry[n];
    entry[21] = -dmi;
    for (int n = 0; n < 31; n++)
        sum += entry[n];
    entry[4] = -sum;
    copy_flat(at, physical(entry), 31);
}

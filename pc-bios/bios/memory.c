/* The memory map: RAM as CMOS and fw_cfg's etc/e820 tell it, less what tables take from its top (INT 15h E820h, E801h, 88h). */
#include "bios.h"

enum { RAM = 1, RESERVED = 2 };
#define ENTRIES 24
static struct area { u64 start, size; u32 type; } __attribute__((packed)) map[ENTRIES];
static u32 map_count, table_base, ram_top;

/* 34h: 64 KiB units above 16 MiB; 30h: KiB above 1 MiB. */
static u32 memory_below_4g(void)
{
    u32 high = cmos(0x34) | cmos(0x35) << 8;
    if (high)
        return (high << 16) + (16 << 20);
    return ((cmos(0x30) | cmos(0x31) << 8) << 10) + (1 << 20);
}

void memory_init(void) { ram_top = table_base = memory_below_4g(); }

/* Room below the top, for good; 0: there is none. align: a power of 2. */
u32 allocate_high(u32 size, u32 align)
{
    u32 base = (table_base - size) & -align;
    if (size > table_base - (1 << 20) || base < 1 << 20)
        return 0;
    return table_base = base;
}

static void add(u64 start, u64 size, u32 type)
{
    if (size && map_count < ENTRIES)
        map[map_count++] = (struct area) { start, size, type };
}

/* After all has been allocated. */
void memory_map_init(void)
{
    const struct fw_cfg_file *f = fw_cfg_file("etc/e820", 0);
    u32 base = table_base & -4096U, given = f ? f->size / sizeof(struct area) : 0;
    int above = 0;
    map_count = 0;
    add(0, 0xA0000, RAM);                           /* these two meet where INT 12h says (map_entry) */
    add(0xA0000, 1, RESERVED);
    add(0xF0000, 0x10000, RESERVED);
    add(0x100000, base - 0x100000, RAM);
    add(base, ram_top - base, RESERVED);
    for (u32 n = 0; n < given; n++) {               /* RAM below 4 GiB is known already */
        struct area a;
        fw_cfg_read(f, n * sizeof a, 0xF0000 + (u32) &a, sizeof a);
        int high = (u32) (a.start >> 32) != 0;
        if (high || a.type != RAM)
            add(a.start, a.size, a.type);
        above |= high && a.type == RAM;
    }
    add(0xFFFC0000U, 0x40000, RESERVED);
    if (!above)                                     /* 64 KiB units above 4 GiB */
        add(1ULL << 32, (u64) (cmos(0x5B) | cmos(0x5C) << 8 | cmos(0x5D) << 16) << 16, RAM);
}

void map_entry(struct regs *r)
{
    if (r->edx != 0x534D4150 || r->ecx < 20 || r->ebx >= map_count) {
        r->ah = 0x86;
        carry(r, 1);
        return;
    }
    map[0].size = map[1].start = peekw(BDA, 0x13) << 10;
    map[1].size = 0xA0000 - map[0].size;
    for (u32 n = 0; n < sizeof(struct area); n += 4)
        pokel(r->es, r->di + n, *(u32 *) ((u8 *) &map[r->ebx] + n));
    r->eax = 0x534D4150;
    r->ecx = 20;
    r->ebx = r->ebx + 1 == map_count ? 0 : r->ebx + 1;
    carry(r, 0);
}

/* KiB above 1 MiB. */
u32 extended_memory(void) { return ((table_base & -4096U) >> 10) - 1024; }

/* KiB of all of it. */
u32 memory_size(void) { return (ram_top >> 10) + ((cmos(0x5B) | cmos(0x5C) << 8 | cmos(0x5D) << 16) << 6); }

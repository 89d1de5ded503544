/* Memory for option ROMs during POST (POST Memory Manager Specification 1.01, Phoenix and Intel). Nothing of it is kept from
   the system that is started, nor cleared: what a ROM has put there is still found by its bootstrap entry vector. */
#include "bios.h"

enum { ALLOCATE, FIND, DEALLOCATE };
enum { CONVENTIONAL = 1, EXTENDED = 2, ALIGNED = 4 };       /* flags; aligned: on the lowest bit that is set in the length */
#define ANONYMOUS 0xFFFFFFFFU
#define NOT_SUPPORTED 0xFFFFFFFFU
#define BLOCKS 24
#define LOWEST 0x10000                              /* below are vectors, data, and where boot sectors come to lie */
#define LOWEST_EXTENDED 0x110000

struct pmm { char signature[4]; u8 revision, length, checksum; u16 offset, segment; u8 reserved[5]; } __attribute__((packed));
extern struct pmm pmm_structure;                    /* entry.asm */
static struct block { u32 start, end, handle; } blocks[BLOCKS];
static u32 block_count;
static u8 active;

/* The free bytes right below `end`, down to `low` at most. */
static u32 free_below(u32 end, u32 low)
{
    for (u32 n = 0; n < block_count; n++) {
        if (end > blocks[n].start && end <= blocks[n].end)
            return 0;
        if (blocks[n].end <= end && blocks[n].end > low)
            low = blocks[n].end;
    }
    return end > low ? end - low : 0;
}

/* The highest place for so many bytes; for none: how many there are at most. */
static u32 place(u32 low, u32 high, u32 size, u32 align)
{
    u32 best = 0;
    for (u32 n = 0; n <= block_count; n++) {
        u32 end = n < block_count ? blocks[n].start : high;
        if (end > high || end <= low)
            continue;
        u32 room = free_below(end, low), at = end - size & -align;
        if (!size ? room > best : size <= room && at >= end - room && at > best)
            best = size ? at : room;
    }
    return best;
}

static u32 allocate(u32 paragraphs, u32 handle, u32 flags)
{
    u32 size = paragraphs << 4, best = 0;
    u32 align = flags & ALIGNED && size ? size & -size : 16;
    if (paragraphs >> 28 || paragraphs && block_count == BLOCKS)
        return 0;
    for (u32 n = 0; paragraphs && handle != ANONYMOUS && n < block_count; n++)
        if (blocks[n].handle == handle)
            return 0;
    if (flags & CONVENTIONAL)
        best = place(LOWEST, peekw(BDA, 0x13) << 10, size, align);
    if (flags & EXTENDED && (!best || !size)) {
        u32 more = place(LOWEST_EXTENDED, extended_memory() + 1024 << 10, size, align);
        best = more > best ? more : best;
    }
    if (!size)
        return best >> 4;
    if (best)
        blocks[block_count++] = (struct block) { best, best + size, handle };
    return best;
}

/* The block of that handle, or at that address. */
static struct block *find(u32 handle, u32 start)
{
    for (struct block *b = blocks; b < blocks + block_count; b++)
        if (start ? b->start == start : handle != ANONYMOUS && b->handle == handle)
            return b;
    return 0;
}

/* EAX: the function; ECX, EBX, SI: its arguments as they come. */
void handle_pmm(struct regs *r)
{
    struct block *b;
    switch (r->ax) {
    case ALLOCATE:
        r->eax = active ? allocate(r->ecx, r->ebx, r->si) : 0;
        break;
    case FIND:
        b = find(r->ecx, 0);
        r->eax = b ? b->start : 0;
        break;
    case DEALLOCATE:
        b = r->ecx ? find(0, r->ecx) : 0;
        if (b)
            *b = blocks[--block_count];
        r->eax = !b;
        break;
    default:
        r->eax = NOT_SUPPORTED;
    }
}

void pmm_init(void)
{
    u8 sum = 0;
    block_count = 0;
    active = 1;
    *(u32 *) pmm_structure.signature = 0x4D4D5024;  /* "$PMM" */
    pmm_structure.checksum = 0;
    for (u32 n = 0; n < sizeof pmm_structure; n++)
        sum += ((u8 *) &pmm_structure)[n];
    pmm_structure.checksum = -sum;
}

/* Before a system is started, there is none. */
void pmm_end(void)
{
    active = block_count = 0;
    *(u32 *) pmm_structure.signature = 0;
}

/* Physical memory: the BIOS's map of it, and the pages that are free.
 *
 * Only the first 16 MiB are used: the kernel sees them at their own addresses (paging.c). A free page's first word
 * is the address of the next free one, so the list costs no memory. */
#include "kernel.h"

#define E820_COUNT ((volatile uint32_t *)0x600)     /* by start.asm */
#define E820_MAP ((volatile struct range *)0x604)
#define E820_MAX 32
#define USABLE 1
#define LOWEST 0x100000u
#define HIGHEST 0x1000000u

struct range { uint32_t base, base_high, length, length_high, type, attributes; };

static struct range map[E820_MAX];
static uint32_t ranges;
static uint32_t free_list;
uint32_t pages_total, pages_free, memory_top;

void page_free(uint32_t page)
{
    *(uint32_t *)page = free_list;
    free_list = page;
    pages_free++;
}

uint32_t page_alloc(void)
{
    uint32_t page = free_list;
    if (page) {
        free_list = *(uint32_t *)page;
        pages_free--;
        memset((void *)page, 0, PAGE_SIZE);
    }
    return page;
}

/* Before paging: page 0 is in reach only now. */
void memory_init(void)
{
    ranges = *E820_COUNT;
    if (ranges > E820_MAX)
        ranges = E820_MAX;
    for (uint32_t i = 0; i < ranges; i++) {
        map[i] = E820_MAP[i];
        if (map[i].type != USABLE || map[i].base_high)
            continue;
        uint32_t end = map[i].base + map[i].length;
        if (map[i].length_high || end < map[i].base)
            end = -PAGE_SIZE;
        if (end > memory_top)
            memory_top = end;
        uint32_t start = map[i].base < LOWEST ? LOWEST : (map[i].base + PAGE_SIZE - 1) & -PAGE_SIZE;
        if (end > HIGHEST)
            end = HIGHEST;
        /* From above, so that the first page given out is the lowest. */
        for (uint32_t page = end & -PAGE_SIZE; page > start && page >= start + PAGE_SIZE; pages_total++)
            page_free(page -= PAGE_SIZE);
    }
    if (pages_free < 64)
        panic("there is too little memory: %u pages", pages_free);
}

void command_mem(const char *arguments)
{
    static const char *const types[] = {"?", "usable", "reserved", "ACPI tables", "ACPI NVS", "bad"};
    (void)arguments;
    printf("The BIOS's memory map (INT 15h, AX=E820h):\n");
    for (uint32_t i = 0; i < ranges; i++) {
        uint32_t last = map[i].base + map[i].length - 1;
        uint32_t last_high = map[i].base_high + map[i].length_high + (last < map[i].base) - (map[i].length == 0);
        printf("  %08x%08x - %08x%08x  %s\n", map[i].base_high, map[i].base, last_high, last,
               types[map[i].type < 6 ? map[i].type : 0]);
    }
    printf("%u pages of 4 KiB below 16 MiB, %u in use, %u free\n", pages_total, pages_total - pages_free, pages_free);
}

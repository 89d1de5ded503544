/* Step 5. Paging.
 *
 *   00000000 - 00FFFFFF  memory at its own addresses, for the kernel only; page 0 is missing, to catch null pointers
 *   40000000 - 403FFFFF  the program that runs: pages appear when they are touched
 *   FF800000 - FF801FFF  a window through which the kernel looks at any physical address
 *
 * A page directory has 1024 entries, each for 4 MiB, which name page tables of 1024 pages each. Every program has a
 * directory of its own; the kernel's part is the same in all. (SDM volume 3, 4.3) */
#include "io.h"
#include "kernel.h"

#define DIRECTORY_INDEX(address) ((address) >> 22)
#define TABLE_INDEX(address) ((address) >> 12 & 1023)
#define IDENTITY_TABLES 4               /* of 4 MiB: 16 MiB */
#define WINDOW 0xFF800000u
#define CR0_PG 0x80000000u
#define CR0_WP 0x00010000u              /* ring 0 respects read-only pages, too */
#define FAULT_PRESENT 1u                /* of a page fault's error code: the page was there, but not for you */
#define SCREEN 0xA0000u
#define SCREEN_SIZE 0x10000u

static uint32_t kernel_directory;
static uint32_t *window_table;

static uint32_t new_table(void)
{
    uint32_t table = page_alloc();
    if (!table)
        panic("no memory for page tables");
    return table;
}

void paging_init(void)
{
    uint32_t *directory = (uint32_t *)(kernel_directory = new_table());
    for (uint32_t i = 0; i < IDENTITY_TABLES; i++) {
        uint32_t *table = (uint32_t *)new_table();
        for (uint32_t j = 0; j < 1024; j++)
            table[j] = (i << 22 | j << 12) | PTE_PRESENT | PTE_WRITE;
        if (i == 0)
            table[0] = 0;
        directory[i] = (uint32_t)table | PTE_PRESENT | PTE_WRITE;
    }
    window_table = (uint32_t *)new_table();
    directory[DIRECTORY_INDEX(WINDOW)] = (uint32_t)window_table | PTE_PRESENT | PTE_WRITE;
    write_cr3(kernel_directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

/* Any physical address, until the next call; good for the 4 KiB from there on. */
volatile void *physical_window(uint32_t address)
{
    for (uint32_t i = 0; i < 2; i++) {
        window_table[i] = ((address & -PAGE_SIZE) + i * PAGE_SIZE) | PTE_PRESENT;
        invlpg((void *)(WINDOW + i * PAGE_SIZE));
    }
    return (volatile void *)(WINDOW + (address & (PAGE_SIZE - 1)));
}

/* A directory for a program, with an empty table for its 4 MiB; 0: no memory. Kernel tasks share the kernel's. */
uint32_t address_space_new(void)
{
    uint32_t directory = page_alloc(), table = page_alloc();
    if (!directory || !table) {
        if (directory)
            page_free(directory);
        return 0;
    }
    memcpy((void *)directory, (void *)kernel_directory, PAGE_SIZE);
    ((uint32_t *)directory)[DIRECTORY_INDEX(USER_START)] = table | PTE_PRESENT | PTE_WRITE | PTE_USER;
    return directory;
}

uint32_t *user_page(uint32_t directory, uint32_t address)
{
    uint32_t table = ((uint32_t *)directory)[DIRECTORY_INDEX(USER_START)] & -PAGE_SIZE;
    return (uint32_t *)table + TABLE_INDEX(address);
}

/* Of a task that has ended, and does not use it any more. */
void address_space_free(uint32_t directory)
{
    uint32_t *entry = user_page(directory, USER_START);
    for (int i = 0; i < 1024; i++)
        if ((entry[i] & PTE_PRESENT) && (entry[i] & -PAGE_SIZE) >= 0x100000)    /* the screen is not ours to free */
            page_free(entry[i] & -PAGE_SIZE);
    page_free((uint32_t)entry);
    page_free(directory);
}

/* Show the program the screen's memory, or take it away. */
void map_screen(int on)
{
    for (uint32_t at = 0; at < SCREEN_SIZE; at += PAGE_SIZE) {
        *user_page(current->directory, USER_SCREEN + at) = on ? (SCREEN + at) | PTE_PRESENT | PTE_WRITE | PTE_USER : 0;
        invlpg((void *)(USER_SCREEN + at));
    }
}

uint32_t kernel_page_directory(void) { return kernel_directory; }

/* A page of the program that is not there yet gets memory, and the instruction is tried again. That goes for the kernel
 * as well, when it reads what a program points to. Everything else is a mistake. */
int page_fault(struct frame *frame)
{
    uint32_t address = read_cr2();
    if ((frame->error & FAULT_PRESENT) || address < USER_START || address >= USER_END || current->directory == kernel_directory)
        return 0;
    uint32_t page = page_alloc();
    if (!page)
        return 0;
    *user_page(current->directory, address) = page | PTE_PRESENT | PTE_WRITE | PTE_USER;
    current->pages++;
    return 1;
}

/* fw_cfg (QEMU's docs/specs/fw_cfg): numbers under fixed keys, and files by name; by DMA where the device has it. */
#include "bios.h"

#define SELECTOR 0x510
#define DATA 0x511
#define SIGNATURE 0x00
#define FILE_DIRECTORY 0x19
#define FILES 48
#define ID 0x01
#define ID_DMA 0x02
#define DMA_LOW 0x518                               /* big-endian; it starts the transfer */
#define DMA_ERROR 0x01
#define DMA_READ 0x02
#define DMA_SKIP 0x04
#define DMA_SELECT 0x08
#define DMA_WRITE 0x10

extern struct fw_cfg_file files[FILES];            /* layout.ld: where stacks of nested services may be later */
static u32 file_count;
static u8 has_dma;

static u32 big_endian(int bytes)
{
    u32 v = 0;
    while (bytes--)
        v = v << 8 | inb(DATA);
    return v;
}

/* Read the directory, if there is a device: before POST and INT 19h ask for files. */
void fw_cfg_init(void)
{
    file_count = 0;
    outw(SELECTOR, SIGNATURE);
    if (big_endian(4) != 0x51454D55)                /* "QEMU" */
        return;
    outw(SELECTOR, ID);
    has_dma = inb(DATA) & ID_DMA;
    outw(SELECTOR, FILE_DIRECTORY);
    file_count = big_endian(4);
    if (file_count > FILES)
        file_count = FILES;
    for (u32 n = 0; n < file_count; n++) {
        struct fw_cfg_file *f = &files[n];
        f->size = big_endian(4);
        f->key = big_endian(2);
        big_endian(2);
        for (int k = 0; k < 56; k++)
            f->name[k] = inb(DATA);
    }
}

u16 fw_cfg_word(u16 key)
{
    if (!file_count)
        return 0;
    outw(SELECTOR, key);
    u8 low = inb(DATA);
    return low | inb(DATA) << 8;
}

/* The part of `name` behind `begin`, or 0. */
const char *after(const char *name, const char *begin)
{
    while (*begin)
        if (*name++ != *begin++)
            return 0;
    return name;
}

/* The n-th file whose name begins so, or 0. */
const struct fw_cfg_file *fw_cfg_file(const char *begin, int n)
{
    for (u32 k = 0; k < file_count; k++)
        if (after(files[k].name, begin) && !n--)
            return &files[k];
    return 0;
}

/* The file of exactly that name, or 0. */
const struct fw_cfg_file *fw_cfg_named(const char *name)
{
    for (u32 k = 0; k < file_count; k++) {
        const char *rest = after(files[k].name, name);
        if (rest && !*rest)
            return &files[k];
    }
    return 0;
}

static u32 swap(u32 v) { return v << 24 | v >> 24 | (v & 0xFF00) << 8 | v >> 8 & 0xFF00; }

static int dma(u32 control, u32 address, u32 size)
{
    volatile u32 access[4] = { swap(control), swap(size), 0, swap(address) };
    outl(DMA_LOW, swap(0xF0000 + (u32) access));
    while (access[0] & ~swap(DMA_ERROR))
        ;
    return !access[0];
}

/* Part of it, to anywhere in 4 GiB. */
void fw_cfg_read(const struct fw_cfg_file *f, u32 offset, u32 address, u32 size)
{
    u8 part[64];
    if (has_dma) {
        dma(f->key << 16 | DMA_SELECT | DMA_SKIP, 0, offset);
        dma(DMA_READ, address, size);
        return;
    }
    outw(SELECTOR, f->key);
    while (offset--)
        inb(DATA);
    while (size) {
        u32 count = size < sizeof part ? size : sizeof part;
        for (u32 n = 0; n < count; n++)
            part[n] = inb(DATA);
        copy_flat(address, 0xF0000 + (u32) part, count);
        address += count;
        size -= count;
    }
}

/* Only DMA can write. */
int fw_cfg_write(const struct fw_cfg_file *f, u32 offset, u32 address, u32 size)
{
    return has_dma && dma(f->key << 16 | DMA_SELECT | DMA_SKIP, 0, offset) && dma(DMA_WRITE, address, size);
}

/* All of it, to a paragraph. */
void fw_cfg_load(const struct fw_cfg_file *f, u16 segment) { fw_cfg_read(f, 0, segment << 4, f->size); }

/* The beginning of it, as a string. */
void fw_cfg_string(const struct fw_cfg_file *f, char *to, u32 room)
{
    u32 n = 0;
    if (f)
        for (outw(SELECTOR, f->key); n < f->size && n < room - 1; n++)
            to[n] = inb(DATA);
    to[n] = 0;
}

/* A file of at most 4 bytes as a number, or what stands for it. */
u32 fw_cfg_number(const char *name, u32 otherwise)
{
    const struct fw_cfg_file *f = fw_cfg_named(name);
    u32 value = 0;
    if (!f || !f->size || f->size > 4)
        return otherwise;
    outw(SELECTOR, f->key);
    for (u32 n = 0; n < f->size; n++)
        value |= inb(DATA) << 8 * n;
    return value;
}

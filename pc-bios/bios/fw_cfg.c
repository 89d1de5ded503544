/* fw_cfg, by its two ports (QEMU's docs/specs/fw_cfg): numbers under fixed keys, and files by name. */
#include "bios.h"

#define SELECTOR 0x510
#define DATA 0x511
#define SIGNATURE 0x00
#define FILE_DIRECTORY 0x19
#define FILES 48

static struct fw_cfg_file files[FILES];
static u32 file_count;

static u32 big_endian(int bytes)
{
    u32 v = 0;
    while (bytes--)
        v = v << 8 | inb(DATA);
    return v;
}

/* Read the directory, if there is a device. */
void fw_cfg_init(void)
{
    file_count = 0;
    outw(SELECTOR, SIGNATURE);
    if (big_endian(4) != 0x51454D55)                /* "QEMU" */
        return;
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

/* All of it, to a paragraph. */
void fw_cfg_load(const struct fw_cfg_file *f, u16 segment)
{
    outw(SELECTOR, f->key);
    for (u32 at = 0; at < f->size; at++)
        pokeb(segment + (at >> 4), at & 15, inb(DATA));
}

/* The beginning of it, as a string. */
void fw_cfg_string(const struct fw_cfg_file *f, char *to, u32 room)
{
    u32 n = 0;
    if (f)
        for (outw(SELECTOR, f->key); n < f->size && n < room - 1; n++)
            to[n] = inb(DATA);
    to[n] = 0;
}

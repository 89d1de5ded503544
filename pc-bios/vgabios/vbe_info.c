/* VBE functions 00h and 01h: what the controller and each mode are (VBE 3.0, chapter 4). */
#include "vbe.h"

/* ---- 00h: the controller */
struct vbe_info {                                   /* as far as it is filled in; the list of modes follows */
    u32 signature;
    u16 version;
    far name;
    u32 capabilities;
    far modes;
    u16 memory;
    u16 revision;
    far vendor, product, product_revision;
} __attribute__((packed));

u16 controller_information(struct regs *r)
{
    far to = FAR(r->es, r->di);
    int vbe2 = peekw(to) == 0x4256 && peekw(to + 2) == 0x3245;     /* VBE2 */
    far list = to + sizeof(struct vbe_info);
    struct vbe_info info = {
        .signature = 0x41534556, .version = 0x0300, .name = ROM_FAR(bios_name), .capabilities = 1,      /* a DAC of 8 bits */
        .modes = list, .memory = memory_64k() };
    if (vbe2) {
        info.revision = 1;
        info.vendor = info.product = info.product_revision = info.name;
    }
    fillw(to, 0, vbe2 ? 256 : 128);
    copy(to, FAR(stack_segment(), (u32) &info), sizeof info);
    for (vbe_mode_ref m = vbe_modes; m->number; m++)
        if (find_vbe_mode(m->number)) {
            pokew(list, m->number);
            list += 2;
        }
    pokew(list, 0xFFFF);
    return OK;
}

/* ---- 01h: a mode */
#define MODE_SUPPORTED 0x1F                         /* by hardware, with all of this information, text output, colour, graphics */
#define MODE_GRAPHICS 0x10
#define MODE_LINEAR 0x80
#define WINDOW 7                                    /* can be moved, read and written */
enum { MODEL_PLANAR = 3, MODEL_PACKED, MODEL_DIRECT = 6 };

struct mode_info {
    u16 attributes;
    u8 window_a, window_b;
    u16 granularity, window_size, segment_a, segment_b; /* KiB; */
    far set_window;
    u16 line, width, height;
    u8 char_width, char_height, planes, bpp, banks, model, bank_size, pages, reserved;
    u8 colors[8];                                   /* size and position of red, green, blue, the rest */
    u8 rest_usable;
    u32 frame_buffer, reserved2;
    u16 reserved3;
    u16 linear_line;
    u8 banked_pages, linear_pages, linear_colors[8];
    u32 max_clock;
} __attribute__((packed));

u16 mode_information(struct regs *r)
{
    static ROM u8 masks[][8] = {
        { 5, 10, 5, 5, 5, 0, 1, 15 }, { 5, 11, 6, 5, 5, 0, 0, 0 }, { 8, 16, 8, 8, 8, 0, 0, 0 }, { 8, 16, 8, 8, 8, 0, 8, 24 } };
    vbe_mode_ref m = find_vbe_mode(r->cx & 0x3FFF);
    far to = FAR(r->es, r->di);
    if (!m)
        return FAILED;
    u32 bpp = m->bpp ? m->bpp : 4, line = line_bytes(m->width, bpp), pages = 0;
    if (m->bpp) {
        pages = (memory_64k() << 16) / total_bytes(m) - 1;
        pages = pages > 255 ? 255 : pages;
    }
    struct mode_info info = {
        .attributes = MODE_SUPPORTED, .window_a = WINDOW, .granularity = 64, .window_size = 64, .segment_a = 0xA000,
        .set_window = ROM_FAR(set_window), .line = line, .width = m->width, .height = m->height,
        .char_width = 8, .char_height = 16, .planes = bpp == 4 ? 4 : 1, .bpp = bpp, .banks = 1,
        .model = bpp == 4 ? MODEL_PLANAR : bpp == 8 ? MODEL_PACKED : MODEL_DIRECT, .pages = pages, .reserved = 1,
        .banked_pages = pages, .max_clock = MAX_CLOCK };
    if (bpp > 8)
        for (u32 n = 0; n < 8; n++)
            info.colors[n] = info.linear_colors[n] = masks[bpp == 15 ? 0 : bytes_per_pixel(bpp) - 1][n];
    info.rest_usable = bpp == 32 ? 2 : 0;
    if (!m->bpp) {                                  /* text: sizes in characters */
        info.attributes &= ~MODE_GRAPHICS;
        info.granularity = info.window_size = 32;
        info.segment_a = 0xB800;
        info.line = 2 * m->width;
        info.char_height = m->height == 25 ? 16 : 8;
        info.model = 0;
    }
    if (bpp != 4) {
        info.attributes |= MODE_LINEAR;
        info.frame_buffer = frame_buffer();
        info.linear_line = line;
        info.linear_pages = pages;
    }
    fillw(to, 0, 128);
    copy(to, FAR(stack_segment(), (u32) &info), sizeof info);
    return OK;
}

/* Pixels and drawn characters of the graphics modes (Ralf Brown's list, INT 10h AH=0Ch and 0Dh). The layouts: a CGA's two
   banks of lines, four planes, bytes; and the linear memory of the Bochs VBE modes, 64 KiB of which are at A0000h. */
#include "vgabios.h"

#define XOR 0x80                                    /* in a colour of up to 4 bits */
#define MAP_MASK 2
#define SET_RESET_ENABLE 1
#define FUNCTION 3
#define READ_MAP 4
#define WRITE_MODE 5
#define BIT_MASK 8

static u32 direct_bytes(void) { return (dispi(BPP) + 7) / 8; }

/* Bytes from a line to the next (of a plane; of a CGA: to the next in the same bank) */
static u32 pitch(mode_ref m)
{
    if (m->layout == DIRECT)
        return dispi(VIRT_WIDTH) * direct_bytes();
    if (m->layout == BYTES)
        return 320;
    if (m->layout == CGA)
        return 80;
    return m->number == 0xFF ? (dispi(VIRT_WIDTH) + 7) / 8 : bda.columns;
}

/* A byte of the window: where VBE shows more than that, its bank is chosen. */
static far at(mode_ref m, u32 offset)
{
    if (m->number == 0xFF && dispi(BANK) != offset >> 16)
        set_dispi(BANK, offset >> 16);
    return screen(m, offset);
}

static u32 room(u32 offset) { return 0x10000 - (offset & 0xFFFF); }

static u32 page_offset(mode_ref m, u8 page) { return page < m->pages ? page * bda.page_size : 0; }

/* The byte of a pixel, or of the eight (CGA: four) among which it is */
static u32 offset_of(mode_ref m, u8 page, u32 x, u32 y)
{
    u32 line = y * pitch(m);
    switch (m->layout) {
    case CGA:
        return (y & 1) * 0x2000 + (y >> 1) * 80 + (x >> (m->bits == 2 ? 2 : 3));
    case BYTES:
        return line + x;
    case DIRECT:
        return line + x * direct_bytes();
    }
    return page_offset(m, page) + line + (x >> 3);
}

/* ---- four planes: write mode 2 writes a colour where the bit mask is, and keeps what the latches hold elsewhere. */
static void planes_begin(u8 color)
{
    out_index(SEQUENCER, MAP_MASK, 0x0F);
    out_index(GRAPHICS, WRITE_MODE, 2);
    out_index(GRAPHICS, FUNCTION, color & XOR ? 0x18 : 0);
}

static void planes_write(mode_ref m, u32 offset, u8 mask, u8 color)
{
    far p = at(m, offset);
    if (!mask)
        return;
    out_index(GRAPHICS, BIT_MASK, mask);
    peekb(p);
    pokeb(p, color);
}

static void planes_end(void)
{
    out_index(GRAPHICS, WRITE_MODE, 0);
    out_index(GRAPHICS, FUNCTION, 0);
    out_index(GRAPHICS, BIT_MASK, 0xFF);
}

static u8 plane(mode_ref m, u32 offset, u8 n)
{
    out_index(GRAPHICS, READ_MAP, n);
    return peekb(at(m, offset));
}

/* ---- pixels of whole bytes */
static u32 pixel_value(mode_ref m, u8 color)
{
    u32 half = color & 8 ? 0x55 : 0, bits = m->layout == DIRECT ? dispi(BPP) : 8;
    if (bits == 8)
        return color;
    u32 red = half + (color & 4 ? 0xAA : 0), green = half + (color & 2 ? 0xAA : 0), blue = half + (color & 1 ? 0xAA : 0);
    if (color == 6)
        green = 0x55;
    if (bits == 15)
        return red >> 3 << 10 | green >> 3 << 5 | blue >> 3;
    if (bits == 16)
        return red >> 3 << 11 | green >> 2 << 5 | blue >> 3;
    return red << 16 | green << 8 | blue;
}

static void put_value(mode_ref m, u32 offset, u32 value)
{
    u32 bytes = m->layout == DIRECT ? direct_bytes() : 1;
    for (; bytes--; value >>= 8)
        pokeb(at(m, offset++), value);
}

/* ---- one pixel */
void put_pixel(mode_ref m, u8 page, u32 x, u32 y, u8 color)
{
    u32 offset = offset_of(m, page, x, y);
    if (m->layout == PLANAR) {
        planes_begin(color);
        planes_write(m, offset, 0x80 >> (x & 7), color);
        planes_end();
    } else if (m->layout == CGA) {
        far p = at(m, offset);
        u8 shift = m->bits == 2 ? 6 - 2 * (x & 3) : 7 - (x & 7), mask = (m->bits == 2 ? 3 : 1) << shift;
        u8 bits = color << shift & mask, old = peekb(p);
        pokeb(p, color & XOR ? old ^ bits : old & ~mask | bits);
    } else
        put_value(m, offset, pixel_value(m, color));
}

u8 get_pixel(mode_ref m, u8 page, u32 x, u32 y)
{
    u32 offset = offset_of(m, page, x, y);
    if (m->layout == PLANAR) {
        u8 color = 0;
        for (u8 n = 0; n < 4; n++)
            color |= (plane(m, offset, n) >> (7 - (x & 7)) & 1) << n;
        return color;
    }
    u8 byte = peekb(at(m, offset));
    if (m->layout == CGA)
        return m->bits == 2 ? byte >> (6 - 2 * (x & 3)) & 3 : byte >> (7 - (x & 7)) & 1;
    return byte;
}

/* ---- characters */
static far glyph(mode_ref m, u8 c)
{
    if (m->layout == CGA && c >= 128)
        return vector(0x1F) + (c - 128) * 8;
    return vector(0x43) + c * bda2.char_height;
}

/* Eight dots of a line; background is colour 0. */
static void draw_dots(mode_ref m, u32 offset, u8 dots, u8 color)
{
    if (m->layout == PLANAR) {
        planes_write(m, offset, dots, color);
        if (!(color & XOR))
            planes_write(m, offset, ~dots, 0);
    } else if (m->layout == CGA) {
        far p = at(m, offset);
        if (m->bits == 1)
            pokeb(p, color & XOR ? peekb(p) ^ dots : dots);
        else {
            u16 word = 0;
            for (u8 n = 0; n < 8; n++)
                if (dots & 0x80 >> n)
                    word |= (color & 3) << (14 - 2 * n);
            word = word >> 8 | word << 8;
            pokew(p, color & XOR ? peekw(p) ^ word : word);
        }
    } else
        for (u8 n = 0; n < 8; n++)
            pokeb(screen(m, offset + n), dots & 0x80 >> n ? color : 0);
}

static void draw_direct(mode_ref m, u32 offset, far font, u8 color)
{
    u32 line = pitch(m), ink = pixel_value(m, color), bytes = direct_bytes();
    for (u32 height = bda2.char_height; height--; offset += line) {
        u32 row = (u32) peekb(font++) << 24;
        if (room(offset) < 8 * bytes)               /* a bank ends in it */
            for (u32 n = 0; n < 8; n++, row <<= 1)
                put_value(m, offset + n * bytes, row >> 31 ? ink : 0);
        else {
            far p = at(m, offset);
            for (u32 n = 0; n < 8; n++, row <<= 1)
                for (u32 k = 0; k < bytes; k++)
                    pokeb(p++, row >> 31 ? ink >> 8 * k : 0);
        }
    }
}

void draw_character(mode_ref m, u8 page, u32 column, u32 row, u8 c, u8 color)
{
    u32 height = bda2.char_height;
    far font = glyph(m, c);
    if (m->layout == DIRECT) {
        draw_direct(m, offset_of(m, page, 8 * column, row * height), font, color);
        return;
    }
    if (m->layout == PLANAR)
        planes_begin(color);
    for (u32 line = 0; line < height; line++)
        draw_dots(m, offset_of(m, page, 8 * column, row * height + line), peekb(font + line), color);
    if (m->layout == PLANAR)
        planes_end();
}

static u8 read_dots(mode_ref m, u8 page, u32 x, u32 y)
{
    u8 dots = 0;
    if (m->layout == PLANAR) {
        for (u8 n = 0; n < 4; n++)
            dots |= plane(m, offset_of(m, page, x, y), n);
        return dots;
    }
    for (u8 n = 0; n < 8; n++)
        dots = dots << 1 | (get_pixel(m, page, x + n, y) != 0);
    return dots;
}

/* The character whose dots are there (whatever their colours), or 0 */
u8 recognize(mode_ref m, u8 page, u32 column, u32 row)
{
    u8 dots[32];
    u32 height = bda2.char_height;
    if (height > 32)
        return 0;
    for (u32 line = 0; line < height; line++)
        dots[line] = read_dots(m, page, 8 * column, row * height + line);
    for (u32 c = 0; c < 256; c++) {
        u32 line = 0;
        far font = glyph(m, c);
        while (line < height && peekb(font + line) == dots[line])
            line++;
        if (line == height)
            return c;
    }
    return 0;
}

/* ---- rows of characters */
static u32 bytes_of(mode_ref m, u32 columns)
{
    return m->layout == DIRECT ? 8 * columns * direct_bytes() : m->layout == BYTES ? 8 * columns
        : m->layout == CGA && m->bits == 2 ? 2 * columns : columns;
}

static void move_bytes(mode_ref m, u32 to, u32 from, u32 bytes)
{
    u8 buffer[64];
    if (m->number != 0xFF || to >> 16 == from >> 16 && room(to) >= bytes && room(from) >= bytes) {
        far source = at(m, from);
        copy(at(m, to), source, bytes);
    } else if (m->layout == PLANAR)
        while (bytes--) {                           /* through the latches */
            peekb(at(m, from++));
            pokeb(at(m, to++), 0);
        }
    else
        while (bytes) {
            far place = FAR(stack_segment(), (u32) buffer);
            u32 part = bytes > sizeof buffer ? sizeof buffer : bytes;
            part = part > room(to) ? room(to) : part;
            part = part > room(from) ? room(from) : part;
            copy(place, at(m, from), part);
            copy(at(m, to), place, part);
            to += part;
            from += part;
            bytes -= part;
        }
}

static void fill_bytes(mode_ref m, u32 to, u32 value, u32 bytes)
{
    while (bytes) {
        u32 part = m->number == 0xFF && bytes > room(to) ? room(to) : bytes;
        fillb(at(m, to), value, part);
        to += part;
        bytes -= part;
    }
}

void move_graphics_row(mode_ref m, u8 page, u32 left, u32 columns, u32 to, u32 from)
{
    u32 height = bda2.char_height;
    if (m->layout == PLANAR) {
        out_index(SEQUENCER, MAP_MASK, 0x0F);
        out_index(GRAPHICS, WRITE_MODE, 1);
    }
    for (u32 line = 0; line < height; line++)
        move_bytes(m, offset_of(m, page, 8 * left, to * height + line), offset_of(m, page, 8 * left, from * height + line),
                   bytes_of(m, columns));
    if (m->layout == PLANAR)
        out_index(GRAPHICS, WRITE_MODE, 0);
}

void clear_graphics_row(mode_ref m, u8 page, u32 left, u32 columns, u32 row, u8 color)
{
    u32 height = bda2.char_height, bytes = direct_bytes();
    if (m->layout == CGA)
        color = m->bits == 2 ? (color & 3) * 0x55 : color & 1 ? 0xFF : 0;
    if (m->layout == PLANAR)
        planes_begin(color & 0x0F);                 /* write mode 2, all bits */
    for (u32 line = 0; line < height; line++) {
        u32 offset = offset_of(m, page, 8 * left, row * height + line);
        if (m->layout == DIRECT && bytes > 1 && color)
            for (u32 n = 0; n < 8 * columns; n++, offset += bytes)
                put_value(m, offset, pixel_value(m, color));
        else
            fill_bytes(m, offset, color, bytes_of(m, columns));
    }
    if (m->layout == PLANAR)
        planes_end();
}

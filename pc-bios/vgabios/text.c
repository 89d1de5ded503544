/* Characters, cursor, pages and scrolling (Ralf Brown's list, INT 10h AH=01h to 0Ah, 0Eh and 13h). */
#include "vgabios.h"

#define BELL_HZ 880
#define BELL_REFRESHES 10000                        /* 15 us each */

u32 rows(void) { return bda2.last_row + 1; }

static far cell(mode_ref m, u8 page, u32 column, u32 row)
{
    return screen(m, page * bda.page_size + 2 * (row * bda.columns + column));
}

/* ---- cursor and page */
void set_cursor_shape(u16 shape)
{
    u8 first = shape >> 8 & 0x3F, last = shape & 0x1F;
    u32 height = bda2.char_height;
    bda.cursor_shape = shape;
    /* Programs that know a CGA's characters of eight lines mean the same part of ours. */
    if (!(bda2.control & CONTROL_NO_EMULATION) && height > 8 && first < 8 && last < 8) {
        if (first == 6 && last == 7) {
            first = height - 3;
            last = height - 2;
        } else if (first <= last) {
            first = first * height / 8;
            last = (last + 1) * height / 8 - 1;
        }
    }
    out_index(bda.crtc, 0x0A, first);
    out_index(bda.crtc, 0x0B, last);
}

static void show_cursor(void)
{
    u16 at = bda.cursor[bda.page & 7];
    u32 address = bda.page_start / 2 + (at >> 8) * bda.columns + (at & 0xFF);
    out_index(bda.crtc, 0x0E, address >> 8);
    out_index(bda.crtc, 0x0F, address);
}

void set_cursor(u8 page, u16 at)
{
    bda.cursor[page & 7] = at;
    if ((page & 7) == bda.page && bda.mode != VBE_MODE)
        show_cursor();
}

void set_page(u8 page)
{
    mode_ref m = current_mode();
    if (!m || page >= m->pages || bda.mode == VBE_MODE)
        return;
    bda.page = page;
    bda.page_start = page * bda.page_size;
    u16 start = m->layout == TEXT ? bda.page_start / 2 : bda.page_start;
    out_index(bda.crtc, 0x0C, start >> 8);
    out_index(bda.crtc, 0x0D, start);
    if (m->layout == TEXT)
        show_cursor();
}

/* ---- scrolling */
static void move_row(mode_ref m, u8 page, u32 left, u32 columns, u32 to, u32 from)
{
    if (m->layout == TEXT)
        copy(cell(m, page, left, to), cell(m, page, left, from), 2 * columns);
    else
        move_graphics_row(m, page, left, columns, to, from);
}

static void clear_row(mode_ref m, u8 page, u32 left, u32 columns, u32 row, u8 fill)
{
    if (m->layout == TEXT)
        fillw(cell(m, page, left, row), fill << 8 | ' ', columns);
    else
        clear_graphics_row(m, page, left, columns, row, fill);
}

/* from, to: row and column of the corners; no lines: all of it is cleared. */
void scroll(u8 page, u8 lines, u8 fill, u16 from, u16 to, int down)
{
    mode_ref m = current_mode();
    u32 left = from & 0xFF, top = from >> 8, right = to & 0xFF, bottom = to >> 8;
    if (!m)
        return;
    if (right >= bda.columns)
        right = bda.columns - 1;
    if (bottom >= rows())
        bottom = rows() - 1;
    if (left > right || top > bottom)
        return;
    u32 height = bottom - top + 1, columns = right - left + 1;
    if (!lines || lines > height)
        lines = height;
    if (m->layout == TEXT && columns == bda.columns && height > lines) {
        /* whole rows: one move */
        copy(cell(m, page, 0, down ? top + lines : top), cell(m, page, 0, down ? top : top + lines), 2 * columns * (height - lines));
    } else
        for (u32 n = 0; n < height - lines; n++)
            if (down)
                move_row(m, page, left, columns, bottom - n, bottom - n - lines);
            else
                move_row(m, page, left, columns, top + n, top + n + lines);
    for (u32 n = 0; n < lines; n++)
        clear_row(m, page, left, columns, down ? top + n : bottom - n, fill);
}

/* ---- characters */
void read_character(struct regs *r)
{
    mode_ref m = current_mode();
    u8 page = r->bh & 7;
    u16 at = bda.cursor[page];
    if (!m)
        return;
    if (m->layout == TEXT)
        r->ax = peekw(cell(m, page, at & 0xFF, at >> 8));
    else
        r->ax = recognize(m, page, at & 0xFF, at >> 8);
}

static void put(mode_ref m, u8 page, u32 column, u32 row, u8 c, u8 attribute, int with_attribute)
{
    if (m->layout != TEXT)
        draw_character(m, page, column, row, c, attribute);
    else if (with_attribute)
        pokew(cell(m, page, column, row), attribute << 8 | c);
    else
        pokeb(cell(m, page, column, row), c);
}

/* In text they run on over the ends of rows and of the screen, as in memory; in graphics to the screen's end. */
void write_characters(u8 page, u8 c, u8 attribute, u16 count, int with_attribute)
{
    mode_ref m = current_mode();
    if (!m)
        return;
    if (page >= m->pages)                           /* with 256 colours some have the background's here */
        page = 0;
    u32 column = bda.cursor[page] & 0xFF, row = bda.cursor[page] >> 8;
    if (m->layout == TEXT && with_attribute) {
        fillw(cell(m, page, column, row), attribute << 8 | c, count);
        return;
    }
    for (; count--; column++) {
        if (column >= bda.columns) {
            column = 0;
            row++;
        }
        if (m->layout != TEXT && row >= rows())
            return;
        put(m, page, column, row, c, attribute, with_attribute);
    }
}

/* The timer's third channel to the speaker; how long, port 61h's refresh bit tells. */
static void bell(void)
{
    u16 divisor = PIT_CLOCK / BELL_HZ;
    u8 old = inb(PORT_B);
    outb(PIT_CONTROL, 0xB6);
    outb(PIT_COUNTER(2), divisor);
    outb(PIT_COUNTER(2), divisor >> 8);
    outb(PORT_B, old | PORT_B_SPEAKER);
    u8 last = inb(PORT_B) & PORT_B_REFRESH;
    for (u32 n = 0, polls = 0; n < BELL_REFRESHES && polls < 20 * BELL_REFRESHES; polls++)
        if ((inb(PORT_B) & PORT_B_REFRESH) != last) {
            last ^= PORT_B_REFRESH;
            n++;
        }
    outb(PORT_B, old);
}

static void line_feed(mode_ref m, u8 page)
{
    u16 at = bda.cursor[page];
    if (at >> 8 < bda2.last_row) {
        set_cursor(page, at + 0x100);
        return;
    }
    /* The new row takes the colours of the cursor's. */
    u8 fill = m->layout == TEXT ? peekw(cell(m, page, at & 0xFF, at >> 8)) >> 8 : 0;
    scroll(page, 1, fill, 0, bda2.last_row << 8 | (bda.columns - 1), 0);
}

void teletype(u8 page, u8 c, u8 attribute, int with_attribute)
{
    mode_ref m = current_mode();
    page &= 7;
    u16 at = bda.cursor[page];
    u8 column = at;
    if (!m)
        return;
    switch (c) {
    case 7:
        bell();
        break;
    case 8:
        if (column)
            set_cursor(page, at - 1);
        break;
    case 10:
        line_feed(m, page);
        break;
    case 13:
        set_cursor(page, at & 0xFF00);
        break;
    default:
        if (m->layout == TEXT || m->layout == BYTES || m->layout == DIRECT)
            put(m, page, column, at >> 8, c, attribute, with_attribute);
        else
            put(m, page, column, at >> 8, c, attribute, 1);
        if (column + 1 < bda.columns)
            set_cursor(page, at + 1);
        else {
            set_cursor(page, at & 0xFF00);
            line_feed(m, page);
        }
    }
}

/* AH=13h. AL bit 0: the cursor ends behind the string; bit 1: each character is followed by its attribute. */
void write_string(struct regs *r)
{
    u8 page = r->bh & 7, attribute = r->bl;
    u16 old = bda.cursor[page];
    far text = FAR(r->es, r->bp);
    if (r->al > 3)
        return;
    set_cursor(page, r->dx);
    for (u32 n = r->cx; n--;) {
        u8 c = peekb(text++);
        if (r->al & 2)
            attribute = peekb(text++);
        teletype(page, c, attribute, 1);
    }
    if (!(r->al & 1))
        set_cursor(page, old);
}

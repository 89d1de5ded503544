/* Fonts: those of the image, and what programs load (Ralf Brown's list, INT 10h AH=11h). */
#include "vgabios.h"

far rom_font(u32 height) { return height == 8 ? ROM_FAR(font8) : height == 14 ? ROM_FAR(font14) : ROM_FAR(font16); }

/* Characters of 32 lines in plane 2; eight blocks: 0, 16, 32, 48 KiB, then 8 KiB behind each. */
void load_font(far from, u32 height, u32 first, u32 count, u8 block)
{
    far to = FAR(segments[AT_A0000], ((block & 3) << 14 | (block & 4) << 11) + 32 * first);
    u8 map_mask = in_index(SEQUENCER, 2), memory = in_index(SEQUENCER, 4);
    u8 mode = in_index(GRAPHICS, 5), misc = in_index(GRAPHICS, 6);
    out_index(SEQUENCER, 2, 4);
    out_index(SEQUENCER, 4, 7);
    out_index(GRAPHICS, 5, 0);
    out_index(GRAPHICS, 6, 4);
    if (count > 256 - first)
        count = 256 - first;
    for (; count--; to += 32, from += height) {
        copy(to, from, height);
        fillb(to + height, 0, 32 - height);
    }
    out_index(SEQUENCER, 2, map_mask);
    out_index(SEQUENCER, 4, memory);
    out_index(GRAPHICS, 5, mode);
    out_index(GRAPHICS, 6, misc);
}

static u32 scan_lines(void)
{
    u8 overflow = in_index(bda.crtc, 7);
    u32 lines = in_index(bda.crtc, 0x12) + ((overflow & 2) << 7) + ((overflow & 0x40) << 3) + 1;
    return in_index(bda.crtc, 9) & 0x80 ? lines / 2 : lines;
}

/* Text rows of another height: as many as there are lines for. */
void set_rows(u32 height)
{
    u16 crtc = bda.crtc;
    u32 lines = scan_lines(), count = lines / height;
    u32 end = count * height * (in_index(crtc, 9) & 0x80 ? 2 : 1) - 1;
    out_index(crtc, 9, in_index(crtc, 9) & 0xE0 | (height - 1));
    out_index(crtc, 0x12, end);
    out_index(crtc, 7, in_index(crtc, 7) & ~0x42 | (end >> 7 & 2) | (end >> 3 & 0x40));
    if (bda.mode == 7)
        out_index(crtc, 0x14, height - 1);
    bda2.last_row = count - 1;
    bda2.char_height = height;
    bda.page_size = (count * bda.columns * 2 + 0xFF) & 0xFF00;
    set_cursor_shape(0x0607);
    set_page(bda.page);
}

static void set_graphics_font(far font, u32 height, u8 choice, u8 count)
{
    static ROM u8 rows_of[] = { 0, 14, 25, 43 };
    vector(0x43) = font;
    bda2.char_height = height;
    bda2.last_row = (choice && choice < 4 ? rows_of[choice] : count) - 1;
}

static void information(struct regs *r)
{
    far place;
    switch (r->bh) {
    case 0: place = vector(0x1F); break;
    case 1: place = vector(0x43); break;
    case 2: place = ROM_FAR(font14); break;
    case 3: place = ROM_FAR(font8); break;
    case 4: place = ROM_FAR(font8) + 128 * 8; break;
    case 6: place = ROM_FAR(font16); break;
    case 5: case 7: {                               /* what is different with nine dots: nothing */
        static ROM u8 no_changes[] = { 0 };
        place = ROM_FAR(no_changes);
        break;
    }
    default: return;
    }
    r->es = place >> 16;
    r->bp = place;
    r->cx = bda2.char_height;
    r->dl = bda2.last_row;
}

void font_services(struct regs *r)
{
    static ROM u8 heights[] = { 0, 14, 8, 0, 16 };
    u8 what = r->al & 0x0F, group = r->al >> 4;
    u32 height = what <= 4 ? heights[what] : 0;
    far font = rom_font(height);
    if (group <= 1) {                               /* for text; 1xh: and adapt the number of rows */
        if (what == 3) {
            out_index(SEQUENCER, 3, r->bl);
            return;
        }
        if (what > 4 || what == 0 && (r->bh == 0 || r->bh > 32))
            return;
        if (what == 0) {
            height = r->bh;
            load_font(FAR(r->es, r->bp), height, r->dx & 0xFF, r->cx, r->bl);
        } else
            load_font(font, height, 0, 256, r->bl);
        if (group == 1)
            set_rows(height);
    } else if (group == 2) {                        /* for graphics */
        static ROM u8 graphics_heights[] = { 0, 0, 14, 8, 16 };
        if (what == 0)
            vector(0x1F) = FAR(r->es, r->bp);
        else if (what == 1)
            set_graphics_font(FAR(r->es, r->bp), r->cx, r->bl, r->dl);
        else if (what <= 4)
            set_graphics_font(rom_font(graphics_heights[what]), graphics_heights[what], r->bl, r->dl);
    } else if (r->al == 0x30)
        information(r);
}

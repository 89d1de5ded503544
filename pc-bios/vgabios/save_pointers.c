/* What 40:A8h leads to: tables in which a program has parameters, fonts and palettes of its own for modes that are set later
   (IBM PS/2 and PC BIOS Interface Technical Reference, "Save Pointers"; Ralf Brown's list, MEM 0040h:00A8h). A table that is
   not there has a pointer of 0. */
#include "vgabios.h"

enum { PARAMETERS = 0, DYNAMIC_AREA = 4, TEXT_FONT = 8, GRAPHICS_FONT = 0x0C, SECONDARY = 0x10 };
enum { SECOND_TEXT_FONT = 6, PALETTE_PROFILE = 0x0A };      /* in the secondary table */
#define CHARACTER_MAP 3
#define UNDERLINE 0x14
#define NO_UNDERLINE 0x1F
#define ALL_TEXT 1                                  /* in the palette profile: which modes underline */
#define NO_TEXT 0xFF

static far pointer(far table, u32 offset) { return table ? peekl(table + offset) : 0; }
static far secondary(u32 offset) { return pointer(pointer(save_pointer, SECONDARY), offset); }

/* The table that is named, if the mode that is set is in its list, which is at `list` and ends with FFh. */
static far applies(far table, u32 list)
{
    if (!table)
        return 0;
    for (far p = table + list;; p++) {
        u8 mode = peekb(p);
        if (mode == 0xFF)
            return 0;
        if (mode == bda.mode)
            return table;
    }
}

/* An entry of the video parameter table, into `to`. */
void read_parameters(struct parameters *to, u32 index)
{
    far table = pointer(save_pointer, PARAMETERS);
    if (!table)                                     /* protected mode has no pointers of its own kind there */
        table = ROM_FAR(video_parameters);
    copy(FAR(stack_segment(), (u32) to), table + 64 * index, 64);
}

/* The 16 colours and the border are kept where the dynamic save area is. */
void keep_color(u8 index, u8 value)
{
    far place = pointer(save_pointer, DYNAMIC_AREA);
    if (place && (index < 0x10 || index == OVERSCAN))
        pokeb(place + (index == OVERSCAN ? 16 : index), value);
}

static void own_fonts(mode_ref m)
{
    far p;
    if (m->layout != TEXT) {
        if ((p = applies(pointer(save_pointer, GRAPHICS_FONT), 7))) {
            vector(0x43) = peekl(p + 3);
            bda2.char_height = peekw(p + 1);
            bda2.last_row = peekb(p) - 1;
        }
        return;
    }
    if ((p = applies(pointer(save_pointer, TEXT_FONT), 0x0B))) {
        u8 height = peekb(p), count = peekb(p + 0x0A);
        load_font(peekl(p + 6), height, peekw(p + 4), peekw(p + 2), peekb(p + 1));
        if (height != bda2.char_height)
            set_rows(height);
        if (count != 0xFF)
            bda2.last_row = count - 1;
    }
    if ((p = applies(secondary(SECOND_TEXT_FONT), 7))) {   /* of characters whose attribute has bit 3 */
        u8 block = peekb(p + 1);
        load_font(peekl(p + 3), peekb(p), 0, 256, block);
        out_index(SEQUENCER, CHARACTER_MAP, (block & 3) << 2 | (block & 4) << 3);
    }
}

static void own_palette(mode_ref m)
{
    far p = applies(secondary(PALETTE_PROFILE), 0x14);
    if (!p)
        return;
    u8 underline = peekb(p), first = peekw(p + 6);
    far colors = peekl(p + 8);
    for (u32 n = peekw(p + 4); n--;)
        set_color(first + n, peekb(colors + n));
    set_dac(peekw(p + 0x0E), peekw(p + 0x0C), peekl(p + 0x10));
    if (m->layout == TEXT && (underline == ALL_TEXT || underline == NO_TEXT))
        out_index(bda.crtc, UNDERLINE, underline == NO_TEXT ? NO_UNDERLINE : bda2.char_height - 1);
}

/* When a mode has been set */
void apply_save_pointers(mode_ref m)
{
    own_fonts(m);
    if (!(bda2.flags & FLAG_NO_PALETTE))
        own_palette(m);
}

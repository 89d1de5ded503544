/* The modes of the VGA and how they are set (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": register
   values of the modes; Ralf Brown's list, INT 10h AH=00h). */
#include "vgabios.h"

#define T0 { 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x08, 0, 0x0F, 0 }
#define T9 { 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x0C, 0, 0x0F, 8 }
#define TC { 0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x08, 0, 0x0F, 0 }
#define TM { 0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x0E, 0, 0x0F, 8 }
#define GC { 0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0, 0x0F, 0 }
#define GE { 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x01, 0, 0x0F, 0 }
#define GM { 0, 8, 0, 0, 0x18, 0x18, 0, 0, 0, 8, 0, 0, 0, 0x18, 0, 0, 0x0B, 0, 0x05, 0 }
#define G2 { 0, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x01, 0, 0x0F, 0 }
#define G1 { 0, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x01, 0, 0x01, 0 }
#define G4 { 0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0, 0x03, 0 }
#define G8 { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0F, 0 }
#define TEXT_GC(map) { 0, 0, 0, 0, 0, 0x10, map, 15, 0xFF }
#define PLANAR_GC(care) { 0, 0, 0, 0, 0, 0, 5, care, 0xFF }
/* Horizontal and vertical timing: 40 or 80 characters; 200, 400, 350 or 480 lines. */
#define H40 0x2D, 0x27, 0x28, 0x90, 0x2B
#define H80 0x5F, 0x4F, 0x50, 0x82, 0x55
#define H80G 0x5F, 0x4F, 0x50, 0x82, 0x54
#define V400(last, offset, underline, mode) 0, 0, 0, 0, 0x9C, 0x8E, 0x8F, offset, underline, 0x96, 0xB9, mode, 0xFF
#define V350(offset, underline, mode) 0, 0, 0, 0, 0x83, 0x85, 0x5D, offset, underline, 0x63, 0xBA, mode, 0xFF
#define V480(mode) 0, 0, 0, 0, 0xEA, 0x8C, 0xDF, 0x28, 0, 0xE7, 4, mode, 0xFF
#define A40_200 { 40, 24, 8, 0x800, { 9, 3, 0, 2 }, 0x63, { H40, 0xA0, 0xBF, 0x1F, 0, 0xC7, 6, 7, V400(0, 0x14, 0x1F, 0xA3) }, TC, TEXT_GC(0x0E) }
#define A80_200 { 80, 24, 8, 0x1000, { 1, 3, 0, 2 }, 0x63, { H80, 0x81, 0xBF, 0x1F, 0, 0xC7, 6, 7, V400(0, 0x28, 0x1F, 0xA3) }, TC, TEXT_GC(0x0E) }
#define A40_350 { 40, 24, 14, 0x800, { 9, 3, 0, 2 }, 0xA3, { H40, 0xA0, 0xBF, 0x1F, 0, 0x4D, 0x0B, 0x0C, V350(0x14, 0x1F, 0xA3) }, T0, TEXT_GC(0x0E) }
#define A80_350 { 80, 24, 14, 0x1000, { 1, 3, 0, 2 }, 0xA3, { H80, 0x81, 0xBF, 0x1F, 0, 0x4D, 0x0B, 0x0C, V350(0x28, 0x1F, 0xA3) }, T0, TEXT_GC(0x0E) }
#define M80_350 { 80, 24, 14, 0x1000, { 0, 3, 0, 3 }, 0xA6, { H80, 0x81, 0xBF, 0x1F, 0, 0x4D, 0x0B, 0x0C, V350(0x28, 0x0D, 0xA3) }, TM, TEXT_GC(0x0A) }
#define P4 { 40, 24, 8, 0x4000, { 9, 3, 0, 2 }, 0x63, { H40, 0x80, 0xBF, 0x1F, 0, 0xC1, 0, 0, V400(0, 0x14, 0, 0xA2) }, G4, \
             { 0, 0, 0, 0, 0, 0x30, 0x0F, 15, 0xFF } }
#define PF { 80, 24, 14, 0x8000, { 1, 15, 0, 6 }, 0xA2, { H80G, 0x80, 0xBF, 0x1F, 0, 0x40, 0, 0, V350(0x28, 0x0F, 0xE3) }, GM, PLANAR_GC(5) }
#define P10 { 80, 24, 14, 0x8000, { 1, 15, 0, 6 }, 0xA3, { H80G, 0x80, 0xBF, 0x1F, 0, 0x40, 0, 0, V350(0x28, 0x0F, 0xE3) }, GE, PLANAR_GC(15) }
#define NONE { 0 }

ROM struct parameters video_parameters[29] = {
    A40_200, A40_200, A80_200, A80_200, P4, P4,
    { 80, 24, 8, 0x4000, { 1, 1, 0, 6 }, 0x63, { H80G, 0x80, 0xBF, 0x1F, 0, 0xC1, 0, 0, V400(0, 0x28, 0, 0xC2) }, G1,
      { 0, 0, 0, 0, 0, 0, 0x0D, 15, 0xFF } },
    M80_350,
    NONE, NONE, NONE, NONE, NONE,
    { 40, 24, 8, 0x2000, { 9, 15, 0, 6 }, 0x63, { H40, 0x80, 0xBF, 0x1F, 0, 0xC0, 0, 0, V400(0, 0x14, 0, 0xE3) }, GC, PLANAR_GC(15) },
    { 80, 24, 8, 0x4000, { 1, 15, 0, 6 }, 0x63, { H80G, 0x80, 0xBF, 0x1F, 0, 0xC0, 0, 0, V400(0, 0x28, 0, 0xE3) }, GC, PLANAR_GC(15) },
    PF, P10, PF, P10,                               /* an EGA's modes Fh and 10h: of 64 KiB, and of more */
    A40_350, A40_350, A80_350, A80_350,
    { 40, 24, 16, 0x800, { 8, 3, 0, 2 }, 0x67, { H40, 0xA0, 0xBF, 0x1F, 0, 0x4F, 0x0D, 0x0E, V400(0, 0x14, 0x1F, 0xA3) }, T9, TEXT_GC(0x0E) },
    { 80, 24, 16, 0x1000, { 0, 3, 0, 2 }, 0x67, { H80, 0x81, 0xBF, 0x1F, 0, 0x4F, 0x0D, 0x0E, V400(0, 0x28, 0x1F, 0xA3) }, T9, TEXT_GC(0x0E) },
    { 80, 24, 16, 0x1000, { 0, 3, 0, 2 }, 0x66, { H80, 0x81, 0xBF, 0x1F, 0, 0x4F, 0x0D, 0x0E, V400(0, 0x28, 0x0F, 0xA3) }, TM, TEXT_GC(0x0A) },
    { 80, 29, 16, 0xA000, { 1, 15, 0, 6 }, 0xE3, { H80G, 0x80, 0x0B, 0x3E, 0, 0x40, 0, 0, V480(0xC3) }, G2, PLANAR_GC(1) },
    { 80, 29, 16, 0xA000, { 1, 15, 0, 6 }, 0xE3, { H80G, 0x80, 0x0B, 0x3E, 0, 0x40, 0, 0, V480(0xE3) }, GE, PLANAR_GC(15) },
    { 40, 24, 8, 0x2000, { 1, 15, 0, 0x0E }, 0x63, { H80G, 0x80, 0xBF, 0x1F, 0, 0x41, 0, 0, V400(0, 0x28, 0x40, 0xA3) }, G8,
      { 0, 0, 0, 0, 0, 0x40, 5, 15, 0xFF } },
};

enum { EGA_COLORS, CGA_COLORS, GREYS, VGA_COLORS };
ROM struct mode modes[MODES] = {
    { 0x00, TEXT, 4, 0x17, EGA_COLORS, 8, AT_B8000, 16 }, { 0x01, TEXT, 4, 0x17, EGA_COLORS, 8, AT_B8000, 16 },
    { 0x02, TEXT, 4, 0x18, EGA_COLORS, 8, AT_B8000, 16 }, { 0x03, TEXT, 4, 0x18, EGA_COLORS, 8, AT_B8000, 16 },
    { 0x04, CGA, 2, 0x04, CGA_COLORS, 1, AT_B8000, 4 }, { 0x05, CGA, 2, 0x05, CGA_COLORS, 1, AT_B8000, 4 },
    { 0x06, CGA, 1, 0x06, CGA_COLORS, 1, AT_B8000, 2 }, { 0x07, TEXT, 4, 0x19, GREYS, 8, AT_B0000, 2 },
    { 0x0D, PLANAR, 4, 0x0D, CGA_COLORS, 8, AT_A0000, 16 }, { 0x0E, PLANAR, 4, 0x0E, CGA_COLORS, 4, AT_A0000, 16 },
    { 0x0F, PLANAR, 4, 0x11, GREYS, 2, AT_A0000, 2 }, { 0x10, PLANAR, 4, 0x12, EGA_COLORS, 2, AT_A0000, 16 },
    { 0x11, PLANAR, 1, 0x1A, EGA_COLORS, 1, AT_A0000, 2 }, { 0x12, PLANAR, 4, 0x1B, EGA_COLORS, 1, AT_A0000, 16 },
    { 0x13, BYTES, 8, 0x1C, VGA_COLORS, 1, AT_A0000, 256 },
};
/* While the Bochs VBE extensions show something */
static ROM struct mode direct_mode = { 0xFF, DIRECT, 8, 0x1C, VGA_COLORS, 1, AT_A0000, 256 };
static ROM struct mode planar_mode = { 0xFF, PLANAR, 4, 0x1B, EGA_COLORS, 1, AT_A0000, 16 };

mode_ref find_mode(u8 number)
{
    for (u32 n = 0; n < MODES; n++)
        if (modes[n].number == number)
            return &modes[n];
    return 0;
}

mode_ref current_mode(void)
{
    if (bda.mode == VBE_MODE)
        return dispi(BPP) == 4 ? &planar_mode : &direct_mode;
    return find_mode(bda.mode & 0x7F);
}

/* Text modes have as many scan lines as INT 10h AX=12xxh BL=30h has chosen. */
static u32 parameters_of(mode_ref m)
{
    u32 index = m->parameters;
    if (m->layout == TEXT && !(bda2.flags & FLAG_400)) {
        if (m->number == 7)
            index = 7;
        else
            index = bda2.flags & FLAG_200 ? m->number : 0x13 + m->number;
    }
    return index;
}

static void write_parameters(const struct parameters *p)
{
    u16 crtc = p->misc & 1 ? CRTC : CRTC_MONO;
    inb(STATUS1);
    inb(STATUS1 - CRTC + CRTC_MONO);
    outb(ATTRIBUTE, 0);                             /* the screen is off */
    out_index(SEQUENCER, 0, 1);
    outb(MISC_WRITE, p->misc);
    for (u32 n = 0; n < 4; n++)
        out_index(SEQUENCER, n + 1, p->sequencer[n]);
    out_index(SEQUENCER, 0, 3);
    out_index(crtc, 0x11, 0);                       /* which protects the first eight */
    for (u32 n = 0; n < 25; n++)
        out_index(crtc, n, p->crtc[n]);
    for (u32 n = 0; n < 9; n++)
        out_index(GRAPHICS, n, p->graphics[n]);
    inb(crtc + 6);
    for (u32 n = 0; n < 20; n++) {
        if (bda2.flags & FLAG_NO_PALETTE && (n < 0x10 || n == 0x11))
            continue;
        outb(ATTRIBUTE, n);
        outb(ATTRIBUTE, p->attribute[n]);
        keep_color(n, p->attribute[n]);
    }
    outb(ATTRIBUTE, 0x14);
    outb(ATTRIBUTE, 0);
    outb(DAC_MASK, 0xFF);
}

static void clear(mode_ref m)
{
    fillw(screen(m, 0), m->layout == TEXT ? 0x0720 : 0, m->layout == TEXT || m->layout == CGA ? 0x4000 : 0x8000);
}

/* What a CGA's two registers would hold in modes 0 to 7 */
static ROM u8 mode_controls[] = { 0x2C, 0x28, 0x2D, 0x29, 0x2A, 0x2E, 0x1E, 0x29 };

/* Bit 7 of the number: the memory keeps its contents. 0: there is no such mode. */
int set_mode(u8 number)
{
    mode_ref m = find_mode(number & 0x7F);
    if (!m)
        return 0;
    struct parameters own, *p = &own;
    read_parameters(p, parameters_of(m));
    int text = m->layout == TEXT;
    if (has_dispi())
        set_dispi(ENABLE, 0);
    equipment = equipment & ~0x30 | (p->misc & 1 ? 0x20 : 0x30);
    write_parameters(p);
    if (!(bda2.flags & FLAG_NO_PALETTE))
        load_palette(text && p->height == 8 ? CGA_COLORS : m->palette);
    if (!(number & 0x80))
        clear(m);
    if (text)
        load_font(rom_font(p->height), p->height, 0, 256, 0);
    bda.mode = m->number;
    bda.columns = p->columns;
    bda.page_size = p->page_size;
    bda.page_start = 0;
    for (u32 n = 0; n < 8; n++)
        bda.cursor[n] = 0;
    bda.cursor_shape = !text ? 0 : m->number == 7 ? 0x0B0C : 0x0607;
    bda.page = 0;
    bda.crtc = p->misc & 1 ? CRTC : CRTC_MONO;
    bda.mode_control = m->number < 8 ? mode_controls[m->number] : 0;
    bda.palette = m->number == 6 ? 0x3F : 0x30;
    bda2.last_row = p->last_row;
    bda2.char_height = p->height;
    bda2.control = bda2.control & 0x7F | number & 0x80;
    vector(0x43) = rom_font(p->height);
    vector(0x1F) = rom_font(8) + 128 * 8;
    apply_save_pointers(m);
    enable_display();
    return 1;
}

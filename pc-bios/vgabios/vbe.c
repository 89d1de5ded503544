/* VBE 3.0 on the Bochs VBE registers (VESA BIOS Extension Core Functions Standard 3.0, chapter 4). Which mode is set, how
   wide its lines are and which part of it is shown are in the adapter's registers; nothing of it is kept here.

   Not there: stereo, secondary palettes. */
#include "vbe.h"

int has_dispi(void) { return (dispi(DISPI_ID) & 0xFFF0) == 0xB0C0; }
int vbe_active(void) { return has_dispi() && dispi(ENABLE) & DISPI_ENABLED; }

u32 memory_64k(void) { return dispi(MEMORY_64K); }
u32 bytes_per_pixel(u32 bpp) { return (bpp + 7) / 8; }

/* Bytes from a line to the next; with four planes: of a plane. */
u32 line_bytes(u32 pixels, u32 bpp) { return bpp == 4 ? (pixels + 7) / 8 : pixels * bytes_per_pixel(bpp); }
u32 total_bytes(vbe_mode_ref m) { return line_bytes(m->width, m->bpp) * m->height * (m->bpp == 4 ? 4 : 1); }

vbe_mode_ref find_vbe_mode(u16 number)
{
    for (vbe_mode_ref m = vbe_modes; m->number; m++)
        if (m->number == number && total_bytes(m) <= memory_64k() << 16)
            return m;
    return 0;
}

/* The mode that is set: text beyond the VGA's own is known by its size. */
static vbe_mode_ref shown(void)
{
    int text = !vbe_active();
    u16 width = text ? bda.columns : dispi(XRES), height = text ? rows() : dispi(YRES), bpp = text ? 0 : dispi(BPP);
    for (vbe_mode_ref m = vbe_modes; m->number; m++)
        if (m->width == width && m->height == height && m->bpp == bpp)
            return m;
    return 0;
}

/* ---- 02h, 03h */
#define NO_CLEAR 0x8000
#define LINEAR 0x4000
#define OWN_TIMING 0x0800                           /* at ES:DI */

/* CRT controller registers, as pairs: 132 characters of 8 dots; 480 lines. */
static ROM u8 columns_132[] = { 0, 0x9B, 1, 0x83, 2, 0x84, 3, 0x9F, 4, 0x8A, 5, 0x1A, 0x13, 0x42, 0xFF };
static ROM u8 lines_480[] = { 6, 0x0B, 7, 0x3E, 0x10, 0xEA, 0x11, 0x0C, 0x12, 0xDF, 0x15, 0xE7, 0x16, 0x04, 0xFF };

static void write_pairs(rom_bytes p)
{
    for (; *p != 0xFF; p += 2)
        out_index(CRTC, p[0], p[1]);
}

static u16 set_text_mode(vbe_mode_ref m, u8 keep)
{
    bda2.flags = bda2.flags & ~FLAG_200 | FLAG_400;
    set_mode(3 | keep);
    out_index(CRTC, 0x11, in_index(CRTC, 0x11) & 0x7F);
    if (m->width == 132) {
        write_pairs(columns_132);
        out_index(SEQUENCER, 1, 1);                 /* eight dots */
        set_attribute(0x13, 0);                     /* which are not to be panned as nine are */
        bda.columns = 132;
    }
    if (m->height == 60) {
        write_pairs(lines_480);
        outb(MISC_WRITE, 0xE7);
    }
    if (m->height == 43)
        out_index(CRTC, 0x12, 0x5D);                /* of 350 lines */
    u32 height = m->height == 25 ? 16 : 8;
    if (height == 8)
        load_font(rom_font(8), 8, 0, 256, 0);
    set_rows(height);
    return OK;
}

static u16 set_vbe_mode(struct regs *r)
{
    u16 wanted = r->bx;
    far timing = wanted & OWN_TIMING ? FAR(r->es, r->di) : 0;
    if ((wanted & 0x3FFF) < 0x100)
        return wanted & LINEAR ? FAILED : set_mode(wanted & 0x7F | (wanted & NO_CLEAR ? 0x80 : 0)) ? OK : FAILED;
    vbe_mode_ref m = find_vbe_mode(wanted & 0x7FF);
    if (!m || wanted & 0x3000 || wanted & LINEAR && m->bpp <= 4 || timing && (!m->bpp || !timing_fits(m, timing)))
        return FAILED;
    if (!m->bpp)
        return set_text_mode(m, wanted & NO_CLEAR ? 0x80 : 0);
    set_mode(m->bpp == 4 ? 0x92 : 0x93);            /* the registers and colours of the nearest; nothing is cleared */
    set_dispi(XRES, m->width);
    set_dispi(YRES, m->height);
    set_dispi(BPP, m->bpp);
    set_dispi(ENABLE, DISPI_ENABLED | (wanted & LINEAR ? DISPI_LFB : 0) | (wanted & NO_CLEAR ? DISPI_NOCLEAR : 0));
    if (timing)
        set_timing(m, timing);
    bda.mode = VBE_MODE;
    bda.columns = m->width / 8;
    bda.page_size = 0;
    bda2.last_row = m->height / 16 - 1;
    bda2.char_height = 16;
    bda2.control = bda2.control & 0x7F | (wanted & NO_CLEAR ? 0x80 : 0);
    vector(0x43) = rom_font(16);
    return OK;
}

static u16 get_vbe_mode(struct regs *r)
{
    u16 enable = dispi(ENABLE);
    vbe_mode_ref m = shown();
    r->bx = m && m->bpp ? m->number | (enable & DISPI_LFB ? LINEAR : 0) | (enable & DISPI_NOCLEAR ? NO_CLEAR : 0)
        : m ? m->number | (bda2.control & 0x80) << 8
        : bda.mode | (bda2.control & 0x80) << 8;
    return OK;
}

/* ---- 04h. The adapter's own registers come first. */
#define DISPI_SIZE 0x20

static u16 state(struct regs *r)
{
    static ROM u8 order[] = { XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, X_OFFSET, Y_OFFSET };
    far buffer = FAR(r->es, r->bx);
    u32 own = r->cx & 8 ? DISPI_SIZE : 0;
    switch (r->dl) {
    case 0:
        r->bx = (own + state_size(r->cx) + 63) / 64;
        return OK;
    case 1:
        for (u32 n = 0; own && n < sizeof order; n++)
            pokew(buffer + 2 * n, dispi(order[n]));
        save_state(r->cx, buffer + own);
        return OK;
    case 2:
        if (own)
            set_dispi(ENABLE, 0);
        restore_state(r->cx, buffer + own);
        for (u32 n = 0; own && n < sizeof order; n++)
            set_dispi(order[n], order[n] == ENABLE ? peekw(buffer + 2 * n) | DISPI_NOCLEAR : peekw(buffer + 2 * n));
        return OK;
    }
    return FAILED;
}

void vbe_services(struct regs *r)
{
    if (!has_dispi()) {
        r->ax = 0x0100;
        return;
    }
    if ((r->al == 6 || r->al == 7) && !vbe_active()) {
        r->ax = NOT_NOW;
        return;
    }
    switch (r->al) {
    case 0x00: r->ax = controller_information(r); break;
    case 0x01: r->ax = mode_information(r); break;
    case 0x02: r->ax = set_vbe_mode(r); break;
    case 0x03: r->ax = get_vbe_mode(r); break;
    case 0x04: r->ax = state(r); break;
    case 0x05: r->ax = window(r); break;
    case 0x06: r->ax = line_length(r); break;
    case 0x07: r->ax = display_start(r); break;
    case 0x08: r->ax = dac_width(r); break;
    case 0x09: r->ax = palette_data(r); break;
    case 0x0A: r->ax = protected_mode(r); break;
    case 0x0B: r->ax = pixel_clock(r); break;
    case 0x10: r->ax = power(r); break;
    case 0x15: r->ax = display_data(r); break;
    default: r->ax = 0x0100;                        /* there is no such function */
    }
}

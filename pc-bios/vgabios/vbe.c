/* VBE 3.0 on the Bochs VBE registers (VESA BIOS Extension Core Functions Standard 3.0, chapter 4). Which mode is set, how
   wide its lines are and which part of it is shown are in the adapter's registers; nothing of it is kept here.

   Not there: text modes, protected mode entry point (chapter 3), refresh rates of one's own, stereo, secondary palettes. */
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

static vbe_mode_ref shown(void)
{
    u16 width = dispi(XRES), height = dispi(YRES), bpp = dispi(BPP);
    for (vbe_mode_ref m = vbe_modes; m->number; m++)
        if (m->width == width && m->height == height && m->bpp == bpp)
            return m;
    return 0;
}

/* ---- 02h, 03h */
#define NO_CLEAR 0x8000
#define LINEAR 0x4000

static u16 set_vbe_mode(u16 wanted)
{
    if ((wanted & 0x3FFF) < 0x100)
        return wanted & LINEAR ? FAILED : set_mode(wanted & 0x7F | (wanted & NO_CLEAR ? 0x80 : 0)) ? OK : FAILED;
    vbe_mode_ref m = find_vbe_mode(wanted & 0x7FF);
    if (!m || wanted & 0x3000 || wanted & LINEAR && m->bpp == 4)
        return FAILED;
    set_mode(m->bpp == 4 ? 0x92 : 0x93);            /* the registers and colours of the nearest; nothing is cleared */
    set_dispi(XRES, m->width);
    set_dispi(YRES, m->height);
    set_dispi(BPP, m->bpp);
    set_dispi(ENABLE, DISPI_ENABLED | (wanted & LINEAR ? DISPI_LFB : 0) | (wanted & NO_CLEAR ? DISPI_NOCLEAR : 0));
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
    vbe_mode_ref m = vbe_active() ? shown() : 0;
    r->bx = m ? m->number | (enable & DISPI_LFB ? LINEAR : 0) | (enable & DISPI_NOCLEAR ? NO_CLEAR : 0)
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
    case 0x02: r->ax = set_vbe_mode(r->bx); break;
    case 0x03: r->ax = get_vbe_mode(r); break;
    case 0x04: r->ax = state(r); break;
    case 0x05: r->ax = window(r); break;
    case 0x06: r->ax = line_length(r); break;
    case 0x07: r->ax = display_start(r); break;
    case 0x08: r->ax = dac_width(r); break;
    case 0x09: r->ax = palette_data(r); break;
    case 0x0A: r->ax = protected_mode(r); break;
    case 0x10: r->ax = power(r); break;
    case 0x15: r->ax = display_data(r); break;
    default: r->ax = 0x0100;                        /* there is no such function */
    }
}

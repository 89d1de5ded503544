/* VBE functions 05h to 0Ah, 10h and 15h: what of the memory is reached and shown, colours, the display itself. */
#include "vbe.h"

/* ---- 05h */
u16 window(struct regs *r)
{
    if (r->bl || !vbe_active())
        return r->bl ? FAILED : NOT_NOW;
    if (r->bh == 1)
        r->dx = dispi(BANK);
    else if (r->bh == 0)
        set_dispi(BANK, r->dx);
    return r->bh > 1 || r->bh == 0 && dispi(BANK) != r->dx ? FAILED : OK;
}

/* ---- 06h */
u16 line_length(struct regs *r)
{
    u32 bpp = dispi(BPP), bytes = bytes_per_pixel(bpp), height = dispi(YRES);
    u32 planes_bytes = memory_64k() << (bpp == 4 ? 14 : 16);
    u32 most = planes_bytes / height;               /* bytes */
    u32 pixels = r->cx;
    most = bpp == 4 ? most * 8 : most / bytes;      /* pixels */
    most = most > 0xFFF8 ? 0xFFF8 : most & ~7U;
    switch (r->bl) {
    case 2:
        pixels = bpp == 4 ? r->cx * 8 : (r->cx + bytes - 1) / bytes;
    case 0:
        pixels = pixels + 7 & ~7U;
        pixels = pixels < dispi(XRES) ? dispi(XRES) : pixels;
        if (pixels > most)
            return FAILED;
        set_dispi(VIRT_WIDTH, pixels);
        break;
    case 1:
        break;
    case 3:
        r->bx = line_bytes(most, bpp);
        r->cx = most;
        r->dx = height;
        return OK;
    default:
        return FAILED;
    }
    r->cx = dispi(VIRT_WIDTH);
    r->bx = line_bytes(r->cx, bpp);
    u32 lines = planes_bytes / r->bx;
    r->dx = lines > 0xFFFF ? 0xFFFF : lines;
    return OK;
}

/* ---- 07h. A change is seen at once, so one that is to wait for the retrace (80h, 82h) only waits for it. */
static void wait_for_retrace(void)
{
    for (u32 polls = 0; polls < 100000 && !(inb(STATUS1) & STATUS1_RETRACE); polls++)
        ;
}

static u16 move_display(u32 x, u32 y)
{
    u16 old_x = dispi(X_OFFSET), old_y = dispi(Y_OFFSET);
    set_dispi(X_OFFSET, 0);                         /* neither alone may lead out of the memory */
    set_dispi(Y_OFFSET, y);
    set_dispi(X_OFFSET, x);
    if (dispi(X_OFFSET) == x && dispi(Y_OFFSET) == y)
        return OK;
    set_dispi(X_OFFSET, 0);
    set_dispi(Y_OFFSET, old_y);
    set_dispi(X_OFFSET, old_x);
    return FAILED;
}

u16 display_start(struct regs *r)
{
    u32 bpp = dispi(BPP);
    switch (r->bl) {
    case 0x80:
        wait_for_retrace();
    case 0x00:
        return move_display(r->cx, r->dx);
    case 0x01:
        r->bh = 0;
        r->cx = dispi(X_OFFSET);
        r->dx = dispi(Y_OFFSET);
        return OK;
    case 0x82:
        wait_for_retrace();
    case 0x02: {                                    /* ECX: the byte in the memory */
        u32 line = line_bytes(dispi(VIRT_WIDTH), bpp), rest = r->ecx % line;
        return move_display(bpp == 4 ? rest * 8 : rest / bytes_per_pixel(bpp), r->ecx / line);
    }
    case 0x04:
        r->cx = 1;                                  /* the last change has been seen */
        return OK;
    }
    return FAILED;
}

/* ---- 08h, 09h */
u16 dac_width(struct regs *r)
{
    if (vbe_active() && dispi(BPP) > 8)
        return NOT_NOW;
    if (r->bl > 1)
        return FAILED;
    if (r->bl == 0) {
        u16 enable = dispi(ENABLE) & ~DISPI_DAC8;
        set_dispi(ENABLE, r->bh >= 8 ? enable | DISPI_DAC8 : enable);
    }
    r->bh = dispi(ENABLE) & DISPI_DAC8 ? 8 : 6;
    return OK;
}

u16 palette_data(struct regs *r)
{
    far list = FAR(r->es, r->di);
    u8 index = r->dx;
    if (r->bl != 0x80 && r->bl > 1)
        return FAILED;
    if (r->bl == 0x80)
        wait_for_retrace();
    if (r->cx > 256 || r->dx > 255)
        return FAILED;
    for (u32 n = r->cx; n--; list += 4, index++)    /* blue, green, red, 0 */
        if (r->bl == 1) {
            outb(DAC_READ_INDEX, index);
            for (u32 k = 3; k--;)
                pokeb(list + k, inb(DAC_DATA));
            pokeb(list + 3, 0);
        } else {
            outb(DAC_INDEX, index);
            for (u32 k = 3; k--;)
                outb(DAC_DATA, peekb(list + k));
        }
    return OK;
}

/* ---- 0Ah: code for 32 bits, which programs copy */
u16 protected_mode(struct regs *r)
{
    if (r->bl)
        return FAILED;
    r->es = rom_segment();
    r->di = (u32) pm_table;
    r->cx = pm_table_end - pm_table;
    return OK;
}

/* ---- 10h: power of the display (VBE/PM Standard 1.0) */
u16 power(struct regs *r)
{
    u8 clocking = in_index(SEQUENCER, 1);
    switch (r->bl) {
    case 0:
        r->bl = 0x10;
        r->bh = 0x07;                               /* standby, suspend, off */
        return OK;
    case 1:
        out_index(SEQUENCER, 1, r->bh ? clocking | 0x20 : clocking & ~0x20);
        return OK;
    case 2:
        r->bh = clocking & 0x20 ? 4 : 0;
        return OK;
    }
    return FAILED;
}

/* ---- 15h: the display's own data (VBE/DDC Standard 1.1) */
u16 display_data(struct regs *r)
{
    if (r->bl == 0) {
        r->bx = 0x0102;                             /* a second for a block; DDC2 */
        return OK;
    }
    if (r->bl != 1 || r->dx)
        return FAILED;
    copy(FAR(r->es, r->di), ROM_FAR(edid), 128);
    return OK;
}

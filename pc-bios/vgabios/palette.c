/* Colours: the attribute controller's palette, the DAC (Ralf Brown's list, INT 10h AH=10h and 0Bh). */
#include "vgabios.h"

#define MODE_CONTROL 0x10
#define COLOR_SELECT 0x14

static void index_next(void) { inb(bda.crtc + 6); }

u8 get_attribute(u8 index)
{
    index_next();
    outb(ATTRIBUTE, index);
    u8 value = inb(ATTRIBUTE + 1);
    enable_display();
    return value;
}

void enable_display(void)
{
    index_next();
    outb(ATTRIBUTE, 0x20);
    index_next();
}

void set_attribute(u8 index, u8 value)
{
    index_next();
    outb(ATTRIBUTE, index);
    outb(ATTRIBUTE, value);
    enable_display();
}

/* ---- the DAC */
static void put_color(u8 red, u8 green, u8 blue)
{
    outb(DAC_DATA, red);
    outb(DAC_DATA, green);
    outb(DAC_DATA, blue);
}

void set_dac(u32 first, u32 count, far from)
{
    outb(DAC_INDEX, first);
    for (u32 n = 0; n < 3 * count; n++)
        outb(DAC_DATA, peekb(from + n));
}

void get_dac(u32 first, u32 count, far to)
{
    outb(DAC_READ_INDEX, first);
    for (u32 n = 0; n < 3 * count; n++)
        pokeb(to + n, inb(DAC_DATA));
}

/* Greys by how bright the eye finds the colours: 30 % red, 59 % green, 11 % blue. */
void sum_to_grey(u32 first, u32 count)
{
    for (; count--; first++) {
        outb(DAC_READ_INDEX, first);
        u32 red = inb(DAC_DATA), green = inb(DAC_DATA), blue = inb(DAC_DATA);
        u32 grey = (77 * red + 151 * green + 28 * blue + 128) >> 8;
        outb(DAC_INDEX, first);
        put_color(grey, grey, grey);
    }
}

/* The colours of a CGA: intensity, red, green, blue; dark yellow is brown. */
static void cga_color(u32 irgb)
{
    u8 base = irgb & 8 ? 21 : 0;
    put_color(base + (irgb & 4 ? 42 : 0), base + (irgb & 2 ? irgb == 6 ? 21 : 42 : 0), base + (irgb & 1 ? 42 : 0));
}

static ROM u8 grey_ramp[16] = { 0, 5, 8, 11, 14, 17, 20, 24, 28, 32, 36, 40, 45, 50, 56, 63 };
/* The five levels of a component in the wheels of mode 13h: by brightness, then saturation. */
static ROM u8 wheel_levels[9][5] = {
    { 0, 16, 31, 47, 63 }, { 31, 39, 47, 55, 63 }, { 45, 49, 54, 58, 63 },
    { 0, 7, 14, 21, 28 }, { 14, 17, 21, 24, 28 }, { 20, 22, 24, 26, 28 },
    { 0, 4, 8, 12, 16 }, { 8, 10, 12, 14, 16 }, { 11, 12, 13, 15, 16 } };

/* Hues from blue over red and green back to blue: a component (red) rises for four steps, stays for eight, falls for four
   and rests. */
static u8 on_wheel(rom_bytes levels, u32 step)
{
    step %= 24;
    return levels[step < 4 ? step : step <= 12 ? 4 : step < 16 ? 16 - step : 0];
}

void load_palette(u8 kind)
{
    u32 n;
    outb(DAC_INDEX, 0);
    if (kind == 3) {
        for (n = 0; n < 16; n++)
            cga_color(n);
        for (n = 0; n < 16; n++)
            put_color(grey_ramp[n], grey_ramp[n], grey_ramp[n]);
        for (n = 0; n < 9 * 24; n++) {
            rom_bytes levels = wheel_levels[n / 24];
            u32 step = n % 24;
            put_color(on_wheel(levels, step), on_wheel(levels, step + 16), on_wheel(levels, step + 8));
        }
        for (n = 0; n < 8; n++)
            put_color(0, 0, 0);
    } else
        for (n = 0; n < 64; n++)
            if (kind == 2) {
                static ROM u8 levels[4] = { 0, 42, 0, 63 };
                u8 grey = levels[n >> 3 & 3];
                put_color(grey, grey, grey);
            } else if (kind == 1)
                cga_color(n & 7 | n >> 1 & 8);
            else                                    /* an EGA's six wires: rgbRGB */
                put_color((n & 4 ? 42 : 0) + (n & 32 ? 21 : 0), (n & 2 ? 42 : 0) + (n & 16 ? 21 : 0), (n & 1 ? 42 : 0) + (n & 8 ? 21 : 0));
    if (bda2.flags & FLAG_SUMMING)
        sum_to_grey(0, kind == 3 ? 256 : 64);
}

/* ---- AH=0Bh: a CGA's border and palette */
void cga_palette(struct regs *r)
{
    mode_ref m = current_mode();
    if (r->bh == 0) {
        u8 color = r->bl & 7 | (r->bl & 8) << 1;
        bda.palette = bda.palette & 0xE0 | r->bl & 0x1F;
        set_attribute(OVERSCAN, color);
        if (m && m->layout == CGA) {
            set_attribute(0, color);
            if (m->bits == 2)
                for (u8 n = 1; n < 4; n++)
                    set_attribute(n, get_attribute(n) & ~0x10 | r->bl & 0x10);
        }
    } else if (r->bh == 1) {
        bda.palette = bda.palette & ~0x20 | (r->bl & 1) << 5;
        if (m && m->layout == CGA && m->bits == 2)
            for (u8 n = 1; n < 4; n++)
                set_attribute(n, get_attribute(n) & 0x10 | 2 * n | r->bl & 1);
    }
}

/* ---- AH=10h */
void set_color(u8 index, u8 value)
{
    set_attribute(index, value);
    keep_color(index, value);
}

void palette_services(struct regs *r)
{
    far list = FAR(r->es, r->dx);
    u8 mode = get_attribute(MODE_CONTROL);
    switch (r->al) {
    case 0x00:
        if (r->bl <= COLOR_SELECT)
            set_color(r->bl, r->bh);
        break;
    case 0x01:
        set_color(OVERSCAN, r->bh);
        break;
    case 0x02:
        for (u8 n = 0; n < 17; n++)
            set_color(n == 16 ? OVERSCAN : n, peekb(list + n));
        break;
    case 0x03:
        set_attribute(MODE_CONTROL, r->bl & 1 ? mode | 8 : mode & ~8);
        bda.mode_control = r->bl & 1 ? bda.mode_control | 0x20 : bda.mode_control & ~0x20;
        break;
    case 0x07:
        if (r->bl <= COLOR_SELECT)
            r->bh = get_attribute(r->bl);
        break;
    case 0x08:
        r->bh = get_attribute(OVERSCAN);
        break;
    case 0x09:
        for (u8 n = 0; n < 17; n++)
            pokeb(list + n, get_attribute(n == 16 ? OVERSCAN : n));
        break;
    case 0x10:
        outb(DAC_INDEX, r->bl);
        put_color(r->dh, r->ch, r->cl);
        if (bda2.flags & FLAG_SUMMING)
            sum_to_grey(r->bl, 1);
        break;
    case 0x12:
        set_dac(r->bl, r->cx, list);
        if (bda2.flags & FLAG_SUMMING)
            sum_to_grey(r->bl, r->cx);
        break;
    case 0x13:
        if (r->bl == 0)
            set_attribute(MODE_CONTROL, r->bh & 1 ? mode | 0x80 : mode & 0x7F);
        else if (r->bl == 1)
            set_attribute(COLOR_SELECT, mode & 0x80 ? r->bh & 15 : (r->bh & 3) << 2);
        break;
    case 0x15:
        outb(DAC_READ_INDEX, r->bl);
        r->dh = inb(DAC_DATA);
        r->ch = inb(DAC_DATA);
        r->cl = inb(DAC_DATA);
        break;
    case 0x17:
        get_dac(r->bl, r->cx, list);
        break;
    case 0x18:
        outb(DAC_MASK, r->bl);
        break;
    case 0x19:
        r->bl = inb(DAC_MASK);
        break;
    case 0x1A:
        r->bl = mode >> 7;
        r->bh = get_attribute(COLOR_SELECT);
        if (!r->bl)
            r->bh >>= 2;
        break;
    case 0x1B:
        sum_to_grey(r->bl, r->cx);
        break;
    }
}

/* VBE 3.0 on the Bochs VBE registers (VESA BIOS Extension Core Functions Standard 3.0, chapter 4). Which mode is set, how
   wide its lines are and which part of it is shown are in the adapter's registers; nothing of it is kept here.

   Not there: text modes, protected mode entry point (chapter 3), refresh rates of one's own, stereo, secondary palettes. */
#include "vbe.h"

#define OK 0x004F
#define FAILED 0x014F
#define NOT_NOW 0x034F                              /* invalid in the current mode */

int has_dispi(void) { return (dispi(DISPI_ID) & 0xFFF0) == 0xB0C0; }
int vbe_active(void) { return has_dispi() && dispi(ENABLE) & DISPI_ENABLED; }

static u32 memory_64k(void) { return dispi(MEMORY_64K); }
static u32 bytes_per_pixel(u32 bpp) { return (bpp + 7) / 8; }

/* Bytes from a line to the next; with four planes: of a plane. */
static u32 line_bytes(u32 pixels, u32 bpp) { return bpp == 4 ? (pixels + 7) / 8 : pixels * bytes_per_pixel(bpp); }
static u32 total_bytes(vbe_mode_ref m) { return line_bytes(m->width, m->bpp) * m->height * (m->bpp == 4 ? 4 : 1); }

static vbe_mode_ref find(u16 number)
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

static u16 controller_information(struct regs *r)
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
        if (find(m->number)) {
            pokew(list, m->number);
            list += 2;
        }
    pokew(list, 0xFFFF);
    return OK;
}

/* ---- 01h: a mode */
#define MODE_SUPPORTED 0x1F                         /* by hardware, with all of this information, text output, colour, graphics */
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

static u16 mode_information(struct regs *r)
{
    static ROM u8 masks[][8] = {
        { 5, 10, 5, 5, 5, 0, 1, 15 }, { 5, 11, 6, 5, 5, 0, 0, 0 }, { 8, 16, 8, 8, 8, 0, 0, 0 }, { 8, 16, 8, 8, 8, 0, 8, 24 } };
    vbe_mode_ref m = find(r->cx & 0x3FFF);
    far to = FAR(r->es, r->di);
    if (!m)
        return FAILED;
    u32 bpp = m->bpp, line = line_bytes(m->width, bpp), pages = (memory_64k() << 16) / total_bytes(m) - 1;
    pages = pages > 255 ? 255 : pages;
    struct mode_info info = {
        .attributes = MODE_SUPPORTED, .window_a = WINDOW, .granularity = 64, .window_size = 64, .segment_a = 0xA000,
        .set_window = ROM_FAR(set_window), .line = line, .width = m->width, .height = m->height,
        .char_width = 8, .char_height = 16, .planes = bpp == 4 ? 4 : 1, .bpp = bpp, .banks = 1,
        .model = bpp == 4 ? MODEL_PLANAR : bpp == 8 ? MODEL_PACKED : MODEL_DIRECT, .pages = pages, .reserved = 1,
        .banked_pages = pages, .max_clock = 250000000 };    /* Hz: the adapter has no limit of its own */
    if (bpp > 8)
        for (u32 n = 0; n < 8; n++)
            info.colors[n] = info.linear_colors[n] = masks[bpp == 15 ? 0 : bytes_per_pixel(bpp) - 1][n];
    info.rest_usable = bpp == 32 ? 2 : 0;
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

/* ---- 02h, 03h */
#define NO_CLEAR 0x8000
#define LINEAR 0x4000

static u16 set_vbe_mode(u16 wanted)
{
    if ((wanted & 0x3FFF) < 0x100)
        return wanted & LINEAR ? FAILED : set_mode(wanted & 0x7F | (wanted & NO_CLEAR ? 0x80 : 0)) ? OK : FAILED;
    vbe_mode_ref m = find(wanted & 0x7FF);
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

/* ---- 05h */
static u16 window(struct regs *r)
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
static u16 line_length(struct regs *r)
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
    for (u32 polls = 0; polls < 100000 && !(inb(0x3DA) & 8); polls++)
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

static u16 display_start(struct regs *r)
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
static u16 dac_width(struct regs *r)
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

static u16 palette_data(struct regs *r)
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
            outb(DAC_MASK + 1, index);
            for (u32 k = 3; k--;)
                pokeb(list + k, inb(DAC_MASK + 3));
            pokeb(list + 3, 0);
        } else {
            outb(DAC_MASK + 2, index);
            for (u32 k = 3; k--;)
                outb(DAC_MASK + 3, peekb(list + k));
        }
    return OK;
}

/* ---- 0Ah: code for 32 bits, which programs copy */
static u16 protected_mode(struct regs *r)
{
    if (r->bl)
        return FAILED;
    r->es = rom_segment();
    r->di = (u32) pm_table;
    r->cx = pm_table_end - pm_table;
    return OK;
}

/* ---- 10h: power of the display (VBE/PM Standard 1.0) */
static u16 power(struct regs *r)
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
static u16 display_data(struct regs *r)
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

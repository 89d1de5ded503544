/* What there is and in which state (Ralf Brown's list, INT 10h AH=12h, 1Ah to 1Ch). */
#include "vgabios.h"

#define SCREEN_OFF 0x20

/* ---- AH=12h */
static void flag(struct regs *r, u8 bit, int set)
{
    bda2.flags = set ? bda2.flags | bit : bda2.flags & ~bit;
    r->al = 0x12;
}

static void blank(int off)
{
    u8 clocking = in_index(SEQUENCER, 1);
    out_index(SEQUENCER, 1, off ? clocking | SCREEN_OFF : clocking & ~SCREEN_OFF);
}

/* Does the processor reach the video memory? */
static void reach_memory(int on) { outb(MISC_WRITE, on ? inb(MISC_READ) | 2 : inb(MISC_READ) & ~2); }

static void enable_video(int on)
{
    blank(!on);
    reach_memory(on);
}

void alternate_select(struct regs *r)
{
    u8 off = r->al & 1;
    switch (r->bl) {
    case 0x10:
        r->bh = bda.crtc == CRTC_MONO;
        r->bl = 3;                                  /* 256 KiB */
        r->ch = bda2.switches >> 4;
        r->cl = bda2.switches & 15;
        break;
    case 0x30:
        if (r->al > 2)
            break;
        bda2.flags = bda2.flags & ~(FLAG_400 | FLAG_200) | (r->al == 2 ? FLAG_400 : r->al == 0 ? FLAG_200 : 0);
        bda2.switches = bda2.switches & 0xF0 | (r->al == 0 ? 8 : 9);
        r->al = 0x12;
        break;
    case 0x31:
        flag(r, FLAG_NO_PALETTE, off);
        break;
    case 0x32:
        reach_memory(!off);
        r->al = 0x12;
        break;
    case 0x33:
        flag(r, FLAG_SUMMING, !off);
        break;
    case 0x34:
        bda2.control = bda2.control & ~CONTROL_NO_EMULATION | off;
        r->al = 0x12;
        break;
    case 0x35:                                      /* switches between displays: this one off, with its state at ES:DX, or on */
        if (r->al == 3) {
            enable_video(1);
            restore_state(2, FAR(r->es, r->dx));
        } else if (r->al == 0 || r->al == 2) {
            save_state(2, FAR(r->es, r->dx));
            enable_video(0);
        } else
            break;                                  /* on the board itself there is none */
        r->al = 0x12;
        break;
    case 0x36:
        blank(off);
        r->al = 0x12;
        break;
    }
}

/* ---- AH=1Ah */
void combination_services(struct regs *r)
{
    if (r->al == 0) {
        r->bx = bda.crtc == CRTC_MONO ? 7 : bda2.combination;
        r->al = 0x1A;
    } else if (r->al == 1) {
        bda2.combination = r->bl;
        r->al = 0x1A;
    }
}

/* ---- AH=1Bh */
ROM u8 static_functionality[16] = {
    0xFF, 0xE0, 0x0F,                               /* modes 0-7, 0Dh-0Fh, 10h-13h */
    0, 0, 0, 0,
    7,                                              /* 200, 350, 400 scan lines */
    8, 2,                                           /* fonts, of which so many at a time */
    0xFF, 0x0E,                                     /* everything but the light pen; palettes and combinations */
    0, 0,
    0x22, 0 };                                      /* through the save pointers: palette kept, combinations */

struct information {                                /* of 64 bytes; behind the BIOS data area's copy */
    u8 rows;
    u16 char_height;
    u8 active, other;
    u16 colors;
    u8 pages, scan_lines, font_a, font_b, flags, reserved[3], memory;
} __attribute__((packed));

void state_information(struct regs *r)
{
    far to = FAR(r->es, r->di);
    mode_ref m = current_mode();
    if (r->bx)
        return;
    u8 map = in_index(SEQUENCER, 3);
    u32 lines = (bda2.last_row + 1) * bda2.char_height;
    struct information now = {
        .rows = bda2.last_row + 1, .char_height = bda2.char_height, .active = bda.crtc == CRTC_MONO ? 7 : bda2.combination,
        .colors = m ? m->colors : 0, .pages = m ? m->pages : 1,
        .scan_lines = lines <= 200 ? 0 : lines <= 350 ? 1 : lines <= 400 ? 2 : 3,
        .font_a = map & 3 | map >> 2 & 4, .font_b = map >> 2 & 3 | map >> 3 & 4,
        .flags = 1 | bda2.flags & (FLAG_SUMMING | FLAG_NO_PALETTE) | (bda2.control & 1 ? 0 : 0x10) | (get_attribute(0x10) & 8) << 2,
        .memory = 3 };                              /* 256 KiB */
    fillw(to, 0, 32);
    pokel(to, ROM_FAR(static_functionality));
    copy(to + 4, BDA_FAR(0x49), 30);
    copy(to + 34, FAR(stack_segment(), (u32) &now), sizeof now);
    r->al = 0x1B;
}

/* ---- AH=1Ch. A part's place in the buffer: registers, BIOS data area, DAC, as far as they are asked for. */
#define REGISTERS_SIZE 0x60
#define DATA_SIZE 0x40
#define DAC_SIZE 0x304

u32 state_size(u16 parts)
{
    return (parts & 1 ? REGISTERS_SIZE : 0) + (parts & 2 ? DATA_SIZE : 0) + (parts & 4 ? DAC_SIZE : 0);
}

static far save_indexed(far to, u16 port, u32 count)
{
    for (u32 n = 0; n < count; n++)
        pokeb(to++, in_index(port, n));
    return to;
}

static far restore_indexed(far from, u16 port, u32 count)
{
    for (u32 n = 0; n < count; n++)
        out_index(port, n, peekb(from++));
    return from;
}

void save_state(u16 parts, far to)
{
    if (parts & 1) {
        far p = to;
        u8 sequencer = inb(SEQUENCER), crtc = inb(bda.crtc), graphics = inb(GRAPHICS);
        pokeb(p++, inb(MISC_READ));
        pokew(p, bda.crtc);
        p = save_indexed(p + 2, SEQUENCER, 5);
        p = save_indexed(p, bda.crtc, 25);
        p = save_indexed(p, GRAPHICS, 9);
        for (u32 n = 0; n < 21; n++)
            pokeb(p++, get_attribute(n));
        pokeb(p++, sequencer);
        pokeb(p++, crtc);
        pokeb(p++, graphics);
        outb(SEQUENCER, sequencer);
        outb(bda.crtc, crtc);
        outb(GRAPHICS, graphics);
        to += REGISTERS_SIZE;
    }
    if (parts & 2) {
        copy(to, BDA_FAR(0x49), 30);
        copy(to + 30, BDA_FAR(0x84), 7);
        pokel(to + 37, save_pointer);
        pokel(to + 41, vector(0x1F));
        pokel(to + 45, vector(0x43));
        pokeb(to + 49, equipment);
        to += DATA_SIZE;
    }
    if (parts & 4) {
        pokeb(to, inb(DAC_MASK));
        pokeb(to + 1, inb(DAC_INDEX));
        get_dac(0, 256, to + 2);
    }
}

void restore_state(u16 parts, far from)
{
    far data = from + (parts & 1 ? REGISTERS_SIZE : 0);
    if (parts & 1) {
        far p = from;
        u16 crtc = peekw(p + 1);
        out_index(SEQUENCER, 0, 1);
        outb(MISC_WRITE, peekb(p));
        p += 4;
        for (u32 n = 1; n < 5; n++)
            out_index(SEQUENCER, n, peekb(p++));
        out_index(SEQUENCER, 0, peekb(from + 3));
        out_index(crtc, 0x11, 0);
        p = restore_indexed(p, crtc, 25);
        p = restore_indexed(p, GRAPHICS, 9);
        inb(crtc + 6);
        for (u32 n = 0; n < 21; n++) {
            outb(ATTRIBUTE, n);
            outb(ATTRIBUTE, peekb(p++));
        }
        outb(ATTRIBUTE, 0x20);
        outb(SEQUENCER, peekb(p));
        outb(crtc, peekb(p + 1));
        outb(GRAPHICS, peekb(p + 2));
        inb(crtc + 6);
    }
    if (parts & 2) {
        copy(BDA_FAR(0x49), data, 30);
        copy(BDA_FAR(0x84), data + 30, 7);
        save_pointer = peekl(data + 37);
        vector(0x1F) = peekl(data + 41);
        vector(0x43) = peekl(data + 45);
        equipment = equipment & ~0x30 | peekb(data + 49) & 0x30;
        data += DATA_SIZE;
    }
    if (parts & 4) {
        outb(DAC_MASK, peekb(data));
        set_dac(0, 256, data + 2);
        outb(DAC_INDEX, peekb(data + 1));
    }
}

void state_services(struct regs *r)
{
    far buffer = FAR(r->es, r->bx);
    if (r->al > 2 || r->cx & ~7)
        return;
    if (r->al == 0)
        r->bx = (state_size(r->cx) + 63) / 64;
    else if (r->al == 1)
        save_state(r->cx, buffer);
    else
        restore_state(r->cx, buffer);
    r->al = 0x1C;
}

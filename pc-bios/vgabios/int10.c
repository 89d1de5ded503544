/* POST, and which service INT 10h is (Ralf Brown's list). */
#include "vgabios.h"

extern void int10_entry(void);
extern const u8 __seg_gs save_pointer_table[];

/* The compiler calls it for structures on the stack. */
void *memset(void *to, int byte, u32 bytes)
{
    fillb(FAR(stack_segment(), (u32) to), byte, bytes);
    return to;
}

static void data_area(void)
{
    bda2.control = 0x60;                            /* 256 KiB */
    bda2.switches = 0xF9;                           /* an enhanced colour display, 80 columns */
    bda2.flags = FLAG_400 | 0x41;
    bda2.combination = 8;                           /* a VGA with a colour display, alone */
}

void post(void)
{
    data_area();
    save_pointer = ROM_FAR(save_pointer_table);
    vector(0x42) = vector(0x10);                    /* what the board has without us */
    vector(0x10) = vector(0x6D) = ROM_FAR(int10_entry);
    outb(0x46E8, 0x0E);                             /* addresses decoded, as adapters of the AT bus have it */
    outb(0x3C3, 1);
    set_mode(3);
}

/* The block that stands for the BIOS data area is empty: what is set is known to the adapter alone. */
void protected_mode_init(void)
{
    data_area();
    bda.crtc = inb(MISC_READ) & 1 ? CRTC : CRTC_MONO;
    bda.mode = vbe_active() ? VBE_MODE : 3;
    bda.columns = vbe_active() ? dispi(XRES) / 8 : 80;
    bda2.last_row = vbe_active() ? dispi(YRES) / 16 - 1 : 24;
    bda2.char_height = 16;
    vector(0x43) = rom_font(16);
}

void int10(struct regs *r)
{
    switch (r->ah) {
    case 0x00: {
        u8 number = r->al & 0x7F;
        if (set_mode(r->al))
            r->al = number > 7 ? 0x20 : number == 6 ? 0x3F : 0x30;
        break;
    }
    case 0x01:
        set_cursor_shape(r->cx);
        break;
    case 0x02:
        set_cursor(r->bh, r->dx);
        break;
    case 0x03:
        r->cx = bda.cursor_shape;
        r->dx = bda.cursor[r->bh & 7];
        break;
    case 0x04:
        r->ah = 0;                                  /* the light pen has not been triggered */
        break;
    case 0x05:
        set_page(r->al);
        break;
    case 0x06:
    case 0x07:
        scroll(bda.page, r->al, r->bh, r->cx, r->dx, r->ah == 7);
        break;
    case 0x08:
        read_character(r);
        break;
    case 0x09:
    case 0x0A:
        write_characters(r->bh, r->al, r->bl, r->cx, r->ah == 9);
        break;
    case 0x0B:
        cga_palette(r);
        break;
    case 0x0C:
    case 0x0D: {
        mode_ref m = current_mode();
        if (!m || m->layout == TEXT)
            break;
        if (r->ah == 0x0C)
            put_pixel(m, r->bh, r->cx, r->dx, r->al);
        else
            r->al = get_pixel(m, r->bh, r->cx, r->dx);
        break;
    }
    case 0x0E:
        teletype(bda.page, r->al, r->bl, 0);
        break;
    case 0x0F:
        r->al = bda.mode | bda2.control & CONTROL_NOT_CLEARED;
        r->ah = bda.columns;
        r->bh = bda.page;
        break;
    case 0x10:
        palette_services(r);
        break;
    case 0x11:
        font_services(r);
        break;
    case 0x12:
        alternate_select(r);
        break;
    case 0x13:
        write_string(r);
        break;
    case 0x1A:
        combination_services(r);
        break;
    case 0x1B:
        state_information(r);
        break;
    case 0x1C:
        state_services(r);
        break;
    case 0x4F:
        vbe_services(r);
        break;
    }
}

/* Timings of one's own (VBE 3.0, function 02h with bit 11, and 0Bh). The adapter has no pixel clock; what of a timing can be
   seen from the guest's side is when the retrace is and which way the synchronization goes, and that is as asked for. */
#include "vbe.h"

struct crtc_info {
    u16 horizontal_total, hsync_start, hsync_end;   /* pixels */
    u16 vertical_total, vsync_start, vsync_end;     /* lines */
    u8 flags;
    u32 clock;                                      /* Hz */
    u16 refresh;                                    /* 0.01 Hz */
} __attribute__((packed));
#define NEGATIVE_SYNC 0x0C                          /* of the flags; none of the others is for us: double scan, interlace */
#define LINE_RATE 3146875                           /* of the VGA's registers: 25.175 MHz, 800 dots; 0.01 Hz */
#define FEWEST 100                                  /* lines that its registers can count */
#define MOST 1024

static int fits(u32 size, u32 start, u32 end, u32 total) { return size <= start && start < end && end <= total; }

/* The lines of a frame by the VGA's registers; 0: it cannot be. */
static u32 frame_lines(vbe_mode_ref m, const struct crtc_info *t)
{
    if (t->flags & ~NEGATIVE_SYNC || !t->clock || t->clock > MAX_CLOCK || !t->refresh
        || !fits(m->width, t->hsync_start, t->hsync_end, t->horizontal_total)
        || !fits(m->height, t->vsync_start, t->vsync_end, t->vertical_total))
        return 0;
    u32 lines = LINE_RATE / t->refresh;
    return lines < FEWEST || lines > MOST ? 0 : lines;
}

int timing_fits(vbe_mode_ref m, far from)
{
    struct crtc_info t;
    copy(FAR(stack_segment(), (u32) &t), from, sizeof t);
    return frame_lines(m, &t) != 0;
}

/* A number of more than eight bits: the bits above into register 7, one here and one there. */
static void put_lines(u8 index, u32 value, u8 bit8, u8 bit9)
{
    u8 overflow = in_index(CRTC, 7) & ~(bit8 | bit9);
    out_index(CRTC, index, value);
    out_index(CRTC, 7, overflow | (value & 0x100 ? bit8 : 0) | (value & 0x200 ? bit9 : 0));
}

/* The parts of the frame have their share of its lines. */
void set_timing(vbe_mode_ref m, far from)
{
    struct crtc_info t;
    copy(FAR(stack_segment(), (u32) &t), from, sizeof t);
    u32 lines = frame_lines(m, &t), start = lines * t.vsync_start / t.vertical_total;
    u32 sync = lines * (t.vsync_end - t.vsync_start) / t.vertical_total;
    sync = sync < 1 ? 1 : sync > 15 ? 15 : sync;
    out_index(CRTC, 0x11, start + sync & 0x0F);     /* which unprotects the others, too */
    put_lines(0x06, lines - 2, 0x01, 0x20);
    put_lines(0x10, start, 0x04, 0x80);
    put_lines(0x12, lines * m->height / t.vertical_total - 1, 0x02, 0x40);
    outb(MISC_WRITE, inb(MISC_READ) & 0x3F | t.flags << 4);
}

/* ---- 0Bh: any clock up to the highest is there. */
u16 pixel_clock(struct regs *r)
{
    if (r->bl || !find_vbe_mode(r->dx & 0x1FF))
        return FAILED;
    if (r->ecx > MAX_CLOCK)
        r->ecx = MAX_CLOCK;
    return OK;
}

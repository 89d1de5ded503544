/* Mode 13h, 320 x 200 with 256 colours, and the way back, by the VGA's registers.
 *
 * The BIOS could do this, but it lives in real mode. A VGA is about sixty registers behind a few ports; nearly all of them
 * can be read, so the text mode that we found is remembered as it was. Its font lies in plane 2, where mode 13h draws: it
 * is remembered, too. (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem") */
#include "io.h"
#include "kernel.h"

#define SEQUENCERS 5
#define CRTCS 25
#define GRAPHICSES 9
#define ATTRIBUTES 21
#define FONT_SIZE (256 * 32)

struct mode {
    uint8_t misc, sequencer[SEQUENCERS], crtc[CRTCS], graphics[GRAPHICSES], attribute[ATTRIBUTES];
};

static const struct mode mode_13h = {
    0x63,
    {0x03, 0x01, 0x0F, 0x00, 0x0E},                     /* chain 4: the low bits of the address choose the plane */
    {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0, 0, 0, 0, 0, 0,
     0x9C, 0x8E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF},
    {0, 0, 0, 0, 0, 0x40, 0x05, 0x0F, 0xFF},            /* 256 colours; memory at A0000h */
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0F, 0, 0},
};

static volatile uint8_t *const memory = (volatile uint8_t *)0xA0000;
static struct mode text;
static uint8_t font[FONT_SIZE], text_palette[768];
static int in_graphics;

static void save_mode(struct mode *mode)
{
    mode->misc = inb(MISC_READ);
    for (int i = 0; i < SEQUENCERS; i++)
        mode->sequencer[i] = in_index(SEQUENCER, i);
    for (int i = 0; i < CRTCS; i++)
        mode->crtc[i] = in_index(CRTC, i);
    for (int i = 0; i < GRAPHICSES; i++)
        mode->graphics[i] = in_index(GRAPHICS, i);
    for (int i = 0; i < ATTRIBUTES; i++) {
        inb(STATUS1);
        outb(ATTRIBUTE, i);
        mode->attribute[i] = inb(ATTRIBUTE + 1);
    }
    inb(STATUS1);
    outb(ATTRIBUTE, ATTRIBUTE_ON);
}

static void set_mode(const struct mode *mode)
{
    out_index(SEQUENCER, 0, 0x01);                  /* hold the sequencer while its clock changes */
    outb(MISC_WRITE, mode->misc);
    for (int i = 1; i < SEQUENCERS; i++)
        out_index(SEQUENCER, i, mode->sequencer[i]);
    out_index(SEQUENCER, 0, mode->sequencer[0]);
    out_index(CRTC, 0x11, mode->crtc[0x11] & 0x7F); /* bit 7 protects registers 0 to 7 */
    for (int i = 0; i < CRTCS; i++)
        out_index(CRTC, i, i == 0x11 ? mode->crtc[i] & 0x7F : mode->crtc[i]);
    out_index(CRTC, 0x11, mode->crtc[0x11]);
    for (int i = 0; i < GRAPHICSES; i++)
        out_index(GRAPHICS, i, mode->graphics[i]);
    for (int i = 0; i < ATTRIBUTES; i++) {
        inb(STATUS1);
        outb(ATTRIBUTE, i);
        outb(ATTRIBUTE, mode->attribute[i]);
    }
    inb(STATUS1);
    outb(ATTRIBUTE, ATTRIBUTE_ON);
}

/* Let the CPU see plane 2 alone, byte after byte at A0000h. */
static void show_plane_2(void)
{
    out_index(SEQUENCER, 2, 0x04);                  /* write to plane 2 only */
    out_index(SEQUENCER, 4, 0x06);                  /* neither odd/even nor chain 4 */
    out_index(GRAPHICS, 4, 0x02);                   /* read plane 2 */
    out_index(GRAPHICS, 5, 0x00);
    out_index(GRAPHICS, 6, 0x05);                   /* 64 KiB at A0000h */
}

void set_palette(const uint8_t *rgb)
{
    outb(DAC_INDEX, 0);
    for (int i = 0; i < 768; i++)
        outb(DAC_DATA, rgb[i]);
}

void graphics_mode(void)
{
    if (in_graphics)
        return;
    in_graphics = 1;
    save_mode(&text);
    outb(DAC_READ_INDEX, 0);
    for (int i = 0; i < 768; i++)
        text_palette[i] = inb(DAC_DATA);
    console_graphics(1);
    show_plane_2();
    for (int i = 0; i < FONT_SIZE; i++)
        font[i] = memory[i];
    set_mode(&mode_13h);
    for (int i = 0; i < 320 * 200; i++)
        memory[i] = 0;
}

void text_mode(void)
{
    if (!in_graphics)
        return;
    in_graphics = 0;
    show_plane_2();
    for (int i = 0; i < FONT_SIZE; i++)
        memory[i] = font[i];
    set_mode(&text);
    set_palette(text_palette);
    console_graphics(0);
}

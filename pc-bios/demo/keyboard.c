/* The PS/2 keyboard, through the 8042 controller, which translates to scan code set 1: a byte when a key goes down, the
 * same with bit 7 when it comes up; E0h before the keys that the first PC did not have.
 *
 * Keys become what a terminal sends: arrow up is ESC [ A. So the shell need not know where its input comes from. */
#include "io.h"
#include "kernel.h"

/* Codes 00h to 39h on a US keyboard; 0: a key without a character. */
static const char plain[] = "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

static int shift, control, caps, extended;

static void send(const char *text)
{
    while (*text)
        input_put(*text++);
}

static void key_down(uint8_t code)
{
    switch (code) {
    case 0x47: send("\033[H"); return;
    case 0x48: send("\033[A"); return;
    case 0x4B: send("\033[D"); return;
    case 0x4D: send("\033[C"); return;
    case 0x4F: send("\033[F"); return;
    case 0x50: send("\033[B"); return;
    case 0x53: send("\033[3~"); return;
    }
    char c = 0;
    if (extended)
        c = code == 0x1C ? '\r' : code == 0x35 ? '/' : 0;       /* of the number pad */
    else if (code < sizeof plain - 1) {
        c = (shift ? shifted : plain)[code];
        if (caps && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            c ^= 0x20;
    }
    if (control && c >= '@')
        c &= 0x1F;
    if (c)
        input_put(c);
}

static void keyboard_interrupt(void)
{
    while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL) {
        uint8_t code = inb(KEYBOARD_DATA);
        int down = !(code & 0x80), key = code & 0x7F;
        if (code == 0xE0) {
            extended = 1;
            continue;
        }
        if ((key == 0x2A || key == 0x36) && !extended)          /* E0 2A is no shift, but part of a code */
            shift = down;
        else if (key == 0x1D)
            control = down;
        else if (key == 0x3A && down)
            caps = !caps;
        else if (down)
            key_down(code);
        extended = 0;
    }
}

static void command(uint8_t byte)
{
    while (inb(KEYBOARD_STATUS) & KEYBOARD_BUSY)
        ;
    outb(KEYBOARD_COMMAND, byte);
}

/* The controller's command byte: interrupt, translation, the mouse off. */
void keyboard_init(void)
{
    while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL)
        inb(KEYBOARD_DATA);
    command(KEYBOARD_WRITE_MODE);
    while (inb(KEYBOARD_STATUS) & KEYBOARD_BUSY)
        ;
    outb(KEYBOARD_DATA, 0x65);
    irq_handler(1, keyboard_interrupt);
}

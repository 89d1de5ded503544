/* Scan codes (set 1) to the words of the keyboard buffer: scan code and character. US layout. */
#include "bios.h"
#include "keyboard.h"

static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\b\0QWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
const char keypad[] = "789-456+1230.";

static u16 control(u8 code, u8 c)
{
    static const u8 moved[] = { 0x47, 0x77, 0x48, 0x8D, 0x49, 0x84, 0x4A, 0x8E, 0x4B, 0x73, 0x4C, 0x8F, 0x4D, 0x74, 0x4E, 0x90,
        0x4F, 0x75, 0x50, 0x91, 0x51, 0x76, 0x52, 0x92, 0x53, 0x93, 0x0F, 0x94, 0x57, 0x89, 0x58, 0x8A, 0x37, 0x96 };
    for (unsigned n = 0; n < sizeof moved; n += 2)
        if (moved[n] == code)
            return moved[n + 1] << 8;
    if (code >= 0x3B && code <= 0x44)
        return code + 0x23 << 8;
    if (c >= 'a' && c <= 'z' || c >= '[' && c <= ']')
        return code << 8 | c & 0x1F;
    switch (code) {
    case 0x01: case 0x39: return code << 8 | c;
    case 0x03: return 0x0300;
    case 0x07: return 0x071E;
    case 0x0C: return 0x0C1F;
    case 0x0E: return 0x0E7F;
    case 0x1C: return 0x1C0A;
    }
    return 0;
}

static u16 alternate(u8 code, u8 c)
{
    if (code >= 0x02 && code <= 0x0D)
        return code + 0x76 << 8;
    if (code >= 0x3B && code <= 0x44)
        return code + 0x2D << 8;
    if (code == 0x57 || code == 0x58)
        return code + 0x34 << 8;
    if (code == 0x39)
        return 0x3920;
    return c ? code << 8 : 0;
}

u16 key_of(u8 code, u8 flags, int e0)
{
    int shift = !!(flags & (LEFT | RIGHT));
    u8 c = code < sizeof plain - 1 ? plain[code] : 0;
    if (e0 && code != 0x1C && code != 0x35) {       /* the grey cursor block */
        u16 key = flags & ALT ? code + 0x50 << 8 : flags & CTRL ? control(code, 0) : code << 8;
        return code >= 0x47 && code <= 0x53 ? key | (flags & ALT ? 0 : 0xE0) : 0;
    }
    if (e0)
        return flags & ALT ? (code == 0x1C ? 0xA600 : 0xA400) : flags & CTRL ? (code == 0x1C ? 0xE00A : 0x9500) : 0xE000 | c;
    if (flags & ALT)
        return alternate(code, c);
    if (flags & CTRL)
        return control(code, c);
    if (code >= 0x3B && code <= 0x44)
        return (shift ? code + 0x19 : code) << 8;
    if (code == 0x57 || code == 0x58)
        return code + (shift ? 0x30 : 0x2E) << 8;
    if (code >= 0x47 && code <= 0x53) {
        u8 sign = keypad[code - 0x47];
        int number = !!(flags & NUM) ^ shift;
        return code << 8 | (number || sign == '-' || sign == '+' ? sign : 0);
    }
    if (code == 0x56)
        return code << 8 | (shift ? '|' : '\\');
    if (code == 0x0F && shift)
        return 0x0F00;
    if (c >= 'a' && c <= 'z')
        shift ^= !!(flags & CAPS);
    return c ? code << 8 | (u8) (shift ? shifted[code] : c) : 0;
}

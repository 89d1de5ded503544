/* The keyboard: INT 09h turns scan codes (set 1) into the buffer's words, INT 16h hands them out. US layout. */
#include "bios.h"

#define FLAGS 0x17                                  /* in the BIOS data area */
#define FLAGS2 0x18
#define FLAGS3 0x96
#define HEAD 0x1A
#define TAIL 0x1C
#define START 0x80
#define END 0x82
#define RIGHT 0x01
#define LEFT 0x02
#define CTRL 0x04
#define ALT 0x08
#define SCROLL 0x10
#define NUM 0x20
#define CAPS 0x40
#define INSERT 0x80
#define E0_LAST 0x02
#define E1_LAST 0x01
#define E0_ENHANCED 0x10

static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\b\0QWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
static const char keypad[] = "789-456+1230.";

static void store(u16 key)
{
    u16 head = peekw(BDA, HEAD), tail = peekw(BDA, TAIL), next = tail + 2;
    if (next >= peekw(BDA, END))
        next = peekw(BDA, START);
    if (!key || next == head)
        return;                                     /* full */
    pokew(BDA, tail, key);
    pokew(BDA, TAIL, next);
}

static u16 control(u8 code, u8 c)
{
    static const u8 moved[] = { 0x47, 0x77, 0x48, 0x8D, 0x49, 0x84, 0x4A, 0x8E, 0x4B, 0x73, 0x4C, 0x8F, 0x4D, 0x74, 0x4E, 0x90,
        0x4F, 0x75, 0x50, 0x91, 0x51, 0x76, 0x52, 0x92, 0x53, 0x93, 0x0F, 0x94, 0x57, 0x89, 0x58, 0x8A };
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

static u16 key_of(u8 code, u8 flags, int e0)
{
    int shift = !!(flags & (LEFT | RIGHT));
    u8 c = code < sizeof plain - 1 ? plain[code] : 0;
    if (e0 && code != 0x1C && code != 0x35) {       /* the grey cursor block */
        u16 key = flags & ALT ? code + 0x50 << 8 : flags & CTRL ? control(code, 0) : code << 8;
        return code >= 0x47 && code <= 0x53 ? key | (flags & ALT ? 0 : 0xE0) : 0;
    }
    if (e0)
        return flags & ALT ? (code == 0x1C ? 0xA600 : 0xA400) : flags & CTRL && code == 0x1C ? 0xE00A : 0xE000 | c;
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

/* A shift or lock key? It changes the flags and stores nothing. */
static int modifier(u8 code, int up, int e0)
{
    u8 flags = peekb(BDA, FLAGS), flags2 = peekb(BDA, FLAGS2), bit = 0, lock = 0;
    switch (code) {
    case 0x2A: bit = LEFT; break;
    case 0x36: bit = RIGHT; break;
    case 0x1D: bit = CTRL; break;
    case 0x38: bit = ALT; break;
    case 0x46: lock = SCROLL; break;
    case 0x45: lock = NUM; break;
    case 0x3A: lock = CAPS; break;
    default: return 0;
    }
    if (e0 && bit & (LEFT | RIGHT))
        return 1;                                   /* the shifts that the keyboard makes up */
    if (lock) {
        if (!up && !(flags2 & lock))
            flags ^= lock;
        flags2 = up ? flags2 & ~lock : flags2 | lock;
    } else
        flags = up ? flags & ~bit : flags | bit;
    pokeb(BDA, FLAGS, flags);
    pokeb(BDA, FLAGS2, flags2);
    return 1;
}

/* The controller's line to the processor's reset. */
void reboot(void)
{
    controller(0x64, 0xFE);
    for (;;)
        asm volatile("cli; hlt");
}

static void scan_code(u8 code)
{
    u8 prefix = peekb(BDA, FLAGS3);
    if (code == 0xE0 || code == 0xE1) {
        pokeb(BDA, FLAGS3, prefix | (code == 0xE0 ? E0_LAST : E1_LAST));
        return;
    }
    int e0 = prefix & E0_LAST, up = code & 0x80;
    if (prefix & E1_LAST) {                         /* Pause: E1 1D 45 E1 9D C5, of no effect */
        if ((code & 0x7F) == 0x45)
            pokeb(BDA, FLAGS3, prefix & ~E1_LAST);
        return;
    }
    pokeb(BDA, FLAGS3, prefix & ~E0_LAST);
    u8 flags = peekb(BDA, FLAGS);
    code &= 0x7F;
    if (e0 && code == 0x46 && flags & CTRL) {       /* Ctrl-Break */
        if (!up) {
            struct regs r = { 0 };
            pokew(BDA, HEAD, peekw(BDA, START));
            pokew(BDA, TAIL, peekw(BDA, START));
            pokeb(BDA, 0x71, 0x80);
            call_int(0x1B, &r);
            store(0x0001);
        }
        return;
    }
    if (modifier(code, up, e0))
        return;
    if (code == 0x53 && (flags & (CTRL | ALT)) == (CTRL | ALT)) {
        pokew(BDA, 0x72, 0x1234);
        reboot();
    }
    if (up)
        return;
    if (code == 0x52 && (e0 || !(flags & NUM)))
        pokeb(BDA, FLAGS, flags ^ INSERT);
    store(key_of(code, flags, e0));
}

void handle_09(struct regs *r)
{
    u8 status = inb(0x64);
    if ((status & 0x21) == 1) {
        struct regs key = { .eax = 0x4F00 | inb(0x60), .flags = CF };
        call_int(0x15, &key);
        if (key.flags & CF)
            scan_code(key.al);
    }
    cli();
    outb(0x20, 0x20);
}

static int available(void) { return peekw(BDA, HEAD) != peekw(BDA, TAIL); }
static u16 first(void) { return peekw(BDA, peekw(BDA, HEAD)); }

static void take(void)
{
    u16 head = peekw(BDA, HEAD) + 2;
    pokew(BDA, HEAD, head >= peekw(BDA, END) ? peekw(BDA, START) : head);
}

/* What functions 00h and 01h, for keyboards of 84 keys, show: E0 marks go, keys that those have not are passed over. */
static int old_key(u16 *key)
{
    u8 code = *key >> 8, c = *key;
    if (code == 0xE0)
        *key = (c == '/' ? 0x3500 : 0x1C00) | c;
    else if (c == 0xE0 && code)
        *key &= 0xFF00;
    else if (code > 0x84 && !c)
        return 0;
    return 1;
}

/* The next key, if there is one. */
static int next_key(int old, u16 *key)
{
    while (available()) {
        *key = first();
        if (!old || old_key(key))
            return 1;
        take();
    }
    return 0;
}

void handle_16(struct regs *r)
{
    u16 key = 0;
    int old = !(r->ah & 0x10);
    switch (r->ah) {
    case 0x00: case 0x10:
        while (!next_key(old, &key))
            asm volatile("sti; hlt; cli" : : : "memory");
        take();
        r->ax = key;
        break;
    case 0x01: case 0x11:
        if (next_key(old, &key)) {
            r->ax = key;
            r->flags &= ~ZF;
        } else
            r->flags |= ZF;
        r->flags |= IF;                             /* pollers wait for the interrupt that they poll for */
        break;
    case 0x02:
        r->al = peekb(BDA, FLAGS);
        break;
    case 0x05: {
        u16 tail = peekw(BDA, TAIL);
        store(r->cx);
        r->al = tail == peekw(BDA, TAIL);
        break;
    }
    case 0x09:
        r->al = 0x20;                               /* functions 10h-12h */
        break;
    case 0x12:
        r->al = peekb(BDA, FLAGS);
        r->ah = peekb(BDA, FLAGS2) & 0x73;
    }
}

void controller(u16 port, u8 value)
{
    for (u32 n = 0; n < 100000 && inb(0x64) & 2; n++)
        ;
    outb(port, value);
}

/* Interrupts of the keyboard, translation, no mouse; nothing of the past. */
void controller_init(void)
{
    controller(0x64, 0x60);
    controller(0x60, 0x65);
    while (inb(0x64) & 1)
        inb(0x60);
}

void keyboard_init(void)
{
    pokew(BDA, START, 0x1E);
    pokew(BDA, END, 0x3E);
    pokew(BDA, HEAD, 0x1E);
    pokew(BDA, TAIL, 0x1E);
    pokeb(BDA, FLAGS3, E0_ENHANCED);
    controller_init();
}

/* The keyboard: its controller, and INT 09h, which turns scan codes (set 1) into the buffer's words. */
#include "bios.h"
#include "keyboard.h"

void store(u16 key)
{
    u16 head = peekw(BDA, HEAD), tail = peekw(BDA, TAIL), next = tail + 2;
    if (next >= peekw(BDA, END))
        next = peekw(BDA, START);
    if (!key || next == head)
        return;                                     /* full */
    pokew(BDA, tail, key);
    pokew(BDA, TAIL, next);
}

void controller(u16 port, u8 value)
{
    for (u32 n = 0; n < 100000 && inb(KEYBOARD_STATUS) & KEYBOARD_BUSY; n++)
        ;
    outb(port, value);
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

/* Of everything, by the PIIX3's reset control register; else of the processor, by the keyboard controller's line. */
void reboot(void)
{
    if (has_pci) {
        outb(RESET_CONTROL, 0x02);
        outb(RESET_CONTROL, 0x06);
    }
    controller(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
    for (;;)
        asm volatile("cli; hlt");
}

static void acknowledge(void) { outb(PIC_MASTER, PIC_EOI); }

/* Until another key has been pressed, which then is not stored. */
static void pause(void)
{
    pokeb(BDA, FLAGS2, peekb(BDA, FLAGS2) | PAUSED);
    acknowledge();
    while (peekb(BDA, FLAGS2) & PAUSED)
        asm volatile("sti; hlt; cli" : : : "memory");
}

static void attention(void)                         /* Ctrl-Break */
{
    struct regs r = { 0 };
    pokew(BDA, HEAD, peekw(BDA, START));
    pokew(BDA, TAIL, peekw(BDA, START));
    pokeb(BDA, 0x71, 0x80);
    call_int(0x1B, &r);
    store(0x0001);
}

/* A character by its number, on the keypad with Alt down. */
static int alt_number(u8 code, u8 flags, int up, int e0)
{
    u8 number = peekb(BDA, ALT_NUMBER), digit = code >= 0x47 && code <= 0x52 ? keypad[code - 0x47] - '0' : 10;
    if (up && code == 0x38 && number) {
        pokeb(BDA, ALT_NUMBER, 0);
        modifier(code, up, e0);
        store(number);
        return 1;
    }
    if (up || e0 || digit > 9 || (flags & (ALT | CTRL)) != ALT)
        return 0;
    pokeb(BDA, ALT_NUMBER, number * 10 + digit);
    return 1;
}

/* Keys that do something at once. 0: it is none of these; 1: done; 2: and the interrupt has been acknowledged. */
static int command_key(u8 code, u8 flags, int up, int e0)
{
    struct regs r = { .eax = 0x8500 | !!up };
    if (e0 && code == 0x46 && flags & CTRL) {
        if (!up)
            attention();
        return 1;
    }
    if (code == 0x54) {                             /* SysReq */
        call_int(0x15, &r);
        return 1;
    }
    if (e0 && code == 0x37) {                       /* PrtSc */
        if (up)
            return 1;
        if (flags & CTRL) {
            store(0x7200);
            return 1;
        }
        acknowledge();
        call_int(0x05, &r);
        return 2;
    }
    if (code == 0x45 && flags & CTRL && !up && !e0) {
        pause();
        return 2;
    }
    if (code == 0x53 && !up && (flags & (CTRL | ALT)) == (CTRL | ALT)) {
        pokew(BDA, 0x72, 0x1234);
        reboot();
    }
    return 0;
}

/* Return: has the interrupt been acknowledged? */
int scan_code(u8 code)
{
    u8 prefix = peekb(BDA, FLAGS3);
    if (code == 0xE0 || code == 0xE1) {
        pokeb(BDA, FLAGS3, prefix | (code == 0xE0 ? E0_LAST : E1_LAST));
        return 0;
    }
    int e0 = prefix & E0_LAST, up = code & 0x80;
    if (prefix & E1_LAST) {                         /* Pause: E1 1D 45 E1 9D C5 */
        if ((code & 0x7F) != 0x45)
            return 0;
        pokeb(BDA, FLAGS3, prefix & ~E1_LAST);
        if (up)
            return 0;
        pause();
        return 1;
    }
    pokeb(BDA, FLAGS3, prefix & ~E0_LAST);
    u8 flags = peekb(BDA, FLAGS);
    code &= 0x7F;
    int done = command_key(code, flags, up, e0);
    if (done)
        return done == 2;
    if (alt_number(code, flags, up, e0) || modifier(code, up, e0) || up)
        return 0;
    if (peekb(BDA, FLAGS2) & PAUSED) {
        pokeb(BDA, FLAGS2, peekb(BDA, FLAGS2) & ~PAUSED);
        return 0;
    }
    if (code == 0x52 && (e0 || !(flags & NUM)))
        pokeb(BDA, FLAGS, flags ^ INSERT);
    store(key_of(code, flags, e0));
    return 0;
}

/* The keyboard's lights follow the locks: command, answer, argument, answer, each answer an interrupt. Is the byte one? */
static int lights(u8 byte)
{
    u8 state = peekb(BDA, LIGHTS), wanted = peekb(BDA, FLAGS) >> 4 & 7;
    if (!(state & LIGHTS_CHANGING)) {
        if ((state & 7) != wanted) {
            pokeb(BDA, LIGHTS, state | LIGHTS_CHANGING);
            controller(KEYBOARD_DATA, 0xED);
        }
        return 0;
    }
    if (byte != 0xFA && byte != 0xFE)
        return 0;
    if (byte == 0xFE || state & LIGHTS_SENT)
        pokeb(BDA, LIGHTS, state & ~(LIGHTS_CHANGING | LIGHTS_SENT));
    else {
        pokeb(BDA, LIGHTS, state & ~7 | wanted | LIGHTS_SENT);
        controller(KEYBOARD_DATA, wanted);
    }
    return 1;
}

void handle_09(struct regs *r)
{
    int acknowledged = 0;
    if ((inb(KEYBOARD_STATUS) & (KEYBOARD_FULL | KEYBOARD_FROM_MOUSE)) == KEYBOARD_FULL) {
        u8 byte = inb(KEYBOARD_DATA);
        struct regs key = { .eax = 0x4F00 | byte, .flags = CF };
        if (peekb(BDA, LIGHTS) & LIGHTS_CHANGING && lights(byte)) {
            acknowledge();
            return;
        }
        call_int(0x15, &key);
        if (key.flags & CF)
            acknowledged = scan_code(key.al);
        cli();
        lights(0);
    }
    if (!acknowledged)
        acknowledge();
}

/* Interrupts of the keyboard, translation, no mouse; nothing of the past. */
void controller_init(void)
{
    controller(KEYBOARD_COMMAND, KEYBOARD_WRITE_MODE);
    controller(KEYBOARD_DATA, 0x65);
    while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL)
        inb(KEYBOARD_DATA);
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

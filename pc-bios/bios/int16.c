/* INT 16h: the keys that INT 09h has stored. */
#include "bios.h"
#include "drives.h"
#include "keyboard.h"

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
    else if (code > 0x84)
        return 0;
    else if (c == 0xE0 && code)
        *key &= 0xFF00;
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

/* A byte to the keyboard, while its interrupts are off. Is it taken? */
static int command(u8 byte)
{
    struct timeout limit = MILLISECONDS(50);
    controller(KEYBOARD_DATA, byte);
    while (!expired(&limit))
        if ((inb(KEYBOARD_STATUS) & (KEYBOARD_FULL | KEYBOARD_FROM_MOUSE)) == KEYBOARD_FULL) {
            u8 answer = inb(KEYBOARD_DATA);
            if (answer == 0xFA || answer == 0xFE)
                return answer == 0xFA;
            scan_code(answer);
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
        r->al = 0x34;                               /* functions 10h-12h, 0Ah, 0305h */
        break;
    case 0x03:
        if (r->al == 5 && r->bh < 4 && r->bl < 0x20 && command(0xF3))
            command(r->bh << 5 | r->bl);            /* typematic delay and rate */
        break;
    case 0x0A:
        r->bx = 0x41AB;                             /* an MF2 keyboard, translated */
        break;
    case 0x12:
        r->al = peekb(BDA, FLAGS);
        r->ah = peekb(BDA, FLAGS2) & 0x73;
    }
}

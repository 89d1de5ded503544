/* PS/2 mouse: INT 15h C2xxh and INT 74h (IRQ 12) (IBM Personal System/2 and Personal Computer BIOS Interface Technical
   Reference). What the program's handler is, and the packet so far, lie in the extended data area where the PS/2 has them. */
#include "bios.h"
#include "drives.h"

#define HANDLER 0x22                                /* far pointer */
#define INDEX 0x26                                  /* bytes of the packet so far */
#define FLAGS 0x27
#define HAS_HANDLER 0x80
#define SIZE_MASK 0x07                              /* bytes of a packet, less 1 */
#define PACKET 0x28

enum { DONE, BAD_FUNCTION, BAD_INPUT, INTERFACE_ERROR, RESEND, NO_HANDLER };
#define ACK 0xFA
#define ACK_NOT 0xFE

/* More of the 8042 */
#define STOP_MOUSE 0xA7
#define STOP_KEYBOARD 0xAD
#define MOUSE_IRQ 0x02                              /* of the mode */
#define KEYBOARD_OFF 0x10
#define MOUSE_OFF 0x20

void call_mouse_handler(u32 handler, u32 status_and_x, u32 y);

/* Both cables are stopped and nothing is left before the mode byte is asked for. */
static void set_mode(u8 bits)
{
    controller(KEYBOARD_COMMAND, STOP_MOUSE);
    controller(KEYBOARD_COMMAND, STOP_KEYBOARD);
    while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL)
        inb(KEYBOARD_DATA);
    controller(KEYBOARD_COMMAND, KEYBOARD_READ_MODE);
    struct timeout limit = MILLISECONDS(20);
    while (!(inb(KEYBOARD_STATUS) & KEYBOARD_FULL) && !expired(&limit))
        ;
    bits |= inb(KEYBOARD_DATA) & ~(MOUSE_IRQ | MOUSE_OFF | KEYBOARD_OFF);
    controller(KEYBOARD_COMMAND, KEYBOARD_WRITE_MODE);
    controller(KEYBOARD_DATA, bits);
}

/* While we talk to it neither interrupts; the keyboard's codes wait in the keyboard. */
static void begin(void)
{
    sti();                                          /* what the keyboard has for us is taken now */
    asm volatile("nop");
    cli();
    set_mode(KEYBOARD_OFF);
    pokeb(EBDA, INDEX, 0);
}

/* The mouse's next byte, or -1. */
static int receive(u32 milliseconds)
{
    struct timeout limit = MILLISECONDS(milliseconds);
    while (!expired(&limit)) {
        u8 status = inb(KEYBOARD_STATUS);
        if (status & KEYBOARD_FULL) {
            u8 byte = inb(KEYBOARD_DATA);
            if (status & KEYBOARD_FROM_MOUSE)
                return byte;
        }
    }
    return -1;
}

static int send(u8 byte)
{
    controller(KEYBOARD_COMMAND, 0xD4);
    controller(KEYBOARD_DATA, byte);
    int answer;
    do
        answer = receive(50);
    while (answer >= 0 && answer != ACK && answer != ACK_NOT);      /* rests of a packet */
    return answer == ACK ? DONE : answer == ACK_NOT ? RESEND : INTERFACE_ERROR;
}

static int send2(u8 command, u8 argument)
{
    int status = send(command);
    return status ? status : send(argument);
}

static int reset(struct regs *r)
{
    int status = send(0xFF), test = status ? -1 : receive(1000), id = test < 0 ? -1 : receive(50);
    if (status || test != 0xAA || id < 0)
        return status ? status : INTERFACE_ERROR;
    r->bl = test;
    r->bh = id;
    return DONE;
}

static int set_rate(u8 n)
{
    static const u8 rates[] = { 10, 20, 40, 60, 80, 100, 200 };
    return n > 6 ? BAD_INPUT : send2(0xF3, rates[n]);
}

static int identify(struct regs *r)
{
    int status = send(0xF2), id = status ? 0 : receive(50);
    if (id < 0)
        return INTERFACE_ERROR;
    if (!status)
        r->bh = id;
    return status;
}

static int extended(struct regs *r)
{
    if (r->bh > 2)
        return BAD_INPUT;
    if (r->bh)
        return send(r->bh == 1 ? 0xE6 : 0xE7);      /* scaling 1:1, 2:1 */
    int status = send(0xE9), bytes[3];
    for (int n = 0; n < 3 && !status; n++)
        if ((bytes[n] = receive(50)) < 0)
            status = INTERFACE_ERROR;
    if (!status) {
        r->bl = bytes[0];
        r->cl = bytes[1];
        r->dl = bytes[2];
    }
    return status;
}

static void set_handler(struct regs *r)
{
    u8 flags = peekb(EBDA, FLAGS) & ~HAS_HANDLER;
    pokew(EBDA, HANDLER, r->bx);
    pokew(EBDA, HANDLER + 2, r->es);
    pokeb(EBDA, INDEX, 0);
    pokeb(EBDA, FLAGS, r->bx || r->es ? flags | HAS_HANDLER : flags);
}

/* What the mouse has said to a byte of the program's own (C208h), until it is asked for (C209h). */
static u8 answers[3], answer_count;

static int write_port(struct regs *r)
{
    int status = send(r->bl), byte;
    answer_count = 0;
    while (!status && answer_count < sizeof answers && (byte = receive(answer_count ? 20 : 50)) >= 0)
        answers[answer_count++] = byte;
    return status;
}

static int read_port(struct regs *r)
{
    if (!answer_count)
        return INTERFACE_ERROR;
    r->bl = answers[0];
    r->cl = answers[1];
    r->dl = answers[2];
    answer_count = answers[1] = answers[2] = 0;
    return DONE;
}

static int talk(struct regs *r, int *on)
{
    switch (r->al) {
    case 0:
        if (r->bh > 1)
            return BAD_INPUT;
        if (r->bh && !(peekb(EBDA, FLAGS) & HAS_HANDLER))
            return NO_HANDLER;
        *on = r->bh;
        return send(r->bh ? 0xF4 : 0xF5);
    case 1: *on = 0; return reset(r);
    case 2: return set_rate(r->bh);
    case 3: return r->bh > 3 ? BAD_INPUT : send2(0xE8, r->bh);
    case 4: return identify(r);
    case 5:
        if (r->bh < 1 || r->bh > 8)
            return BAD_INPUT;
        pokeb(EBDA, FLAGS, peekb(EBDA, FLAGS) & ~SIZE_MASK | r->bh - 1);
        *on = 0;
        return reset(r);
    case 6: return extended(r);
    case 8: return write_port(r);
    case 9: return read_port(r);
    }
    return BAD_FUNCTION;
}

static int present(void) { return peekb(BDA, 0x10) & 0x04; }
static u8 enabled;

void mouse_15(struct regs *r)
{
    int status = DONE, on = enabled;
    if (r->al == 7)
        set_handler(r);
    else if (r->al > 9)
        status = BAD_FUNCTION;
    else if (!present())
        status = INTERFACE_ERROR;
    else {
        begin();
        status = talk(r, &on);
        enabled = on;
        set_mode(on ? MOUSE_IRQ : MOUSE_OFF);
    }
    r->ah = status;
    carry(r, status);
}

/* A byte of a packet; a whole packet is the program's: status, X, Y and 0 on the stack, in words. */
void handle_74(struct regs *r)
{
    u8 state = inb(KEYBOARD_STATUS), flags = peekb(EBDA, FLAGS), at = peekb(EBDA, INDEX) & SIZE_MASK;
    int whole = 0;
    if ((state & (KEYBOARD_FULL | KEYBOARD_FROM_MOUSE)) == (KEYBOARD_FULL | KEYBOARD_FROM_MOUSE)) {
        pokeb(EBDA, PACKET + at, inb(KEYBOARD_DATA));
        whole = at++ == (flags & SIZE_MASK);
        pokeb(EBDA, INDEX, whole ? 0 : at);
    }
    outb(PIC_SLAVE, PIC_EOI);
    outb(PIC_MASTER, PIC_EOI);
    if (whole && flags & HAS_HANDLER)
        call_mouse_handler(peekl(EBDA, HANDLER), peekb(EBDA, PACKET) << 16 | peekb(EBDA, PACKET + 1), peekb(EBDA, PACKET + 2) << 16);
}

/* Is there one? It answers to a question for its identity. */
void mouse_init(void)
{
    struct regs r = { 0 };
    enabled = 0;
    pokeb(EBDA, FLAGS, 2);
    set_mode(KEYBOARD_OFF);
    if (identify(&r) == DONE)
        pokeb(BDA, 0x10, peekb(BDA, 0x10) | 0x04);
    set_mode(MOUSE_OFF);
}

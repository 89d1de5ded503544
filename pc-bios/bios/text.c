/* What we say: to the debug console (port 402h), to the screen, and, where fw_cfg tells that nobody looks at a screen
   (-nographic), to COM1, whose keys then count, too. */
#include "bios.h"
#include "drives.h"

#define NOGRAPHIC 0x04
static u16 serial;

void text_init(void)
{
    serial = 0;
    if (!fw_cfg_word(NOGRAPHIC) || !peekw(BDA, 0))
        return;
    serial = peekw(BDA, 0);
    outb(serial + UART_LINE, UART_DLAB | UART_8N1);  /* 115200 baud */
    outb(serial, 1);
    outb(serial + UART_INTERRUPTS, 0);
    outb(serial + UART_LINE, UART_8N1);
    outb(serial + UART_MODEM, 0);
}

void say(const char *text) { while (*text) outb(0x402, *text++); }

static void send(u8 c)
{
    struct timeout limit = MILLISECONDS(100);
    while (!(inb(serial + UART_STATUS) & UART_MAY_SEND))
        if (expired(&limit))
            return;
    outb(serial, c);
}

void print(const char *text)
{
    say(text);
    for (; *text; text++) {
        struct regs r = { .eax = 0x0E00 | (u8) *text, .ebx = 7 };
        if (serial)
            send(*text);
        call_int(0x10, &r);
    }
}

static void hex(u32 n, int digits, void (*to)(const char *))
{
    char text[9];
    text[digits] = 0;
    while (digits--) {
        text[digits] = "0123456789ABCDEF"[n & 15];
        n >>= 4;
    }
    to(text);
}

void say_hex(u32 n, int digits) { hex(n, digits, say); }
void print_hex(u32 n, int digits) { hex(n, digits, print); }

void print_number(u32 n)
{
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do
        digits[--at] = '0' + n % 10;
    while (n /= 10);
    print(digits + at);
}

void print_size(u32 kib)
{
    static const char *const units[] = { " KiB", " MiB", " GiB" };
    int unit = 0;
    for (; kib >= 10240 && unit < 2; unit++)
        kib >>= 10;
    print_number(kib);
    print(units[unit]);
}

/* COM1's other end sends while we wait for it: what else comes is the system's that is started. */
static void listen(int on)
{
    if (serial)
        outb(serial + UART_MODEM, on ? UART_DTR_RTS : 0);
}

static int await_key(u32 ticks)
{
    for (u8 last = peekb(BDA, 0x6C);;) {
        struct regs r = { .eax = 0x0100 };
        call_int(0x16, &r);
        if (!(r.flags & ZF)) {
            r.eax = 0;
            call_int(0x16, &r);
            return r.al;
        }
        if (serial && inb(serial + UART_STATUS) & UART_RECEIVED)
            return inb(serial);
        if (last != peekb(BDA, 0x6C)) {
            last = peekb(BDA, 0x6C);
            if (!ticks--)
                return 0;
        }
        asm volatile("sti; hlt");
    }
}

/* The character of a key that comes within so many ticks of 55 ms, or 0. */
int read_key(u32 ticks)
{
    listen(1);
    int key = await_key(ticks);
    listen(0);
    return key;
}

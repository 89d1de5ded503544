/* INT 15h: memory, A20, what this system is, waiting (clock.c), the mouse (mouse.c). What is not served answers as an AT's
   BIOS does: carry and 86h. 53xxh is in apm.asm, 89h in protect.asm. */
#include "bios.h"

static u8 a20(void) { return (inb(SYSTEM_CONTROL) & SYSTEM_CONTROL_A20) != 0; }
static void set_a20(u8 on) { outb(SYSTEM_CONTROL, inb(SYSTEM_CONTROL) & 0xFC | on << 1); }

/* Descriptors 2 and 3 of ES:SI: from, to; CX words. Beyond the first MiB, so A20 is needed. */
static void block_move(struct regs *r)
{
    u16 at = r->si;
    u32 from = peekl(r->es, at + 18) & 0xFFFFFF | peekb(r->es, at + 23) << 24;
    u32 to = peekl(r->es, at + 26) & 0xFFFFFF | peekb(r->es, at + 31) << 24;
    u8 before = a20();
    set_a20(1);
    copy_flat(to, from, (u32) r->cx * 2);
    set_a20(before);
    r->ah = 0;
}

static void big_memory(struct regs *r, int wide)
{
    u32 kib = extended_memory(), low = kib > 0x3C00 ? 0x3C00 : kib, high = kib > 0x3C00 ? (kib - 0x3C00) >> 6 : 0;
    if (wide) {
        r->eax = r->ecx = low;
        r->ebx = r->edx = high;
    } else {
        r->ax = r->cx = low;
        r->bx = r->dx = high;
    }
}

static void a20_gate(struct regs *r)
{
    u8 function = r->al;
    r->ah = 0;
    if (function < 2)
        set_a20(function);
    else if (function == 2)
        r->al = a20();
    else if (function == 3)
        r->bx = 3;                                  /* keyboard controller and port 92h */
    else {
        r->ah = 0x86;
        carry(r, 1);
    }
}

void handle_15(struct regs *r)
{
    /* an AT; two 8259s, clock, INT 15h 4Fh called, an extended data area; INT 16h 09h */
    static const u8 table[] = { 8, 0, 0xFC, 0, 0, 0x74, 0x40, 0, 0, 0 };
    if (r->ax == 0xE820) {
        map_entry(r);
        return;
    }
    carry(r, 0);
    if (r->ax == 0xE801 || r->ax == 0xE881) {
        big_memory(r, r->al == 0x81);
        return;
    }
    switch (r->ah) {
    case 0x24:
        a20_gate(r);
        break;
    case 0x4F:
        carry(r, 1);                                /* the key is to be taken as it is */
        break;
    case 0x83:
        event_wait_15(r);
        break;
    case 0x86:
        wait_15(r);
        break;
    case 0x87:
        block_move(r);
        break;
    case 0x88:
        r->ax = extended_memory() > 0xFC00 ? 0xFC00 : extended_memory();
        break;
    case 0x80: case 0x81: case 0x82: case 0x85: case 0x90: case 0x91:
        r->ah = 0;                                  /* for operating systems to replace */
        break;
    case 0x8A:
        r->dx = extended_memory() >> 16;
        r->ax = extended_memory();
        break;
    case 0xC0:
        r->es = 0xF000;
        r->bx = (u16) (u32) table;
        r->ah = 0;
        break;
    case 0xC1:
        r->es = EBDA;
        break;
    case 0xC2:
        mouse_15(r);
        break;
    default:
        r->ah = 0x86;
        carry(r, 1);
    }
}

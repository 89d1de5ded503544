/* What the BIOS, the VGA BIOS and the demo share: the instructions for ports, and where a PC has the chips that more
   than one of them talks to (IBM Personal System/2 Hardware Interface Technical Reference). */
#ifndef PORTS_H
#define PORTS_H
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;

/* A port that is known goes into DX by an instruction of 16 bits: gcc would load all of EDX. */
#define IS_NAMED(port) (__builtin_constant_p(port) && (port) > 0xFF)
#define OUT(name, type) \
    static inline __attribute__((always_inline)) void name(u16 port, type v) { \
        if (IS_NAMED(port)) \
            __asm__ volatile("movw %1, %%dx; " #name " %0, %%dx" : : "a"(v), "i"(port) : "edx"); \
        else \
            __asm__ volatile(#name " %0, %1" : : "a"(v), "Nd"(port)); \
    }
#define IN(name, type) \
    static inline __attribute__((always_inline)) type name(u16 port) { \
        type v; \
        if (IS_NAMED(port)) \
            __asm__ volatile("movw %1, %%dx; " #name " %%dx, %0" : "=a"(v) : "i"(port) : "edx"); \
        else \
            __asm__ volatile(#name " %1, %0" : "=a"(v) : "Nd"(port)); \
        return v; \
    }
OUT(outb, u8) OUT(outw, u16) OUT(outl, u32)
IN(inb, u8) IN(inw, u16) IN(inl, u32)

static inline void cli(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void sti(void) { __asm__ volatile("sti" : : : "memory"); }

/* An index, and the data in the next port */
static inline void out_index(u16 port, u8 index, u8 v) { outw(port, index | v << 8); }
static inline u8 in_index(u16 port, u8 index) { outb(port, index); return inb(port + 1); }

/* 8259: the command port; the mask is in the next one */
#define PIC_MASTER 0x20
#define PIC_SLAVE 0xA0
#define PIC_EOI 0x20
#define PIC_READ_ISR 0x0B

/* 8254 */
#define PIT_CLOCK 1193182                           /* Hz: a third of the colour carrier of American television */
#define PIT_COUNTER(n) (0x40 + (n))
#define PIT_CONTROL 0x43

/* 8042 */
#define KEYBOARD_DATA 0x60
#define KEYBOARD_COMMAND 0x64                       /* written; read, it is the status: */
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_FULL 0x01                          /* there is a byte for us, */
#define KEYBOARD_FROM_MOUSE 0x20                    /* of the mouse */
#define KEYBOARD_BUSY 0x02                          /* it has not taken ours yet */
#define KEYBOARD_READ_MODE 0x20                     /* commands */
#define KEYBOARD_WRITE_MODE 0x60
#define KEYBOARD_PULSE_RESET 0xFE                   /* its output bit 0 is the CPU's reset line */

/* The board's own */
#define PORT_B 0x61
#define PORT_B_SPEAKER 0x03                         /* counter 2's gate, and its way to the speaker */
#define PORT_B_REFRESH 0x10                         /* changes every 15 us */
#define CMOS 0x70                                   /* index and data */
#define SYSTEM_CONTROL 0x92
#define SYSTEM_CONTROL_A20 0x02
#define RESET_CONTROL 0xCF9                         /* of the PIIX3 and its successors; a rising edge of bit 2 resets all */

/* PCI's mechanism 1 */
#define PCI_ADDRESS 0xCF8
#define PCI_DATA 0xCFC
#define PCI_ENABLE 0x80000000U

/* 16450 and 16550: offsets from the first port; the first two are the divisor while DLAB is set */
#define UART_DATA 0
#define UART_INTERRUPTS 1
#define UART_LINE 3
#define UART_DLAB 0x80
#define UART_8N1 0x03
#define UART_MODEM 4
#define UART_DTR_RTS 0x03
#define UART_OUT2 0x08                              /* on a PC lets the interrupt through */
#define UART_STATUS 5
#define UART_RECEIVED 0x01
#define UART_MAY_SEND 0x20
#define UART_MODEM_STATUS 6
#define UART_SCRATCH 7

/* VGA */
#define ATTRIBUTE 0x3C0                             /* index and data alternate; reading STATUS1 begins with the index */
#define ATTRIBUTE_ON 0x20                           /* the screen is shown only while this bit of the index is set */
#define MISC_WRITE 0x3C2
#define SEQUENCER 0x3C4
#define DAC_MASK 0x3C6
#define DAC_READ_INDEX 0x3C7
#define DAC_INDEX 0x3C8
#define DAC_DATA 0x3C9
#define MISC_READ 0x3CC
#define GRAPHICS 0x3CE
#define CRTC_MONO 0x3B4
#define CRTC 0x3D4
#define STATUS1 0x3DA                               /* where the CRTC is CRTC */
#define STATUS1_RETRACE 0x08
#endif

/* The ends: restart, power off, and the exit of emulators. */
#include "io.h"
#include "kernel.h"

#define DEBUG_EXIT 0xF4                 /* where -device isa-debug-exit,iobase=0xf4 is */

void command_reboot(const char *arguments)
{
    static const struct { uint16_t limit; uint32_t base; } __attribute__((packed)) nothing;
    (void)arguments;
    cli();
    for (int i = 0; i < 100000 && inb(KEYBOARD_STATUS) & KEYBOARD_BUSY; i++)
        ;
    outb(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
    for (int i = 0; i < 100000; i++)
        inb(0x80);
    outb(RESET_CONTROL, 0x02);
    outb(RESET_CONTROL, 0x06);          /* a rising edge of bit 2: reset all */
    for (int i = 0; i < 100000; i++)
        inb(0x80);
    /* An exception without a handler for it, nor for the double fault that follows: the CPU shuts down, the board resets it. */
    __asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

void command_poweroff(const char *arguments)
{
    (void)arguments;
    if (!acpi_soft_off())
        printf("poweroff: neither ACPI nor a PIIX4 was found\n");
    else
        printf("poweroff: the machine is still on\n");
}

/* isa-debug-exit ends the emulator with the status N * 2 + 1. It cannot be found but by trying. */
void command_exit(const char *arguments)
{
    int status = 0;
    if (*arguments && !number(arguments, &status)) {
        printf("exit N: N is a number\n");
        return;
    }
    outb(DEBUG_EXIT, status);
    printf("exit: there is no isa-debug-exit at port F4h; try poweroff\n");
}

/* The x87's registers belong to one task at a time. They are saved only when another task wants them: after a switch
 * bit 3 of CR0 (TS) is set, with which the first x87 instruction raises exception 7. */
#include "io.h"
#include "kernel.h"

#define CR0_MP 0x02u                    /* WAIT raises exception 7, too */
#define CR0_EM 0x04u
#define CR0_TS 0x08u
#define CR0_NE 0x20u                    /* errors raise exception 16, not IRQ 13 */

static struct task *owner;

void fpu_init(void)
{
    write_cr0((read_cr0() & ~CR0_EM) | CR0_MP | CR0_NE | CR0_TS);
}

void fpu_switched(void)
{
    if (owner == current)
        __asm__ volatile("clts");
    else
        write_cr0(read_cr0() | CR0_TS);
}

void fpu_trap(void)
{
    __asm__ volatile("clts");
    if (owner)
        __asm__ volatile("fnsave %0" : "=m"(owner->fpu));
    if (current->fpu_used)
        __asm__ volatile("frstor %0" : : "m"(current->fpu));
    else
        __asm__ volatile("fninit");
    current->fpu_used = 1;
    owner = current;
}

void fpu_forget(struct task *task)
{
    if (owner == task)
        owner = 0;
}

/* The interrupt descriptor table, the two 8259 interrupt controllers, and what is done with each interrupt. */
#include "io.h"
#include "kernel.h"

#define GATES 129                       /* up to int 80h */
#define FIRST_IRQ 32                    /* exceptions have the numbers below */
#define IRQ_TIMER 0
#define KERNEL_CODE 0x08
#define INTERRUPT_GATE 0x8E00           /* present, ring 0 */
#define SYSTEM_CALL_GATE 0xEF00         /* a trap gate, which leaves interrupts on; ring 3 may use it */
#define DEVICE_NOT_AVAILABLE 7
#define PAGE_FAULT 14
#define SYSTEM_CALL 128

void serial_listen(void);

extern void (*const interrupt_stubs[])(void);   /* entry.asm */

static struct { uint16_t offset_low, selector, kind, offset_high; } idt[GATES];
static void (*handlers[16])(void);
static const char *const exceptions[] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no coprocessor", "double fault", "?",
    "invalid TSS", "segment not present", "stack fault", "general protection", "page fault", "?", "x87 error",
    "alignment check", "machine check", "SIMD error"};

static void set_gate(int n, void (*stub)(void), uint16_t kind)
{
    uint32_t offset = (uint32_t)stub;
    idt[n].offset_low = offset;
    idt[n].offset_high = offset >> 16;
    idt[n].selector = KERNEL_CODE;
    idt[n].kind = kind;
}

/* The BIOS has the lines 0-7 at 08h-0Fh, where exceptions are: move them to 20h and 28h. All are masked. */
static void pic_init(void)
{
    outb(PIC_MASTER, 0x11);             /* ICW1: begin, ICW4 follows */
    outb(PIC_SLAVE, 0x11);
    outb(PIC_MASTER + 1, FIRST_IRQ);    /* ICW2: the first number */
    outb(PIC_SLAVE + 1, FIRST_IRQ + 8);
    outb(PIC_MASTER + 1, 0x04);         /* ICW3: the slave is at line 2 */
    outb(PIC_SLAVE + 1, 0x02);
    outb(PIC_MASTER + 1, 0x01);         /* ICW4: an 8086 */
    outb(PIC_SLAVE + 1, 0x01);
    outb(PIC_MASTER + 1, 0xFB);
    outb(PIC_SLAVE + 1, 0xFF);
}

void irq_handler(int irq, void (*handler)(void))
{
    uint16_t mask = irq < 8 ? PIC_MASTER + 1 : PIC_SLAVE + 1;
    handlers[irq] = handler;
    outb(mask, inb(mask) & ~(1 << (irq & 7)));
}

void interrupts_init(void)
{
    static struct { uint16_t limit; uint32_t base; } __attribute__((packed)) pointer;
    for (int n = 0; n < 48; n++)
        set_gate(n, interrupt_stubs[n], INTERRUPT_GATE);
    set_gate(SYSTEM_CALL, interrupt_stubs[48], SYSTEM_CALL_GATE);
    pointer.limit = sizeof idt - 1;
    pointer.base = (uint32_t)idt;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    pic_init();
    serial_listen();
}

static void exception(struct frame *frame)
{
    if (frame->number == DEVICE_NOT_AVAILABLE) {
        fpu_trap();
        return;
    }
    if (frame->number == PAGE_FAULT && page_fault(frame))
        return;
    const char *name = frame->number < sizeof exceptions / sizeof *exceptions ? exceptions[frame->number] : "?";
    uint32_t address = frame->number == PAGE_FAULT ? read_cr2() : 0;
    if (!(frame->cs & 3))
        panic("%s, error %x, address %08x, eip %08x", name, frame->error, address, frame->eip);
    printf("%s: %s, error %x, ", current->name, name, frame->error);
    if (frame->number == PAGE_FAULT)
        printf("address %08x, ", address);
    printf("eip %08x: ended\n", frame->eip);
    sti();
    task_exit(255);
}

/* Of every interrupt, from entry.asm. */
void interrupt(struct frame *frame)
{
    if (frame->number == SYSTEM_CALL) {
        system_call(frame);
    } else if (frame->number < FIRST_IRQ) {
        exception(frame);
    } else {
        int irq = frame->number - FIRST_IRQ;
        if (irq >= 8)
            outb(PIC_SLAVE, PIC_EOI);
        outb(PIC_MASTER, PIC_EOI);
        if (handlers[irq])
            handlers[irq]();
        /* Pre-emption: a program in ring 3 can be left at any instruction. The kernel cannot, which saves it
         * from locks; it gives way where it waits. */
        if (irq == IRQ_TIMER && (frame->cs & 3))
            schedule();
    }
    if ((frame->cs & 3) && current->killed) {
        sti();
        task_exit(130);
    }
}

/* Processors: the local APIC of the first as the MP Specification 1.4 (3.6.2.1) wants it at the start, virtual wire
   mode; the others are started once, counted, and left halted (appendix B.4). */
#include "bios.h"
#include "drives.h"

#define LAPIC 0xFEE00000U
#define LAPIC_ID (LAPIC + 0x20)
#define LAPIC_VERSION (LAPIC + 0x30)
#define SPURIOUS (LAPIC + 0xF0)
#define ICR_LOW (LAPIC + 0x300)
#define LINT0 (LAPIC + 0x350)
#define LINT1 (LAPIC + 0x360)
#define SEND_PENDING 0x1000
#define INIT_OTHERS 0x000C4500
#define STARTUP_OTHERS 0x000C4600
#define START_PAGE 8                                /* 8000h: nothing has been loaded yet */
#define NB_CPUS 0x05

extern const u8 ap_start[], ap_start_end[];
extern volatile u16 ap_count;
u32 cpu_count, cpu_signature, cpu_features, lapic_id, lapic_version;

static int has_cpuid(void)                          /* bit 21 of EFLAGS can be changed */
{
    u32 changed;
    asm volatile("pushfl; popl %%eax; movl %%eax, %%ecx; xorl $0x200000, %%eax; pushl %%eax; popfl; pushfl; popl %%eax;"
                 "pushl %%ecx; popfl; xorl %%ecx, %%eax" : "=a"(changed) : : "ecx", "cc");
    return (changed & 0x200000) != 0;
}

/* Memory types as all processors must have them (SDM 3, 11.11): RAM is written back, but not the display's window and PCI's
   addresses; ROMs are write-protected. */
enum { UNCACHED = 0, PROTECTED = 0x05050505, BACK = 0x06060606 };
struct msr { u32 number, low, high; } mtrrs[15];
u32 mtrr_count;

static void mtrr(u32 number, u32 low, u32 high)
{
    asm volatile("wrmsr" : : "c"(number), "a"(low), "d"(high));
    mtrrs[mtrr_count++] = (struct msr) { number, low, high };
}

static void mtrr_init(void)
{
    mtrr_count = 0;
    if (!(cpu_features & 1 << 12))
        return;
    mtrr(0x250, BACK, BACK);                        /* 0-7FFFFh */
    mtrr(0x258, BACK, BACK);                        /* 80000h-9FFFFh */
    mtrr(0x259, UNCACHED, UNCACHED);                /* A0000h-BFFFFh */
    for (u32 n = 0x268; n <= 0x26F; n++)            /* C0000h-FFFFFh */
        mtrr(n, PROTECTED, PROTECTED);
    mtrr(0x200, 0xE0000000U | UNCACHED, 0);
    mtrr(0x201, 0xE0000800U, 0xF);                  /* 512 MiB, of 36 bits of address */
    mtrr(0x2FF, 0xC06, 0);                          /* on, fixed ones, too; the others are written back */
}

static void pause(u32 milliseconds)
{
    struct timeout limit = MILLISECONDS(milliseconds);
    while (!expired(&limit))
        ;
}

static void send(u32 command)
{
    struct timeout limit = MILLISECONDS(10);
    flat_write(ICR_LOW, command);
    while (flat_read(ICR_LOW) & SEND_PENDING && !expired(&limit))
        ;
}

/* The first processor's local APIC and memory types. */
void processor_init(void)
{
    mtrr_init();
    if (!(cpu_features & 1 << 9))
        return;
    flat_write(SPURIOUS, flat_read(SPURIOUS) | 0x1FF);
    flat_write(LINT0, 0x700);                       /* ExtINT: the 8259s */
    flat_write(LINT1, 0x400);                       /* NMI */
}

void smp_init(void)
{
    cpu_count = 1;
    cpu_features = cpu_signature = 0;
    if (!has_cpuid())
        return;
    u32 max, ebx, ecx;
    asm volatile("cpuid" : "=a"(max), "=b"(ebx), "=c"(ecx) : "a"(0) : "edx");
    if (!max)
        return;
    asm volatile("cpuid" : "=a"(cpu_signature), "=b"(ebx), "=c"(ecx), "=d"(cpu_features) : "a"(1));
    processor_init();
    if (!(cpu_features & 1 << 9))
        return;
    u32 expected = fw_cfg_word(NB_CPUS);
    if (!expected)
        expected = cmos(0x5F) + 1;
    lapic_id = flat_read(LAPIC_ID) >> 24;
    lapic_version = flat_read(LAPIC_VERSION) & 0xFF;
    if (expected == 1)
        return;
    ap_count = 0;
    for (int n = 0; n < ap_start_end - ap_start; n++)
        pokeb(START_PAGE << 8, n, ap_start[n]);
    send(INIT_OTHERS);
    pause(10);
    struct timeout limit = MILLISECONDS(500);
    send(STARTUP_OTHERS | START_PAGE);
    while (ap_count < expected - 1 && !expired(&limit))
        ;
    cpu_count = 1 + ap_count;
}

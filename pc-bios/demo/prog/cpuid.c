/* What the CPUID instruction tells, which ring 3 may use, too. */
#include "user.h"

struct answer { uint32_t eax, ebx, ecx, edx; };

static struct answer cpuid(uint32_t leaf)
{
    struct answer a;
    __asm__ volatile("cpuid" : "=a"(a.eax), "=b"(a.ebx), "=c"(a.ecx), "=d"(a.edx) : "a"(leaf), "c"(0));
    return a;
}

/* A processor has it if bit 21 of EFLAGS can be changed. */
static int has_cpuid(void)
{
    uint32_t before, after;
    __asm__ volatile("pushf; pop %0; mov %0, %1; xor $0x200000, %1; push %1; popf; pushf; pop %1; push %0; popf"
                     : "=&r"(before), "=&r"(after) : : "cc");
    return (before ^ after) >> 21 & 1;
}

static void print_text(const uint32_t *words, int n)
{
    char text[49];
    memcpy(text, words, 4 * n);
    text[4 * n] = 0;
    char *start = text;
    while (*start == ' ')
        start++;
    printf("%s", start);
}

static void print_bits(uint32_t bits, const char *const *names)
{
    for (int i = 0; i < 32; i++)
        if (bits >> i & 1 && names[i])
            printf(" %s", names[i]);
}

int main(const char *arguments)
{
    static const char *const edx[32] = {
        "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", 0, "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36",
        "psn", "clflush", 0, "ds", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "htt", "tm", "ia64", "pbe"};
    static const char *const ecx[32] = {
        "sse3", "pclmulqdq", 0, "monitor", 0, "vmx", 0, 0, 0, "ssse3", 0, 0, "fma", "cx16", 0, 0, 0, 0, 0, "sse4.1", "sse4.2", "x2apic",
        "movbe", "popcnt", "tsc-deadline", "aes", "xsave", "osxsave", "avx", "f16c", "rdrand", "hypervisor"};
    (void)arguments;
    if (!has_cpuid()) {
        printf("This processor has no CPUID instruction: a 386, or an early 486.\n");
        return 0;
    }
    struct answer a = cpuid(0);
    uint32_t vendor[3] = {a.ebx, a.edx, a.ecx}, brand[12];
    printf("vendor    ");
    print_text(vendor, 3);
    a = cpuid(1);
    uint32_t family = a.eax >> 8 & 15, model = a.eax >> 4 & 15;
    if (family == 6 || family == 15)
        model |= a.eax >> 12 & 0xF0;
    if (family == 15)
        family += a.eax >> 20 & 0xFF;
    printf("\nsignature family %u, model %u, stepping %u\n", family, model, a.eax & 15);
    if (cpuid(0x80000000).eax >= 0x80000004) {
        for (int i = 0; i < 3; i++) {
            struct answer b = cpuid(0x80000002 + i);
            memcpy(brand + 4 * i, &b, 16);
        }
        printf("brand     ");
        print_text(brand, 12);
        printf("\n");
    }
    printf("features ");
    print_bits(a.edx, edx);
    print_bits(a.ecx, ecx);
    printf("\n");
    return 0;
}

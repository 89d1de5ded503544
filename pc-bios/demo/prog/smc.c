/* Self-modifying code. An x86 sees a change of its code at the very next instruction, and a translator such as qemu_py has
 * to keep that promise although it runs translations of the code, not the code. Each case here is checked.
 *
 * The pages of a program can be written and executed, so it may patch itself, or make code in a buffer. */
#include "user.h"

static uint8_t code[8192];
static int failures;

static void check(const char *what, uint32_t result, uint32_t expected)
{
    printf("smc: %-44s %u, expected %u: %s\n", what, result, expected, result == expected ? "ok" : "WRONG");
    failures += result != expected;
}

static int call(void *function)
{
    int result;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(function) : "ecx", "edx", "memory", "cc");
    return result;
}

/* mov eax, n; ret, with another n each time. */
static uint32_t patched_constant(void)
{
    uint32_t sum = 0;
    code[0] = 0xB8;
    code[5] = 0xC3;
    for (uint32_t n = 1; n <= 1000; n++) {
        memcpy(code + 1, &n, 4);
        sum += call(code);
    }
    return sum;
}

/* An instruction that changes the one behind it: inc eax becomes dec eax. */
static uint32_t next_instruction(void)
{
    uint32_t result = 0;
    for (int i = 0; i < 100; i++) {
        int eax;
        __asm__ volatile("mov $10, %%eax\n"
                         "movb $0x40, 1f\n"     /* inc eax, as it was */
                         "jmp 2f\n"
                         "2: movb $0x48, 1f\n"  /* dec eax */
                         "1: inc %%eax\n" : "=a"(eax) : : "memory", "cc");
        result += eax;
    }
    return result;
}

/* An instruction that lies on two pages: its first byte ends one, its constant is on the next. */
static uint32_t across_a_page(void)
{
    uint8_t *at = (uint8_t *)(((uint32_t)code + 4095) & -4096u) - 1;
    uint32_t sum = 0;
    at[0] = 0xB8;
    at[5] = 0xC3;
    for (uint32_t n = 1; n <= 100; n++) {
        memcpy(at + 1, &n, 4);
        sum += call(at);
    }
    return sum;
}

/* rep stosb over the code that runs it: 32 times inc eax, laid down in front of the program counter. */
static uint32_t string_store(void)
{
    static const uint8_t head[] = {
        0x57,                           /* push edi */
        0xBF, 0, 0, 0, 0,               /* mov edi, the byte behind this head */
        0xB9, 32, 0, 0, 0,              /* mov ecx, 32 */
        0xB8, 0x40, 0, 0, 0,            /* mov eax, 40h: inc eax */
        0xFC, 0xF3, 0xAA,               /* cld; rep stosb */
        0x31, 0xC0};                    /* xor eax, eax */
    uint32_t sum = 0;
    for (int i = 0; i < 10; i++) {
        uint8_t *body = code + 256 + sizeof head;
        memcpy(code + 256, head, sizeof head);
        memcpy(code + 256 + 2, &body, 4);
        memset(body, 0x48, 32);         /* dec eax, which must not be executed */
        body[32] = 0x5F;                /* pop edi */
        body[33] = 0xC3;
        sum += call(code + 256);
    }
    return sum;
}

int main(const char *arguments)
{
    (void)arguments;
    check("a constant patched 1000 times, sum", patched_constant(), 500500);
    check("the next instruction patched 100 times, sum", next_instruction(), 900);
    check("an instruction on two pages, sum", across_a_page(), 5050);
    check("code laid down by rep stosb, sum", string_store(), 320);
    return failures;
}

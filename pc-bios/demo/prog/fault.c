/* Touches what is not its own. First memory that is: a megabyte of its stack appears as it is written to. Then
 * an address of the kernel, which ends it. */
#include "user.h"

int main(const char *arguments)
{
    volatile uint8_t stack[1 << 20];
    uint32_t sum = 0;
    (void)arguments;
    for (unsigned i = 0; i < sizeof stack; i += 4096)
        stack[i] = i >> 12;
    for (unsigned i = 0; i < sizeof stack; i += 4096)
        sum += stack[i];
    printf("fault: 256 pages of stack, sum %u; now the kernel's memory\n", sum);
    *(volatile uint32_t *)0x10000 = 0;
    printf("fault: the kernel let me\n");
    return 1;
}

/* How often a few loops run in a second. Each is run for a while between two ticks of the clock; its result is
 * checked every time. */
#include "user.h"

#define WHILE 25                        /* ticks for each */

static uint32_t arithmetic(void)
{
    uint32_t x = 1;
    for (int i = 0; i < 1000; i++)
        x = (x ^ x >> 3) * 1664525 + 1013904223;
    return x;
}

static uint32_t sieve(void)
{
    static uint8_t composite[8192];
    uint32_t count = 0;
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i < sizeof composite; i++) {
        if (composite[i])
            continue;
        count++;
        for (uint32_t j = 2 * i; j < sizeof composite; j += i)
            composite[j] = 1;
    }
    return count;
}

static __attribute__((noinline, noclone)) uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint32_t calls(void)
{
    return fib(15);
}

static uint32_t copy(void)
{
    static uint32_t from[4096], to[4096];
    uint32_t n = 4096;
    void *source = from, *target = to;
    from[4095] = 1234;
    __asm__ volatile("rep movsl" : "+S"(source), "+D"(target), "+c"(n) : : "memory");
    return to[4095];
}

static uint32_t floating_point(void)
{
    double x = 0.5;
    for (int i = 0; i < 1000; i++)
        x = 3.75 * x * (1.0 - x);       /* the logistic map: chaotic, so that an error does not go away */
    return (uint32_t)(x * 1000);
}

static uint32_t system_calls(void)
{
    uint32_t n = 0;
    for (int i = 0; i < 100; i++)
        n += ticks() != 0;
    return n;
}

static const struct { const char *name; uint32_t (*run)(void); const char *what; } loops[] = {
    {"arithmetic", arithmetic, "1000 steps of a random number generator"},
    {"sieve", sieve, "primes below 8192"},
    {"calls", calls, "fib(15), recursively"},
    {"copy", copy, "16 KiB by rep movsd"},
    {"x87", floating_point, "1000 steps of the logistic map"},
    {"int 80h", system_calls, "100 system calls"}};

int main(const char *arguments)
{
    int wrong = 0;
    (void)arguments;
    for (unsigned i = 0; i < sizeof loops / sizeof *loops; i++) {
        uint32_t expected = loops[i].run(), count = 0, begun = ticks(), now;
        while (ticks() == begun)        /* begin with a tick */
            ;
        begun = ticks();
        do {
            wrong += loops[i].run() != expected;
            count++;
        } while ((now = ticks()) - begun < WHILE);
        printf("%-11s %8u loops/s   %s = %u\n", loops[i].name, count * 100 / (now - begun), loops[i].what, expected);
    }
    printf("bench: %s\n", wrong ? "results differ" : "all results are the same");
    return wrong != 0;
}

/* printf's engine and the functions that the compiler expects of a C library. The kernel and the programs have it. */
#include "kernel.h"

static void put_number(void (*put)(char), uint32_t value, unsigned base, int negative, int width, char fill, int left)
{
    char digits[12];
    int n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    if (negative && fill == '0')
        put('-');
    else if (negative)
        digits[n++] = '-';
    for (int i = n; i < width && !left; i++)
        put(fill);
    for (int i = n; i--;)
        put(digits[i]);
    for (int i = n; i < width && left; i++)
        put(' ');
}

/* %d %u %x %s %c %%, with a width, 0 and -. */
void format(void (*put)(char), const char *text, va_list arguments)
{
    for (; *text; text++) {
        if (*text != '%') {
            put(*text);
            continue;
        }
        int left = 0, width = 0;
        char fill = ' ';
        for (text++; *text == '-' || *text == '0'; text++) {
            if (*text == '-')
                left = 1;
            else
                fill = '0';
        }
        for (; *text >= '0' && *text <= '9'; text++)
            width = width * 10 + *text - '0';
        switch (*text) {
        case 'd': {
            int value = va_arg(arguments, int);
            put_number(put, value < 0 ? -(uint32_t)value : (uint32_t)value, 10, value < 0, width, fill, left);
            break;
        }
        case 'u':
            put_number(put, va_arg(arguments, uint32_t), 10, 0, width, fill, left);
            break;
        case 'x':
            put_number(put, va_arg(arguments, uint32_t), 16, 0, width, fill, left);
            break;
        case 's': {
            const char *s = va_arg(arguments, const char *);
            int n = strlen(s);
            for (int i = n; i < width && !left; i++)
                put(' ');
            while (*s)
                put(*s++);
            for (int i = n; i < width && left; i++)
                put(' ');
            break;
        }
        case 'c':
            put(va_arg(arguments, int));
            break;
        default:
            put(*text);
        }
    }
}

void *memcpy(void *to, const void *from, unsigned n)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, unsigned n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    const uint8_t *source = (const uint8_t *)from + n;  /* it overlaps its source's end: from behind */
    uint8_t *target = (uint8_t *)to + n;
    while (n--)
        *--target = *--source;
    return to;
}

void *memset(void *to, int byte, unsigned n)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(byte) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, unsigned n)
{
    const uint8_t *p = a, *q = b;
    for (; n--; p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

unsigned strlen(const char *s)
{
    unsigned n = 0;
    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

/* The programs' library. */
#include "user.h"

void exit(int status)
{
    system_call(SYS_EXIT, status, 0);
    for (;;)
        ;
}

void write(const char *text, unsigned length)
{
    system_call(SYS_WRITE, (uint32_t)text, length);
}

static char buffer[128];
static unsigned used;

static void flush(void)
{
    write(buffer, used);
    used = 0;
}

static void put(char c)
{
    buffer[used++] = c;
    if (used == sizeof buffer)
        flush();
}

void printf(const char *text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    format(put, text, arguments);
    va_end(arguments);
    flush();
}

/* The decimal number in a text, or another value. */
int number(const char *text, int otherwise)
{
    int n = 0;
    if (!*text)
        return otherwise;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || n > 99999999)
            return otherwise;
        n = n * 10 + *text - '0';
    }
    return n;
}

/* What a program can use. */
#ifndef USER_H
#define USER_H
#include <stdarg.h>
#include <stdint.h>
#include "../syscalls.h"

#define SCREEN ((uint8_t *)0x40300000)  /* 320 x 200 bytes, in graphics mode */

static inline int system_call(int number, uint32_t ebx, uint32_t ecx)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(ebx), "c"(ecx) : "memory");
    return result;
}

static inline int get_key(void) { return system_call(SYS_GET_KEY, 0, 0); }
static inline int poll_key(void) { return system_call(SYS_POLL_KEY, 0, 0); }
static inline void sleep(uint32_t ticks) { system_call(SYS_SLEEP, ticks, 0); }
static inline uint32_t ticks(void) { return system_call(SYS_TICKS, 0, 0); }
static inline int graphics(int on) { return system_call(SYS_GRAPHICS, on, 0); }
static inline void palette(const uint8_t *rgb) { system_call(SYS_PALETTE, (uint32_t)rgb, 0); }

/* user.c */
void exit(int status) __attribute__((noreturn));
void write(const char *text, unsigned length);
void printf(const char *text, ...) __attribute__((format(printf, 1, 2)));
int number(const char *text, int otherwise);

/* ../format.c */
void format(void (*put)(char), const char *text, va_list arguments);
void *memset(void *to, int byte, unsigned n);
void *memcpy(void *to, const void *from, unsigned n);

int main(const char *arguments);
#endif

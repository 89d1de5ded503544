/* The other instructions that C has no words for. */
#ifndef IO_H
#define IO_H
#include "../ports.h"

/* STI works from the instruction after the next on: no interrupt can come between it and HLT. */
static inline void sti_hlt(void) { __asm__ volatile("sti; hlt" : : : "memory"); }

/* Turn interrupts off; what to give to irq_restore(). */
static inline uint32_t irq_save(void)
{
    uint32_t flags;
    __asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void irq_restore(uint32_t flags) { __asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc"); }

static inline uint32_t read_cr0(void) { uint32_t v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline uint32_t read_cr2(void) { uint32_t v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline void write_cr0(uint32_t v) { __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory"); }
static inline void write_cr3(uint32_t v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
static inline void invlpg(void *page) { __asm__ volatile("invlpg (%0)" : : "r"(page) : "memory"); }
#endif

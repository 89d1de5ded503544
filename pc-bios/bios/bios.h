/* The ways to reach memory of other segments and the caller's registers; who has what. */
#include "../ports.h"

/* As entry.asm lays them: `handler` and the caller's IP, CS, flags are copies, but for DS and the flags. */
struct regs {
    u16 ds, es, fs, gs;
    union { u32 edi; u16 di; };
    union { u32 esi; u16 si; };
    u32 ebp, unused;
    union { u32 ebx; u16 bx; struct { u8 bl, bh; }; };
    union { u32 edx; u16 dx; struct { u8 dl, dh; }; };
    union { u32 ecx; u16 cx; struct { u8 cl, ch; }; };
    union { u32 eax; u16 ax; struct { u8 al, ah; }; };
    u16 ip, cs, flags, pad, pad2[2];
};
#define CF 0x0001
#define ZF 0x0040
#define IF 0x0200

#define PEEK(name, type, insn, con) \
    static inline type name(u16 seg, u32 off) { type v; \
        asm volatile("movw %1, %%fs; " insn " %%fs:(%2), %0" : "=" con(v) : "rm"(seg), "r"(off) : "memory"); return v; }
#define POKE(name, type, insn, con) \
    static inline void name(u16 seg, u32 off, type v) { \
        asm volatile("movw %1, %%fs; " insn " %0, %%fs:(%2)" : : con(v), "rm"(seg), "r"(off) : "memory"); }
PEEK(peekb, u8, "movb", "q") PEEK(peekw, u16, "movw", "r") PEEK(peekl, u32, "movl", "r")
POKE(pokeb, u8, "movb", "q") POKE(pokew, u16, "movw", "r") POKE(pokel, u32, "movl", "r")

#define BDA 0x40
#define EBDA peekw(BDA, 0x0E)                       /* option ROMs may move it */

static inline void carry(struct regs *r, int set) { r->flags = set ? r->flags | CF : r->flags & ~CF; }

void call_regs(u16 segment, u16 offset, struct regs *r, int flags_pushed);
void copy_flat(u32 to, u32 from, u32 bytes);
enum { BIG = 8, NORMAL = 16 };                      /* 4 GiB, 64 KiB */
void data_limits(u32 selector);
u8 cmos(u8 index);
struct fw_cfg_file { u32 size; u16 key; char name[56]; };
void fw_cfg_init(void);
u16 fw_cfg_word(u16 key);
const char *after(const char *name, const char *begin);
const struct fw_cfg_file *fw_cfg_file(const char *begin, int n);
const struct fw_cfg_file *fw_cfg_named(const char *name);
void fw_cfg_read(const struct fw_cfg_file *f, u32 offset, u32 address, u32 size);
int fw_cfg_write(const struct fw_cfg_file *f, u32 offset, u32 address, u32 size);
void fw_cfg_load(const struct fw_cfg_file *f, u16 segment);
void fw_cfg_string(const struct fw_cfg_file *f, char *to, u32 room);
u32 fw_cfg_number(const char *name, u32 otherwise);
void text_init(void);
void say(const char *text);
void print(const char *text);
void say_hex(u32 n, int digits);
void print_number(u32 n);
void print_hex(u32 n, int digits);
void print_size(u32 kib);
int read_key(u32 ticks);
void call_int(u8 number, struct regs *r);
void keyboard_init(void);
void controller_init(void);
void reboot(void) __attribute__((noreturn));
void controller(u16 port, u8 value);
void display_rom(void);
void option_roms(void);
void pmm_init(void);
void pmm_end(void);

/* ---- clock.c, mouse.c */
void event_wait_15(struct regs *r);
void wait_15(struct regs *r);
void mouse_15(struct regs *r);
void mouse_init(void);
extern int has_pci;

/* ---- pci.c, irq_tables.c, pci_bios.asm */
#define PCI_SLOTS 32
extern struct pci_slot {
    u16 bdf;                                        /* of function 0 */
    u8 route, pins;                                 /* pin n of it is PIRQ n + route; which pins there are */
} pci_slots[PCI_SLOTS];
extern u32 pci_slot_count;
extern const u8 pirqs[4];
extern u16 display;                                 /* the first; 0: none (that is the host bridge's address) */
extern u8 pci_last_bus, pir_table[], bios32_directory[], bios32_sum;
void pci_init(void);
u32 pci_get(u16 bdf, u8 reg);
void pci_put(u16 bdf, u8 reg, u32 v);
void irq_tables_init(void);

/* ---- flat.asm, memory.c, acpi.c, smp.c */
u32 flat_read(u32 address);
void flat_write(u32 address, u32 value);
void memory_init(void);
void memory_map_init(void);
void map_entry(struct regs *r);
u32 extended_memory(void), memory_size(void);
u32 allocate_high(u32 size, u32 align);
u32 allocate_f_segment(u32 size, u32 align);
void acpi_init(void);
u32 acpi_rsdp(void);
void smbios_init(void);
void smp_init(void);
void processor_init(void);
extern u32 cpu_count, cpu_signature, cpu_features, lapic_id, lapic_version;

/* How interrupts are wired, for systems that do not take it from ACPI, and the same as the ACPI tables say: $PIR (Microsoft's
   PCI IRQ Routing Table Specification 1.0), the MP table (Intel's MultiProcessor Specification 1.4, chapter 4). */
#include "bios.h"

#define ROUTER 0x08                                 /* 00:01.0, the PIIX3 */
#define PIRQRC 0x60
#define ROUTABLE 0x0C20                             /* IRQ 5, 10, 11 */
#define DEDICATED 0x0C00
#define CHIP_SET_SLOT 1                             /* its INTA#, the power management's, is wired to the SCI */
#define SCI 9

static u8 sum(const u8 *p, u32 size)
{
    u8 total = 0;
    while (size--)
        total += *p++;
    return total;
}

/* ---- $PIR, and the checksum of the BIOS32 directory */
static struct pir {
    u32 signature;
    u16 version, size;
    u8 router_bus, router;
    u16 dedicated;
    u32 compatible, miniport;
    u8 reserved[11], checksum;
    struct {
        u8 bus, devfn;
        struct { u8 link; u16 irqs; } __attribute__((packed)) pins[4];
        u8 slot, reserved;
    } __attribute__((packed)) slots[PCI_SLOTS];
} __attribute__((packed)) *const pir = (void *) pir_table;

static void pir_init(void)
{
    u32 count = 0;
    for (u32 n = 0; n < pci_slot_count; n++) {
        const struct pci_slot *s = &pci_slots[n];
        if (!s->bdf)
            continue;                               /* the host bridge */
        pir->slots[count].bus = s->bdf >> 8;
        pir->slots[count].devfn = s->bdf & 0xF8;
        for (int pin = 0; pin < 4; pin++) {
            int wired = s->bdf >> 3 == CHIP_SET_SLOT && !pin;
            pir->slots[count].pins[pin].link = wired ? 0 : PIRQRC + (pin + s->route & 3);
            pir->slots[count].pins[pin].irqs = wired ? 0 : ROUTABLE;
        }
        pir->slots[count].slot = s->bdf >> 3 == CHIP_SET_SLOT ? 0 : count;      /* 0: on the board */
        pir->slots[count++].reserved = 0;
    }
    pir->version = 0x0100;
    pir->size = 32 + 16 * count;
    pir->router_bus = 0;
    pir->router = ROUTER;
    pir->dedicated = DEDICATED;
    pir->compatible = 0x70008086;
    pir->checksum = 0;
    pir->checksum = -sum((u8 *) pir, pir->size);
    bios32_sum = 0;
    bios32_sum = -sum(bios32_directory, 16);
}

/* ---- MP table */
#define LAPIC 0xFEE00000U
#define IOAPIC 0xFEC00000U
#define IOAPIC_ID 0
#define ENABLED 1
#define BOOT_PROCESSOR 2
#define ACTIVE_HIGH_LEVEL 0x0D
enum { PROCESSOR, BUS, IO_APIC, IO_INTERRUPT, LOCAL_INTERRUPT };
enum { INT, NMI, SMI, EXTINT };
static u32 mp_at, mp_size, mp_entries;
static u8 mp_sum;

static u32 physical(const void *p) { return 0xF0000 + (u32) p; }

/* With mp_at 0 only the size is counted. */
static void emit(const void *p, u32 size)
{
    if (mp_at)
        copy_flat(mp_at + mp_size, physical(p), size);
    mp_sum += sum(p, size);
    mp_size += size;
    mp_entries++;
}

static void emit_interrupt(u8 kind, u8 type, u16 flags, u8 bus, u8 source, u8 apic, u8 pin)
{
    u8 entry[8] = { kind, type, flags, 0, bus, source, apic, pin };
    emit(entry, sizeof entry);
}

static void mp_buses(u8 isa)
{
    for (u32 n = 0; n <= isa; n++) {
        u8 entry[8] = { BUS, n, 'P', 'C', 'I', ' ', ' ', ' ' };
        if (n == isa)
            entry[2] = 'I', entry[3] = 'S', entry[4] = 'A';
        emit(entry, sizeof entry);
    }
}

static void mp_interrupts(u8 isa)
{
    u32 pci = 1 << SCI;
    for (u32 n = 0; n < pci_slot_count; n++) {
        const struct pci_slot *s = &pci_slots[n];
        for (u8 pin = 0; pin < 4; pin++)
            if (s->pins >> pin & 1) {
                u8 irq = s->bdf >> 3 == CHIP_SET_SLOT && !pin ? SCI : pirqs[pin + s->route & 3];
                pci |= 1 << irq;
                emit_interrupt(IO_INTERRUPT, INT, ACTIVE_HIGH_LEVEL, s->bdf >> 8, (s->bdf & 0xF8) >> 1 | pin, IOAPIC_ID, irq);
            }
    }
    for (u8 irq = 0; irq < 16; irq++)
        if (irq != 2 && (irq == SCI || !(pci >> irq & 1)))
            emit_interrupt(IO_INTERRUPT, INT, (ROUTABLE | 1 << SCI) >> irq & 1 ? ACTIVE_HIGH_LEVEL : 0, isa, irq, IOAPIC_ID, irq ? irq : 2);
    emit_interrupt(LOCAL_INTERRUPT, EXTINT, 0, isa, 0, 0xFF, 0);
    emit_interrupt(LOCAL_INTERRUPT, NMI, 0, isa, 0, 0xFF, 1);
}

static void mp_table(u16 length)
{
    struct {
        u32 signature;
        u16 length;
        u8 version, checksum;
        char oem[8], product[12];
        u32 oem_table;
        u16 oem_size, entries;
        u32 lapic;
        u16 extended;
        u8 extended_checksum, reserved;
    } __attribute__((packed)) header = { 0x504D4350, length, 4, mp_sum, "QEMUPY  ", "PC          ", 0, 0, mp_entries, LAPIC };
    u8 isa = pci_last_bus + 1;
    mp_size = mp_sum = 0;
    header.checksum = length ? -sum((u8 *) &header, sizeof header) : 0;
    emit(&header, sizeof header);
    mp_entries = mp_sum = 0;
    for (u8 n = 0; n < cpu_count; n++) {
        u32 entry[5] = { PROCESSOR | n << 8 | lapic_version << 16 | (ENABLED | (n ? 0 : BOOT_PROCESSOR)) << 24, cpu_signature, cpu_features };
        emit(entry, sizeof entry);
    }
    mp_buses(isa);
    u32 io_apic[2] = { IO_APIC | IOAPIC_ID << 8 | flat_read(IOAPIC + 0x10) << 16 & 0xFF0000 | ENABLED << 24, IOAPIC };
    emit(io_apic, sizeof io_apic);
    mp_interrupts(isa);
}

static void mp_init(void)
{
    mp_at = 0;
    if (!(cpu_features >> 9 & 1))
        return;
    flat_write(IOAPIC, 1);
    u32 inputs = flat_read(IOAPIC + 0x10);
    if (inputs == 0xFFFFFFFFU || inputs >> 16 != 23)
        return;
    mp_table(0);                                    /* how much there is, and the entries' checksum */
    u32 size = mp_size, floating = allocate_f_segment(16, 16);
    mp_at = allocate_f_segment(size, 16);
    if (!mp_at)
        mp_at = allocate_high(size, 16);
    if (!mp_at || !floating)
        return;
    mp_table(size);
    u8 pointer[16] = { '_', 'M', 'P', '_', mp_at, mp_at >> 8, mp_at >> 16, mp_at >> 24, 1, 4 };
    pointer[10] = -sum(pointer, 16);
    copy_flat(floating, physical(pointer), 16);
}

/* Once PCI and the processors are known. */
void irq_tables_init(void)
{
    if (!has_pci) {
        *(u32 *) pir_table = *(u32 *) bios32_directory = 0;
        return;
    }
    pir_init();
    mp_init();
}

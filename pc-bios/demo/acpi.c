/* Soft off by ACPI: find the tables (ACPI specification 5.2), from them the power management's control register and
 * the value that its SLP_TYP field takes for the state S5, which is in the DSDT, in ACPI's byte code:
 *
 *   Name (\_S5, Package () { a, b, ... })     08 "_S5_" 12 length count a b ...
 *
 * Where there are no tables, the PIIX4 that many PCs had is asked itself. */
#include "io.h"
#include "kernel.h"

#define SLP_EN 0x2000u                  /* of PM1a_CNT */
#define SCI_EN 0x0001u
#define PIIX4_PM 0x71138086u
#define BYTE_PREFIX 0x0A                /* of byte code; 0 and 1 are constants of one byte */

static uint8_t byte_at(uint32_t address) { return *(volatile uint8_t *)physical_window(address); }
static uint16_t word_at(uint32_t address) { return *(volatile uint16_t *)physical_window(address); }
static uint32_t dword_at(uint32_t address) { return *(volatile uint32_t *)physical_window(address); }

static int is_signature(uint32_t address, const char *signature, int length)
{
    volatile const char *at = physical_window(address);
    for (int i = 0; i < length; i++)
        if (at[i] != signature[i])
            return 0;
    return 1;
}

/* The root pointer: on a boundary of 16 bytes in the BIOS, or in the first KiB of its data at the end of low memory. */
static uint32_t find_rsdp(void)
{
    uint32_t ebda = (uint32_t)word_at(0x40E) << 4;
    for (uint32_t at = ebda; ebda >= 0x80000 && at < ebda + 1024; at += 16)
        if (is_signature(at, "RSD PTR ", 8))
            return at;
    for (uint32_t at = 0xE0000; at < 0x100000; at += 16)
        if (is_signature(at, "RSD PTR ", 8))
            return at;
    return 0;
}

static uint32_t find_fadt(void)
{
    uint32_t rsdp = find_rsdp();
    if (!rsdp)
        return 0;
    uint32_t rsdt = dword_at(rsdp + 16), length = dword_at(rsdt + 4);
    for (uint32_t at = 36; at + 4 <= length; at += 4) {
        uint32_t table = dword_at(rsdt + at);
        if (is_signature(table, "FACP", 4))
            return table;
    }
    return 0;
}

/* SLP_TYPa of S5; -1: the DSDT does not say. */
static int find_s5(uint32_t dsdt)
{
    uint32_t end = dsdt + dword_at(dsdt + 4);
    for (uint32_t at = dsdt + 36; at + 8 < end; at++) {
        if (byte_at(at) != '_' || !is_signature(at, "_S5_", 4) || byte_at(at + 4) != 0x12)
            continue;
        uint32_t value = at + 5;
        value += 1 + (byte_at(value) >> 6);     /* the package's length, of 1 to 4 bytes */
        value += 1;                             /* how many elements */
        return byte_at(value) == BYTE_PREFIX ? byte_at(value + 1) : byte_at(value);
    }
    return -1;
}

static void soft_off(uint16_t port, int type)
{
    outw(port, (inw(port) & SCI_EN) | (type & 7) << 10 | SLP_EN);
}

/* Returns only if it did not work; 0: no way was found. */
int acpi_soft_off(void)
{
    uint32_t fadt = find_fadt();
    if (fadt) {
        int type = find_s5(dword_at(fadt + 40));
        uint16_t pm1a = dword_at(fadt + 64);
        if (type >= 0 && pm1a) {
            printf("ACPI: PM1a control at port %xh, SLP_TYP %d\n", pm1a, type);
            soft_off(pm1a, type);
            return 1;
        }
    }
    for (unsigned device = 0; device < 32; device++)
        for (unsigned function = 0; function < 8; function++)
            if (pci_read(0, device, function, 0) == PIIX4_PM && pci_read(0, device, function, 0x80) & 1) {
                uint16_t base = pci_read(0, device, function, 0x40) & 0xFFC0;
                printf("PIIX4: PM1 control at port %xh\n", base + 4);
                soft_off(base + 4, 0);
                return 1;
            }
    return 0;
}

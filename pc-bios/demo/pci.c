/* PCI: who is on the buses. Configuration space is reached by mechanism 1: an address to port CF8h, data at CFCh
 * (PCI Local Bus Specification 2.1, 3.7.4.1). */
#include "io.h"
#include "kernel.h"

#define NOBODY 0xFFFFFFFFu

uint32_t pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
    outl(PCI_ADDRESS, PCI_ENABLE | bus << 16 | device << 11 | function << 8 | (offset & 0xFC));
    return inl(PCI_DATA);
}

static const char *class_name(uint16_t class)
{
    static const struct { uint16_t class; const char *name; } names[] = {
        {0x0100, "SCSI controller"}, {0x0101, "IDE controller"}, {0x0106, "SATA controller"}, {0x0108, "NVMe controller"},
        {0x0200, "Ethernet controller"}, {0x0300, "VGA adapter"}, {0x0380, "display adapter"}, {0x0401, "audio device"},
        {0x0403, "audio device"}, {0x0600, "host bridge"}, {0x0601, "ISA bridge"}, {0x0604, "PCI bridge"},
        {0x0680, "bridge"}, {0x0780, "communication controller"}, {0x0C03, "USB controller"}, {0x0C05, "SMBus controller"}};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].class == class)
            return names[i].name;
    return "device";
}

void command_pci(const char *arguments)
{
    (void)arguments;
    outl(PCI_ADDRESS, PCI_ENABLE);
    if (inl(PCI_ADDRESS) != PCI_ENABLE) {
        printf("There is no PCI bus.\n");
        return;
    }
    for (unsigned bus = 0; bus < 256; bus++)
        for (unsigned device = 0; device < 32; device++)
            for (unsigned function = 0; function < 8; function++) {
                uint32_t id = pci_read(bus, device, function, 0x00);
                if (id == NOBODY) {
                    if (function == 0)
                        break;
                    continue;
                }
                uint32_t class = pci_read(bus, device, function, 0x08);
                uint32_t line = pci_read(bus, device, function, 0x3C);
                printf("%02x:%02x.%u  %04x:%04x  class %04x  %s", bus, device, function, id & 0xFFFF, id >> 16, class >> 16,
                       class_name(class >> 16));
                if (line >> 8 & 0xFF)
                    printf(", INT%c, IRQ %u", 'A' + (line >> 8 & 7) - 1, line & 0xFF);
                printf("\n");
                if (function == 0 && !(pci_read(bus, device, 0, 0x0C) >> 16 & 0x80))
                    break;              /* not multifunction */
            }
}

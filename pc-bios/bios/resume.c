/* Out of suspend to RAM: memory is as the system has left it, the chips are as after power-on (resume() of post.c). The other
   processors wait for the system's start-up IPI; it gives them their memory types. */
#include "bios.h"

#define RSDT 16                                     /* in the RSDP */
#define HEADER 36
#define FACS 36                                     /* in the FADT */
#define WAKING_VECTOR 12                            /* in the FACS */
#define SIGNATURE(a, b, c, d) (a | b << 8 | c << 16 | d << 24)

/* The physical address where the system goes on, from its FACS; 0: it says none. */
u32 waking_vector(void)
{
    u32 rsdp = acpi_rsdp();
    if (!rsdp)
        return 0;
    processor_init();
    u32 rsdt = flat_read(rsdp + RSDT), end = rsdt + flat_read(rsdt + 4);
    for (u32 at = rsdt + HEADER; at + 4 <= end; at += 4) {
        u32 table = flat_read(at);
        if (flat_read(table) == SIGNATURE('F', 'A', 'C', 'P')) {
            u32 facs = flat_read(table + FACS);
            return facs ? flat_read(facs + WAKING_VECTOR) : 0;
        }
    }
    return 0;
}

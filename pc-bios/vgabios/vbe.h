#include "vgabios.h"

struct vbe_mode { u16 number, width, height; u8 bpp; } __attribute__((packed));   /* text: characters, and bpp is 0 */
typedef const struct vbe_mode __seg_gs *vbe_mode_ref;
extern ROM struct vbe_mode vbe_modes[];             /* ends with number 0 */
extern const u8 __seg_gs bios_name[], edid[], pm_table[], pm_table_end[];
extern void set_window(void);
u32 frame_buffer(void);

#define OK 0x004F
#define FAILED 0x014F
#define MAX_CLOCK 250000000                         /* Hz, of pixels: the adapter has no limit of its own */
#define NOT_NOW 0x034F                              /* invalid in the current mode */

/* ---- vbe.c */
u32 memory_64k(void);
u32 bytes_per_pixel(u32 bpp);
u32 line_bytes(u32 pixels, u32 bpp);
u32 total_bytes(vbe_mode_ref m);
vbe_mode_ref find_vbe_mode(u16 number);             /* 0: there is none, or it does not fit into the memory */

/* ---- vbe_timing.c */
int timing_fits(vbe_mode_ref m, far from);
void set_timing(vbe_mode_ref m, far from);
u16 pixel_clock(struct regs *r);

/* ---- vbe_info.c, vbe_display.c: each returns AX. */
u16 controller_information(struct regs *r);
u16 mode_information(struct regs *r);
u16 window(struct regs *r);
u16 line_length(struct regs *r);
u16 display_start(struct regs *r);
u16 dac_width(struct regs *r);
u16 palette_data(struct regs *r);
u16 protected_mode(struct regs *r);
u16 power(struct regs *r);
u16 display_data(struct regs *r);

#include "vgabios.h"

struct vbe_mode { u16 number, width, height; u8 bpp; } __attribute__((packed));
typedef const struct vbe_mode __seg_gs *vbe_mode_ref;
extern ROM struct vbe_mode vbe_modes[];             /* ends with number 0 */
extern const u8 __seg_gs bios_name[], edid[], pm_table[], pm_table_end[];
extern void set_window(void);
u32 frame_buffer(void);

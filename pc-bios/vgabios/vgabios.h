/* The VGA BIOS. Segments while it runs: CS and GS are the image (constants, declared ROM), FS is 0 (the interrupt
   vectors and the BIOS data area), SS and DS the caller's stack; ES is nobody's. There are no variables but the BIOS data
   area's and what the adapter's registers hold. In protected mode (VBE 3.0) they are selectors, and those of the video
   memory and of a block that stands for the BIOS data area are in `segments`. */
#include "../ports.h"

#define ROM const __seg_gs __attribute__((section(".tables")))
typedef const u8 __seg_gs *rom_bytes;

/* As entry.asm lays them on the caller's stack */
struct regs {
    u16 gs, fs;
    union { u32 edi; u16 di; };
    union { u32 esi; u16 si; };
    union { u32 ebp; u16 bp; };
    u32 esp;
    union { u32 ebx; u16 bx; struct { u8 bl, bh; }; };
    union { u32 edx; u16 dx; struct { u8 dl, dh; }; };
    union { u32 ecx; u16 cx; struct { u8 cl, ch; }; };
    union { u32 eax; u16 ax; struct { u8 al, ah; }; };
    u16 es, ds;
    u16 ip, cs, flags;
};

/* The BIOS data area's part for displays, from 40:49h on (IBM PS/2 and PC BIOS Interface Technical Reference) */
struct video_data {
    u8 mode;
    u16 columns, page_size, page_start;
    u16 cursor[8];                                  /* row and column of each page */
    u16 cursor_shape;                               /* last line, first line */
    u8 page;
    u16 crtc;                                       /* port: 3D4h or 3B4h */
    u8 mode_control, palette;                       /* what a CGA's registers would hold */
} __attribute__((packed));
struct video_data2 {                                /* from 40:84h on */
    u8 last_row;
    u16 char_height;
    u8 control, switches, flags, combination;
} __attribute__((packed));
#define bda (*(volatile struct video_data __seg_fs *) 0x449)
#define bda2 (*(volatile struct video_data2 __seg_fs *) 0x484)
#define equipment (*(volatile u16 __seg_fs *) 0x410)
#define save_pointer (*(volatile u32 __seg_fs *) 0x4A8)
#define vector(n) (((volatile u32 __seg_fs *) 0)[n])

#define VBE_MODE 0x7F                               /* `mode` while one of VBE's own is set: none that programs know */
#define CONTROL_NO_EMULATION 0x01                   /* control: CGA cursor emulation is off */
#define CONTROL_NOT_CLEARED 0x80
#define FLAG_SUMMING 0x02                           /* flags */
#define FLAG_NO_PALETTE 0x08
#define FLAG_400 0x10
#define FLAG_200 0x80

/* A far pointer as it lies in memory: segment << 16 | offset. */
typedef u32 far;
#define FAR(segment, offset) ((u32) (segment) << 16 | (u16) (offset))
static inline u16 rom_segment(void) { u16 v; asm("movw %%gs, %0" : "=r"(v)); return v; }
static inline u16 data_segment(void) { u16 v; asm("movw %%fs, %0" : "=r"(v)); return v; }
static inline u16 stack_segment(void) { u16 v; asm("movw %%ss, %0" : "=r"(v)); return v; }
#define ROM_FAR(object) FAR(rom_segment(), (u32) (object))
#define BDA_FAR(offset) FAR(data_segment(), 0x400 + (offset))
extern const u16 __seg_gs segments[];
enum { AT_A0000 = 1, AT_B0000, AT_B8000 };          /* in segments */

u8 peekb(far p);
u16 peekw(far p);
u32 peekl(far p);
void pokeb(far p, u8 v);
void pokew(far p, u16 v);
void pokel(far p, u32 v);
void copy(far to, far from, u32 bytes);             /* downwards if `to` is behind `from` in its segment */
void fillw(far to, u32 word, u32 words);
void fillb(far to, u32 byte, u32 bytes);

/* ---- modes.c: how the memory of a mode is laid out */
enum { TEXT, CGA, PLANAR, BYTES, DIRECT, NO_MODE };
struct mode {
    u8 number, layout, bits;                        /* of a pixel */
    u8 parameters;                                  /* index of its entry in the video parameter table */
    u8 palette;
    u8 pages;
    u8 segment;                                     /* AT_A0000 ... */
    u16 colors;
};
typedef const struct mode __seg_gs *mode_ref;
struct parameters {                                 /* an entry of the video parameter table, which programs may read */
    u8 columns, last_row, height;
    u16 page_size;
    u8 sequencer[4], misc, crtc[25], attribute[20], graphics[9];
} __attribute__((packed));
extern ROM struct parameters video_parameters[];
extern ROM struct mode modes[];
#define MODES 15
mode_ref find_mode(u8 number);
mode_ref current_mode(void);
static inline far screen(mode_ref m, u32 offset) { return FAR(segments[m->segment], offset); }
int set_mode(u8 number);

/* ---- save_pointers.c */
void read_parameters(struct parameters *to, u32 index);
void keep_color(u8 index, u8 value);
void apply_save_pointers(mode_ref m);

/* ---- palette.c */
#define OVERSCAN 0x11                               /* of the attribute controller */
void palette_services(struct regs *r);
void set_attribute(u8 index, u8 value);
void set_color(u8 index, u8 value);
u8 get_attribute(u8 index);
void enable_display(void);
void load_palette(u8 kind);
void sum_to_grey(u32 first, u32 count);
void set_dac(u32 first, u32 count, far from);
void get_dac(u32 first, u32 count, far to);
void cga_palette(struct regs *r);

/* ---- fonts.c */
extern const u8 __seg_gs font8[], font14[], font16[];
void font_services(struct regs *r);
void load_font(far from, u32 height, u32 first, u32 count, u8 block);
far rom_font(u32 height);
void set_rows(u32 height);

/* ---- text.c */
void set_cursor_shape(u16 shape);
void set_cursor(u8 page, u16 at);
void set_page(u8 page);
void scroll(u8 page, u8 lines, u8 fill, u16 from, u16 to, int down);
void read_character(struct regs *r);
void write_characters(u8 page, u8 c, u8 attribute, u16 count, int with_attribute);
void teletype(u8 page, u8 c, u8 attribute, int with_attribute);
void write_string(struct regs *r);
u32 rows(void);

/* ---- graphics.c */
void draw_character(mode_ref m, u8 page, u32 column, u32 row, u8 c, u8 color);
u8 recognize(mode_ref m, u8 page, u32 column, u32 row);
void move_graphics_row(mode_ref m, u8 page, u32 left, u32 columns, u32 to, u32 from);
void clear_graphics_row(mode_ref m, u8 page, u32 left, u32 columns, u32 row, u8 color);
void put_pixel(mode_ref m, u8 page, u32 x, u32 y, u8 color);
u8 get_pixel(mode_ref m, u8 page, u32 x, u32 y);

/* ---- state.c */
void alternate_select(struct regs *r);
void combination_services(struct regs *r);
void state_information(struct regs *r);
void state_services(struct regs *r);
u32 state_size(u16 parts);
void save_state(u16 parts, far to);
void restore_state(u16 parts, far from);
extern ROM u8 static_functionality[];

/* ---- vbe.c */
#define DISPI 0x1CE
enum { DISPI_ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY_64K };
#define DISPI_ENABLED 0x01
#define DISPI_DAC8 0x20
#define DISPI_LFB 0x40
#define DISPI_NOCLEAR 0x80
static inline u16 dispi(u16 index) { outw(DISPI, index); return inw(DISPI + 1); }
static inline void set_dispi(u16 index, u16 v) { outw(DISPI, index); outw(DISPI + 1, v); }
int has_dispi(void);
int vbe_active(void);
void vbe_services(struct regs *r);

/* The keyboard's part of the BIOS data area, and what its files share: keymap.c knows the codes, keyboard.c takes them from the
   keyboard, int16.c hands out the buffer's words. */
#define FLAGS 0x17                                  /* in the BIOS data area */
#define FLAGS2 0x18
#define PAUSED 0x08                                 /* of the second flags */
#define ALT_NUMBER 0x19
#define FLAGS3 0x96
#define LIGHTS 0x97                                 /* as they are, in three bits */
#define LIGHTS_CHANGING 0x40                        /* the command has been sent */
#define LIGHTS_SENT 0x10                            /* and its argument */
#define HEAD 0x1A
#define TAIL 0x1C
#define START 0x80
#define END 0x82
#define RIGHT 0x01
#define LEFT 0x02
#define CTRL 0x04
#define ALT 0x08
#define SCROLL 0x10
#define NUM 0x20
#define CAPS 0x40
#define INSERT 0x80
#define E0_LAST 0x02
#define E1_LAST 0x01
#define E0_ENHANCED 0x10

u16 key_of(u8 code, u8 flags, int e0);
extern const char keypad[];
int scan_code(u8 code);
void store(u16 key);

/* The numbers of the system calls, for both sides. */
#define SYS_EXIT 0                      /* (status) */
#define SYS_WRITE 1                     /* (text, length) */
#define SYS_GET_KEY 2                   /* (): waits for a key */
#define SYS_POLL_KEY 3                  /* (): a key, or -1 */
#define SYS_SLEEP 4                     /* (ticks) */
#define SYS_TICKS 5                     /* (): since the start, 100 a second */
#define SYS_GRAPHICS 6                  /* (on): mode 13h, with its memory at 40300000h; or back to text */
#define SYS_PALETTE 7                   /* (768 bytes): red, green, blue of each colour, 0 to 63 */

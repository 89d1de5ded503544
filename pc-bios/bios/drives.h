/* What the files about drives share: ata.c and floppy.c move sectors, disk.c, cdrom.c, eltorito.c and floppy13.c answer
   INT 13h with them, boot.c starts what is on them. A status is INT 13h's: 0, or the error in AH. */
#define OK 0x00
#define BAD_COMMAND 0x01
#define NO_ADDRESS_MARK 0x02
#define WRITE_PROTECTED 0x03
#define NOT_FOUND 0x04
#define MEDIUM_CHANGED 0x06
#define DMA_OVERRUN 0x08
#define DMA_BOUNDARY 0x09
#define UNKNOWN_MEDIUM 0x0C
#define DATA_ERROR 0x10
#define CONTROLLER_FAILED 0x20
#define NO_MEDIUM 0x31
#define TIMED_OUT 0x80
#define VOLUME_NOT_LOCKED 0xB0
#define VOLUME_LOCKED 0xB1
#define NOT_REMOVABLE 0xB2
#define WRITE_FAULT 0xCC

#define FIRST_DISK 0x80
#define FIRST_CD 0xE0

/* A bound on polling that needs no interrupt: the refresh toggle of port 61h changes every 15 us. */
struct timeout { u32 left; u8 last; };
#define MILLISECONDS(n) ((struct timeout) { (n) * 66, 0 })
static inline int expired(struct timeout *t)
{
    u8 toggle = inb(PORT_B) & PORT_B_REFRESH;
    if (toggle != t->last && t->left)
        t->left--;
    t->last = toggle;
    return !t->left;
}

/* ---- ata.c: what is on the two IDE channels */
struct drive {
    u16 port;                                       /* of the command block; its control block is 206h above */
    u8 unit, lba48;
    u32 sectors;                                    /* of 512 bytes; of a disk */
    u16 cylinders, heads, spt;                      /* as INT 13h shows them */
    u16 real_cylinders, real_heads, real_spt;
    u8 changed, locks;                              /* of a CD-ROM drive */
    char model[41];
};
#define DRIVES 4
#define READ_SECTORS 0x20
#define WRITE_SECTORS 0x30
#define VERIFY_SECTORS 0x40
extern struct drive disks[DRIVES], cds[DRIVES];
extern u8 disk_count, cd_count, foreign_disks;      /* foreign: of option ROMs */
void ata_init(void);
u8 transfer(struct drive *d, u8 command, u32 lba, u32 count, u16 seg, u16 off, u32 *done);
u8 packet(struct drive *d, const u8 *command, u16 seg, u16 off, u32 bytes);
u8 cd_ready(struct drive *d);
u8 cd_read(struct drive *d, u32 lba, u32 count, u16 seg, u16 off, u32 *done);

/* ---- disk.c */
void disk_13(struct regs *r);
void finish_13(struct regs *r, u8 status);
void edd_parameters(struct drive *d, struct regs *r, int cd);

/* ---- cdrom.c, eltorito.c */
void cd_13(struct regs *r);
int eltorito_13(struct regs *r);
void end_emulation(void);
const char *boot_cd(int n);

/* ---- boot.c */
void show_devices(void);
void connect_disks(void);
void protect_roms(void);
void add_disk(u8 unit, u16 segment, u16 product);
void add_bootstrap(u16 segment, u16 offset, u16 product, int first);
#define SECTOR_SEGMENT 0x07C0
#define SECTOR_AT 0x7C00
void start_boot(u16 segment, u16 offset, u32 drive) __attribute__((noreturn));

/* ---- floppy.c */
#define FLOPPIES 2
struct format { u8 tracks, heads, sectors, rate; };
extern struct format media[FLOPPIES];
extern u8 floppy_types[FLOPPIES], floppy_count;
#define FLOPPY_READ 0xE6                            /* with MT, MFM, skip deleted */
#define FLOPPY_WRITE 0xC5
#define FLOPPY_VERIFY 0x00                          /* a read of which DMA keeps nothing */
void floppy_init(void);
u8 floppy_reset(void);
u8 floppy_ready(u8 drive);
int floppy_changed(u8 drive);
u8 floppy_sectors(u8 drive, u8 command, u8 cylinder, u8 head, u8 sector, u8 count, u16 seg, u16 off, u8 *done);
u8 floppy_format(u8 drive, u8 cylinder, u8 head, u8 sectors, u16 seg, u16 off);
void floppy_rest(void);
void set_medium(u8 drive, struct format form);

/* ---- floppy13.c */
void floppy_13(struct regs *r);
void floppy_table(struct regs *r, u8 type);
const struct format *drive_format(u8 type);

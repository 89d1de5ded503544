/* INT 13h for CD-ROM drives, E0h and on: EDD's packets with sectors of 2048 bytes, locks, eject, change of the medium. */
#include "bios.h"
#include "drives.h"

static u8 prevent(struct drive *d, int on)
{
    u8 command[12] = { 0x1E, 0, 0, 0, on };
    return packet(d, command, 0, 0, 0);
}

/* 45h: locks count; each asks for an unlock. */
static u8 lock(struct drive *d, struct regs *r)
{
    u8 status = OK;
    if (r->al > 2)
        return BAD_COMMAND;
    if (r->al == 0) {
        if (d->locks == 255)
            return 0xB4;
        if (!d->locks)
            status = prevent(d, 1);
        d->locks += !status;
    } else if (r->al == 1) {
        if (!d->locks)
            return VOLUME_NOT_LOCKED;
        if (d->locks == 1)
            status = prevent(d, 0);
        d->locks -= !status;
    }
    r->al = !!d->locks;
    return status;
}

static u8 eject(struct drive *d)
{
    static const u8 start_stop[12] = { 0x1B, 0, 0, 0, 2 };
    return d->locks ? VOLUME_LOCKED : packet(d, start_stop, 0, 0, 0);
}

/* EDD's packet, whose sectors are the disc's. */
static u8 extended(struct drive *d, struct regs *r)
{
    u16 seg = r->ds, si = r->si;
    u32 count = peekw(seg, si + 2), lba = peekl(seg, si + 8), done = 0;
    if (peekb(seg, si) < 16 || peekl(seg, si + 12))
        return BAD_COMMAND;
    if (r->ah != 0x42)                              /* verify, seek: is there a disc? */
        return cd_ready(d);
    u8 status = cd_read(d, lba, count, peekw(seg, si + 6), peekw(seg, si + 4), &done);
    pokew(seg, si + 2, done);
    return status;
}

void cd_13(struct regs *r)
{
    struct drive *d = &cds[r->dl - FIRST_CD];
    u8 status = OK;
    if (r->ah == 0x01) {
        r->ah = peekb(BDA, 0x74);
        carry(r, r->ah);
        return;
    }
    switch (r->ah) {
    case 0x00: case 0x0D:
        break;
    case 0x41:
        if (r->bx != 0x55AA) {
            status = BAD_COMMAND;
            break;
        }
        r->bx = 0xAA55;
        r->ah = 0x30;
        r->cx = 0x0007;                             /* packets, locks and ejects, the parameter table extension */
        carry(r, 0);
        return;
    case 0x42: case 0x44: case 0x47:
        status = extended(d, r);
        break;
    case 0x03: case 0x43:
        status = WRITE_PROTECTED;
        break;
    case 0x45:
        status = lock(d, r);
        break;
    case 0x46:
        status = eject(d);
        break;
    case 0x48:
        edd_parameters(d, r, 1);
        return;
    case 0x49:
        status = cd_ready(d);
        if (!status && d->changed)
            status = MEDIUM_CHANGED;
        d->changed = 0;
        break;
    case 0x4E:
        status = r->al == 1 || r->al == 3 || r->al == 4 || r->al == 6 ? OK : BAD_COMMAND;
        r->al = 0;
        break;
    default:
        status = BAD_COMMAND;
    }
    finish_13(r, status);
}

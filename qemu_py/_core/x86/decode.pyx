"""The instruction decoder: prefixes, opcode maps, ModRM, immediates (SDM vol. 2, chapter 2).

What there is to decode stands in opcodes/*.txt; this module walks the tables made of it.
"""
from libc.string cimport memset
from qemu_py._core.cpu cimport R_CS, R_DS, R_ES, R_FS, R_GS, R_SS

include "../gen/decode_tables.pxi"
include "../gen/insn_names.pxi"

cdef enum:              # low bits of a table reference
    LEAF = 0
    BY_PREFIX = 1
    BY_REG = 2
    BY_MOD = 3
    BY_RM = 4

cdef enum:
    MAX_INSN = 15       # bytes

# Effective addresses of 16-bit addressing by r/m (SDM vol. 2, table 2-1)
cdef int8_t *BASE16 = [3, 3, 5, 5, 6, 7, 5, 3]
cdef int8_t *INDEX16 = [6, 7, 6, 7, -1, -1, -1, -1]


cdef inline int32_t rd32(const uint8_t *p) noexcept nogil:
    return (<const int32_t *> p)[0]


cdef inline int16_t rd16(const uint8_t *p) noexcept nogil:
    return (<const int16_t *> p)[0]


cdef inline int short_of(const uint8_t *code, const uint8_t *end, uint32_t avail) noexcept nogil:
    return DECODE_GP if avail >= MAX_INSN else DECODE_MORE


cdef int decode_insn(const uint8_t *code, uint32_t avail, bint code32, uint32_t features, Insn *insn) noexcept nogil:
    cdef const uint8_t *p = code
    cdef const uint8_t *end = code + (avail if avail < MAX_INSN else MAX_INSN)
    cdef uint32_t byte, ref, kind, map_, prefix, i
    cdef const Leaf *leaf
    cdef uint8_t size
    memset(insn, 0, sizeof(Insn))
    insn.seg_prefix = -1
    insn.base = -1
    insn.index = -1
    insn.osz = 4 if code32 else 2
    insn.asz = insn.osz
    # ---- prefixes, any order, any number; the last of a group counts
    while True:
        if p >= end:
            return short_of(code, end, avail)
        byte = p[0]
        p += 1
        if byte == 0x66:
            insn.opsz_prefix = 1
        elif byte == 0x67:
            insn.asz = 2 if code32 else 4
        elif byte == 0xF2 or byte == 0xF3:
            insn.rep = byte
        elif byte == 0x2E:
            insn.seg_prefix = R_CS
        elif byte == 0x36:
            insn.seg_prefix = R_SS
        elif byte == 0x3E:
            insn.seg_prefix = R_DS
        elif byte == 0x26:
            insn.seg_prefix = R_ES
        elif byte == 0x64:
            insn.seg_prefix = R_FS
        elif byte == 0x65:
            insn.seg_prefix = R_GS
        elif byte == 0xF0:
            insn.lock = 1
        else:
            break
    if insn.opsz_prefix:
        insn.osz = 2 if code32 else 4
    # ---- opcode
    map_ = 0
    if byte == 0x0F:
        if p >= end:
            return short_of(code, end, avail)
        map_ = 1
        byte = p[0]
        p += 1
        if byte == 0x38 or byte == 0x3A:
            if p >= end:
                return short_of(code, end, avail)
            map_ = 2 if byte == 0x38 else 3
            byte = p[0]
            p += 1
    insn.opcode = byte
    insn.map = map_
    insn.cc = byte & 15
    ref = maps[map_][byte]
    if has_modrm[map_][byte]:
        if p >= end:
            return short_of(code, end, avail)
        insn.has_modrm = 1
        insn.modrm = p[0]
        p += 1
        insn.mod = insn.modrm >> 6
        insn.reg = (insn.modrm >> 3) & 7
        insn.rm = insn.modrm & 7
    while ref & 7:
        kind = ref & 7
        ref >>= 3
        if kind == BY_REG:
            ref = nodes[ref + insn.reg]
        elif kind == BY_PREFIX:
            prefix = 2 if insn.rep == 0xF3 else 3 if insn.rep == 0xF2 else insn.opsz_prefix
            ref = nodes[ref + prefix]
        elif kind == BY_MOD:
            ref = nodes[ref + (insn.mod == 3)]
        else:
            ref = nodes[ref + insn.rm]
    leaf = &leaves[ref >> 3]
    insn.len = <uint8_t> (p - code)
    if leaf.id == 0 or (leaf.needs & features) != leaf.needs:
        return DECODE_UD
    insn.id = leaf.id
    insn.family = leaf.family
    insn.attr = leaf.attr
    insn.zreg = leaf.zreg
    # ---- address
    if insn.has_modrm and insn.mod != 3 and leaf.opt[0] != OT_R and leaf.opt[1] != OT_R:
        kind = R_DS
        if insn.asz == 4:
            if insn.rm == 4:
                if p >= end:
                    return short_of(code, end, avail)
                byte = p[0]
                p += 1
                insn.scale = byte >> 6
                insn.index = (byte >> 3) & 7
                if insn.index == 4:
                    insn.index = -1
                    insn.scale = 0
                insn.base = byte & 7
            else:
                insn.base = insn.rm
            if insn.base == 5 and insn.mod == 0:
                insn.base = -1
                if p + 4 > end:
                    return short_of(code, end, avail)
                insn.disp = rd32(p)
                p += 4
            elif insn.base == 4 or insn.base == 5:
                kind = R_SS
            if insn.mod == 1:
                if p >= end:
                    return short_of(code, end, avail)
                insn.disp = <int8_t> p[0]
                p += 1
            elif insn.mod == 2:
                if p + 4 > end:
                    return short_of(code, end, avail)
                insn.disp = rd32(p)
                p += 4
        else:
            insn.base = BASE16[insn.rm]
            insn.index = INDEX16[insn.rm]
            if insn.rm == 6 and insn.mod == 0:
                insn.base = -1
            elif insn.base == 5:
                kind = R_SS
            if insn.mod == 1:
                if p >= end:
                    return short_of(code, end, avail)
                insn.disp = <int8_t> p[0]
                p += 1
            elif insn.mod == 2 or insn.base < 0:
                if p + 2 > end:
                    return short_of(code, end, avail)
                insn.disp = rd16(p)
                p += 2
        insn.seg = kind if insn.seg_prefix < 0 else insn.seg_prefix
    else:
        insn.seg = R_DS if insn.seg_prefix < 0 else insn.seg_prefix
    # ---- operands
    for i in range(3):
        kind = leaf.opt[i]
        if kind == OT_NONE:
            break
        insn.opt[i] = kind
        size = leaf.opsz[i]
        if size >= 32:
            size = insn.osz if size == 32 else insn.osz + 2 if size == 33 else insn.osz * 2
        insn.opsz[i] = size
        if insn.size == 0 and kind != OT_I and kind != OT_DX and kind != OT_CL and kind != OT_1:
            insn.size = size
        if kind == OT_Z:
            insn.zreg = insn.opcode & 7
        elif kind == OT_I or kind == OT_J:
            if p + size > end:
                return short_of(code, end, avail)
            if size == 1:
                if kind == OT_J or insn.attr & IA_SIGNED8:
                    insn.imm = <int8_t> p[0]
                else:
                    insn.imm = p[0]
            elif size == 2:
                insn.imm = rd16(p) if kind == OT_J else <uint16_t> rd16(p)
            else:
                insn.imm = rd32(p)
            p += size
        elif kind == OT_O:
            if p + insn.asz > end:
                return short_of(code, end, avail)
            insn.disp = rd32(p) if insn.asz == 4 else <uint16_t> rd16(p)
            p += insn.asz
        elif kind == OT_AP:
            if p + size > end:
                return short_of(code, end, avail)
            insn.imm = <uint32_t> rd32(p) if size == 6 else <uint16_t> rd16(p)
            insn.imm2 = <uint16_t> rd16(p + size - 2)
            p += size
        elif kind == OT_I2:
            if p >= end:
                return short_of(code, end, avail)
            insn.imm2 = p[0]
            p += 1
        elif (kind == OT_M and insn.mod == 3) or ((kind == OT_N or kind == OT_U) and insn.mod != 3):
            return DECODE_UD
    insn.len = <uint8_t> (p - code)
    if insn.lock and (not insn.attr & IA_LOCK or insn.mod == 3 or not insn.has_modrm
                      or (insn.opt[0] != OT_E and insn.opt[0] != OT_M)):
        return DECODE_UD
    return DECODE_OK


def decode(code, bint code32=True, uint32_t features=0xFFFFFFFF):
    """Decode the first instruction of `code` (bytes): (mnemonic, length, fields).

    The mnemonic is None for what is #UD; ValueError when the bytes end within the instruction or
    it is longer than 15 bytes."""
    cdef Insn insn
    cdef bytes data = bytes(code)
    cdef int r = decode_insn(data, <uint32_t> len(data), code32, features, &insn)
    if r == DECODE_MORE or r == DECODE_GP:
        raise ValueError("truncated instruction" if r == DECODE_MORE else "instruction over 15 bytes")
    fields = {"lock": insn.lock, "rep": insn.rep, "seg": insn.seg, "osz": insn.osz, "asz": insn.asz,
              "size": insn.size, "mod": insn.mod, "reg": insn.reg, "rm": insn.rm, "zreg": insn.zreg,
              "base": insn.base, "index": insn.index, "scale": insn.scale, "disp": insn.disp,
              "imm": insn.imm, "imm2": insn.imm2, "cc": insn.cc,
              "operands": [(insn.opt[i], insn.opsz[i]) for i in range(3) if insn.opt[i]]}
    return (None if r == DECODE_UD else INSN_NAMES[insn.id]), insn.len, fields

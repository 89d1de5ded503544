"""The decoded instruction and the decoder's entry (decode.pyx, tables in gen/decode_tables.pxi)."""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

include "../gen/insn_enum.pxi"

cdef enum:              # Insn.opt: what an operand is
    OT_NONE = 0
    OT_E = 1            # ModRM r/m: register (mod 3) or memory, general register file
    OT_G = 2            # ModRM reg
    OT_I = 3            # immediate in imm, sign-extended where the table says
    OT_J = 4            # relative branch, in imm
    OT_M = 5            # ModRM memory only (mod 3 is #UD)
    OT_O = 6            # moffs; decoded into disp
    OT_S = 7            # segment register: ModRM reg
    OT_C = 8            # control register: ModRM reg
    OT_D = 9            # debug register: ModRM reg
    OT_Z = 10           # register in the opcode's low three bits (Insn.zreg)
    OT_A = 11           # AL, AX or EAX
    OT_CL = 12
    OT_DX = 13
    OT_1 = 14
    OT_X = 15           # [seg:(E)SI]
    OT_Y = 16           # [ES:(E)DI]
    OT_P = 17           # MMX register: ModRM reg
    OT_Q = 18           # ModRM r/m: MMX register or memory
    OT_V = 19           # XMM register: ModRM reg
    OT_W = 20           # ModRM r/m: XMM register or memory
    OT_AP = 21          # far pointer: imm is the offset, imm2 the selector
    OT_SR = 22          # fixed segment register (Insn.zreg)
    OT_R = 23           # ModRM r/m, register whatever mod says (MOV CR/DR)
    OT_I2 = 24          # second immediate in imm2 (ENTER)
    OT_N = 25           # ModRM r/m: MMX register only (mod 3)
    OT_U = 26           # ModRM r/m: XMM register only (mod 3)
    OT_T = 27           # test register

cdef enum:              # Insn.family: which translation rule
    FAM_INT = 0
    FAM_SYS = 1
    FAM_FPU = 2
    FAM_SSE = 3
    FAM_STR = 4
    FAM_MATH = 5

cdef struct Insn:
    uint16_t id         # I_* of insn_enum.pxi; I_INVALID: #UD
    uint8_t family
    uint8_t opt[3]      # OT_*
    uint8_t opsz[3]     # bytes; 0 when the operand has no size of its own
    uint8_t len
    uint8_t lock
    uint8_t rep         # 0, F2h or F3h (the last one given)
    int8_t seg_prefix   # -1: none
    uint8_t osz         # operand size 2 or 4
    uint8_t asz         # address size 2 or 4
    uint8_t opsz_prefix # 66h was given
    uint8_t opcode      # last opcode byte
    uint8_t map         # 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A
    uint8_t has_modrm
    uint8_t modrm
    uint8_t mod
    uint8_t reg
    uint8_t rm
    uint8_t zreg
    uint8_t size        # bytes of the first sized operand: 1, 2, 4, 8 ...
    uint8_t cc          # condition code of Jcc, SETcc, CMOVcc: opcode & 15
    uint8_t seg         # segment of the memory operand, prefix and defaults applied (R_*)
    uint8_t scale
    int8_t base         # general register number, -1: none
    int8_t index
    int32_t disp
    int64_t imm
    int64_t imm2
    uint32_t attr       # IA_*

cdef enum:              # Insn.attr, from the table
    IA_LOCK = 1         # LOCK allowed (with a memory destination)
    IA_MODRM = 2
    IA_SIGNED8 = 4
    IA_NO66 = 8

cdef enum:              # result of decode_insn
    DECODE_OK = 0
    DECODE_UD = 1       # #UD; len is what was read
    DECODE_GP = 2       # longer than 15 bytes: #GP(0)
    DECODE_MORE = 3     # needs bytes beyond `avail`

# Decode from `code`, of which `avail` bytes may be read (15 at most are). `features`: CPUF_*.
cdef int decode_insn(const uint8_t *code, uint32_t avail, bint code32, uint32_t features, Insn *insn) noexcept nogil

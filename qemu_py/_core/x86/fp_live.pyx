"""The guest's x87 in the host's while host code runs (host/x87.pxi): in and out.

Only an x87 with every exception masked gets there, so nothing is ever pending. FXRSTOR and FXSAVE (SDM vol. 1, 10.5)
carry the XMM registers along: host code puts both around x87_image, so those stay what they are. The host's instruction
and operand pointers are of no use: fp_ip and fp_dp stand for the guest's.
"""
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport FP_LIVE_X87, FP_NO_OPERAND, R_CS

cdef extern from *:
    """
    static inline void qp_x87_out(void *image) { __asm__ volatile ("fxsave64 (%0); fninit" : : "r"(image) : "memory"); }
    """
    void x87_out "qp_x87_out"(void *image) noexcept nogil


cdef void x87_image(CPUX86State *env) noexcept nogil:
    cdef uint64_t *q = <uint64_t *> fx_image(env)
    cdef uint32_t i, j
    cdef uint64_t tags = 0
    for i in range(8):
        j = (env.fpstt + i) & 7
        tags |= <uint64_t> (env.fptags[i] == 0) << i
        q[4 + 2 * i] = env.fpregs[j].m
        q[5 + 2 * i] = env.fpregs[j].se
    q[0] = env.fpuc | <uint64_t> (env.fpus | env.fpstt << 11) << 16 | tags << 32
    q[1] = q[2] = 0
    env.fp_ip = 0
    env.fp_ds = FP_NO_OPERAND


cdef void x87_leave(CPUX86State *env) noexcept nogil:
    cdef uint64_t *q = <uint64_t *> fx_image(env)
    cdef uint32_t i, j
    x87_out(q)
    env.fp_live &= ~<uint32_t> FP_LIVE_X87
    env.fpuc = <uint16_t> q[0]
    env.fpstt = <uint32_t> (q[0] >> 27) & 7
    env.fpus = <uint16_t> (q[0] >> 16) & 0xC7FF
    for i in range(8):
        j = (env.fpstt + i) & 7
        env.fptags[i] = not q[0] >> (32 + i) & 1
        env.fpregs[j].m = q[4 + 2 * i]
        env.fpregs[j].se = <uint16_t> q[5 + 2 * i]
    if env.fp_ip:
        env.fpip = <uint32_t> env.fp_ip
        env.fpop = <uint16_t> (env.fp_ip >> 32) & 0x7FF
        env.fpcs = <uint16_t> env.segs[R_CS].selector
    if env.fp_ds != FP_NO_OPERAND:      # host code has flat segments only
        env.fpdp = env.fp_dp
        env.fpds = <uint16_t> env.segs[env.fp_ds].selector

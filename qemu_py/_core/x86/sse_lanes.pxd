"""Post-computation exceptions of unmasked SSE arithmetic, lane by lane (sse_lanes.pyx)."""
from libc.stdint cimport uint32_t

cdef enum:              # which lanes an instruction computes, and how
    LANES_NONE = 0      # neither overflow nor underflow can happen
    LANES_add = 1
    LANES_sub = 2
    LANES_mul = 3
    LANES_div = 4
    LANES_addsub = 5
    LANES_hadd = 6
    LANES_hsub = 7
    LANES_cvt = 8       # a double to a single
    LANES_OP = 15
    LANES_ps = 0
    LANES_pd = 16       # doubles
    LANES_ss = 32       # the lowest lane only
    LANES_sd = 48

# MXCSR's OE, UE, PE as the instruction would set them; a, b: its operands
cdef uint32_t post_flags(uint32_t mxcsr, uint32_t lanes, const void *a, const void *b) noexcept nogil

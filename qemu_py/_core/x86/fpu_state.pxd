"""The x87's environment: control and status words, tags, and their images in memory (fpu_state.pyx)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# FNINIT (SDM vol. 2): also the x87 part of a reset, whatever was in the registers.
cdef void fpu_init(CPUX86State *env) noexcept nogil
# The status word as FNSTSW gives it, TOP included; setting it recomputes ES and B.
cdef uint16_t fpu_status(CPUX86State *env) noexcept nogil
cdef void fpu_set_status(CPUX86State *env, uint32_t value) noexcept nogil
cdef void fpu_set_control(CPUX86State *env, uint32_t value) noexcept nogil
cdef void fpu_clear_exceptions(CPUX86State *env) noexcept nogil
# The tag word, two bits for each physical register (SDM vol. 1, 8.1.7); loading one only tells
# empty from not empty.
cdef uint16_t fpu_tag_word(CPUX86State *env) noexcept nogil
cdef void fpu_set_tag_word(CPUX86State *env, uint32_t value) noexcept nogil
# Images in memory; size is the operand size, 2 or 4. Nonzero: fault pending, nothing has changed.
cdef int fldenv(CPUX86State *env, uint64_t va, int size) noexcept nogil
cdef int fnstenv(CPUX86State *env, uint64_t va, int size) noexcept nogil
cdef int frstor(CPUX86State *env, uint64_t va, int size) noexcept nogil
cdef int fnsave(CPUX86State *env, uint64_t va, int size) noexcept nogil
cdef int fxsave(CPUX86State *env, uint64_t va) noexcept nogil
cdef int fxrstor(CPUX86State *env, uint64_t va) noexcept nogil
# FXSAVE's 512-byte image without memory accesses; fxsave_image gives the size that it has filled in.
cdef uint32_t fxsave_image(CPUX86State *env, uint8_t *image) noexcept nogil
cdef void fxrstor_image(CPUX86State *env, const uint8_t *image) noexcept nogil

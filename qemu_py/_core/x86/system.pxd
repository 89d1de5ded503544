"""Flags, MSRs, CPUID, time stamps, fast system calls (system.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# ---- EFLAGS and IOPL. Nonzero: fault pending.
cdef int helper_pushf(CPUX86State *env, int size) noexcept nogil      # the image to env.t[0]
cdef int helper_popf(CPUX86State *env, uint32_t value, int size) noexcept nogil
cdef int helper_cli(CPUX86State *env) noexcept nogil
cdef int helper_sti(CPUX86State *env) noexcept nogil
# ---- ECX names the MSR, EDX:EAX its value. Nonzero: fault pending.
cdef int helper_rdmsr(CPUX86State *env) noexcept nogil
cdef int helper_wrmsr(CPUX86State *env) noexcept nogil
cdef int helper_rdtsc(CPUX86State *env) noexcept nogil
cdef int helper_rdpmc(CPUX86State *env) noexcept nogil
# EAX, ECX: leaf and subleaf; EAX, EBX, ECX, EDX: the answer.
cdef void helper_cpuid(CPUX86State *env) noexcept nogil
cdef void cpu_x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t *out) noexcept nogil
# ---- they set env.eip. Nonzero: fault pending.
cdef int helper_sysenter(CPUX86State *env) noexcept nogil
cdef int helper_sysexit(CPUX86State *env) noexcept nogil
# ---- MOV CRn, DRn, TRn; CPL has been checked. Values in env.t[0]. Nonzero: fault pending.
cdef int helper_read_cr(CPUX86State *env, int n) noexcept nogil
cdef int helper_write_cr(CPUX86State *env, int n, uint32_t value) noexcept nogil
cdef int helper_read_dr(CPUX86State *env, int n) noexcept nogil
cdef int helper_write_dr(CPUX86State *env, int n, uint32_t value) noexcept nogil
cdef int helper_lmsw(CPUX86State *env, uint32_t value) noexcept nogil

; The programs, each linked to run at 40000000h, as they lie in the image: struct program of kernel.h.
; build.py says where the linked files are.

section .rodata
global programs

%macro PROGRAM 2
    db %1
  %strlen length %1
    times 8 - length db 0
    dd begin_%2, end_%2
%endmacro

programs:
    PROGRAM "bench", bench
    PROGRAM "cpuid", cpuid
    PROGRAM "fault", fault
    PROGRAM "life", life
    PROGRAM "mandel", mandel
    PROGRAM "smc", smc
    PROGRAM "spin", spin
    times 16 db 0

begin_bench:    incbin "bench.bin"
end_bench:
begin_cpuid:    incbin "cpuid.bin"
end_cpuid:
begin_fault:    incbin "fault.bin"
end_fault:
begin_life:     incbin "life.bin"
end_life:
begin_mandel:   incbin "mandel.bin"
end_mandel:
begin_smc:      incbin "smc.bin"
end_smc:
begin_spin:     incbin "spin.bin"
end_spin:

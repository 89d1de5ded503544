; Single accesses anywhere in 4 GiB, and where the other processors begin.

bits 16
extern gdt_pointer, data_selector, mtrrs, mtrr_count
global flat_read, flat_write, ap_start, ap_start_end, ap_count

section .text16
%macro ENTER 0
        pushf
        cli
        o32 lgdt [gdt_pointer]
        mov ecx, cr0
        or cl, 1
        mov cr0, ecx
        jmp %%on
%%on:   mov cx, 8
        mov ds, cx
%endmacro
%macro LEAVE_TO 1
        mov cx, [dword 0F0000h + data_selector]
        mov ds, cx
        mov ecx, cr0
        and cl, 0FEh
        mov cr0, ecx
        jmp 0F000h:%1
%1:     push cs
        pop ds
        popf
        o32 ret
%endmacro

flat_read:                              ; u32 flat_read(u32 address): one access of 32 bits
        ENTER
        mov eax, [eax]
        LEAVE_TO read_done

flat_write:                             ; void flat_write(u32 address, u32 value)
        ENTER
        mov [eax], edx
        LEAVE_TO write_done

; What is copied to a page below 1 MiB, where the start-up IPI sends the others. They stay here, in RAM that the memory
; map does not give away, until an operating system's INIT.
ap_start:
        jmp 0F000h:ap_entry
ap_start_end:

ap_entry:
        cli
        mov ax, cs
        mov ds, ax
        xor esi, esi
        mov di, [mtrr_count]
.mtrrs: test di, di
        jz .done
        mov ecx, [esi + mtrrs]
        mov eax, [esi + mtrrs + 4]
        mov edx, [esi + mtrrs + 8]
        wrmsr
        add esi, 12
        dec di
        jmp .mtrrs
.done:  lock inc word [ap_count]
.rest:  hlt
        jmp .rest

section .data16
align 4
ap_count: dd 0

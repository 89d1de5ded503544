; INT 15h AH=89h: to protected mode as the PC/AT has it (IBM PC/AT Technical Reference, "System BIOS"). ES:SI points to a table
; of descriptors: 08h it itself, 10h the interrupts', 18h DS, 20h ES, 28h SS, 30h CS of the program, 38h ours, which is made
; here. BH and BL are the 8259s' first interrupt numbers; all lines are masked. AX and BP are lost.

bits 16
global entry_89

DATA equ 18h
EXTRA equ 20h
STACK equ 28h
CODE equ 30h
BIOS equ 38h

%macro PIC 2                            ; command port, register with the first number
        mov al, 11h
        out %1, al
        mov al, %2
        out %1 + 1, al
        mov al, (%1 == 20h) * 4 + (%1 == 0A0h) * 2
        out %1 + 1, al
        mov al, 1
        out %1 + 1, al
        mov al, 0FFh
        out %1 + 1, al
%endmacro

section .more16
entry_89:
        cli
        in al, 92h                      ; A20
        or al, 2
        and al, 0FEh
        out 92h, al
        in al, 92h
        test al, 2
        jz .failed
        PIC 20h, bh
        PIC 0A0h, bl
        mov dword [es:si + BIOS], 0FFFFh
        mov dword [es:si + BIOS + 4], 00009B0Fh
        lgdt [es:si + 08h]              ; with a base of 24 bits, as the 80286 has it
        lidt [es:si + 10h]
        smsw ax
        or al, 1
        lmsw ax
        jmp BIOS:.on
.on:    mov ax, DATA
        mov ds, ax
        mov ax, EXTRA
        mov es, ax
        mov ax, STACK
        mov ss, ax
        pop bp
        add sp, 4
        push word CODE
        push bp
        xor ax, ax                      ; and no carry
        retf
.failed:
        mov ah, 0FFh
        mov bp, sp
        or byte [bp + 4], 1             ; the caller's carry flag
        iret

; The BIOS segment: reset, the services' way into C, and the AT's fixed places.
;
; Code, data and stack are one segment, F000h: on `pc` POST makes it RAM through the 440FX's PAM registers, on
; `isapc` it is RAM from the beginning. The C files are gcc -m16, so segments are never mixed and a pointer is an offset.
;
; A reset ends in POST, or, if CMOS 0Fh says so, in a program that has left protected mode by it, or in a system that has
; suspended the machine to RAM.

bits 16
extern post, resume, waking_vector, handle_05, handle_09, handle_0e, handle_10, handle_11, handle_12, handle_13, handle_14, handle_16, handle_17
extern handle_18, handle_19, handle_pmm, handle_70, handle_74, handle_irq, entry_15, entry_1a
global call_regs, copy_flat, gdt_pointer, entry_table, dummy_iret, stack_level, start_boot, service, call_mouse_handler
global f_segment, data_selector, data_limits

PAM0_ADDRESS equ 80000058h              ; 59h, the 440FX's PAM0, is in this dword
STACK_TOP equ 0E000h
LEVEL equ 600h                          ; of stack, for a service that interrupts a service
POSTED equ 44454F50h
RESUME_FROM_S3 equ 0FEh                 ; in CMOS 0Fh, as QEMU's PC has it

section .text16
; struct regs of bios.h lies on our stack while a service runs.
service:                                ; the caller's stack: [DS], handler, IP, CS, flags
        cli
        cld
        push ds
        push cs
        pop ds
        mov [entry_eax], eax
        mov [entry_esp], esp
        mov [entry_ss], ss
        mov ax, ss
        cmp ax, 0F000h
        je .nested
        mov ax, cs
        mov ss, ax
        mov esp, [stack_level]
        mov eax, LEVEL
        sub [stack_level], eax
        jmp .room
.nested:
        movzx esp, sp
        xor eax, eax
.room:  push eax                        ; to give back
        push dword [entry_ss]
        push dword [entry_esp]
        mov eax, [entry_eax]
        sub esp, 12
        pushad
        push gs
        push fs
        push es
        push word 0
        mov fs, [entry_ss]
        mov bx, [entry_esp]
        mov ax, [fs:bx]                 ; DS
        mov [esp], ax
        mov ax, [fs:bx + 4]             ; IP, CS, flags
        mov [esp + 40], ax
        mov ax, [fs:bx + 6]
        mov [esp + 42], ax
        mov ax, [fs:bx + 8]
        mov [esp + 44], ax
        movzx ebx, word [fs:bx + 2]
        push ds
        pop es
        mov eax, esp
        call dword ebx
        cli
        mov fs, [esp + 56]
        mov bx, [esp + 52]
        mov ax, [esp]
        mov [fs:bx], ax
        mov ax, [esp + 44]
        mov [fs:bx + 8], ax
        add sp, 2
        pop es
        pop fs
        pop gs
        popad
        add esp, 12
        mov [entry_eax], eax
        pop dword [entry_esp]
        pop dword [entry_ss]
        pop eax
        add [stack_level], eax
        mov eax, [entry_eax]
        mov ss, [entry_ss]
        mov esp, [entry_esp]
        pop ds
        add sp, 2
        iret

%macro SERVICE 1
entry_%1:
        push word handle_%1
        jmp service
%endmacro
        SERVICE 09
        SERVICE 10
        SERVICE 11
        SERVICE 12
        SERVICE 13
        SERVICE 14
        SERVICE 16
        SERVICE 17
        SERVICE 05
        SERVICE 0e
        SERVICE 70
        SERVICE 74
        SERVICE irq

; INT 18h and 19h do not return: a stack of their own, empty.
%macro RESTART 1
entry_%1:
        cli
        cld
        mov ax, cs
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, STACK_TOP
        mov dword [stack_level], STACK_TOP - LEVEL
        sti
        call dword handle_%1
%endmacro
        RESTART 18
        RESTART 19

; void start_boot(u16 segment, u16 offset, u32 drive): the registers as loaders are used to find them.
start_boot:
        cli
        mov dword [stack_level], STACK_TOP
        xor ebx, ebx
        mov ss, bx
        mov esp, 7C00h
        push bx
        popf
        push ax
        push dx
        mov edx, ecx
        mov ds, bx
        mov es, bx
        mov fs, bx
        mov gs, bx
        mov eax, 0AA55h
        xor ecx, ecx
        xor esi, esi
        xor edi, edi
        xor ebp, ebp
        sti
        retf

; IRQ 0: the tick count, which is cleared at midnight, the diskettes' motors, and INT 1Ch. On the interrupted program's stack.
entry_08:
        push eax
        push dx
        push ds
        mov ax, 40h
        mov ds, ax
        mov eax, [6Ch]
        inc eax
        cmp eax, 1800B0h
        jb .same_day
        xor eax, eax
        inc byte [70h]
.same_day:
        mov [6Ch], eax
        cmp byte [40h], 0
        je .rest
        dec byte [40h]
        jnz .rest
        and byte [3Fh], 0F0h
        mov dx, 3F2h
        mov al, 0Ch
        out dx, al
.rest:  int 1Ch
        cli
        mov al, 20h
        out 20h, al
        pop ds
        pop dx
        pop eax
        iret

entry_75:                               ; FERR#, as the 8088's coprocessor raised NMI
        push ax
        xor al, al
        out 0F0h, al
        mov al, 20h
        out 0A0h, al
        out 20h, al
        pop ax
        int 2
        iret

dummy_iret:
        iret

; void call_regs(u16 segment, u16 offset, struct regs *, int flags_pushed): a far routine of anybody's; registers in and out.
call_regs:
        pushad
        push ecx
        mov [call_to], dx
        mov [call_to + 2], ax
        mov edx, [esp + 40]
        mov esi, ecx
        test edx, edx
        jz .far
        pushf
.far:   push cs
        push word .back
        push word [call_to + 2]
        push word [call_to]
        mov es, [esi + 2]
        mov edi, [esi + 8]
        mov ebp, [esi + 16]
        mov ebx, [esi + 24]
        mov edx, [esi + 28]
        mov ecx, [esi + 32]
        mov eax, [esi + 36]
        push word [esi]
        mov esi, [esi + 12]
        pop ds
        retf
.back:  push ds
        pushf
        cli
        push cs
        pop ds
        mov [entry_eax], esi
        movzx esp, sp
        mov esi, [esp + 4]
        mov [esi + 2], es
        mov [esi + 8], edi
        mov [esi + 16], ebp
        mov [esi + 24], ebx
        mov [esi + 28], edx
        mov [esi + 32], ecx
        mov [esi + 36], eax
        mov eax, [entry_eax]
        mov [esi + 12], eax
        pop ax
        mov [esi + 44], ax
        pop ax
        mov [esi], ax
        push cs
        pop es
        cld
        pop ecx
        popad
        o32 ret

; void copy_flat(u32 to, u32 from, u32 bytes): anywhere in 4 GiB, through protected mode.
copy_flat:
        pushad
        pushf
        cli
        mov edi, eax
        mov esi, edx
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp .on
.on:    mov ax, 8
        mov ds, ax
        mov es, ax
        cld
        a32 rep movsb
        mov ax, [dword 0F0000h + data_selector]
        mov ds, ax
        mov es, ax
        mov eax, cr0
        and al, 0FEh
        mov cr0, eax
        jmp 0F000h:.off
.off:   push cs
        pop ds
        push cs
        pop es
        popf
        popad
        o32 ret
; void data_limits(u32 selector): of what real mode's data segments have from now on: BIG or NORMAL in bios.h.
data_limits:
        pushf
        cli
        mov [data_selector], ax
        o32 lgdt [gdt_pointer]
        mov ecx, cr0
        or cl, 1
        mov cr0, ecx
        jmp .on
.on:    mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        and cl, 0FEh
        mov cr0, ecx
        jmp 0F000h:.off
.off:   push cs
        pop ds
        push cs
        pop es
        mov fs, [zero]
        mov gs, [zero]
        popf
        o32 ret
align 8
gdt:    dq 0, 00CF93000000FFFFh, 000093000000FFFFh
gdt_pointer: dw 23
        dd 0F0000h + gdt

; void call_mouse_handler(u32 handler, u32 status << 16 | x, u32 y << 16): a far routine that finds four words on the stack.
call_mouse_handler:
        pushad
        mov [call_to], eax
        push edx
        push ecx
        call far [call_to]
        cli
        cld
        push cs
        pop ds
        push cs
        pop es
        add sp, 8
        movzx esp, sp
        popad
        o32 ret

; What option ROMs are given as a Plug and Play BIOS' structure: there is one, and it has no functions (82h). It is on no
; paragraph's boundary, where systems look for one that they can ask.
pnp_entry:
        mov ax, 82h
        retf
align 16
        db 0
pnp_structure:
        db "$PnP", 10h, 33
        dw 0
        db 0                            ; checksum, made by POST
        dd 0
        dw pnp_entry, 0F000h, pnp_entry
        dd 0F0000h, 0
        dw 0F000h
        dd 0F0000h

; The POST Memory Manager: a far routine with its arguments on the stack, as C has them; DX:AX is what it returns.
pmm_entry:
        push bp
        mov bp, sp
        push ebx
        push ecx
        push esi
        push eax
        push edx
        movzx eax, word [bp + 6]        ; the function
        mov ecx, [bp + 8]               ; a length, handle or address
        mov ebx, [bp + 12]              ; a handle
        mov si, [bp + 16]               ; flags
        pushf
        push cs
        call .interrupt
        pop edx
        mov cx, ax
        shr eax, 16
        mov dx, ax
        pop eax
        mov ax, cx
        pop esi
        pop ecx
        pop ebx
        pop bp
        retf
.interrupt:
        push word handle_pmm
        jmp service
align 16
pmm_structure:
        dd 0                            ; "$PMM" during POST
        db 1, 16
        db 0                            ; checksum, made by POST
        dw pmm_entry, 0F000h
        times 5 db 0

align 4
entry_table:                            ; vector, offset; ends with FFFFh
        dw 05h, entry_05, 08h, entry_08, 09h, entry_09, 0Eh, entry_0e, 10h, entry_10, 11h, entry_11, 12h, entry_12, 13h, entry_13, 14h, entry_14
        dw 15h, entry_15, 16h, entry_16, 17h, entry_17, 18h, entry_18, 19h, entry_19, 1Ah, entry_1a
        dw 70h, entry_70, 74h, entry_74, 75h, entry_75, 0FFFFh
global entry_irq_offset, diskette_table, pnp_structure, pmm_structure
entry_irq_offset: dw entry_irq

section .data16
align 4
entry_eax: dd 0
entry_esp: dd 0
entry_ss: dd 0
stack_level: dd STACK_TOP
call_to: dd 0
posted: dd 0
data_selector: dw 16
zero: dw 0
shutdown: db 0

section .reset
reset:  cli
        cld
        mov al, 8Fh                     ; the shutdown status
        out 70h, al
        in al, 71h
        mov bl, al
        mov al, 8Fh
        out 70h, al
        xor al, al                      ; for one reset
        out 71h, al
        mov eax, PAM0_ADDRESS
        mov dx, 0CF8h
        out dx, eax
        mov dx, 0CFCh
        in eax, dx
        mov bh, ah
        and bh, 30h                     ; not 0: RAM is there still, as only the processor has been reset (INIT); or no 440FX
        mov eax, 80000000h              ; is there a 440FX?
        mov dx, 0CF8h
        out dx, eax
        mov dx, 0CFCh
        in eax, dx
        cmp eax, 12378086h
        jne .shadowed
        test bh, bh
        jz .cold
        test bl, bl
        jnz .cold
        mov dx, 0CF9h                   ; power-on it shall be: of everything, by the PIIX3
        mov al, 02h
        out dx, al
        mov al, 06h
        out dx, al
        hlt
.cold:
        mov eax, PAM0_ADDRESS
        mov dx, 0CF8h
        out dx, eax
        mov dx, 0CFDh
        mov al, 30h                     ; F0000h-FFFFFh: reads and writes of RAM
        o32 lgdt [cs:rom_gdt_pointer]
        mov ecx, cr0
        or cl, 1
        mov cr0, ecx
        jmp dword 24:0FFFF0000h + .on
bits 32
.on:    mov cx, 8
        mov ds, ecx
        mov es, ecx
        out dx, al
        test bl, bl
        jz .copy
        cmp dword [0F0000h + posted], POSTED
        je .there
.copy:  mov esi, 0FFFF0000h
        mov edi, 0F0000h
        mov ecx, 4000h
        rep movsd
.there: mov ax, 16
        mov ds, eax
        mov es, eax
        jmp 32:.rm
bits 16
.rm:    mov eax, cr0
        and al, 0FEh
        mov cr0, eax
        jmp 0F000h:.shadowed
.shadowed:
        mov ax, 0F000h
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, STACK_TOP
        mov [shutdown], bl
        cmp dword [posted], POSTED
        jne .post
        test bl, bl
        jnz .resume
.post:  mov dword [stack_level], STACK_TOP - LEVEL
        mov dword [posted], POSTED
        call dword post
        cli
        hlt

; As the AT does it: 04h: bootstrap; 05h: end of interrupt, then a jump by way of 40h:67h, 0Ah: only that; 09h: as 0Bh, with the
; stack there, of which registers are taken, too; 0Bh: IRET, 0Ch: RETF with the stack there. Others: POST.
.resume:
        cmp bl, RESUME_FROM_S3
        je .s3
        cmp bl, 04h
        je .known
        cmp bl, 05h
        je .known
        cmp bl, 09h
        jb .post
        cmp bl, 0Ch
        ja .post
.known: cmp bh, 0
        jne .kept
        call dword resume
.kept:  mov bl, [shutdown]
        cmp bl, 04h
        jne .to_program
        int 19h
.to_program:
        mov ax, 40h
        mov ds, ax
        cmp bl, 05h
        jne .no_eoi
        mov al, 20h
        out 0A0h, al
        out 20h, al
.jump:  jmp far [67h]
.no_eoi:
        cmp bl, 0Ah
        je .jump
        lss sp, [67h]
        cmp bl, 0Bh
        je .iret
        ja .retf
        pop es
        pop ds
        popa
.iret:  iret
.retf:  retf

; The system's vector is a physical address below 1 MiB, where it is entered as by an interrupt with the processor in
; real mode (ACPI 1.0b, 5.2.6).
.s3:    call dword resume
        call dword waking_vector
        test eax, eax
        jz .post
        mov dx, ax
        and dx, 15
        shr eax, 4
        push ax
        push dx
        retf

align 8
rom_gdt: dq 0, 00CF93000000FFFFh, 000093000000FFFFh, 00CF9B000000FFFFh
        dq 00009B0F0000FFFFh
rom_gdt_pointer: dw 39
        dd 0FFFF0000h + rom_gdt

section .diskette                       ; where the AT has the table that INT 1Eh points to: of a 1.44 MiB diskette
diskette_table:
        db 0AFh, 2, 25h, 2, 18, 1Bh, 0FFh, 6Ch, 0F6h, 0Fh, 8

section .tables                         ; tables for systems to find are placed here (acpi.c)
f_segment:
        times 0F00h db 0

section .vector
        jmp 0F000h:reset
        db "01/01/26", 0, 0FCh, 0

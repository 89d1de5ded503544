; The option ROM's header, the ways in from the BIOS and from INT 10h, and the way to memory of other segments.
;
; Sources: Plug and Play BIOS Specification 1.0A and PCI Firmware Specification 3.0, chapter 5 (headers); Ralf Brown's
; interrupt list (INT 10h). The calling convention of the C files is -mregparm=3: EAX, EDX, ECX; ES is nobody's.

        bits 16
        cpu 386
extern post, int10, protected_mode_init, video_parameters
global peekb, peekw, peekl, pokeb, pokew, pokel, copy, fillw, fillb
global font8, font14, font16, int10_entry, bios_name, edid, save_pointer_table, segments

section .header
rom:    dw 0AA55h
        db 0                            ; length in units of 512 bytes, made by the build
        jmp near init
        times 18h - ($ - rom) db 0
        dw pcir
        dw 0                            ; no Plug and Play header: a display is started by what it is
        times 1Eh - ($ - rom) db 0
        db "IBM", 0                     ; by which programs of the EGA's day knew a compatible adapter
bios_name:
        db "qemu_py VGA BIOS", 0
align 4
pcir:   db "PCIR"
        dw 1234h, 1111h                 ; vendor, device
        dw 0
        dw 18h                          ; length of this structure
        db 0
        db 0, 0, 3                      ; class: VGA compatible display controller
        dw 0                            ; length of the image, made by the build
        dw 1
        db 0, 80h                       ; for PC-AT compatibles; the last image
        dw 0

; VBE 3.0, "Protected Mode Entry Point": a program that copies the image elsewhere puts selectors here and calls the two.
        db "PMID"
        dw pm_entry, pm_init
segments:                               ; of the BIOS data area, the memory at A0000h, B0000h and B8000h, the image
        dw 0, 0A000h, 0B000h, 0B800h, 0C000h
        db 0                            ; in protected mode?
        db 0                            ; checksum, made by the build

section .fonts align=1                  ; made by font.py
font16: incbin "font16.bin"
font14: incbin "font14.bin"
font8:  incbin "font8.bin"

section .text16
%macro ENTER 0
        push ds
        push es
        pushad
        push fs
        push gs
        mov fs, [cs:segments]
        push cs
        pop gs
        push ss
        pop ds
        movzx esp, sp                   ; its upper half is anything's; C addresses with all of it
        mov eax, esp
        cld
%endmacro
%macro LEAVE 0
        pop gs
        pop fs
        mov bp, sp
        mov eax, [bp + 12]              ; ESP as it was, but for the pushes: its upper half
        mov ax, sp
        mov esp, eax
        popad
        pop es
        pop ds
%endmacro

init:   pushf
        cli
        ENTER
        call dword post
        LEAVE
        popf
        retf

int10_entry:
        ENTER
        call dword int10
        LEAVE
        iret

; The services by far calls in protected mode. Code, image and stack are of 16 bits there, too.
pm_entry:
        ENTER
        call dword int10
        LEAVE
        retf

pm_init:
        ENTER
        call dword protected_mode_init
        LEAVE
        retf

; ---- memory by far pointers: segment << 16 | offset
%macro POINT 0
        mov ecx, eax
        shr ecx, 16
        mov es, cx
        movzx ecx, ax
%endmacro

peekb:  POINT
        movzx eax, byte [es:ecx]
        o32 ret
peekw:  POINT
        movzx eax, word [es:ecx]
        o32 ret
peekl:  POINT
        mov eax, [es:ecx]
        o32 ret
pokeb:  POINT
        mov [es:ecx], dl
        o32 ret
pokew:  POINT
        mov [es:ecx], dx
        o32 ret
pokel:  POINT
        mov [es:ecx], edx
        o32 ret

fillw:  push edi
        mov di, ax
        shr eax, 16
        mov es, ax
        mov ax, dx
        rep stosw
        pop edi
        o32 ret

fillb:  push edi
        mov di, ax
        shr eax, 16
        mov es, ax
        mov al, dl
        rep stosb
        pop edi
        o32 ret

copy:   push esi
        push edi
        push ds
        mov di, ax
        mov si, dx
        shr eax, 16
        shr edx, 16
        mov es, ax
        mov ds, dx
        cmp ax, dx
        jne .up
        cmp di, si
        jbe .up
        add si, cx
        add di, cx
        dec si
        dec di
        std
        rep movsb
        cld
        jmp .done
.up:    rep movsb
.done:  pop ds
        pop edi
        pop esi
        o32 ret

section .tables
edid:   incbin "edid.bin"               ; edid.py

; What 40:A8h points to: far pointers, with the segment in which the ROM of a display always is.
%define HERE(object) 0C0000000h + object
save_pointer_table:
        dd HERE(video_parameters), 0, 0, 0, HERE(.secondary), 0, 0
.secondary:
        dw 26
        dd HERE(.combinations), 0, 0, 0, 0, 0
.combinations:                          ; entries, version, highest code, then pairs of displays that can be together
        db 16, 1, 8, 0
        db 0, 0,  0, 1,  0, 2,  2, 1,  0, 4,  4, 1,  5, 0,  2, 5,  0, 6,  1, 6,  5, 6,  0, 8,  1, 8,  0, 7,  2, 7,  6, 7

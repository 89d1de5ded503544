; VBE function 0Ah: routines of 32 bits for functions 05h, 07h and 09h, which a program copies to where it likes
; (VBE 3.0, "Return VBE Protected Mode Interface"). They take the functions' registers and return by RET; they need no
; memory but ES:EDI of function 09h. And the far routine of 16 bits for 05h that mode information names.

        cpu 386
global pm_table, pm_table_end, set_window

DISPI   equ 1CEh
BANK    equ 5
BPP     equ 3
VIRT_WIDTH equ 6
X_OFFSET equ 8
Y_OFFSET equ 9

section .text16
        bits 16
set_window:                             ; BH, BL, DX as function 05h; AX and DX are lost
        push bx
        test bl, bl
        jnz .done
        mov ax, dx
        mov dx, DISPI
        cmp bh, 1
        push ax
        mov ax, BANK
        out dx, ax
        pop ax
        inc dx
        je .get
        out dx, ax
        jmp .done
.get:   in ax, dx
        mov dx, ax
.done:  pop bx
        mov ax, 004Fh
        retf

section .text32
        bits 32
pm_table:
        dw pm_window - pm_table, pm_start - pm_table, pm_palette - pm_table, pm_places - pm_table

pm_places:                              ; ports; then, none, memory
        dw 1CEh, 1CFh, 1D0h, 3C6h, 3C7h, 3C8h, 3C9h, 3DAh, 0FFFFh, 0FFFFh

pm_window:                              ; DX: the bank
        test bx, bx
        jnz .failed
        push edx
        mov ecx, edx
        mov dx, DISPI
        mov ax, BANK
        out dx, ax
        inc edx
        mov eax, ecx
        out dx, ax
        pop edx
        mov ax, 004Fh
        ret
.failed: mov ax, 014Fh
        ret

pm_read:                                ; dispi register AL to EAX
        push edx
        movzx eax, al
        mov dx, DISPI
        out dx, ax
        inc edx
        xor eax, eax
        in ax, dx
        pop edx
        ret

pm_write:                               ; BX to dispi register AL
        push edx
        movzx eax, al
        mov dx, DISPI
        out dx, ax
        inc edx
        mov eax, ebx
        out dx, ax
        pop edx
        ret

pm_start:                               ; DX:CX: the byte at which the picture begins, in units of 4; BL bit 7: at the retrace
        pushad
        mov ebp, ebx
        shl edx, 16
        mov dx, cx
        lea esi, [4 * edx]
        mov al, BPP
        call pm_read
        lea ecx, [eax + 7]
        shr ecx, 3                      ; bytes of a pixel
        cmp al, 4
        mov al, VIRT_WIDTH
        je .planes
        call pm_read
        imul eax, ecx
        jmp .line
.planes: call pm_read
        shr eax, 3
.line:  mov edi, eax
        xchg eax, esi
        xor edx, edx
        div edi                         ; line, byte in it
        mov edi, eax
        mov eax, edx
        xor edx, edx
        div ecx
        mov esi, eax                    ; pixel
        test ebp, 80h
        jz .now
        mov dx, 3DAh
        mov ecx, 100000
.wait:  in al, dx
        test al, 8
        loopz .wait
.now:   xor ebx, ebx
        mov al, X_OFFSET
        call pm_write
        mov ebx, edi
        mov al, Y_OFFSET
        call pm_write
        mov ebx, esi
        mov al, X_OFFSET
        call pm_write
        popad
        mov ax, 004Fh
        ret

pm_palette:                             ; BL 0 or 80h: CX colours from DL on are at ES:EDI: blue, green, red, 0
        test bl, 7Fh
        jnz .failed
        pushad
        mov al, dl
        mov dx, 3C8h
        out dx, al
        inc edx
        movzx ecx, cx
        jecxz .done
.next:  mov al, [es:edi + 2]
        out dx, al
        mov al, [es:edi + 1]
        out dx, al
        mov al, [es:edi]
        out dx, al
        add edi, 4
        loop .next
.done:  popad
        mov ax, 004Fh
        ret
.failed: mov ax, 014Fh
        ret
pm_table_end:

; Step 1. The boot sector.
;
; A PC's BIOS reads the first 512 bytes of the diskette to 7C00h and jumps there, in real mode, with the drive's
; number in DL. All that fits here is a loader: it fetches the sectors that follow (KERNEL_SECTORS, which build.py
; counts) to 10000h and jumps to them. start.asm goes on.
;
; Everything lies between 10000h and 1FFFFh, because the diskette's DMA cannot cross a multiple of 64 KiB.

org 0x7C00
bits 16

KERNEL_SEGMENT equ 0x1000
TRIES equ 4                             ; a diskette's motor may still be starting

    jmp 0:begin                         ; some BIOSes come by 07C0:0000: make CS 0
begin:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax                          ; the stack grows down from where we are; SS and SP belong together,
    mov sp, 0x7C00                      ; which is why no interrupt comes between these two
    cld
    mov [drive], dl
    mov si, loading
    call print

    ; INT 13h, AH=08h: how many sectors and heads. So the same image boots as a hard disk, too.
    mov ah, 0x08
    xor di, di
    int 0x13
    jc failed
    and cx, 0x3F                        ; CL bits 5-0: the last sector's number
    mov [sectors], cx
    movzx dx, dh                        ; DH: the last head's number
    inc dx
    mov [heads], dx

    mov ax, KERNEL_SEGMENT
    mov es, ax
    mov si, 1                           ; the next sector, counted from 0
    mov di, KERNEL_SECTORS              ; how many are left
next:
    mov ax, si
    xor dx, dx
    div word [sectors]                  ; AX: track, DX: sector in it, from 0
    mov bx, [sectors]
    sub bx, dx                          ; one call reads at most to the track's end
    cmp bx, di
    jbe .fits
    mov bx, di
.fits:
    mov [count], bx
    inc dx                              ; sectors are counted from 1
    mov cl, dl
    xor dx, dx
    div word [heads]                    ; AX: cylinder, DX: head
    mov ch, al
    shl ah, 6                           ; bits 9-8 of the cylinder are CL's 7-6
    or cl, ah
    mov dh, dl
    mov dl, [drive]
    mov byte [tries], TRIES
.again:
    mov al, [count]
    mov ah, 0x02                        ; INT 13h, AH=02h: read AL sectors to ES:BX
    xor bx, bx
    int 0x13
    jnc .done
    mov ah, 0                           ; reset the drive, try again
    int 0x13
    dec byte [tries]
    jnz .again
    jmp failed
.done:
    mov ax, [count]
    add si, ax
    sub di, ax
    shl ax, 5                           ; 512 bytes are 32 paragraphs
    mov bx, es
    add bx, ax
    mov es, bx
    or di, di
    jnz next
    jmp KERNEL_SEGMENT:0

failed:
    mov si, error
    call print
.stop:
    hlt
    jmp .stop

print:                                  ; the text at SI, by INT 10h, AH=0Eh
    lodsb
    or al, al
    jz .end
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    jmp print
.end:
    ret

loading db "demo: loading", 13, 10, 0
error   db "demo: the diskette cannot be read", 13, 10, 0
drive   db 0
tries   db 0
count   dw 0
sectors dw 18
heads   dw 2

    times 510 - ($ - $$) db 0
    dw 0xAA55                           ; what makes a sector a boot sector

; Option ROM that starts a Linux kernel which the machine has put into fw_cfg.
;
; A BIOS with the BIOS Boot Specification finds the bootstrap entry vector in the Plug and Play
; header; for one without it the ROM takes interrupt 19h. The boot code fetches setup code,
; kernel, initrd and command line by fw_cfg's DMA to where the machine wants them, and enters the
; setup code as the kernel's boot protocol says: segment registers and stack in its segment,
; interrupts off, CS 20h paragraphs further.
;
; Sources: Plug and Play BIOS Specification 1.0A, chapter 3; BIOS Boot Specification 1.01; Linux's
; Documentation/arch/x86/boot.rst; QEMU's docs/specs/fw_cfg. Build: python pc-bios/build.py

        bits 16
        cpu 386
        org 0

FW_CFG_DMA_LOW  equ 518h
DMA_READ        equ 02h
DMA_SELECT      equ 08h
DMA_ERROR       equ 01000000h           ; as it lies in memory, big-endian

KERNEL_ADDR     equ 07h
KERNEL_SIZE     equ 08h
INITRD_ADDR     equ 0Ah
INITRD_SIZE     equ 0Bh
KERNEL_DATA     equ 11h
INITRD_DATA     equ 12h
CMDLINE_ADDR    equ 13h
CMDLINE_SIZE    equ 14h
CMDLINE_DATA    equ 15h
SETUP_ADDR      equ 16h
SETUP_SIZE      equ 17h
SETUP_DATA      equ 18h

rom:    dw      0AA55h
        db      1                       ; 512 bytes
        jmp     near init
        times   18h - ($ - rom) db 0
        dw      0                       ; no PCI data structure
        dw      pnp
        times   20h - ($ - rom) db 0

pnp:    db      '$PnP', 1, 2            ; revision 1, two paragraphs
        dw      0                       ; no further header
        db      0, 0                    ; the checksum is the build's
        dd      0
        dw      vendor
        dw      product
        db      0, 0, 0                 ; device type
        db      14h                     ; needed to boot only; initial program load device
        dw      0, 0
        dw      boot                    ; bootstrap entry vector
        dw      0, 0

vendor: db      'qemu_py', 0
product: db     'Linux loader ROM', 0

; The BIOS calls: ES:DI is its Plug and Play structure, if it has one.
init:   cmp     dword [es:di], '$PnP'
        je      .attached
        push    ds
        push    word 0
        pop     ds
        mov     word [19h * 4], boot
        mov     [19h * 4 + 2], cs
        pop     ds
.attached:
        mov     ax, 20h                 ; an initial program load device is there
        retf

; EAX big-endian.
%macro swap 0
        xchg    al, ah
        rol     eax, 16
        xchg    al, ah
%endmacro

; EAX = key << 16 | flags, ECX bytes to EDI. Changes EAX, ECX, EDI, DX.
dma:    push    si                      ; the structure is built on the stack, its end first
        xchg    eax, edi
        swap
        push    eax
        push    dword 0
        mov     eax, ecx
        swap
        push    eax
        mov     eax, edi
        swap
        push    eax
        mov     si, sp
        call    linear
        swap
        mov     dx, FW_CFG_DMA_LOW
        out     dx, eax
.wait:  mov     eax, [ss:si]
        test    eax, ~DMA_ERROR
        jnz     .wait
        test    eax, eax
        jnz     fail
        add     sp, 16
        pop     si
        ret

; EAX = the address of SS:SI.
linear: xor     eax, eax
        mov     ax, ss
        shl     eax, 4
        movzx   ecx, si
        add     eax, ecx
        ret

; The doubleword under key AL, in EAX. Changes ECX, EDI, DX.
read:   push    si
        push    dword 0
        mov     si, sp
        movzx   edi, al
        call    linear
        xchg    eax, edi
        shl     eax, 16
        mov     al, DMA_READ | DMA_SELECT
        mov     ecx, 4
        call    dma
        pop     eax
        pop     si
        ret

boot:   cld
        mov     si, pieces
.next:  mov     al, [cs:si]
        call    read
        push    eax
        mov     al, [cs:si + 1]
        call    read
        mov     ecx, eax
        pop     edi
        jecxz   .empty
        movzx   eax, byte [cs:si + 2]
        shl     eax, 16
        mov     al, DMA_READ | DMA_SELECT
        call    dma
.empty: add     si, 3
        cmp     si, pieces_end
        jb      .next

        mov     al, SETUP_ADDR
        call    read
        mov     ebx, eax
        mov     al, CMDLINE_ADDR        ; the heap's end and the stack's top lie below it
        call    read
        sub     eax, ebx
        shr     ebx, 4
        cli
        mov     ss, bx
        mov     esp, eax
        mov     ds, bx
        mov     es, bx
        mov     fs, bx
        mov     gs, bx
        add     bx, 20h
        push    bx
        push    word 0
        retf

fail:   int     18h
        jmp     fail

pieces: db      SETUP_ADDR, SETUP_SIZE, SETUP_DATA
        db      KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
        db      INITRD_ADDR, INITRD_SIZE, INITRD_DATA
        db      CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
pieces_end:

        times   512 - ($ - rom) db 0

; Step 2. From real mode to protected mode.
;
; The last chance to ask the BIOS something, which works in real mode only: the memory map and text mode.
; Then address line 20, a table of segments, bit 0 of CR0, and a far jump: from there on the CPU runs 32-bit code.

bits 16
section .start
global start
extern kmain, bss_start, bss_end

E820_COUNT equ 0x600                    ; free memory in every PC; memory.c reads it there
E820_MAP   equ 0x604                    ; entries of 24 bytes
E820_MAX   equ 32

KERNEL_CODE equ 0x08
KERNEL_DATA equ 0x10

start:                                  ; 1000:0000
    cli
    mov ax, cs
    mov ds, ax
    xor ax, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7C00
    sti

    mov ax, 0x0003                      ; INT 10h, AH=00h: 80x25 characters in colour
    int 0x10

    ; INT 15h, AX=E820h: one piece of the memory map a call; EBX says where to go on.
    xor ebx, ebx
    mov [es:E820_COUNT], ebx
    mov di, E820_MAP
.map:
    mov eax, 0xE820
    mov edx, 0x534D4150                 ; "SMAP"
    mov ecx, 24
    mov dword [es:di + 20], 1
    int 0x15
    jc .mapped
    cmp eax, 0x534D4150
    jne .mapped
    inc dword [es:E820_COUNT]
    add di, 24
    cmp di, E820_MAP + 24 * E820_MAX
    jae .mapped
    or ebx, ebx
    jnz .map
.mapped:

    ; Address line 20 is held at 0 at power-on, so that addresses wrap at 1 MiB as on the first PC.
    mov ax, 0x2401                      ; INT 15h, AX=2401h: let it through
    int 0x15
    in al, 0x92                         ; and the fast way, for a BIOS that does not know it
    or al, 2
    and al, 0xFE                        ; bit 0 would reset the machine
    out 0x92, al

    cli                                 ; the BIOS's interrupt handlers end here
    o32 lgdt [gdt_pointer - start]
    mov eax, cr0
    or al, 1                            ; PE
    mov cr0, eax
    jmp dword KERNEL_CODE:protected

bits 32
protected:
    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, stack_top
    mov edi, bss_start                  ; C expects its uninitialized variables to be 0
    mov ecx, bss_end
    sub ecx, edi
    xor eax, eax
    rep stosb
    call kmain
.stop:
    hlt
    jmp .stop

; Flat segments of 4 GiB: code and data for ring 0 and for ring 3. Protection is left to the pages; the rings
; are in the segments. (SDM volume 3, 3.4.5)
align 8
global gdt
gdt:
    dq 0
    dq 0x00CF9A000000FFFF               ; 08h: ring 0, code
    dq 0x00CF92000000FFFF               ; 10h: ring 0, data
    dq 0x00CFFA000000FFFF               ; 18h: ring 3, code
    dq 0x00CFF2000000FFFF               ; 20h: ring 3, data
    dq 0                                ; 28h: the task state segment, by task.c
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd gdt

section .bss
align 16
    resb 4096                           ; kmain's stack, later that of task 0
stack_top:

; Advanced Power Management 1.2 (Intel and Microsoft, February 1996): INT 15h, 53xxh, and its entry points for protected mode.
; One source for both widths. In protected mode nothing is written to memory: a caller's DS may be anything, 0 even.

bits 16
extern handle_15, entry_89, service, apm_there
global entry_15

PM1_CONTROL equ 604h                    ; where POST has put the PIIX4's block
SLEEP_OFF equ 2000h                     ; SLP_EN, SLP_TYP 0: soft off
VERSION equ 0102h
NOT_CONNECTED equ 03h
NO_DEVICE equ 09h
OUT_OF_RANGE equ 0Ah
NOT_SUPPORTED equ 0Ch
CANNOT_ENTER equ 60h
NO_EVENT equ 80h
NOT_PRESENT equ 86h
REAL equ 1
BITS_16 equ 2
BITS_32 equ 3
ALL equ 1                               ; a device: all of the system

section .more16
entry_15:
        cmp ah, 89h
        je near entry_89
        cmp ah, 53h
        jne .other
        cmp byte [cs:apm_there], 0
        jne .apm
.other: push word handle_15
        jmp service
.apm:   cli
        cld
        call apm_real
        push bp
        mov bp, sp
        jc .bad
        and byte [bp + 6], 0FEh         ; the caller's carry flag
        pop bp
        iret
.bad:   or byte [bp + 6], 1
        pop bp
        iret

; Carry: AH is the error. What is only done from real mode, then what protected mode may ask for, too.
apm_real:
        cmp al, 04h
        je .disconnect
        cmp al, 03h
        ja .connected
        test bx, bx
        jnz near apm16_no_device
        cmp al, 0
        je .present
        cmp byte [cs:interface], 0
        jne .already
        mov [cs:interface], al
        cmp al, BITS_16
        jb .done
        mov cx, 0F000h
        mov di, 0FFFFh                  ; bytes of each segment
        ja .wide
        mov ax, cx
        mov bx, apm16_entry
        mov si, di
        jmp .done
.wide:  mov ax, cx
        mov dx, cx
        mov ebx, apm32_entry
        mov esi, 0FFFFFFFFh
.done:  clc
        ret
.already:
        mov ah, [cs:interface]          ; real mode: 02h, 16 bits: 05h, 32 bits: 07h
        shl ah, 1
        cmp ah, 2
        je .error
        inc ah
.error: stc
        ret
.present:
        mov ax, VERSION
        mov bx, 504Dh                   ; "PM"
        mov cx, 0003h                   ; interfaces of 16 and 32 bits
        clc
        ret
.disconnect:
        cmp byte [cs:interface], 0
        je .not_connected
        mov byte [cs:interface], 0
        clc
        ret
.connected:
        cmp byte [cs:interface], 0
        jne near apm16
        cmp al, 0Eh                     ; asks nothing of a connection
        je near apm16
.not_connected:
        mov ah, NOT_CONNECTED
        stc
        ret
interface: db 0

%macro APM 1
apm%1:  cmp al, 05h
        je near apm%1_idle
        cmp al, 06h
        je near apm%1_ok
        cmp al, 07h
        je near apm%1_set_state
        cmp al, 08h
        je near apm%1_device
        cmp al, 09h
        je near apm%1_device
        cmp al, 0Ah
        je near apm%1_power
        cmp al, 0Bh
        je near apm%1_event
        cmp al, 0Ch
        je near apm%1_state
        cmp al, 0Dh
        je near apm%1_device
        cmp al, 0Eh
        je near apm%1_version
        cmp al, 0Fh
        je near apm%1_device
        cmp al, 10h
        je near apm%1_capabilities
        mov ah, NOT_SUPPORTED
        stc
        ret
apm%1_no_device:
        mov ah, NO_DEVICE
        stc
        ret
apm%1_idle:                             ; until the next interrupt
        sti
        hlt
        cli
apm%1_ok:
        clc
        ret
apm%1_device:                           ; on or off, engaged or not: all of it, with nothing to do
        cmp bx, ALL
        je apm%1_ok
        cmp bx, 0FFFFh
        je apm%1_ok
        jmp apm%1_no_device
apm%1_set_state:                        ; CX: 0 ready, 1 standby, 2 suspended, 3 off
        cmp bx, ALL
        jne apm%1_no_device
        cmp cx, 3
        ja .range
        je .off
        jcxz apm%1_ok
        jmp apm%1_idle
.off:   push eax
        push edx
        mov dx, PM1_CONTROL
        in ax, dx
        and ax, 0C3FFh
        or ax, SLEEP_OFF
        out dx, ax
        pop edx
        pop eax
        mov ah, CANNOT_ENTER            ; we should not be here
        stc
        ret
.range: mov ah, OUT_OF_RANGE
        stc
        ret
apm%1_power:
        cmp bx, ALL
        jne near apm%1_no_device
        mov bx, 01FFh                   ; on line
        mov cx, 80FFh                   ; no battery
        mov dx, 0FFFFh
        clc
        ret
apm%1_event:
        mov ah, NO_EVENT
        stc
        ret
apm%1_state:
        cmp bx, ALL
        jne near apm%1_no_device
        xor cx, cx
        clc
        ret
apm%1_version:                          ; CX: the driver's; ours is the newest that we know
        mov ax, VERSION
        cmp cx, ax
        jae .known
        mov ax, cx
.known: clc
        ret
apm%1_capabilities:
        test bx, bx
        jnz near apm%1_no_device
        xor bl, bl                      ; batteries
        xor cx, cx
        clc
        ret
%endmacro

        APM 16
apm16_entry:                            ; a far call of 16-bit protected mode
        pushf
        cli
        cld
        cmp al, 04h
        je .good
        call apm16
        jc .bad
.good:  popf
        clc
        retf
.bad:   popf
        stc
        retf

bits 32
        APM 32
apm32_entry:
        pushfd
        cli
        cld
        cmp al, 04h
        je .good
        call apm32
        jc .bad
.good:  popfd
        clc
        retf
.bad:   popfd
        stc
        retf

; The PCI BIOS (PCI BIOS Specification 2.1): INT 1Ah, B1xxh, and the same for 32-bit code, which finds it through the BIOS32
; service directory (Standard BIOS 32-bit Service Directory Proposal 0.4). One source, assembled for both widths. The
; 32-bit half runs at whatever linear address, with segments from F0000h or from 0: calls are relative, data found from EIP.

bits 16
extern handle_1a, service
global entry_1a, pci_last_bus, pir_table, bios32_directory, bios32_sum

PCI_ADDRESS equ 0CF8h
PCI_DATA equ 0CFCh
SUCCESSFUL equ 0
NOT_SUPPORTED equ 81h
BAD_VENDOR equ 83h
NOT_FOUND equ 86h
BAD_REGISTER equ 87h
SET_FAILED equ 88h
TOO_SMALL equ 89h
PIRQRC equ 60h                          ; of the PIIX3
ELCR equ 4D0h
ROUTABLE equ 0C20h                      ; what PIRQs may lead to: IRQ 5, 10, 11
DEDICATED equ 0C00h                     ; what POST gives them
PIR_HEADER equ 32
PIR_SLOTS equ 32

section .more16
entry_1a:
        cmp ah, 0B1h
        jne .other
        cmp dword [cs:pir_table], 0     ; there is no PCI
        jne .pci
.other: push word handle_1a
        jmp service
.pci:   cli                             ; between address and data nobody shall come in
        cld
        call pci16
        push bp
        mov bp, sp
        and byte [bp + 6], 0FEh         ; the caller's carry flag
        test ah, ah
        jz .good
        or byte [bp + 6], 1
.good:  pop bp
        iret

; DATA width, instruction, operand: of a variable of ours, for the 32-bit half by way of EBP.
%macro LOCATE 1
%if %1 == 32
        call pci32_locate
%endif
%endmacro
%macro DATA 4
%if %1 == 32
        %2 %3, [cs:ebp + %4 - pci32_here]
%else
        %2 %3, [cs:%4]
%endif
%endmacro

; ACCESS width, function, alignment, instruction: of the register DI of BX, to or from ECX.
%macro ACCESS 4
        cmp al, %2
        jne %%other
        test di, 0FF00h | %3
        jnz near pci%1_bad_register
        call pci%1_select
        push edx
        mov dx, di
        and dx, 3
        add dx, PCI_DATA
        xchg eax, ecx
        %4
        xchg eax, ecx
        pop edx
        mov ah, SUCCESSFUL
        ret
%%other:
%endmacro

%macro PCI_BIOS 1
pci%1:                                  ; AL: the function, B18xh's, too; AH: the result
        and al, 7Fh
        cmp al, 1
        je near pci%1_present
        cmp al, 2
        je near pci%1_find
        cmp al, 3
        je near pci%1_find_class
        cmp al, 6
        je near pci%1_special
        ACCESS %1, 08h, 0, {in al, dx}
        ACCESS %1, 09h, 1, {in ax, dx}
        ACCESS %1, 0Ah, 3, {in eax, dx}
        ACCESS %1, 0Bh, 0, {out dx, al}
        ACCESS %1, 0Ch, 1, {out dx, ax}
        ACCESS %1, 0Dh, 3, {out dx, eax}
        cmp al, 0Eh
        je near pci%1_options
        cmp al, 0Fh
        je near pci%1_set_irq
        mov ah, NOT_SUPPORTED
        ret
pci%1_bad_register:
        mov ah, BAD_REGISTER
        ret

pci%1_select:                           ; the address of BX, DI
        push eax
        push edx
        movzx eax, bx
        shl eax, 8
        mov dx, di
        and dl, 0FCh
        mov al, dl
        or eax, 80000000h
        mov dx, PCI_ADDRESS
        out dx, eax
        pop edx
        pop eax
        ret

pci%1_get:                              ; EAX: the dword at DI
        call pci%1_select
        push edx
        mov dx, PCI_DATA
        in eax, dx
        pop edx
        ret

pci%1_present:
        push ebp
        LOCATE %1
        DATA %1, mov, cl, pci_last_bus
        pop ebp
        mov edx, 20494350h              ; "PCI "
        mov edi, 0F0000h + pci32_entry
        mov ax, 11h                     ; configuration mechanism 1, special cycles by it
        mov bx, 0210h
        ret

pci%1_special:                          ; mechanism 1 makes one of a write to function 7 of device 31, register 0
        push edi
        push ebx
        mov bl, 0FFh
        xor di, di
        call pci%1_select
        push eax
        mov eax, edx
        push edx
        mov dx, PCI_DATA
        out dx, eax
        pop edx
        pop eax
        pop ebx
        pop edi
        mov ah, SUCCESSFUL
        ret

pci%1_find:
        cmp dx, 0FFFFh
        jne .search
        mov ah, BAD_VENDOR
        ret
.search:
        push ecx
        push edi
        shl ecx, 16
        mov cx, dx
        xor di, di
        call pci%1_search
        pop edi
        pop ecx
        ret

pci%1_find_class:
        push ecx
        push edi
        and ecx, 0FFFFFFh
        mov di, 8
        call pci%1_search
        pop edi
        pop ecx
        ret

pci%1_search:                           ; the SI-th function whose dword at DI (8: its upper three bytes) is ECX; in BX
        push ebp
        push esi
        push eax
        LOCATE %1
        xor bx, bx
.function:
        push edi
        xor di, di
        call pci%1_get
        pop edi
        cmp ax, 0FFFFh
        je .absent
        test di, di
        jz .compare
        call pci%1_get
        shr eax, 8
.compare:
        cmp eax, ecx
        jne .other
        sub si, 1
        jb .found
.other: push edi
        mov di, 0Ch
        call pci%1_get
        pop edi
        test bl, 7
        jnz .next
        test eax, 800000h               ; several functions?
        jnz .next
        or bl, 7
        jmp .next
.absent:
        test bl, 7
        jnz .next
        or bl, 7
.next:  inc bx
        jz .none
        DATA %1, cmp, bh, pci_last_bus
        jbe .function
.none:  pop eax
        mov ah, NOT_FOUND
        jmp .done
.found: pop eax
        mov ah, SUCCESSFUL
.done:  pop esi
        pop ebp
        ret

pci%1_options:                          ; the routing table, to where the structure at ES:DI says, if it is large enough
        push ebp
        push esi
        push edi
        push ecx
        LOCATE %1
        DATA %1, mov, cx, pir_table + 6
        sub cx, PIR_HEADER
        push es
%if %1 == 32
        cmp [es:edi], cx
        mov [es:edi], cx
        jb .small
        les edi, [es:edi + 2]
        lea esi, [ebp + pir_table + PIR_HEADER - pci32_here]
        movzx ecx, cx
%else
        cmp [es:di], cx
        mov [es:di], cx
        jb .small
        les di, [es:di + 2]
        mov si, pir_table + PIR_HEADER
%endif
        cs rep movsb
        mov bx, DEDICATED
        mov ah, SUCCESSFUL
        jmp .done
.small: mov ah, TOO_SMALL
.done:  pop es
        pop ecx
        pop edi
        pop esi
        pop ebp
        ret

pci%1_set_irq:                          ; BX's pin CL (0Ah: INTA#) leads to CH from now on
        push eax
        push ebx
        push ecx
        push edx
        push edi
        movzx eax, bl
        shr eax, 3
        sub cl, 0Ah
        cmp cl, 3
        ja .failed
        test bh, bh
        jnz .failed
        cmp ch, 15
        ja .failed
        movzx edi, ch
        mov edx, ROUTABLE
        bt edx, edi
        jnc .failed
        cmp al, 1
        jne .slot
        test cl, cl
        jz .failed                      ; INTA# of the chip set's slot, the power management's, is wired to IRQ 9
.slot:  add al, cl
        dec al
        and al, 3
        add al, PIRQRC
        mov cl, ch
        push eax
        mov dx, ELCR
        mov ax, 100h
        rol ah, cl
        cmp cl, 8
        jb .first
        inc dx
.first: in al, dx
        or al, ah                       ; level triggered
        out dx, al
        pop eax
        movzx di, al
        mov bx, 8
        call pci%1_select
        mov dx, di
        and dx, 3
        add dx, PCI_DATA
        mov al, cl
        out dx, al
        pop edi
        pop edx
        pop ecx
        pop ebx
        pop eax
        mov ah, SUCCESSFUL
        ret
.failed:
        pop edi
        pop edx
        pop ecx
        pop ebx
        pop eax
        mov ah, SET_FAILED
        ret
%endmacro

        PCI_BIOS 16

bits 32
        PCI_BIOS 32

pci32_locate:                           ; EBP: where pci32_here is
        call pci32_here
pci32_here:
        pop ebp
        ret

pci32_entry:                            ; a far call; the carry flag tells of an error
        pushfd
        cli
        cld
        call pci32
        popfd
        test ah, ah
        jz .good
        stc
.good:  retf

bios32_entry:                           ; EAX: a service's name; BL: 0. AL; EBX, ECX, EDX: where, how much, the entry in it
        test bl, bl
        mov bl, 81h
        jnz .error
        mov bl, 80h
        cmp eax, 49435024h              ; "$PCI"
        jne .error
        mov al, 0
        mov ebx, 0F0000h
        mov ecx, 10000h
        mov edx, pci32_entry
        retf
.error: mov al, bl
        mov bl, 0
        retf

align 16
bios32_directory:
        db "_32_"                       ; these two signatures go where there is no PCI (irq_tables.c)
        dd 0F0000h + bios32_entry
        db 0, 1
bios32_sum:
        db 0                            ; made by POST
        times 5 db 0
pir_table:
        db "$PIR"
        times PIR_HEADER + 16 * PIR_SLOTS - 4 db 0
pci_last_bus: db 0

; Step 4. The doors into the kernel, and the switch from one task to another.
;
; The CPU pushes EFLAGS, CS, EIP (and, coming from ring 3, ESP and SS of the program first, on the kernel stack
; that the TSS names). Some exceptions push an error code; for all others we push a 0 in its place, then the number,
; then all registers: struct frame of kernel.h. interrupt() in interrupts.c does the rest.

bits 32
section .text
extern interrupt
global interrupt_stubs, interrupt_return, switch_stacks, task_start

KERNEL_DATA equ 0x10

%macro STUB 1
stub%1:
  %if %1 = 8 || (%1 >= 10 && %1 <= 14) || %1 = 17
  %else
    push dword 0                        ; no error code
  %endif
    push dword %1
    jmp entered
%endmacro

%assign n 0
%rep 48                                 ; 0-31: exceptions, 32-47: the sixteen interrupt lines
STUB n
%assign n n + 1
%endrep
STUB 128                                ; int 80h: system calls

entered:
    pushad
    push ds
    push es
    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    cld
    push esp                            ; the argument: where the frame is
    call interrupt
    add esp, 4
interrupt_return:
    pop es
    pop ds
    popad
    add esp, 8                          ; number and error code
    iret

; switch_stacks(uint32_t *save, uint32_t load): leave the stack of one task, go on on another's. C functions keep
; EBX, ESI, EDI and EBP, so these and ESP are all that a task is, seen from inside the kernel.
switch_stacks:
    mov eax, [esp + 4]
    mov edx, [esp + 8]
    push ebx
    push esi
    push edi
    push ebp
    mov [eax], esp
    mov esp, edx
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret                                 ; to where that task called switch_stacks

; Where a new kernel task begins: its function's address is in EBX.
task_start:
    sti
    call ebx
.stop:
    hlt
    jmp .stop

section .rodata
interrupt_stubs:
%assign n 0
%rep 48
    dd stub %+ n
%assign n n + 1
%endrep
    dd stub128

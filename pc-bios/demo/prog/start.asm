; Where a program begins, at 40000000h in ring 3. The kernel leaves the address of the arguments' text in EAX.

bits 32
section .start
extern main, exit
    push eax
    call main
    push eax
    call exit

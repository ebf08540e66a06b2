/* A static program without a C library: a counted loop, a write, a clock, an anonymous mapping, an exit. Its
 * trace is small enough for every byte of it to be damaged in turn. */
    .globl _start
    .type _start, @function
    .text
_start:
    .cfi_startproc
    mov $1000, %ecx
    xor %ebx, %ebx
.Lloop:
    add %ecx, %ebx
    dec %ecx
    jnz .Lloop

    mov $9, %eax                /* mmap(NULL, 4096, READ|WRITE, PRIVATE|ANONYMOUS, -1, 0) */
    xor %edi, %edi
    mov $4096, %esi
    mov $3, %edx
    mov $0x22, %r10d
    mov $-1, %r8
    xor %r9d, %r9d
    syscall
    mov %rax, %r12

    mov $228, %eax              /* clock_gettime(CLOCK_MONOTONIC, map) */
    mov $1, %edi
    mov %r12, %rsi
    syscall

    mov $1, %eax
    mov $1, %edi
    lea message(%rip), %rsi
    mov $message_length, %edx
    syscall

    cmp $500500, %ebx
    setne %dil
    movzbl %dil, %edi
    mov $231, %eax              /* exit_group */
    syscall
    hlt
    .cfi_endproc
    .size _start, . - _start

    .section .rodata
message:
    .ascii "no library\n"
    .set message_length, . - message
    .section .note.GNU-stack, "", @progbits

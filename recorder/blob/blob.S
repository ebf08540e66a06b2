/* The blob: entered by `jmp *[PAGE_ENTRY_x]` from stubs with rcx = X of the stub protocol and the
 * program's rcx in PAGE_SPILL_RCX. Uses no stack, so the red zone stays whole. */
#include "include/rrtest/recorder_page.h"

#define SLOT(offset) (RECORDER_PAGE_ADDRESS + (offset))

    .section .rodata
    .globl blob_code, blob_code_end
    .hidden blob_code, blob_code_end
    .globl blob_batch_here, blob_syscall_here, blob_tick_here, blob_atomic_here, blob_cpuid_here, blob_rdtsc_here, blob_random_here
    .hidden blob_batch_here, blob_syscall_here, blob_tick_here, blob_atomic_here, blob_cpuid_here, blob_rdtsc_here, blob_random_here
    .balign 64
blob_code:
/* Remote calls of the recorder, rbx: first entry, ebp: how many. The seccomp filter lets exactly this
 * `syscall` pass; a single call starts at it with ebp 1. */
blob_batch_here:
    mov (%rbx), %rax
    mov 8(%rbx), %rdi
    mov 16(%rbx), %rsi
    mov 24(%rbx), %rdx
    mov 32(%rbx), %r10
    mov 40(%rbx), %r8
    mov 48(%rbx), %r9
    cmp $PAGE_BATCH_LAST_FD, %edi
    jne 1f
    mov SLOT(PAGE_BATCH_FD), %edi
1:  cmp $PAGE_BATCH_LAST_FD, %r8d
    jne blob_syscall_here
    mov SLOT(PAGE_BATCH_FD), %r8d
blob_syscall_here:
    syscall
    mov %rax, 56(%rbx)
    add $PAGE_BATCH_ENTRY_SIZE, %rbx
    dec %ebp
    jnz blob_batch_here
    int3

    .balign 16
/* Traced entries: save what the `syscall` destroys, stop at the recorder. It sets all registers and
 * goes on at PAGE_SAVE_RETURN; the ud2 is never reached. mov does not change flags. */
.macro TRACED name, number
\name:
    mov %rax, SLOT(PAGE_SAVE_RAX)
    mov %rcx, SLOT(PAGE_SAVE_RETURN)
    mov %r11, SLOT(PAGE_SAVE_R11)
    mov $\number, %eax
    syscall
    ud2
    .balign 16
.endm
    TRACED blob_tick_here, BLOB_CALL_TICK
    TRACED blob_atomic_here, BLOB_CALL_ATOMIC
    TRACED blob_rdtsc_here, BLOB_CALL_RDTSC
    TRACED blob_random_here, BLOB_CALL_RANDOM

/* cpuid from the table; a miss goes to the recorder. cpuid changes no flags: they are kept through
 * lahf and seto. Entries are 32 bytes: leaf, subleaf, flags, pad, eax, ebx, ecx, edx. */
blob_cpuid_here:
    mov %rax, SLOT(PAGE_SAVE_RAX)
    mov %rcx, SLOT(PAGE_SAVE_RETURN)
    mov %rdx, SLOT(PAGE_SAVE_RDX)
    mov %rsi, SLOT(PAGE_SAVE_RSI)
    lahf
    seto %al
    movzwl %ax, %eax
    mov %rax, SLOT(PAGE_SAVE_FLAGS)
    mov SLOT(PAGE_SAVE_RAX), %eax
    mov SLOT(PAGE_SPILL_RCX), %ecx
    mov $RECORDER_CPUID_TABLE, %esi
    mov SLOT(PAGE_CPUID_COUNT), %edx
1:  test %edx, %edx
    jz 9f
    cmp %eax, (%rsi)
    jne 2f
    testl $1, 8(%rsi)
    jnz 3f
    cmp %ecx, 4(%rsi)
    je 3f
2:  add $RECORDER_CPUID_ENTRY_SIZE, %esi
    dec %edx
    jmp 1b
3:  mov SLOT(PAGE_SAVE_RETURN), %rcx
    lea 2(%rcx), %rcx /* behind the copy of the two-byte instruction */
    mov %rcx, SLOT(PAGE_JUMP)
    mov SLOT(PAGE_SAVE_FLAGS), %eax
    add $0x7f, %al    /* sets OF again from seto's byte */
    sahf
    mov 16(%rsi), %eax
    mov 20(%rsi), %ebx
    mov 24(%rsi), %ecx
    mov 28(%rsi), %edx
    mov SLOT(PAGE_SAVE_RSI), %rsi
    jmp *SLOT(PAGE_JUMP)
9:  mov SLOT(PAGE_SAVE_FLAGS), %eax
    add $0x7f, %al
    sahf
    mov SLOT(PAGE_SAVE_RDX), %rdx
    mov SLOT(PAGE_SAVE_RSI), %rsi
    mov %r11, SLOT(PAGE_SAVE_R11)
    mov $BLOB_CALL_CPUID, %eax
    syscall
    ud2
blob_code_end:

    .section .note.GNU-stack, "", @progbits

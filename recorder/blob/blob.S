/* The blob: entered by `jmp *[PAGE_ENTRY_x]` from stubs with rcx = X of the stub protocol and the
 * program's rcx in PAGE_SPILL_RCX. Counters and emulated instructions use no stack at all; system
 * calls have the handlers' own (handlers.h). Linked to its final address (blob.ld). */
#include "include/rrtest/recorder_page.h"
#include "recorder/blob/abi.h"

#define SLOT(offset) (RECORDER_PAGE_ADDRESS + (offset))

    .section .entries, "a"
/* In the order of enum blob_entry. */
    .quad blob_batch_here, blob_syscall_here, blob_tick_here, blob_atomic_here
    .quad blob_cpuid_here, blob_rdtsc_here, blob_random_here
    .quad blob_call_here, blob_replayed_call_here, blob_untraced_here, blob_traced_here
    .quad blob_traced_rdtsc_here, blob_replayed_rdtsc_here, blob_frame_here

    .text
    .balign 64
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
    TRACED blob_traced_rdtsc_here, BLOB_CALL_RDTSC
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

/* rdtsc and rdtscp, answered by a function of the address of their copy on the handlers' stack, or
 * by the recorder. Flags and all other registers stay. */
.macro RDTSC name, function
\name:
    mov %rax, SLOT(PAGE_SAVE_RAX)
    mov %rcx, SLOT(PAGE_SAVE_RETURN)
    mov %r11, SLOT(PAGE_SAVE_R11)
    mov %rdx, SLOT(PAGE_SAVE_RDX)
    lahf
    seto %al
    movzwl %ax, %eax
    mov %rax, SLOT(PAGE_SAVE_FLAGS)
    mov %rsp, SLOT(PAGE_CALL_RSP)
    mov $RECORDER_STACK_TOP, %esp
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    sub $8, %rsp
    mov %rcx, %rdi
    call \function
    add $8, %rsp
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    mov SLOT(PAGE_CALL_RSP), %rsp
    mov SLOT(PAGE_SAVE_R11), %r11
    jmp blob_rdtsc_answered
.endm
    .balign 16
    RDTSC blob_rdtsc_here, blob_rdtsc
    .balign 16
    RDTSC blob_replayed_rdtsc_here, blob_replay_rdtsc
    .balign 16
blob_rdtsc_answered:
    cmp $BLOB_DECLINE, %rax
    je 1f
    mov SLOT(PAGE_SAVE_RETURN), %rcx
    cmpb $0x31, 1(%rcx) /* 0f 31 rdtsc, 0f 01 f9 rdtscp */
    lea 3(%rcx), %rdx
    lea 2(%rcx), %rcx
    cmovne %rdx, %rcx
    mov %rcx, SLOT(PAGE_JUMP)
    mov $0, %ecx /* rdtscp: the processor's number */
    cmove SLOT(PAGE_SPILL_RCX), %rcx
    mov %rax, %rdx
    shr $32, %rdx
    mov %eax, SLOT(PAGE_SAVE_RAX)
    mov SLOT(PAGE_SAVE_FLAGS), %eax
    add $0x7f, %al
    sahf
    mov SLOT(PAGE_SAVE_RAX), %eax
    jmp *SLOT(PAGE_JUMP)
1:  mov SLOT(PAGE_SAVE_FLAGS), %eax
    add $0x7f, %al
    sahf
    mov SLOT(PAGE_SAVE_RDX), %rdx
    mov $BLOB_CALL_RDTSC, %eax
    syscall
    ud2

/* ---- system calls -------------------------------------------------------------------------- */

/* All that the frame holds but rax and the preserved registers; rax is used. */
.macro RESTORE
    mov 0x38(%rsp), %rax
    add $0x7f, %al
    sahf
    mov 0x08(%rsp), %rdi
    mov 0x10(%rsp), %rsi
    mov 0x18(%rsp), %rdx
    mov 0x20(%rsp), %r10
    mov 0x28(%rsp), %r8
    mov 0x30(%rsp), %r9
    mov 0x40(%rsp), %rcx
.endm

/* The call protocol of recorder_page.h: rcx = X. Switches to the handlers' stack, so the program's
 * red zone stays whole; a handler that cannot answer returns BLOB_DECLINE. The frame also holds what
 * a handler may have in the preserved registers when the recorder takes the call away from it
 * (struct blob_frame). lahf and seto keep the flags, which `syscall` preserves. */
    .balign 64
blob_call_here:
    mov %rax, %r11
    lahf
    seto %al
    cmp $BLOB_CLOCK_GETTIME, %r11
    je blob_clock
1:  mov %rsp, SLOT(PAGE_CALL_RSP)
    mov $RECORDER_STACK_TOP, %esp
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbp
    push %rbx
    push %rcx
    push %rax
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %r11
blob_frame_here:
    cmp $BLOB_CALL_LIMIT, %r11
    jae 1f
    mov blob_handlers(, %r11, 8), %rax
    jmp 2f

/* The clock looked at again, with nothing between (handlers_time.c): a fifth of all that programs
 * call, and natively no system call at all. rax: flags. */
    .balign 16
blob_clock:
    cmpq $0, SLOT(PAGE_CLOCK_RUN)
    je 1b
    cmp %rdi, SLOT(PAGE_CLOCK_RUN_ID)
    jne 1b
    cmp %rsi, SLOT(PAGE_CLOCK_RUN_TO)
    jne 1b
    cmpq $0, SLOT(PAGE_CALLS_LEFT)
    jle 1b
    mov %rdx, SLOT(PAGE_SAVE_RDX)
    imul $RECORDER_NS_PER_CALL / RECORDER_NS_PER_TICK, SLOT(PAGE_CALLS_LEFT), %r11
    add SLOT(PAGE_TICKS), %r11
    shl $2, %r11 /* RECORDER_NS_PER_TICK */
    mov SLOT(PAGE_CLOCK_RUN_BASE), %rdx
    sub %r11, %rdx
    cmp $1000000000, %rdx
    jae 3f
    mov %rdx, 8(%rsi)
    mov SLOT(PAGE_CLOCK_RUN_SECONDS), %r11
    mov %r11, (%rsi)
    mov SLOT(PAGE_CLOCK_RUN), %rdx
    incq (%rdx)
    decq SLOT(PAGE_CALLS_LEFT)
    mov SLOT(PAGE_SAVE_RDX), %rdx
    add $0x7f, %al
    sahf
    mov $0, %eax
    mov $0x246, %r11d
    lea 2(%rcx), %rcx
    jmp *%rcx
3:  mov SLOT(PAGE_SAVE_RDX), %rdx
    mov $BLOB_CLOCK_GETTIME, %r11d
    jmp 1b

    .balign 16
blob_replayed_call_here: /* the same in replay, where one handler answers all */
    mov %rsp, SLOT(PAGE_CALL_RSP)
    mov $RECORDER_STACK_TOP, %esp
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbp
    push %rbx
    push %rcx
    mov %rax, %r11
    lahf
    seto %al
    push %rax
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %r11
    mov $blob_replay, %eax
2:  test %rax, %rax
    jz 1f
    mov %rsp, %rdi
    sub $8, %rsp
    call *%rax
    add $8, %rsp
    cmp $BLOB_DECLINE, %rax
    je 1f
    mov %rax, %r11
    RESTORE
    mov %r11, %rax
    mov SLOT(PAGE_CALL_RSP), %rsp
    mov $0x246, %r11d /* flags, as behind a `syscall`; the same in replay */
    lea 2(%rcx), %rcx
    jmp *%rcx
1:  RESTORE
    mov (%rsp), %rax
    mov SLOT(PAGE_CALL_RSP), %rsp
    jmp *%rcx

/* Where the recorder makes a call of the program anew; it sets ip to behind the program's own. */
    .balign 16
blob_traced_here:
    syscall
    ud2

/* Handlers' own system call, in registers as the kernel wants them. */
    .balign 16
    .globl blob_untraced
blob_untraced:
blob_untraced_here:
    syscall
    ret

    .section .note.GNU-stack, "", @progbits

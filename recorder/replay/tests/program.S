/* Pieces of program for hand-made traces. The whole is mapped at PROGRAM_ADDRESS (script.h) from the
 * trace's file 1; counted points follow the stub protocol of recorder_page.h. */
#include "include/rrtest/recorder_page.h"

#define TICKS RECORDER_PAGE_ADDRESS + PAGE_TICKS
#define ATOMICS RECORDER_PAGE_ADDRESS + PAGE_ATOMICS
#define SPILL RECORDER_PAGE_ADDRESS + PAGE_SPILL_RCX

    .macro LABEL name
    .globl \name
    .hidden \name
\name:
    .endm

    .macro POINT counter, entry, back
    subq $1, \counter
    js 90f
    jmp \back
90: mov %rcx, SPILL
    lea \back(%rip), %rcx
    jmp *RECORDER_PAGE_ADDRESS + \entry
    .endm

    .section .rodata
    .balign 4096
LABEL program_code

/* One call after the other: the number is in eax after each stop. */
LABEL program_calls
    syscall
LABEL program_first_call
    syscall
LABEL program_second_call
    syscall
LABEL program_third_call
    ud2

/* rbx ticks, r12 atomics alternating, then a call. */
LABEL program_ticks
    POINT TICKS, PAGE_ENTRY_TICK, program_ticked
LABEL program_ticked
    inc %r13
    POINT ATOMICS, PAGE_ENTRY_ATOMIC, program_counted
LABEL program_counted
    inc %r14
    dec %rbx
    jnz program_ticks
    mov $39, %eax
    syscall
LABEL program_ticks_call
    ud2

LABEL program_spins
    POINT TICKS, PAGE_ENTRY_TICK, program_spins

LABEL program_stuck
    jmp program_stuck

/* Stores rdi at (rsi), loads (rdx) into rbx, calls. */
LABEL program_stores
    mov %rdi, (%rsi)
LABEL program_loads
    mov (%rdx), %rbx
    mov $39, %eax
    syscall
LABEL program_stored
    ud2

/* Goes down the stack a page at a time, rbx times. */
LABEL program_recurses
    sub $4096, %rsp
LABEL program_touches
    movq $1, (%rsp)
    dec %rbx
    jnz program_recurses
    mov $39, %eax
    syscall
LABEL program_recursed
    ud2

/* rdrand through the blob. */
LABEL program_draws
    mov %rcx, SPILL
    lea program_draw(%rip), %rcx
    jmp *RECORDER_PAGE_ADDRESS + PAGE_ENTRY_RANDOM
LABEL program_draw
    rdrand %rax
    mov %rax, %rbx
    mov $39, %eax
    syscall
LABEL program_drawn
    ud2

/* cpuid of leaf eax, subleaf ecx through the table. */
LABEL program_asks
    mov %rcx, SPILL
    lea program_ask(%rip), %rcx
    jmp *RECORDER_PAGE_ADDRESS + PAGE_ENTRY_CPUID
LABEL program_ask
    cpuid
    mov %rax, %r12
    mov $39, %eax
    syscall
LABEL program_answered
    ud2

/* xmm0's low word comes to rbx. */
LABEL program_vector
    movq %xmm0, %rbx
    mov $39, %eax
    syscall
LABEL program_vectored
    ud2

LABEL program_code_end
    .section .note.GNU-stack, "", @progbits

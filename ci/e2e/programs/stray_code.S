/* Loops that stray.c enters in the middle, at addresses it computes: no label, no relocation and no table
 * tells an analysis of this file that control can come there. Offsets are stored multiplied. */
    .text

/* long stray_enter(void *target, long count): jump to target with rdi = count, ZF clear, sums zero, rcx as
 * stray_indirect keeps it */
    .globl stray_enter
    .type stray_enter, @function
stray_enter:
    .cfi_startproc
    mov %rdi, %r11
    mov %rsi, %rdi
    xor %eax, %eax
    xor %edx, %edx
    xor %esi, %esi
    lea .Lindirect_head(%rip), %rcx
    test %r11, %r11
    jmp *%r11
    .cfi_endproc
    .size stray_enter, . - stray_enter

/* A loop closed by a conditional branch; every instruction before the branch may be in the window. */
    .globl stray_branch
    .type stray_branch, @function
    .p2align 4
stray_branch:
    .cfi_startproc
    xor %eax, %eax
.Lbranch_head:
    add $3, %rax
.Lbranch_1:
    inc %rdx
.Lbranch_2:
    lea 1(%rsi), %rsi
.Lbranch_3:
    dec %rdi
.Lbranch_4:
    jnz .Lbranch_head
    lea (%rax,%rdx,2), %rax
    add %rsi, %rax
    ret
    .cfi_endproc
    .size stray_branch, . - stray_branch

/* A loop closed by an indirect jump. */
    .globl stray_indirect
    .type stray_indirect, @function
    .p2align 4
stray_indirect:
    .cfi_startproc
    xor %eax, %eax
    lea .Lindirect_head(%rip), %rcx
.Lindirect_head:
    add $5, %rax
    dec %rdi
    jz .Lindirect_done
.Lindirect_1:
    inc %rdx
.Lindirect_2:
    inc %rsi
.Lindirect_3:
    jmp *%rcx
.Lindirect_done:
    lea (%rax,%rdx,2), %rax
    add %rsi, %rax
    ret
    .cfi_endproc
    .size stray_indirect, . - stray_indirect

/* A loop of short instructions: most of them are inside whatever window is chosen. */
    .globl stray_short
    .type stray_short, @function
    .p2align 4
stray_short:
    .cfi_startproc
    xor %eax, %eax
.Lshort_head:
    cld
.Lshort_1:
    nop
.Lshort_2:
    inc %eax
.Lshort_3:
    nop
.Lshort_4:
    inc %edx
.Lshort_5:
    dec %edi
.Lshort_6:
    jne .Lshort_head
    lea (%rax,%rdx,2), %eax
    ret
    .cfi_endproc
    .size stray_short, . - stray_short

    .section .rodata
    .globl stray_offsets
    .p2align 2
stray_offsets:                  /* function, entry: offset * 3 */
    .long 0, (.Lbranch_head - stray_branch) * 3
    .long 0, (.Lbranch_1 - stray_branch) * 3
    .long 0, (.Lbranch_2 - stray_branch) * 3
    .long 0, (.Lbranch_3 - stray_branch) * 3
    .long 0, (.Lbranch_4 - stray_branch) * 3
    .long 1, (.Lindirect_1 - stray_indirect) * 3
    .long 1, (.Lindirect_2 - stray_indirect) * 3
    .long 1, (.Lindirect_head - stray_indirect) * 3
    .long 2, (.Lshort_1 - stray_short) * 3
    .long 2, (.Lshort_2 - stray_short) * 3
    .long 2, (.Lshort_3 - stray_short) * 3
    .long 2, (.Lshort_4 - stray_short) * 3
    .long 2, (.Lshort_5 - stray_short) * 3
    .long 2, (.Lshort_6 - stray_short) * 3
    .long -1, 0
    .section .note.GNU-stack, "", @progbits

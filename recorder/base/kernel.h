/* System calls without libc: they touch no errno, which a process shares with its parent for as
 * long as it shares its memory. */
#ifndef RECORDER_BASE_KERNEL_H
#define RECORDER_BASE_KERNEL_H

#include <stdint.h>

/* The kernel's result: a negative errno on failure. Arguments as the kernel wants them; the fifth
 * and sixth are 0, as prctl(2) checks. */
static inline int64_t kernel_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = 0;
    register uint64_t r9 __asm__("r9") = 0;
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif

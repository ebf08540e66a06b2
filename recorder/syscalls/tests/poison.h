/* The proof that syscall_outputs() is right: run a call for real on memory full of a pattern and
 * compare what the kernel changed with the regions reported. */
#ifndef RECORDER_SYSCALLS_TESTS_POISON_H
#define RECORDER_SYSCALLS_TESTS_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "recorder/syscalls/syscalls.h"

/* Reads this process's own memory, and says -EFAULT where there is none. */
extern const struct syscall_memory poison_memory;

/* Empties the arena and fills it with pseudo-random bytes. */
void poison_reset(void);
/* `size` bytes of the arena between guards, still poisoned. */
void *poison_take(size_t size);
/* As poison_take, holding zeros. */
void *poison_take_zeroed(size_t size);
/* As poison_take, with a copy of `data`. */
void *poison_take_copy(const void *data, size_t size);
/* `size` bytes that end where memory ends: the byte behind them cannot be read or written. */
void *poison_take_before_hole(size_t size);

/* What a call has to do beside staying inside its regions. */
enum poison_expect {
    POISON_CHANGES,       /* succeed and change memory */
    POISON_QUIET,         /* succeed and change nothing */
    POISON_FAILS,         /* fail and change nothing */
    POISON_FAILS_CHANGES, /* fail and change memory all the same */
    POISON_ANY,
};

/* Runs the call (cmocka failure unless all holds) and returns its raw result. ENOSYS and, for
 * calls that containers forbid, EPERM skip the checks; poison_counted() shows how many names were
 * really tried. */
int64_t poison_call(enum poison_expect expect, const char *name, uint64_t a0, uint64_t a1,
                    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

#define POISON_ARGUMENTS(a0, a1, a2, a3, a4, a5, ...) \
    (uint64_t)(a0), (uint64_t)(a1), (uint64_t)(a2), (uint64_t)(a3), (uint64_t)(a4), (uint64_t)(a5)
#define poison(expect, name, ...) \
    poison_call(expect, name, POISON_ARGUMENTS(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0))

/* Distinct names whose outputs were compared. */
size_t poison_counted(void);

/* The bytes changed by the last call that lie outside these regions (0 is right). */
size_t poison_escaped(const struct syscall_regions *regions);

#endif

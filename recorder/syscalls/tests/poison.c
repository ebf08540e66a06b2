/* An arena of pseudo-random bytes with a snapshot taken before each call. */
#include "recorder/syscalls/tests/poison.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/base/random.h"

#define ARENA_SIZE (1u << 20)
#define HOLE_SIZE (64u << 10)
#define GUARD_SIZE 256

static struct {
    uint8_t *memory; /* ARENA_SIZE bytes, then nothing */
    uint8_t *before; /* the snapshot */
    size_t used;
    size_t used_at_end;
    struct random_stream random;
    bool counted[SYSCALL_NUMBER_LIMIT];
} arena;

static int read_self(void *context, struct taddr address, void *ret, size_t length)
{
    struct iovec local = {ret, length};
    struct iovec remote = {(void *)(uintptr_t)address.value, length};

    (void)context;
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -EFAULT;
}

const struct syscall_memory poison_memory = {read_self, NULL};

static void arena_init(void)
{
    uint8_t *memory = mmap(NULL, ARENA_SIZE + HOLE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + ARENA_SIZE, HOLE_SIZE, PROT_NONE), 0);
    arena.memory = memory;
    arena.before = malloc(ARENA_SIZE);
    assert_non_null(arena.before);
    random_init(&arena.random, 1, RANDOM_DATA);
}

void poison_reset(void)
{
    if (!arena.memory)
        arena_init();
    random_fill(&arena.random, arena.memory, ARENA_SIZE);
    arena.used = 0;
    arena.used_at_end = 0;
}

void *poison_take(size_t size)
{
    uint8_t *taken = arena.memory + arena.used + GUARD_SIZE;

    arena.used += (size + 2 * GUARD_SIZE + 63) & ~63ull;
    assert_true(arena.used + arena.used_at_end < ARENA_SIZE);
    return taken;
}

void *poison_take_zeroed(size_t size)
{
    return memset(poison_take(size), 0, size);
}

void *poison_take_copy(const void *data, size_t size)
{
    return memcpy(poison_take(size), data, size);
}

void *poison_take_before_hole(size_t size)
{
    arena.used_at_end = size > arena.used_at_end ? size : arena.used_at_end;
    assert_true(arena.used + arena.used_at_end < ARENA_SIZE);
    return arena.memory + ARENA_SIZE - size;
}

static bool covered(const struct syscall_regions *regions, uint64_t address)
{
    for (size_t i = 0; i < regions->count; i++)
        if (address - regions->region[i].address < regions->region[i].length)
            return true;
    return false;
}

static size_t count_changed(void)
{
    size_t changed = 0;

    for (size_t i = 0; i < ARENA_SIZE; i++)
        changed += arena.memory[i] != arena.before[i];
    return changed;
}

size_t poison_escaped(const struct syscall_regions *regions)
{
    size_t escaped = 0;

    for (size_t i = 0; i < ARENA_SIZE; i++)
        if (arena.memory[i] != arena.before[i] &&
            !covered(regions, (uint64_t)(uintptr_t)(arena.memory + i)))
            escaped++;
    return escaped;
}

size_t poison_counted(void)
{
    size_t count = 0;

    for (size_t i = 0; i < SYSCALL_NUMBER_LIMIT; i++)
        count += arena.counted[i];
    return count;
}

static void judge(enum poison_expect expect, const char *text, int64_t result, size_t changed)
{
    bool failed = result < 0 && result >= -4095;
    bool wanted_failure = expect == POISON_FAILS || expect == POISON_FAILS_CHANGES;
    bool wanted_change = expect == POISON_CHANGES || expect == POISON_FAILS_CHANGES;

    if (expect == POISON_ANY)
        return;
    if (failed != wanted_failure || (changed > 0) != wanted_change)
        fail_msg("%s = %lld changed %zu bytes", text, (long long)result, changed);
}

int64_t poison_call(enum poison_expect expect, const char *name, uint64_t a0, uint64_t a1,
                    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    static struct syscall_regions regions;
    const uint64_t args[6] = {a0, a1, a2, a3, a4, a5};
    int number = syscall_number_by_name(name);
    char text[512];
    size_t length;
    size_t escaped;
    int64_t result;

    assert_true(number >= 0);
    memcpy(arena.before, arena.memory, ARENA_SIZE);
    result = syscall(number, a0, a1, a2, a3, a4, a5);
    if (result == -1)
        result = -errno;
    assert_int_equal(syscall_outputs((uint64_t)number, args, result, &poison_memory, &regions), 0);
    length = syscall_format((uint64_t)number, args, &poison_memory, text, sizeof(text));
    length += (size_t)snprintf(text + length, sizeof(text) - length, " = ");
    syscall_format_result((uint64_t)number, result, text + length, sizeof(text) - length);
    if (result == -ENOSYS || (result == -EPERM && geteuid() != 0)) {
        print_message("not tried: %s\n", text);
        return result;
    }
    escaped = poison_escaped(&regions);
    if (escaped > 0)
        fail_msg("%s: %zu bytes changed outside the regions", text, escaped);
    judge(expect, text, result, count_changed());
    arena.counted[number] = true;
    return result;
}

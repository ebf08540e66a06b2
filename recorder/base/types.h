/* Strong types for values that must not be mixed up: addresses in the tracee. */
#ifndef RECORDER_BASE_TYPES_H
#define RECORDER_BASE_TYPES_H

#include <stdint.h>

struct taddr {
    uint64_t value; /* an address in the tracee's address space, never dereferenced here */
};

static inline struct taddr taddr(uint64_t value)
{
    return (struct taddr){value};
}

static inline struct taddr taddr_add(struct taddr a, uint64_t n)
{
    return (struct taddr){a.value + n};
}

#define TRACEE_PAGE_SIZE 4096ull
static inline uint64_t page_down(uint64_t a)
{
    return a & ~(TRACEE_PAGE_SIZE - 1);
}
static inline uint64_t page_up(uint64_t a)
{
    return (a + TRACEE_PAGE_SIZE - 1) & ~(TRACEE_PAGE_SIZE - 1);
}

#endif

/* What every handler needs: adding regions to the list, iovecs, socket addresses, reading the
 * tracee, and the messages for calls that are not modelled. */
#include "recorder/syscalls/irregular/irregular.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "recorder/base/types.h"
#include "recorder/syscalls/abi.h"

#define KERNEL_IOV_MAX 1024

static int by_address(const void *a, const void *b)
{
    const struct syscall_region *x = a;
    const struct syscall_region *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

/* Joins regions of which the second begins in the page where the first ends: if that page cannot be
 * read, neither can the second, so nothing is lost with the joined region's unreadable tail. */
static void compact(struct syscall_regions *ret)
{
    size_t kept = 0;

    if (ret->count < 2)
        return;
    qsort(ret->region, ret->count, sizeof(*ret->region), by_address);
    for (size_t i = 1; i < ret->count; i++) {
        struct syscall_region *last = &ret->region[kept];
        const struct syscall_region *next = &ret->region[i];
        uint64_t last_end = last->address + last->length;
        uint64_t next_end = next->address + next->length;

        if (page_down(next->address) <= page_down(last_end - 1)) {
            if (next_end > last_end)
                last->length = next_end - last->address;
        } else {
            ret->region[++kept] = *next;
        }
    }
    ret->count = kept + 1;
}

/* A length that runs past the end of the address space is cut there. */
static bool region_is_empty(uint64_t address, uint64_t *length)
{
    if (address == 0 || *length == 0)
        return true;
    if (*length > UINT64_MAX - address)
        *length = UINT64_MAX - address;
    return *length == 0;
}

int regions_append(struct syscall_regions *ret, uint64_t address, uint64_t length)
{
    if (region_is_empty(address, &length))
        return 0;
    if (ret->count > 0) {
        struct syscall_region *last = &ret->region[ret->count - 1];

        if (last->address + last->length == address && page_down(address) != address) {
            last->length += length;
            return 0;
        }
    }
    if (ret->count == SYSCALL_REGION_MAX)
        return -E2BIG;
    ret->region[ret->count++] = (struct syscall_region){address, length};
    return 0;
}

int regions_add(struct syscall_regions *ret, uint64_t address, uint64_t length)
{
    if (ret->count == SYSCALL_REGION_MAX)
        compact(ret);
    return regions_append(ret, address, length);
}

typedef int region_sink(struct syscall_regions *ret, uint64_t address, uint64_t length);

static int walk_iovec(region_sink *sink, struct syscall_regions *ret,
                      const struct syscall_memory *memory, uint64_t address, uint64_t count,
                      uint64_t limit)
{
    struct iovec part[64];

    if (count > KERNEL_IOV_MAX || !memory)
        return 0;
    while (count > 0 && limit > 0) {
        uint64_t n = count < 64 ? count : 64;

        if (memory->read(memory->context, taddr(address), part, n * sizeof(*part)) != 0)
            return 0;
        for (uint64_t i = 0; i < n && limit > 0; i++) {
            uint64_t length = part[i].iov_len < limit ? part[i].iov_len : limit;
            int error = sink(ret, (uint64_t)(uintptr_t)part[i].iov_base, length);

            if (error)
                return error;
            limit -= length;
        }
        address += n * sizeof(*part);
        count -= n;
    }
    return 0;
}

int regions_add_iovec(struct syscall_regions *ret, const struct syscall_memory *memory,
                      uint64_t address, uint64_t count, uint64_t limit)
{
    return walk_iovec(regions_add, ret, memory, address, count, limit);
}

int regions_append_iovec(struct syscall_regions *ret, const struct syscall_memory *memory,
                         uint64_t address, uint64_t count, uint64_t limit)
{
    return walk_iovec(regions_append, ret, memory, address, count, limit);
}

/* The kernel copies min(buffer, address) bytes and stores the address's full length
 * (net/socket.c, move_addr_to_user): what the buffer held is known no more, so the region is an
 * upper bound. */
int regions_add_sockaddr(struct syscall_regions *ret, const struct syscall_memory *memory,
                         uint64_t address, uint64_t length_address)
{
    uint32_t length;
    int error;

    if (!address || !length_address || !memory ||
        memory->read(memory->context, taddr(length_address), &length, sizeof(length)) != 0)
        return 0;
    error = regions_add(ret, length_address, sizeof(length));
    if (error)
        return error;
    return regions_add(ret, address,
                       length < SIZE_SOCKADDR_STORAGE ? length : SIZE_SOCKADDR_STORAGE);
}

bool irregular_read(const struct irregular_call *call, uint64_t address, void *ret, size_t length)
{
    return address && call->memory &&
           call->memory->read(call->memory->context, taddr(address), ret, length) == 0;
}

bool irregular_interrupted(int64_t result)
{
    return result == -EINTR || (result <= -512 && result >= -516);
}

uint64_t irregular_reach(int64_t result, uint64_t length)
{
    if (result >= 0)
        return length;
    if (result == -EFAULT)
        return length < IRREGULAR_FAULT_MAX ? length : IRREGULAR_FAULT_MAX;
    return 0;
}

uint64_t irregular_bounded(int64_t result, uint64_t length)
{
    return result < 0 && length > IRREGULAR_ERROR_MAX ? IRREGULAR_ERROR_MAX : length;
}

static void explain(const struct irregular_call *call, char *message, size_t size,
                    const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

static void explain(const struct irregular_call *call, char *message, size_t size,
                    const char *format, va_list arguments)
{
    size_t at;

    if (size == 0)
        return;
    at = syscall_format(call->number, call->args, call->memory, message, size);
    if (at + 1 < size)
        at += (size_t)snprintf(message + at, size - at, ": ");
    if (at < size)
        vsnprintf(message + at, size - at, format, arguments);
}

int irregular_unsupported(const struct irregular_call *call, char *message, size_t size,
                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    explain(call, message, size, format, arguments);
    va_end(arguments);
    return -EOPNOTSUPP;
}

int irregular_refused(const struct irregular_call *call, int error, char *message, size_t size,
                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    explain(call, message, size, format, arguments);
    va_end(arguments);
    return error;
}

/* The table of buffered calls, and what all handlers share: copying and the ring. */
#include "recorder/blob/handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

extern blob_handler *const blob_handlers[BLOB_CALL_LIMIT];

#define CALL(name, handler, needs) [SYS_##name] = handler,
blob_handler *const blob_handlers[BLOB_CALL_LIMIT] = {
#include "recorder/blob/calls.def"
};
#undef CALL

#define CALL(name, handler, needs) [SYS_##name] = (needs),
const uint8_t blob_needs[BLOB_CALL_LIMIT] = {
#include "recorder/blob/calls.def"
};
#undef CALL

/* `rep movsb` takes long to start. */
void blob_copy(void *to, const void *from, uint64_t length)
{
    if (length <= 64) {
        uint64_t words = length / 8;

        for (uint64_t i = 0; i < words; i++)
            ((uint64_t *)to)[i] = ((const uint64_t *)from)[i];
        for (uint64_t i = words * 8; i < length; i++)
            ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
        return;
    }
    __asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

struct record record_begin(const struct blob_frame *f, unsigned flags)
{
    uint8_t *start = (uint8_t *)(uintptr_t)(RECORDER_RING + page_get(PAGE_RING_USED));
    uint64_t *argument = (uint64_t *)(uintptr_t)(start + RING_ARGUMENTS);

    *(uint16_t *)(uintptr_t)(start + RING_NUMBER) = (uint16_t)f->number;
    *(uint16_t *)(uintptr_t)(start + RING_FLAGS) = (uint16_t)flags;
    for (int i = 0; i < 6; i++)
        argument[i] = f->argument[i];
    return (struct record){start, start + RING_HEADER};
}

static uint8_t *segment(struct record *r, uint64_t address, uint64_t length)
{
    uint64_t *head = (uint64_t *)(uintptr_t)r->at;
    uint8_t *data = r->at + RING_SEGMENT;

    head[0] = address;
    head[1] = (uint32_t)length;
    r->at = data + ((length + 7) & ~7ull);
    if (length % 8)
        *(uint64_t *)(uintptr_t)(r->at - 8) = 0;
    return data;
}

void record_add(struct record *r, uint64_t address, const void *data, uint64_t length)
{
    blob_copy(segment(r, address, length), data, length);
}

void record_gather(struct record *r, const struct iovec_of_program *iov, unsigned count,
                   uint64_t length)
{
    uint8_t *to = segment(r, 0, length);

    for (unsigned i = 0; i < count && length > 0; i++) {
        uint64_t piece = iov[i].length < length ? iov[i].length : length;

        blob_copy(to, (const void *)(uintptr_t)iov[i].base, piece);
        to += piece;
        length -= piece;
    }
}

int64_t record_end(struct record *r, int64_t result)
{
    uint32_t size = (uint32_t)(r->at - r->start);

    *(uint32_t *)(uintptr_t)(r->start + RING_SIZE) = size;
    *(int64_t *)(uintptr_t)(r->start + RING_RESULT) = result;
    page_set(PAGE_CALLS_LEFT, page_get(PAGE_CALLS_LEFT) - 1);
    page_set(PAGE_CLOCK_RUN, 0);
    page_set(PAGE_RING_USED, page_get(PAGE_RING_USED) + size);
    return result;
}

int64_t blob_answer(const struct blob_frame *f, int64_t result)
{
    struct record r = record_begin(f, 0);

    return record_end(&r, result);
}

int64_t blob_answer_with(const struct blob_frame *f, int64_t result, uint64_t address,
                         uint64_t length)
{
    struct record r = record_begin(f, 0);

    if (result >= 0 && address && length)
        record_add(&r, address, (const void *)(uintptr_t)address, length);
    return record_end(&r, result);
}

/* ---- descriptors --------------------------------------------------------------------------- */

void blob_fd_set(uint64_t fd, uint8_t what, uint32_t info)
{
    uint32_t *word = blob_fd_info(fd);

    if ((uint32_t)fd < RECORDER_FDS_MAX)
        *blob_fd(fd) = what;
    if (word)
        *word = info;
}

bool blob_fd_is_closed(uint64_t fd)
{
    if ((uint32_t)fd == RECORDER_TRACEE_FD || (uint32_t)fd == RECORDER_TRACEE_FD + 1 ||
        *blob_fd(fd))
        return false;
    return blob_call(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) == -EBADF;
}

bool blob_fd_is_kept(uint64_t fd)
{
    uint64_t count = page_get(PAGE_MAPPED_COUNT);

    for (unsigned i = 0; i < count && i < PAGE_MAPPED_MAX; i++)
        if (page_get(PAGE_MAPPED + 8 * i) == (uint32_t)fd)
            return true;
    return false;
}

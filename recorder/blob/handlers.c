/* The table of buffered calls, and what all handlers share: copying and the ring. */
#include "recorder/blob/handlers.h"

#include <sys/syscall.h>

extern blob_handler *const blob_handlers[BLOB_CALL_LIMIT];

blob_handler *const blob_handlers[BLOB_CALL_LIMIT] = {
    [SYS_read] = blob_read,
    [SYS_write] = blob_write,
    [SYS_pread64] = blob_pread,
    [SYS_pwrite64] = blob_pwrite,
    [SYS_readv] = blob_readv,
    [SYS_writev] = blob_writev,
    [SYS_recvfrom] = blob_recvfrom,
    [SYS_lseek] = blob_lseek,
    [SYS_fsync] = blob_sync,
    [SYS_fdatasync] = blob_sync,

    [SYS_close] = blob_close,
    [SYS_fcntl] = blob_fcntl,
    [SYS_ioctl] = blob_ioctl,

    [SYS_open] = blob_open,
    [SYS_openat] = blob_openat,
    [SYS_stat] = blob_stat,
    [SYS_lstat] = blob_stat,
    [SYS_fstat] = blob_fstat,
    [SYS_newfstatat] = blob_newfstatat,
    [SYS_access] = blob_access,
    [SYS_faccessat] = blob_faccessat,
    [SYS_faccessat2] = blob_faccessat,
    [SYS_readlink] = blob_readlink,
    [SYS_getcwd] = blob_getcwd,

    [SYS_getpid] = blob_getpid,
    [SYS_gettid] = blob_gettid,
    [SYS_getppid] = blob_getppid,
    [SYS_getuid] = blob_credential,
    [SYS_geteuid] = blob_credential,
    [SYS_getgid] = blob_credential,
    [SYS_getegid] = blob_credential,
    [SYS_uname] = blob_uname,
    [SYS_sched_yield] = blob_sched_yield,
    [SYS_clock_gettime] = blob_clock_gettime,
    [SYS_gettimeofday] = blob_gettimeofday,
    [SYS_time] = blob_time,
    [SYS_futex] = blob_futex,

    [SYS_rt_sigaction] = blob_rt_sigaction,
    [SYS_rt_sigprocmask] = blob_rt_sigprocmask,

    [SYS_brk] = blob_brk,
    [SYS_mmap] = blob_mmap,
    [SYS_munmap] = blob_munmap,
    [SYS_mprotect] = blob_mprotect,
};

void blob_copy(void *to, const void *from, uint64_t length)
{
    if (length <= 64 && length % 8 == 0) {
        uint64_t *a = to;
        const uint64_t *b = from;

        for (uint64_t i = 0; i < length / 8; i++)
            a[i] = b[i];
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
    page_set(PAGE_RING_USED, page_get(PAGE_RING_USED) + size);
    return result;
}

int64_t blob_answer(const struct blob_frame *f, int64_t result)
{
    struct record r = record_begin(f, 0);

    return record_end(&r, result);
}

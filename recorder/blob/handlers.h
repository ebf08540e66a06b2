/* Handlers of buffered calls: code of the blob, on its own stack, in the program's process.
 * Internal to blob/.
 *
 * A handler answers one call completely and records it in the ring, or declines before anything has
 * happened; it never waits. It may read the program's memory freely: a fault takes the call away
 * from it, and the call is traced instead. What it calls in the kernel goes through blob_call(),
 * which no filter stops. Which calls are answered is a table (handlers.c). */
#ifndef RECORDER_BLOB_HANDLERS_H
#define RECORDER_BLOB_HANDLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/blob/blob.h"

/* The result, or BLOB_DECLINE. */
typedef int64_t blob_handler(const struct blob_frame *f);

static inline uint64_t page_get(unsigned offset)
{
    return *(const volatile uint64_t *)(uintptr_t)(RECORDER_PAGE_ADDRESS + offset);
}

static inline void page_set(unsigned offset, uint64_t value)
{
    *(volatile uint64_t *)(uintptr_t)(RECORDER_PAGE_ADDRESS + offset) = value;
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* An untraced system call. */
static inline int64_t blob_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    int64_t result;

    __asm__ volatile("call blob_untraced"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* The program's call as it is. */
static inline int64_t blob_pass(const struct blob_frame *f)
{
    return blob_call(f->number, f->argument[0], f->argument[1], f->argument[2], f->argument[3],
                     f->argument[4], f->argument[5]);
}

/* ---- may it be buffered? ------------------------------------------------------------------- */

/* Now, with these PAGE_SWITCH_*, and so many bytes of segments to come. */
static inline bool blob_may(const struct blob_frame *f, uint64_t switches, uint64_t bytes)
{
    uint64_t traced = page_get(PAGE_TRACED_CALLS + (unsigned)(f->number / 64 * 8));

    switches |= PAGE_SWITCH_CALLS;
    return (page_get(PAGE_SWITCHES) & switches) == switches &&
           (int64_t)page_get(PAGE_CALLS_LEFT) > 0 && !(traced >> f->number % 64 & 1) &&
           bytes < RECORDER_RING_SIZE &&
           page_get(PAGE_RING_USED) + RING_HEADER + bytes + 256 <= RECORDER_RING_SIZE;
}

/* PAGE_FD_*; 0: not known. */
static inline uint8_t *blob_fd(uint64_t fd)
{
    static const uint8_t unknown;

    if ((uint32_t)fd >= RECORDER_FDS_MAX)
        return (uint8_t *)(uintptr_t)&unknown;
    return (uint8_t *)(uintptr_t)(RECORDER_FDS + (uint32_t)fd);
}

/* ---- recording ----------------------------------------------------------------------------- */

struct record {
    uint8_t *start;
    uint8_t *at;
};

void blob_copy(void *to, const void *from, uint64_t length);
/* flags: RING_FLAG_*. */
struct record record_begin(const struct blob_frame *f, unsigned flags);
/* Bytes that the call wrote at `address`; 0: that went into it. */
void record_add(struct record *r, uint64_t address, const void *data, uint64_t length);
struct iovec_of_program {
    uint64_t base, length;
};
/* What went into it, from several places. */
void record_gather(struct record *r, const struct iovec_of_program *iov, unsigned count,
                   uint64_t length);
/* Returns the result. */
int64_t record_end(struct record *r, int64_t result);
/* A call that wrote nothing. */
int64_t blob_answer(const struct blob_frame *f, int64_t result);

/* ---- paths --------------------------------------------------------------------------------- */

/* Does the path lead nowhere where files are not what they seem (/proc, /dev, /sys), by its looks?
 * dirfd: as in openat(2). */
bool blob_plain_path(uint64_t dirfd, const char *path);

/* The kernel's struct stat. */
struct kernel_stat {
    uint64_t device, inode, links;
    uint32_t mode, uid, gid, zero;
    uint64_t special;
    int64_t size, block_size, blocks;
    int64_t accessed, accessed_ns, modified, modified_ns, changed, changed_ns;
    int64_t unused[3];
};
/* May the program see it (after the change of its time of access that all runs agree on)? */
bool blob_show_stat(struct kernel_stat *st);

/* ---- the handlers, by file ----------------------------------------------------------------- */

blob_handler blob_read, blob_write, blob_pread, blob_pwrite, blob_readv, blob_writev, blob_recvfrom,
    blob_lseek, blob_sync;                       /* handlers_transfer.c */
blob_handler blob_close, blob_fcntl, blob_ioctl; /* handlers_descriptors.c */
blob_handler blob_open, blob_openat, blob_stat, blob_fstat, blob_newfstatat, blob_access,
    blob_faccessat, blob_readlink, blob_getcwd; /* handlers_files.c */
blob_handler blob_getpid, blob_gettid, blob_getppid, blob_credential, blob_uname, blob_sched_yield,
    blob_clock_gettime, blob_gettimeofday, blob_time, blob_futex; /* handlers_identity.c */
blob_handler blob_rt_sigaction, blob_rt_sigprocmask;              /* handlers_signals.c */
blob_handler blob_brk, blob_mmap, blob_munmap, blob_mprotect;     /* handlers_memory.c */

#endif

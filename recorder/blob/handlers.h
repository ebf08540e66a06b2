/* Handlers of buffered calls: code of the blob, on its own stack, in the program's process.
 * Internal to blob/.
 *
 * A handler answers one call completely and records it in the ring, or declines before anything has
 * happened; it never waits. It may read the program's memory freely: a fault takes the call away
 * from it, and the call is traced instead. What it calls in the kernel goes through blob_call(),
 * which no filter stops. Which calls are answered is a table (handlers.c). */
#ifndef RECORDER_BLOB_HANDLERS_H
#define RECORDER_BLOB_HANDLERS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/blob/blob.h"
#include "recorder/blob/facts.h"

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

extern const uint8_t blob_needs[BLOB_CALL_LIMIT]; /* calls.def */

/* Now, with these PAGE_SWITCH_* and its row's, and so many bytes of segments to come. */
static inline bool blob_may(const struct blob_frame *f, uint64_t switches, uint64_t bytes)
{
    uint64_t traced = page_get(PAGE_TRACED_CALLS + (unsigned)(f->number / 64 * 8));

    switches |= PAGE_SWITCH_CALLS | blob_needs[f->number];
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

/* The descriptor's word, or NULL. */
static inline uint32_t *blob_fd_info(uint64_t fd)
{
    if ((uint32_t)fd >= RECORDER_FD_INFO_MAX)
        return 0;
    return (uint32_t *)(uintptr_t)(RECORDER_FD_INFO + 4 * (uint64_t)(uint32_t)fd);
}

/* May a call on the pipe or socket be buffered: could nobody who is parked see it? */
static inline bool blob_may_stream(const struct blob_frame *f, uint64_t fd, uint64_t bytes)
{
    const volatile uint32_t *waited =
        (const volatile uint32_t *)(uintptr_t)(RECORDER_PAGE_ADDRESS + PAGE_WAITED);
    const uint32_t *pipe = blob_fd_info(fd);

    if (blob_may(f, PAGE_SWITCH_STREAMS, bytes))
        return true;
    if (!(*blob_fd(fd) & PAGE_FD_PIPE) || !pipe || !*pipe || !blob_may(f, PAGE_SWITCH_PIPES, bytes))
        return false;
    for (uint64_t i = 0; i < page_get(PAGE_WAITED_COUNT); i++)
        if (waited[i] == *pipe)
            return false;
    return true;
}

/* The number means this now, or nothing known (0). */
void blob_fd_set(uint64_t fd, uint8_t what, uint32_t info);
/* Nothing is open under the number (asks the kernel). */
bool blob_fd_is_closed(uint64_t fd);
/* Some mapping of it is not known to the recorder yet: it has to stay. */
bool blob_fd_is_kept(uint64_t fd);

/* Has the try without waiting ended the call? Else it changed nothing, and the recorder makes the
 * call. Nothing and errors are answers too: a datagram may be empty, and a socket tells an error
 * once (sock_error() in include/net/sock.h). */
static inline bool blob_has_ended(int64_t result)
{
    return result != -EAGAIN && result != -EOPNOTSUPP && result != -EINTR &&
           !(result <= -512 && result >= -516);
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

/* A call that wrote `length` bytes at one place, if it went well. */
int64_t blob_answer_with(const struct blob_frame *f, int64_t result, uint64_t address,
                         uint64_t length);
/* The same of a timespec at the second argument, already there. */
int64_t blob_answer_time(const struct blob_frame *f, const uint64_t *timespec);

/* ---- paths --------------------------------------------------------------------------------- */

/* Does the path lead nowhere where files are not what they seem (/proc, /dev, /sys), by its looks?
 * dirfd: as in openat(2). */
bool blob_plain_path(uint64_t dirfd, const char *path);
/* The same with AT_EMPTY_PATH: `flags` of the call. */
bool blob_plain_place(uint64_t dirfd, uint64_t path, uint64_t flags);

/* ---- files --------------------------------------------------------------------------------- */

/* The kernel's struct stat. */
struct kernel_stat {
    uint64_t device, inode, links;
    uint32_t mode, uid, gid, zero;
    uint64_t special;
    int64_t size, block_size, blocks;
    int64_t accessed, accessed_ns, modified, modified_ns, changed, changed_ns;
    int64_t unused[3];
};

static inline struct facts *blob_facts(void)
{
    return (struct facts *)(uintptr_t)RECORDER_FACTS;
}

/* Virtual ns at the end of this call. */
static inline uint64_t blob_now(void)
{
    return page_get(PAGE_CLOCK) +
           (page_get(PAGE_CLOCK_TICKS) - page_get(PAGE_TICKS)) * RECORDER_NS_PER_TICK +
           (page_get(PAGE_CLOCK_CALLS) - page_get(PAGE_CALLS_LEFT) + 1) * RECORDER_NS_PER_CALL;
}

static inline int64_t blob_now_real(void)
{
    return (int64_t)(blob_now() + page_get(PAGE_EPOCH));
}

/* Is it in a file system whose files are what they seem, or in TMPDIR, and not one that the
 * recorder shows otherwise? */
bool blob_is_plain(uint64_t device, uint64_t inode);
/* What the program may see of it. False: only the recorder knows. */
bool blob_show_file(struct shown_file *file);
/* Where the time of a file's last write belongs (of a PAGE_FD_FILE); NULL: no room, or its contents
 * are the recorder's affair. */
int64_t *blob_written(uint64_t fd);

/* Random bytes for the program, as getrandom(2) gives them; recorded. */
int64_t blob_random(const struct blob_frame *f, uint64_t address, uint64_t length);
/* All of it to a socket of AF_UNIX, at once or not at all; recorded. */
int64_t blob_send(const struct blob_frame *f, const struct iovec_of_program *iov, unsigned count);

/* ---- the handlers, by file ----------------------------------------------------------------- */

#define CALL(name, handler, needs) blob_handler handler;
#include "recorder/blob/calls.def"
#undef CALL

#endif

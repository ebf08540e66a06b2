/* Calls about files by their paths: only where every file is what it seems, and only what changes
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define PATH_LENGTH_MAX 4096

/* ---- which paths --------------------------------------------------------------------------- */

/* The first bytes of a path's component, as a number. */
#define WORD(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

static bool is_special(uint32_t word, unsigned length)
{
    return (length == 4 && word == WORD('p', 'r', 'o', 'c')) ||
           (length == 3 && (word == WORD('d', 'e', 'v', 0) || word == WORD('s', 'y', 's', 0))) ||
           (length == 2 && word == WORD('f', 'd', 0, 0));
}

bool blob_plain_path(uint64_t dirfd, const char *path)
{
    uint32_t word = 0;
    unsigned length = 0;

    if (path[0] != '/' &&
        ((int)dirfd != AT_FDCWD || !(page_get(PAGE_SWITCHES) & PAGE_SWITCH_PATHS) || !path[0]))
        return false;
    for (unsigned i = 0; i < PATH_LENGTH_MAX; i++) {
        char c = path[i];

        if (c == '/' || c == '\0') {
            if (is_special(word, length))
                return false;
            if (c == '\0')
                return true;
            word = length = 0;
            continue;
        }
        if (length < 4)
            word |= (uint32_t)(uint8_t)c << 8 * length;
        length++;
    }
    return false;
}

static bool is_plain_device(uint64_t device)
{
    for (unsigned i = 0; i < PAGE_DEVICES_MAX; i++)
        if (page_get(PAGE_DEVICES + 8 * i) == device)
            return device != 0;
    return false;
}

static bool is_hidden(uint64_t inode)
{
    for (unsigned i = 0; i < PAGE_HIDDEN_INODES_MAX; i++)
        if (page_get(PAGE_HIDDEN_INODES + 8 * i) == inode)
            return true;
    return false;
}

/* As show_times() of record/file_facts.c for a file that the run has not touched. */
bool blob_show_stat(struct kernel_stat *st)
{
    int64_t start = (int64_t)page_get(PAGE_RUN_START);

    if (!is_plain_device(st->device) || is_hidden(st->inode) || S_ISSOCK(st->mode) ||
        st->modified >= start || st->changed >= start)
        return false;
    st->accessed = st->modified;
    st->accessed_ns = st->modified_ns;
    return true;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int64_t open_path(const struct blob_frame *f, uint64_t dirfd, uint64_t path, uint64_t flags)
{
    const uint64_t allowed = O_CLOEXEC | O_LARGEFILE | 0100000 | O_NOFOLLOW | O_NOCTTY;
    struct kernel_stat st;
    int64_t fd;

    if ((flags & ~allowed) != O_RDONLY || !blob_may(f, 0, 0) ||
        !blob_plain_path(dirfd, (const char *)(uintptr_t)path))
        return BLOB_DECLINE;
    fd = blob_pass(f);
    if (fd < 0)
        return blob_answer(f, fd);
    if (fd < RECORDER_FDS_MAX &&
        blob_call(SYS_fstat, (uint64_t)fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) == 0 &&
        S_ISREG(st.mode) && is_plain_device(st.device) && !is_hidden(st.inode)) {
        *blob_fd((uint64_t)fd) = PAGE_FD_FILE;
        return blob_answer(f, fd);
    }
    blob_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
    return BLOB_DECLINE;
}

int64_t blob_open(const struct blob_frame *f)
{
    return open_path(f, (uint64_t)AT_FDCWD, f->argument[0], f->argument[1]);
}

int64_t blob_openat(const struct blob_frame *f)
{
    return open_path(f, f->argument[0], f->argument[1], f->argument[2]);
}

/* ---- attributes ---------------------------------------------------------------------------- */

static int64_t stat_recorded(const struct blob_frame *f, uint64_t buffer)
{
    struct kernel_stat *st = (struct kernel_stat *)(uintptr_t)buffer;
    int64_t result = blob_pass(f);
    struct record r;

    if (result < 0)
        return blob_answer(f, result);
    if (!blob_show_stat(st))
        return BLOB_DECLINE;
    r = record_begin(f, 0);
    record_add(&r, buffer, st, sizeof(*st));
    return record_end(&r, 0);
}

#define STAT_ROOM (RING_SEGMENT + sizeof(struct kernel_stat))

int64_t blob_stat(const struct blob_frame *f)
{
    if (!blob_may(f, 0, STAT_ROOM) ||
        !blob_plain_path((uint64_t)AT_FDCWD, (const char *)(uintptr_t)f->argument[0]))
        return BLOB_DECLINE;
    return stat_recorded(f, f->argument[1]);
}

int64_t blob_fstat(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & PAGE_FD_FILE) || !blob_may(f, 0, STAT_ROOM))
        return BLOB_DECLINE;
    return stat_recorded(f, f->argument[1]);
}

int64_t blob_newfstatat(const struct blob_frame *f)
{
    const char *path = (const char *)(uintptr_t)f->argument[1];

    if (!blob_may(f, 0, STAT_ROOM))
        return BLOB_DECLINE;
    if ((f->argument[3] & AT_EMPTY_PATH) && !path[0] ? !(*blob_fd(f->argument[0]) & PAGE_FD_FILE)
                                                     : !blob_plain_path(f->argument[0], path))
        return BLOB_DECLINE;
    return stat_recorded(f, f->argument[2]);
}

int64_t blob_access(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0) ||
        !blob_plain_path((uint64_t)AT_FDCWD, (const char *)(uintptr_t)f->argument[0]))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

int64_t blob_faccessat(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0) ||
        !blob_plain_path(f->argument[0], (const char *)(uintptr_t)f->argument[1]))
        return BLOB_DECLINE;
    return blob_answer(f, blob_pass(f));
}

/* ---- names --------------------------------------------------------------------------------- */

static int64_t name_recorded(const struct blob_frame *f, uint64_t buffer)
{
    int64_t result = blob_pass(f);
    struct record r = record_begin(f, 0);

    if (result > 0)
        record_add(&r, buffer, (const void *)(uintptr_t)buffer, (uint64_t)result);
    return record_end(&r, result);
}

int64_t blob_readlink(const struct blob_frame *f)
{
    if (f->argument[2] > PATH_LENGTH_MAX || !blob_may(f, 0, RING_SEGMENT + PATH_LENGTH_MAX) ||
        !blob_plain_path((uint64_t)AT_FDCWD, (const char *)(uintptr_t)f->argument[0]))
        return BLOB_DECLINE;
    return name_recorded(f, f->argument[1]);
}

int64_t blob_getcwd(const struct blob_frame *f)
{
    if (!(page_get(PAGE_SWITCHES) & PAGE_SWITCH_PATHS) ||
        !blob_may(f, 0, RING_SEGMENT + PATH_LENGTH_MAX))
        return BLOB_DECLINE;
    return name_recorded(f, f->argument[0]);
}

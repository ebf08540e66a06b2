/* Calls that read and change names and attributes, by path. What they change is the time of the
 * last change of the run (facts.h); what they refuse is the kernel's answer. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/blob/handlers.h"

#define PATH_LENGTH_MAX 4096

static bool is_plain_here(uint64_t path)
{
    return blob_plain_path((uint64_t)AT_FDCWD, (const char *)(uintptr_t)path);
}

static bool is_plain_at(uint64_t dirfd, uint64_t path)
{
    return blob_plain_path(dirfd, (const char *)(uintptr_t)path);
}

/* ---- changes ------------------------------------------------------------------------------- */

static int64_t changed(const struct blob_frame *f)
{
    int64_t result = blob_pass(f);

    if (result >= 0)
        blob_facts()->changed = blob_now_real();
    return blob_answer(f, result);
}

int64_t blob_name(const struct blob_frame *f)
{
    return blob_may(f, 0, 0) && is_plain_here(f->argument[0]) ? changed(f) : BLOB_DECLINE;
}

/* utimensat: a path of NULL means the descriptor. */
int64_t blob_name_at(const struct blob_frame *f)
{
    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    if (f->number == SYS_utimensat && !f->argument[1])
        return *blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_DIRECTORY) ? changed(f)
                                                                             : BLOB_DECLINE;
    return is_plain_at(f->argument[0], f->argument[1]) ? changed(f) : BLOB_DECLINE;
}

int64_t blob_two_names(const struct blob_frame *f)
{
    return blob_may(f, 0, 0) && is_plain_here(f->argument[0]) && is_plain_here(f->argument[1])
               ? changed(f)
               : BLOB_DECLINE;
}

int64_t blob_two_names_at(const struct blob_frame *f)
{
    return blob_may(f, 0, 0) && is_plain_at(f->argument[0], f->argument[1]) &&
                   is_plain_at(f->argument[2], f->argument[3])
               ? changed(f)
               : BLOB_DECLINE;
}

/* A link's text leads where it leads when it is followed; it is looked at then. */
int64_t blob_symlink(const struct blob_frame *f)
{
    bool at = f->number == SYS_symlinkat;

    if (!blob_may(f, 0, 0) || !is_plain_here(f->argument[0]) ||
        !(at ? is_plain_at(f->argument[1], f->argument[2]) : is_plain_here(f->argument[1])))
        return BLOB_DECLINE;
    return changed(f);
}

int64_t blob_attribute(const struct blob_frame *f)
{
    if (!(*blob_fd(f->argument[0]) & (PAGE_FD_FILE | PAGE_FD_DIRECTORY)) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return changed(f);
}

/* The recorder looks at the new directory before relative paths are taken for plain again. */
int64_t blob_chdir(const struct blob_frame *f)
{
    int64_t result;

    if (!blob_may(f, 0, 0) || !is_plain_here(f->argument[0]))
        return BLOB_DECLINE;
    result = blob_pass(f);
    if (result == 0)
        page_set(PAGE_SWITCHES, page_get(PAGE_SWITCHES) & ~(uint64_t)PAGE_SWITCH_PATHS);
    return blob_answer(f, result);
}

/* ---- names --------------------------------------------------------------------------------- */

static int64_t name_recorded(const struct blob_frame *f, uint64_t buffer)
{
    int64_t result = blob_pass(f);

    return blob_answer_with(f, result, buffer, result > 0 ? (uint64_t)result : 0);
}

int64_t blob_readlink(const struct blob_frame *f)
{
    if (f->argument[2] > PATH_LENGTH_MAX || !blob_may(f, 0, RING_SEGMENT + PATH_LENGTH_MAX) ||
        !is_plain_here(f->argument[0]))
        return BLOB_DECLINE;
    return name_recorded(f, f->argument[1]);
}

int64_t blob_readlinkat(const struct blob_frame *f)
{
    if (f->argument[3] > PATH_LENGTH_MAX || !blob_may(f, 0, RING_SEGMENT + PATH_LENGTH_MAX) ||
        !is_plain_at(f->argument[0], f->argument[1]))
        return BLOB_DECLINE;
    return name_recorded(f, f->argument[2]);
}

int64_t blob_getcwd(const struct blob_frame *f)
{
    if (!blob_may(f, 0, RING_SEGMENT + PATH_LENGTH_MAX))
        return BLOB_DECLINE;
    return name_recorded(f, f->argument[0]);
}

/* ---- directories --------------------------------------------------------------------------- */

struct entry { /* the kernel's struct linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
} __attribute__((packed));

#define ENTRIES_SIZE (RECORDER_SCRATCH_SIZE / 2)
#define ENTRIES_MAX 8192

/* All entries of the directory, in scratch space; their number, or -1: too many, or an error. */
static int64_t take_entries(uint64_t fd, const struct entry **ret)
{
    uint64_t used = 0;
    int64_t got, count = 0;

    do {
        got = blob_call(SYS_getdents64, fd, RECORDER_SCRATCH + used, ENTRIES_SIZE - used, 0, 0, 0);
        used += got > 0 ? (uint64_t)got : 0;
    } while (got > 0);
    if (got < 0)
        return -1;
    for (uint64_t at = 0; at < used; at += ret[count - 1]->length) {
        if (count == ENTRIES_MAX)
            return -1;
        ret[count++] = (const struct entry *)(uintptr_t)(RECORDER_SCRATCH + at);
    }
    return count;
}

static bool is_before(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a < (uint8_t)*b;
}

static void sift(const struct entry **e, int64_t at, int64_t count)
{
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        const struct entry *swapped = e[at];

        if (child + 1 < count && is_before(e[child]->name, e[child + 1]->name))
            child++;
        if (!is_before(swapped->name, e[child]->name))
            return;
        e[at] = e[child];
        e[child] = swapped;
    }
}

/* By name, as directory_list_sort(). */
static void sort(const struct entry **e, int64_t count)
{
    for (int64_t i = count / 2; i-- > 0;)
        sift(e, i, count);
    for (int64_t i = count; i-- > 1;) {
        const struct entry *last = e[i];

        e[i] = e[0];
        e[0] = last;
        sift(e, 0, i);
    }
}

static uint64_t length_of(const struct entry *e)
{
    uint64_t n = 0;

    while (e->name[n])
        n++;
    return n;
}

/* As directory_list_encode(): bytes, or 0 if not all of them have room. */
static uint64_t encode(const struct entry *const *e, int64_t count, bool private, uint64_t device,
                       uint8_t *to, uint64_t size)
{
    uint64_t used = 0;

    for (int64_t i = 0; i < count; i++) {
        uint64_t name = length_of(e[i]), length = (sizeof(struct entry) + name + 1 + 7) & ~7ull;
        struct entry *out = (struct entry *)(void *)(to + used);

        if (used + length > size)
            return 0;
        for (uint64_t k = 0; k < length / 8; k++)
            ((uint64_t *)(void *)out)[k] = 0;
        out->inode = e[i]->inode;
        if (private) {
            uint32_t number = facts_number(blob_facts(), device, e[i]->inode);

            if (!number)
                return 0;
            out->inode = facts_show_inode(blob_facts(), &blob_facts()->fact[number]);
        }
        out->offset = i + 1;
        out->length = (uint16_t)length;
        out->type = e[i]->type;
        blob_copy(out->name, e[i]->name, name);
        used += length;
    }
    return used;
}

static int64_t seek(uint64_t fd, int64_t to, uint64_t whence)
{
    return blob_call(SYS_lseek, fd, (uint64_t)to, whence, 0, 0, 0);
}

/* A whole directory at once, from its beginning, in the recorder's order; then its end. Large ones
 * are left to the recorder, which keeps copies. */
int64_t blob_getdents64(const struct blob_frame *f)
{
    const struct entry **e =
        (const struct entry **)(uintptr_t)(RECORDER_SCRATCH + RECORDER_SCRATCH_SIZE / 2);
    uint64_t fd = f->argument[0], size = (uint32_t)f->argument[2], used;
    uint64_t room = size < ENTRIES_SIZE ? size : ENTRIES_SIZE;
    uint32_t *read = blob_fd_info(fd);
    struct kernel_stat st;
    int64_t count, at;

    if (!(*blob_fd(fd) & PAGE_FD_DIRECTORY) || !read || !blob_may(f, 0, RING_SEGMENT + room))
        return BLOB_DECLINE;
    at = seek(fd, 0, SEEK_CUR);
    if (at != 0)
        return *read && at == *read - 1 ? blob_answer(f, 0) : BLOB_DECLINE;
    if (blob_call(SYS_fstat, fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) != 0 || st.links == 0)
        return BLOB_DECLINE;
    count = take_entries(fd, e);
    seek(fd, 0, SEEK_SET); /* for the recorder, should the program's buffer be a bad one */
    if (count > 0) {
        sort(e, count);
        used = encode(e, count, st.device == blob_facts()->tmpdir_device, st.device,
                      (uint8_t *)(uintptr_t)f->argument[1], room);
        if (used > 0 && seek(fd, count, SEEK_SET) == count) {
            *read = (uint32_t)count + 1;
            return blob_answer_with(f, (int64_t)used, f->argument[1], used);
        }
        seek(fd, 0, SEEK_SET);
    }
    return BLOB_DECLINE;
}

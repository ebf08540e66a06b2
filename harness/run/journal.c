/* Layout: a page of header, the progress of all tests, then reports with a frame each. */
#include "harness/run/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/base/text.h"

#define MAGIC "rrtest journal\n"
#define LAYOUT 2 /* to be raised with every change of what is in the file */
#define HEADER_SIZE 4096
/* A killed session's workers hold the lock until they have died, too. */
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 20000000

struct journal_header {
    char magic[16];
    char version[32]; /* of rrtest */
    uint64_t layout;  /* sizes of all structs that lie in the file */
    uint64_t suite, seed, test_count;
    uint64_t started_unix_ns;
    char options[JOURNAL_OPTIONS_MAX];
    uint64_t check;   /* bytes_hash() of all before it; set last: the header is whole */
    uint64_t wall_ns; /* of the sessions before this one together */
    int64_t pid;      /* of the session that has it */
};
_Static_assert(sizeof(struct journal_header) <= HEADER_SIZE, "the header has a page");

#define FRAME_IS_VOID (1ull << 63)

struct frame {
    uint64_t size;  /* with FRAME_IS_VOID: the report is passed over */
    uint64_t check; /* bytes_hash() of the report */
};

struct journal {
    char *path;
    int fd;
    struct journal_header *header; /* mapped, with what follows */
    size_t mapped;
};

static uint64_t layout(void)
{
    const uint64_t sizes[] = {sizeof(struct journal_header), sizeof(struct progress),
                              sizeof(struct job), offsetof(struct report, text), REPORT_TEXT_MAX};

    return bytes_hash(sizes, sizeof(sizes), LAYOUT);
}

static uint64_t check_of(const struct journal_header *header)
{
    return bytes_hash(header, offsetof(struct journal_header, check), 0);
}

static size_t mapped_size(uint64_t test_count)
{
    return (HEADER_SIZE + test_count * sizeof(struct progress) + 4095) & ~(size_t)4095;
}

void journal_close(struct journal *journal, bool remove)
{
    if (!journal)
        return;
    if (journal->header)
        munmap(journal->header, journal->mapped);
    if (remove)
        unlink(journal->path);
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    free(journal);
}

static struct journal *journal_new(const char *folder)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    if (!journal)
        abort();
    journal->path = text_make("%s/" JOURNAL_NAME, folder);
    journal->fd = -1;
    return journal;
}

static int busy(struct journal *journal, struct rr_error *error)
{
    struct journal_header header;
    long long pid = 0;

    if (pread(journal->fd, &header, sizeof(header), 0) == sizeof(header))
        pid = (long long)header.pid;
    return rr_error_set(error, -EBUSY,
                        "%s is in use by another rrtest run (process %lld); give this one "
                        "a folder of its own with --out",
                        journal->path, pid);
}

/* Is what we opened still what the path names? A session that ends removes its file, perhaps while
 * we wait for its lock. */
static bool is_in_place(const struct journal *journal)
{
    struct stat ours, there;

    return fstat(journal->fd, &ours) == 0 && lstat(journal->path, &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int open_locked(struct journal *journal, int flags, struct rr_error *error)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int tries = 0;

    do {
        close_fd(&journal->fd);
        /* O_NONBLOCK: a FIFO in its place must not be waited for */
        journal->fd =
            open(journal->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0666);
        if (journal->fd < 0)
            return rr_error_set(error, -errno, "cannot open %s: %s", journal->path,
                                strerror(errno));
        while (flock(journal->fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno != EWOULDBLOCK)
                return rr_error_set(error, -errno, "cannot lock %s: %s", journal->path,
                                    strerror(errno));
            if (tries++ == LOCK_TRIES)
                return busy(journal, error);
            nanosleep(&pause, NULL);
        }
    } while (!is_in_place(journal));
    return 0;
}

static int map(struct journal *journal, uint64_t test_count, struct rr_error *error)
{
    void *memory;

    journal->mapped = mapped_size(test_count);
    memory = mmap(NULL, journal->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
    if (memory == MAP_FAILED)
        return rr_error_set(error, -errno, "cannot map %s: %s", journal->path, strerror(errno));
    journal->header = memory;
    return 0;
}

static int write_header(struct journal *journal, const struct journal_identity *identity,
                        struct rr_error *error)
{
    struct timespec now;
    /* Blocks are taken now: a store to a mapping finds no room with SIGBUS (mmap(2)). */
    int code = -posix_fallocate(journal->fd, 0, (off_t)mapped_size(identity->test_count));

    if (code)
        return rr_error_set(error, code, "cannot write %s: %s", journal->path, strerror(-code));
    code = map(journal, identity->test_count, error);
    if (code)
        return code;
    clock_gettime(CLOCK_REALTIME, &now);
    *journal->header = (struct journal_header){
        .magic = MAGIC,
        .version = RRTEST_VERSION,
        .layout = layout(),
        .suite = identity->suite,
        .seed = identity->seed,
        .test_count = identity->test_count,
        .started_unix_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec,
        .pid = getpid(),
    };
    snprintf(journal->header->options, JOURNAL_OPTIONS_MAX, "%s", identity->options);
    journal->header->check = check_of(journal->header);
    return 0;
}

int journal_create(const char *folder, const struct journal_identity *identity,
                   struct journal **ret, bool *ret_left, struct rr_error *error)
{
    struct journal *journal = journal_new(folder);
    struct stat status;
    int code = file_make_directories(folder, 0777);

    if (code)
        rr_error_set(error, code, "cannot make %s: %s", folder, strerror(-code));
    else
        code = open_locked(journal, O_CREAT, error);
    if (code == 0 && ret_left)
        *ret_left = fstat(journal->fd, &status) == 0 && status.st_size > 0;
    if (code == 0 && ftruncate(journal->fd, 0) < 0)
        code = rr_error_set(error, -errno, "cannot empty %s: %s", journal->path, strerror(errno));
    if (code == 0)
        code = write_header(journal, identity, error);
    if (code) {
        journal_close(journal, code != -EBUSY && journal->fd >= 0);
        return code;
    }
    *ret = journal;
    return 0;
}

static int differs(const struct journal *journal, struct rr_error *error, const char *what,
                   const char *before, const char *now)
{
    return rr_error_set(error, -EINVAL,
                        "cannot go on with the session in %s: %s was %s, now it is %s; run without "
                        "--resume to start anew",
                        journal->path, what, before, now);
}

static int damaged(const struct journal *journal, struct rr_error *error)
{
    return rr_error_set(error, -EINVAL,
                        "%s is damaged; run without --resume to "
                        "start anew",
                        journal->path);
}

static int compare(const struct journal *journal, const struct journal_header *h,
                   const struct journal_identity *identity, struct rr_error *error)
{
    char before[32], now[32];

    if (memcmp(h->magic, MAGIC, sizeof(MAGIC)) != 0 || h->check == 0)
        return rr_error_set(error, -ENOENT, "%s holds no session", journal->path);
    if (strncmp(h->version, RRTEST_VERSION, sizeof(h->version)) != 0 || h->layout != layout())
        return differs(journal, error, "rrtest", "another version", RRTEST_VERSION);
    if (h->check != check_of(h))
        return damaged(journal, error);
    if (h->suite != identity->suite || h->test_count != identity->test_count)
        return differs(journal, error, "the suite", "another one", "changed");
    if (identity->has_seed && identity->seed != h->seed) {
        snprintf(before, sizeof(before), "%" PRIu64, h->seed);
        snprintf(now, sizeof(now), "%" PRIu64, identity->seed);
        return differs(journal, error, "--seed", before, now);
    }
    if (strncmp(h->options, identity->options, JOURNAL_OPTIONS_MAX - 1) != 0)
        return differs(journal, error, "the options", *h->options ? h->options : "none",
                       *identity->options ? identity->options : "none");
    return 0;
}

int journal_resume(const char *folder, const struct journal_identity *identity,
                   struct journal **ret, struct rr_error *error)
{
    struct journal *journal = journal_new(folder);
    struct journal_header header = {0};
    struct stat status;
    int code = open_locked(journal, 0, error);

    if (code == 0 && pread(journal->fd, &header, sizeof(header), 0) != sizeof(header))
        code = rr_error_set(error, -ENOENT, "%s holds no session", journal->path);
    if (code == 0)
        code = compare(journal, &header, identity, error);
    if (code == 0 && (fstat(journal->fd, &status) < 0 ||
                      (uint64_t)status.st_size < mapped_size(header.test_count)))
        code = rr_error_set(error, -ENOENT, "%s holds no session", journal->path);
    if (code == 0)
        code = map(journal, header.test_count, error);
    for (uint64_t i = 0; code == 0 && i < header.test_count; i++)
        code = progress_is_sound(&journal_progress(journal)[i]) ? 0 : damaged(journal, error);
    if (code) {
        journal_close(journal, false);
        return code;
    }
    journal->header->pid = getpid();
    *ret = journal;
    return 0;
}

struct progress *journal_progress(struct journal *journal)
{
    return (struct progress *)(void *)((char *)journal->header + HEADER_SIZE);
}

uint64_t journal_seed(const struct journal *journal)
{
    return journal->header->seed;
}

uint64_t journal_started_unix_ns(const struct journal *journal)
{
    return journal->header->started_unix_ns;
}

uint64_t journal_wall_ns(const struct journal *journal)
{
    return journal->header->wall_ns;
}

void journal_set_wall_ns(struct journal *journal, uint64_t wall_ns)
{
    journal->header->wall_ns = wall_ns;
}

int journal_fd(const struct journal *journal)
{
    return journal->fd;
}

int journal_append(struct journal *journal, const struct report *report)
{
    struct frame frame = {.size = report_size(report)};
    off_t end = lseek(journal->fd, 0, SEEK_END);
    int code;

    frame.check = bytes_hash(report, frame.size, 0);
    code = end < 0 ? -errno : file_write_all(journal->fd, &frame, sizeof(frame));
    if (code == 0)
        code = file_write_all(journal->fd, report, frame.size);
    if (code && end >= 0 && ftruncate(journal->fd, end) < 0)
        return -errno;
    return code;
}

/* A whole report at `at`: its size, and whether it is void; 0: there is none. */
static uint64_t read_report(const struct journal *journal, uint64_t at, struct report *report,
                            bool *ret_void)
{
    struct frame frame;
    uint64_t size;

    if (pread(journal->fd, &frame, sizeof(frame), (off_t)at) != sizeof(frame))
        return 0;
    size = frame.size & ~FRAME_IS_VOID;
    *ret_void = size != frame.size;
    if (size > sizeof(*report) ||
        pread(journal->fd, report, size, (off_t)(at + sizeof(frame))) != (ssize_t)size ||
        bytes_hash(report, size, 0) != frame.check || !report_is_whole(report, size))
        return 0;
    return size;
}

/* One store of 8 bytes: there is no moment at which the frame is neither. */
static void make_void(const struct journal *journal, uint64_t at, uint64_t size)
{
    size |= FRAME_IS_VOID;
    if (pwrite(journal->fd, &size, sizeof(size), (off_t)at) < 0)
        return; /* then the next session is told of it once more */
}

int journal_replay(struct journal *journal, bool (*each)(void *context, const struct report *),
                   void *context, struct rr_error *error)
{
    struct report *report = malloc(sizeof(*report));
    uint64_t at = journal->mapped;
    uint64_t size;
    bool is_void;

    if (!report)
        abort();
    while ((size = read_report(journal, at, report, &is_void)) > 0) {
        if (!is_void && !each(context, report))
            make_void(journal, at, size);
        at += sizeof(struct frame) + size;
    }
    free(report);
    if (ftruncate(journal->fd, (off_t)at) < 0)
        return rr_error_set(error, -errno, "cannot cut %s: %s", journal->path, strerror(errno));
    return 0;
}

/* Opening files, and what stat(2) and its kin tell of them: only where every file is what it
 * seems, with times and numbers by the same rules as the recorder's (facts.h). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

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

/* Where relative paths begin. */
static bool is_plain_base(uint64_t dirfd)
{
    if ((int)dirfd == AT_FDCWD)
        return page_get(PAGE_SWITCHES) & PAGE_SWITCH_PATHS;
    return *blob_fd(dirfd) & PAGE_FD_DIRECTORY;
}

bool blob_plain_path(uint64_t dirfd, const char *path)
{
    uint32_t word = 0;
    unsigned length = 0;

    if (!path[0] || (path[0] != '/' && !is_plain_base(dirfd)))
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

static bool may_be_shown(uint64_t fd)
{
    return *blob_fd(fd) & (PAGE_FD_FILE | PAGE_FD_DIRECTORY | PAGE_FD_PIPE);
}

bool blob_plain_place(uint64_t dirfd, uint64_t path, uint64_t flags)
{
    const char *text = (const char *)(uintptr_t)path;

    if ((flags & AT_EMPTY_PATH) && !text[0])
        return may_be_shown(dirfd);
    return blob_plain_path(dirfd, text);
}

/* ---- which files --------------------------------------------------------------------------- */

static bool is_plain_device(uint64_t device)
{
    for (unsigned i = 0; i < PAGE_DEVICES_MAX; i++)
        if (page_get(PAGE_DEVICES + 8 * i) == device)
            return device != 0;
    return false;
}

static bool is_tmpdirs(uint64_t device)
{
    return device != 0 && device == blob_facts()->tmpdir_device;
}

static bool is_hidden(uint64_t inode)
{
    for (unsigned i = 0; i < PAGE_HIDDEN_INODES_MAX; i++)
        if (page_get(PAGE_HIDDEN_INODES + 8 * i) == inode)
            return true;
    return false;
}

bool blob_is_plain(uint64_t device, uint64_t inode)
{
    return (is_plain_device(device) || is_tmpdirs(device)) && !is_hidden(inode);
}

/* Real time, where it matters: is one of the times of this run? */
static int64_t real_now_for(const struct shown_file *file)
{
    const struct facts *facts = blob_facts();
    struct timespec now = {0, 0};

    if (file->modified < facts->start && file->changed < facts->start &&
        file->accessed < facts->start && file->born < facts->start)
        return 0;
    blob_call(SYS_clock_gettime, CLOCK_REALTIME, (uint64_t)(uintptr_t)&now, 0, 0, 0, 0);
    return now.tv_sec * FACTS_NS + now.tv_nsec;
}

/* As file_facts_show_file() of record/file_facts.c. */
bool blob_show_file(struct shown_file *file)
{
    struct facts *facts = blob_facts();
    int stream = facts_stdio(facts, file->device, file->inode);
    bool private = is_tmpdirs(file->device) || (file->device && file->device == facts->pipes);
    bool times = page_get(PAGE_SWITCHES) & PAGE_SWITCH_VIRTUAL;
    struct fact *fact = 0;
    int64_t real;

    if (S_ISSOCK(file->mode) || !(stream >= 0 || private || is_plain_device(file->device)) ||
        (stream < 0 && is_hidden(file->inode)))
        return false;
    real = times ? real_now_for(file) : 0;
    if (private || stream >= 0 || (times && facts_is_of_this_run(facts, file, real))) {
        uint32_t number = facts_number(facts, file->device, file->inode);

        if (!number)
            return false;
        fact = &facts->fact[number];
    }
    if (stream >= 0)
        facts_show_stdio(file, fact, stream, private, times, (int64_t)page_get(PAGE_EPOCH));
    else if (times)
        facts_show_times(facts, file, fact, private, blob_now_real(), (int64_t)page_get(PAGE_EPOCH),
                         real);
    if (private) {
        file->inode = facts_show_inode(facts, fact);
        if (is_tmpdirs(file->device))
            file->device = facts->tmpdir_shown_device;
    }
    return true;
}

int64_t *blob_written(uint64_t fd)
{
    uint32_t *word = blob_fd_info(fd);
    uint32_t number = word ? *word : 0;
    struct kernel_stat st;

    if (!number) {
        if (blob_call(SYS_fstat, fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) != 0)
            return 0;
        number = facts_number(blob_facts(), st.device, st.inode);
        if (word)
            *word = number;
    }
    if (!number || number >= FACTS_MAX || blob_facts()->fact[number].shared)
        return 0;
    return &blob_facts()->fact[number].written;
}

/* ---- opening ------------------------------------------------------------------------------- */

#define MAY_CREATE (O_CREAT | O_EXCL)

static bool is_shared(const struct kernel_stat *st)
{
    uint32_t number = facts_number(blob_facts(), st->device, st->inode);

    return number && blob_facts()->fact[number].shared;
}

/* It is made, or as good as new: what the run knows of it. */
static void note_opened(const struct kernel_stat *st, uint64_t fd, uint64_t flags)
{
    uint32_t *word = blob_fd_info(fd), number;

    blob_facts()->changed = blob_now_real();
    if (!S_ISREG(st->mode))
        return;
    number = facts_number(blob_facts(), st->device, st->inode);
    if (!number)
        return;
    facts_opened(blob_facts(), &blob_facts()->fact[number], flags & O_TRUNC, blob_now_real());
    if (word)
        *word = number;
}

static bool is_dev(const char *path)
{
    return path[0] == '/' && path[1] == 'd' && path[2] == 'e' && path[3] == 'v' && path[4] == '/';
}

/* The devices that are what they seem: what the number means, 0: neither of them. */
static uint8_t device_at(const char *path, uint64_t *ret_special, uint32_t *ret_info)
{
    static const struct {
        char path[16];
        uint64_t special;
        uint8_t what;
        uint32_t info;
    } devices[] = {{"/dev/null", 0x103, PAGE_FD_NULL, 0},
                   {"/dev/zero", 0x105, PAGE_FD_NULL, 0},
                   {"/dev/urandom", 0x109, PAGE_FD_OTHER, PAGE_INFO_RANDOM}};

    for (unsigned i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
        unsigned at = 0;

        while (path[at] == devices[i].path[at] && path[at])
            at++;
        if (path[at] != devices[i].path[at])
            continue;
        *ret_special = devices[i].special;
        *ret_info = devices[i].info;
        return devices[i].what;
    }
    return 0;
}

static int64_t open_device(const struct blob_frame *f, const char *path, uint64_t flags)
{
    const uint64_t allowed =
        O_ACCMODE | O_CLOEXEC | 0100000 /* O_LARGEFILE */ | O_NOCTTY | O_CREAT | O_TRUNC | O_APPEND;
    struct kernel_stat st;
    uint64_t special;
    uint32_t info;
    uint8_t what = device_at(path, &special, &info);
    int64_t fd;

    if (!what || (flags & ~allowed) || (info && (flags & ~(uint64_t)O_CLOEXEC) != O_RDONLY) ||
        !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    fd = blob_pass(f);
    if (fd < 0)
        return BLOB_DECLINE;
    if (blob_call(SYS_fstat, (uint64_t)fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) != 0 ||
        !S_ISCHR(st.mode) || st.special != special || fd >= RECORDER_FD_INFO_MAX) {
        blob_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
        return BLOB_DECLINE;
    }
    blob_fd_set((uint64_t)fd, what, info);
    if (flags & (O_CREAT | O_TRUNC))
        blob_facts()->changed = blob_now_real();
    return blob_answer(f, fd);
}

static int64_t open_path(const struct blob_frame *f, uint64_t dirfd, uint64_t path, uint64_t flags)
{
    const uint64_t allowed = O_ACCMODE | O_CLOEXEC | 0100000 /* O_LARGEFILE */ | O_NOFOLLOW |
                             O_NOCTTY | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECTORY |
                             O_NONBLOCK | O_SYNC | O_NOATIME;
    struct kernel_stat st;
    int64_t fd;

    if (is_dev((const char *)(uintptr_t)path))
        return open_device(f, (const char *)(uintptr_t)path, flags);
    if ((flags & ~allowed) || !blob_may(f, flags & O_TRUNC ? PAGE_SWITCH_FILE_WRITES : 0, 0) ||
        !blob_plain_path(dirfd, (const char *)(uintptr_t)path) ||
        blob_facts()->count >= FACTS_MAX - 2)
        return BLOB_DECLINE;
    fd = blob_pass(f);
    if (fd < 0)
        return blob_answer(f, fd);
    st.device = st.inode = st.mode = 0;
    blob_call(SYS_fstat, (uint64_t)fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0);
    if (fd < RECORDER_FDS_MAX && blob_is_plain(st.device, st.inode) &&
        (S_ISREG(st.mode) || S_ISDIR(st.mode)) && !((flags & O_TRUNC) && is_shared(&st)))
        blob_fd_set((uint64_t)fd, S_ISREG(st.mode) ? PAGE_FD_FILE : PAGE_FD_DIRECTORY, 0);
    else if ((flags & MAY_CREATE) == MAY_CREATE) /* cannot be done again */
        blob_fd_set((uint64_t)fd, 0, 0);
    else {
        blob_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
        return BLOB_DECLINE;
    }
    if (flags & (O_CREAT | O_TRUNC))
        note_opened(&st, (uint64_t)fd, flags);
    return blob_answer(f, fd);
}

int64_t blob_open(const struct blob_frame *f)
{
    return open_path(f, (uint64_t)AT_FDCWD, f->argument[0], f->argument[1]);
}

int64_t blob_openat(const struct blob_frame *f)
{
    return open_path(f, f->argument[0], f->argument[1], f->argument[2]);
}

int64_t blob_creat(const struct blob_frame *f)
{
    return open_path(f, (uint64_t)AT_FDCWD, f->argument[0], O_CREAT | O_WRONLY | O_TRUNC);
}

/* ---- attributes ---------------------------------------------------------------------------- */

static void show_stat(struct kernel_stat *st, const struct shown_file *file)
{
    st->device = file->device;
    st->inode = file->inode;
    st->accessed = file->accessed / FACTS_NS;
    st->accessed_ns = file->accessed % FACTS_NS;
    st->modified = file->modified / FACTS_NS;
    st->modified_ns = file->modified % FACTS_NS;
    st->changed = file->changed / FACTS_NS;
    st->changed_ns = file->changed % FACTS_NS;
}

static int64_t stat_recorded(const struct blob_frame *f, uint64_t buffer)
{
    struct kernel_stat *st = (struct kernel_stat *)(uintptr_t)buffer;
    int64_t result = blob_pass(f);
    struct shown_file file;

    if (result < 0)
        return blob_answer(f, result);
    file = (struct shown_file){.device = st->device,
                               .inode = st->inode,
                               .mode = st->mode,
                               .accessed = st->accessed * FACTS_NS + st->accessed_ns,
                               .modified = st->modified * FACTS_NS + st->modified_ns,
                               .changed = st->changed * FACTS_NS + st->changed_ns};
    if (!blob_show_file(&file))
        return BLOB_DECLINE;
    show_stat(st, &file);
    return blob_answer_with(f, 0, buffer, sizeof(*st));
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
    if (!may_be_shown(f->argument[0]) || !blob_may(f, 0, STAT_ROOM))
        return BLOB_DECLINE;
    return stat_recorded(f, f->argument[1]);
}

int64_t blob_newfstatat(const struct blob_frame *f)
{
    if (!blob_may(f, 0, STAT_ROOM) ||
        !blob_plain_place(f->argument[0], f->argument[1], f->argument[3]))
        return BLOB_DECLINE;
    return stat_recorded(f, f->argument[2]);
}

static int64_t from_statx(const struct statx_timestamp *t, uint64_t known)
{
    return known ? t->tv_sec * FACTS_NS + t->tv_nsec : 0;
}

static void to_statx(struct statx_timestamp *ret, int64_t ns)
{
    ret->tv_sec = ns / FACTS_NS;
    ret->tv_nsec = (uint32_t)(ns % FACTS_NS);
}

#define DEVICE(major, minor) \
    ((uint64_t)((minor)&0xff) | (uint64_t)((major)&0xfff) << 8 | (uint64_t)((minor) & ~0xffu) << 12)

/* As statx_finished() of record/stat_calls.c. */
static bool show_statx(struct statx *st)
{
    struct shown_file file = {.device = DEVICE(st->stx_dev_major, st->stx_dev_minor),
                              .inode = st->stx_ino,
                              .mode = st->stx_mode,
                              .accessed = from_statx(&st->stx_atime, st->stx_mask & STATX_ATIME),
                              .modified = from_statx(&st->stx_mtime, st->stx_mask & STATX_MTIME),
                              .changed = from_statx(&st->stx_ctime, st->stx_mask & STATX_CTIME),
                              .born = from_statx(&st->stx_btime, st->stx_mask & STATX_BTIME)};
    uint32_t mount = 0;

    if (st->stx_mask & 0x1000 /* STATX_MNT_ID */) {
        mount = facts_number(blob_facts(), FACTS_MOUNTS, st->stx_mnt_id);
        if (!mount)
            return false;
    }
    if (!blob_show_file(&file))
        return false;
    if (mount)
        st->stx_mnt_id = facts_show_mount(blob_facts(), &blob_facts()->fact[mount]);
    st->stx_dev_major = (uint32_t)(file.device >> 8 & 0xfff);
    st->stx_dev_minor = (uint32_t)((file.device & 0xff) | (file.device >> 12 & ~0xffull));
    if (st->stx_mask & STATX_INO)
        st->stx_ino = file.inode;
    to_statx(&st->stx_atime, file.accessed);
    to_statx(&st->stx_mtime, file.modified);
    to_statx(&st->stx_ctime, file.changed);
    to_statx(&st->stx_btime, file.born);
    return true;
}

int64_t blob_statx(const struct blob_frame *f)
{
    struct statx *st = (struct statx *)(uintptr_t)f->argument[4];
    int64_t result;

    if (!blob_may(f, 0, RING_SEGMENT + sizeof(*st)) ||
        !blob_plain_place(f->argument[0], f->argument[1], f->argument[2]))
        return BLOB_DECLINE;
    result = blob_pass(f);
    if (result == 0 && !show_statx(st))
        return BLOB_DECLINE;
    return blob_answer_with(f, result, f->argument[4], sizeof(*st));
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

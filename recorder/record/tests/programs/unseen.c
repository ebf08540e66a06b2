/* A program that looks at itself from every side the recorder stands on. It prints the same
 * natively and under the recorder, and ends with 0 when all it saw fits together. */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "ci/e2e/programs/check.h"

/* ---- maps ---------------------------------------------------------------------------------- */

struct line {
    unsigned long start, end, offset, inode;
    unsigned device_major, device_minor;
    char access[8], path[400];
};

static char text[1 << 18];

static const char *read_file(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY);
    size_t length = 0;
    ssize_t n;
    CHECK(fd >= 0);
    while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    CHECK(n == 0 && close(fd) == 0);
    text[length] = '\0';
    return text;
}

static size_t parse(const char *from, struct line *ret, size_t max)
{
    size_t count = 0;
    while (*from && count < max) {
        struct line *l = &ret[count++];
        l->path[0] = '\0';
        CHECK(sscanf(from, "%lx-%lx %7s %lx %x:%x %lu%*[ ]%399[^\n]", &l->start, &l->end, l->access,
                     &l->offset, &l->device_major, &l->device_minor, &l->inode, l->path) >= 7);
        CHECK(count == 1 || l[-1].end <= l->start);
        from = strchr(from, '\n') + 1;
    }
    return count;
}

static struct line lines[1000];

static const struct line *find(const char *path, const void *address)
{
    size_t count = parse(read_file(AT_FDCWD, path), lines, COUNT_OF(lines));
    for (size_t i = 0; i < count; i++)
        if ((unsigned long)address >= lines[i].start && (unsigned long)address < lines[i].end)
            return &lines[i];
    return NULL;
}

static void is_file(const struct line *l, const char *path, const char *access)
{
    struct stat status;
    CHECK(l != NULL && stat(path, &status) == 0);
    CHECK(strcmp(l->path, path) == 0 && strcmp(l->access, access) == 0);
    CHECK(l->inode == status.st_ino && makedev(l->device_major, l->device_minor) == status.st_dev);
}

static void mappings(void)
{
    char own[400] = "";
    int on_stack;
    char *block = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(block != MAP_FAILED && mprotect(block + 4096, 4096, PROT_READ) == 0);
    CHECK(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    const struct line *l = find("/proc/self/maps", block + 4096);
    CHECK(l && l->start == (unsigned long)block + 4096 && l->end == l->start + 4096);
    CHECK(strcmp(l->access, "r--p") == 0 && l->path[0] == '\0' && l->inode == 0);
    CHECK(munmap(block, 3 * 4096) == 0 && find("/proc/self/maps", block) == NULL);
    is_file(find("/proc/self/maps", (void *)(uintptr_t)&mappings), own, "r-xp");
    l = find("/proc/self/maps", (void *)(uintptr_t)&memcmp);
    CHECK(l && strcmp(l->access, "r-xp") == 0 && strstr(l->path, "libc") != NULL);
    l = find("/proc/self/maps", &on_stack);
    CHECK(l && strcmp(l->path, "[stack]") == 0 && strcmp(l->access, "rw-p") == 0);
    CHECK(sbrk(65536) != (void *)-1);
    l = find("/proc/self/maps", (char *)sbrk(0) - 1);
    CHECK(l && strcmp(l->path, "[heap]") == 0);
    int fd = open(own, O_RDONLY);
    char *file = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
    CHECK(file != MAP_FAILED);
    l = find("/proc/self/maps", file);
    is_file(l, own, "r--s");
    CHECK(l->offset == 4096 && close(fd) == 0);
    /* text: file offset and address belong together, wherever a line begins */
    l = find("/proc/self/maps", (void *)(uintptr_t)&find);
    char code[16];
    fd = open(own, O_RDONLY);
    CHECK(pread(fd, code, 1, (off_t)((unsigned long)(uintptr_t)&find - l->start + l->offset)) == 1);
    close(fd);
    for (size_t i = 0; i < parse(read_file(AT_FDCWD, "/proc/self/maps"), lines, 1000); i++)
        CHECK(strstr(lines[i].path, "rrtest:") == NULL && strstr(lines[i].path, "memfd") == NULL);
    unsigned long size = 0, resident = 0, pages;
    read_file(AT_FDCWD, "/proc/self/smaps");
    for (const char *at = text; (at = strstr(at, "\nSize:")) != NULL; at++)
        size += strtoul(at + 6, NULL, 10);
    for (const char *at = text; (at = strstr(at, "\nRss:")) != NULL; at++)
        resident += strtoul(at + 5, NULL, 10);
    CHECK(sscanf(read_file(AT_FDCWD, "/proc/self/statm"), "%lu", &pages) == 1);
    CHECK(resident > 0 && resident <= size && size / 4 >= pages && size / 4 <= pages + 64);
    CHECK(strstr(read_file(AT_FDCWD, "/proc/self/smaps_rollup"), "[rollup]") != NULL);
}

static void spellings(void)
{
    char path[300], link[300];
    static char first[1 << 18];
    const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    strcpy(first, read_file(AT_FDCWD, "/proc/self/maps"));
    snprintf(path, sizeof path, "/proc/%d/maps", getpid());
    CHECK(strcmp(first, read_file(AT_FDCWD, path)) == 0);
    snprintf(path, sizeof path, "/proc/self/task/%d/maps", getpid());
    CHECK(strcmp(first, read_file(AT_FDCWD, path)) == 0);
    CHECK(strcmp(first, read_file(AT_FDCWD, "/proc/thread-self/maps")) == 0);
    CHECK(strcmp(first, read_file(AT_FDCWD, "/dev/fd/../maps")) == 0);
    CHECK(strcmp(first, read_file(AT_FDCWD, "//proc/./self/../self/maps")) == 0);
    int at = open("/proc/self", O_RDONLY | O_DIRECTORY);
    CHECK(at >= 0 && strcmp(first, read_file(at, "maps")) == 0 && close(at) == 0);
    CHECK(chdir("/proc/self/task") == 0);
    snprintf(path, sizeof path, "%d/maps", getpid());
    CHECK(strcmp(first, read_file(AT_FDCWD, path)) == 0 && chdir("/") == 0);
    snprintf(link, sizeof link, "%s/unseen-%d", base, getpid());
    CHECK(symlink("/proc/self/maps", link) == 0);
    CHECK(strcmp(first, read_file(AT_FDCWD, link)) == 0 && unlink(link) == 0);
}

static void other_process(void)
{
    int ready[2], done[2];
    char byte, path[64];
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    char *room = mmap(NULL, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(munmap(room + 4 * 4096, 4096) == 0 && write(ready[1], "x", 1) == 1);
        CHECK(read(done[0], &byte, 1) == 1);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    CHECK(find(path, room) != NULL && find(path, room + 4 * 4096) == NULL);
    CHECK(find("/proc/self/maps", room + 4 * 4096) != NULL);
    snprintf(path, sizeof path, "/proc/%d/status", child);
    snprintf(lines[0].path, sizeof lines[0].path, "\nPPid:\t%d\n", getpid());
    CHECK(strstr(read_file(AT_FDCWD, path), lines[0].path) != NULL);
    CHECK(write(done[1], "x", 1) == 1);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(strstr(read_file(AT_FDCWD, path), "\nState:\tZ (zombie)\n") != NULL);
    CHECK(waitpid(child, NULL, 0) == child && open(path, O_RDONLY) == -1 && errno == ENOENT);
}

/* ---- status -------------------------------------------------------------------------------- */

static unsigned long field(const char *status, const char *key, int base)
{
    const char *at = strstr(status, key);
    CHECK(at != NULL);
    return strtoul(at + strlen(key), NULL, base);
}

static void on_signal(int signal)
{
    (void)signal;
}

static void *wait_for_end(void *fd)
{
    char byte;
    CHECK(read(*(int *)fd, &byte, 1) == 1);
    return NULL;
}

static void status_fields(void)
{
    sigset_t set;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    const char *status = read_file(AT_FDCWD, "/proc/self/status");
    CHECK(field(status, "\nTracerPid:", 10) == 0 && field(status, "\nSeccomp:", 10) == 0);
    CHECK(field(status, "\nPPid:", 10) == (unsigned long)getppid());
    CHECK(field(status, "\nPid:", 10) == (unsigned long)getpid());
    CHECK(field(status, "\nSigBlk:", 16) == (1ul << (SIGUSR1 - 1) | 1ul << (SIGTERM - 1)));
    CHECK(field(status, "\nSigPnd:", 16) == 1ul << (SIGUSR1 - 1));
    CHECK(field(status, "\nShdPnd:", 16) == 1ul << (SIGTERM - 1));
    CHECK(field(status, "\nSigCgt:", 16) & 1ul << (SIGUSR1 - 1));
    CHECK(field(status, "\nSigIgn:", 16) & 1ul << (SIGUSR2 - 1));
    CHECK(field(status, "\nVmSize:", 10) >= field(status, "\nVmRSS:", 10));
    CHECK(field(status, "\nThreads:", 10) == 1 &&
          strstr(status, "\nState:\tR (running)\n") != NULL);
    int pid = 0, parent = 0;
    char name[32], state;
    read_file(AT_FDCWD, "/proc/self/stat");
    CHECK(sscanf(text, "%d (%31[^)]) %c %d", &pid, name, &state, &parent) == 4);
    CHECK(pid == getpid() && strcmp(name, "unseen") == 0 && state == 'R' && parent == getppid());
    int fields = 1;
    for (const char *at = strrchr(text, ')'); (at = strchr(at + 1, ' ')) != NULL;)
        fields++;
    printf("stat has %d fields\n", fields + 1);
    signal(SIGTERM, SIG_IGN);
    /* the same open file, read again */
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    CHECK(length > 0 && read(fd, text, 1) == 0);
    sigemptyset(&set);
    CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    length = read(fd, text, sizeof text - 1);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK(field(text, "\nSigBlk:", 16) == 0);
    int gate[2];
    pthread_t thread = 0;
    CHECK(pipe(gate) == 0 && pthread_create(&thread, NULL, wait_for_end, &gate[0]) == 0);
    length = pread(fd, text, sizeof text - 1, 0);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK(field(text, "\nThreads:", 10) == 2 && write(gate[1], "x", 1) == 1);
    pthread_join(thread, NULL);
    CHECK(close(fd) == 0);
}

static void machine(void)
{
    struct timespec now;
    struct sysinfo info;
    double up;
    CHECK(sscanf(read_file(AT_FDCWD, "/proc/uptime"), "%lf", &up) == 1);
    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0 && sysinfo(&info) == 0);
    CHECK((double)now.tv_sec - up > -2 && (double)now.tv_sec - up < 2);
    CHECK(info.uptime >= now.tv_sec - 2 && info.uptime <= now.tv_sec + 2);
    CHECK(field(read_file(AT_FDCWD, "/proc/meminfo"), "MemTotal:", 10) ==
          info.totalram * info.mem_unit / 1024);
    time_t boot = (time_t)field(read_file(AT_FDCWD, "/proc/stat"), "\nbtime", 10);
    CHECK(boot >= time(NULL) - now.tv_sec - 2 && boot <= time(NULL) - now.tv_sec + 2);
    CHECK(strstr(read_file(AT_FDCWD, "/proc/cpuinfo"), "processor") != NULL);
    char one[64], two[64];
    strcpy(one, read_file(AT_FDCWD, "/proc/sys/kernel/random/uuid"));
    strcpy(two, read_file(AT_FDCWD, "/proc/sys/kernel/random/uuid"));
    CHECK(strlen(one) == 37 && one[14] == '4' && strcmp(one, two) != 0);
    int fd = open("/proc/self/auxv", O_RDONLY);
    unsigned long pair[2];
    while (read(fd, pair, sizeof pair) == sizeof pair)
        if (pair[0] != AT_IGNORE && pair[0] != AT_NULL && pair[0] != AT_HWCAP) /* libc's own */
            CHECK(getauxval(pair[0]) == pair[1]);
    close(fd);
}

/* ---- descriptors --------------------------------------------------------------------------- */

static void descriptors(void)
{
    char path[64], target[400] = "";
    struct stat status;
    CHECK(close_range(3, ~0u, 0) == 0);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fd == 3 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY && write(fd, "x", 1) == -1 &&
          errno == EBADF);
    CHECK(open("/proc/self/status", O_RDONLY) == 4 && fcntl(4, F_GETFD) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    CHECK(length > 0);
    snprintf(path, sizeof path, "/proc/%d/maps", getpid());
    CHECK(strcmp(target, path) == 0);
    /* it is a file of procfs by every measure */
    struct stat by_path;
    struct statfs system;
    CHECK(fstat(fd, &status) == 0 && stat("/proc/self/maps", &by_path) == 0);
    CHECK(status.st_ino == by_path.st_ino && status.st_dev == by_path.st_dev);
    CHECK(status.st_size == 0 && status.st_mode == (S_IFREG | 0444) && status.st_nlink == 1);
    CHECK(fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC);
    static const int hidden[] = {998, 999};
    for (size_t i = 0; i < COUNT_OF(hidden); i++) {
        CHECK(fcntl(hidden[i], F_GETFD) == -1 && errno == EBADF);
        CHECK(fstat(hidden[i], &status) == -1 && errno == EBADF);
        CHECK(dup(hidden[i]) == -1 && errno == EBADF && close(hidden[i]) == -1 && errno == EBADF);
        snprintf(path, sizeof path, "/proc/self/fd/%d", hidden[i]);
        CHECK(readlink(path, target, sizeof target) == -1 && errno == ENOENT);
        CHECK(open(path, O_RDONLY) == -1 && errno == ENOENT);
        CHECK(open(path, O_RDWR) == -1 && errno == ENOENT);
        CHECK(open(path, O_WRONLY) == -1 && errno == ENOENT && lstat(path, &status) == -1);
        CHECK(open(path, O_PATH) == -1 && errno == ENOENT && stat(path, &status) == -1);
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", hidden[i]);
        CHECK(open(path, O_RDONLY) == -1 && errno == ENOENT && stat(path, &status) == -1);
    }
    for (int pass = 0; pass < 2; pass++) {
        DIR *own = opendir(pass ? "/proc/self/fdinfo" : "/proc/self/fd");
        const struct dirent *entry;
        int count = 0;
        while ((entry = readdir(own)) != NULL)
            count += entry->d_name[0] != '.';
        printf("%d descriptors\n", count);
        closedir(own);
    }
}

/* ---- directories ---------------------------------------------------------------------------- */

static void make(const char *name)
{
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
}

static int count_entries(DIR *stream)
{
    int count = 0;
    while (readdir(stream) != NULL)
        count++;
    return count;
}

static void directories(void)
{
    char directory[300], third[256], buffer[4096];
    const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(directory, sizeof directory, "%s/unseen-XXXXXX", base);
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    for (int i = 0; i < 500; i++) {
        snprintf(buffer, sizeof buffer, "%d-a-name-long-enough-for-several-reads", i * 7919 % 500);
        make(buffer);
    }
    DIR *stream = opendir(".");
    CHECK(readdir(stream) != NULL && readdir(stream) != NULL);
    long place = telldir(stream);
    strcpy(third, readdir(stream)->d_name);
    CHECK(count_entries(stream) == 499);
    seekdir(stream, place);
    CHECK(strcmp(readdir(stream)->d_name, third) == 0 && count_entries(stream) == 499);
    make("later");
    rewinddir(stream);
    CHECK(count_entries(stream) == 503 && closedir(stream) == 0);
    /* one position for all who share the open file */
    int fd = open(".", O_RDONLY | O_DIRECTORY), twin = dup(fd);
    long first = syscall(SYS_getdents64, fd, buffer, sizeof buffer), rest = 0, n;
    CHECK(first > 0 && first <= (long)sizeof buffer);
    pid_t child = fork();
    if (child == 0)
        _exit(syscall(SYS_getdents64, twin, buffer, sizeof buffer) > 0 ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    while ((n = syscall(SYS_getdents64, twin, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < n; at += ((struct dirent64 *)(buffer + at))->d_reclen)
            rest++;
    CHECK(n == 0 && rest > 0 && rest < 500);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(syscall(SYS_getdents64, twin, buffer, 10) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_getdents64, twin, 8l, sizeof buffer) == -1 && errno == EFAULT);
    int old = 0;
    while ((n = syscall(SYS_getdents, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < n; at += *(unsigned short *)(void *)(buffer + at + 16))
            old++;
    CHECK(old == 503 && close(fd) == 0 && close(twin) == 0);
    stream = opendir(".");
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        CHECK(entry->d_name[0] == '.' ? entry->d_type == DT_DIR
                                      : entry->d_type == DT_REG && unlink(entry->d_name) == 0);
    CHECK(closedir(stream) == 0 && chdir("/") == 0 && rmdir(directory) == 0);
    CHECK(open(directory, O_RDONLY) == -1 && errno == ENOENT);
    fd = open("/dev/null", O_RDONLY);
    CHECK(syscall(SYS_getdents64, fd, buffer, sizeof buffer) == -1 && errno == ENOTDIR);
    CHECK(syscall(SYS_getdents64, 77, buffer, sizeof buffer) == -1 && errno == EBADF);
    fd = open("/", O_PATH);
    CHECK(syscall(SYS_getdents64, fd, buffer, sizeof buffer) == -1 && errno == EBADF);
}

static void random_devices(void)
{
    static const char *const names[] = {"/dev/urandom", "/dev/random"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        unsigned char a[64] = {0}, b[64] = {0};
        int fd = open(names[i], O_RDONLY);
        struct pollfd ready = {fd, POLLIN, 0};
        struct iovec parts[2] = {{a, 10}, {b, 20}};
        CHECK(fd >= 0 && poll(&ready, 1, 1000) == 1 && (ready.revents & POLLIN));
        CHECK(read(fd, a, 64) == 64 && read(fd, b, 64) == 64 && memcmp(a, b, 64) != 0);
        CHECK(readv(fd, parts, 2) == 30 && pread(fd, a, 5, 100) == 5 && read(fd, a, 0) == 0);
        CHECK(syscall(SYS_read, fd, 8l, 16l) == -1 && errno == EFAULT);
        CHECK(close(fd) == 0);
        fd = open(names[i], O_WRONLY);
        CHECK(fd >= 0 && read(fd, a, 1) == -1 && errno == EBADF && write(fd, a, 4) == 4);
        CHECK(close(fd) == 0);
    }
}

/* ---- numbers and times of files ------------------------------------------------------------- */

static void is_recent(const struct timespec *t)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(t->tv_sec >= now.tv_sec - 1 && t->tv_sec <= now.tv_sec + 1);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void put(const char *name, const char *bytes)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    CHECK(fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes) && close(fd) == 0);
}

static void file_times(void)
{
    char directory[300];
    const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    struct stat a, b, d, old;
    struct statx x;
    struct timespec pause = {1, 100000000};
    snprintf(directory, sizeof directory, "%s/unseen-XXXXXX", base);
    CHECK(stat("/usr/bin", &old) == 0);
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    put("a", "1");
    CHECK(stat("a", &a) == 0 && stat(".", &d) == 0);
    is_recent(&a.st_mtim);
    is_recent(&d.st_mtim);
    nanosleep(&pause, NULL);
    put("b", "2");
    CHECK(stat("b", &b) == 0 && is_before(&a.st_mtim, &b.st_mtim));
    is_recent(&b.st_mtim);
    a = d;
    CHECK(stat(".", &d) == 0 && is_before(&a.st_mtim, &d.st_mtim));
    nanosleep(&pause, NULL);
    put("a", "3");
    CHECK(stat("a", &a) == 0 && is_before(&b.st_mtim, &a.st_mtim) && a.st_size == 2);
    is_recent(&a.st_mtim);
    CHECK(stat("b", &old) == 0 && memcmp(&old.st_mtim, &b.st_mtim, sizeof b.st_mtim) == 0);
    CHECK(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS | STATX_BTIME, &x) == 0);
    CHECK(x.stx_ino == a.st_ino && makedev(x.stx_dev_major, x.stx_dev_minor) == a.st_dev);
    CHECK(x.stx_mtime.tv_sec == a.st_mtim.tv_sec && x.stx_mtime.tv_nsec == a.st_mtim.tv_nsec);
    if (x.stx_mask & STATX_BTIME)
        CHECK(x.stx_btime.tv_sec < a.st_mtim.tv_sec);
    struct timespec times[2] = {{1000, 5}, {1000000, 500}};
    CHECK(utimensat(AT_FDCWD, "a", times, 0) == 0 && stat("a", &a) == 0);
    CHECK(a.st_mtim.tv_sec == 1000000 && a.st_mtim.tv_nsec == 500 && a.st_atim.tv_sec == 1000);
    is_recent(&a.st_ctim);
    CHECK(utimensat(AT_FDCWD, "a", NULL, 0) == 0 && stat("a", &a) == 0);
    is_recent(&a.st_mtim);
    /* numbers */
    CHECK(link("a", "c") == 0 && rename("a", "e") == 0 && stat("c", &a) == 0);
    CHECK(stat("e", &old) == 0 && old.st_ino == a.st_ino && old.st_dev == d.st_dev &&
          old.st_nlink == 2);
    CHECK(stat("b", &b) == 0 && b.st_ino != a.st_ino && x.stx_ino == a.st_ino);
    DIR *stream = opendir(".");
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (entry->d_name[0] != '.')
            CHECK(entry->d_ino == (entry->d_name[0] == 'b' ? b.st_ino : a.st_ino));
    closedir(stream);
    int fd = open("e", O_RDONLY);
    CHECK(fstat(fd, &old) == 0 && old.st_ino == a.st_ino && close(fd) == 0);
    CHECK(unlink("b") == 0 && unlink("c") == 0 && unlink("e") == 0);
    CHECK(chdir("/") == 0 && rmdir(directory) == 0);
    int ends[2];
    char path[64], target[64] = "", expected[64];
    CHECK(pipe(ends) == 0 && fstat(ends[0], &a) == 0 && fstat(ends[1], &b) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && S_ISFIFO(a.st_mode));
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    CHECK(readlink(path, target, sizeof target - 1) > 0);
    snprintf(expected, sizeof expected, "pipe:[%lu]", (unsigned long)a.st_ino);
    CHECK(strcmp(target, expected) == 0);
}

static const struct test_case cases[] = {
    {"mappings", mappings},
    {"spellings", spellings},
    {"other_process", other_process},
    {"status_fields", status_fields},
    {"machine", machine},
    {"descriptors", descriptors},
    {"directories", directories},
    {"random_devices", random_devices},
    {"file_times", file_times},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

/* Mappings of every kind, changed, moved, shared between processes, and seen through files. */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

enum { PAGE = 4096 };

static char *map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    char *result = mmap(at, length, protection, flags, fd, offset);
    CHECK(result != MAP_FAILED);
    return result;
}

static char *map_private(size_t pages)
{
    return map(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int temporary_file(off_t size)
{
    FILE *file = tmpfile();
    CHECK(file != NULL && ftruncate(fileno(file), size) == 0);
    return fileno(file);
}

static void finish(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void private_mappings(void)
{
    char *area = map_private(16);
    for (int i = 0; i < 16; i++)
        area[i * PAGE] = (char)i;
    CHECK(munmap(area + 4 * PAGE, 2 * PAGE) == 0);
    CHECK(msync(area + 4 * PAGE, PAGE, MS_ASYNC) == -1 && errno == ENOMEM);
    CHECK(mprotect(area + 8 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(area[8 * PAGE] == 8 && area[15 * PAGE] == 15);
    /* a fixed mapping over old ones, then one that must not replace */
    map(area + 3 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        -1, 0);
    CHECK(area[3 * PAGE] == 0 && area[6 * PAGE] == 0 && area[7 * PAGE] == 7);
    CHECK(mmap(area, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
              MAP_FAILED &&
          errno == EEXIST);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
          errno == EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 9999, 0) == MAP_FAILED && errno == EBADF);
    pid_t child = fork();
    if (child == 0) {
        area[0] = 99;
        _exit(area[7 * PAGE] == 7 ? 0 : 1);
    }
    finish(child);
    CHECK(area[0] == 0);
}

static void moved(void)
{
    char *area = map_private(4);
    strcpy(area + 3 * PAGE, "kept");
    char *larger = mremap(area, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(larger != MAP_FAILED && strcmp(larger + 3 * PAGE, "kept") == 0 && larger[63 * PAGE] == 0);
    char *smaller = mremap(larger, 64 * PAGE, 4 * PAGE, 0);
    CHECK(smaller == larger);
    char *target = map_private(8);
    CHECK(mremap(smaller, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 2 * PAGE) ==
          target + 2 * PAGE);
    CHECK(strcmp(target + 5 * PAGE, "kept") == 0 && target[0] == 0);
    char *kept =
        mremap(target + 2 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    CHECK(kept != MAP_FAILED && strcmp(kept + 3 * PAGE, "kept") == 0 && target[5 * PAGE] == 0);
    /* duplicate a shared mapping: old size zero */
    char *shared = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *twin = mremap(shared, 0, PAGE, MREMAP_MAYMOVE);
    CHECK(twin != MAP_FAILED);
    shared[7] = 'x';
    CHECK(twin[7] == 'x');
}

static long futex(int *word, int operation, int value)
{
    return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void shared_anonymous(void)
{
    int *words = (int *)map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        for (int turn = 0; turn < 20; turn++) {
            while (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) != 2 * turn + 1)
                futex(&words[0], FUTEX_WAIT, 2 * turn);
            words[1] += turn;
            __atomic_store_n(&words[0], 2 * turn + 2, __ATOMIC_SEQ_CST);
            futex(&words[0], FUTEX_WAKE, 1);
        }
        _exit(0);
    }
    for (int turn = 0; turn < 20; turn++) {
        words[1] += 100;
        __atomic_store_n(&words[0], 2 * turn + 1, __ATOMIC_SEQ_CST);
        futex(&words[0], FUTEX_WAKE, 1);
        while (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) != 2 * turn + 2)
            futex(&words[0], FUTEX_WAIT, 2 * turn + 1);
    }
    finish(child);
    CHECK(words[1] == 2000 + 190);
}

/* One file, mapped shared twice, written by write and pwritev and through both mappings, by two
 * processes. */
static void shared_file(void)
{
    int fd = temporary_file(3 * PAGE);
    char *first = map(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *second = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
    char *own = map(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(pwrite(fd, "written", 7, PAGE + 10) == 7);
    CHECK(memcmp(first + PAGE + 10, "written", 7) == 0 && memcmp(second + 10, "written", 7) == 0);
    CHECK(memcmp(own + PAGE + 10, "written", 7) == 0);
    own[PAGE] = 'p'; /* a copy from here on */
    CHECK(pwrite(fd, "again..", 7, PAGE + 10) == 7);
    CHECK(memcmp(own + PAGE + 10, "written", 7) == 0 && memcmp(second + 10, "again..", 7) == 0);
    struct iovec parts[2] = {{"ab", 2}, {"cd", 2}};
    CHECK(pwritev(fd, parts, 2, 2 * PAGE - 2) == 4 && memcmp(first + 2 * PAGE - 2, "abcd", 4) == 0);
    CHECK(lseek(fd, 5, SEEK_SET) == 5 && write(fd, "here", 4) == 4 &&
          memcmp(first + 5, "here", 4) == 0);
    pid_t child = fork();
    if (child == 0) {
        strcpy(second + 100, "from the child");
        CHECK(pwrite(fd, "written by the child", 20, 200) == 20);
        own[0] = 'c';
        _exit(0);
    }
    finish(child);
    CHECK(strcmp(first + PAGE + 100, "from the child") == 0);
    CHECK(memcmp(first + 200, "written by the child", 20) == 0 && own[0] == 0);
    char bytes[16];
    strcpy(first + 50, "mapped");
    CHECK(pread(fd, bytes, 7, 50) == 7 && strcmp(bytes, "mapped") == 0);
    /* the file shrinks and grows under its mapping */
    CHECK(ftruncate(fd, PAGE) == 0 && ftruncate(fd, 3 * PAGE) == 0);
    CHECK(first[PAGE + 100] == 0 && strcmp(first + 50, "mapped") == 0);
    CHECK(msync(first, 3 * PAGE, MS_SYNC) == 0 && munmap(second, PAGE) == 0);
    /* read(2) into a mapping of the same file */
    CHECK(pread(fd, first + 300, 4, 5) == 4 && memcmp(first + 300, "here", 4) == 0);
}

static void heap(void)
{
    char *old = sbrk(0);
    CHECK(sbrk(64 * PAGE) == old);
    memset(old, 7, 64 * PAGE);
    CHECK(sbrk(-32 * PAGE) == old + 64 * PAGE && sbrk(0) == old + 32 * PAGE);
    CHECK(sbrk(PAGE) == old + 32 * PAGE && old[32 * PAGE] == 0 && old[32 * PAGE - 1] == 7);
    CHECK(brk(old) == 0);
    void *blocks[200];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(i * i * 20 + 1);
        memset(blocks[i], (int)i, i * i * 20 + 1);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        CHECK(((unsigned char *)blocks[i])[i * i * 20] == (unsigned char)i);
    for (size_t i = 0; i < COUNT_OF(blocks); i += 2)
        free(blocks[i]);
    for (size_t i = 0; i < COUNT_OF(blocks); i += 2)
        blocks[i] = calloc(1, i * 100 + 1);
    for (size_t i = 0; i < COUNT_OF(blocks); i += 2)
        CHECK(((char *)blocks[i])[i * 100] == 0);
}

static void advice(void)
{
    char *area = map_private(8);
    memset(area, 1, 8 * PAGE);
    CHECK(madvise(area + 2 * PAGE, 2 * PAGE, MADV_DONTNEED) == 0);
    CHECK(area[2 * PAGE] == 0 && area[4 * PAGE] == 1);
    CHECK(madvise(area, 8 * PAGE, MADV_WILLNEED) == 0 && madvise(area, 8 * PAGE, MADV_RANDOM) == 0);
    CHECK(madvise(area, 8 * PAGE, 9999) == -1 && errno == EINVAL);
    unsigned char present[8];
    CHECK(mincore(area, 8 * PAGE, present) == 0 && (present[5] & 1));
    CHECK(madvise(area, 8 * PAGE, MADV_DONTFORK) == 0);
    CHECK(madvise(area, 8 * PAGE, MADV_DOFORK) == 0 && madvise(area, PAGE, MADV_WIPEONFORK) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(area[0] == 0 && area[PAGE] == 1 ? 0 : 1);
    finish(child);
    CHECK(area[0] == 1);
    /* a private file mapping falls back to the file */
    int fd = temporary_file(PAGE);
    CHECK(pwrite(fd, "file", 4, 0) == 4);
    char *own = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    strcpy(own, "mine");
    CHECK(madvise(own, PAGE, MADV_DONTNEED) == 0 && memcmp(own, "file", 4) == 0);
    /* a hole in a shared mapping */
    char *shared = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(madvise(shared, PAGE, MADV_REMOVE) == 0 && shared[0] == 0);
    CHECK(mlock(area, PAGE) == 0 && munlock(area, PAGE) == 0);
}

static long grow(int depth)
{
    volatile char frame[2000];
    frame[0] = (char)depth;
    frame[1999] = 1;
    return depth == 0 ? 0 : grow(depth - 1) + frame[1999];
}

static void *grow_in_thread(void *unused)
{
    (void)unused;
    return (void *)grow(2000);
}

static void stacks(void)
{
    CHECK(grow(3000) == 3000);
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, grow_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (long)result == 2000);
    char *area = map(NULL, 32 * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    area[0] = 1;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
}

static void memory_files(void)
{
    int fd = memfd_create("scratch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
    char *area = map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(area, "memfd");
    char bytes[8];
    CHECK(pread(fd, bytes, 6, 0) == 6 && strcmp(bytes, "memfd") == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && ftruncate(fd, PAGE) == -1 &&
          errno == EPERM);
    CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_SHRINK);
    pid_t child = fork();
    if (child == 0) {
        strcpy(area + PAGE, "second page");
        _exit(0);
    }
    finish(child);
    CHECK(strcmp(area + PAGE, "second page") == 0);

    char name[32];
    snprintf(name, sizeof name, "/memory-%d", getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
    int *words = (int *)map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    child = fork();
    if (child == 0) {
        int again = shm_open(name, O_RDWR, 0);
        int *own = (int *)map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
        while (__atomic_load_n(&own[0], __ATOMIC_SEQ_CST) == 0)
            futex(&own[0], FUTEX_WAIT, 0); /* another address, the same word */
        own[1] = 5;
        _exit(0);
    }
    let_others_block();
    __atomic_store_n(&words[0], 1, __ATOMIC_SEQ_CST);
    futex(&words[0], FUTEX_WAKE, 1);
    finish(child);
    CHECK(words[1] == 5 && shm_unlink(name) == 0);
}

static void sysv_segments(void)
{
    int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600 | IPC_CREAT);
    CHECK(id >= 0);
    int *first = shmat(id, NULL, 0);
    int *second = shmat(id, NULL, SHM_RDONLY);
    CHECK(first != (void *)-1 && second != (void *)-1 && first != second);
    first[3] = 9;
    CHECK(second[3] == 9);
    pid_t child = fork();
    if (child == 0) {
        while (__atomic_load_n(&first[0], __ATOMIC_SEQ_CST) == 0)
            futex(&first[0], FUTEX_WAIT, 0);
        first[1] = 6;
        _exit(shmdt(first));
    }
    let_others_block();
    __atomic_store_n(&first[0], 1, __ATOMIC_SEQ_CST);
    futex(&first[0], FUTEX_WAKE, 1);
    finish(child);
    CHECK(second[1] == 6);
    struct shmid_ds status;
    CHECK(shmctl(id, IPC_STAT, &status) == 0 && status.shm_nattch == 2 &&
          status.shm_segsz == 2 * PAGE);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && shmdt(second) == 0 && shmdt(first) == 0);
    CHECK(shmdt(first) == -1 && errno == EINVAL);
}

static void other_process(void)
{
    char *area = map_private(1);
    strcpy(area, "before");
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(strcmp(area, "after") == 0 ? 0 : 1);
    }
    char bytes[8];
    struct iovec own = {bytes, 7}, remote = {area, 7};
    CHECK(process_vm_readv(child, &own, 1, &remote, 1, 0) == 7 && strcmp(bytes, "before") == 0);
    strcpy(bytes, "after");
    for (int i = 0; i < 20;
         i++) /* calls that do not stop, before one that changes another's memory */
        CHECK(getppid() > 0);
    CHECK(process_vm_writev(child, &own, 1, &remote, 1, 0) == 7);
    CHECK(write(ends[1], "x", 1) == 1);
    finish(child);
}

/* Code made at run time: no file is behind it. */
static void generated_code(void)
{
    static const unsigned char add[] = {0x8d, 0x04, 0x37, 0xc3}; /* lea (rdi,rsi),eax; ret */
    static const unsigned char loop[] = {0x31, 0xc0, 0x01, 0xf8, 0xff, 0xcf, /* sum of 1..edi */
                                         0x75, 0xfa, 0xc3};
    char *area = map_private(1);
    memcpy(area, add, sizeof add);
    CHECK(mprotect(area, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(((int (*)(int, int))(void *)area)(20, 22) == 42);
    CHECK(mprotect(area, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    memcpy(area, loop, sizeof loop);
    CHECK(((int (*)(int))(void *)area)(1000) == 500500);
    char *again =
        map(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(again, loop, sizeof loop);
    CHECK(((int (*)(int))(void *)again)(10) == 55);
}

/* An executable mapping of a file, private, then written: no longer what the file says. */
static void executable_file(void)
{
    int fd = temporary_file(PAGE);
    static const unsigned char answer[] = {0xb8, 0x2a, 0x00,
                                           0x00, 0x00, 0xc3}; /* mov 42,eax; ret */
    CHECK(pwrite(fd, answer, sizeof answer, 0) == sizeof answer);
    char *code = map(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0);
    CHECK(((int (*)(void))(void *)code)() == 42);
    code[1] = 43;
    CHECK(((int (*)(void))(void *)code)() == 43);
    char *shared = map(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(((int (*)(void))(void *)shared)() == 42);
}

static const struct test_case cases[] = {
    {"private", private_mappings},
    {"moved", moved},
    {"shared_anonymous", shared_anonymous},
    {"shared_file", shared_file},
    {"heap", heap},
    {"advice", advice},
    {"stacks", stacks},
    {"memory_files", memory_files},
    {"sysv_segments", sysv_segments},
    {"other_process", other_process},
    {"generated_code", generated_code},
    {"executable_file", executable_file},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

/* Waiting for locks and messages: files that lock, fifos, System V and POSIX queues. */
#include <fcntl.h>
#include <mqueue.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>

#include "blocked.h"

/* --- files that lock --- */

static int lock_kind;

static int take_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK};
    return lock_kind == 0   ? flock(fd, LOCK_EX)
           : lock_kind == 1 ? fcntl(fd, F_SETLKW, &whole)
           : lock_kind == 2 ? fcntl(fd, F_OFD_SETLKW, &whole)
                            : lockf(fd, F_LOCK, 0);
}

static void locks(void)
{
    const char *path = own_path("lock");
    for (lock_kind = 0; lock_kind < 4; lock_kind++) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        CHECK(fd >= 0 && take_lock(fd) == 0 && pipe(ends) == 0);
        pid_t child = fork();
        if (child == 0) {
            int own = open(path, O_RDWR);
            if (lock_kind == 0)
                CHECK(flock(own, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
            CHECK(take_lock(own) == 0);
            char byte;
            CHECK(read(ends[0], &byte, 1) == 1 && byte == 'r');
            _exit(0);
        }
        let_others_block();
        CHECK(write(ends[1], "r", 1) == 1);
        struct flock none = {.l_type = F_UNLCK};
        if (lock_kind == 0)
            CHECK(flock(fd, LOCK_UN) == 0);
        else
            CHECK(fcntl(fd, lock_kind == 2 ? F_OFD_SETLK : F_SETLK, &none) == 0);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        close(fd);
    }
    unlink(path);
}

static void deadlocked_locks(void)
{
    const char *path = own_path("deadlock");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(ftruncate(fd, 2) == 0 && pipe(ends) == 0);
    struct flock first = {.l_type = F_WRLCK, .l_start = 0, .l_len = 1};
    struct flock second = {.l_type = F_WRLCK, .l_start = 1, .l_len = 1};
    CHECK(fcntl(fd, F_SETLK, &first) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(fcntl(fd, F_SETLK, &second) == 0);
        CHECK(write(ends[1], "x", 1) == 1);
        CHECK(fcntl(fd, F_SETLKW, &first) == 0);
        _exit(0);
    }
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    let_others_block();
    CHECK(fcntl(fd, F_SETLKW, &second) == -1 && errno == EDEADLK);
    struct flock seen = {.l_type = F_WRLCK, .l_start = 1, .l_len = 1};
    CHECK(fcntl(fd, F_GETLK, &seen) == 0 && seen.l_type == F_WRLCK && seen.l_pid == child);
    first.l_type = F_UNLCK;
    CHECK(fcntl(fd, F_SETLK, &first) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    unlink(path);
}

static void fifos(void)
{
    const char *path = own_path("fifo");
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(open(path, O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO);
    pid_t child = fork();
    if (child == 0) {
        let_others_block();
        int out = open(path, O_WRONLY);
        CHECK(out >= 0 && write(out, "through", 7) == 7);
        _exit(0);
    }
    int in = open(path, O_RDONLY);
    char bytes[16];
    CHECK(in >= 0 && read(in, bytes, sizeof bytes) == 7 && read(in, bytes, sizeof bytes) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    unlink(path);
}

/* --- System V and POSIX queues --- */

union semun {
    int value;
    unsigned short *array;
};

static void sysv_semaphores(void)
{
    int set = semget(IPC_PRIVATE, 2, 0600);
    unsigned short values[2] = {0, 1};
    CHECK(set >= 0 && semctl(set, 0, SETALL, (union semun){.array = values}) == 0);
    pid_t child = fork();
    if (child == 0) {
        let_others_block();
        struct sembuf up = {0, 2, 0};
        CHECK(semop(set, &up, 1) == 0);
        struct sembuf undone = {1, -1, SEM_UNDO};
        CHECK(semop(set, &undone, 1) == 0);
        _exit(0);
    }
    struct sembuf both[2] = {{0, -2, 0}, {1, 0, IPC_NOWAIT}};
    struct sembuf down = {0, -2, 0};
    CHECK(semop(set, &both[1], 1) == -1 && errno == EAGAIN);
    CHECK(semop(set, &down, 1) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(semctl(set, 1, GETVAL) == 1); /* the undo at exit */
    struct timespec limit = {0, 20 * 1000 * 1000};
    CHECK(semtimedop(set, &down, 1, &limit) == -1 && errno == EAGAIN);
    child = fork();
    if (child == 0) {
        CHECK(semop(set, &down, 1) == -1 && errno == EIDRM);
        _exit(0);
    }
    let_others_block();
    CHECK(semctl(set, 0, IPC_RMID) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

struct text_message {
    long type;
    char text[16];
};

static void sysv_messages(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);
    CHECK(queue >= 0);
    pid_t child = fork();
    if (child == 0) {
        let_others_block();
        struct text_message message = {2, "second"};
        CHECK(msgsnd(queue, &message, 7, 0) == 0);
        message = (struct text_message){1, "first"};
        CHECK(msgsnd(queue, &message, 6, 0) == 0);
        _exit(0);
    }
    struct text_message message;
    CHECK(msgrcv(queue, &message, sizeof message.text, 1, 0) == 6 &&
          strcmp(message.text, "first") == 0);
    CHECK(msgrcv(queue, &message, sizeof message.text, 0, 0) == 7 && message.type == 2);
    CHECK(msgrcv(queue, &message, sizeof message.text, 0, IPC_NOWAIT) == -1 && errno == ENOMSG);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(msgctl(queue, IPC_RMID, NULL) == 0);
}

static mqd_t posix_queue;

static void *send_message(void *unused)
{
    let_others_block();
    CHECK(mq_send(posix_queue, "late", 4, 1) == 0);
    return unused;
}

static void posix_messages(void)
{
    char name[32], text[16];
    snprintf(name, sizeof name, "/blocking-%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof text};
    posix_queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    CHECK(posix_queue >= 0 && mq_unlink(name) == 0);
    pthread_t sender = start(send_message, NULL);
    unsigned priority;
    CHECK(mq_receive(posix_queue, text, sizeof text, &priority) == 4 && priority == 1);
    pthread_join(sender, NULL);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    CHECK(mq_timedreceive(posix_queue, text, sizeof text, NULL, &until) == -1 &&
          errno == ETIMEDOUT);
    CHECK(mq_send(posix_queue, "full", 4, 0) == 0);
    sender = start(send_message, NULL);
    let_others_block();
    CHECK(mq_receive(posix_queue, text, sizeof text, NULL) == 4 && text[0] == 'f');
    pthread_join(sender, NULL);
    CHECK(mq_receive(posix_queue, text, sizeof text, NULL) == 4 && text[0] == 'l');
    mq_close(posix_queue);
}

static const struct test_case cases[] = {
    {"locks", locks},
    {"deadlocked_locks", deadlocked_locks},
    {"fifos", fifos},
    {"sysv_semaphores", sysv_semaphores},
    {"sysv_messages", sysv_messages},
    {"posix_messages", posix_messages},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

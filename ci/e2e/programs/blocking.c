/* Calls that block, and what becomes of them when their descriptor, their process or their data
 * change under them. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "check.h"

static int ends[2];
static char result[64];
static long result_length;

static void *read_first(void *unused)
{
    result_length = read(ends[0], result, sizeof result);
    return unused;
}

static pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    return thread;
}

static const char *own_path(const char *name)
{
    static char path[256];
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/blocking-%s-%d", directory ? directory : "/tmp", name,
             getpid());
    return path;
}

/* --- a parked call belongs to its open file, not to its number --- */

static void replace_under_read(int how)
{
    int other[2];
    CHECK(pipe(ends) == 0 && pipe(other) == 0);
    CHECK(write(other[1], "wrong file", 10) == 10);
    pthread_t reader = start(read_first, NULL);
    let_others_block();
    if (how == 0)
        CHECK(dup2(other[0], ends[0]) == ends[0]);
    else if (how == 1)
        CHECK(close(ends[0]) == 0);
    else if (how == 2)
        CHECK(dup3(other[0], ends[0], O_CLOEXEC) == ends[0]);
    else if (how == 3)
        CHECK(syscall(SYS_close_range, ends[0], ends[0], 0) == 0);
    else {
        /* the number is free, and the next open takes it */
        CHECK(close(ends[0]) == 0);
        CHECK(dup(other[0]) == ends[0]);
    }
    CHECK(write(ends[1], "right", 5) == 5);
    pthread_join(reader, NULL);
    CHECK(result_length == 5 && memcmp(result, "right", 5) == 0);
    close(ends[1]);
}

static void replaced(void)
{
    for (int how = 0; how < 5; how++)
        replace_under_read(how);
}

static void *poll_first(void *unused)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    result_length = poll(&one, 1, -1) * 100 + one.revents;
    return unused;
}

/* poll keeps the file open and is woken by it, but then looks the number up again */
static void closed_under_poll(void)
{
    CHECK(pipe(ends) == 0);
    pthread_t poller = start(poll_first, NULL);
    let_others_block();
    CHECK(close(ends[0]) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    pthread_join(poller, NULL);
    CHECK(result_length == 100 + POLLNVAL);
}

static int listener;

static void *accept_one(void *unused)
{
    result_length = accept(listener, NULL, NULL) >= 0;
    return unused;
}

static void closed_under_accept(void)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listen(listener, 4) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    pthread_t acceptor = start(accept_one, NULL);
    let_others_block();
    CHECK(close(listener) == 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
    pthread_join(acceptor, NULL);
    CHECK(result_length == 1);
}

/* --- readiness proves one byte --- */

static char big[1 << 20];

static void *write_big(void *fd)
{
    result_length = write((int)(long)fd, big, sizeof big);
    return NULL;
}

static void *send_big(void *fd)
{
    result_length = send((int)(long)fd, big, sizeof big, 0);
    return NULL;
}

static void drain(int fd, size_t length)
{
    static char piece[3000];
    size_t total = 0;
    while (total < length) {
        ssize_t step = read(fd, piece, sizeof piece);
        CHECK(step > 0);
        for (ssize_t i = 0; i < step; i++)
            CHECK(piece[i] == (char)((total + (size_t)i) * 7));
        total += (size_t)step;
    }
    CHECK(total == length);
}

static void large_writes(void)
{
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);

    CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    pthread_t writer = start(write_big, (void *)(long)ends[1]);
    drain(ends[0], sizeof big);
    pthread_join(writer, NULL);
    CHECK(result_length == sizeof big);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    writer = start(write_big, (void *)(long)ends[1]);
    drain(ends[0], sizeof big);
    pthread_join(writer, NULL);
    CHECK(result_length == sizeof big);

    writer = start(send_big, (void *)(long)ends[1]);
    drain(ends[0], sizeof big);
    pthread_join(writer, NULL);
    CHECK(result_length == sizeof big);

    /* two writers of more than PIPE_BUF, and the reader goes away under one */
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(ends) == 0);
    writer = start(write_big, (void *)(long)ends[1]);
    let_others_block();
    close(ends[0]);
    pthread_join(writer, NULL);
    CHECK(result_length == 65536 || (result_length == -1));
    printf("after the reader left: %ld\n", result_length);
}

static void *write_vector(void *fd)
{
    struct iovec parts[3] = {{big, 5000}, {big + 5000, 10}, {big + 5010, 94990}};
    result_length = writev((int)(long)fd, parts, 3);
    return NULL;
}

static void vectors(void)
{
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7);
    CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    pthread_t writer = start(write_vector, (void *)(long)ends[1]);
    drain(ends[0], 100000);
    pthread_join(writer, NULL);
    CHECK(result_length == 100000);
    char first[4], second[100];
    struct iovec parts[2] = {{first, sizeof first}, {second, sizeof second}};
    CHECK(write(ends[1], "abcdefgh", 8) == 8);
    CHECK(readv(ends[0], parts, 2) == 8 && memcmp(second, "efgh", 4) == 0);
}

static void *send_pieces(void *unused)
{
    for (int i = 0; i < 10; i++) {
        CHECK(send(ends[1], "0123456789012345678901234567890123456789", 40, 0) == 40);
        let_others_block();
    }
    return unused;
}

static void tcp_pair(int pair[2])
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listen(server, 1) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&address, &length) == 0);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(pair[1], (struct sockaddr *)&address, length) == 0);
    pair[0] = accept(server, NULL, NULL);
    CHECK(pair[0] >= 0);
    close(server);
}

static void wait_for_all(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        char bytes[400];
        if (tcp)
            tcp_pair(ends);
        else
            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        pthread_t sender = start(send_pieces, NULL);
        CHECK(recv(ends[0], bytes, 130, MSG_WAITALL) == 130 && bytes[129] == '9');
        CHECK(recv(ends[0], bytes, 10, MSG_PEEK) == 10 && bytes[0] == '0');
        CHECK(recv(ends[0], bytes, 270, MSG_WAITALL) == 270);
        pthread_join(sender, NULL);
        CHECK(shutdown(ends[1], SHUT_WR) == 0);
        CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 0);
    }
}

static void low_water(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        char bytes[400];
        int mark = 100;
        if (tcp)
            tcp_pair(ends);
        else
            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0);
        pthread_t sender = start(send_pieces, NULL);
        long first = recv(ends[0], bytes, sizeof bytes, 0);
        CHECK(first >= 100);
        long second = recv(ends[0], bytes, sizeof bytes, 0);
        CHECK(second >= 100);
        printf("%s: %ld bytes or more\n", tcp ? "tcp" : "unix", (long)mark);
        pthread_join(sender, NULL);
        close(ends[0]);
        close(ends[1]);
    }
}

static void *receive_after_leader(void *unused)
{
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'l');
    CHECK(recv(ends[0], &byte, 1, 0) == 1 && byte == 'm');
    struct pollfd one = {ends[0], POLLIN, 0};
    CHECK(poll(&one, 1, 20) == 0);
    exit(0);
    return unused;
}

static void *send_after_leader(void *unused)
{
    let_others_block();
    let_others_block();
    CHECK(write(ends[1], "l", 1) == 1);
    let_others_block();
    CHECK(write(ends[1], "m", 1) == 1);
    for (;;)
        pause();
    return unused;
}

static void leader_gone(void)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        start(receive_after_leader, NULL);
        start(send_after_leader, NULL);
        pthread_exit(NULL);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void nonblocking(void)
{
    char bytes[100];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    CHECK(read(ends[0], bytes, 1) == -1 && errno == EAGAIN);
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 8192) == 8192);
    CHECK(write(ends[1], big, 100000) == 8192);
    CHECK(write(ends[1], big, 1) == -1 && errno == EAGAIN);
    int waiting = 0;
    CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 8192);
    int off = 0;
    CHECK(ioctl(ends[0], FIONBIO, &off) == 0 && (fcntl(ends[0], F_GETFL) & O_NONBLOCK) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK(recv(ends[0], bytes, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

/* --- waiting for descriptors --- */

static void *write_byte_later(void *fd)
{
    let_others_block();
    CHECK(write((int)(long)fd, "x", 1) == 1);
    return NULL;
}

static void polls(void)
{
    int other[2];
    CHECK(pipe(ends) == 0 && pipe(other) == 0);
    struct pollfd set[3] = {{ends[0], POLLIN, 0}, {other[0], POLLIN, 0}, {-1, POLLIN, 0}};
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK(poll(set, 3, 30) == 0 && elapsed_ms(&begin) >= 30);
    pthread_t writer = start(write_byte_later, (void *)(long)other[1]);
    CHECK(poll(set, 3, -1) == 1 && set[1].revents == POLLIN && set[0].revents == 0);
    pthread_join(writer, NULL);
    close(ends[1]);
    set[2].fd = 999;
    CHECK(poll(set, 3, -1) == 3 && set[0].revents == POLLHUP && set[2].revents == POLLNVAL);
    struct pollfd out = {other[1], POLLOUT, 0};
    struct timespec limit = {0, 1000};
    CHECK(ppoll(&out, 1, &limit, NULL) == 1 && out.revents == POLLOUT);
    CHECK(poll(NULL, 0, 5) == 0);
    CHECK(syscall(SYS_poll, 8L, 1L, 0L) == -1 && errno == EFAULT);
}

static void selects(void)
{
    CHECK(pipe(ends) == 0);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    struct timeval limit = {0, 20000};
    CHECK(select(ends[1] + 1, &in, &out, NULL, NULL) == 1 && FD_ISSET(ends[1], &out) &&
          !FD_ISSET(ends[0], &in));
    FD_SET(ends[0], &in);
    CHECK(select(ends[0] + 1, &in, NULL, NULL, &limit) == 0 && limit.tv_usec == 0);
    pthread_t writer = start(write_byte_later, (void *)(long)ends[1]);
    FD_SET(ends[0], &in);
    sigset_t none;
    sigemptyset(&none);
    CHECK(pselect(ends[0] + 1, &in, NULL, NULL, NULL, &none) == 1 && FD_ISSET(ends[0], &in));
    pthread_join(writer, NULL);
    limit = (struct timeval){0, 5000};
    CHECK(select(0, NULL, NULL, NULL, &limit) == 0);
}

static void epolls(void)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    int edge[2], once[2];
    CHECK(set >= 0 && pipe(ends) == 0 && pipe(edge) == 0 && pipe(once) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 1}, got[4];
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u32 = 2};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, edge[0], &event) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 3};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, once[0], &event) == 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, once[0], &event) == -1 && errno == EEXIST);
    CHECK(epoll_wait(set, got, 4, 10) == 0);

    pthread_t writer = start(write_byte_later, (void *)(long)ends[1]);
    CHECK(epoll_wait(set, got, 4, -1) == 1 && got[0].data.u32 == 1 && got[0].events == EPOLLIN);
    pthread_join(writer, NULL);
    CHECK(epoll_wait(set, got, 4, -1) == 1); /* level: still there */
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(epoll_wait(set, got, 4, 0) == 0);

    writer = start(write_byte_later, (void *)(long)edge[1]);
    CHECK(epoll_wait(set, got, 4, -1) == 1 && got[0].data.u32 == 2);
    pthread_join(writer, NULL);
    CHECK(epoll_wait(set, got, 4, 0) == 0); /* edge: told once */
    CHECK(write(edge[1], "y", 1) == 1);
    CHECK(epoll_wait(set, got, 4, 0) == 1);

    CHECK(write(once[1], "z", 1) == 1);
    CHECK(epoll_wait(set, got, 4, -1) == 1 && got[0].data.u32 == 3);
    CHECK(write(once[1], "z", 1) == 1);
    CHECK(epoll_wait(set, got, 4, 0) == 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_MOD, once[0], &event) == 0);
    CHECK(epoll_wait(set, got, 4, 0) == 1);
    CHECK(epoll_ctl(set, EPOLL_CTL_DEL, once[0], NULL) == 0);

    /* a set inside a set, and inside poll */
    int outer = epoll_create1(0);
    event = (struct epoll_event){.events = EPOLLIN, .data.u32 = 9};
    CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, set, &event) == 0);
    CHECK(epoll_wait(outer, got, 4, 0) == 0);
    writer = start(write_byte_later, (void *)(long)ends[1]);
    sigset_t none;
    sigemptyset(&none);
    CHECK(epoll_pwait(outer, got, 4, -1, &none) == 1 && got[0].data.u32 == 9);
    struct pollfd one = {set, POLLIN, 0};
    CHECK(poll(&one, 1, -1) == 1);
    pthread_join(writer, NULL);
    struct timespec limit = {0, 1000000};
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(epoll_pwait2(set, got, 4, &limit, NULL) == 0);

    /* closing the last descriptor takes a file out of the set */
    CHECK(write(ends[1], "x", 1) == 1);
    close(ends[0]);
    CHECK(epoll_wait(set, got, 4, 0) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data.u32 = 5};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(shutdown(ends[1], SHUT_WR) == 0);
    CHECK(epoll_wait(set, got, 4, -1) == 1 && got[0].events == (EPOLLIN | EPOLLRDHUP));
}

static int event_descriptor;

static void *add_to_event(void *value)
{
    uint64_t add = (uint64_t)(uintptr_t)value;
    CHECK(write(event_descriptor, &add, sizeof add) == sizeof add);
    return NULL;
}

static void event_fds(void)
{
    uint64_t value;
    event_descriptor = eventfd(0, 0);
    pthread_t writer = start(add_to_event, (void *)5);
    CHECK(read(event_descriptor, &value, 8) == 8 && value == 5);
    pthread_join(writer, NULL);
    value = UINT64_MAX - 1;
    CHECK(write(event_descriptor, &value, 8) == 8);
    writer = start(add_to_event, (void *)3); /* has to wait for room */
    let_others_block();
    CHECK(read(event_descriptor, &value, 8) == 8 && value == UINT64_MAX - 1);
    pthread_join(writer, NULL);
    CHECK(read(event_descriptor, &value, 8) == 8 && value == 3);
    CHECK(read(event_descriptor, &value, 4) == -1 && errno == EINVAL);
    event_descriptor = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    CHECK(read(event_descriptor, &value, 8) == 8 && value == 1);
    CHECK(read(event_descriptor, &value, 8) == 8 && value == 1);
    CHECK(read(event_descriptor, &value, 8) == -1 && errno == EAGAIN);
}

static void timer_fds(void)
{
    uint64_t expired;
    struct timespec begin;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec once = {{0, 0}, {0, 20 * 1000 * 1000}}, left;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK(timerfd_settime(fd, 0, &once, NULL) == 0);
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_nsec > 0);
    CHECK(read(fd, &expired, 8) == 8 && expired == 1 && elapsed_ms(&begin) >= 20);

    struct itimerspec repeated = {{0, 5 * 1000 * 1000}, {0, 5 * 1000 * 1000}};
    CHECK(timerfd_settime(fd, 0, &repeated, NULL) == 0);
    let_others_block();
    let_others_block();
    CHECK(read(fd, &expired, 8) == 8 && expired >= 7);
    struct pollfd one = {fd, POLLIN, 0};
    CHECK(poll(&one, 1, -1) == 1);
    CHECK(read(fd, &expired, 8) == 8 && expired >= 1);
    struct itimerspec off = {{0, 0}, {0, 0}};
    CHECK(timerfd_settime(fd, 0, &off, &left) == 0 && left.it_interval.tv_nsec == 5000000);
    CHECK(poll(&one, 1, 20) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(read(fd, &expired, 8) == -1 && errno == EAGAIN);

    int real = timerfd_create(CLOCK_REALTIME, 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct itimerspec at = {{0, 0}, {now.tv_sec + 1, now.tv_nsec}};
    CHECK(timerfd_settime(real, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, real, &event) == 0);
    CHECK(epoll_wait(set, &event, 1, 5000) == 1);
    CHECK(read(real, &expired, 8) == 8 && expired == 1);
}

static void socket_timeouts(void)
{
    char byte;
    struct timespec begin;
    struct timeval limit = {0, 40000};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK(recv(ends[0], &byte, 1, 0) == -1 && errno == EAGAIN && elapsed_ms(&begin) >= 40);
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (send(ends[1], big, 65536, 0) > 0)
        ;
    CHECK(errno == EAGAIN && elapsed_ms(&begin) >= 40);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listen(server, 1) == 0);
    CHECK(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(accept(server, NULL, NULL) == -1 && errno == EAGAIN);
}

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

/* --- moving data without copying it --- */

static void splices(void)
{
    int other[2];
    CHECK(pipe(ends) == 0 && pipe(other) == 0);
    pthread_t writer = start(write_byte_later, (void *)(long)ends[1]);
    CHECK(splice(ends[0], NULL, other[1], NULL, 100, 0) == 1);
    pthread_join(writer, NULL);
    CHECK(write(ends[1], "tee", 3) == 3 && tee(ends[0], other[1], 100, 0) == 3);
    char bytes[16];
    CHECK(read(other[0], bytes, sizeof bytes) == 4 && read(ends[0], bytes, sizeof bytes) == 3);
    struct iovec part = {"vm", 2};
    CHECK(vmsplice(ends[1], &part, 1, 0) == 2 && read(ends[0], bytes, sizeof bytes) == 2);

    FILE *file = tmpfile(), *copy = tmpfile();
    CHECK(file != NULL && copy != NULL && fputs("some text to send", file) > 0 &&
          fflush(file) == 0);
    off_t offset = 5;
    CHECK(sendfile(ends[1], fileno(file), &offset, 4) == 4 && offset == 9);
    CHECK(read(ends[0], bytes, sizeof bytes) == 4 && memcmp(bytes, "text", 4) == 0);
    off_t from = 0, to = 0;
    CHECK(copy_file_range(fileno(file), &from, fileno(copy), &to, 9, 0) == 9);
    CHECK(pread(fileno(copy), bytes, sizeof bytes, 0) == 9 && memcmp(bytes, "some text", 9) == 0);
}

static void notifications(void)
{
    const char *path = own_path("watched");
    int fd = inotify_init1(IN_CLOEXEC);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && file >= 0);
    CHECK(inotify_add_watch(fd, path, IN_MODIFY | IN_CLOSE_WRITE) == 1);
    pthread_t writer = start(write_byte_later, (void *)(long)file);
    struct inotify_event event;
    CHECK(read(fd, &event, sizeof event) == sizeof event && event.mask == IN_MODIFY);
    pthread_join(writer, NULL);
    close(file);
    CHECK(read(fd, &event, sizeof event) == sizeof event && event.mask == IN_CLOSE_WRITE);
    unlink(path);
}

static void *write_line(void *fd)
{
    let_others_block();
    CHECK(write((int)(long)fd, "line\n", 5) == 5);
    return NULL;
}

static void terminals(void)
{
    int master, slave;
    CHECK(openpty(&master, &slave, NULL, NULL, NULL) == 0);
    CHECK(isatty(slave) == 1);
    pthread_t writer = start(write_line, (void *)(long)master);
    char bytes[32];
    CHECK(read(slave, bytes, sizeof bytes) == 5 && memcmp(bytes, "line\n", 5) == 0);
    pthread_join(writer, NULL);
    struct termios settings;
    CHECK(tcgetattr(slave, &settings) == 0);
    cfmakeraw(&settings);
    CHECK(tcsetattr(slave, TCSANOW, &settings) == 0);
    struct winsize size = {24, 80, 0, 0}, seen;
    CHECK(ioctl(master, TIOCSWINSZ, &size) == 0 && ioctl(slave, TIOCGWINSZ, &seen) == 0);
    CHECK(seen.ws_row == 24 && seen.ws_col == 80);
    writer = start(write_byte_later, (void *)(long)slave);
    CHECK(read(master, bytes, 6) == 6 && memcmp(bytes, "line\r\n", 6) == 0);
    CHECK(read(master, bytes, 1) == 1 && bytes[0] == 'x');
    pthread_join(writer, NULL);
}

static const struct test_case cases[] = {
    {"replaced", replaced},
    {"closed_under_poll", closed_under_poll},
    {"closed_under_accept", closed_under_accept},
    {"large_writes", large_writes},
    {"vectors", vectors},
    {"wait_for_all", wait_for_all},
    {"low_water", low_water},
    {"leader_gone", leader_gone},
    {"nonblocking", nonblocking},
    {"polls", polls},
    {"selects", selects},
    {"epolls", epolls},
    {"event_fds", event_fds},
    {"timer_fds", timer_fds},
    {"socket_timeouts", socket_timeouts},
    {"locks", locks},
    {"deadlocked_locks", deadlocked_locks},
    {"fifos", fifos},
    {"sysv_semaphores", sysv_semaphores},
    {"sysv_messages", sysv_messages},
    {"posix_messages", posix_messages},
    {"splices", splices},
    {"notifications", notifications},
    {"terminals", terminals},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

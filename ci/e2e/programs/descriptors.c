/* Waiting for descriptors of every kind. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "blocked.h"

/* --- waiting for descriptors --- */

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

/* Far more expirations than there is time to look at one by one. */
static void many_timer_fds(void)
{
    enum { COUNT = 800 };
    struct itimerspec fast = {{0, 1000}, {0, 1000}}, left;
    uint64_t expired;
    int fds[COUNT];

    for (int i = 0; i < COUNT; i++) {
        fds[i] = timerfd_create(CLOCK_MONOTONIC, 0);
        CHECK(fds[i] >= 0);
        CHECK(timerfd_settime(fds[i], 0, &fast, NULL) == 0);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < COUNT; i++) {
            CHECK(read(fds[i], &expired, 8) == 8 && expired >= 1);
            CHECK(timerfd_gettime(fds[i], &left) == 0 && left.it_value.tv_nsec <= 1000);
        }
    }
    let_others_block();
    CHECK(read(fds[0], &expired, 8) == 8 && expired >= 20000);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

static void socket_timeouts(void)
{
    static char big[65536];
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
    {"polls", polls},
    {"selects", selects},
    {"epolls", epolls},
    {"event_fds", event_fds},
    {"timer_fds", timer_fds},
    {"many_timer_fds", many_timer_fds},
    {"socket_timeouts", socket_timeouts},
    {"splices", splices},
    {"notifications", notifications},
    {"terminals", terminals},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

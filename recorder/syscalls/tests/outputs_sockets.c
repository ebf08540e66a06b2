/* Sockets, and what waits on descriptors. */
#include "recorder/syscalls/tests/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/poison.h"

static int set_up(void **state)
{
    (void)state;
    poison_reset();
    return 0;
}

static uint32_t *length_of(uint32_t length)
{
    return poison_take_copy(&length, sizeof(length));
}

/* A bound UDP socket on the loopback interface, or a listening TCP one. */
static int bound_socket(int type, struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(*ret_address);

    *ret_address = (struct sockaddr_in){.sin_family = AF_INET};
    ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &length), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void test_names_of_sockets(void **state)
{
    struct sockaddr_in address;
    int listener = bound_socket(SOCK_STREAM, &address);
    int client[3];
    int accepted;

    (void)state;
    for (int i = 0; i < 3; i++) {
        client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client[i], (struct sockaddr *)&address, sizeof(address)), 0);
    }
    accepted = (int)poison(POISON_CHANGES, "accept", listener, poison_take(128), length_of(128));
    poison(POISON_CHANGES, "getpeername", accepted, poison_take(128), length_of(128));
    poison(POISON_CHANGES, "getsockname", accepted, poison_take(8), length_of(8));
    poison(POISON_CHANGES, "getsockname", accepted, poison_take(8), length_of(0));
    close(accepted);
    close((int)poison(POISON_CHANGES, "accept4", listener, poison_take(4), length_of(4),
                      SOCK_CLOEXEC));
    close((int)poison(POISON_QUIET, "accept", listener, 0, 0));
    poison(POISON_FAILS, "getpeername", listener, poison_take(128), length_of(128));
    for (int i = 0; i < 3; i++)
        close(client[i]);
    close(listener);
}

static void test_datagrams(void **state)
{
    struct sockaddr_in address;
    int fd = bound_socket(SOCK_DGRAM, &address);
    struct sockaddr_in *to = poison_take_copy(&address, sizeof(address));

    (void)state;
    for (int i = 0; i < 4; i++)
        poison(POISON_QUIET, "sendto", fd, "hello", 5, 0, to, sizeof(*to));
    poison(POISON_CHANGES, "recvfrom", fd, poison_take(100), 100, MSG_PEEK, poison_take(128),
           length_of(128));
    poison(POISON_CHANGES, "recvfrom", fd, poison_take(2), 2, MSG_TRUNC, poison_take(3),
           length_of(3));
    poison(POISON_CHANGES, "recvfrom", fd, poison_take(100), 100, 0, 0, 0);
    poison(POISON_FAILS_CHANGES, "recvfrom", fd, poison_take_before_hole(2), 100, 0, 0, 0);
    poison(POISON_CHANGES, "recvfrom", fd, poison_take(100), 100, 0, poison_take(16),
           length_of(16));
    poison(POISON_FAILS, "recvfrom", fd, poison_take(100), 100, MSG_DONTWAIT, poison_take(16),
           length_of(16));
    close(fd);
}

/* A message with a name, two buffers and room for control data, all in the arena. */
static void fill_message(struct msghdr *message, size_t first, size_t second, size_t control)
{
    struct iovec *iov = poison_take(2 * sizeof(*iov));

    iov[0] = (struct iovec){poison_take(first), first};
    iov[1] = (struct iovec){poison_take(second), second};
    *message = (struct msghdr){.msg_name = poison_take(128),
                               .msg_namelen = 128,
                               .msg_iov = iov,
                               .msg_iovlen = 2,
                               .msg_control = control ? poison_take(control) : NULL,
                               .msg_controllen = control};
}

static void send_descriptor(int through, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {"descriptor", 10};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    assert_int_equal(sendmsg(through, &message, 0), 10);
}

static void test_messages(void **state)
{
    int pair[2];
    struct msghdr *message = poison_take(sizeof(*message));

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < 4; i++)
        send_descriptor(pair[0], 0);
    fill_message(message, 4, 100, 64);
    assert_int_equal(poison(POISON_CHANGES, "recvmsg", pair[1], message, MSG_CMSG_CLOEXEC), 10);
    assert_true(message->msg_controllen >= CMSG_LEN(sizeof(int)));
    close(*(int *)CMSG_DATA((struct cmsghdr *)message->msg_control));
    fill_message(message, 4, 2, 8);
    poison(POISON_CHANGES, "recvmsg", pair[1], message, MSG_TRUNC);
    assert_true(message->msg_flags & MSG_CTRUNC && message->msg_flags & MSG_TRUNC);
    fill_message(message, 4, 20, 0);
    message->msg_iov[1].iov_base = poison_take_before_hole(3);
    poison(POISON_FAILS_CHANGES, "recvmsg", pair[1], message, 0);
    fill_message(message, 4, 20, 0);
    message->msg_namelen = 0;
    poison(POISON_CHANGES, "recvmsg", pair[1], message, 0);
    fill_message(message, 4, 20, 32);
    poison(POISON_FAILS, "recvmsg", pair[1], message, MSG_DONTWAIT);
    message->msg_name = NULL;
    message->msg_control = NULL;
    message->msg_namelen = message->msg_controllen = 0;
    poison(POISON_QUIET, "sendmsg", pair[0], message, 0);
    close(pair[0]);
    close(pair[1]);
}

static void test_many_messages(void **state)
{
    struct sockaddr_in address;
    int fd = bound_socket(SOCK_DGRAM, &address);
    struct mmsghdr *messages = poison_take(5 * sizeof(*messages));
    struct timespec *timeout = poison_take_copy(&(struct timespec){10, 0}, sizeof(*timeout));

    (void)state;
    for (int i = 0; i < 5; i++) {
        fill_message(&messages[i].msg_hdr, 3, (size_t)i, 0);
        memcpy(messages[i].msg_hdr.msg_name, &address, sizeof(address));
        messages[i].msg_hdr.msg_namelen = sizeof(address);
    }
    assert_int_equal(poison(POISON_CHANGES, "sendmmsg", fd, messages, 4, 0), 4);
    for (int i = 0; i < 5; i++)
        fill_message(&messages[i].msg_hdr, 2, 10, 0);
    messages[1].msg_hdr.msg_namelen = 5;
    assert_int_equal(poison(POISON_CHANGES, "recvmmsg", fd, messages, 2, 0, timeout), 2);
    fill_message(&messages[1].msg_hdr, 10, 10, 0);
    messages[1].msg_hdr.msg_iov[0].iov_base = poison_take_before_hole(3);
    assert_int_equal(poison(POISON_CHANGES, "recvmmsg", fd, messages, 5, MSG_DONTWAIT, 0), 1);
    /* The fault that ended the call before is this one's result. */
    assert_int_equal(poison(POISON_FAILS, "recvmmsg", fd, messages, 5, MSG_DONTWAIT, 0), -EFAULT);
    assert_int_equal(poison(POISON_FAILS, "recvmmsg", fd, messages, 5, MSG_DONTWAIT, 0), -EAGAIN);
    close(fd);
}

static void test_options(void **state)
{
    struct sockaddr_in address;
    int listener = bound_socket(SOCK_STREAM, &address);
    int pair[2];
    int *one = poison_take_copy(&(int){1}, sizeof(int));

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    poison(POISON_CHANGES, "getsockopt", listener, SOL_SOCKET, SO_TYPE, poison_take(4),
           length_of(4));
    poison(POISON_CHANGES, "getsockopt", listener, SOL_SOCKET, SO_TYPE, poison_take(64),
           length_of(64));
    poison(POISON_CHANGES, "getsockopt", listener, SOL_SOCKET, SO_LINGER, poison_take(5),
           length_of(5));
    poison(POISON_CHANGES, "getsockopt", pair[0], SOL_SOCKET, SO_PEERCRED, poison_take(64),
           length_of(64));
    poison(POISON_ANY, "getsockopt", pair[0], SOL_SOCKET, 59 /* SO_PEERGROUPS */, poison_take(4),
           length_of(0));
    poison(POISON_CHANGES, "getsockopt", listener, IPPROTO_TCP, TCP_INFO, poison_take(512),
           length_of(512));
    poison(POISON_CHANGES, "getsockopt", listener, IPPROTO_IP, 1 /* IP_TOS */, poison_take(4),
           length_of(1));
    poison(POISON_FAILS, "getsockopt", listener, SOL_SOCKET, 9999, poison_take(4), length_of(4));
    poison(POISON_QUIET, "setsockopt", listener, SOL_SOCKET, SO_KEEPALIVE, one, 4);
    poison(POISON_CHANGES, "socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, one);
    close(pair[0]);
    close(pair[1]);
    close(listener);
}

static void nothing(int signal)
{
    (void)signal;
}

/* A signal in 20 ms ends the next wait. */
static void alarm_soon(void)
{
    struct sigaction action = {.sa_handler = nothing};
    struct itimerval soon = {{0, 0}, {0, 20000}};

    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
}

static void test_poll_family(void **state)
{
    int ends[2];
    struct timespec *timeout = poison_take_copy(&(struct timespec){0, 1000}, sizeof(*timeout));

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct pollfd prepared[] = {{ends[0], POLLIN, -1}, {ends[1], POLLOUT, -1}};
    struct pollfd *fds = poison_take_copy(prepared, sizeof(prepared));
    poison(POISON_CHANGES, "poll", fds, 2, 0);
    fds[0].revents = -1;
    poison(POISON_CHANGES, "ppoll", fds, 1, timeout, 0, 8);
    fds[0].revents = -1;
    alarm_soon();
    assert_int_equal(poison(POISON_FAILS_CHANGES, "poll", fds, 1, 5000), -EINTR);
    *timeout = (struct timespec){5, 0};
    alarm_soon();
    assert_int_equal(poison(POISON_FAILS_CHANGES, "ppoll", fds, 1, timeout, 0, 8), -EINTR);
    close(ends[0]);
    close(ends[1]);
}

static void test_select_family(void **state)
{
    int ends[2];
    uint64_t *sets[3];
    struct timeval *timeout = poison_take_copy(&(struct timeval){0, 1000}, sizeof(*timeout));

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 3; i++) {
        sets[i] = poison_take_zeroed(16);
        sets[i][0] = 1ull << ends[i == 1];
    }
    poison(POISON_CHANGES, "select", ends[1] + 1, sets[0], sets[1], sets[2], timeout);
    sets[0][0] = 1ull << ends[0];
    poison(POISON_CHANGES, "select", 65, sets[0], 0, 0, timeout);
    sets[0][0] = 1ull << ends[0];
    *timeout = (struct timeval){0, 1000};
    poison(POISON_CHANGES, "pselect6", ends[1] + 1, sets[0], sets[1], 0, timeout, 0);
    sets[0][0] = 1ull << ends[0];
    *timeout = (struct timeval){5, 0};
    alarm_soon();
    assert_int_equal(poison(POISON_FAILS_CHANGES, "select", ends[1] + 1, sets[0], 0, 0, timeout),
                     -EINTR);
    close(ends[0]);
    close(ends[1]);
}

static void test_epoll(void **state)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int ends[2];
    struct epoll_event *event =
        poison_take_copy(&(struct epoll_event){.events = EPOLLOUT}, sizeof(*event));
    struct timespec *zero = poison_take_zeroed(sizeof(*zero));

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    poison(POISON_QUIET, "epoll_wait", epoll, poison_take(120), 10, 0);
    poison(POISON_QUIET, "epoll_ctl", epoll, EPOLL_CTL_ADD, ends[1], event);
    poison(POISON_CHANGES, "epoll_wait", epoll, poison_take(120), 10, -1);
    poison(POISON_CHANGES, "epoll_pwait", epoll, poison_take(120), 10, -1, 0, 8);
    poison(POISON_CHANGES, "epoll_pwait2", epoll, poison_take(120), 10, zero, 0, 8);
    poison(POISON_FAILS, "epoll_wait", epoll, poison_take(120), 0, 0);
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

int outputs_of_sockets(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_names_of_sockets), TEST(test_datagrams), TEST(test_messages),
        TEST(test_many_messages),    TEST(test_options),   TEST(test_poll_family),
        TEST(test_select_family),    TEST(test_epoll),
    };
#undef TEST

    return cmocka_run_group_tests_name("outputs of sockets", tests, NULL, NULL);
}

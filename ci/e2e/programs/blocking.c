/* Calls that block, and what becomes of them when their descriptor, their process or their data
 * change under them. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "blocked.h"

static char result[64];
static long result_length;

static void *read_first(void *unused)
{
    result_length = read(ends[0], result, sizeof result);
    return unused;
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
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

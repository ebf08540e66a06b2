/* Waiting calls again, where their answers depend on what came before the wait: bytes that were
 * moved already, SIGPIPE, a stop and SIGCONT, timeouts of sockets, who waits for what. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "check.h"

static int ends[2];
static char big[1 << 20];
static struct timespec begin;

static void start_clock(void)
{
    clock_gettime(CLOCK_MONOTONIC, &begin);
}

static pthread_t start(void *(*function)(void *), long argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, (void *)argument) == 0);
    return thread;
}

static void tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
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

static void set_timeout(int fd, int option, int ms)
{
    struct timeval limit = {0, ms * 1000};
    CHECK(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit) == 0);
}

/* --- SIGPIPE --- */

static volatile sig_atomic_t broken;

static void on_sigpipe(int signal)
{
    (void)signal;
    broken++;
}

static void tell(const char *what, long result)
{
    printf("%s: %s, SIGPIPE %d\n", what,
           result >= 0      ? "well"
           : errno == EPIPE ? "EPIPE"
                            : strerror(errno),
           (int)broken);
    broken = 0;
}

static void broken_pipe(void)
{
    int other[2];
    struct iovec part = {"ab", 2};
    FILE *file = tmpfile();
    off_t offset = 0;
    CHECK(pipe(ends) == 0 && pipe(other) == 0 && write(other[1], "xyz", 3) == 3);
    CHECK(fputs("some text", file) > 0 && fflush(file) == 0);
    close(ends[0]);
    tell("write", write(ends[1], "x", 1));
    tell("writev", writev(ends[1], &part, 1));
    tell("vmsplice", vmsplice(ends[1], &part, 1, 0));
    tell("splice", splice(other[0], NULL, ends[1], NULL, 2, 0));
    tell("tee", tee(other[0], ends[1], 2, 0));
    tell("sendfile", sendfile(ends[1], fileno(file), &offset, 5));
}

static void broken_socket(int type)
{
    struct iovec part = {"ab", 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr many = {.msg_hdr = message};
    CHECK(socketpair(AF_UNIX, type, 0, ends) == 0);
    close(ends[0]);
    tell("send", send(ends[1], "x", 1, 0));
    tell("send quietly", send(ends[1], "x", 1, MSG_NOSIGNAL));
    tell("write", write(ends[1], "x", 1));
    tell("sendmsg", sendmsg(ends[1], &message, 0));
    tell("sendmsg quietly", sendmsg(ends[1], &message, MSG_NOSIGNAL));
    tell("sendmmsg", sendmmsg(ends[1], &many, 1, 0));
}

static void *leave_later(void *fd)
{
    let_others_block();
    close((int)(long)fd);
    return NULL;
}

static void broken_under_write(int unix_socket)
{
    CHECK(unix_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 : pipe(ends) == 0);
    pthread_t thread = start(leave_later, ends[0]);
    long written = write(ends[1], big, sizeof big);
    CHECK(written > 0 && written < (long)sizeof big);
    tell(unix_socket ? "socket left" : "pipe left", written);
    pthread_join(thread, NULL);
}

static void sigpipe(void)
{
    signal(SIGPIPE, on_sigpipe);
    broken_pipe();
    broken_socket(SOCK_STREAM);
    broken_socket(SOCK_SEQPACKET);
    broken_socket(SOCK_DGRAM);
    tcp_pair(ends);
    CHECK(shutdown(ends[1], SHUT_WR) == 0);
    tell("tcp", send(ends[1], "x", 1, 0));
    tell("tcp quietly", send(ends[1], "x", 1, MSG_NOSIGNAL));
    broken_under_write(0);
    broken_under_write(1);
}

/* --- stops --- */

static int semaphores, messages;

static long wait_poll(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    return poll(&one, 1, 100);
}

static long wait_ppoll(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    struct timespec limit = {0, 100 * 1000 * 1000};
    return ppoll(&one, 1, &limit, NULL);
}

static long wait_select(void)
{
    fd_set set;
    struct timeval limit = {0, 100 * 1000};
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, &limit);
}

static long wait_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    return epoll_wait(set, &event, 1, 100);
}

static long wait_nanosleep(void)
{
    struct timespec limit = {0, 100 * 1000 * 1000};
    return nanosleep(&limit, NULL);
}

static long wait_read(void)
{
    char byte;
    return read(ends[0], &byte, 1);
}

static long wait_semop(void)
{
    struct sembuf down = {0, -1, 0};
    return semop(semaphores, &down, 1);
}

struct message {
    long type;
    char text[8];
};

static long wait_msgrcv(void)
{
    struct message message;
    return msgrcv(messages, &message, sizeof message.text, 0, 0);
}

static long wait_recv(void)
{
    int pair[2];
    char byte;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    set_timeout(pair[0], SO_RCVTIMEO, 100);
    return recv(pair[0], &byte, 1, 0);
}

static const struct waiting {
    const char *name;
    long (*call)(void);
    int least_ms; /* it has waited for, at its end */
} waitings[] = {
    {"poll", wait_poll, 100},
    {"ppoll", wait_ppoll, 120},
    {"select", wait_select, 120},
    {"epoll_wait", wait_epoll, 0},
    {"nanosleep", wait_nanosleep, 100},
    {"read", wait_read, 80},
    {"semop", wait_semop, 0},
    {"msgrcv", wait_msgrcv, 80},
    {"recv with timeout", wait_recv, 0},
};

static void end_waits(void)
{
    struct sembuf up = {0, 1, 0};
    struct message message = {1, "abc"};
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(semop(semaphores, &up, 1) == 0);
    CHECK(msgsnd(messages, &message, 4, 0) == 0);
}

static void stop_one(const struct waiting *waiting)
{
    int status;
    CHECK(pipe(ends) == 0);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    messages = msgget(IPC_PRIVATE, 0600);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        start_clock();
        long result = waiting->call();
        printf("%s: %ld%s\n", waiting->name, result, result < 0 && errno == EINTR ? ", EINTR" : "");
        fflush(stdout);
        errno = 0;
        CHECK(elapsed_ms(&begin) >= waiting->least_ms);
        _exit(0);
    }
    let_others_block();
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    let_others_block();
    let_others_block();
    CHECK(kill(child, SIGCONT) == 0);
    let_others_block();
    if (strcmp(waiting->name, "read") == 0 || strcmp(waiting->name, "msgrcv") == 0)
        end_waits();
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    semctl(semaphores, 0, IPC_RMID);
    msgctl(messages, IPC_RMID, NULL);
    close(ends[0]);
    close(ends[1]);
}

static void stops(void)
{
    for (size_t i = 0; i < COUNT_OF(waitings); i++)
        stop_one(&waitings[i]);
}

/* --- bytes that were moved before the wait --- */

static void *send_ten_in_two(void *fd)
{
    let_others_block();
    CHECK(write((int)(long)fd, "abc", 3) == 3);
    let_others_block();
    CHECK(write((int)(long)fd, "defghij", 7) == 7);
    return NULL;
}

static void *shut_later(void *fd)
{
    let_others_block();
    shutdown((int)(long)fd, SHUT_WR);
    return NULL;
}

static void partial_receives(void)
{
    char bytes[16] = "";
    tcp_pair(ends);
    pthread_t thread = start(send_ten_in_two, ends[1]);
    CHECK(recv(ends[0], bytes, 10, MSG_PEEK | MSG_WAITALL) == 10);
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 10);
    pthread_join(thread, NULL);

    struct iovec parts[3] = {{bytes, 2}, {bytes + 2, 5}, {bytes + 7, 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    memset(bytes, 0, sizeof bytes);
    thread = start(send_ten_in_two, ends[1]);
    CHECK(recvmsg(ends[0], &message, MSG_WAITALL) == 10 && strcmp(bytes, "abcdefghij") == 0);
    pthread_join(thread, NULL);

    set_timeout(ends[0], SO_RCVTIMEO, 40);
    CHECK(write(ends[1], "xy", 2) == 2);
    start_clock();
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 2 && elapsed_ms(&begin) >= 40);
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == -1 && errno == EAGAIN);
    set_timeout(ends[0], SO_RCVTIMEO, 0);

    CHECK(write(ends[1], "xy", 2) == 2);
    thread = start(shut_later, ends[1]);
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 2);
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 0);
    pthread_join(thread, NULL);

    /* the error that ends the wait is for the next call to tell */
    struct linger hard = {1, 0};
    tcp_pair(ends);
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
    CHECK(write(ends[1], "xy", 2) == 2);
    thread = start(leave_later, ends[1]);
    CHECK(recv(ends[0], bytes, 10, MSG_WAITALL) == 2);
    CHECK(recv(ends[0], bytes, 10, 0) == -1 && errno == ECONNRESET);
    CHECK(recv(ends[0], bytes, 10, 0) == 0);
    pthread_join(thread, NULL);
}

static void *count_bytes(void *fd)
{
    static char piece[7777];
    long total = 0, step;
    let_others_block();
    while ((step = read((int)(long)fd, piece, sizeof piece)) > 0)
        total += step;
    return (void *)total;
}

static long bytes_counted(pthread_t thread)
{
    void *total;
    CHECK(pthread_join(thread, &total) == 0);
    return (long)total;
}

static void send_with_descriptor(int fd, struct iovec *parts, size_t count, long expected)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = count,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int null = open("/dev/null", O_RDONLY);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof null);
    memcpy(CMSG_DATA(header), &null, sizeof null);
    CHECK(sendmsg(fd, &message, 0) == expected);
    close(null);
}

static void large_sends(void)
{
    struct iovec parts[3] = {{big, 300000}, {big, 5}, {big, 600000}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    FILE *file = tmpfile();
    off_t offset = 1000;
    CHECK(fwrite(big, 1, sizeof big, file) == sizeof big && fflush(file) == 0);

    tcp_pair(ends);
    pthread_t thread = start(count_bytes, ends[0]);
    CHECK(writev(ends[1], parts, 3) == 900005);
    CHECK(sendmsg(ends[1], &message, 0) == 900005);
    CHECK(shutdown(ends[1], SHUT_WR) == 0 && bytes_counted(thread) == 2 * 900005);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    thread = start(count_bytes, ends[0]);
    CHECK(writev(ends[1], parts, 3) == 900005);
    send_with_descriptor(ends[1], parts, 3, 900005);
    CHECK(sendfile(ends[1], fileno(file), &offset, 900000) == 900000 && offset == 901000);
    CHECK(lseek(fileno(file), 5, SEEK_SET) == 5);
    CHECK(sendfile(ends[1], fileno(file), NULL, 2 * sizeof big) == (long)sizeof big - 5);
    CHECK(lseek(fileno(file), 0, SEEK_CUR) == (long)sizeof big);
    CHECK(shutdown(ends[1], SHUT_WR) == 0);
    CHECK(bytes_counted(thread) == 2 * 900005 + 900000 + (long)sizeof big - 5);

    CHECK(pipe(ends) == 0);
    thread = start(count_bytes, ends[0]);
    for (long left = 300000, step; left > 0; left -= step) {
        struct iovec part = {big, (size_t)left};
        CHECK((step = vmsplice(ends[1], &part, 1, 0)) > 0);
    }
    offset = 0;
    for (long left = 500000, step; left > 0; left -= step)
        CHECK((step = sendfile(ends[1], fileno(file), &offset, (size_t)left)) > 0);
    close(ends[1]);
    CHECK(bytes_counted(thread) == 800000);
}

/* --- messages one by one --- */

static void *send_four(void *fd)
{
    for (int i = 1; i <= 4; i++) {
        let_others_block();
        CHECK(send((int)(long)fd, "01234", (size_t)i, 0) == i);
    }
    return NULL;
}

static void *receive_many(void *fd)
{
    char bytes[16];
    let_others_block();
    while (recv((int)(long)fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    return NULL;
}

static void many_messages(void)
{
    char texts[4][8];
    struct iovec parts[4];
    struct mmsghdr list[4];
    memset(list, 0, sizeof list);
    for (int i = 0; i < 4; i++) {
        parts[i] = (struct iovec){texts[i], 8};
        list[i].msg_hdr.msg_iov = &parts[i];
        list[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    pthread_t thread = start(send_four, ends[1]);
    CHECK(recvmmsg(ends[0], list, 4, 0, NULL) == 4);
    CHECK(list[0].msg_len == 1 && list[3].msg_len == 4);
    pthread_join(thread, NULL);
    thread = start(send_four, ends[1]);
    CHECK(recvmmsg(ends[0], list, 4, MSG_WAITFORONE, NULL) >= 1);
    pthread_join(thread, NULL);
    receive_many((void *)(long)ends[0]);

    /* the queue of the other end is full */
    while (send(ends[1], "x", 1, MSG_DONTWAIT) == 1)
        ;
    CHECK(errno == EAGAIN);
    thread = start(receive_many, ends[0]);
    CHECK(send(ends[1], "y", 1, 0) == 1);
    pthread_join(thread, NULL);
    receive_many((void *)(long)ends[0]);

    /* ... which poll(2) does not know of a socket without a peer */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "rrtest-waits-%d", getpid());
    int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    CHECK(bind(server, to, sizeof address) == 0);
    while (sendto(client, "x", 1, MSG_DONTWAIT, to, sizeof address) == 1)
        ;
    thread = start(receive_many, server);
    CHECK(sendto(client, "y", 1, 0, to, sizeof address) == 1);
    pthread_join(thread, NULL);
}

/* --- connections --- */

static int make_listener(struct sockaddr_un *address, char name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "rrtest-%c-%d", name, getpid());
    CHECK(bind(fd, (struct sockaddr *)address, sizeof *address) == 0 && listen(fd, 0) == 0);
    return fd;
}

static int try_connect(const struct sockaddr_un *address, int flags, int timeout_ms)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);
    if (timeout_ms)
        set_timeout(fd, SO_SNDTIMEO, timeout_ms);
    return connect(fd, (const struct sockaddr *)address, sizeof *address);
}

static void *accept_twice(void *fd)
{
    for (int i = 0; i < 2; i++) {
        let_others_block();
        CHECK(accept((int)(long)fd, NULL, NULL) >= 0);
    }
    return NULL;
}

static void connections(void)
{
    struct sockaddr_un address;
    int server = make_listener(&address, 'a');
    CHECK(try_connect(&address, 0, 0) == 0);
    CHECK(try_connect(&address, SOCK_NONBLOCK, 0) == -1 && errno == EAGAIN);
    start_clock();
    CHECK(try_connect(&address, 0, 40) == -1 && errno == EAGAIN && elapsed_ms(&begin) >= 40);
    pthread_t thread = start(accept_twice, server);
    CHECK(try_connect(&address, 0, 0) == 0 && try_connect(&address, 0, 0) == 0);
    pthread_join(thread, NULL);
    server = make_listener(&address, 'b');
    CHECK(try_connect(&address, 0, 0) == 0);
    thread = start(leave_later, server);
    CHECK(try_connect(&address, 0, 0) == -1 && errno == ECONNREFUSED);
    pthread_join(thread, NULL);
    set_timeout(server = make_listener(&address, 'c'), SO_RCVTIMEO, 40);
    start_clock();
    CHECK(accept(server, NULL, NULL) == -1 && errno == EAGAIN && elapsed_ms(&begin) >= 40);
}

/* --- counters and queues --- */

static void *read_event(void *fd)
{
    uint64_t value;
    let_others_block();
    CHECK(read((int)(long)fd, &value, sizeof value) == sizeof value);
    return NULL;
}

static void full_counters(void)
{
    uint64_t value = UINT64_MAX - 3;
    int event = eventfd(0, 0);
    CHECK(write(event, &value, sizeof value) == sizeof value);
    pthread_t thread = start(read_event, event);
    value = 10; /* poll(2) says that there is room: for 1 */
    CHECK(write(event, &value, sizeof value) == sizeof value);
    pthread_join(thread, NULL);
    CHECK(read(event, &value, sizeof value) == sizeof value && value == 10);

    struct message message = {1, "abc"};
    messages = msgget(IPC_PRIVATE, 0600);
    while (msgsnd(messages, &message, 4, IPC_NOWAIT) == 0)
        ;
    CHECK(errno == EAGAIN);
    for (int remove = 0; remove < 2; remove++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            int result = msgsnd(messages, &message, 4, 0);
            CHECK(remove ? result == -1 && errno == EIDRM : result == 0);
            _exit(0);
        }
        let_others_block();
        if (remove)
            CHECK(msgctl(messages, IPC_RMID, NULL) == 0);
        else
            CHECK(msgrcv(messages, &message, sizeof message.text, 0, 0) == 4);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void semaphore_waiters(void)
{
    semaphores = semget(IPC_PRIVATE, 2, 0600);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        CHECK(wait_semop() == 0);
        _exit(0);
    }
    let_others_block();
    CHECK(semctl(semaphores, 0, GETNCNT) == 1 && semctl(semaphores, 0, GETZCNT) == 0);
    struct sembuf up = {0, 1, 0};
    CHECK(semop(semaphores, &up, 1) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(semctl(semaphores, 0, GETNCNT) == 0);

    /* the first operation would wait, the second one may not: it is the first that is stuck */
    struct sembuf both[2] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}};
    struct timespec limit = {0, 40 * 1000 * 1000};
    start_clock();
    CHECK(semtimedop(semaphores, both, 2, &limit) == -1 && errno == EAGAIN);
    CHECK(elapsed_ms(&begin) >= 40);
    CHECK(semop(semaphores, &up, 1) == 0); /* now it is the second */
    CHECK(semop(semaphores, both, 2) == -1 && errno == EAGAIN);
    CHECK(semctl(semaphores, 0, IPC_RMID) == 0);
}

/* --- select --- */

/* A hang-up is no exceptional condition, whatever poll(2) says. */
static void exceptional(void)
{
    fd_set set;
    struct timeval limit = {0, 40 * 1000};
    CHECK(pipe(ends) == 0);
    close(ends[1]);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    start_clock();
    CHECK(select(ends[0] + 1, NULL, NULL, &set, &limit) == 0 && elapsed_ms(&begin) >= 40);
    CHECK(!FD_ISSET(ends[0], &set));
    FD_SET(ends[0], &set);
    CHECK(select(ends[0] + 1, &set, NULL, NULL, NULL) == 1);
}

/* More descriptors than are worth looking at one by one first. */
static void long_lists(void)
{
    static struct pollfd list[200];
    int pipes[100][2];
    for (int i = 0; i < 100; i++) {
        CHECK(pipe(pipes[i]) == 0);
        list[2 * i] = (struct pollfd){pipes[i][0], POLLIN, 0x55};
        list[2 * i + 1] = (struct pollfd){-1, 0, 0};
    }
    start_clock();
    CHECK(poll(list, 200, 40) == 0 && elapsed_ms(&begin) >= 40 && list[0].revents == 0);
    pthread_t thread = start(leave_later, pipes[77][1]);
    CHECK(poll(list, 200, -1) == 1 && list[154].revents == POLLHUP);
    pthread_join(thread, NULL);

    fd_set set;
    FD_ZERO(&set);
    for (int i = 0; i < 60; i++)
        FD_SET(pipes[i][0], &set);
    thread = start(leave_later, pipes[42][1]);
    CHECK(select(pipes[99][1] + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(pipes[42][0], &set));
    CHECK(!FD_ISSET(pipes[0][0], &set));
    pthread_join(thread, NULL);
}

static const struct test_case cases[] = {
    {"sigpipe", sigpipe},
    {"stops", stops},
    {"partial_receives", partial_receives},
    {"large_sends", large_sends},
    {"many_messages", many_messages},
    {"connections", connections},
    {"full_counters", full_counters},
    {"semaphore_waiters", semaphore_waiters},
    {"exceptional", exceptional},
    {"long_lists", long_lists},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

/* Sockets of every family the recorder models: streams, datagrams, messages with descriptors,
 * options. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "check.h"

static pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    return thread;
}

static struct sockaddr_storage server_address;
static socklen_t server_length;

static int make_server(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    server_length = sizeof server_address;
    memset(&server_address, 0, sizeof server_address);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&server_address;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(bind(fd, (struct sockaddr *)in, sizeof *in) == 0);
    } else {
        struct sockaddr_un *un = (struct sockaddr_un *)&server_address;
        un->sun_family = AF_UNIX;
        int length = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "rrtest-%d", getpid());
        server_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
        CHECK(bind(fd, (struct sockaddr *)un, server_length) == 0);
    }
    socklen_t length = sizeof server_address;
    CHECK(getsockname(fd, (struct sockaddr *)&server_address, &length) == 0);
    server_length = length;
    if (type == SOCK_STREAM || type == SOCK_SEQPACKET)
        CHECK(listen(fd, 8) == 0);
    return fd;
}

/* Answers each line of each client in capitals, until a client says "quit". */
static void *serve_lines(void *listener)
{
    for (int quit = 0; !quit;) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4((int)(long)listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
        CHECK(fd >= 0);
        char bytes[256];
        ssize_t got;
        while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
            if (memcmp(bytes, "quit", 4) == 0)
                quit = 1;
            for (ssize_t i = 0; i < got; i++)
                if (bytes[i] >= 'a' && bytes[i] <= 'z')
                    bytes[i] = (char)(bytes[i] - 'a' + 'A');
            CHECK(send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got);
        }
        close(fd);
    }
    return NULL;
}

static void talk(int family, const char *line)
{
    char bytes[256];
    int fd = socket(family, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&server_address, server_length) == 0);
    size_t length = strlen(line);
    CHECK(send(fd, line, length, 0) == (ssize_t)length);
    CHECK(recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length);
    bytes[length] = '\0';
    puts(bytes);
    CHECK(shutdown(fd, SHUT_WR) == 0 && recv(fd, bytes, 1, 0) == 0);
    close(fd);
}

static void streams(int family)
{
    int listener = make_server(family, SOCK_STREAM);
    pthread_t server = start(serve_lines, (void *)(long)listener);
    talk(family, "first line");
    talk(family, "second line");
    talk(family, "quit");
    pthread_join(server, NULL);
    close(listener);
    int fd = socket(family, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&server_address, server_length) == -1 &&
          errno == ECONNREFUSED);
}

static void tcp(void)
{
    streams(AF_INET);
}

static void unix_stream(void)
{
    streams(AF_UNIX);
}

static void tcp_options(void)
{
    int listener = make_server(AF_INET, SOCK_STREAM);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1, value = 0;
    socklen_t length = sizeof value;
    CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value == 1);
    CHECK(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    CHECK(setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    struct linger linger = {1, 0};
    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);

    /* a connection in progress, as an event loop makes it */
    CHECK(fcntl(client, F_SETFL, O_NONBLOCK) == 0);
    int status = connect(client, (struct sockaddr *)&server_address, server_length);
    CHECK(status == 0 || errno == EINPROGRESS);
    struct pollfd one = {client, POLLOUT, 0};
    CHECK(poll(&one, 1, -1) == 1 && one.revents == POLLOUT);
    CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &length) == 0 && value == 0);
    int server = accept(listener, NULL, NULL);
    struct sockaddr_in own, peer;
    length = sizeof own;
    CHECK(getsockname(client, (struct sockaddr *)&own, &length) == 0);
    CHECK(getpeername(server, (struct sockaddr *)&peer, &length) == 0);
    CHECK(own.sin_port == peer.sin_port && own.sin_addr.s_addr == peer.sin_addr.s_addr);
    int unread = 0;
    CHECK(send(client, "12345", 5, 0) == 5);
    one = (struct pollfd){server, POLLIN, 0};
    CHECK(poll(&one, 1, -1) == 1 && ioctl(server, FIONREAD, &unread) == 0 && unread == 5);
    CHECK(send(client, "!", 1, MSG_OOB) == 1);
    one.events = POLLPRI;
    CHECK(poll(&one, 1, -1) == 1 && one.revents == POLLPRI);
    char byte;
    CHECK(recv(server, &byte, 1, MSG_OOB) == 1 && byte == '!');
    close(client); /* linger 0: a reset */
    char bytes[8];
    one.events = POLLIN;
    CHECK(poll(&one, 1, -1) == 1);
    while ((status = (int)recv(server, bytes, sizeof bytes, 0)) > 0)
        ;
    CHECK(status == -1 && errno == ECONNRESET);
}

static void datagrams(int family)
{
    int server = make_server(family, SOCK_DGRAM);
    int client = socket(family, SOCK_DGRAM, 0);
    char bytes[64];
    CHECK(sendto(client, "one", 3, 0, (struct sockaddr *)&server_address, server_length) == 3);
    CHECK(connect(client, (struct sockaddr *)&server_address, server_length) == 0);
    CHECK(send(client, "second", 6, 0) == 6);
    CHECK(recv(server, bytes, sizeof bytes, 0) == 3);
    CHECK(recv(server, bytes, 2, MSG_TRUNC) == 6); /* the rest is gone */
    CHECK(recv(server, bytes, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);

    struct iovec parts[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    struct mmsghdr messages[3];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK(sendmmsg(client, messages, 3, 0) == 3 && messages[2].msg_len == 3);
    char texts[3][8];
    struct iovec into[3];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < 3; i++) {
        into[i] = (struct iovec){texts[i], 8};
        messages[i].msg_hdr.msg_iov = &into[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    struct timespec limit = {1, 0};
    CHECK(recvmmsg(server, messages, 3, 0, &limit) == 3 && messages[1].msg_len == 2);
    CHECK(memcmp(texts[2], "ccc", 3) == 0);
    close(server);
    close(client);
}

static void udp(void)
{
    datagrams(AF_INET);
    int server = make_server(AF_INET, SOCK_DGRAM);
    int client = socket(AF_INET, SOCK_DGRAM, 0);
    char bytes[16];
    CHECK(sendto(client, "ping", 4, 0, (struct sockaddr *)&server_address, server_length) == 4);
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    CHECK(recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length) == 4);
    CHECK(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && length == sizeof from);
    CHECK(sendto(server, "pong", 4, 0, (struct sockaddr *)&from, length) == 4);
    CHECK(recv(client, bytes, sizeof bytes, 0) == 4 && memcmp(bytes, "pong", 4) == 0);
    /* broadcast is refused without the option */
    struct sockaddr_in everyone = {.sin_family = AF_INET, .sin_port = htons(9)};
    everyone.sin_addr.s_addr = INADDR_BROADCAST;
    CHECK(sendto(client, "x", 1, 0, (struct sockaddr *)&everyone, sizeof everyone) == -1 &&
          errno == EACCES);
}

static void unix_datagram(void)
{
    datagrams(AF_UNIX);
    int pair[2];
    char bytes[16];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    CHECK(send(pair[0], "packet", 6, 0) == 6 && send(pair[0], "next", 4, 0) == 4);
    CHECK(recv(pair[1], bytes, sizeof bytes, 0) == 6 && recv(pair[1], bytes, sizeof bytes, 0) == 4);
    close(pair[0]);
    CHECK(recv(pair[1], bytes, sizeof bytes, 0) == 0);
}

static void unix_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *directory = getenv("TMPDIR");
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket-%d",
             directory ? directory : "/tmp", getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == -1);
    CHECK(listen(listener, 0) == 0);
    struct stat status;
    CHECK(stat(address.sun_path, &status) == 0 && S_ISSOCK(status.st_mode));
    pid_t child = fork();
    if (child == 0) {
        /* the second one waits for room in the backlog */
        for (int i = 0; i < 3; i++) {
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
            CHECK(write(fd, "c", 1) == 1);
        }
        _exit(0);
    }
    let_others_block();
    for (int i = 0; i < 3; i++) {
        char byte;
        int fd = accept(listener, NULL, NULL);
        CHECK(fd >= 0 && read(fd, &byte, 1) == 1);
        struct ucred credentials;
        socklen_t length = sizeof credentials;
        CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0);
        CHECK(credentials.pid == child && credentials.uid == getuid());
        close(fd);
    }
    int result;
    CHECK(waitpid(child, &result, 0) == child && result == 0);
    CHECK(unlink(address.sun_path) == 0);
}

static void send_descriptor(int through, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {"d", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(sendmsg(through, &message, 0) == 1);
}

static int receive_descriptor(int through, int flags)
{
    int fd = -1;
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    CHECK(recvmsg(through, &message, flags) == 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header != NULL && header->cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void descriptors(void)
{
    int pair[2], ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = receive_descriptor(pair[1], MSG_CMSG_CLOEXEC);
        CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
        CHECK(write(fd, "via the child", 13) == 13);
        _exit(0);
    }
    CHECK(pipe(ends) == 0);
    send_descriptor(pair[0], ends[1]);
    char bytes[16];
    CHECK(read(ends[0], bytes, sizeof bytes) == 13);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    /* a socket sent through itself, then dropped unread */
    send_descriptor(pair[0], pair[1]);
    close(pair[0]);
    close(pair[1]);
}

static void credentials(void)
{
    int pair[2], on = 1;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    CHECK(send(pair[0], "c", 1, 0) == 1);
    char control[CMSG_SPACE(sizeof(struct ucred))], byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    CHECK(recvmsg(pair[1], &message, 0) == 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header != NULL && header->cmsg_type == SCM_CREDENTIALS);
    struct ucred sender;
    memcpy(&sender, CMSG_DATA(header), sizeof sender);
    CHECK(sender.pid == getpid() && sender.uid == getuid() && sender.gid == getgid());
}

static void ipv6(void)
{
    int server = socket(AF_INET6, SOCK_STREAM, 0);
    if (server < 0) {
        CHECK(errno == EAFNOSUPPORT);
        return;
    }
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = sizeof address;
    if (bind(server, (struct sockaddr *)&address, length) != 0) {
        CHECK(errno == EADDRNOTAVAIL);
        return;
    }
    CHECK(listen(server, 1) == 0 && getsockname(server, (struct sockaddr *)&address, &length) == 0);
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
    int peer = accept(server, NULL, NULL);
    CHECK(peer >= 0 && write(client, "6", 1) == 1);
    char byte;
    CHECK(read(peer, &byte, 1) == 1 && byte == '6');
}

static void errors(void)
{
    char bytes[8];
    CHECK(socket(AF_INET, 77, 0) == -1 && errno == EINVAL);
    CHECK(socket(9999, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(recv(fd, bytes, 1, 0) == -1 && errno == ENOTCONN);
    CHECK(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
    CHECK(listen(0x7fff, 1) == -1 && errno == EBADF);
    int ends[2];
    CHECK(pipe(ends) == 0 && recv(ends[0], bytes, 1, 0) == -1 && errno == ENOTSOCK);
    CHECK(if_nametoindex("lo") > 0);
}

static const struct test_case cases[] = {
    {"tcp", tcp},
    {"tcp_options", tcp_options},
    {"udp", udp},
    {"unix_stream", unix_stream},
    {"unix_datagram", unix_datagram},
    {"unix_path", unix_path},
    {"descriptors", descriptors},
    {"credentials", credentials},
    {"ipv6", ipv6},
    {"errors", errors},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

/* Waits that nothing can end, one by name; and a byte that goes to and fro. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];
static char bytes[1 << 20];

static const char *own_path(const char *name)
{
    static char path[256];
    const char *directory = getenv("TMPDIR"); /* the run's own: it goes away with it */

    snprintf(path, sizeof(path), "%s/hopeless-%s-%d", directory ? directory : "/tmp", name,
             getpid());
    return path;
}

static void tcp_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    if (listen(server, 1) < 0 || getsockname(server, (struct sockaddr *)&address, &length) < 0)
        exit(9);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[1], (struct sockaddr *)&address, length) < 0)
        exit(9);
    ends[0] = accept(server, NULL, NULL);
}

static long wait_pipe(void)
{
    return pipe(ends) < 0 ? 9 : read(ends[0], bytes, 1);
}

static long wait_full_pipe(void)
{
    return pipe(ends) < 0 ? 9 : write(ends[1], bytes, sizeof(bytes));
}

static long wait_unix(void)
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ? 9 : recv(ends[0], bytes, 1, 0);
}

static long wait_tcp(void)
{
    tcp_pair();
    return recv(ends[0], bytes, 1, 0);
}

static long wait_full_tcp(void)
{
    tcp_pair();
    while (send(ends[1], bytes, sizeof(bytes), 0) > 0)
        ;
    return 0;
}

static long wait_udp(void)
{
    return recv(socket(AF_INET, SOCK_DGRAM, 0), bytes, 1, 0);
}

static long wait_accept(void)
{
    int server = socket(AF_INET, SOCK_STREAM, 0);

    return listen(server, 1) < 0 ? 9 : accept(server, NULL, NULL);
}

static long wait_poll(void)
{
    struct pollfd one = {.events = POLLIN};

    if (pipe(ends) < 0)
        return 9;
    one.fd = ends[0];
    return poll(&one, 1, -1);
}

static long wait_select(void)
{
    fd_set set;

    if (pipe(ends) < 0)
        return 9;
    close(ends[1]);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, NULL, NULL, &set, NULL);
}

static long wait_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);

    if (pipe(ends) < 0 || epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) < 0)
        return 9;
    return epoll_wait(set, &event, 1, -1);
}

static long wait_eventfd(void)
{
    return read(eventfd(0, 0), bytes, 8);
}

static long wait_inotify(void)
{
    int fd = inotify_init();

    return inotify_add_watch(fd, "/", IN_DELETE_SELF) < 0 ? 9 : read(fd, bytes, sizeof(bytes));
}

static long wait_semaphore(void)
{
    struct sembuf down = {0, -1, 0};
    int set = semget(IPC_PRIVATE, 1, 0600);

    if (fork() == 0) { /* the set is removed by a process that is asleep as well */
        semop(set, &down, 1);
        _exit(0);
    }
    return semop(set, &down, 1);
}

static long wait_lock(void)
{
    const char *name = own_path("lock");
    int first = open(name, O_RDWR | O_CREAT, 0600), second = open(name, O_RDWR);

    unlink(name);
    return flock(first, LOCK_EX) < 0 ? 9 : flock(second, LOCK_EX);
}

static long wait_fifo(void)
{
    const char *name = own_path("fifo");

    return mkfifo(name, 0600) < 0 ? 9 : open(name, O_RDONLY);
}

static long wait_terminal(void)
{
    return openpty(&ends[0], &ends[1], NULL, NULL, NULL) < 0 ? 9 : read(ends[1], bytes, 1);
}

static long wait_child(void)
{
    if (fork() == 0)
        pause();
    return wait(NULL);
}

static long to_and_fro(void)
{
    int back[2];

    if (pipe(ends) < 0 || pipe(back) < 0)
        return 9;
    if (fork() == 0) {
        for (int i = 0; i < 1000; i++)
            if (read(ends[0], bytes, 1) != 1 || write(back[1], bytes, 1) != 1)
                _exit(9);
        _exit(0);
    }
    for (int i = 0; i < 1000; i++)
        if (write(ends[1], bytes, 1) != 1 || read(back[0], bytes, 1) != 1)
            return 9;
    return wait(NULL) > 0 ? 0 : 9;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        long (*wait)(void);
    } waits[] = {
        {"pipe", wait_pipe},           {"full-pipe", wait_full_pipe},
        {"unix", wait_unix},           {"tcp", wait_tcp},
        {"full-tcp", wait_full_tcp},   {"udp", wait_udp},
        {"accept", wait_accept},       {"poll", wait_poll},
        {"select", wait_select},       {"epoll", wait_epoll},
        {"eventfd", wait_eventfd},     {"inotify", wait_inotify},
        {"semaphore", wait_semaphore}, {"lock", wait_lock},
        {"fifo", wait_fifo},           {"terminal", wait_terminal},
        {"child", wait_child},         {"to-and-fro", to_and_fro},
    };

    for (size_t i = 0; argc > 1 && i < sizeof(waits) / sizeof(*waits); i++)
        if (strcmp(argv[1], waits[i].name) == 0)
            return (int)waits[i].wait();
    return 10;
}

/* One child, two pipes, one deadline. */
#include "harness/import/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/syscalls/syscalls.h"

#define OUTPUT_MAX (64u << 20)
#define ERROR_MAX (64u << 10)

extern char **environ;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* environ with one variable added or replaced; the array is the caller's, the strings are not. */
static char **environment_with(const char *variable)
{
    size_t count = 0;
    size_t kept = 0;
    size_t name = variable ? strcspn(variable, "=") + 1 : 0;
    char **copy;

    while (environ[count])
        count++;
    copy = calloc(count + 2, sizeof(*copy));
    if (!copy)
        abort();
    for (size_t i = 0; i < count; i++)
        if (!variable || strncmp(environ[i], variable, name) != 0)
            copy[kept++] = environ[i];
    memcpy(&copy[kept], &variable, sizeof(variable));
    return copy;
}

static int spawn(char *const *argv, const char *variable, const int *ends, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    char **environment = environment_with(variable);
    int code;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    code = posix_spawnp(ret, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return -code;
}

/* Take what is in the pipe now. Returns false at its end; -EFBIG goes into *code. */
static bool drain(int fd, struct bytes *into, size_t limit, bool cut, int *code)
{
    char buffer[65536];

    for (;;) {
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (into->length + (size_t)n > limit) {
            if (!cut) {
                *code = -EFBIG;
                return false;
            }
            n = (ssize_t)(limit - into->length);
        }
        bytes_append(into, buffer, (size_t)n);
    }
}

/* Until the program has ended (a child of it may hold the pipes longer) or the deadline. */
static int collect(const int *pipes, int pidfd, uint64_t deadline, struct capture *capture)
{
    struct pollfd fds[3] = {{.fd = pidfd, .events = POLLIN},
                            {.fd = pipes[0], .events = POLLIN},
                            {.fd = pipes[1], .events = POLLIN}};
    int code = 0;

    for (bool ended = false; !ended && code == 0;) {
        uint64_t now = now_ns();
        uint64_t left_ms = now < deadline ? (deadline - now) / 1000000 + 1 : 0;

        if (left_ms == 0)
            return -ETIMEDOUT;
        if (poll(fds, 3, left_ms > 1000000 ? 1000000 : (int)left_ms) < 0 && errno != EINTR)
            return -errno;
        ended = fds[0].revents != 0;
        if ((ended || fds[1].revents) &&
            !drain(pipes[0], &capture->output, OUTPUT_MAX, false, &code))
            fds[1].fd = -1;
        if ((ended || fds[2].revents) && !drain(pipes[1], &capture->error, ERROR_MAX, true, &code))
            fds[2].fd = -1;
    }
    return code;
}

static int explain(int code, const char *program, const struct capture *capture,
                   struct rr_error *error)
{
    char last[256];

    if (code == -ETIMEDOUT)
        return rr_error_set(error, code, "%s: still running at the time limit; raise --timeout",
                            program);
    if (code == -EFBIG)
        return rr_error_set(error, code, "%s: more than %u MiB of output", program,
                            OUTPUT_MAX >> 20);
    if (code)
        return rr_error_set(error, code, "%s: cannot follow it: %s", program, strerror(-code));
    if (!WIFSIGNALED(capture->status))
        return 0;
    capture_last_error(capture, last, sizeof(last));
    return rr_error_set(error, -EIO, "%s: killed by %s%s%s", program,
                        syscall_signal_name(WTERMSIG(capture->status)), *last ? ": " : "", last);
}

int capture_run(char *const *argv, const char *variable, uint64_t timeout_ns, struct capture *ret,
                struct rr_error *error)
{
    struct capture capture = {.status = 0};
    uint64_t started = now_ns();
    cleanup_fd int out_read = -1, out_write = -1, error_read = -1, error_write = -1, pidfd = -1;
    int pipes[2];
    pid_t pid;
    int code;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return rr_error_set(error, -errno, "%s: no pipe: %s", argv[0], strerror(errno));
    out_read = pipes[0];
    out_write = pipes[1];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return rr_error_set(error, -errno, "%s: no pipe: %s", argv[0], strerror(errno));
    error_read = pipes[0];
    error_write = pipes[1];
    code = spawn(argv, variable, (int[]){out_write, error_write}, &pid);
    if (code == -ENOENT && !strchr(argv[0], '/'))
        return rr_error_set(error, code, "no program %s in PATH; one in this folder is ./%s",
                            argv[0], argv[0]);
    if (code)
        return rr_error_set(error, code, "cannot run %s: %s", argv[0], strerror(-code));
    close_fd(&out_write);
    close_fd(&error_write);
    fcntl(out_read, F_SETFL, O_NONBLOCK);
    fcntl(error_read, F_SETFL, O_NONBLOCK);
    bytes_init(&capture.output);
    bytes_init(&capture.error);
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    code = pidfd < 0
               ? -errno
               : collect((int[]){out_read, error_read}, pidfd, started + timeout_ns, &capture);
    kill(-pid, SIGKILL); /* its pid is still ours: it is not reaped yet */
    while (waitpid(pid, &capture.status, 0) < 0 && errno == EINTR)
        ;
    code = explain(code, argv[0], &capture, error);
    if (code)
        capture_done(&capture);
    else
        *ret = capture;
    return code;
}

void capture_done(struct capture *capture)
{
    bytes_done(&capture->output);
    bytes_done(&capture->error);
}

void capture_last_error(const struct capture *capture, char *text, size_t size)
{
    const char *data = (const char *)capture->error.data;
    size_t end = capture->error.length;
    size_t start;

    while (end > 0 && (unsigned char)data[end - 1] <= ' ')
        end--;
    for (start = end; start > 0 && data[start - 1] != '\n'; start--)
        ;
    snprintf(text, size, "%.*s", (int)(end - start), end > start ? data + start : "");
}

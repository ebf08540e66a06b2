/* The keeper is a child subreaper (prctl(2)): orphans become its children, so its children are all
 * there is to end. It ends them when its socket closes, whatever the reason. */
#include "harness/run/hooks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/words.h"
#include "recorder/syscalls/syscalls.h"

#define TAIL_MAX 400 /* of the output, in messages */
#define ASK_MS 100
#define KEEPER_FD 3

struct answer {
    int code;
    char message[RR_ERROR_MESSAGE_MAX];
};

struct keeper {
    const struct suite_test *test;
    const char *directory;
    char *const *environment;
    int output; /* read end of a pipe, not blocking */
    int output_end;
    char tail[TAIL_MAX + 1];
    size_t tail_length;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- inside the keeper ------------------------------------------------------------------------ */

/* Take what was written, so that nobody waits for us; the end of it is kept. */
static void drain(struct keeper *k)
{
    char data[4096];
    ssize_t n;

    while ((n = read(k->output, data, sizeof(data))) > 0) {
        size_t length = (size_t)n;
        size_t from = length > TAIL_MAX ? length - TAIL_MAX : 0;
        size_t keep = TAIL_MAX - (length - from);

        if (keep > k->tail_length)
            keep = k->tail_length;
        memmove(k->tail, k->tail + k->tail_length - keep, keep);
        memcpy(k->tail + keep, data + from, length - from);
        k->tail_length = keep + length - from;
    }
}

/* The end of the output as one line. */
static const char *tail_line(struct keeper *k)
{
    while (k->tail_length > 0 && isspace((unsigned char)k->tail[k->tail_length - 1]))
        k->tail_length--;
    k->tail[k->tail_length] = '\0';
    for (size_t i = 0; i < k->tail_length; i++) {
        if (k->tail[i] == '\n')
            k->tail[i] = '|';
        else if ((unsigned char)k->tail[i] < 0x20)
            k->tail[i] = ' ';
    }
    return k->tail;
}

_Noreturn static void become(const struct keeper *k, const struct suite_command *command)
{
    static const char failed[] = "cannot start it: ";
    int null = open("/dev/null", O_RDONLY);
    const char *why;

    setpgid(0, 0);
    dup2(null, 0);
    dup2(k->output_end, 1);
    dup2(k->output_end, 2);
    close_range(3, ~0u, 0);
    if (chdir(k->directory) == 0)
        execve(command->program, command->arguments, k->environment);
    why = strerror(errno);
    if (write(2, failed, sizeof(failed) - 1) > 0 && write(2, why, strlen(why)) > 0)
        _exit(127);
    _exit(126);
}

static bool is_my_child(const char *pid)
{
    char path[300], text[512];
    ssize_t n;
    int fd, parent = 0;
    const char *behind_name;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    behind_name = strrchr(text, ')'); /* a name may hold any character (proc(5)) */
    return behind_name && sscanf(behind_name, ") %*c %d", &parent) == 1 && parent == getpid();
}

/* Each one that dies hands its children to us: until there are none. */
static void end_children(void)
{
    while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
        DIR *proc = opendir("/proc");
        size_t killed = 0;

        for (const struct dirent *e; proc && (e = readdir(proc));) {
            if (isdigit((unsigned char)e->d_name[0]) && is_my_child(e->d_name))
                killed += kill(atoi(e->d_name), SIGKILL) == 0;
        }
        if (proc)
            closedir(proc);
        if (killed == 0 && waitpid(-1, NULL, WNOHANG) <= 0)
            return;
        for (; killed > 0; killed--)
            waitpid(-1, NULL, 0);
    }
}

/* Wait for the command: 0 and its wait status, -ETIMEDOUT, or -ECANCELED when the socket closes. */
static int await(struct keeper *k, pid_t pid, int *ret_status)
{
    uint64_t limit_ms = k->test->setup_timeout_ns / 1000000;
    uint64_t end = now_ms() + limit_ms;
    cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
                           {.fd = KEEPER_FD, .events = POLLIN},
                           {.fd = k->output, .events = POLLIN}};

    if (pidfd < 0)
        return -errno;
    for (;;) {
        uint64_t now = now_ms();
        int timeout = -1;

        if (k->test->setup_timeout_ns)
            timeout = now >= end ? 0 : end - now > 60000 ? 60000 : (int)(end - now);
        if (poll(fds, 3, timeout) < 0 && errno != EINTR)
            return -errno;
        drain(k);
        if (fds[0].revents) {
            waitpid(pid, ret_status, 0);
            drain(k);
            return 0;
        }
        if (fds[1].revents)
            return -ECANCELED;
        if (k->test->setup_timeout_ns && now_ms() >= end)
            return -ETIMEDOUT;
    }
}

static void describe(const struct suite_command *command, char *text, size_t size)
{
    const char *what =
        strcmp(command->program, "/bin/sh") == 0 && command->arguments[1] && command->arguments[2]
            ? command->arguments[2]
            : command->arguments[0];

    snprintf(text, size, "%.80s%s", what, strlen(what) > 80 ? "..." : "");
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20)
            *at = ' ';
    }
}

static int run_one(struct keeper *k, const struct suite_command *command, struct answer *ret)
{
    char shown[128], limit[32], how[128];
    struct rr_error error;
    int status = 0;
    int code;
    pid_t pid;

    k->tail_length = 0;
    pid = fork();
    if (pid == 0)
        become(k, command);
    code = pid < 0 ? -errno : await(k, pid, &status);
    if (code == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (code == -ETIMEDOUT) {
        words_format_duration(k->test->setup_timeout_ns, limit, sizeof(limit));
        snprintf(how, sizeof(how), "still running after %s (setup_timeout)", limit);
    } else if (code) {
        snprintf(how, sizeof(how), "cannot be run: %s", strerror(-code));
    } else if (WIFSIGNALED(status)) {
        snprintf(how, sizeof(how), "killed by %s", syscall_signal_name(WTERMSIG(status)));
    } else {
        snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(status));
    }
    describe(command, shown, sizeof(shown));
    tail_line(k);
    ret->code = rr_error_set(&error, code ? code : -ECHILD, "%s:%zu:%zu: '%s': %s%s%s",
                             k->test->file->path, command->at.line, command->at.column, shown, how,
                             k->tail_length ? ": " : "", k->tail);
    memcpy(ret->message, error.message, sizeof(ret->message));
    return ret->code;
}

static void settle(struct keeper *k, int fd)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGALRM};
    int null = open("/dev/null", O_RDWR);
    int pair[2];
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "rrtest-keeper");
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    dup2(fd, KEEPER_FD); /* without O_CLOEXEC: become() closes it */
    close_range(KEEPER_FD + 1, ~0u, 0);
    if (pipe2(pair, O_CLOEXEC) < 0)
        _exit(1);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    k->output = pair[0];
    k->output_end = pair[1];
}

_Noreturn static void keeper_main(struct keeper *k, int fd)
{
    struct pollfd fds[] = {{.fd = KEEPER_FD, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    uint32_t hook;

    settle(k, fd);
    fds[1].fd = k->output;
    for (;;) {
        struct answer answer = {0};

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        drain(k);
        if (!fds[0].revents)
            continue;
        if (recv(KEEPER_FD, &hook, sizeof(hook), 0) != sizeof(hook))
            break;
        for (size_t i = 0; i < k->test->hook_count[hook] && answer.code == 0; i++)
            run_one(k, &k->test->hooks[hook][i], &answer);
        if (answer.code == -ECANCELED || send(KEEPER_FD, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
            break;
    }
    end_children();
    _exit(0);
}

/* --- our side --------------------------------------------------------------------------------- */

int hooks_open(struct hooks *hooks, const struct suite_test *test, const char *directory,
               char *const *environment, struct rr_error *error)
{
    struct keeper keeper = {.test = test, .directory = directory, .environment = environment};
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return rr_error_set(error, -errno, "socketpair: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        keeper_main(&keeper, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return rr_error_set(error, -errno, "fork: %s", strerror(errno));
    }
    *hooks = (struct hooks){.keeper = pid, .fd = pair[0]};
    return 0;
}

int hooks_run(struct hooks *hooks, enum suite_hook hook, bool (*interrupted)(void *context),
              void *context, struct rr_error *error)
{
    struct pollfd end = {.fd = hooks->fd, .events = POLLIN};
    struct answer answer;
    uint32_t asked = hook;
    ssize_t n;

    if (send(hooks->fd, &asked, sizeof(asked), MSG_NOSIGNAL) < 0)
        return rr_error_set(error, -errno, "%s: the keeper of its processes is gone",
                            suite_hook_name(hook));
    while (poll(&end, 1, ASK_MS) <= 0) {
        if (interrupted && interrupted(context))
            return rr_error_set(error, -ECANCELED, "%s: interrupted", suite_hook_name(hook));
    }
    do
        n = recv(hooks->fd, &answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof(answer))
        return rr_error_set(error, -EIO, "%s: the keeper of its processes is gone",
                            suite_hook_name(hook));
    if (answer.code == 0)
        return 0;
    rr_error_set(error, answer.code, "%s", answer.message);
    return rr_error_context(error, "%s", suite_hook_name(hook));
}

void hooks_close(struct hooks *hooks)
{
    if (hooks->keeper == 0)
        return;
    shutdown(hooks->fd, SHUT_RDWR); /* workers forked meanwhile have copies */
    close_fd(&hooks->fd);
    while (waitpid(hooks->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    hooks->keeper = 0;
}

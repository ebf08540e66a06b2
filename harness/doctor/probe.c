/* Running a probe in a child, and the small helpers probes share. */
#include "harness/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/file.h"

#define TIME_LIMIT_MS 10000

uint64_t probe_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void probe_yes(struct probe_result *r, bool yes, const char *format, ...)
{
    va_list args;

    r->answer = yes ? PROBE_YES : PROBE_NO;
    va_start(args, format);
    vsnprintf(r->detail, sizeof(r->detail), format, args);
    va_end(args);
}

void probe_failed(struct probe_result *r, const char *what)
{
    r->answer = PROBE_FAILED;
    snprintf(r->detail, sizeof(r->detail), "%s: %s", what, strerror(errno));
}

void probe_time(struct probe_result *r, uint64_t ns, uint64_t times)
{
    r->answer = PROBE_NUMBER;
    r->microseconds = (double)ns / 1e3 / (double)times;
}

void probe_pin(int nth)
{
    cpu_set_t allowed, one;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

/* The child leads a process group, so that whatever the probe started ends with it. */
static void run_in_child(const struct probe *probe, int fd)
{
    struct probe_result result = {.answer = PROBE_FAILED};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    probe->run(&result);
    file_write_all(fd, &result, sizeof(result));
    _exit(0);
}

void probe_execute(const struct probe *probe, struct probe_result *ret)
{
    struct pollfd wait = {.events = POLLIN};
    int pair[2];
    pid_t pid;

    *ret = (struct probe_result){.answer = PROBE_FAILED};
    if (pipe2(pair, O_CLOEXEC) < 0) {
        probe_failed(ret, "pipe");
        return;
    }
    pid = fork();
    if (pid == 0) {
        close_fd(&pair[0]);
        run_in_child(probe, pair[1]);
    }
    close_fd(&pair[1]);
    wait.fd = pair[0];
    if (pid < 0)
        probe_failed(ret, "fork");
    else if (poll(&wait, 1, TIME_LIMIT_MS) != 1)
        snprintf(ret->detail, sizeof(ret->detail), "no answer within %d s", TIME_LIMIT_MS / 1000);
    else if (read(pair[0], ret, sizeof(*ret)) != sizeof(*ret))
        *ret = (struct probe_result){.answer = PROBE_FAILED, .detail = "the probe crashed"};
    if (pid > 0) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_fd(&pair[0]);
}

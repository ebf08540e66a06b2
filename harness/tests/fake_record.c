/* A recorder for tests of the runner: runs the program natively, tells it the run's seed and
 * strategy in FAKE_SEED and FAKE_STRATEGY, and makes a trace of one event. Programs can ask for
 * what no native run shows by an exit status of their own: 200 deadlock, 201 unsupported, 202 the
 * recorder dies, 203 this machine cannot record. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/record/record.h"
#include "recorder/stacks/stacks.h"

#define FAKE_DEADLOCK 200
#define FAKE_UNSUPPORTED 201
#define FAKE_DEATH 202
#define FAKE_MACHINE 203

uint32_t record_guards_from_environment(void)
{
    return 0;
}

const char *record_verdict_name(enum record_verdict verdict)
{
    static const char *const names[RECORD_VERDICT_COUNT] = {
        "exited", "deadlock", "timeout", "virtual timeout", "unsupported", "interrupted", "limit"};

    return names[verdict];
}

void record_result_done(struct record_result *result)
{
    free(result->message);
    free(result->output[0]);
    free(result->output[1]);
    if (result->trace)
        trace_writer_close(result->trace);
    trace_meta_done(&result->meta);
    stacks_done(&result->stacks);
}

int record_find_program(const char *name, const char *directory, const char *search_path,
                        char **ret_path, struct rr_error *error)
{
    char copy[4096];
    char path[8192];
    char *rest = copy;
    char *part;

    snprintf(copy, sizeof(copy), "%s", search_path ? search_path : "");
    if (strchr(name, '/')) {
        snprintf(path, sizeof(path), "%s%s%s", *name == '/' || !directory ? "" : directory,
                 *name == '/' || !directory ? "" : "/", name);
        if (access(path, F_OK) < 0)
            return rr_error_set(error, -ENOENT, "%s: no such program", path);
        if (access(path, X_OK) < 0)
            return rr_error_set(error, -EACCES, "%s: not executable", path);
        *ret_path = strdup(path);
        return 0;
    }
    while ((part = strsep(&rest, ":")) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", part, name);
        if (access(path, X_OK) == 0) {
            *ret_path = strdup(path);
            return 0;
        }
    }
    return rr_error_set(error, -ENOENT, "%s: not found in PATH", name);
}

static void run_child(const struct record_options *o, const int outputs[2])
{
    char seed[64];
    char strategy[64];
    int input = o->stdin_fd >= 0 ? o->stdin_fd : open("/dev/null", O_RDONLY);
    size_t count = 0;
    char **environment;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (o->environment[count])
        count++;
    environment = calloc(count + 3, sizeof(*environment));
    memcpy(environment, o->environment, count * sizeof(*environment));
    snprintf(seed, sizeof(seed), "FAKE_SEED=%llu", (unsigned long long)o->seed);
    snprintf(strategy, sizeof(strategy), "FAKE_STRATEGY=%s:%llu",
             o->strategy == SCHED_RANDOM ? "random" : "round-robin",
             (unsigned long long)o->length.ticks);
    environment[count] = seed;
    environment[count + 1] = strategy;
    dup2(input, 0);
    dup2(outputs[0], 1);
    dup2(outputs[1], 2);
    if (o->directory && chdir(o->directory) < 0)
        _exit(126);
    execve(o->argv[0], o->argv, environment);
    _exit(127);
}

static void read_output(int fd, char **ret, size_t *ret_length)
{
    struct stat status;

    fstat(fd, &status);
    *ret_length = (size_t)status.st_size;
    *ret = calloc(*ret_length + 1, 1);
    file_pread_all(fd, *ret, *ret_length, 0);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Wait for the child; what ends it early is the verdict. */
static enum record_verdict wait_child(const struct record_options *o, pid_t pid, int *ret_status)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    enum record_verdict verdict = RECORD_VERDICT_EXITED;
    uint64_t start = now_ns();

    while (poll(&end, 1, 5) == 0) {
        if (o->interrupted && o->interrupted(o->interrupted_context))
            verdict = RECORD_VERDICT_INTERRUPTED;
        else if (o->timeout_ns && now_ns() - start > o->timeout_ns)
            verdict = RECORD_VERDICT_TIMEOUT;
        else
            continue;
        kill(pid, SIGKILL);
        break;
    }
    waitpid(pid, ret_status, 0);
    close(end.fd);
    return verdict;
}

static int make_trace(struct record_result *ret, struct rr_error *error)
{
    struct event end = {.kind = EVENT_END, .task = 1, .status = ret->status};
    char *text[] = {ret->output[0], ret->output[1]};
    int code;

    ret->meta.command = calloc(1, sizeof(char *));
    ret->meta.environment = calloc(1, sizeof(char *));
    ret->meta.directory = strdup("/");
    ret->meta.strategy = strdup("random");
    ret->meta.verdict = strdup("exit");
    ret->meta.exit_status = ret->status;
    ret->meta.schedule_digest = strdup("0");
    ret->meta.statistics = strdup("{}");
    ret->meta.machine = strdup("fake");
    code = trace_writer_open(NULL, &ret->meta, &ret->trace, error);
    for (int i = 0; i < 2 && code == 0; i++) {
        struct event output = {.kind = EVENT_SYSCALL,
                               .task = 1,
                               .output = {.stream = i + 1,
                                          .data = (uint8_t *)text[i],
                                          .length = ret->output_length[i]}};

        if (ret->output_length[i] > 0)
            code = trace_writer_event(ret->trace, &output, error);
    }
    return code ? code : trace_writer_event(ret->trace, &end, error);
}

int record_run(const struct record_options *o, struct record_result *ret, struct rr_error *error)
{
    int outputs[2] = {memfd_create("stdout", 0), memfd_create("stderr", 0)};
    pid_t pid = fork();

    *ret = (struct record_result){0};
    if (pid == 0)
        run_child(o, outputs);
    ret->verdict = wait_child(o, pid, &ret->status);
    for (int i = 0; i < 2; i++) {
        read_output(outputs[i], &ret->output[i], &ret->output_length[i]);
        close(outputs[i]);
    }
    ret->learned.ticks = 1000;
    ret->statistics.schedule_digest = o->seed;
    ret->statistics.output_digest = bytes_hash(ret->output[0], ret->output_length[0], 0);
    if (WIFEXITED(ret->status)) {
        switch (WEXITSTATUS(ret->status)) {
        case FAKE_DEADLOCK:
            ret->verdict = RECORD_VERDICT_DEADLOCK;
            ret->message = strdup("2 tasks wait for ever\ntask 1: futex\ntask 2: futex");
            break;
        case FAKE_UNSUPPORTED:
            ret->verdict = RECORD_VERDICT_UNSUPPORTED;
            ret->message = strdup("userfaultfd(0) is not modelled");
            break;
        case FAKE_DEATH:
            raise(SIGKILL);
            break;
        case FAKE_MACHINE:
            record_result_done(ret);
            return rr_error_set(error, -EPERM, "ptrace is not permitted here");
        }
    }
    return o->no_trace ? 0 : make_trace(ret, error);
}

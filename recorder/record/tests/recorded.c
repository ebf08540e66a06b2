/* Runs for tests. */
#include "recorder/record/tests/recorded.h"

#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/bytes.h"

static const char *cache = TEST_BUILD_DIRECTORY "/cache";
static char *const plain_environment[] = {"PATH=/usr/bin:/bin", NULL};

void recorded_cache(const char *directory)
{
    cache = directory;
}

static cpu_set_t allowed(void)
{
    static cpu_set_t first;
    static int known;

    if (!known) {
        sched_getaffinity(0, sizeof(first), &first);
        known = 1;
    }
    return first;
}

int recorded_cpu_count(void)
{
    cpu_set_t set = allowed();

    return CPU_COUNT(&set);
}

void recorded_use_cpu(int index)
{
    cpu_set_t all = allowed(), one;

    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && index-- == 0)
            CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 1)
        sched_setaffinity(0, sizeof(one), &one);
}

static void make_arguments(const struct recorded *what, char path[512], char *argv[3])
{
    snprintf(path, 512, "%s/%s", TEST_BUILD_DIRECTORY, what->program);
    argv[0] = path;
    argv[1] = (char *)(uintptr_t)what->argument;
    argv[2] = NULL;
}

void recorded_run(const struct recorded *what, struct record_result *ret)
{
    char path[512], *argv[3];
    struct rr_error error = {0};
    struct record_options options = {
        .argv = argv,
        .environment = what->environment ? what->environment : plain_environment,
        .stdin_fd = -1,
        .stdout_fd = memfd_create("output", MFD_CLOEXEC),
        .stderr_fd = 2,
        .seed = what->seed,
        .strategy = what->strategy,
        .timeout_ns = 60000000000ull,
        .image_cache = cache,
        .guards_off = what->guards_off,
    };
    int result;

    make_arguments(what, path, argv);
    if (what->argv)
        options.argv = what->argv;
    options.trace_directory = what->trace;
    options.no_trace = !what->trace;
    recorded_use_cpu(what->cpu);
    result = record_run(&options, ret, &error);
    close(options.stdout_fd);
    if (result == -EPERM || result == -ENOSYS) {
        fprintf(stderr, "skipped: %s\n", error.message);
        exit(77);
    }
    if (result) {
        fprintf(stderr, "%s: %s\n", path, error.message);
        exit(99);
    }
}

char *recorded_natively(const struct recorded *what, int *ret_status)
{
    char path[512], *argv[3];
    posix_spawn_file_actions_t actions;
    struct bytes output;
    int out[2];
    pid_t pid;

    make_arguments(what, path, argv);
    if (pipe(out) < 0)
        exit(99);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    posix_spawn_file_actions_addclose(&actions, out[1]);
    if (posix_spawn(&pid, path, &actions, NULL, argv,
                    what->environment ? what->environment : plain_environment) != 0)
        exit(99);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    bytes_init(&output);
    for (;;) {
        ssize_t n = read(out[0], bytes_extend(&output, 4096), 4096);

        output.length -= 4096 - (n > 0 ? (size_t)n : 0);
        if (n <= 0)
            break;
    }
    close(out[0]);
    waitpid(pid, ret_status, 0);
    bytes_append(&output, "", 1);
    return (char *)output.data;
}

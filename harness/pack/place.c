/* The private directory of an unpacked trace, and the process that removes it. That is a process
 * and not a handler: the command may be killed by SIGPIPE (`rrtest dump F.rrt | head`) or SIGKILL.
 * It is no child of ours, for replay waits for its children; it ends when the pipe from us does. */
#include "harness/pack/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/pack/pack.h"
#include "recorder/base/file.h"
#include "recorder/trace/output.h"

/* ---- the process that tidies up ---- */

/* alive ends when the command does; gone is closed by our own end. Nothing else stays open, so that
 * nobody waits for an output that we inherited. */
static void tidy(const char *path, int alive, int gone)
{
    ssize_t n;
    char byte;

    setsid(); /* the terminal's signals are for the command */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, "rrtest-tidy");
    alive = fcntl(alive, F_DUPFD, 3); /* out of the way of each other's final numbers */
    gone = fcntl(gone, F_DUPFD, 3);
    if (alive < 0 || gone < 0 || dup2(alive, 0) < 0 || dup2(gone, 1) < 0 || chdir("/") < 0)
        _exit(1);
    close_range(2, ~0u, 0);
    do
        n = read(0, &byte, 1);
    while (n < 0 && errno == EINTR);
    output_remove(path);
    _exit(0);
}

static int start_tidying(const char *path, struct pack_place *place)
{
    int alive[2], gone[2];
    pid_t pid;

    if (pipe2(alive, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(gone, O_CLOEXEC) < 0) {
        close_fd(&alive[0]);
        close_fd(&alive[1]);
        return -errno;
    }
    place->alive = alive[1];
    place->gone = gone[0];
    pid = fork();
    if (pid == 0) {
        close_fd(&alive[1]);
        close_fd(&gone[0]);
        if (fork() != 0)
            _exit(0); /* its parent is init now; without it, tidying is left to pack_place_done() */
        tidy(path, alive[0], gone[1]);
    }
    close_fd(&alive[0]);
    close_fd(&gone[1]);
    if (pid < 0)
        return -errno;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* ---- the place ---- */

static int make_private(char **ret, struct rr_error *error)
{
    const char *base = getenv("TMPDIR");
    char *path, *real;

    if (!base || !*base)
        base = "/tmp";
    if (asprintf(&path, "%s/rrtest-XXXXXX", base) < 0)
        return rr_error_set(error, -ENOMEM, "out of memory");
    if (!mkdtemp(path)) {
        rr_error_set(error, -errno,
                     "cannot make a directory in %s to unpack the trace: %s; set TMPDIR", base,
                     strerror(errno));
        free(path);
        return error->code;
    }
    real = realpath(path, NULL);
    if (!real) {
        rr_error_set(error, -errno, "%s: %s", path, strerror(errno));
        rmdir(path);
        free(path);
        return error->code;
    }
    free(path);
    *ret = real;
    return 0;
}

int pack_place_open(const char *path, struct pack_place *ret, struct rr_error *error)
{
    struct pack_place place = {.alive = -1, .gone = -1};
    cleanup_fd int fd = -1;
    int result;

    if (!pack_is_file(path)) {
        place.path = strdup(path);
        if (!place.path)
            return rr_error_set(error, -ENOMEM, "out of memory");
        *ret = place;
        return 0;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rr_error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
    result = make_private(&place.path, error);
    if (result)
        return result;
    result = start_tidying(place.path, &place);
    if (result)
        rr_error_set(error, result, "cannot start a process to unpack %s: %s", path,
                     strerror(-result));
    else
        result = pack_extract(fd, path, place.path, error);
    if (result) {
        if (place.alive < 0)
            rmdir(place.path);
        pack_place_done(&place);
        return result;
    }
    *ret = place;
    return 0;
}

void pack_place_done(struct pack_place *place)
{
    if (place->alive >= 0) {
        ssize_t n;
        char byte;

        close_fd(&place->alive);
        do
            n = read(place->gone, &byte, 1);
        while (n < 0 && errno == EINTR);
        close_fd(&place->gone);
        output_remove(place->path); /* nothing is left of it, unless the process was killed */
    }
    free(place->path);
    place->path = NULL;
}

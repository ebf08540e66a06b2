/* Test harness: run a program with rewritten images, without the recorder. Every process of the
 * run gets a private recorder page with counters, a minimal blob that only counts traps and goes
 * on, and the overlays of every file it maps executable. */
#ifndef RECORDER_IMAGES_TESTS_LAUNCH_H
#define RECORDER_IMAGES_TESTS_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

struct launch {
    const char *const *argv;        /* argv[0] is a path */
    const char *const *environment; /* extra NAME=value strings, NULL-terminated; may be NULL */
    const char *input;              /* file for stdin; NULL: /dev/null */
    const char *cache;              /* image cache directory; NULL: rewrite anew */
    bool native;                    /* do not rewrite anything */
    bool discard;                   /* stdout goes to /dev/null instead of `output` */
    bool silent;                    /* so does stderr, instead of ours */
    int64_t period;                 /* ticks between traps; 0: never trap */
    uint64_t steps;                 /* single-step so many instructions of the first process, from
                                     * its first trap on, and look at each */
};

/* What single-stepping found. */
struct launch_steps {
    uint64_t count;     /* instructions executed */
    uint64_t interiors; /* of them, inside a window but not at its start */
    uint64_t most_hits; /* of one instruction within one tick */
    uint64_t over;      /* instructions that reached more than LAUNCH_HITS within one tick */
    char worst[256];    /* the instruction of most_hits: file and ELF address */
};
#define LAUNCH_HITS 64

struct launch_result {
    int status;          /* as waitpid gives it, of the first process */
    struct bytes output; /* its stdout; the caller ends it with bytes_done() */
    uint64_t ticks;      /* of all processes that exited, less what exec threw away */
    uint64_t atomics;
    uint64_t traps;
    uint64_t images;    /* mapped */
    uint64_t conflicts; /* images left alone because something was in the stub area's place */
    struct launch_steps steps;
    double user_seconds; /* CPU time of the first process and its waited-for children */
    double total_seconds;
};

/* 0 or negative errno (-EPERM: no ptrace here). */
int launch_run(const struct launch *launch, struct launch_result *ret);

#endif

/* Where a stopped task will come to, as far as its code tells without being executed: for walks
 * (walk.h). Reads the tracee, never changes it. */
#ifndef RECORDER_RECORD_PATH_H
#define RECORDER_RECORD_PATH_H

#include "recorder/record/session.h"

#define PATH_RETURNS_MAX 16
#define PATH_CODE_MAX 256
#define PATH_FAN_MAX 3 /* int3 behind branches: each costs a fourth of a stop */

/* A way that is known, from a stopped task on. */
struct path {
    const struct task *t;
    struct sched_slice place; /* what is left of it at `at` */
    uint32_t left;            /* instructions until any place will do */
    uint64_t at;
    bool here;    /* the task stands there */
    bool counted; /* `place` counts it already */
    struct {
        uint64_t address; /* what the rest is about */
        bool exact;       /* as of traps_original_ip() */
        bool own;
        bool enters_blob;
    } spot;
    uint64_t returns[PATH_RETURNS_MAX];
    size_t depth;
    uint64_t code_start;
    size_t code_length;
    uint8_t code[PATH_CODE_MAX];
};

enum path_way {
    PATH_KNOWN,
    PATH_BRANCH,    /* the registers there decide between two */
    PATH_REGISTERS, /* they decide: the task has to come here first */
    PATH_STEP,      /* one single step shows it */
    PATH_SEEK,      /* through a library to the program's own code */
    PATH_END,       /* the place is here */
};

/* The ways from a path's end at a branch on. */
struct path_fan {
    struct path path[PATH_FAN_MAX];
    enum path_way way[PATH_FAN_MAX];
    size_t count;
};

/* Is the address in the program's own code, its stubs included? */
bool path_is_own(const struct task *t, uint64_t address);
/* Follow the code from p->at to where a way other than PATH_KNOWN begins: p->at is there then. */
enum path_way path_follow(struct path *p);
/* f holds one path and its way. Both ways on from every branch, while there is room: a stop costs
 * more than several int3. */
void path_spread(struct path_fan *f);

#endif

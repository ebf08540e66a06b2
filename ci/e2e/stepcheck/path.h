/* The path of one task between two ticks: how often each instruction was executed, and whether the
 * path holds a cycle of the control flow. Pure.
 *
 * A position is an instruction together with the calls that are open, named by their call sites.
 * The path holds a cycle when
 *   - it comes to one position twice: a loop of jumps, or of calls that returned (two calls of a
 * leaf function from different sites, or from one site reached with other calls open, are different
 * positions);
 *   - or a call site is open twice and both calls were made on the path: recursion.
 * A path with neither is a walk through finitely much code, however often a shared leaf is on it.
 * Signal frames are no control flow of the program's: each is a call site of its own. */
#ifndef CI_E2E_STEPCHECK_PATH_H
#define CI_E2E_STEPCHECK_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct path;

enum path_kind {
    PATH_OTHER,
    PATH_CALL,
    PATH_RETURN,
    PATH_INDIRECT_JUMP, /* also how a longjmp ends */
    PATH_SIGNAL_RETURN, /* the system call */
};

/* An instruction about to be executed. */
struct path_step {
    uint64_t ip;
    uint64_t sp;
    enum path_kind kind;
    uint64_t ticks;
    bool resumed; /* after a stop: another stack pointer than expected means a signal frame */
};

enum path_judgement {
    PATH_GOOD,
    PATH_OFTEN, /* more than PATH_HITS_MAX times, and the path between the hits has no cycle */
    PATH_CYCLE, /* more than PATH_HITS_MAX times, with a cycle */
};

#define PATH_HITS_MAX 64

struct path *path_new(void);
void path_free(struct path *path);
/* The task has another program now. */
void path_reset(struct path *path);
enum path_judgement path_look(struct path *path, const struct path_step *step);
/* How often the last step's instruction was executed since the tick. */
uint32_t path_hits(const struct path *path);
/* Did the last step come to a position it had been at, or open a call site again, in the same tick?
 */
bool path_repeats(const struct path *path);
/* The instructions of the cycle found last, oldest first; recursion: from the outer call on.
 * Returns the count, writes at most `max`. */
size_t path_cycle(const struct path *path, uint64_t *ret, size_t max);

#endif

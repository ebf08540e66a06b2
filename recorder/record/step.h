/* A debug hook: executes a part of a run one instruction at a time and shows each to an observer,
 * while everything else of the run goes on as usual. For tests of the rewriter; no ordinary run
 * uses it. */
#ifndef RECORDER_RECORD_STEP_H
#define RECORDER_RECORD_STEP_H

#include "recorder/record/session.h"

enum step_kind {
    STEP_OTHER,
    STEP_CALL,
    STEP_RETURN,
    STEP_INDIRECT_JUMP,
    STEP_REPEATED, /* a string instruction with a REP prefix: one step, whatever its count */
    STEP_SYSTEM_CALL,
    STEP_TRAP, /* int3 */
    STEP_PUSH_FLAGS,
};

/* What t->regs.rip is about to execute. */
struct step {
    enum step_kind kind;
    uint64_t ticks; /* of the task, since its birth */
    bool resumed;   /* first one after a stop: the recorder may have set other registers */
};

struct record_stepper {
    uint64_t start_ticks; /* of the whole run: stepping starts when it has made so many */
    uint64_t steps;       /* and ends after so many instructions */
    void (*look)(void *context, struct session *s, struct task *t, const struct step *step);
    void *context;
    uint64_t done;    /* steps made */
    bool interrupted; /* the last step_next() returned -EINTR: nothing has happened since */
};

/* Is t to be resumed by step_next()? If not yet, its counter is loaded such that it traps in time.
 */
bool step_due(struct session *s, struct task *t);
/* Step t, whose registers are in the tracee, until a stop that is not a step's: as wait_next().
 * -EINTR: the recorder's timer went off; call again. 0: all steps are made and t runs freely. */
int step_next(struct session *s, struct task *t, struct stop *ret);

/* The kind of the instruction whose first bytes these are. */
enum step_kind step_kind_of(const uint8_t *code, size_t length, size_t *ret_length);

#endif

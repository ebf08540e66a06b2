/* Ceilings of a run: memory, processes, tasks; and what keeps the recorder out of trouble that the
 * program makes: the kernel's choice when memory runs out, core files, descriptors. */
#ifndef RECORDER_RECORD_LIMITS_H
#define RECORDER_RECORD_LIMITS_H

#include "recorder/record/session.h"

#define LIMITS_TASKS_MAX 4096 /* a decision looks at so many */

/* Before the run: the recorder may hold as many descriptors as the system lets it (a parked call
 * holds one or two); the program gets what the recorder had (child.c). limits_end() undoes it. */
void limits_begin(struct session *s);
void limits_end(struct session *s);

/* The program has been executed: when memory runs out, it is killed, and never the recorder. */
void limits_started(struct session *s);

/* Is the run over its memory? now: CLOCK_MONOTONIC, ns. Looks at most every 10 ms, and spends at
 * most a twentieth of the time on it, so this may be asked at every turn. When true, *ret_headline
 * (malloced) says how much of what; nothing was ended. */
bool limits_over_memory(struct session *s, uint64_t now, char **ret_headline);

/* May t make another task with these clone flags? If not, the run has ended with
 * RECORD_VERDICT_LIMIT: the same clone in every run with the same seed. */
bool limits_allow_task(struct session *s, const struct task *t, uint64_t clone_flags);

/* t's process died by a SIGKILL that nobody of the run sent: if the kernel has killed for lack of
 * memory meanwhile, the run ends with RECORD_VERDICT_LIMIT. */
void limits_killed_from_outside(struct session *s, const struct task *t);

/* The program's own limits on descriptors and address space do not hold for what the recorder makes
 * in t's process: lifted before, put back after. Without the right to raise them (they were lowered
 * for good, and we are not root) they stay as they are. */
struct limits_lifted {
    struct rlimit old[2];
    bool changed[2];
};
void limits_lift(const struct task *t, struct limits_lifted *ret);
void limits_put_back(const struct task *t, const struct limits_lifted *lifted);
/* "its RLIMIT_AS of 1048576 leaves rrtest's own no room", if such a limit is low; else "". */
void limits_describe(const struct task *t, char *text, size_t size);

/* t's process is about to die with a core: it shall not write one. The trace has more, and hundreds
 * of runs would leave hundreds of them. */
void limits_no_core(const struct task *t);

#endif

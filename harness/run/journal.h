/* The journal of a session, OUT/session.journal: what lets --resume go on after an interruption,
 * SIGKILL included, with nothing lost and nothing made twice but the runs that were in flight.
 *
 * The counts of all tests are a mapped part of the file, of fixed size: passing runs append
 * nothing. Failing runs' reports are appended behind it. Only the same rrtest reads it. One session
 * at a time uses a folder: the journal is locked (flock(2)) as long as it is open. */
#ifndef HARNESS_RUN_JOURNAL_H
#define HARNESS_RUN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/run/message.h"
#include "harness/run/progress.h"
#include "recorder/base/error.h"

#define JOURNAL_NAME "session.journal"
#define JOURNAL_OPTIONS_MAX 2048

struct journal;

/* What a session is: only one that is the same is resumed. */
struct journal_identity {
    uint64_t suite;      /* digest of the suite's text, or of the hunted command */
    uint64_t seed;       /* of the session */
    bool has_seed;       /* the user asked for that one */
    size_t test_count;   /* of the suite */
    const char *options; /* those that decide what is run, as text for people */
};

/* Start a journal in the folder, making it if need be. *ret_left (may be NULL): an interrupted
 * session's journal was there and is gone. -EBUSY: another session uses the folder (the error
 * names its pid); other errors name the file. */
int journal_create(const char *folder, const struct journal_identity *identity,
                   struct journal **ret, bool *ret_left, struct rr_error *error);

/* Go on with the folder's. -ENOENT: there is none to go on with; -EINVAL: it is damaged, or of
 * another suite, other options or another rrtest, and the error says what differs; -EBUSY as above.
 */
int journal_resume(const char *folder, const struct journal_identity *identity,
                   struct journal **ret, struct rr_error *error);

/* Mapped; one per test of the suite. Lives until journal_close(). */
struct progress *journal_progress(struct journal *journal);
uint64_t journal_seed(const struct journal *journal);
uint64_t journal_started_unix_ns(const struct journal *journal);
/* What the sessions before this one took together, and adding this one's. */
uint64_t journal_wall_ns(const struct journal *journal);
void journal_set_wall_ns(struct journal *journal, uint64_t wall_ns);
/* For workers to close after fork: the lock must not outlive the parent. */
int journal_fd(const struct journal *journal);

/* Append a failing run's report, or a teardown's; to be done before its counts are set. 0 or
 * negative errno (a full disk): the failure is then known until the session ends. */
int journal_append(struct journal *journal, const struct report *report);
/* Call `each` with every whole report in the file, in the order they were appended; one for which
 * it returns false is not told again. A last one that was cut by the interruption is dropped from
 * the file. */
int journal_replay(struct journal *journal, bool (*each)(void *context, const struct report *),
                   void *context, struct rr_error *error);

/* remove: the session is finished, the file goes. NULL is fine. */
void journal_close(struct journal *journal, bool remove);

#endif

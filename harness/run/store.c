/* The order of things matters here: a failure is in the journal before it counts, results are on
 * disk before the journal goes. */
#include "harness/run/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/run/identity.h"
#include "harness/run/keep.h"
#include "harness/run/quota.h"
#include "recorder/base/text.h"
#include "reports/json.h"
#include "reports/report.h"

static uint64_t now_unix_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void note(struct store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct store *store, const char *format, ...)
{
    va_list args;

    free(store->note);
    va_start(args, format);
    store->note = text_make_list(format, args);
    va_end(args);
}

/* Memory of our own, where no journal is wanted or can be had. */
static void without_journal(struct store *store)
{
    size_t count = store->suite->count ? store->suite->count : 1;

    store->progress = calloc(count, sizeof(*store->progress));
    if (!store->progress)
        abort();
    store->owns_progress = true;
}

static int resume(struct store *store, const struct journal_identity *identity,
                  struct run_options *options, struct rr_error *error)
{
    int code = journal_resume(options->out, identity, &store->journal, error);

    if (code == -ENOENT) {
        note(store, "there is no interrupted session in %s to go on with: starting anew",
             options->out);
        return 0;
    }
    if (code == 0)
        options->seed = journal_seed(store->journal);
    return code;
}

static int open_journal(struct store *store, struct run_options *options, struct rr_error *error)
{
    struct journal_identity identity = {
        .suite = identity_suite(store->suite),
        .seed = options->seed,
        .has_seed = options->has_seed,
        .test_count = store->suite->count,
    };
    struct bytes text;
    bool left = false;
    int code = 0;

    bytes_init(&text);
    identity_options(options, &text);
    bytes_append(&text, "", 1);
    identity.options = (const char *)text.data;
    if (options->resume)
        code = resume(store, &identity, options, error);
    if (code == 0 && !store->journal) {
        code = journal_create(options->out, &identity, &store->journal, &left, error);
        if (code == 0 && left)
            note(store,
                 "an interrupted session in %s was discarded; --resume would have gone on with it",
                 options->out);
        if (code && code != -EBUSY) {
            note(store, "%s: this session cannot be resumed", error->message);
            code = 0;
        }
    }
    bytes_done(&text);
    return code;
}

int store_open(struct store *store, const struct suite *suite, struct run_options *options,
               struct rr_error *error)
{
    int code = 0;

    *store = (struct store){.options = options, .suite = suite, .started_unix_ns = now_unix_ns()};
    if (options->keep != RUN_KEEP_NONE)
        code = open_journal(store, options, error);
    if (code) {
        free(store->note);
        return code;
    }
    if (store->journal) {
        for (size_t i = 0; i < suite->count; i++)
            keep_mend(options, &suite->tests[i]);
        store->progress = journal_progress(store->journal);
        store->started_unix_ns = journal_started_unix_ns(store->journal);
    } else {
        without_journal(store);
    }
    return 0;
}

static bool restore_one(void *context, const struct report *report)
{
    return schedule_restore(context, report);
}

void store_restore(struct store *store, struct schedule *schedule)
{
    struct rr_error ignored; /* what cannot be cut off is overwritten */

    if (!store->journal)
        return;
    journal_replay(store->journal, restore_one, schedule, &ignored);
    for (size_t i = 0; i < schedule->count; i++) {
        const struct failures *failures = &schedule->tests[i].failures;

        for (size_t j = 0; j < failures->count; j++)
            for (size_t k = 0; k < failures->groups[j].trace_count; k++)
                store->kept_bytes += failures->groups[j].traces[k].bytes;
    }
}

/* Set-ups are made again when a session is gone on with; teardowns of finished tests are not. */
static bool is_to_last(const struct schedule *schedule, const struct report *report)
{
    if (report->job.kind == JOB_TEARDOWN)
        return report->outcome == OUTCOME_ERROR;
    return report->outcome != OUTCOME_PASS && schedule_counts(schedule, report);
}

/* Only the first run of a kind is told in full, so only its texts are kept: a test that fails in
 * half of a million runs must not fill the disk. */
int store_failure(struct store *store, const struct schedule *schedule, const struct report *report,
                  struct rr_error *error)
{
    const struct test_state *state = &schedule->tests[report->job.test];
    struct report *brief;
    int code;

    if (!store->journal || !is_to_last(schedule, report))
        return 0;
    if (failures_wants_text(&state->failures, report)) {
        code = journal_append(store->journal, report);
    } else {
        brief = malloc(sizeof(*brief));
        if (!brief)
            abort();
        memcpy(brief, report, offsetof(struct report, text));
        memset(brief->length, 0, sizeof(brief->length));
        code = journal_append(store->journal, brief);
        free(brief);
    }
    return code ? rr_error_set(error, code,
                               "cannot write the journal in %s: %s; this session cannot be resumed "
                               "without loss",
                               store->options->out, strerror(-code))
                : 0;
}

/* --- the quota of kept traces --------------------------------------------------------------------
 */

/* Where each trace of the list given to quota_apply() is booked. */
struct booking {
    struct failure_group *group; /* NULL: a passing run's */
    size_t index;                /* in the group's traces, or in passes */
};

struct inventory {
    struct quota_trace *traces;
    struct booking *bookings;
    size_t count;
};

static void inventory_add(struct inventory *list, struct quota_trace trace, struct booking booking)
{
    list->traces = realloc(list->traces, (list->count + 1) * sizeof(*list->traces));
    list->bookings = realloc(list->bookings, (list->count + 1) * sizeof(*list->bookings));
    if (!list->traces || !list->bookings)
        abort();
    list->traces[list->count] = trace;
    list->bookings[list->count++] = booking;
}

static void inventory_done(struct inventory *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->bookings[i].group) {
            free((char *)(uintptr_t)list->traces[i].path);
            free((char *)(uintptr_t)list->traces[i].signature);
        }
    }
    free(list->traces);
    free(list->bookings);
}

static void add_groups(struct inventory *list, const struct store *store,
                       const struct test_state *state)
{
    for (size_t i = 0; i < state->failures.count; i++) {
        struct failure_group *group = &state->failures.groups[i];

        for (size_t j = 0; j < group->trace_count; j++) {
            struct quota_trace trace = {
                .path = keep_path(store->options, state->test, &group->traces[j].job),
                .bytes = group->traces[j].bytes,
                .time = group->traces[j].job.serial,
            };
            char *signature;

            signature = text_make("%s %" PRIx64, state->test->name, group->signature);
            trace.signature = signature;
            inventory_add(list, trace, (struct booking){.group = group, .index = j});
        }
    }
}

/* The books after the removal; from the end, so that indices hold. */
static void cross_off(struct store *store, struct inventory *list, const bool *removed)
{
    store->kept_bytes = 0;
    for (size_t i = list->count; i-- > 0;) {
        struct booking *booking = &list->bookings[i];

        if (!removed[i]) {
            store->kept_bytes += list->traces[i].bytes;
        } else if (booking->group) {
            struct failure_group *group = booking->group;

            group->trace_count--;
            memmove(&group->traces[booking->index], &group->traces[booking->index + 1],
                    (group->trace_count - booking->index) * sizeof(group->traces[0]));
        } else {
            struct store_pass *pass = &store->passes[booking->index];

            free(pass->path);
            pass->path = NULL;
        }
    }
}

static void add_pass(struct store *store, const struct suite_test *test,
                     const struct report *report)
{
    store->passes = realloc(store->passes, (store->pass_count + 1) * sizeof(*store->passes));
    if (!store->passes)
        abort();
    store->passes[store->pass_count++] = (struct store_pass){
        .path = keep_path(store->options, test, &report->job),
        .bytes = report->kept_bytes,
        .serial = report->job.serial,
    };
}

int store_enforce_quota(struct store *store, struct schedule *schedule, const struct report *report,
                        struct rr_error *error)
{
    struct inventory list = {0};
    uint64_t stay;
    bool *removed;
    int code;

    store->kept_bytes += report->kept_bytes;
    if (report->outcome == OUTCOME_PASS)
        add_pass(store, schedule->tests[report->job.test].test, report);
    if (!store->options->trace_quota || store->kept_bytes <= store->options->trace_quota)
        return 0;
    for (size_t i = 0; i < schedule->count; i++)
        add_groups(&list, store, &schedule->tests[i]);
    for (size_t i = 0; i < store->pass_count; i++) {
        struct store_pass *pass = &store->passes[i];

        if (pass->path)
            inventory_add(&list,
                          (struct quota_trace){.path = pass->path,
                                               .bytes = pass->bytes,
                                               .is_pass = true,
                                               .time = pass->serial},
                          (struct booking){.index = i});
    }
    removed = calloc(list.count + 1, sizeof(*removed));
    if (!removed)
        abort();
    code = quota_apply(list.traces, list.count, store->options->trace_quota, removed, &stay, error);
    cross_off(store, &list, removed);
    free(removed);
    inventory_done(&list);
    return code;
}

/* --- the end -------------------------------------------------------------------------------------
 */

uint64_t store_started_unix_ns(const struct store *store)
{
    return store->started_unix_ns;
}

uint64_t store_wall_ns(const struct store *store)
{
    return store->journal ? journal_wall_ns(store->journal) : 0;
}

static bool all_passed(const struct report_session *session)
{
    for (size_t i = 0; i < session->count; i++) {
        if (session->tests[i].failure_count)
            return false;
    }
    return !session->unfinished;
}

/* A session of which all is said with its exit status leaves nothing behind; but an earlier one's
 * results must not stay as if they were its own. */
static bool is_worth_a_file(const struct store *store, const struct report_session *session,
                            const char *path)
{
    if (store->options->shard.count > 1)
        return true;
    if (store->options->keep == RUN_KEEP_NONE)
        return false;
    return !all_passed(session) || access(path, F_OK) == 0;
}

static int write_results(const struct report_session *session, const char *path,
                         struct rr_error *error)
{
    struct bytes text;
    int code;

    bytes_init(&text);
    code = report_json_write(session, &text);
    if (code)
        rr_error_set(error, code, "cannot put the results into %s: %s", path, strerror(-code));
    else
        code = report_write_file(path, &text, error);
    bytes_done(&text);
    return code;
}

int store_finish(struct store *store, const struct report_session *session, uint64_t wall_ns,
                 struct rr_error *error)
{
    char *path;
    int code = 0;

    path = text_make("%s/" STORE_RESULTS, store->options->out);
    if (is_worth_a_file(store, session, path))
        code = write_results(session, path, error);
    free(path);
    if (store->journal && session->unfinished)
        journal_set_wall_ns(store->journal, wall_ns);
    if (store->journal && !session->unfinished && code == 0) {
        journal_close(store->journal, true);
        store->journal = NULL;
        rmdir(store->options->out); /* fails, as it should, unless empty */
    }
    return code;
}

void store_close(struct store *store)
{
    journal_close(store->journal, false);
    if (store->owns_progress)
        free(store->progress);
    for (size_t i = 0; i < store->pass_count; i++)
        free(store->passes[i].path);
    free(store->passes);
    free(store->note);
}

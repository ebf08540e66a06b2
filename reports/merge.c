/* Nothing is copied: strings and arrays move from the parts to the whole. */
#include "reports/merge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/model.h"
#include "reports/rate.h"
#include "reports/text.h"

#define MISSING_NAMED_MAX 10

static int check_texts(const char *what, const char *first, const char *other,
                       const char *const *names, size_t at, struct rr_error *error)
{
    if (strcmp(first, other) == 0)
        return 0;
    return rr_error_set(error, -EINVAL, "%s and %s do not belong together: %s is '%s' and '%s'",
                        names[0], names[at], what, first, other);
}

static int check_numbers(const char *what, uint64_t first, uint64_t other, const char *const *names,
                         size_t at, struct rr_error *error)
{
    if (first == other)
        return 0;
    return rr_error_set(error, -EINVAL,
                        "%s and %s do not belong together: %s is %" PRIu64 " and %" PRIu64,
                        names[0], names[at], what, first, other);
}

static int check_part(const struct report_session *parts, const char *const *names, size_t at,
                      struct rr_error *error)
{
    const struct report_session *first = &parts[0];
    const struct report_session *part = &parts[at];
    int code = check_texts("the suite", first->suite, part->suite, names, at, error);

    if (!code)
        code = check_numbers("the seed", first->seed, part->seed, names, at, error);
    if (!code)
        code = check_texts("rrtest's version", first->version, part->version, names, at, error);
    if (!code)
        code = check_numbers("the number of shards", first->shard.count, part->shard.count, names,
                             at, error);
    for (size_t i = 0; i < at && !code; i++)
        if (parts[i].shard.index == part->shard.index)
            code = rr_error_set(error, -EINVAL, "%s and %s are both shard %u of %u: leave one out",
                                names[i], names[at], part->shard.index, part->shard.count);
    return code;
}

size_t report_missing_shards(const struct report_session *parts, size_t count)
{
    return parts[0].shard.count > count ? parts[0].shard.count - count : 0;
}

static bool has_shard(const struct report_session *parts, size_t count, uint32_t index)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].shard.index == index)
            return true;
    return false;
}

/* "shards 2 and 4 of 5 are missing"; at most MISSING_NAMED_MAX are named. */
static char *describe_missing(const struct report_session *parts, size_t count)
{
    size_t missing = report_missing_shards(parts, count);
    size_t named = 0;
    struct bytes out;

    bytes_init(&out);
    text_format(&out, "shard%s", missing == 1 ? "" : "s");
    for (uint32_t index = 1; named < missing && named < MISSING_NAMED_MAX; index++) {
        if (has_shard(parts, count, index))
            continue;
        if (named > 0)
            text_append(&out, named + 1 == missing ? " and" : ",");
        text_format(&out, " %u", index);
        named++;
    }
    if (named < missing)
        text_format(&out, " and %zu more", missing - named);
    text_format(&out, " of %u %s missing", parts[0].shard.count, missing == 1 ? "is" : "are");
    return text_take(&out);
}

static void swap_failures(struct report_failure *a, struct report_failure *b)
{
    struct report_failure old = *a;

    *a = *b;
    *b = old;
}

static void swap_traces(struct report_failure *a, struct report_failure *b)
{
    struct report_failure old = *a;

    a->trace = b->trace;
    a->trace_seed = b->trace_seed;
    a->trace_bytes = b->trace_bytes;
    a->replay = b->replay;
    b->trace = old.trace;
    b->trace_seed = old.trace_seed;
    b->trace_bytes = old.trace_bytes;
    b->replay = old.replay;
}

/* `other` fails alike: what it adds goes into `into`, the rest is freed. */
static void join_failures(struct report_failure *into, struct report_failure *other)
{
    bool other_has_smaller;

    if (into->first_run == 0) /* once, as in a session in one place */
        other->count = 0;
    if (other->first_run < into->first_run) {
        uint64_t count = into->count;

        swap_failures(into, other);
        into->count += count;
    } else {
        into->count += other->count;
    }
    other_has_smaller = other->trace && (!into->trace || other->trace_bytes < into->trace_bytes);
    if (other_has_smaller)
        swap_traces(into, other);
    report_failure_done(other);
}

static struct report_failure *failure_with(struct report_test *test, const char *signature)
{
    for (size_t i = 0; i < test->failure_count; i++)
        if (strcmp(test->failures[i].signature, signature) == 0)
            return &test->failures[i];
    return NULL;
}

static void move_failures(struct report_test *into, struct report_test *other)
{
    struct report_failure *grown;

    if (other->failure_count == 0)
        return;
    grown = realloc(into->failures,
                    (into->failure_count + other->failure_count) * sizeof(*into->failures));
    if (!grown)
        abort();
    into->failures = grown;
    for (size_t i = 0; i < other->failure_count; i++) {
        struct report_failure *same = failure_with(into, other->failures[i].signature);

        if (same) {
            join_failures(same, &other->failures[i]);
        } else {
            into->failures[into->failure_count++] = other->failures[i];
            other->failures[i] = (struct report_failure){0};
        }
    }
    report_sort_failures(into);
}

/* The verdicts in the order in which one outweighs another. */
static int weight(enum report_verdict verdict)
{
    static const int weights[REPORT_VERDICT_COUNT] = {
        [REPORT_FAILED] = 5,     [REPORT_ERROR] = 4,  [REPORT_QUARANTINED] = 3,
        [REPORT_UNFINISHED] = 2, [REPORT_PASSED] = 1, [REPORT_SKIPPED] = 0,
    };

    return weights[verdict];
}

static void take_verdict(struct report_test *into, struct report_test *other)
{
    char *note = into->note;

    into->verdict = other->verdict;
    into->note = other->note;
    other->note = note;
}

/* What a session in one place would have seen: it ends the test at the lowest failing run. Every
 * run below that one was made by one of the shards, unless a shard did not finish. Failures of
 * set-up and teardown are no runs and stand before it. */
static void end_at_first_failure(struct report_test *test)
{
    uint64_t first = report_first_failing_run(test);
    size_t kept = 0;

    if (first == UINT64_MAX)
        return;
    while (test->failures[kept].first_run != first)
        kept++;
    kept++;
    for (size_t i = kept; i < test->failure_count; i++)
        report_failure_done(&test->failures[i]);
    test->failure_count = kept;
    test->failures[kept - 1].count = 1;
    test->failed = 1;
    if (test->runs > first)
        test->runs = first;
    if (test->schedules > test->runs)
        test->schedules = test->runs;
    if (test->outputs > test->runs)
        test->outputs = test->runs;
}

static void join_tests(struct report_test *into, struct report_test *other)
{
    bool keep_going = into->keep_going;
    bool takes = weight(other->verdict) > weight(into->verdict);

    if (!keep_going && into->failure_count > 0 && other->failure_count > 0)
        takes = report_first_failing_run(other) < report_first_failing_run(into);
    if (takes)
        take_verdict(into, other);
    into->counts_are_estimates |=
        other->counts_are_estimates || (into->schedules > 0 && other->schedules > 0);
    into->planned += other->planned;
    into->runs += other->runs;
    into->failed += other->failed;
    into->schedules += other->schedules;
    if (other->outputs > into->outputs)
        into->outputs = other->outputs;
    into->wall_ns += other->wall_ns;
    move_failures(into, other);
    if (!keep_going)
        end_at_first_failure(into);
    rate_of_test(into);
    report_test_done(other);
}

static struct report_test *test_with(struct report_session *session, const char *name)
{
    for (size_t i = 0; i < session->count; i++)
        if (strcmp(session->tests[i].name, name) == 0)
            return &session->tests[i];
    return NULL;
}

static void move_tests(struct report_session *into, struct report_session *part)
{
    struct report_test *grown;
    size_t old = into->count;

    if (part->count == 0)
        return;
    grown = realloc(into->tests, (old + part->count) * sizeof(*into->tests));
    if (!grown)
        abort();
    into->tests = grown;
    for (size_t i = 0; i < part->count; i++) {
        struct report_test *same = test_with(into, part->tests[i].name);

        if (same) {
            join_tests(same, &part->tests[i]);
        } else {
            into->tests[into->count++] = part->tests[i];
            part->tests[i] = (struct report_test){0};
        }
    }
}

static bool has_text(char *const *texts, const char *text)
{
    for (; texts && *texts; texts++)
        if (strcmp(*texts, text) == 0)
            return true;
    return false;
}

static void move_notes(struct report_session *into, struct report_session *part)
{
    for (char **note = part->notes; note && *note; note++) {
        size_t count = 0;

        if (has_text(into->notes, *note)) {
            free(*note);
            continue;
        }
        while (into->notes && into->notes[count])
            count++;
        into->notes = realloc(into->notes, (count + 2) * sizeof(*into->notes));
        if (!into->notes)
            abort();
        into->notes[count] = *note;
        into->notes[count + 1] = NULL;
    }
    free(part->notes);
    part->notes = NULL;
}

/* Add to a text that lists what is true of some shards: "a; b". */
static void add_text(char **into, const char *text)
{
    struct bytes out;

    if (!text || (*into && strstr(*into, text)))
        return;
    bytes_init(&out);
    if (*into && **into)
        text_format(&out, "%s; ", *into);
    text_append(&out, text);
    free(*into);
    *into = text_take(&out);
}

/* The command of a shard makes the whole session if it does not say which shard. */
static char *without_shard(const char *command, const struct report_shard *shard)
{
    char option[48];
    const char *at;
    struct bytes out;

    if (!command)
        return NULL;
    snprintf(option, sizeof(option), " --shard %u/%u", shard->index, shard->count);
    at = strstr(command, option);
    if (!at)
        return NULL;
    bytes_init(&out);
    bytes_append(&out, command, (size_t)(at - command));
    text_append(&out, at + strlen(option));
    return text_take(&out);
}

static void move_session(struct report_session *into, struct report_session *part)
{
    uint64_t end = into->started_unix_ns + into->wall_ns;
    uint64_t part_end = part->started_unix_ns + part->wall_ns;

    if (part_end > end)
        end = part_end;
    if (part->started_unix_ns < into->started_unix_ns)
        into->started_unix_ns = part->started_unix_ns;
    into->wall_ns = end - into->started_unix_ns;
    add_text(&into->machine, part->machine);
    add_text(&into->unfinished, part->unfinished);
    move_notes(into, part);
    move_tests(into, part);
    report_session_done(part);
}

int report_merge(struct report_session *parts, const char *const *names, size_t count,
                 struct report_session *ret, struct rr_error *error)
{
    char *missing = NULL;
    char *command;

    for (size_t i = 1; i < count; i++) {
        int code = check_part(parts, names, i, error);

        if (code)
            return code;
    }
    if (report_missing_shards(parts, count) > 0)
        missing = describe_missing(parts, count);
    *ret = parts[0];
    parts[0] = (struct report_session){0};
    if (ret->shard.count > 1) {
        command = without_shard(ret->reproduce, &ret->shard);
        free(ret->reproduce);
        ret->reproduce = command;
    }
    for (size_t i = 1; i < count; i++)
        move_session(ret, &parts[i]);
    add_text(&ret->unfinished, missing);
    free(missing);
    ret->shard = (struct report_shard){1, 1};
    report_sort_tests(ret);
    return 0;
}

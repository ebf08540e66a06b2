/* Ranks from the last session's results. */
#include "harness/run/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/run/store.h"
#include "recorder/base/text.h"
#include "reports/json.h"
#include "reports/model.h"

enum { RANK_KNOWN, RANK_CHANGED, RANK_FAILED };

struct past {
    const struct schedule *schedule;
    const struct report_session *session;
};

static const struct report_test *find(const struct past *past, const char *name)
{
    for (size_t i = 0; i < past->session->count; i++) {
        if (strcmp(past->session->tests[i].name, name) == 0)
            return &past->session->tests[i];
    }
    return NULL;
}

static bool changed_since(const struct suite_test *test, uint64_t unix_ns)
{
    struct stat status;

    return test->program && stat(test->program, &status) == 0 &&
           (uint64_t)status.st_mtim.tv_sec * 1000000000ull + (uint64_t)status.st_mtim.tv_nsec >=
               unix_ns;
}

static uint64_t rank(const void *context, size_t index)
{
    const struct past *past = context;
    const struct suite_test *test = past->schedule->tests[index].test;
    const struct report_test *last = find(past, test->name);

    if (last && last->failure_count)
        return RANK_FAILED;
    if (!last || last->verdict == REPORT_UNFINISHED ||
        changed_since(test, past->session->started_unix_ns))
        return RANK_CHANGED;
    return RANK_KNOWN;
}

void history_rank(struct schedule *s)
{
    struct report_session session;
    struct past past = {.schedule = s, .session = &session};
    struct rr_error ignored;
    char *path;

    path = text_make("%s/" STORE_RESULTS, s->options->out);
    if (report_json_load(path, &session, &ignored) == 0) {
        schedule_rank(s, rank, &past);
        report_session_done(&session);
    }
    free(path);
}

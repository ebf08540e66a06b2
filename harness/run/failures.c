/* Groups in an array, sorted by their lowest run. */
#include "harness/run/failures.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/keep.h"
#include "recorder/stacks/stacks.h"
#include "reports/text.h"

/* Clean from here on: a program's output has zero bytes, and what follows them counts. */
static char *copy_text(const struct report *report, enum report_part part)
{
    return text_clean(report_part(report, part), report->length[part]);
}

static void drop_text(struct failure_group *group)
{
    free(group->reason);
    free(group->output);
    stacks_done(&group->stacks);
}

static void set_text(struct failure_group *group, const struct report *report)
{
    group->job = report->job;
    group->outcome = report->outcome;
    group->kind = report->failure;
    group->reason = copy_text(report, PART_REASON);
    group->output = copy_text(report, PART_OUTPUT);
    if (stacks_decode(report_part(report, PART_STACKS), report->length[PART_STACKS],
                      &group->stacks))
        group->stacks = (struct stack_list){0};
}

void failures_done(struct failures *f)
{
    for (size_t i = 0; i < f->count; i++)
        drop_text(&f->groups[i]);
    free(f->groups);
    f->groups = NULL;
    f->count = 0;
}

void failures_clear(struct failures *f, const struct run_options *options,
                    const struct suite_test *test, bool remove)
{
    for (size_t i = 0; i < f->count && remove; i++) {
        for (size_t j = 0; j < f->groups[i].trace_count; j++)
            keep_remove(options, test, &f->groups[i].traces[j].job);
    }
    failures_done(f);
}

static struct failure_group *find(const struct failures *f, uint64_t signature)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->groups[i].signature == signature)
            return &f->groups[i];
    }
    return f->count == FAILURE_GROUPS_MAX ? &f->groups[f->count - 1] : NULL;
}

static int compare_groups(const void *a, const void *b)
{
    const struct failure_group *x = a;
    const struct failure_group *y = b;

    return (x->job.run > y->job.run) - (x->job.run < y->job.run);
}

static struct failure_group *make(struct failures *f, uint64_t signature)
{
    f->groups = realloc(f->groups, (f->count + 1) * sizeof(*f->groups));
    if (!f->groups)
        abort();
    f->groups[f->count] = (struct failure_group){.signature = signature};
    return &f->groups[f->count++];
}

static void add_trace(struct failures *f, struct failure_group *group,
                      const struct run_options *options, const struct suite_test *test,
                      const struct report *report, bool remove)
{
    size_t limit = f->trace_limit < FAILURE_TRACES_MAX ? f->trace_limit : FAILURE_TRACES_MAX;
    size_t at = group->trace_count;

    while (at > 0 && group->traces[at - 1].job.run > report->job.run)
        at--;
    if (at > 0 && group->traces[at - 1].job.run == report->job.run)
        return; /* a run that was made again after an interruption */
    memmove(&group->traces[at + 1], &group->traces[at],
            (group->trace_count - at) * sizeof(group->traces[0]));
    group->traces[at] = (struct kept_trace){.job = report->job, .bytes = report->kept_bytes};
    group->trace_count++;
    if (group->trace_count > limit) {
        group->trace_count--;
        if (remove)
            keep_remove(options, test, &group->traces[group->trace_count].job);
    }
}

bool failures_wants_text(const struct failures *f, const struct report *report)
{
    const struct failure_group *group = find(f, report->signature);

    return !group || report->job.run < group->job.run;
}

void failures_add(struct failures *f, const struct run_options *options,
                  const struct suite_test *test, const struct report *report, bool remove)
{
    struct failure_group *group = find(f, report->signature);

    if (!group) {
        group = make(f, report->signature);
        set_text(group, report);
    } else if (report->job.run < group->job.run) {
        drop_text(group);
        set_text(group, report);
    }
    group->count++;
    if (report->kept)
        add_trace(f, group, options, test, report, remove);
    qsort(f->groups, f->count, sizeof(*f->groups), compare_groups);
}

void failures_tell(const struct failures *f, struct job *job)
{
    for (size_t i = 0; i < f->count && job->known_count < JOB_KNOWN_MAX; i++) {
        if (f->groups[i].trace_count >= f->trace_limit)
            job->known[job->known_count++] = f->groups[i].signature;
    }
}

const struct kept_trace *failures_smallest(const struct failure_group *group)
{
    const struct kept_trace *best = NULL;

    for (size_t i = 0; i < group->trace_count; i++) {
        if (!best || group->traces[i].bytes < best->bytes)
            best = &group->traces[i];
    }
    return best;
}

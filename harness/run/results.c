/* Fills the model in; every text that comes from outside is cleaned on its way. */
#include "harness/run/results.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/run/keep.h"
#include "harness/run/remedy.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"
#include "reports/model.h"
#include "reports/rate.h"
#include "reports/text.h"

#define WAITS_TOLD 2
#define LINE_TOLD 100

static char *clean(const char *text)
{
    return text ? text_clean(text, strlen(text)) : NULL;
}

static char *clean_and_free(char *text)
{
    char *cleaned = clean(text);

    free(text);
    return cleaned;
}

static char **clean_list(char *const *texts, size_t count)
{
    char **list = calloc(count + 1, sizeof(*list));

    if (!list)
        abort();
    for (size_t i = 0; i < count; i++)
        list[i] = clean(texts[i]);
    return list;
}

/* --- a failure -----------------------------------------------------------------------------------
 */

/* Where the program itself stands: the innermost frame of its own that has a source. */
static const struct stack_frame *own_frame(const struct task_stack *task)
{
    for (size_t i = 0; i < task->frame_count; i++) {
        const struct stack_frame *frame = &task->frames[i];

        if (frame->function && frame->file && stacks_frame_is_own(frame))
            return frame;
    }
    return NULL;
}

static void append_place(struct bytes *out, const char *before, const struct stack_frame *frame)
{
    const char *slash = strrchr(frame->file, '/');

    text_format(out, "%s%s (%s:%u)", before, frame->function, slash ? slash + 1 : frame->file,
                frame->line);
}

/* Where the tasks wait that wait for ever: the first few. */
static void append_waits(struct bytes *out, const struct stack_list *stacks)
{
    const char *before = ", in ";
    size_t told = 0;

    for (size_t i = 0; i < stacks->count && told < WAITS_TOLD; i++) {
        const struct stack_frame *frame = own_frame(&stacks->tasks[i]);

        if (!frame)
            continue;
        append_place(out, before, frame);
        before = " and ";
        told++;
    }
}

/* What a program says last is mostly why it ended. */
static void append_last_line(struct bytes *out, const char *output)
{
    size_t end = strlen(output);
    size_t start;

    while (end > 0 && isspace((unsigned char)output[end - 1]))
        end--;
    for (start = end; start > 0 && output[start - 1] != '\n';)
        start--;
    if (end - start > LINE_TOLD)
        text_format(out, ": %.*s...", (int)text_cut(output + start, LINE_TOLD), output + start);
    else if (end > start)
        text_format(out, ": %.*s", (int)(end - start), output + start);
}

/* "killed by SIGSEGV in task 0.1 (queue), expected exit 0, in push (queue.c:41)" */
static char *title_of(const struct failure_group *group)
{
    const struct task_stack *first = group->stacks.count ? &group->stacks.tasks[0] : NULL;
    const struct stack_frame *frame = first && first->is_cause ? own_frame(first) : NULL;
    struct bytes text;
    char *line;

    bytes_init(&text);
    bytes_append(&text, group->reason, strcspn(group->reason, "\n"));
    if (group->kind == FAILURE_DEADLOCK)
        append_waits(&text, &group->stacks);
    else if (frame && (group->kind == FAILURE_SIGNAL || group->kind == FAILURE_EXIT))
        append_place(&text, ", in ", frame);
    else if (group->kind == FAILURE_EXIT)
        append_last_line(&text, group->output);
    line = text_clean_line(text.data, text.length);
    bytes_done(&text);
    return line;
}

static void copy_stacks(struct stack_list *to, const struct stack_list *from)
{
    stacks_copy(to, from);
    for (size_t i = 0; i < to->count; i++) {
        struct task_stack *task = &to->tasks[i];

        task->role = clean_and_free(task->role);
        task->name = clean_and_free(task->name);
        task->state = clean_and_free(task->state);
        for (size_t j = 0; j < task->frame_count; j++) {
            task->frames[j].function = clean_and_free(task->frames[j].function);
            task->frames[j].file = clean_and_free(task->frames[j].file);
            task->frames[j].module = clean_and_free(task->frames[j].module);
        }
    }
}

static void fill_failure(const struct schedule *s, const struct test_state *state,
                         const struct failure_group *group, struct report_failure *ret)
{
    const struct kept_trace *trace = failures_smallest(group);

    *ret = (struct report_failure){
        .signature = text_make("%016" PRIx64, group->signature),
        .kind = strdup(failure_kind_name(group->kind)),
        .is_error = group->outcome == OUTCOME_ERROR,
        .title = title_of(group),
        .reason = text_copy(group->reason), /* clean already: failures.c */
        .output = text_copy(group->output),
        .count = group->count,
        .first_run = group->job.run,
        .first_seed = group->job.seed,
        .strategy = strdup(sched_strategy_name(group->job.strategy)),
        .patching = strdup(record_patching_name(group->job.patching)),
        .rerun = clean_and_free(remedy_rerun(s->options, state->test, &group->job)),
    };
    copy_stacks(&ret->stacks, &group->stacks);
    if (trace) {
        ret->trace = clean_and_free(keep_path(s->options, state->test, &trace->job));
        ret->trace_seed = trace->job.seed;
        ret->trace_bytes = trace->bytes;
        ret->replay = clean_and_free(remedy_replay(s->options, state->test, &trace->job));
    }
}

/* --- a test --------------------------------------------------------------------------------------
 */

static char *command_text(char *const *command)
{
    struct bytes text;

    bytes_init(&text);
    for (; *command; command++) {
        if (text.length)
            bytes_append(&text, " ", 1);
        value_shell_quote(&text, *command);
    }
    bytes_append(&text, "", 1);
    return clean_and_free((char *)text.data);
}

static bool is_quarantined(const struct test_state *state, const struct report_test *test,
                           uint64_t now_unix_s)
{
    for (size_t i = 0; i < test->failure_count; i++) {
        if (!suite_quarantine_covers(&state->test->quarantine, test->failures[i].signature,
                                     now_unix_s))
            return false;
    }
    return true;
}

static enum report_verdict verdict_of(const struct schedule *s, const struct test_state *state,
                                      const struct report_test *test, uint64_t now_unix_s)
{
    if (state->test->skipped)
        return REPORT_SKIPPED;
    if (test->failure_count == 0)
        return schedule_test_complete(s, state) ? REPORT_PASSED : REPORT_UNFINISHED;
    if (is_quarantined(state, test, now_unix_s))
        return REPORT_QUARANTINED;
    for (size_t i = 0; i < test->failure_count; i++) {
        if (!test->failures[i].is_error)
            return REPORT_FAILED;
    }
    return REPORT_ERROR;
}

static char *quarantine_note(const struct suite_quarantine *quarantine, bool covers,
                             uint64_t now_unix_s)
{
    char *note = suite_quarantine_note(quarantine, now_unix_s);
    char *other;

    if (covers || suite_quarantine_state(quarantine, now_unix_s) != SUITE_QUARANTINE_HOLDS)
        return note;
    other = text_make("another failure is %s", note);
    free(note);
    return other;
}

static char *note_of(const struct test_state *state, const struct report_test *test,
                     const struct results_context *context)
{
    if (test->verdict == REPORT_SKIPPED)
        return clean(state->test->skip.reason);
    if (test->verdict == REPORT_UNFINISHED)
        return clean(context->unfinished ? context->unfinished : "stopped");
    if (test->failure_count)
        return clean_and_free(quarantine_note(
            &state->test->quarantine, test->verdict == REPORT_QUARANTINED, context->now_unix_s));
    return NULL;
}

static size_t list_length(char *const *list)
{
    size_t count = 0;

    while (list && list[count])
        count++;
    return count;
}

void results_test(const struct schedule *s, const struct test_state *state,
                  const struct results_context *context, struct report_test *ret)
{
    const struct test_counts *counts = schedule_counts_of(state);
    const struct suite_test *test = state->test;
    bool schedules_estimated, outputs_estimated;

    *ret = (struct report_test){
        .name = clean(test->name),
        .labels = clean_list(test->labels, list_length(test->labels)),
        .command = command_text(test->command),
        .suite = clean(s->options->hunted ? "" : test->file->path),
        .line = s->options->hunted ? 0 : (uint32_t)test->line,
        .position = state->index,
        .keep_going = state->keep_going,
        .planned = shard_runs(&s->options->shard, state->position, counts->planned),
        .runs = schedule_test_runs(s, state),
        .failed = counts->failed,
        .wall_ns = counts->wall_ns,
        .failure_count = state->failures.count,
    };
    if (!state->keep_going && counts->failed > 1)
        ret->failed = 1;                            /* later ones came back before the first */
    if (state->keep_going || counts->failed == 0) { /* else some are of runs behind the failure */
        ret->schedules = sketch_count(&state->progress->schedules, &schedules_estimated);
        ret->outputs = sketch_count(&state->progress->outputs, &outputs_estimated);
        ret->counts_are_estimates = schedules_estimated || outputs_estimated;
    }
    ret->failures = calloc(ret->failure_count + 1, sizeof(*ret->failures));
    if (!ret->failures)
        abort();
    for (size_t i = 0; i < ret->failure_count; i++)
        fill_failure(s, state, &state->failures.groups[i], &ret->failures[i]);
    rate_of_test(ret);
    ret->verdict = verdict_of(s, state, ret, context->now_unix_s);
    ret->note = note_of(state, ret, context);
}

/* --- the session ---------------------------------------------------------------------------------
 */

static char *processor_name(void)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    char *name = NULL;

    while (file && !name && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':'))
            name = strndup(strchr(line, ':') + 2, strcspn(strchr(line, ':') + 2, "\n"));
    }
    if (file)
        fclose(file);
    return name ? name : strdup("processor not known");
}

static char *machine_text(void)
{
    char *processor = processor_name();
    struct utsname names;
    char *text;

    if (uname(&names) < 0)
        strcpy(names.release, "?");
    text = text_make("%s, Linux %s", processor, names.release);
    free(processor);
    return clean_and_free(text);
}

void results_session(const struct schedule *s, const struct results_context *context,
                     struct report_session *ret)
{
    const struct run_options *options = s->options;

    *ret = (struct report_session){
        .version = strdup(RRTEST_VERSION),
        .suite = clean(options->hunted ? options->hunted : options->suite_path),
        .seed = options->seed,
        .started_unix_ns = context->started_unix_ns,
        .wall_ns = context->wall_ns,
        .machine = machine_text(),
        .shard = {.index = options->shard.count > 1 ? options->shard.index : 1,
                  .count = options->shard.count > 1 ? options->shard.count : 1},
        .unfinished = clean(context->unfinished),
        .notes = clean_list(context->notes, context->note_count),
        .reproduce = clean_and_free(remedy_session(options, false)),
    };
    ret->tests = calloc(s->count + 1, sizeof(*ret->tests));
    if (!ret->tests)
        abort();
    for (size_t i = 0; i < s->count; i++) {
        if (s->tests[i].selected)
            results_test(s, &s->tests[i], context, &ret->tests[ret->count++]);
    }
}

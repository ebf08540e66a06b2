#include "harness/cli/run_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/run/schedule.h"
#include "harness/run/select.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"
#include "recorder/record/record.h"
#include "recorder/trace/json.h"
#include "reports/text.h"

#define SEEDS_SHOWN 3

static void print_bytes(struct bytes *b)
{
    fwrite(b->data, 1, b->length, stdout);
    bytes_done(b);
}

static void put_member(struct bytes *out, const char *name, const char *text)
{
    text_append(out, ", ");
    json_put_string(out, name);
    text_append(out, ": ");
    if (text)
        json_put_string(out, text);
    else
        text_append(out, "null");
}

static void put_test(struct bytes *out, const struct suite_test *test)
{
    text_append(out, "{\"name\": ");
    json_put_string(out, test->name);
    text_append(out, ", \"labels\": [");
    for (char **at = test->labels; at && *at; at++) {
        text_append(out, at == test->labels ? "" : ", ");
        json_put_string(out, *at);
    }
    text_append(out, "]");
    put_member(out, "suite", test->file->path);
    text_append(out, ", \"line\": ");
    json_put_u64(out, test->line);
    text_append(out, ", \"runs\": ");
    json_put_u64(out, test->seeds ? test->seed_count : test->runs);
    put_member(out, "skip", test->skip.reason);
    put_member(out, "quarantine", test->quarantine.reason);
    put_member(out, "quarantine_until", test->quarantine.until);
    text_append(out, "}");
}

static void list_json(const struct suite *suite, const struct run_options *options)
{
    struct bytes out;
    bool first = true;

    bytes_init(&out);
    text_append(&out, "{\"suite\": ");
    json_put_string(&out, suite->path);
    put_member(&out, "name", suite->name);
    text_append(&out, ", \"tests\": [");
    for (size_t i = 0; i < suite->count; i++) {
        if (!select_test(options, &suite->tests[i]))
            continue;
        text_append(&out, first ? "\n" : ",\n");
        put_test(&out, &suite->tests[i]);
        first = false;
    }
    text_append(&out, "\n]}\n");
    print_bytes(&out);
}

int run_list(const struct suite *suite, const struct run_options *options)
{
    if (options->json) {
        list_json(suite, options);
        return 0;
    }
    for (size_t i = 0; i < suite->count; i++) {
        const struct suite_test *test = &suite->tests[i];

        if (!select_test(options, test))
            continue;
        printf("%s", test->name);
        for (char **at = test->labels; at && *at; at++)
            printf("%s%s", at == test->labels ? "  (" : ", ", *at);
        printf("%s\n", test->labels && *test->labels ? ")" : "");
    }
    return 0;
}

/* --- dry run ----------------------------------------------------------------------------------
 */

/* A suite's texts may hold anything: none of it talks to the terminal. */
static void print_text(const char *title, const char *value)
{
    char *text = text_clean_line(value, strlen(value));

    printf("       %-9s %s\n", title, text);
    free(text);
}

static void print_words(const char *title, char *const *words)
{
    struct bytes text;

    bytes_init(&text);
    for (; *words; words++) {
        if (text.length > 0)
            bytes_append(&text, " ", 1);
        value_shell_quote(&text, *words);
    }
    bytes_append(&text, "", 1);
    print_text(title, (const char *)text.data);
    bytes_done(&text);
}

/* The schedule itself says what comes first; a calibrating run is answered as if it had been made.
 */
static void print_runs(const struct suite_test *test, const struct run_options *options)
{
    const struct suite one = {.tests = (struct suite_test *)(uintptr_t)test, .count = 1};
    struct progress *progress = calloc(1, sizeof(*progress));
    struct report *report = calloc(1, sizeof(*report));
    struct schedule schedule;
    struct job job;
    uint64_t planned;
    size_t shown = 0;

    if (!progress || !report)
        abort();
    schedule_init(&schedule, &one, options, progress);
    planned = schedule_counts_of(&schedule.tests[0])->planned;
    printf("       runs      %" PRIu64 "\n", planned);
    while (shown < SEEDS_SHOWN && schedule_next(&schedule, 0, &job)) {
        report->job = job;
        if (job.kind == JOB_RUN) {
            printf("       %-9s run %" PRIu64 ": seed %" PRIu64 ", %s, %s\n",
                   shown == 0 ? "seeds" : "", job.run, job.seed, sched_strategy_name(job.strategy),
                   record_patching_name(job.patching));
            shown++;
        }
        schedule_absorb(&schedule, report);
    }
    if (planned > shown)
        printf("       %-9s ...\n", "");
    schedule_done(&schedule);
    free(progress);
    free(report);
}

static void print_hooks(const struct suite_test *test)
{
    for (int i = 0; i < SUITE_HOOK_COUNT; i++) {
        for (size_t j = 0; j < test->hook_count[i]; j++)
            print_words(suite_hook_name((enum suite_hook)i), test->hooks[i][j].arguments);
    }
}

static void print_test(const struct suite_test *test, const struct run_options *options)
{
    char *note = suite_quarantine_note(&test->quarantine, (uint64_t)time(NULL));

    printf("%s %s\n", test->skipped ? "skip  " : "run   ", test->name);
    printf("       %-9s %s:%zu\n", "suite", test->file->path, test->line);
    if (note)
        print_text("note", note);
    free(note);
    if (test->skipped) {
        print_text("why", test->skip.reason);
        return;
    }
    print_words("command", test->command);
    print_text("program", test->program);
    print_text("directory", test->copy_count > 0 && !test->directory ? RECORD_FILES_DIRECTORY
                                                                     : test->working_directory);
    print_hooks(test);
    print_runs(test, options);
}

int run_dry(const struct suite *suite, const struct run_options *options)
{
    for (size_t i = 0; i < suite->count; i++) {
        if (select_test(options, &suite->tests[i]))
            print_test(&suite->tests[i], options);
    }
    return 0;
}

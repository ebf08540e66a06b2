/* Plain lines for logs, colour and one moving line for terminals. */
#include "harness/run/console.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/run/keep.h"
#include "harness/value/value.h"
#include "recorder/base/words.h"

#define WIDTH_MAX 40
#define REDRAW_NS 100000000ull

#define RED "31"
#define GREEN "32"
#define YELLOW "33"

uint64_t console_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void erase_line(struct console *c)
{
    if (c->line_is_drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        c->line_is_drawn = false;
    }
}

static void print_word(const struct console *c, const char *color, const char *word)
{
    if (c->color)
        printf("\033[%sm%-4s\033[0m", color, word);
    else
        printf("%-4s", word);
}

void console_begin(struct console *c, const struct schedule *s)
{
    const char *terminal = getenv("TERM");
    bool dumb = terminal && strcmp(terminal, "dumb") == 0;

    *c = (struct console){.options = s->options, .started_ns = console_now_ns()};
    c->color = s->options->color;
    c->progress = isatty(STDERR_FILENO) && !dumb && !s->options->quiet;
    for (size_t i = 0; i < s->count; i++) {
        int length = (int)strlen(s->tests[i].test->name);

        if (s->tests[i].selected && length > c->width)
            c->width = length < WIDTH_MAX ? length : WIDTH_MAX;
    }
}

void console_complain(struct console *c, const char *message)
{
    erase_line(c);
    fprintf(stderr, "rrtest: %s\n", message);
}

static bool is_said(const struct console *c, const char *note)
{
    for (size_t i = 0; i < c->note_count; i++)
        if (strcmp(c->notes[i], note) == 0)
            return true;
    return false;
}

void console_note(struct console *c, const char *lines, size_t length)
{
    const char *end = lines + length;

    while (!c->options->quiet && lines < end) {
        const char *stop = memchr(lines, '\n', (size_t)(end - lines));
        size_t size = (size_t)((stop ? stop : end) - lines);
        char *note = strndup(lines, size);

        c->notes = realloc(c->notes, (c->note_count + 1) * sizeof(*c->notes));
        if (!note || !c->notes)
            abort();
        if (is_said(c, note)) {
            free(note);
        } else {
            erase_line(c);
            fprintf(stderr, "rrtest: note: %s\n", note);
            c->notes[c->note_count++] = note;
        }
        lines += size + 1;
    }
}

void console_done(struct console *c)
{
    for (size_t i = 0; i < c->note_count; i++)
        free(c->notes[i]);
    free(c->notes);
    c->notes = NULL;
    c->note_count = 0;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "200 runs, 187 schedules, 2 outputs" */
static void print_counts(const struct schedule *s, const struct test_state *state)
{
    uint64_t runs = schedule_test_runs(s, state);
    uint64_t schedules = schedule_distinct(&state->schedules);
    uint64_t outputs = schedule_distinct(&state->outputs);

    printf("%" PRIu64 " run%s, %" PRIu64 " schedule%s, %" PRIu64 " output%s", runs, plural(runs),
           schedules, plural(schedules), outputs, plural(outputs));
}

/* Indented lines; empty ones left out. */
static void print_lines(const char *label, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");

        if (length > 0)
            printf("       %-7s%.*s\n", label, length, text);
        text += length;
        text += *text == '\n';
    }
}

static void print_command(const char *label, struct bytes *command)
{
    printf("       %-7s%.*s\n", label, (int)command->length, (const char *)command->data);
    bytes_clear(command);
}

static void append(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

/* The commands that repeat the run and replay its trace. Every run with a run seed is a random one
 * unless the suite says otherwise, so the strategy is named only where it differs from that. */
static void print_remedies(const struct schedule *s, const struct failure *failure,
                           const struct test_state *state)
{
    const struct run_options *options = s->options;
    int strategy = state->test->strategy;
    struct bytes pattern, command;
    char *path = keep_path(options, state->test, &failure->job);
    char seed[64];

    bytes_init(&pattern);
    bytes_init(&command);
    if (failure->kept) {
        value_shell_quote(&command, options->program);
        append(&command, " replay ");
        value_shell_quote(&command, path);
        print_command("replay", &command);
    }
    value_glob_quote(&pattern, state->test->name);
    bytes_append(&pattern, "", 1);
    value_shell_quote(&command, options->program);
    append(&command, " run");
    if (!options->hunted) {
        append(&command, " ");
        value_shell_quote(&command, options->suite_path);
        append(&command, " --filter ");
        value_shell_quote(&command, (const char *)pattern.data);
    }
    snprintf(seed, sizeof(seed), " --run-seed %" PRIu64, failure->job.seed);
    append(&command, seed);
    if (strategy == SUITE_STRATEGY_AUTO)
        strategy = SCHED_RANDOM;
    if (strategy != (int)failure->job.strategy) {
        append(&command, " --strategy ");
        append(&command, sched_strategy_name(failure->job.strategy));
    }
    if (failure->job.patching != state->test->patching) {
        append(&command, " --patching ");
        append(&command, record_patching_name(failure->job.patching));
    }
    if (options->hunted) {
        append(&command, " ");
        append(&command, options->hunted);
    }
    print_command("rerun", &command);
    bytes_done(&pattern);
    bytes_done(&command);
    free(path);
}

static void print_failure(const struct schedule *s, const struct test_state *state,
                          const struct failure *failure)
{
    const char *rest = failure->reason + strcspn(failure->reason, "\n");
    char where[96];

    snprintf(where, sizeof(where), "run %" PRIu64 ", seed %" PRIu64 ", %s", failure->job.run,
             failure->job.seed, sched_strategy_name(failure->job.strategy));
    printf("       %-7s%s\n", "found", where);
    printf("       %-7s%.*s\n", failure->outcome == OUTCOME_ERROR ? "error" : "why",
           (int)(rest - failure->reason), failure->reason);
    print_lines("", rest);
    print_lines("|", failure->tail);
    print_remedies(s, failure, state);
}

static void print_failed(const struct console *c, const struct schedule *s,
                         const struct test_state *state)
{
    bool error = state->failures[0].outcome == OUTCOME_ERROR;

    print_word(c, RED, error ? "ERR" : "FAIL");
    printf("  %-*s  ", c->width, state->test->name);
    if (schedule_goes_on(s, state)) {
        printf("%" PRIu64 " of ", state->failed);
        print_counts(s, state);
    } else {
        printf("found in run %" PRIu64 " of %" PRIu64, state->first_failure, state->planned);
    }
    putchar('\n');
    for (size_t i = 0; i < state->failure_count; i++)
        print_failure(s, state, &state->failures[i]);
    if (state->failed > state->failure_count && schedule_goes_on(s, state))
        printf("       (and %" PRIu64 " more)\n", state->failed - state->failure_count);
}

static void print_test(const struct console *c, const struct schedule *s,
                       const struct test_state *state, const char *why)
{
    bool complete = schedule_test_complete(s, state);

    if (state->failed) {
        print_failed(c, s, state);
    } else if (complete || schedule_test_runs(s, state) > 0) {
        if (c->options->quiet)
            return;
        print_word(c, complete ? GREEN : YELLOW, complete ? "ok" : "part");
        printf("  %-*s  ", c->width, state->test->name);
        print_counts(s, state);
        if (!complete)
            printf(" of %" PRIu64 " (%s)", state->planned, why ? why : "stopped");
        putchar('\n');
    } else if (!c->options->quiet) {
        print_word(c, YELLOW, "skip");
        printf("  %-*s  not run (%s)\n", c->width, state->test->name, why ? why : "stopped");
    }
}

static void draw_progress(struct console *c, const struct schedule *s)
{
    uint64_t now = console_now_ns();
    uint64_t runs = 0;
    uint64_t failed = 0;
    const struct test_state *current = NULL;
    double seconds = (double)(now - c->started_ns) / 1e9;

    if (!c->progress || now - c->drawn_ns < REDRAW_NS)
        return;
    for (size_t i = 0; i < s->count; i++) {
        runs += s->tests[i].passed + s->tests[i].failed;
        failed += s->tests[i].failed > 0;
        if (!current && s->tests[i].selected && !schedule_test_complete(s, &s->tests[i]))
            current = &s->tests[i];
    }
    c->drawn_ns = now;
    fprintf(stderr,
            "\r\033[K%.40s %" PRIu64 "/%" PRIu64 "  |  %" PRIu64 " runs, %.0f/s, %" PRIu64
            " failing test%s",
            current ? current->test->name : "", current ? current->passed + current->failed : 0,
            current ? current->planned : 0, runs, seconds > 0 ? (double)runs / seconds : 0, failed,
            plural(failed));
    fflush(stderr);
    c->line_is_drawn = true;
}

void console_update(struct console *c, const struct schedule *s)
{
    while (c->printed < s->count && !s->options->until_failure) {
        const struct test_state *state = &s->tests[c->printed];

        if (state->selected) {
            if (!schedule_test_complete(s, state))
                break;
            erase_line(c);
            print_test(c, s, state, NULL);
            fflush(stdout);
        }
        c->printed++;
    }
    draw_progress(c, s);
}

void console_end(struct console *c, const struct schedule *s, const char *why)
{
    uint64_t runs = 0;
    uint64_t passed = 0, failed = 0, unfinished = 0;
    char elapsed[32];

    erase_line(c);
    for (size_t i = 0; i < s->count; i++) {
        const struct test_state *state = &s->tests[i];

        if (!state->selected)
            continue;
        if (i >= c->printed)
            print_test(c, s, state, why);
        runs += schedule_test_runs(s, state);
        if (state->failed)
            failed++;
        else if (schedule_test_complete(s, state))
            passed++;
        else
            unfinished++;
    }
    words_format_duration(console_now_ns() - c->started_ns, elapsed, sizeof(elapsed));
    if (c->options->quiet && !failed && !why)
        return;
    printf("%" PRIu64 " passed, %" PRIu64 " failed", passed, failed);
    if (unfinished)
        printf(", %" PRIu64 " unfinished (%s)", unfinished, why ? why : "stopped");
    printf("; %" PRIu64 " run%s in %s", runs, plural(runs), elapsed);
    if (!c->options->has_run_seed)
        printf("; --seed %" PRIu64, c->options->seed);
    putchar('\n');
    fflush(stdout);
}

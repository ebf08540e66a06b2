/* Live lines for terminals, plain ones for logs. */
#include "harness/run/console.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/words.h"
#include "reports/console_text.h"
#include "reports/text.h"

#define REDRAW_NS 100000000ull
#define WORKERS_SHOWN 8
#define COLUMNS_MAX 500
/* In a log: nothing of a session that is over at once, then less and less often. */
#define FIRST_NEWS_NS 10000000000ull
#define NEWS_MAX_NS 120000000000ull
/* More tests than this are counted instead of listed, but for those that did not pass. */
#define LISTED_MAX 60

uint64_t console_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void erase(struct console *c)
{
    if (c->drawn == 0)
        return;
    if (c->drawn > 1)
        fprintf(stderr, "\033[%uA", c->drawn - 1);
    fputs("\r\033[K\033[J", stderr);
    fflush(stderr);
    c->drawn = 0;
}

void console_begin(struct console *c, const struct schedule *s)
{
    const char *terminal = getenv("TERM");
    bool dumb = terminal && strcmp(terminal, "dumb") == 0;

    *c = (struct console){.options = s->options, .started_ns = console_now_ns()};
    c->live = isatty(STDERR_FILENO) && !dumb && !s->options->quiet;
    c->pause_ns = c->live ? REDRAW_NS : FIRST_NEWS_NS;
    c->next_ns = c->started_ns + c->pause_ns;
    c->told = calloc(s->count ? s->count : 1, sizeof(*c->told));
    if (!c->told)
        abort();
}

void console_complain(struct console *c, const char *message)
{
    char *text = text_clean(message, strlen(message));

    erase(c);
    fprintf(stderr, "rrtest: %s\n", text);
    free(text);
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

    while (lines < end) {
        const char *stop = memchr(lines, '\n', (size_t)(end - lines));
        size_t size = (size_t)((stop ? stop : end) - lines);
        char *note = text_clean_line(lines, size);

        if (is_said(c, note)) {
            free(note);
        } else {
            c->notes = realloc(c->notes, (c->note_count + 1) * sizeof(*c->notes));
            if (!c->notes)
                abort();
            c->notes[c->note_count++] = note;
            if (!c->options->quiet) {
                erase(c);
                fprintf(stderr, "rrtest: note: %s\n", note);
            }
        }
        lines += size + 1;
    }
}

void console_done(struct console *c)
{
    for (size_t i = 0; i < c->note_count; i++)
        free(c->notes[i]);
    free(c->notes);
    free(c->told);
    c->notes = NULL;
    c->told = NULL;
    c->note_count = 0;
}

/* --- while it runs -------------------------------------------------------------------------------
 */

struct tally {
    uint64_t runs;
    size_t tests, complete, failed;
};

static struct tally tally(const struct schedule *s)
{
    struct tally t = {0};

    for (size_t i = 0; i < s->count; i++) {
        const struct test_state *state = &s->tests[i];
        const struct test_counts *counts = schedule_counts_of(state);

        if (!state->selected)
            continue;
        t.tests++;
        t.runs += counts->passed + counts->failed;
        t.complete += schedule_test_complete(s, state);
        t.failed += state->failures.count > 0;
    }
    return t;
}

static void append_tally(struct bytes *line, const struct console *c, const struct tally *t,
                         uint64_t now)
{
    double seconds = (double)(now - c->started_ns) / 1e9;
    char elapsed[32];

    words_format_duration(now - c->started_ns, elapsed, sizeof(elapsed));
    text_format(line, "%zu of %zu tests done, %" PRIu64 " runs (%.0f/s), %zu failed, %s",
                t->complete, t->tests, t->runs, seconds > 0 ? (double)t->runs / seconds : 0,
                t->failed, elapsed);
}

/* At most `columns` characters, and never half a multibyte one. */
static void put_line(struct console *c, const struct bytes *line, unsigned columns)
{
    size_t length = 0;

    for (unsigned column = 0; length < line->length && column < columns; column++) {
        length++;
        while (length < line->length && (line->data[length] & 0xc0) == 0x80)
            length++;
    }
    fprintf(stderr, "%s\r\033[K%.*s", c->drawn ? "\n" : "", (int)length,
            line->length ? (const char *)line->data : "");
    c->drawn++;
}

static void append_worker(struct bytes *line, const struct schedule *s,
                          const struct console_worker *worker, uint64_t now)
{
    const struct job *job = worker->job;
    const struct test_state *state = &s->tests[job->test];
    char elapsed[32];

    text_format(line, "  %s", state->test->name);
    switch (job->kind) {
    case JOB_SETUP:
        text_append(line, ": set-up");
        break;
    case JOB_TEARDOWN:
        text_append(line, ": teardown");
        break;
    case JOB_CALIBRATE:
        text_append(line, ": measuring its length");
        break;
    case JOB_RUN:
        text_format(line, ": run %" PRIu64 " of %" PRIu64, job->run,
                    schedule_counts_of(state)->planned);
        break;
    }
    if (now - worker->started_ns > 1000000000) {
        words_format_duration(now - worker->started_ns, elapsed, sizeof(elapsed));
        text_format(line, ", for %s", elapsed);
    }
}

static void draw(struct console *c, const struct schedule *s, const struct console_worker *workers,
                 size_t count, uint64_t now)
{
    struct winsize size = {0};
    unsigned columns = 79;
    struct tally t = tally(s);
    struct bytes line;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        columns = size.ws_col < COLUMNS_MAX ? size.ws_col - 1u : COLUMNS_MAX;
    erase(c);
    bytes_init(&line);
    append_tally(&line, c, &t, now);
    put_line(c, &line, columns);
    for (size_t i = 0; i < count && c->drawn <= WORKERS_SHOWN; i++) {
        bytes_clear(&line);
        if (workers[i].job)
            append_worker(&line, s, &workers[i], now);
        else
            text_append(&line, "  (idle)");
        put_line(c, &line, columns);
    }
    bytes_done(&line);
    fflush(stderr);
}

/* In a log: failures that came since, and how far we are. */
static void say_news(struct console *c, const struct schedule *s, uint64_t now)
{
    struct tally t = tally(s);
    struct bytes line;

    for (size_t i = 0; i < s->count; i++) {
        const struct test_state *state = &s->tests[i];

        if (c->told[i] || !state->selected || state->failures.count == 0)
            continue;
        c->told[i] = true;
        bytes_init(&line);
        text_format(&line, "%s (run %" PRIu64 "): %.*s", state->test->name,
                    state->failures.groups[0].job.run,
                    (int)strcspn(state->failures.groups[0].reason, "\n"),
                    state->failures.groups[0].reason);
        char *text = text_clean_line(line.data, line.length);
        fprintf(stderr, "rrtest: failed: %s\n", text);
        free(text);
        bytes_done(&line);
    }
    bytes_init(&line);
    append_tally(&line, c, &t, now);
    fprintf(stderr, "rrtest: %.*s\n", (int)line.length, (const char *)line.data);
    bytes_done(&line);
}

void console_update(struct console *c, const struct schedule *s,
                    const struct console_worker *workers, size_t count)
{
    uint64_t now = console_now_ns();

    if (now < c->next_ns || c->options->quiet)
        return;
    if (c->live) {
        draw(c, s, workers, count, now);
    } else {
        say_news(c, s, now);
        c->pause_ns = c->pause_ns * 2 < NEWS_MAX_NS ? c->pause_ns * 2 : NEWS_MAX_NS;
    }
    c->next_ns = now + c->pause_ns;
}

/* --- at the end ----------------------------------------------------------------------------------
 */

static bool is_listed(const struct console *c, const struct report_session *session,
                      const struct report_test *test)
{
    bool failed = test->verdict == REPORT_FAILED || test->verdict == REPORT_ERROR;

    if (c->options->quiet)
        return failed;
    return failed || c->options->verbose || test->verdict == REPORT_QUARANTINED ||
           session->count <= LISTED_MAX;
}

void console_end(struct console *c, const struct report_session *session, const char *remedy)
{
    struct console_text_options options = {
        .color = c->options->color,
        .verbose = c->options->verbose,
        .width = console_text_width(session),
    };
    bool failed = false;
    struct bytes text;

    erase(c);
    bytes_init(&text);
    for (size_t i = 0; i < session->count; i++) {
        const struct report_test *test = &session->tests[i];

        failed |= test->verdict == REPORT_FAILED || test->verdict == REPORT_ERROR;
        if (is_listed(c, session, test))
            console_text_test(&text, test, session, &options);
    }
    if (!c->options->quiet || failed || session->unfinished) {
        console_text_summary(&text, session);
        if (remedy)
            text_format(&text, "go on with: %s\n", remedy);
    }
    if (text.length)
        fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
    bytes_done(&text);
}

/* The suite file: libyaml's emitter, one mapping per test. Every text that comes from outside is
 * quoted, so that none of them is taken for null, a number or an alias. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "harness/import/import.h"

struct writer {
    yaml_emitter_t emitter;
    char problem[256]; /* the first one; "" while all is well */
};

static int append(void *context, unsigned char *data, size_t length)
{
    bytes_append(context, data, length);
    return 1;
}

static void complain(struct writer *w, const char *what)
{
    if (!*w->problem)
        snprintf(w->problem, sizeof(w->problem), "%.200s", what);
}

static void emit(struct writer *w, yaml_event_t *event)
{
    if (*w->problem)
        yaml_event_delete(event);
    else if (!yaml_emitter_emit(&w->emitter, event))
        complain(w, w->emitter.problem ? w->emitter.problem : "out of memory");
}

static void scalar(struct writer *w, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    /* It fails for text that is no UTF-8, and when memory is out. */
    if (yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                     (int)strlen(text), 1, 1, style)) {
        emit(w, &event);
    } else if (!*w->problem) {
        char shown[64];
        size_t n = 0;

        for (; text[n] && n < sizeof(shown) - 1; n++)
            shown[n] =
                (unsigned char)text[n] < 0x20 || (unsigned char)text[n] > 0x7e ? '?' : text[n];
        shown[n] = '\0';
        snprintf(w->problem, sizeof(w->problem), "'%s' is not valid UTF-8, which a suite must be",
                 shown);
    }
}

static void key(struct writer *w, const char *name)
{
    scalar(w, name, YAML_PLAIN_SCALAR_STYLE);
}

static void text(struct writer *w, const char *value)
{
    scalar(w, value, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void number(struct writer *w, uint64_t value)
{
    char shown[24];

    snprintf(shown, sizeof(shown), "%" PRIu64, value);
    scalar(w, shown, YAML_PLAIN_SCALAR_STYLE);
}

static void open_list(struct writer *w, yaml_sequence_style_t style)
{
    yaml_event_t event;

    if (yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style))
        emit(w, &event);
    else
        complain(w, "out of memory");
}

static void close_list(struct writer *w)
{
    yaml_event_t event;

    yaml_sequence_end_event_initialize(&event);
    emit(w, &event);
}

static void open_mapping(struct writer *w, yaml_mapping_style_t style)
{
    yaml_event_t event;

    if (yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style))
        emit(w, &event);
    else
        complain(w, "out of memory");
}

static void close_mapping(struct writer *w)
{
    yaml_event_t event;

    yaml_mapping_end_event_initialize(&event);
    emit(w, &event);
}

static void words(struct writer *w, const struct import_words *list)
{
    open_list(w, YAML_FLOW_SEQUENCE_STYLE);
    for (size_t i = 0; i < list->count; i++)
        text(w, list->words[i]);
    close_list(w);
}

static void commands(struct writer *w, const char *name, const struct import_words *list,
                     size_t count)
{
    if (count == 0)
        return;
    key(w, name);
    open_list(w, YAML_BLOCK_SEQUENCE_STYLE);
    for (size_t i = 0; i < count; i++)
        words(w, &list[i]);
    close_list(w);
}

static void environment(struct writer *w, const struct import_words *variables)
{
    key(w, "env");
    open_mapping(w, YAML_BLOCK_MAPPING_STYLE);
    for (size_t i = 0; i < variables->count; i++) {
        const char *variable = variables->words[i];
        const char *equals = strchr(variable, '=');
        char *name = strndup(variable, equals ? (size_t)(equals - variable) : strlen(variable));

        if (!name)
            abort();
        text(w, name);
        text(w, equals ? equals + 1 : "");
        free(name);
    }
    close_mapping(w);
}

static void directory(struct writer *w, const char *path, const char *base)
{
    const char *below = base ? import_below(path, base) : NULL;

    if (below && !*below)
        return;
    key(w, "cwd");
    text(w, below ? below : path);
}

static void timeout(struct writer *w, uint64_t ns)
{
    char shown[32];

    if (ns == 0)
        snprintf(shown, sizeof(shown), "none");
    else if (ns % 1000000000 == 0)
        snprintf(shown, sizeof(shown), "%" PRIu64 "s", ns / 1000000000);
    else
        snprintf(shown, sizeof(shown), "%" PRIu64 "ms", (ns + 999999) / 1000000);
    key(w, "timeout");
    scalar(w, shown, YAML_PLAIN_SCALAR_STYLE);
}

static void expect(struct writer *w, const struct import_test *test)
{
    static const char *const names[IMPORT_EXPECT_COUNT] = {
        [IMPORT_STDOUT] = "stdout",
        [IMPORT_STDOUT_REGEX] = "stdout_regex",
        [IMPORT_STDOUT_NOT_REGEX] = "stdout_not_regex",
    };
    bool needed = test->exit != IMPORT_EXIT_ZERO;

    for (int i = 0; i < IMPORT_EXPECT_COUNT; i++)
        needed |= test->expect[i] != NULL;
    if (!needed)
        return;
    key(w, "expect");
    open_mapping(w, YAML_BLOCK_MAPPING_STYLE);
    if (test->exit == IMPORT_EXIT_OR_SKIP) {
        key(w, "exit");
        open_list(w, YAML_FLOW_SEQUENCE_STYLE);
        number(w, 0);
        number(w, (uint64_t)test->skip_status);
        close_list(w);
    } else if (test->exit != IMPORT_EXIT_ZERO) {
        key(w, "exit");
        key(w, test->exit == IMPORT_EXIT_ANY ? "any" : "nonzero");
    }
    for (int i = 0; i < IMPORT_EXPECT_COUNT; i++) {
        if (test->expect[i]) {
            key(w, names[i]);
            text(w, test->expect[i]);
        }
    }
    close_mapping(w);
}

static void one_test(struct writer *w, const struct import_test *test, const char *base)
{
    open_mapping(w, YAML_BLOCK_MAPPING_STYLE);
    key(w, "name");
    text(w, test->name);
    if (test->skip) {
        key(w, "skip");
        text(w, test->skip);
    }
    key(w, "command");
    words(w, &test->command);
    if (test->directory)
        directory(w, test->directory, base);
    if (test->environment.count)
        environment(w, &test->environment);
    if (test->has_timeout)
        timeout(w, test->timeout_ns);
    if (test->labels.count) {
        key(w, "labels");
        words(w, &test->labels);
    }
    commands(w, "setup", test->setup, test->setup_count);
    commands(w, "teardown", test->teardown, test->teardown_count);
    expect(w, test);
    close_mapping(w);
}

static void comment(struct bytes *out, const char *front, const char *line)
{
    bytes_append(out, front, strlen(front));
    for (; *line; line++)
        bytes_append(out, (unsigned char)*line < 0x20 || *line == 0x7f ? " " : line, 1);
    bytes_append(out, "\n", 1);
}

static void document(struct writer *w, const struct import_suite *suite, const char *base)
{
    yaml_event_t event;

    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    emit(w, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    emit(w, &event);
    open_mapping(w, YAML_BLOCK_MAPPING_STYLE);
    key(w, "version");
    number(w, 1);
    if (suite->runs) {
        key(w, "defaults");
        open_mapping(w, YAML_FLOW_MAPPING_STYLE);
        key(w, "runs");
        number(w, suite->runs);
        close_mapping(w);
    }
    key(w, "tests");
    open_list(w, YAML_BLOCK_SEQUENCE_STYLE);
    for (size_t i = 0; i < suite->count; i++)
        one_test(w, &suite->tests[i], base);
    close_list(w);
    close_mapping(w);
    yaml_document_end_event_initialize(&event, 1);
    emit(w, &event);
    yaml_stream_end_event_initialize(&event);
    emit(w, &event);
}

int import_write(const struct import_suite *suite, const struct import_options *options,
                 struct bytes *ret, struct rr_error *error)
{
    struct writer w = {.problem = ""};

    bytes_append(ret, IMPORT_HEAD, strlen(IMPORT_HEAD));
    comment(ret, "", suite->kind);
    for (size_t i = 0; i < suite->notes.count; i++)
        comment(ret, "# note: ", suite->notes.words[i]);
    if (!yaml_emitter_initialize(&w.emitter))
        return rr_error_set(error, -ENOMEM, "out of memory");
    yaml_emitter_set_output(&w.emitter, append, ret);
    yaml_emitter_set_unicode(&w.emitter, 1);
    yaml_emitter_set_width(&w.emitter, -1);
    document(&w, suite, options->base);
    yaml_emitter_delete(&w.emitter);
    return *w.problem ? rr_error_set(error, -EINVAL, "%s", w.problem) : 0;
}

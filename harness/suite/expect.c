/* The key `expect`: exit status or signal, and what both output streams must be like. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/schema.h"
#include "recorder/base/text.h"
#include "recorder/syscalls/syscalls.h"

#define STATUSES_MAX 256
#define TEXTS_MAX 256

bool suite_expects_exit(const struct suite_expect *expect, int status)
{
    return status >= 0 && status < 256 && (expect->exits[status / 64] >> (status % 64) & 1);
}

static void accept(struct suite_expect *expect, unsigned status)
{
    expect->exits[status / 64] |= 1ull << (status % 64);
}

static void accept_from(struct suite_expect *expect, unsigned first)
{
    memset(expect->exits, 0, sizeof(expect->exits));
    for (unsigned i = first; i < 256; i++)
        accept(expect, i);
}

static size_t accepted(const struct suite_expect *expect)
{
    size_t count = 0;

    for (size_t i = 0; i < 4; i++)
        count += (size_t)__builtin_popcountll(expect->exits[i]);
    return count;
}

char *suite_expected_status(const struct suite_expect *expect)
{
    size_t count = accepted(expect);
    size_t told = 0;
    struct bytes text;

    if (expect->signal)
        return text_make("to be killed by %s", syscall_signal_name(expect->signal));
    if (count == 256)
        return text_copy("any exit status");
    if (count == 255 && !suite_expects_exit(expect, 0))
        return text_copy("an exit status other than 0");
    bytes_init(&text);
    for (int status = 0; status < 256; status++) {
        char part[16];

        if (!suite_expects_exit(expect, status))
            continue;
        told++;
        bytes_append(&text, part,
                     (size_t)snprintf(part, sizeof(part), "%s%d",
                                      told == 1      ? "exit "
                                      : told < count ? ", "
                                                     : " or ",
                                      status));
    }
    bytes_append(&text, "", 1);
    return (char *)text.data;
}

void schema_expect_init(struct suite_expect *expect)
{
    memset(expect, 0, sizeof(*expect));
    accept(expect, 0);
}

static int read_status(struct node_reader *r, const char *key, const yaml_node_t *node,
                       size_t index, void *target)
{
    uint64_t status;
    int code = node_u64(r, node, key, "an exit status from 0 to 255", 0, 255, &status);

    (void)index;
    if (code == 0)
        accept(target, (unsigned)status);
    return code;
}

static int read_exit(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "an exit status from 0 to 255, a list of them, any or nonzero";
    static const char *const words[] = {"any", "nonzero", NULL};
    struct suite_expect *expect = target;
    const char *text;
    int code;

    memset(expect->exits, 0, sizeof(expect->exits));
    if (node->type == YAML_SEQUENCE_NODE && node_count(node) > 0)
        return node_list(r, node, key, expected, STATUSES_MAX, read_status, expect);
    code = node_text(r, node, key, expected, &text);
    if (code)
        return code;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            accept_from(expect, i);
            return 0;
        }
    }
    if (*text >= 'a' && *text <= 'z')
        return node_expected_of(r, node, key, expected, words);
    return read_status(r, key, node, 0, expect);
}

static int read_signal(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    static const char expected[] = "a signal such as SIGABRT";
    struct suite_expect *expect = target;
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    expect->signal = syscall_signal_by_name(text);
    if (expect->signal <= 0)
        return node_expected(r, node, key, expected);
    memset(expect->exits, 0, sizeof(expect->exits));
    return 0;
}

struct texts_target {
    char **texts;
    const char *expected;
};

static int read_one_text(struct node_reader *r, const char *key, const yaml_node_t *node,
                         size_t index, void *target)
{
    struct texts_target *t = target;
    const char *text;
    int code = node_text(r, node, key, t->expected, &text);

    if (code == 0)
        t->texts[index] = text_copy(text);
    return code;
}

int schema_read_texts(struct node_reader *r, const char *key, const yaml_node_t *node,
                      const char *expected, char ***place)
{
    struct texts_target t = {.expected = expected};
    size_t count = node_count(node);
    int code;

    t.texts = suite_calloc((count < TEXTS_MAX ? count : TEXTS_MAX) + 2, sizeof(*t.texts));
    code = node->type == YAML_SEQUENCE_NODE
               ? node_list(r, node, key, expected, TEXTS_MAX, read_one_text, &t)
               : read_one_text(r, key, node, 0, &t);
    if (code) {
        suite_strings_free(t.texts);
        return code;
    }
    suite_strings_free(*place);
    *place = t.texts;
    return 0;
}

static struct suite_output *output_of(struct suite_expect *expect, const char *key)
{
    return &expect->output[strncmp(key, "stderr", 6) == 0 ? SUITE_STDERR : SUITE_STDOUT];
}

static int read_contains(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    return schema_read_texts(r, key, node,
                             "a text that must occur in the output, or a list of them",
                             &output_of(target, key)->contains);
}

static int read_lacks(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    return schema_read_texts(r, key, node,
                             "a text that must not occur in the output, or a list of them",
                             &output_of(target, key)->lacks);
}

static int read_exact(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    const char *text;
    int code = node_text(r, node, key, "the whole output as a text (\"\" for none)", &text);

    if (code == 0)
        suite_replace(&output_of(target, key)->exact, text);
    return code;
}

static int read_regex(struct node_reader *r, const char *key, const yaml_node_t *node, char **place,
                      regex_t *regex)
{
    const char *text;
    char problem[128];
    int code = node_text(r, node, key, "a regular expression", &text);

    if (code)
        return code;
    code = regcomp(regex, text, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    if (code) {
        regerror(code, regex, problem, sizeof(problem));
        return node_error(r, node, "%s: expected an extended regular expression: %s", key, problem);
    }
    suite_replace(place, text);
    return 0;
}

static int read_pattern(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    struct suite_output *output = output_of(target, key);

    return read_regex(r, key, node, &output->pattern, &output->regex);
}

static int read_pattern_not(struct node_reader *r, const char *key, const yaml_node_t *node,
                            void *target)
{
    struct suite_output *output = output_of(target, key);

    return read_regex(r, key, node, &output->pattern_not, &output->regex_not);
}

const struct node_key schema_expect_keys[] = {
    {"exit", read_exit, "exit",
     "The exit status: a number, a list of numbers, any, or nonzero. Default: 0."},
    {"signal", read_signal, "text", "The signal that kills the program, in place of `exit`."},
    {"stdout", read_contains, "texts", "A text, or a list of texts, each of which occurs in it."},
    {"stdout_not", read_lacks, "texts", "A text, or a list of texts, none of which occurs in it."},
    {"stdout_exact", read_exact, "text", "The whole of it."},
    {"stdout_regex", read_pattern, "text",
     "An extended regular expression that matches somewhere; ^ and $ match at lines."},
    {"stdout_not_regex", read_pattern_not, "text",
     "An extended regular expression that matches nowhere in it."},
    {"stderr", read_contains, "texts", "As `stdout`."},
    {"stderr_not", read_lacks, "texts", "As `stdout_not`."},
    {"stderr_exact", read_exact, "text", "As `stdout_exact`."},
    {"stderr_regex", read_pattern, "text", "As `stdout_regex`."},
    {"stderr_not_regex", read_pattern_not, "text", "As `stdout_not_regex`."},
    {NULL, NULL, NULL, NULL},
};

int schema_read_expect(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;

    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        suite_output_done(&test->expect.output[i]);
    schema_expect_init(&test->expect);
    if (node_get(r, node, "exit") && node_get(r, node, "signal"))
        return node_error(r, node, "expect: expected either exit or signal, got both");
    return node_mapping(r, node, key, schema_expect_keys, &test->expect);
}

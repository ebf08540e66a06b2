/* The keys of a suite file, one row each, and what their values may be. `defaults` is read into
 * every test before the test's own keys, so a test's key replaces the default (env: is added to).
 */
#include "harness/suite/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/value/value.h"
#include "recorder/syscalls/syscalls.h"

#define DEFAULT_RUNS 200
#define DEFAULT_TIMEOUT_NS 30000000000ull
#define COMMAND_MAX 4096
#define ENVIRONMENT_MAX 1024
#define INJECTIONS_MAX 64
#define SEEDS_MAX 100000
#define TESTS_MAX 10000
#define NAME_MAX_BYTES 200

static void replace(char **place, const char *text)
{
    free(*place);
    *place = suite_strdup(text);
}

static void mark(const yaml_node_t *node, size_t *line, size_t *column)
{
    *line = node->start_mark.line + 1;
    *column = node->start_mark.column + 1;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static int read_name(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a name (it becomes a folder: 1 to 200 bytes, no '/', no "
                                   "control characters, not starting with '.')";
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    if (!*text || strlen(text) > NAME_MAX_BYTES || *text == '.' || strchr(text, '/'))
        return node_expected(r, node, key, expected);
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return node_expected(r, node, key, expected);
    }
    replace(&test->name, text);
    return 0;
}

static int read_directory(struct node_reader *r, const char *key, const yaml_node_t *node,
                          void *target)
{
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, "a directory, relative to the suite file", &text);

    if (code)
        return code;
    mark(node, &test->directory_line, &test->directory_column);
    replace(&test->directory, text);
    return 0;
}

static int read_stdin(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, "a file, relative to the suite file", &text);

    if (code)
        return code;
    mark(node, &test->stdin_line, &test->stdin_column);
    replace(&test->stdin_file, text);
    return 0;
}

static int read_runs(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;

    return node_u64(r, node, key, "a number of runs from 1 to 1000000000", 1, SUITE_RUNS_MAX,
                    &test->runs);
}

static int read_seed(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;

    if (node_u64(r, node, key, "a number from 0 to 2^64-1", 0, UINT64_MAX, &test->seed))
        return -EINVAL;
    test->has_seed = true;
    free(test->seeds);
    test->seeds = NULL;
    test->seed_count = 0;
    return 0;
}

static int read_one_seed(struct node_reader *r, const char *key, const yaml_node_t *node,
                         size_t index, void *target)
{
    struct suite_test *test = target;

    return node_u64(r, node, key, "a number from 0 to 2^64-1", 0, UINT64_MAX, &test->seeds[index]);
}

static int read_seeds(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a list of run seeds such as [7, 11]";
    struct suite_test *test = target;
    size_t count;

    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.top == node->data.sequence.items.start)
        return node_expected(r, node, key, expected);
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    free(test->seeds);
    test->seeds = suite_calloc(count, sizeof(*test->seeds));
    test->seed_count = count;
    test->has_seed = false;
    return node_list(r, node, key, expected, SEEDS_MAX, read_one_seed, test);
}

static int read_strategy(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, suite_strategy_list(), &text);

    if (code)
        return code;
    if (suite_strategy_by_name(text) == SUITE_STRATEGY_UNKNOWN)
        return node_expected(r, node, key, suite_strategy_list());
    test->strategy = suite_strategy_by_name(text);
    return 0;
}

static int read_patching(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    static const char expected[] = "static, lazy or off";
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    code = record_patching_by_name(text);
    if (code < 0)
        return node_expected(r, node, key, expected);
    test->patching = (enum record_patching)code;
    return 0;
}

static int read_timeout(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->timeout_ns);
}

static int read_virtual_timeout(struct node_reader *r, const char *key, const yaml_node_t *node,
                                void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->virtual_timeout_ns);
}

static int read_clock(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, "virtual or real", &text);

    if (code)
        return code;
    test->real_clock = strcmp(text, "real") == 0;
    if (!test->real_clock && strcmp(text, "virtual") != 0)
        return node_expected(r, node, key, "virtual or real");
    return 0;
}

/* --- command and environment -------------------------------------------------------------------
 */

static int read_word(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                     void *target)
{
    struct suite_test *test = target;
    const char *text;
    int code = node_text(r, node, key, "a text (quote what is not meant as null)", &text);

    if (code)
        return code;
    if (index == 0) {
        if (!*text)
            return node_expected(r, node, key, "a program's name or path");
        mark(node, &test->command_line, &test->command_column);
    }
    test->command[index] = suite_strdup(text);
    return 0;
}

static int read_command(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    static const char expected[] = "a list such as [\"./program\", \"--option\"]";
    struct suite_test *test = target;
    size_t count;

    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.top == node->data.sequence.items.start)
        return node_expected(r, node, key, expected);
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    suite_strings_free(test->command);
    test->command = suite_calloc(count + 1, sizeof(*test->command));
    return node_list(r, node, key, expected, COMMAND_MAX, read_word, test);
}

/* The variables of one mapping must differ; a test's replace those of `defaults`. `fresh` is where
 * this mapping's own variables begin. */
struct environment_target {
    struct suite_test *test;
    size_t count; /* variables in test->environment */
    size_t fresh;
};

static int read_variable(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                         const yaml_node_t *value, void *target)
{
    struct environment_target *t = target;
    char **environment = t->test->environment;
    size_t length = strlen(name);
    const char *text;
    char *entry;
    int code;

    if (length == 0 || strchr(name, '='))
        return node_expected(r, name_node, "env", "a variable's name");
    code = node_text(r, value, name, "a text (quote what is not meant as null)", &text);
    if (code)
        return code;
    entry = suite_calloc(length + strlen(text) + 2, 1);
    memcpy(entry, name, length);
    entry[length] = '=';
    memcpy(entry + length + 1, text, strlen(text) + 1);
    for (size_t i = 0; i < t->count; i++) {
        if (strncmp(environment[i], entry, length + 1) != 0)
            continue;
        if (i >= t->fresh) {
            free(entry);
            return node_error(r, name_node, "%.60s: expected once in env, got a second time", name);
        }
        free(environment[i]);
        environment[i] = entry;
        return 0;
    }
    environment[t->count++] = entry;
    return 0;
}

static int read_environment(struct node_reader *r, const char *key, const yaml_node_t *node,
                            void *target)
{
    struct suite_test *test = target;
    struct environment_target t = {.test = test};
    char **old = test->environment;

    while (old && old[t.count])
        t.count++;
    t.fresh = t.count;
    test->environment = suite_calloc(t.count + ENVIRONMENT_MAX + 1, sizeof(*old));
    for (size_t i = 0; i < t.count; i++)
        test->environment[i] = old[i];
    free(old);
    return node_pairs(r, node, key, "a mapping such as {NAME: \"value\"}", ENVIRONMENT_MAX,
                      read_variable, &t);
}

/* --- injections ----------------------------------------------------------------------------------
 */

static int read_injection_field(struct node_reader *r, const char *key, const yaml_node_t *node,
                                void *target)
{
    struct rr_error error;
    const char *text;
    int code = node_text(r, node, key, "a value", &text);

    if (code)
        return code;
    if (value_injection_set(target, key, text, &error))
        return node_error(r, node, "%s", error.message);
    return 0;
}

static const struct node_key injection_keys[] = {
    {"signal", read_injection_field},
    {"at", read_injection_field},
    {"probability", read_injection_field},
    {"limit", read_injection_field},
    {NULL, NULL},
};

static int read_injection(struct node_reader *r, const char *key, const yaml_node_t *node,
                          size_t index, void *target)
{
    struct suite_test *test = target;
    struct record_injection injection;
    struct rr_error error;
    int code;

    (void)index;
    value_injection_init(&injection);
    code = node_mapping(r, node, key, injection_keys, &injection, NULL);
    if (code)
        return code;
    if (value_injection_finish(&injection, &error))
        return node_error(r, node, "inject: %s", error.message);
    test->injections[test->injection_count++] = injection;
    return 0;
}

static int read_inject(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;

    free(test->injections);
    test->injections = suite_calloc(INJECTIONS_MAX, sizeof(*test->injections));
    test->injection_count = 0;
    return node_list(r, node, key, "a list such as [{signal: SIGUSR1, at: futex}]", INJECTIONS_MAX,
                     read_injection, test);
}

/* --- expectations --------------------------------------------------------------------------------
 */

static int read_exit(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_expect *expect = target;
    uint64_t status;
    int code = node_u64(r, node, key, "an exit status from 0 to 255", 0, 255, &status);

    if (code == 0)
        expect->exit_status = (int)status;
    return code;
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
    expect->exit_status = -1;
    return 0;
}

static struct suite_output *output_of(struct suite_expect *expect, const char *key)
{
    return &expect->output[strncmp(key, "stderr", 6) == 0 ? SUITE_STDERR : SUITE_STDOUT];
}

static int read_contains(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    const char *text;
    int code = node_text(r, node, key, "a text that must occur in the output", &text);

    if (code == 0)
        replace(&output_of(target, key)->contains, text);
    return code;
}

static int read_exact(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    const char *text;
    int code = node_text(r, node, key, "the whole output as a text (\"\" for none)", &text);

    if (code == 0)
        replace(&output_of(target, key)->exact, text);
    return code;
}

static int read_pattern(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    struct suite_output *output = output_of(target, key);
    const char *text;
    char problem[128];
    int code = node_text(r, node, key, "a regular expression", &text);

    if (code)
        return code;
    code = regcomp(&output->regex, text, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    if (code) {
        regerror(code, &output->regex, problem, sizeof(problem));
        return node_error(r, node, "%s: expected an extended regular expression: %s", key, problem);
    }
    replace(&output->pattern, text);
    return 0;
}

static const struct node_key expect_keys[] = {
    {"exit", read_exit},          {"signal", read_signal},        {"stdout", read_contains},
    {"stdout_exact", read_exact}, {"stdout_regex", read_pattern}, {"stderr", read_contains},
    {"stderr_exact", read_exact}, {"stderr_regex", read_pattern}, {NULL, NULL},
};

static void expect_init(struct suite_expect *expect)
{
    memset(expect, 0, sizeof(*expect));
}

static int read_expect(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;
    uint64_t seen;
    int code;

    for (int i = 0; i < SUITE_STREAM_COUNT; i++)
        suite_output_done(&test->expect.output[i]);
    expect_init(&test->expect);
    code = node_mapping(r, node, key, expect_keys, &test->expect, &seen);
    if (code == 0 && (seen & 3) == 3)
        return node_error(r, node, "expect: expected either exit or signal, got both");
    return code;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static int refuse_name(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    (void)target;
    return node_error(r, node, "%s: expected in a test, not in defaults: names are unique", key);
}

#define KEY_SEED 1
#define KEY_SEEDS 2
#define SHARED_KEYS                                                                    \
    {"seed", read_seed}, {"seeds", read_seeds}, {"command", read_command},             \
        {"env", read_environment}, {"cwd", read_directory}, {"stdin", read_stdin},     \
        {"runs", read_runs}, {"strategy", read_strategy}, {"patching", read_patching}, \
        {"timeout", read_timeout}, {"virtual_timeout", read_virtual_timeout},          \
        {"inject", read_inject}, {"clock", read_clock}, {"expect", read_expect},       \
    {                                                                                  \
        NULL, NULL                                                                     \
    }

static const struct node_key test_keys[] = {{"name", read_name}, SHARED_KEYS};
static const struct node_key defaults_keys[] = {{"name", refuse_name}, SHARED_KEYS};

static void test_init(struct suite_test *test)
{
    memset(test, 0, sizeof(*test));
    test->runs = DEFAULT_RUNS;
    test->strategy = SUITE_STRATEGY_AUTO;
    test->timeout_ns = DEFAULT_TIMEOUT_NS;
    expect_init(&test->expect);
}

struct suite_target {
    struct suite *suite;
    const yaml_node_t *defaults;
    const yaml_node_t *tests;
    size_t search_count;
};

static int read_keys(struct node_reader *r, const yaml_node_t *node, const char *what,
                     const struct node_key *keys, struct suite_test *test)
{
    uint64_t seen;
    int code = node_mapping(r, node, what, keys, test, &seen);

    if (code == 0 && (seen & (1 << KEY_SEED)) && (seen & (1 << KEY_SEEDS)))
        return node_error(r, node, "%s: expected either seed or seeds, got both", what);
    return code;
}

static int read_test(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                     void *target)
{
    struct suite_target *t = target;
    struct suite_test *test = &t->suite->tests[index];
    int code = 0;

    test_init(test);
    t->suite->count = index + 1;
    if (t->defaults)
        code = read_keys(r, t->defaults, "defaults", defaults_keys, test);
    if (code == 0)
        code = read_keys(r, node, key, test_keys, test);
    if (code)
        return code;
    mark(node, &test->line, &test->column);
    if (!test->name)
        return node_error(r, node, "name: missing in this test; expected a unique name");
    if (!test->command)
        return node_error(r, node,
                          "command: missing in test '%s'; expected a list such as "
                          "[\"./program\", \"--option\"]",
                          test->name);
    return 0;
}

static int read_version(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    uint64_t version;

    (void)target;
    return node_u64(r, node, key, "1 (the only version there is)", 1, 1, &version);
}

static int read_defaults(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    struct suite_target *t = target;
    struct suite_test scratch;
    int code;

    test_init(&scratch);
    code = read_keys(r, node, key, defaults_keys, &scratch);
    suite_test_done(&scratch);
    t->defaults = node;
    return code;
}

static int read_tests(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_target *t = target;

    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.top == node->data.sequence.items.start)
        return node_expected(r, node, key, "a list of at least one test");
    t->tests = node;
    return 0;
}

static int read_search_item(struct node_reader *r, const char *key, const yaml_node_t *node,
                            size_t index, void *target)
{
    struct suite *suite = target;
    const char *text;
    int code = node_text(r, node, key, "a directory, relative to the suite file", &text);
    size_t size;

    if (code)
        return code;
    size = strlen(suite->directory) + strlen(text) + 2;
    suite->search[index] = suite_calloc(size, 1);
    if (*text == '/')
        snprintf(suite->search[index], size, "%s", text);
    else
        snprintf(suite->search[index], size, "%s/%s", suite->directory, text);
    return 0;
}

static int read_search(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_target *t = target;

    if (node->type == YAML_SEQUENCE_NODE)
        t->suite->search = suite_calloc(
            (size_t)(node->data.sequence.items.top - node->data.sequence.items.start) + 1,
            sizeof(char *));
    return node_list(r, node, key, "a list of directories, relative to the suite file", 1000,
                     read_search_item, t->suite);
}

static const struct node_key suite_keys[] = {
    {"version", read_version},
    {"defaults", read_defaults},
    {"search", read_search},
    {"tests", read_tests},
    {NULL, NULL},
};

static int compare_names(const void *a, const void *b)
{
    const struct suite_test *const *x = a;
    const struct suite_test *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);

    return order ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

static int check_names(struct node_reader *r, const struct suite *suite)
{
    const struct suite_test **sorted = suite_calloc(suite->count, sizeof(*sorted));
    int code = 0;

    for (size_t i = 0; i < suite->count; i++)
        sorted[i] = &suite->tests[i];
    qsort(sorted, suite->count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < suite->count && code == 0; i++) {
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            code = rr_error_set(r->error, -EINVAL,
                                "%s:%zu:%zu: name: expected a unique name, got '%s' again (first "
                                "on line %zu)",
                                r->path, sorted[i]->line, sorted[i]->column, sorted[i]->name,
                                sorted[i - 1]->line);
    }
    free(sorted);
    return code;
}

int schema_read(struct node_reader *r, struct suite *suite)
{
    struct suite_target t = {.suite = suite};
    const yaml_node_t *root = node_root(r);
    uint64_t seen;
    size_t count;
    int code = node_mapping(r, root, "the suite", suite_keys, &t, &seen);

    if (code)
        return code;
    if (!(seen & 1))
        return node_error(r, root, "version: missing in the suite; expected 'version: 1'");
    if (!t.tests)
        return node_error(r, root, "tests: missing in the suite; expected a list of tests");
    count = (size_t)(t.tests->data.sequence.items.top - t.tests->data.sequence.items.start);
    if (count > TESTS_MAX)
        return node_error(r, t.tests, "tests: expected at most %d tests, got %zu", TESTS_MAX,
                          count);
    suite->tests = suite_calloc(count, sizeof(*suite->tests));
    code = node_list(r, t.tests, "tests", "a list of tests", TESTS_MAX, read_test, &t);
    return code ? code : check_names(r, suite);
}

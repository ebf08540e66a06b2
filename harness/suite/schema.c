/* The keys of a suite file, and how its tests are made: `defaults` is read into every test before
 * the test's own keys, so a test's key replaces the default (env: is added to); a test with a
 * matrix is read once for each combination. */
#include "harness/suite/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

#define DEFAULT_RUNS 200
#define DEFAULT_TIMEOUT_NS 30000000000ull
#define DEFAULT_SETUP_TIMEOUT_NS 60000000000ull
#define SEARCH_MAX 1000
#define INCLUDES_MAX 100

struct suite_target {
    struct schema_load *load;
    struct suite_file *file;
    const yaml_node_t *defaults;
    const yaml_node_t *tests;
    const yaml_node_t *includes;
};

struct suite_position suite_position_of(const yaml_node_t *node)
{
    return (struct suite_position){node->start_mark.line + 1, node->start_mark.column + 1};
}

int schema_problem(struct schema_load *load, const struct rr_error *error, int code)
{
    if (!load->problems)
        return code;
    bytes_append(load->problems, error->message, strlen(error->message));
    bytes_append(load->problems, "\n", 1);
    return 0;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void test_init(struct suite_test *test, const struct suite_file *file)
{
    memset(test, 0, sizeof(*test));
    test->file = file;
    test->runs = DEFAULT_RUNS;
    test->strategy = SUITE_STRATEGY_AUTO;
    test->timeout_ns = DEFAULT_TIMEOUT_NS;
    test->setup_timeout_ns = DEFAULT_SETUP_TIMEOUT_NS;
    schema_expect_init(&test->expect);
}

static int read_keys(struct node_reader *r, const yaml_node_t *node, const char *what,
                     const struct node_key *keys, struct suite_test *test)
{
    static const char *const pairs[][2] = {{"seed", "seeds"}, {"stdin", "stdin_text"}};
    int code = node_mapping(r, node, what, keys, test);

    for (size_t i = 0; i < 2 && code == 0; i++) {
        if (node_get(r, node, pairs[i][0]) && node_get(r, node, pairs[i][1]))
            return node_error(r, node, "%s: expected either %s or %s, got both", what, pairs[i][0],
                              pairs[i][1]);
    }
    return code;
}

static int add_suffix(struct node_reader *r, const yaml_node_t *node, struct suite_test *test,
                      const char *suffix)
{
    char *name = text_make("%s%s", test->name, suffix);

    free(test->name);
    test->name = name;
    if (strlen(name) > SUITE_NAME_MAX)
        return node_error(r, node,
                          "matrix: expected names of at most %d bytes with the values in them, got "
                          "'%.200s...'",
                          SUITE_NAME_MAX, name);
    return 0;
}

static int read_into(struct node_reader *r, const yaml_node_t *node, struct suite_target *t,
                     const char *suffix, struct suite_test *test)
{
    int code = 0;

    if (t->defaults)
        code = read_keys(r, t->defaults, "defaults", schema_defaults_keys, test);
    if (code == 0)
        code = read_keys(r, node, "tests", schema_test_keys, test);
    if (code)
        return code;
    test->line = node->start_mark.line + 1;
    test->column = node->start_mark.column + 1;
    if (!test->name)
        return node_error(r, node, "name: missing in this test; expected a unique name");
    if (!test->command)
        return node_error(r, node,
                          "command: missing in test '%s'; expected a list such as "
                          "[\"./program\", \"--option\"]",
                          test->name);
    return suffix ? add_suffix(r, node, test, suffix) : 0;
}

static int add_test(struct node_reader *r, const yaml_node_t *node, struct suite_target *t,
                    const char *suffix)
{
    struct suite *suite = t->load->suite;
    struct suite_test test;
    int code;

    if (suite->count == SUITE_TESTS_MAX)
        return node_error(r, node, "tests: expected at most %d tests, matrices written out",
                          SUITE_TESTS_MAX);
    test_init(&test, t->file);
    code = read_into(r, node, t, suffix, &test);
    if (code) {
        suite_test_done(&test);
        return code;
    }
    if (suite->count == t->load->capacity) {
        t->load->capacity = t->load->capacity ? t->load->capacity * 2 : 16;
        suite->tests = realloc(suite->tests, t->load->capacity * sizeof(*suite->tests));
        if (!suite->tests)
            abort();
    }
    suite->tests[suite->count++] = test;
    return 0;
}

static int add_combinations(struct node_reader *r, const yaml_node_t *node, struct suite_target *t,
                            struct matrix *matrix)
{
    const struct node_variable *variables;
    const char *suffix;
    size_t count;
    int code = 0;

    while (code == 0 && matrix_next(matrix, &variables, &count, &suffix)) {
        node_set_variables(r, variables, count);
        code = add_test(r, node, t, suffix);
    }
    node_set_variables(r, NULL, 0);
    return code;
}

static int read_test(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                     void *target)
{
    struct suite_target *t = target;
    const yaml_node_t *matrix_node = node_get(r, node, "matrix");
    struct matrix *matrix = NULL;
    int code = 0;

    (void)key;
    (void)index;
    if (!matrix_node && t->defaults)
        matrix_node = node_get(r, t->defaults, "matrix");
    if (matrix_node)
        code = matrix_read(r, matrix_node, &matrix);
    if (code == 0)
        code = matrix ? add_combinations(r, node, t, matrix) : add_test(r, node, t, NULL);
    matrix_free(matrix);
    return code ? schema_problem(t->load, r->error, code) : 0;
}

/* --- the top -------------------------------------------------------------------------------------
 */

static int read_version(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    uint64_t version;

    (void)target;
    return node_u64(r, node, key, "1 (the only version there is)", 1, 1, &version);
}

static int read_suite_name(struct node_reader *r, const char *key, const yaml_node_t *node,
                           void *target)
{
    struct suite_target *t = target;
    const char *text;
    int code = node_text(r, node, key, "a name for reports", &text);

    if (code)
        return code;
    if (!*text)
        return node_expected(r, node, key, "a name for reports");
    if (t->load->depth == 0) /* that of an included file names nothing */
        suite_replace(&t->load->suite->name, text);
    return 0;
}

/* Mistakes are told once, here, and not for every test; what depends on a matrix is left to them.
 */
static int read_defaults(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    const yaml_node_t *matrix_node = node_get(r, node, "matrix");
    struct suite_target *t = target;
    struct matrix *matrix = NULL;
    struct suite_test scratch;
    int code;

    test_init(&scratch, t->file);
    r->defer = true;
    code = read_keys(r, node, key, schema_defaults_keys, &scratch);
    r->defer = false;
    suite_test_done(&scratch);
    if (code == 0 && matrix_node)
        code = matrix_read(r, matrix_node, &matrix);
    matrix_free(matrix);
    t->defaults = node;
    return code;
}

static int read_tests(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_target *t = target;

    if (node_count(node) == 0)
        return node_expected(r, node, key, "a list of at least one test");
    t->tests = node;
    return 0;
}

static int read_search_item(struct node_reader *r, const char *key, const yaml_node_t *node,
                            size_t index, void *target)
{
    struct suite_file *file = target;
    const char *text;
    int code = node_text(r, node, key, "a directory, relative to the suite file", &text);

    if (code == 0)
        file->search[index] = suite_absolute(file->directory, text);
    return code;
}

static int read_search(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_target *t = target;

    t->file->search = suite_calloc(node_count(node) + 1, sizeof(char *));
    return node_list(r, node, key, "a list of directories, relative to the suite file", SEARCH_MAX,
                     read_search_item, t->file);
}

static int note_includes(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    struct suite_target *t = target;

    if (node_count(node) == 0)
        return node_expected(r, node, key, "a list of suite files such as [other.yaml]");
    t->includes = node;
    return 0;
}

static int read_include(struct node_reader *r, const char *key, const yaml_node_t *node,
                        size_t index, void *target)
{
    static const char expected[] = "a suite file, relative to this one";
    struct suite_target *t = target;
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    (void)index;
    if (code == 0 && !*text)
        code = node_expected(r, node, key, expected);
    if (code == 0)
        code = schema_include(r, node, t->load, t->file, text);
    return code ? schema_problem(t->load, r->error, code) : 0;
}

const struct node_key schema_suite_keys[] = {
    {"version", read_version, "version", "1. Required."},
    {"name", read_suite_name, "words", "A name of the suite, for reports. Default: its path."},
    {"include", note_includes, "includes",
     "Suite files, relative to this one, whose tests come before this one's. Each has its own "
     "defaults and search, and paths relative to itself."},
    {"defaults", read_defaults, "defaults", "Keys for all tests of this file."},
    {"search", read_search, "paths",
     "Folders, relative to the suite file, in which bare names of programs are looked for."},
    {"tests", read_tests, "tests", "The tests. Required, unless there is an `include`."},
    {NULL, NULL, NULL, NULL},
};

static int compare_names(const void *a, const void *b)
{
    const struct suite_test *const *x = a;
    const struct suite_test *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);

    return order ? order : (*x > *y) - (*x < *y);
}

static int check_names(struct schema_load *load, struct rr_error *error)
{
    const struct suite *suite = load->suite;
    const struct suite_test **sorted = suite_calloc(suite->count, sizeof(*sorted));
    int code = 0;

    for (size_t i = 0; i < suite->count; i++)
        sorted[i] = &suite->tests[i];
    qsort(sorted, suite->count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < suite->count && code == 0; i++) {
        const struct suite_test *first = sorted[i - 1], *again = sorted[i];

        if (strcmp(again->name, first->name) != 0)
            continue;
        code = rr_error_set(error, -EINVAL,
                            "%s:%zu:%zu: name: expected a unique name, got '%s' again (first on "
                            "line %zu%s%s)",
                            again->file->path, again->line, again->column, again->name, first->line,
                            first->file == again->file ? "" : " of ",
                            first->file == again->file ? "" : first->file->path);
        code = schema_problem(load, error, code);
    }
    free(sorted);
    return code;
}

int schema_read(struct node_reader *r, struct schema_load *load)
{
    struct suite *suite = load->suite;
    struct suite_target t = {.load = load, .file = suite->files[suite->file_count - 1]};
    const yaml_node_t *root = node_root(r);
    int code = node_mapping(r, root, "the suite", schema_suite_keys, &t);

    if (code)
        return code;
    if (!node_get(r, root, "version"))
        return node_error(r, root, "version: missing in the suite; expected 'version: 1'");
    if (!t.tests && !t.includes)
        return node_error(r, root, "tests: missing in the suite; expected a list of tests");
    if (t.includes)
        code = node_list(r, t.includes, "include", "a list of suite files", INCLUDES_MAX,
                         read_include, &t);
    if (code == 0 && t.tests)
        code = node_list(r, t.tests, "tests", "a list of tests", SUITE_TESTS_MAX, read_test, &t);
    return code || load->depth > 0 ? code : check_names(load, r->error);
}

/* The JSON of ctest (jansson), and which tests are fixtures of which. */
#include "harness/import/ctest_tests.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/schema.h"
#include "recorder/base/text.h"

static void read_words(json_t *value, struct import_words *into)
{
    json_t *item;
    size_t index;

    if (json_is_string(value))
        import_word(into, json_string_value(value));
    json_array_foreach(value, index, item)
    {
        if (json_is_string(item))
            import_word(into, json_string_value(item));
    }
}

enum property_kind {
    PROPERTY_WORDS,
    PROPERTY_NUMBER,
    PROPERTY_INTEGER,
    PROPERTY_BOOL,
    PROPERTY_TEXT
};

#define AT(field) offsetof(struct ctest_test, field)
static const struct property {
    const char *name;
    enum property_kind kind;
    size_t offset;
} properties[] = {
    {"DEPENDS", PROPERTY_WORDS, AT(depends)},
    {"DISABLED", PROPERTY_BOOL, AT(disabled)},
    {"ENVIRONMENT", PROPERTY_WORDS, AT(environment)},
    {"ENVIRONMENT_MODIFICATION", PROPERTY_WORDS, AT(modifications)},
    {"FAIL_REGULAR_EXPRESSION", PROPERTY_WORDS, AT(fail)},
    {"FIXTURES_CLEANUP", PROPERTY_WORDS, AT(fixtures_cleanup)},
    {"FIXTURES_REQUIRED", PROPERTY_WORDS, AT(fixtures_required)},
    {"FIXTURES_SETUP", PROPERTY_WORDS, AT(fixtures_setup)},
    {"LABELS", PROPERTY_WORDS, AT(labels)},
    {"PASS_REGULAR_EXPRESSION", PROPERTY_WORDS, AT(pass)},
    {"PROCESSORS", PROPERTY_INTEGER, AT(processors)},
    {"REQUIRED_FILES", PROPERTY_WORDS, AT(required_files)},
    {"RESOURCE_LOCK", PROPERTY_WORDS, AT(locks)},
    {"RUN_SERIAL", PROPERTY_BOOL, AT(serial)},
    {"SKIP_REGULAR_EXPRESSION", PROPERTY_WORDS, AT(skip)},
    {"SKIP_RETURN_CODE", PROPERTY_INTEGER, AT(skip_status)},
    {"TIMEOUT", PROPERTY_NUMBER, AT(timeout_s)},
    {"WILL_FAIL", PROPERTY_BOOL, AT(will_fail)},
    {"WORKING_DIRECTORY", PROPERTY_TEXT, AT(directory)},
};

/* Properties that say nothing about how a test runs are passed over. */
static void read_property(struct ctest_test *test, const char *name, json_t *value)
{
    const struct property *row = properties;
    const struct property *end = properties + sizeof(properties) / sizeof(*properties);
    char *place;

    while (row < end && strcmp(row->name, name) != 0)
        row++;
    if (row == end)
        return;
    place = (char *)test + row->offset;
    switch (row->kind) {
    case PROPERTY_WORDS:
        read_words(value, (struct import_words *)(void *)place);
        break;
    case PROPERTY_NUMBER:
        *(double *)(void *)place = json_number_value(value);
        break;
    case PROPERTY_INTEGER:
        *(int *)(void *)place = (int)json_number_value(value);
        break;
    case PROPERTY_BOOL:
        *(bool *)place = json_is_true(value);
        break;
    case PROPERTY_TEXT:
        if (json_is_string(value)) {
            free(*(char **)(void *)place);
            *(char **)(void *)place = text_copy(json_string_value(value));
        }
        break;
    }
}

static int read_test(json_t *item, size_t index, struct ctest_test *test, struct rr_error *error)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    json_t *property;
    size_t at;

    *test = (struct ctest_test){.timeout_s = -1, .processors = 1, .skip_status = -1};
    test->name = text_copy(name ? name : "");
    if (!name)
        return rr_error_set(error, -EINVAL, "ctest's list: tests[%zu] has no name", index);
    read_words(json_object_get(item, "command"), &test->command);
    json_array_foreach(json_object_get(item, "properties"), at, property)
    {
        const char *key = json_string_value(json_object_get(property, "name"));

        if (key)
            read_property(test, key, json_object_get(property, "value"));
    }
    return 0;
}

int ctest_tests_read(const char *json, size_t length, struct ctest_tests *ret,
                     struct rr_error *error)
{
    json_error_t problem;
    json_t *root = json_loadb(json, length, 0, &problem);
    json_t *tests = json_object_get(root, "tests");
    const char *kind = json_string_value(json_object_get(root, "kind"));
    int code = 0;

    *ret = (struct ctest_tests){NULL, 0};
    if (!root) {
        return rr_error_set(error, -EINVAL, "ctest's list is no JSON: line %d, column %d: %s",
                            problem.line, problem.column, problem.text);
    }
    if (!kind || strcmp(kind, "ctestInfo") != 0 || !json_is_array(tests)) {
        code = rr_error_set(error, -EINVAL,
                            "ctest's list is not what --show-only=json-v1 prints (CMake 3.14)");
    } else {
        ret->tests = suite_calloc(json_array_size(tests), sizeof(*ret->tests));
        while (code == 0 && ret->count < json_array_size(tests)) {
            code = read_test(json_array_get(tests, ret->count), ret->count, &ret->tests[ret->count],
                             error);
            ret->count++;
        }
    }
    json_decref(root);
    return code;
}

void ctest_tests_done(struct ctest_tests *tests)
{
    for (size_t i = 0; i < tests->count; i++) {
        struct ctest_test *test = &tests->tests[i];

        for (size_t k = 0; k < sizeof(properties) / sizeof(*properties); k++) {
            char *place = (char *)test + properties[k].offset;

            if (properties[k].kind == PROPERTY_WORDS)
                import_words_done((struct import_words *)(void *)place);
        }
        import_words_done(&test->command);
        free(test->name);
        free(test->directory);
    }
    free(tests->tests);
    *tests = (struct ctest_tests){NULL, 0};
}

bool ctest_has(const struct import_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->words[i], word) == 0)
            return true;
    return false;
}

static bool share_a_word(const struct import_words *a, const struct import_words *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (ctest_has(b, a->words[i]))
            return true;
    return false;
}

bool ctest_is_fixture(const struct ctest_tests *tests, const struct ctest_test *test)
{
    for (size_t i = 0; i < tests->count; i++) {
        const struct import_words *required = &tests->tests[i].fixtures_required;

        if (share_a_word(required, &test->fixtures_setup) ||
            share_a_word(required, &test->fixtures_cleanup))
            return true;
    }
    return false;
}

/* Depth first over what is required and what the set-ups depend on, each test once; recursion ends
 * since a test is marked before it is entered. */
static void collect(struct ctest_tests *tests, const struct ctest_test *test,
                    const struct ctest_test **setup, size_t *count)
{
    for (size_t i = 0; i < tests->count; i++) {
        struct ctest_test *candidate = &tests->tests[i];

        if (candidate->collected || candidate == test ||
            !share_a_word(&candidate->fixtures_setup, &test->fixtures_required))
            continue;
        candidate->collected = true;
        /* Set-ups of one fixture may depend on each other by name. */
        for (size_t k = 0; k < tests->count; k++) {
            struct ctest_test *before = &tests->tests[k];

            if (!before->collected && before->fixtures_setup.count &&
                ctest_has(&candidate->depends, before->name)) {
                before->collected = true;
                collect(tests, before, setup, count);
                setup[(*count)++] = before;
            }
        }
        collect(tests, candidate, setup, count);
        setup[(*count)++] = candidate;
    }
}

void ctest_fixtures(struct ctest_tests *tests, const struct ctest_test *test,
                    const struct ctest_test **setup, size_t *ret_setup_count,
                    const struct ctest_test **cleanup, size_t *ret_cleanup_count)
{
    struct import_words required = {NULL, 0};

    *ret_setup_count = *ret_cleanup_count = 0;
    for (size_t i = 0; i < tests->count; i++)
        tests->tests[i].collected = false;
    collect(tests, test, setup, ret_setup_count);
    /* The fixtures in the order in which they were asked for: the last set up is cleaned first. */
    for (size_t i = 0; i < test->fixtures_required.count; i++)
        import_word(&required, test->fixtures_required.words[i]);
    for (size_t i = *ret_setup_count; i-- > 0;)
        for (size_t k = 0; k < setup[i]->fixtures_required.count; k++)
            if (!ctest_has(&required, setup[i]->fixtures_required.words[k]))
                import_word(&required, setup[i]->fixtures_required.words[k]);
    for (size_t i = 0; i < tests->count; i++)
        tests->tests[i].collected = false;
    for (size_t k = 0; k < required.count; k++) {
        for (size_t i = 0; i < tests->count; i++) {
            struct ctest_test *candidate = &tests->tests[i];

            if (!candidate->collected && candidate != test &&
                ctest_has(&candidate->fixtures_cleanup, required.words[k])) {
                candidate->collected = true;
                cleanup[(*ret_cleanup_count)++] = candidate;
            }
        }
    }
    import_words_done(&required);
}

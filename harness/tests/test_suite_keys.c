/* The larger keys of a suite: matrices, what surrounds a run, quarantines, includes, the schema. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/suite/schema.h"
#include "harness/suite/suite.h"
#include "harness/tests/suite_text.h"
#include "recorder/trace/json.h"

static void test_matrix(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {cwd: \"${t}\", matrix: {t: [9s]}}\n"
                                "tests:\n"
                                "  - name: q\n"
                                "    matrix: {t: [1s, 2s], m: [a/b, c], exclude: [{t: 2s, m: c}]}\n"
                                "    command: [\"x${m}\", \"$${m}$$${t}\", \"${t}${m}${t}\"]\n"
                                "    env: {\"V_${t}\": \"${m}\"}\n"
                                "    timeout: \"${t}\"\n"
                                "    expect: {stdout: [\"${m}\"], stdout_regex: \"^${t}$\"}\n"
                                "    setup: [\"echo ${m}\", [\"${m}\"]]\n"
                                "    files: [\"${t}\"]\n"
                                "    labels: [\"${t}\"]\n"
                                "    stdin_text: \"${m}\"\n"
                                "  - {name: r, command: [x]}\n"
                                "  - {name: s, command: [\"${t}\"], matrix: {}}\n");
    const struct suite_test *test = suite->tests;

    (void)state;
    assert_int_equal(suite->count, 5);
    assert_string_equal(test[0].name, "q[t=1s,m=a_b]");
    assert_string_equal(test[1].name, "q[t=1s,m=c]");
    assert_string_equal(test[2].name, "q[t=2s,m=a_b]");
    assert_string_equal(test[3].name, "r[t=9s]");
    assert_string_equal(test[4].name, "s");
    assert_string_equal(test[0].command[0], "xa/b");
    assert_string_equal(test[0].command[1], "${m}$${t}");
    assert_string_equal(test[2].command[2], "2sa/b2s");
    assert_string_equal(test[2].environment[0], "V_2s=a/b");
    assert_true(test[2].timeout_ns == 2000000000);
    assert_string_equal(test[3].directory, "9s");
    assert_string_equal(test[4].directory, "${t}"); /* no matrix: a text like any other */
    assert_string_equal(test[1].expect.output[0].contains[0], "c");
    assert_string_equal(test[1].expect.output[0].pattern, "^1s$");
    assert_string_equal(test[1].hooks[SUITE_SETUP][0].arguments[2], "echo c");
    assert_string_equal(test[1].hooks[SUITE_SETUP][1].arguments[0], "c");
    assert_string_equal(test[2].copies[0].target, "2s");
    assert_string_equal(test[2].labels[0], "2s");
    assert_string_equal(test[2].stdin_text, "a/b");
    assert_string_equal(test[4].command[0], "${t}");
    suite_free(suite);
}

static void test_bad_matrix(void **state)
{
    (void)state;
    refused(TEST "    matrix: [a]\n", "5:13", "a mapping such as");
    refused(TEST "    matrix: {A: x}\n", "5:17", "A: expected a list of values");
    refused(TEST "    matrix: {A: []}\n", "5:17", "a list of values");
    refused(TEST "    matrix: {A: [[]]}\n", "5:18", "got a list");
    refused(TEST "    matrix: {A: [~]}\n", "5:18", "quote");
    refused(TEST "    matrix: {A: [1, 1]}\n", "5:21", "different values, got '1' again");
    refused(TEST "    matrix: {A: [1], A: [2]}\n", "5:22", "got a second time");
    refused(TEST "    matrix: {1A: [1]}\n", "5:14", "starts with a letter");
    refused(TEST "    matrix: {'a b': [1]}\n", "5:14", "a name of letters");
    refused(TEST "    matrix: {A: [1, 2], exclude: [{B: 1}]}\n", "5:36", "'B' is no axis");
    refused(TEST "    matrix: {mode: [x], exclude: [{moed: x}]}\n", "5:36", "did you mean 'mode'?");
    refused(TEST "    matrix: {A: [1, 2], exclude: [{A: 3}]}\n", "5:39", "a value that this axis");
    refused(TEST "    matrix: {A: [1, 2], exclude: [{}]}\n", "5:35", "exclude everything");
    refused(TEST "    matrix: {A: [1, 2], exclude: [{A: 1}, {A: 2}]}\n", "5:13",
            "a combination that is not excluded");
    refused(
        TEST "    matrix: {THREADS: [1]}\n    cwd: ${THREDS}\n", "6:10",
        "cwd: unknown variable '${THREDS}' in a test with a matrix; did you mean '${THREADS}'?");
    refused(TEST "    matrix: {A: [1]}\n    cwd: a${A\n", "6:10", "expected '}' after '${A'");
    refused(TEST "    matrix: {A: [1]}\n    runs: x${A}\n", "6:11", "runs: expected");
    refused(HEAD
            "  - {name: 'a[A=1]', command: [x]}\n  - {name: a, command: [x], matrix: {A: [1]}}\n",
            "4:5", "got 'a[A=1]' again");
    refused("version: 1\ndefaults: {matrix: {A: 1}}\n", "2:24", "a list of values");
    refused("version: 1\ndefaults: {runs: 'x${A}', timeout: 1}\n", "2:36", "a duration");
}

/* Small files that would make large suites, or take long. */
static void test_bombs(void **state)
{
    char *text = malloc(4 << 20);
    struct timespec start, end;
    struct suite *suite = NULL;
    struct rr_error error;
    size_t used;

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &start);
    refused(TEST "    matrix: {A: [1,2,3,4,5,6,7,8,9,0], B: [1,2,3,4,5,6,7,8,9,0], "
                 "C: [1,2,3,4,5,6,7,8,9,0], D: [1, 2]}\n",
            "5:13", "at most 1000 combinations");
    /* a thousand copies of a long text */
    used = (size_t)sprintf(text, TEST "    matrix: &m {A: [1,2,3,4,5,6,7,8,9,0], "
                                      "B: [1,2,3,4,5,6,7,8,9,0], C: [1,2,3,4,5,6,7,8,9,0]}\n"
                                      "    stdin_text: ");
    memset(text + used, 'x', 1 << 20);
    used += 1 << 20;
    text[used++] = '\n';
    assert_int_equal(suite_parse("s.yaml", "/", text, used, &suite, &error), -EINVAL);
    assert_non_null(strstr(error.message, "matrices written out"));
    /* more tests than there may be */
    used = (size_t)sprintf(text, "version: 1\ndefaults: {command: [x], matrix: &m {"
                                 "A: [1,2,3,4,5,6,7,8,9,0], B: [1,2,3,4,5,6,7,8,9,0], "
                                 "C: [1,2,3,4,5,6,7,8,9,0]}}\ntests:\n");
    for (int i = 0; i < 100; i++)
        used += (size_t)sprintf(text + used, "  - name: t%d\n", i);
    assert_int_equal(suite_parse("s.yaml", "/", text, used, &suite, &error), -EINVAL);
    assert_non_null(strstr(error.message, "at most 10000 tests"));
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec < 20);
    free(text);
}

static void test_around(void **state)
{
    struct suite *suite = parse("version: 1\nname: mine\n"
                                "defaults: {setup: [one], stdin: in, keep_going: true}\n"
                                "tests:\n"
                                "  - name: a\n"
                                "    command: [x]\n"
                                "    setup: []\n"
                                "    teardown_each: [[p, q], 'r s']\n"
                                "    setup_timeout: 2s\n"
                                "    files: [data/in, ./x/, ../up, /abs/y/, .]\n"
                                "    stdin_text: ''\n"
                                "    time_budget: 3m\n"
                                "    labels: [u, v]\n"
                                "    limits: {memory: 2G, processes: 20, output: 1K}\n"
                                "  - {name: b, command: [x], keep_going: false,\n"
                                "     limits: {memory: none}}\n");
    const struct suite_test *test = suite->tests;
    static const char *const targets[] = {"data/in", "x", "up", "y", ""};

    (void)state;
    assert_string_equal(suite->name, "mine");
    assert_int_equal(test->hook_count[SUITE_SETUP], 0);
    assert_int_equal(test->hook_count[SUITE_TEARDOWN_EACH], 2);
    assert_string_equal(test->hooks[SUITE_TEARDOWN_EACH][0].arguments[1], "q");
    assert_string_equal(test->hooks[SUITE_TEARDOWN_EACH][1].arguments[0], "/bin/sh");
    assert_string_equal(test->hooks[SUITE_TEARDOWN_EACH][1].arguments[2], "r s");
    assert_true(test->setup_timeout_ns == 2000000000);
    assert_int_equal(test->copy_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(test->copies[i].target, targets[i]);
    assert_null(test->stdin_file);
    assert_string_equal(test->stdin_text, "");
    assert_true(test->time_budget_ns == 180000000000);
    assert_string_equal(test->labels[1], "v");
    assert_null(test->labels[2]);
    assert_true(test->memory_limit == 2ull << 30);
    assert_int_equal(test->process_limit, 20);
    assert_int_equal(test->output_limit, 1024);
    assert_true(test->keep_going);
    test++;
    assert_string_equal(test->stdin_file, "in");
    assert_int_equal(test->hook_count[SUITE_SETUP], 1);
    assert_true(test->setup_timeout_ns == 60000000000);
    assert_true(test->memory_limit == SUITE_NO_LIMIT);
    assert_int_equal(test->process_limit, 0);
    assert_false(test->keep_going);
    suite_free(suite);
}

static void test_bad_around(void **state)
{
    (void)state;
    refused(TEST "    setup: x\n", "5:12", "a list of commands");
    refused(TEST "    setup: [{}]\n", "5:13", "got a mapping");
    refused(TEST "    setup: ['']\n", "5:13", "a command");
    refused(TEST "    setup_each: [['']]\n", "5:19", "a program's name");
    refused(TEST "    teardown: [x, []]\n", "5:19", "a command");
    refused(TEST "    files: [a, ./a]\n", "5:16", "different names, got 'a' twice");
    refused(TEST "    files: [..]\n", "5:13", "files: expected");
    refused(TEST "    files: [a/..]\n", "5:13", "files: expected");
    refused(TEST "    files: [/]\n", "5:13", "files: expected");
    refused(TEST "    files: [[]]\n", "5:13", "got a list");
    refused(TEST "    labels: [a, '!b']\n", "5:13", "not starting with '!'");
    refused(TEST "    labels: ['']\n", "5:13", "without blanks");
    refused(TEST "    limits: {memory: 5}\n", "5:22", "a size such as");
    refused(TEST "    limits: {output: none}\n", "5:22", "a size such as");
    refused(TEST "    limits: {processes: 0}\n", "5:25", "from 1 to");
    refused(TEST "    stdin: x\n    stdin_text: y\n", "3:5", "either stdin or stdin_text");
    refused(TEST "    keep_going: yes\n", "5:17", "true or false");
    refused(TEST "    time_budget: 5\n", "5:18", "a duration");
    refused(TEST "    skip: true\n", "5:11", "a reason");
    refused(TEST "    skip: {unless_exists: x}\n", "5:11", "expected a reason");
    refused(TEST "    skip: {reason: ''}\n", "5:20", "a reason");
    refused(TEST "    quarantine: {reason: x}\n", "5:17", "a reason and until");
    refused(TEST "    quarantine: {until: 2027-02-30, reason: x}\n", "5:25", "a date such as");
    refused(TEST "    quarantine: {signature: 0123456789ABCDEF}\n", "5:29", "16 hexadecimal");
    refused(TEST "    expect: {exit: anny}\n", "5:20", "did you mean 'any'?");
    refused(TEST "    expect: {exit: [1, 300]}\n", "5:24", "from 0 to 255");
    refused("version: 1\nname: ''\n", "2:7", "a name for reports");
    refused("version: 1\ninclude: []\n", "2:10", "a list of suite files");
    refused("version: 1\ninclude: [/nonexistent.yaml]\n", "2:11", "/nonexistent.yaml: No such");
    refused("version: 1\ninclude: [/dev/null]\n", "2:11", "/dev/null is none");
}

static void test_quarantine(void **state)
{
    /* 2027-02-01 00:00 UTC */
    const uint64_t over = 1801440000;
    struct suite *suite =
        parse(HEAD "  - {name: a, command: [x], quarantine: {reason: R, until: 2027-01-31}}\n"
                   "  - {name: b, command: [x], quarantine: {reason: R, until: 2027-01-31,\n"
                   "     signature: 0123456789abcdef}}\n"
                   "  - {name: c, command: [x]}\n");
    const struct suite_quarantine *any = &suite->tests[0].quarantine;
    const struct suite_quarantine *one = &suite->tests[1].quarantine;
    const struct suite_quarantine *none = &suite->tests[2].quarantine;
    char *note;

    (void)state;
    assert_int_equal(suite_quarantine_state(any, over - 1), SUITE_QUARANTINE_HOLDS);
    assert_int_equal(suite_quarantine_state(any, over), SUITE_QUARANTINE_OVER);
    assert_int_equal(suite_quarantine_state(none, 0), SUITE_QUARANTINE_NONE);
    assert_true(suite_quarantine_covers(any, NULL, over - 1));
    assert_false(suite_quarantine_covers(any, NULL, over));
    assert_false(suite_quarantine_covers(one, NULL, over - 1));
    assert_false(suite_quarantine_covers(one, "0123456789abcdee", over - 1));
    assert_true(suite_quarantine_covers(one, "0123456789abcdef", over - 1));
    assert_false(suite_quarantine_covers(none, NULL, 0));
    note = suite_quarantine_note(any, over - 1);
    assert_string_equal(note, "quarantined until 2027-01-31: R");
    free(note);
    note = suite_quarantine_note(any, over);
    assert_string_equal(note, "the quarantine expired on 2027-01-31: R");
    free(note);
    assert_null(suite_quarantine_note(none, over));
    suite_free(suite);
}

/* Without a table behind it, no key; without a shape behind it, no editor understands the schema.
 */
static void check_references(const struct json *value, const struct json *definitions)
{
    const struct json *reference = json_get(value, "$ref");

    if (reference && reference->kind == JSON_STRING) {
        assert_int_equal(strncmp(reference->string, "#/$defs/", 8), 0);
        assert_non_null(json_get(definitions, reference->string + 8));
    }
    for (size_t i = 0; i < value->count; i++)
        check_references(&value->items[i], definitions);
}

static void test_schema(void **state)
{
    const struct json *properties;
    struct bytes text;
    struct json root;
    size_t offset;

    (void)state;
    bytes_init(&text);
    suite_schema(&text);
    assert_int_equal(json_parse((const char *)text.data, text.length, &root, &offset), 0);
    check_references(&root, json_get(&root, "$defs"));
    properties = json_get(json_get(json_get(&root, "$defs"), "test"), "properties");
    for (const struct node_key *key = schema_test_keys; key->name; key++)
        assert_non_null(json_get(properties, key->name));
    json_done(&root);
    bytes_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),     cmocka_unit_test(test_bad_matrix),
        cmocka_unit_test(test_bombs),      cmocka_unit_test(test_around),
        cmocka_unit_test(test_bad_around), cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Suites from other tools' tests: the pure halves of the sources, names, and the writer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/import/capture.h"
#include "harness/import/ctest_environment.h"
#include "harness/import/ctest_regex.h"
#include "harness/import/import.h"
#include "harness/suite/suite.h"

/* What the suite is written as; malloced. */
static char *written(const struct import_suite *suite, const char *base)
{
    struct import_options options = {.base = base};
    struct rr_error error = {0};
    struct bytes text;

    bytes_init(&text);
    if (import_write(suite, &options, &text, &error))
        fail_msg("%s", error.message);
    bytes_append(&text, "", 1);
    return (char *)text.data;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("expected no '%s' in:\n%s", part, text);
}

/* --- ctest ---------------------------------------------------------------------------------------
 */

/* One test with these properties (JSON), and `more` tests behind it. */
static char *ctest_suite(const char *properties, const char *more)
{
    struct import_options options = {.base = "/b"};
    struct import_suite suite = {.kind = "ctest"};
    struct suite *read;
    struct rr_error error = {0};
    char *json, *text;

    assert_true(asprintf(&json,
                         "{\"kind\": \"ctestInfo\", \"version\": {\"major\": 1, \"minor\": 0}, "
                         "\"tests\": [{\"name\": \"t\", \"command\": [\"/b/bin/t\", \"-x\"], "
                         "\"properties\": [%s]}%s]}",
                         properties, more) > 0);
    if (import_ctest_json(json, strlen(json), &options, &suite, &error))
        fail_msg("%s: %s", error.message, json);
    if (import_finish(&suite, NULL, &error))
        fail_msg("%s", error.message);
    text = written(&suite, "/b");
    if (suite_parse("s", "/b", text, strlen(text), &read, &error))
        fail_msg("%s\n%s", error.message, text);
    suite_free(read);
    import_suite_done(&suite);
    free(json);
    return text;
}

static void test_ctest_properties(void **state)
{
    static const struct {
        const char *property, *has, *has_not;
    } rows[] = {
        {"", "command: [\"/b/bin/t\", \"-x\"]\n", "expect"},
        {"{\"name\": \"TIMEOUT\", \"value\": 2.5}", "timeout: 2500ms\n", "\"timeout"},
        {"{\"name\": \"TIMEOUT\", \"value\": 60}", "timeout: 60s\n", NULL},
        {"{\"name\": \"TIMEOUT\", \"value\": 0}", "timeout: none\n", NULL},
        {"{\"name\": \"WORKING_DIRECTORY\", \"value\": \"/b/sub\"}", "cwd: \"sub\"\n", NULL},
        {"{\"name\": \"WORKING_DIRECTORY\", \"value\": \"/b\"}", "- name: \"t\"\n", "cwd"},
        {"{\"name\": \"WORKING_DIRECTORY\", \"value\": \"/bb\"}", "cwd: \"/bb\"\n", NULL},
        {"{\"name\": \"ENVIRONMENT\", \"value\": [\"A=x y\", \"B=\"]}",
         "env:\n    \"A\": \"x y\"\n    \"B\": \"\"\n", "sh"},
        {"{\"name\": \"WILL_FAIL\", \"value\": true}", "exit: nonzero\n", NULL},
        {"{\"name\": \"WILL_FAIL\", \"value\": false}", "command", "exit"},
        {"{\"name\": \"SKIP_RETURN_CODE\", \"value\": 77}", "exit: [0, 77]\n", NULL},
        {"{\"name\": \"LABELS\", \"value\": [\"slow\", \"net\"]}", "labels: [\"slow\", \"net\"]\n",
         NULL},
        {"{\"name\": \"LABELS\", \"value\": [\"a b, c\", \"!x!\", \"\"]}",
         "labels: [\"a_b__c\", \"_x!\"]\n", NULL},
        {"{\"name\": \"RESOURCE_LOCK\", \"value\": [\"db\"]}", "labels: [\"lock:db\"]\n", NULL},
        {"{\"name\": \"RUN_SERIAL\", \"value\": true}", "labels: [\"serial\"]\n", NULL},
        {"{\"name\": \"PROCESSORS\", \"value\": 4}", "labels: [\"processors:4\"]\n", NULL},
        {"{\"name\": \"DISABLED\", \"value\": true}", "skip: \"DISABLED in CTest\"\n", NULL},
        {"{\"name\": \"PASS_REGULAR_EXPRESSION\", \"value\": [\"all good\"]}",
         "expect:\n    exit: any\n    stdout_regex: \"all good\"\n", NULL},
        {"{\"name\": \"PASS_REGULAR_EXPRESSION\", \"value\": [\"x\"]}",
         "command: [\"sh\", \"-c\", \"exec \\\"$@\\\" 2>&1\", \"sh\", \"/b/bin/t\", \"-x\"]", NULL},
        {"{\"name\": \"FAIL_REGULAR_EXPRESSION\", \"value\": [\"a\", \"b{\"]}",
         "stdout_not_regex: \"(a)|(b\\\\{)\"\n", "exit:"},
        {"{\"name\": \"PASS_REGULAR_EXPRESSION\", \"value\": [\"x\"]}, "
         "{\"name\": \"WILL_FAIL\", \"value\": true}",
         "exit: any\n    stdout_not_regex: \"x\"\n", "stdout_regex"},
        {"{\"name\": \"FAIL_REGULAR_EXPRESSION\", \"value\": [\"x\"]}, "
         "{\"name\": \"WILL_FAIL\", \"value\": true}",
         "skip: \"WILL_FAIL with FAIL_REGULAR_EXPRESSION\"", "stdout_not_regex"},
        {"{\"name\": \"PASS_REGULAR_EXPRESSION\", \"value\": [\"(\"]}",
         "# note: t: PASS_REGULAR_EXPRESSION: ", "stdout_regex"},
        {"{\"name\": \"REQUIRED_FILES\", \"value\": [\"/nowhere/x\"]}",
         "# note: t: REQUIRED_FILES: there is no /nowhere/x", NULL},
        {"{\"name\": \"UNHEARD_OF\", \"value\": {\"x\": [1]}}", "command", "expect"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *text = ctest_suite(rows[i].property, "");

        assert_has(text, rows[i].has);
        if (rows[i].has_not)
            assert_lacks(strstr(text, "tests:"), rows[i].has_not);
        free(text);
    }
}

static void test_ctest_fixtures(void **state)
{
    /* t needs Db, which needs Net; the set-ups are in the wrong order in the list. */
    char *text = ctest_suite("{\"name\": \"FIXTURES_REQUIRED\", \"value\": [\"Db\"]}",
                             ", {\"name\": \"db\", \"command\": [\"/d\"], \"properties\": ["
                             "{\"name\": \"FIXTURES_SETUP\", \"value\": [\"Db\"]}, "
                             "{\"name\": \"ENVIRONMENT\", \"value\": [\"P=1\"]}, "
                             "{\"name\": \"FIXTURES_REQUIRED\", \"value\": [\"Net\"]}]}, "
                             "{\"name\": \"net\", \"command\": [\"/n\"], \"properties\": ["
                             "{\"name\": \"WORKING_DIRECTORY\", \"value\": \"/w\"}, "
                             "{\"name\": \"FIXTURES_SETUP\", \"value\": [\"Net\"]}]}, "
                             "{\"name\": \"net-down\", \"command\": [\"/nd\"], \"properties\": ["
                             "{\"name\": \"FIXTURES_CLEANUP\", \"value\": [\"Net\"]}]}, "
                             "{\"name\": \"db-down\", \"command\": [\"/dd\"], \"properties\": ["
                             "{\"name\": \"FIXTURES_CLEANUP\", \"value\": [\"Db\"]}]}, "
                             "{\"name\": \"free\", \"command\": [\"/f\"], \"properties\": ["
                             "{\"name\": \"FIXTURES_SETUP\", \"value\": [\"Unused\"]}]}");

    (void)state;
    assert_has(text, "setup:\n  - [\"env\", \"-C\", \"/w\", \"/n\"]\n  - [\"env\", \"P=1\", "
                     "\"/d\"]\n  teardown:\n  - [\"/dd\"]\n  - [\"/nd\"]\n");
    assert_has(text, "# note: 4 fixtures became setup and teardown");
    assert_has(text, "- name: \"free\"");
    assert_lacks(text, "- name: \"db\"");
    free(text);
}

static void test_ctest_not_built(void **state)
{
    char *text = ctest_suite("", ", {\"name\": \"gone\", \"properties\": []}");

    (void)state;
    assert_has(text, "# note: gone: its program is not built; left out\n");
    assert_lacks(text, "- name: \"gone\"");
    free(text);
}

static void test_ctest_bad(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"kind\": \"ctestInfo\"}",
                                      "{\"kind\": \"x\", \"tests\": []}",
                                      "{\"kind\": \"ctestInfo\", \"tests\": [{}]}",
                                      "{\"kind\": \"ctestInfo\", \"tests\": [7]}"};
    struct import_options options = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct import_suite suite = {.kind = "ctest"};
        struct rr_error error = {0};

        assert_int_equal(import_ctest_json(bad[i], strlen(bad[i]), &options, &suite, &error),
                         -EINVAL);
        assert_has(error.message, "ctest's list");
        import_suite_done(&suite);
    }
}

static void test_ctest_environment(void **state)
{
    static const struct {
        const char *environment, *modification, *second, *known, *script;
    } rows[] = {
        {"A=1", "A=string_append:2", NULL, "A=12", ""},
        {"A=1", "A=path_list_prepend:/x", NULL, "A=/x:1", ""},
        {"A=", "A=path_list_prepend:/x", NULL, "A=/x", ""},
        {"A=1", "A=cmake_list_append:y", NULL, "A=1;y", ""},
        {NULL, "A=set:a:b=c", NULL, "A=a:b=c", ""},
        {NULL, "A=set:1", "A=string_prepend:0", "A=01", ""},
        {"A=1", "A=unset:", NULL, NULL, "unset A; "},
        {"A=1", "A=string_append:2", "A=reset:", "A=1", ""},
        {NULL, "A=path_list_prepend:/x y", "A=reset:", NULL, ""},
        {NULL, "A=path_list_prepend:/x y", NULL, NULL, "A='/x y'${A:+:$A}; export A; "},
        {NULL, "A=path_list_append:/x", NULL, NULL, "A=${A:+$A:}/x; export A; "},
        {NULL, "A=cmake_list_prepend:x", NULL, NULL, "A=x${A:+\\;$A}; export A; "},
        {NULL, "A=string_append:x", NULL, NULL, "A=${A:+$A}x; export A; "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct import_words given = {0}, modifications = {0}, result = {0}, notes = {0};
        struct bytes script;

        bytes_init(&script);
        if (rows[i].environment)
            import_word(&given, rows[i].environment);
        import_word(&modifications, rows[i].modification);
        if (rows[i].second)
            import_word(&modifications, rows[i].second);
        ctest_environment("t", &given, &modifications, &result, &script, &notes);
        bytes_append(&script, "", 1);
        assert_string_equal((char *)script.data, rows[i].script);
        assert_int_equal(result.count, rows[i].known != NULL);
        if (rows[i].known)
            assert_string_equal(result.words[0], rows[i].known);
        assert_int_equal(notes.count, 0);
        bytes_done(&script);
        import_words_done(&given);
        import_words_done(&modifications);
        import_words_done(&result);
    }
}

static void test_ctest_environment_notes(void **state)
{
    static const char *const bad[] = {"A=frobnicate:1", "A",         "A=set",
                                      "=set:1",         "A-B=set:1", "A$(x)=string_append:1"};
    struct import_words none = {0}, modifications = {0}, result = {0}, notes = {0};
    struct bytes script;

    (void)state;
    bytes_init(&script);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        import_word(&modifications, bad[i]);
    ctest_environment("t", &none, &modifications, &result, &script, &notes);
    assert_int_equal(notes.count, sizeof(bad) / sizeof(*bad));
    assert_int_equal(script.length, 0);
    assert_int_equal(result.count, 0);
    bytes_done(&script);
    import_words_done(&modifications);
    import_words_done(&notes);
}

static void test_regex(void **state)
{
    static const struct {
        const char *cmake, *posix;
    } rows[] = {
        {"a+(b|c)?$", "a+(b|c)?$"}, {"x{2}", "x\\{2\\}"},
        {"[]{x]{", "[]{x]\\{"},     {"[^]a]", "[^]a]"},
        {"a\\.b", "a\\.b"},         {"\\w\\<", "w<"},
        {"\\\\d", "\\\\d"},         {"[\\]x", "[\\]x"},
        {"\\[x", "\\[x"},           {"[0-9]+ tests", "[0-9]+ tests"},
    };
    char problem[100];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char pattern[32];
        char *const patterns[] = {pattern};
        char *text;

        snprintf(pattern, sizeof(pattern), "%s", rows[i].cmake);
        text = ctest_regex(patterns, 1, problem, sizeof(problem));
        if (!text)
            fail_msg("%s: %s", pattern, problem);
        assert_string_equal(text, rows[i].posix);
        free(text);
    }
    assert_null(ctest_regex((char *const[]){(char[]){"(x"}}, 1, problem, sizeof(problem)));
    assert_true(*problem);
}

/* --- gtest ---------------------------------------------------------------------------------------
 */

static void test_gtest(void **state)
{
    static const char list[] = "Running main() from gtest_main.cc\n"
                               "Plain.\n"
                               "  One\n"
                               "  DISABLED_Two\r\n"
                               "DISABLED_Off.\n"
                               "  Three\n"
                               "Typed/0.  # TypeParam = std::vector<int>\n"
                               "  Case\n"
                               "Inst/Param.\n"
                               "  Case/0  # GetParam() = \"a. b\"\n"
                               "some noise\n"
                               "  not a case\n";
    static const struct {
        const char *filter;
        bool skipped;
    } rows[] = {
        {"Plain.One", false},    {"Plain.DISABLED_Two", true}, {"DISABLED_Off.Three", true},
        {"Typed/0.Case", false}, {"Inst/Param.Case/0", false},
    };
    struct import_words program = {0};
    struct import_suite suite = {.kind = "gtest"};
    struct rr_error error = {0};

    (void)state;
    import_word(&program, "./p");
    assert_int_equal(import_gtest_list(list, strlen(list), &program, "/x", &suite, &error), 0);
    assert_int_equal(suite.count, 5);
    for (size_t i = 0; i < suite.count; i++) {
        assert_string_equal(suite.tests[i].name, rows[i].filter);
        assert_string_equal(suite.tests[i].command.words[0], "./p");
        assert_string_equal(suite.tests[i].command.words[1] + strlen("--gtest_filter="),
                            rows[i].filter);
        assert_int_equal(suite.tests[i].skip != NULL, rows[i].skipped);
    }
    assert_int_equal(import_finish(&suite, "Typed*", &error), 0);
    assert_int_equal(suite.count, 1);
    assert_string_equal(suite.tests[0].name, "Typed-0.Case");
    assert_int_equal(import_finish(&suite, "no*", &error), -ENOENT);
    assert_has(error.message, "--filter 'no*'");
    import_suite_done(&suite);
    import_words_done(&program);
}

/* --- names and the writer ------------------------------------------------------------------------
 */

static void test_names(void **state)
{
    static const char *const given[] = {"a", "a", "a/b", "a-b", "a~2", "a", ".x", "", "t\tx"};
    static const char *const wanted[] = {"a",   "a~3", "a-b", "a-b~2", "a~2",
                                         "a~4", "_x",  "_",   "t_x"};
    struct import_suite suite = {.kind = "gtest"};
    struct rr_error error = {0};
    char longer[600];

    (void)state;
    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        import_add(&suite, given[i]);
    for (size_t i = 0; i < 2; i++) {
        memset(longer, 'x', sizeof(longer));
        memcpy(longer + 199, "\xc3\xa4", 2); /* would be cut in two */
        longer[599] = '\0';
        import_add(&suite, longer);
    }
    assert_int_equal(import_finish(&suite, NULL, &error), 0);
    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        assert_string_equal(suite.tests[i].name, wanted[i]);
    assert_int_equal(strlen(suite.tests[9].name), 199);
    assert_int_equal(strlen(suite.tests[10].name), 194);
    import_suite_done(&suite);
    assert_int_equal(import_finish(&suite, NULL, &error), -ENOENT);
    for (size_t i = 0; i < IMPORT_TESTS_MAX + 1; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%zu", i);
        import_add(&suite, name);
    }
    assert_int_equal(import_finish(&suite, NULL, &error), -E2BIG);
    import_suite_done(&suite);
}

/* What is written is read back as it was meant, whatever is in it. */
static void test_write_and_read(void **state)
{
    static const char *const words[] = {"plain", "",   "null",  "~",  "a b",      "\"q\" 'q'",
                                        "x: y",  "#c", "\\n\n", "\t", "\xc3\xa4", "${x} $@"};
    size_t count = sizeof(words) / sizeof(*words);
    struct import_suite suite = {.kind = "tap", .runs = 7};
    struct suite *read;
    struct rr_error error = {0};
    struct import_test *test = import_add(&suite, "null");
    char *text;

    (void)state;
    import_word(&test->command, "sh");
    for (size_t i = 0; i < count; i++) {
        import_word(&test->command, words[i]);
        import_wordf(&test->environment, "V%zu=%s", i, words[i]);
    }
    test->expect[IMPORT_STDOUT] = strdup("x\ny: \"z\"");
    test->has_timeout = true;
    test->timeout_ns = 1500000000;
    import_word(&suite.notes, "a\nb");
    text = written(&suite, NULL);
    assert_has(text, "# Written by rrtest import tap\n# note: a b\n");
    if (suite_parse("s", "/", text, strlen(text), &read, &error))
        fail_msg("%s\n%s", error.message, text);
    assert_int_equal(read->count, 1);
    assert_string_equal(read->tests[0].name, "null");
    assert_int_equal(read->tests[0].runs, 7);
    assert_int_equal(read->tests[0].timeout_ns, 1500000000);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(read->tests[0].command[i + 1], words[i]);
        assert_string_equal(strchr(read->tests[0].environment[i], '=') + 1, words[i]);
    }
    suite_free(read);
    free(text);
    import_suite_done(&suite);
}

static void test_write_bad_text(void **state)
{
    struct import_suite suite = {.kind = "tap"};
    struct import_options options = {0};
    struct import_test *test = import_add(&suite, "a");
    struct rr_error error = {0};
    struct bytes text;

    (void)state;
    bytes_init(&text);
    import_word(&test->command, "x\xff");
    assert_int_equal(import_write(&suite, &options, &text, &error), -EINVAL);
    assert_has(error.message, "'x?' is not valid UTF-8");
    bytes_done(&text);
    import_suite_done(&suite);
}

static void test_below(void **state)
{
    (void)state;
    assert_string_equal(import_below("/a/b", "/a"), "b");
    assert_string_equal(import_below("/a", "/a"), "");
    assert_string_equal(import_below("/a/b", "/"), "a/b");
    assert_null(import_below("/ab", "/a"));
    assert_null(import_below("/b", "/a"));
    assert_null(import_below("a", "/"));
}

/* --- capture -------------------------------------------------------------------------------------
 */

static int shell(const char *script, uint64_t timeout_ns, struct capture *ret,
                 struct rr_error *error)
{
    char *const argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, strdup(script), NULL};
    int code = capture_run(argv, "RRTEST_TEST=set", timeout_ns, ret, error);

    free(argv[2]);
    return code;
}

static void test_capture(void **state)
{
    struct capture c;
    struct rr_error error = {0};
    char last[64];

    (void)state;
    /* A child that holds the pipes longer does not hold us. */
    assert_int_equal(shell("echo $RRTEST_TEST; cat; echo one >&2; echo two >&2; sleep 60 & exit 3",
                           20000000000ull, &c, &error),
                     0);
    assert_int_equal(c.output.length, 4);
    assert_memory_equal(c.output.data, "set\n", 4);
    assert_int_equal(c.status, 3 << 8);
    capture_last_error(&c, last, sizeof(last));
    assert_string_equal(last, "two");
    capture_done(&c);
    /* More than a pipe holds, on both. */
    assert_int_equal(
        shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", 20000000000ull, &c, &error),
        0);
    assert_int_equal(c.output.length, 300000);
    assert_int_equal(c.error.length, 65536);
    capture_done(&c);
    assert_int_equal(shell("sleep 60", 100000000, &c, &error), -ETIMEDOUT);
    assert_has(error.message, "time limit");
    assert_int_equal(shell("kill -9 $$", 20000000000ull, &c, &error), -EIO);
    assert_has(error.message, "killed by SIGKILL");
    assert_int_equal(
        shell("while :; do head -c 1000000 /dev/zero; done", 60000000000ull, &c, &error), -EFBIG);
    assert_int_equal(
        capture_run((char *const[]){(char[]){"/nowhere"}, NULL}, NULL, 1000000000, &c, &error),
        -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctest_properties),
        cmocka_unit_test(test_ctest_fixtures),
        cmocka_unit_test(test_ctest_not_built),
        cmocka_unit_test(test_ctest_bad),
        cmocka_unit_test(test_ctest_environment),
        cmocka_unit_test(test_ctest_environment_notes),
        cmocka_unit_test(test_regex),
        cmocka_unit_test(test_gtest),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_write_bad_text),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_capture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The suite parser: what good suites mean, and what is said about bad ones, position included. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/suite/suite.h"
#include "harness/tests/suite_text.h"
#include "recorder/syscalls/syscalls.h"

static void test_minimal(void **state)
{
    struct suite *suite = parse(TEST);
    const struct suite_test *test = &suite->tests[0];

    (void)state;
    assert_int_equal(suite->count, 1);
    assert_string_equal(suite->path, "s.yaml");
    assert_string_equal(test->name, "a");
    assert_string_equal(test->command[0], "x");
    assert_null(test->command[1]);
    assert_int_equal(test->runs, 200);
    assert_int_equal(test->strategy, SUITE_STRATEGY_AUTO);
    assert_true(test->timeout_ns == 30000000000ull);
    assert_true(test->virtual_timeout_ns == 0);
    assert_false(test->has_seed);
    assert_false(test->real_clock);
    assert_true(suite_expects_exit(&test->expect, 0));
    assert_false(suite_expects_exit(&test->expect, 1));
    assert_int_equal(test->expect.signal, 0);
    assert_int_equal(test->line, 3);
    assert_int_equal(test->column, 5);
    suite_free(suite);
}

static void test_everything(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "search: [bin, /opt/bin]\n"
                                "tests:\n"
                                "  - name: queue-close\n"
                                "    command: [\"./queue_test\", --threads, 4, '']\n"
                                "    env: {QUEUE_SIZE: \"8\", N: 9}\n"
                                "    cwd: sub\n"
                                "    stdin: in.txt\n"
                                "    runs: 0x10\n"
                                "    seed: 18446744073709551615\n"
                                "    strategy: random\n"
                                "    patching: off\n"
                                "    timeout: 500ms\n"
                                "    virtual_timeout: 2m\n"
                                "    inject: [{signal: SIGUSR1, at: futex, probability: 0.2},\n"
                                "             {signal: USR2, limit: 3}]\n"
                                "    clock: real\n"
                                "    expect: {exit: 3, stdout: ok, stdout_regex: '^o.$',\n"
                                "             stdout_exact: \"ok\\n\", stderr_exact: \"\"}\n"
                                "  - name: b\n"
                                "    command: [x]\n"
                                "    seeds: [7, 0x11]\n"
                                "    timeout: none\n"
                                "    expect: {signal: SIGABRT, stderr: boom}\n");
    const struct suite_test *test = &suite->tests[0];

    (void)state;
    assert_string_equal(suite->files[0]->search[0], "/suites/bin");
    assert_string_equal(suite->files[0]->search[1], "/opt/bin");
    assert_null(suite->files[0]->search[2]);
    assert_string_equal(test->command[2], "4");
    assert_string_equal(test->command[3], "");
    assert_null(test->command[4]);
    assert_string_equal(test->environment[0], "QUEUE_SIZE=8");
    assert_string_equal(test->environment[1], "N=9");
    assert_null(test->environment[2]);
    assert_string_equal(test->directory, "sub");
    assert_string_equal(test->stdin_file, "in.txt");
    assert_int_equal(test->runs, 16);
    assert_true(test->has_seed && test->seed == UINT64_MAX);
    assert_int_equal(test->strategy, SCHED_RANDOM);
    assert_int_equal(test->timeout_ns, 500000000);
    assert_true(test->virtual_timeout_ns == 120000000000ull);
    assert_int_equal(test->injection_count, 2);
    assert_int_equal(test->injections[0].signal, SIGUSR1);
    assert_int_equal(test->injections[0].at_call, syscall_number_by_name("futex"));
    assert_int_equal(test->injections[1].at_call, -1);
    assert_int_equal(test->injections[1].limit, 3);
    assert_true(test->real_clock);
    assert_true(suite_expects_exit(&test->expect, 3));
    assert_false(suite_expects_exit(&test->expect, 0));
    assert_string_equal(test->expect.output[SUITE_STDOUT].contains[0], "ok");
    assert_string_equal(test->expect.output[SUITE_STDOUT].exact, "ok\n");
    assert_string_equal(test->expect.output[SUITE_STDOUT].pattern, "^o.$");
    assert_string_equal(test->expect.output[SUITE_STDERR].exact, "");
    test = &suite->tests[1];
    assert_int_equal(test->seed_count, 2);
    assert_int_equal(test->seeds[1], 17);
    assert_true(test->timeout_ns == 0);
    assert_int_equal(test->expect.signal, SIGABRT);
    for (int i = 0; i < 256; i++)
        assert_false(suite_expects_exit(&test->expect, i));
    assert_string_equal(test->expect.output[SUITE_STDERR].contains[0], "boom");
    suite_free(suite);
}

static void test_defaults(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "defaults: {runs: 5, env: {A: 1, B: 2}, seeds: [1, 2],\n"
                                "           command: [common], inject: [{signal: SIGUSR1}],\n"
                                "           expect: {exit: 4, stdout_regex: x}}\n"
                                "tests:\n"
                                "  - name: plain\n"
                                "  - name: own\n"
                                "    command: [mine, arg]\n"
                                "    runs: 6\n"
                                "    env: {B: 3, C: 4}\n"
                                "    seed: 9\n"
                                "    inject: []\n"
                                "    expect: {stdout_regex: y}\n");
    const struct suite_test *plain = &suite->tests[0];
    const struct suite_test *own = &suite->tests[1];

    (void)state;
    assert_int_equal(plain->runs, 5);
    assert_string_equal(plain->command[0], "common");
    assert_int_equal(plain->seed_count, 2);
    assert_int_equal(plain->injection_count, 1);
    assert_true(suite_expects_exit(&plain->expect, 4));
    assert_int_equal(own->runs, 6);
    assert_string_equal(own->command[1], "arg");
    assert_string_equal(own->environment[0], "A=1");
    assert_string_equal(own->environment[1], "B=3");
    assert_string_equal(own->environment[2], "C=4");
    assert_null(own->environment[3]);
    assert_true(own->has_seed);
    assert_null(own->seeds);
    assert_int_equal(own->injection_count, 0);
    assert_true(suite_expects_exit(&own->expect, 0));
    assert_string_equal(own->expect.output[0].pattern, "y");
    suite_free(suite);
}

static void test_aliases(void **state)
{
    struct suite *suite = parse("version: 1\n"
                                "tests:\n"
                                "  - name: a\n"
                                "    command: &c [x, y]\n"
                                "    env: &e {A: 1}\n"
                                "  - {name: b, command: *c, env: *e}\n");

    (void)state;
    assert_string_equal(suite->tests[1].command[1], "y");
    assert_string_equal(suite->tests[1].environment[0], "A=1");
    suite_free(suite);
}

static void test_bad_yaml(void **state)
{
    (void)state;
    refused("", "1:1", "empty file");
    refused("# nothing\n", "1:1", "empty file");
    refused("version: 1\ntests: [\n", "3:1", "valid YAML");
    refused("version: 1\n\ttests: []\n", "2:1", "valid YAML");
    refused("version: 1\ntests: *nowhere\n", "2:8", "undefined alias");
    refused("version: 1\ntests: @\n", "2:8", "valid YAML");
    refused("a: b: c\n", "1:5", "valid YAML");
    refused("version: 1\nname: \"unclosed\n", "3:1", "valid YAML");
    refused("version: 1\n\xff\xfe: 2\n", "2:1", "UTF-8");
    refused("version: 1\nab\xc3(: 2\n", "2:4", "UTF-8");
    refused("version: 1\n\x01: 2\n", "2:1", "UTF-8");
    refused("--- {}\n--- {}\n", "2:1", "second one");
    refused(TEST "---\nx: 1\n", "5:1", "second one");
    refused("%YAML 3.0\n--- {}\n", "1:1", "valid YAML");
}

static void test_bad_top(void **state)
{
    (void)state;
    refused("[]\n", "1:1", "expected a mapping of keys to values, got a list");
    refused("hello\n", "1:1", "got 'hello'");
    refused("tests: []\n", "1:8", "at least one test");
    refused("tests: [{name: a, command: [x]}]\n", "1:1", "version: missing");
    refused("version: 1\n", "1:1", "tests: missing");
    refused("version: 2\n", "1:10", "version: expected 1");
    refused("version: one\n", "1:10", "got 'one'");
    refused("version:\n", "1:9", "nothing (null)");
    refused("version: 1\nversion: 1\n", "2:1", "got a second time");
    refused("version: 1\ntest: []\n", "2:1",
            "unknown key 'test' in the suite; did you mean 'tests'?");
    refused("version: 1\nxyzzy: []\n", "2:1", "expected one of version, name, include, defaults");
    refused("version: 1\n? [a]\n: b\n", "2:3", "a key, got a list");
    refused("version: 1\ntests: {a: b}\n", "2:8", "got a mapping");
    refused("version: 1\ntests:\n", "2:7", "nothing (null)");
    refused("version: 1\ntests: [a]\n", "2:9", "expected a mapping of keys to values, got 'a'");
    refused("version: 1\ndefaults: 3\ntests: []\n", "2:11", "got '3'");
    refused("version: 1\nsearch: bin\n", "2:9", "a list of directories");
    refused("version: 1\nsearch: [[]]\n", "2:10", "got a list");
}

static void test_bad_tests(void **state)
{
    (void)state;
    refused(HEAD "  - command: [x]\n", "3:5", "name: missing");
    refused(HEAD "  - name: a\n", "3:5", "command: missing in test 'a'");
    refused(HEAD "  - {name: a, command: [x]}\n  - {name: a, command: [y]}\n", "4:5",
            "got 'a' again (first on line 3)");
    refused(HEAD "  - {name: a/b, command: [x]}\n", "3:12", "no '/'");
    refused(HEAD "  - {name: .., command: [x]}\n", "3:12", "name: expected");
    refused(HEAD "  - {name: '', command: [x]}\n", "3:12", "name: expected");
    refused(HEAD "  - {name: ~, command: [x]}\n", "3:12", "nothing (null)");
    refused(HEAD "  - {name: [], command: [x]}\n", "3:12", "got a list");
    refused(HEAD "  - {name: \"a\\tb\", command: [x]}\n", "3:12", "control characters");
    refused(HEAD "  - {name: \"a\\0b\", command: [x]}\n", "3:12", "NUL");
    refused(HEAD "  - {name: a, command: x}\n", "3:24", "a list such as");
    refused(HEAD "  - {name: a, command: []}\n", "3:24", "a list such as");
    refused(HEAD "  - {name: a, command: ['']}\n", "3:25", "a program's name");
    refused(HEAD "  - {name: a, command: [x, ~]}\n", "3:28", "quote");
    refused(HEAD "  - {name: a, command: [x, [y]]}\n", "3:28", "got a list");
    refused(TEST "    comand: [x]\n", "5:5",
            "unknown key 'comand' in tests; did you mean 'command'?");
    refused(TEST "    name: b\n", "5:5", "got a second time");
    refused(TEST "    <<: {runs: 3}\n", "5:5", "merge keys are not supported");
    refused(TEST "    cwd: [a]\n", "5:10", "cwd: expected a directory");
    refused(TEST "    stdin:\n", "5:11", "stdin: expected a file");
    refused(TEST "    clock: wall\n", "5:12", "virtual or real");
    refused(TEST "    strategy: chaos\n", "5:15", "auto, round-robin or random, got 'chaos'");
    refused(TEST "    patching: often\n", "5:15", "expected static, lazy or off, got 'often'");
    refused("version: 1\ndefaults: {name: a}\n", "2:18", "not in defaults");
    refused("version: 1\ndefaults: {runs: 0}\n", "2:18", "runs: expected");
}

static void test_bad_numbers(void **state)
{
    (void)state;
    refused(TEST "    runs: 0\n", "5:11", "from 1 to 1000000000, got '0'");
    refused(TEST "    runs: -1\n", "5:11", "got '-1'");
    refused(TEST "    runs: 1.5\n", "5:11", "got '1.5'");
    refused(TEST "    runs: 1e3\n", "5:11", "got '1e3'");
    refused(TEST "    runs: many\n", "5:11", "got 'many'");
    refused(TEST "    runs: [1]\n", "5:11", "got a list");
    refused(TEST "    runs: 99999999999999999999999\n", "5:11", "runs: expected");
    refused(TEST "    runs: 1000000001\n", "5:11", "runs: expected");
    refused(TEST "    seed: 18446744073709551616\n", "5:11", "0 to 2^64-1");
    refused(TEST "    seed: x\n", "5:11", "got 'x'");
    refused(TEST "    seeds: 3\n", "5:12", "a list of run seeds");
    refused(TEST "    seeds: []\n", "5:12", "a list of run seeds");
    refused(TEST "    seeds: [1, b]\n", "5:16", "got 'b'");
    refused(TEST "    seeds: [1]\n    seed: 2\n", "3:5", "either seed or seeds");
    refused(TEST "    timeout: 10\n", "5:14", "a duration such as 10s");
    refused(TEST "    timeout: 10 s\n", "5:14", "got '10 s'");
    refused(TEST "    timeout: -1s\n", "5:14", "got '-1s'");
    refused(TEST "    timeout: {s: 1}\n", "5:14", "got a mapping");
    refused(TEST "    virtual_timeout: 1y\n", "5:22", "virtual_timeout: expected a duration");
}

static void test_bad_environment(void **state)
{
    (void)state;
    refused(TEST "    env: [A=1]\n", "5:10", "a mapping such as");
    refused(TEST "    env: {A: ~}\n", "5:14", "quote what is not meant as null");
    refused(TEST "    env: {A: }\n", "5:14", "quote what is not meant as null");
    refused(TEST "    env: {A: [1]}\n", "5:14", "got a list");
    refused(TEST "    env: {A: 1, A: 2}\n", "5:17", "got a second time");
    refused(TEST "    env: {A=B: 1}\n", "5:11", "a variable's name");
    refused(TEST "    env: {'': 1}\n", "5:11", "a variable's name");
}

static void test_bad_inject(void **state)
{
    (void)state;
    refused(TEST "    inject: SIGUSR1\n", "5:13", "a list such as");
    refused(TEST "    inject: [SIGUSR1]\n", "5:14", "a mapping of keys");
    refused(TEST "    inject: [{}]\n", "5:14", "signal: missing");
    refused(TEST "    inject: [{signal: SIGFOO}]\n", "5:23", "got 'SIGFOO'");
    refused(TEST "    inject: [{signal: SIGKILL}]\n", "5:23", "can handle");
    refused(TEST "    inject: [{signal: SIGUSR1, at: nocall}]\n", "5:36", "got 'nocall'");
    refused(TEST "    inject: [{signal: SIGUSR1, probability: 2}]\n", "5:45", "from 0 to 1");
    refused(TEST "    inject: [{signal: SIGUSR1, prob: 1}]\n", "5:32", "unknown key 'prob'");
    refused(TEST "    inject: [{signal: SIGUSR1, limit: -1}]\n", "5:39", "at least 1");
}

static void test_bad_expect(void **state)
{
    (void)state;
    refused(TEST "    expect: ok\n", "5:13", "a mapping of keys");
    refused(TEST "    expect: {exit: 256}\n", "5:20", "from 0 to 255");
    refused(TEST "    expect: {exit: ok}\n", "5:20", "got 'ok'");
    refused(TEST "    expect: {exit: 0, signal: SIGABRT}\n", "5:13", "either exit or signal");
    refused(TEST "    expect: {signal: 0}\n", "5:22", "a signal such as SIGABRT");
    refused(TEST "    expect: {stdot: x}\n", "5:14", "did you mean 'stdout'?");
    refused(TEST "    expect: {stdout: [[a]]}\n", "5:23", "got a list");
    refused(TEST "    expect: {stdout_regex: '('}\n", "5:28", "regular expression");
    refused(TEST "    expect: {stderr_not_regex: '('}\n", "5:32", "regular expression");
    refused(TEST "    expect: {stdout_regex: '*['}\n", "5:28", "regular expression");
    refused("version: 1\ndefaults: {expect: {exit: -1}}\n", "2:27", "exit: expected");
}

static void test_tags(void **state)
{
    (void)state;
    refused(TEST "    runs: !!int 5\n", "5:11", "expected no tag");
    refused(TEST "    runs: !!python/object 5\n", "5:11", "expected no tag");
    refused(TEST "    env: !mine {A: 1}\n", "5:10", "expected no tag");
}

/* Shapes that hurt naive readers: none may take long or crash. */
static void test_hostile(void **state)
{
    size_t size = 1 << 20;
    char *text = malloc(size + 1);
    struct suite *suite = NULL;
    struct rr_error error;

    (void)state;
    refused("version: 1\ntests: &a [*a]\n", "2:8", "expected a mapping");
    refused("&a {version: 1, tests: [*a]}\n", "1:5", "unknown key 'version' in tests");
    memset(text, '[', size);
    text[size] = '\0';
    assert_int_equal(suite_parse("s.yaml", "/", text, size, &suite, &error), -EINVAL);
    assert_string_equal(error.message, "s.yaml:1:33: expected at most 32 levels of nesting");
    for (size_t i = 0; i < size; i += 8)
        memcpy(text + i, "- &a b\n ", 8);
    assert_int_equal(suite_parse("s.yaml", "/", text, size - 2, &suite, &error), -EINVAL);
    memset(text, 'a', size);
    assert_int_equal(suite_parse("s.yaml", "/", text, size, &suite, &error), -EINVAL);
    assert_true(strlen(error.message) < 300);
    memset(text, 0, size);
    assert_int_equal(suite_parse("s.yaml", "/", text, size, &suite, &error), -EINVAL);
    free(text);
}

/* --- resolution ------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static int resolve(const char *text, struct rr_error *error, char *program, size_t size)
{
    struct suite *suite = NULL;
    int code;

    write_file("s.yaml", text, 0644);
    assert_int_equal(suite_load("s.yaml", &suite, error), 0);
    code = suite_resolve(&suite->tests[0], error);
    if (code == 0)
        snprintf(program, size, "%s", suite->tests[0].program);
    suite_free(suite);
    return code;
}

static void unresolved(const char *text, int code, const char *position, const char *words)
{
    struct rr_error error = {0};
    char program[4096];

    assert_int_equal(resolve(text, &error, program, sizeof(program)), code);
    if (strncmp(error.message, position, strlen(position)) != 0 || !strstr(error.message, words))
        fail_msg("expected '%s...%s', got '%s'", position, words, error.message);
}

static void resolved(const char *text, const char *expected)
{
    struct rr_error error = {0};
    char program[4096];

    if (resolve(text, &error, program, sizeof(program)))
        fail_msg("%s", error.message);
    assert_string_equal(program, expected);
}

static void test_resolve(void **state)
{
    char folder[] = "/tmp/rrtest-suite-XXXXXX";
    char expected[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    mkdir("bin", 0755);
    mkdir("true", 0755); /* a folder named like a program in PATH is not a program */
    write_file("here", "#!/bin/sh\n", 0755);
    write_file("bin/there", "#!/bin/sh\n", 0755);
    write_file("plain", "text\n", 0644);
    setenv("PATH", "/usr/bin:/bin", 1);
    snprintf(expected, sizeof(expected), "%s/here", folder);
    resolved(HEAD "  - {name: a, command: [here]}\n", expected);
    resolved(HEAD "  - {name: a, command: [./here]}\n", expected);
    snprintf(expected, sizeof(expected), "%s/bin/there", folder);
    resolved("search: [bin]\n" HEAD "  - {name: a, command: [there]}\n", expected);
    resolved(HEAD "  - {name: a, command: [true]}\n", "/usr/bin/true");
    unresolved(HEAD "  - name: a\n    command: [nowhere]\n", -ENOENT,
               "s.yaml:4:15: command: ", "nowhere");
    unresolved(HEAD "  - name: a\n    command: [./nowhere]\n", -ENOENT,
               "s.yaml:4:15: command: ", "nowhere");
    unresolved(HEAD "  - {name: a, command: [./plain]}\n", -EACCES,
               "s.yaml:3:25: command: ", "not executable");
    unresolved(TEST "    cwd: nowhere\n", -ENOENT, "s.yaml:4:15: command: ", "x");
    unresolved(HEAD "  - {name: a, command: [here], cwd: nowhere}\n", -ENOENT,
               "s.yaml:3:37: cwd: ", "a directory");
    unresolved(HEAD "  - {name: a, command: [here], cwd: plain}\n", -ENOTDIR,
               "s.yaml:3:37: cwd: ", "a directory");
    unresolved(HEAD "  - {name: a, command: [here], stdin: nowhere}\n", -ENOENT,
               "s.yaml:3:39: stdin: ", "a readable file");
    unlink("here");
    unlink("bin/there");
    unlink("plain");
    unlink("s.yaml");
    rmdir("bin");
    rmdir("true");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_load_errors(void **state)
{
    struct suite *suite = NULL;
    struct rr_error error;

    (void)state;
    assert_int_equal(suite_load("/nonexistent.yaml", &suite, &error), -ENOENT);
    assert_non_null(strstr(error.message, "/nonexistent.yaml"));
    assert_int_equal(suite_load("/tmp", &suite, &error), -EISDIR);
    assert_int_equal(suite_load("", &suite, &error), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimal),         cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_bad_yaml),        cmocka_unit_test(test_bad_top),
        cmocka_unit_test(test_bad_tests),       cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bad_environment), cmocka_unit_test(test_bad_inject),
        cmocka_unit_test(test_bad_expect),      cmocka_unit_test(test_tags),
        cmocka_unit_test(test_hostile),         cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_load_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

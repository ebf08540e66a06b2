/* The runner end to end over the fake recorder: exit statuses, kept traces, dying workers, signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/run/console.h"
#include "harness/run/keep.h"
#include "harness/run/runner.h"
#include "recorder/base/bytes.h"
#include "recorder/base/file.h"
#include "recorder/base/random.h"
#include "reports/model.h"

struct place {
    char folder[64];
    struct bytes output; /* of the last session, NUL-terminated */
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    strcpy(place->folder, "/tmp/rrtest-runner-XXXXXX");
    if (!mkdtemp(place->folder) || chdir(place->folder) < 0)
        return -1;
    bytes_init(&place->output);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    bytes_done(&place->output);
    if (chdir("/") < 0 || keep_remove_tree(place->folder))
        return -1;
    free(place);
    return 0;
}

static struct run_options defaults(void)
{
    return (struct run_options){.program = "rrtest",
                                .suite_path = "s.yaml",
                                .seed = 42,
                                .strategy = SUITE_STRATEGY_UNKNOWN,
                                .out = "out"};
}

/* A suite whose tests run /bin/sh -c SCRIPT. */
static struct suite *make_suite(const char *tests)
{
    struct suite *suite = NULL;
    struct rr_error error;
    FILE *file = fopen("s.yaml", "w");

    fprintf(file, "version: 1\ndefaults: {timeout: 20s}\ntests:\n%s", tests);
    fclose(file);
    if (suite_load("s.yaml", &suite, &error))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < suite->count; i++) {
        if (suite_resolve(&suite->tests[i], &error))
            fail_msg("%s", error.message);
    }
    return suite;
}

/* Run in a child whose stdout and stderr go to the file "log"; `after` (may be NULL) acts on it. */
static int session(struct place *place, const char *tests, const struct run_options *options,
                   void (*after)(pid_t pid))
{
    struct suite *suite = make_suite(tests);
    struct report_session results;
    int status;
    pid_t pid;

    fflush(stdout);
    fflush(stderr);
    pid = fork();
    if (pid == 0) {
        int log = open("log", O_WRONLY | O_CREAT | O_TRUNC, 0644);

        dup2(log, 1);
        dup2(log, 2);
        status = run_suite(suite, options, &results);
        report_session_done(&results);
        fflush(stdout);
        _exit(status);
    }
    if (after)
        after(pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    suite_free(suite);
    bytes_clear(&place->output);
    assert_int_equal(file_read_path("log", &place->output), 0);
    bytes_append(&place->output, "", 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void said(const struct place *place, const char *words)
{
    if (!strstr((char *)place->output.data, words))
        fail_msg("expected '%s' in:\n%s", words, (char *)place->output.data);
}

static void not_said(const struct place *place, const char *words)
{
    if (strstr((char *)place->output.data, words))
        fail_msg("unexpected '%s' in:\n%s", words, (char *)place->output.data);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

#define PASSING "  - {name: good, command: [/bin/true], runs: 20}\n"
#define FAILING \
    "  - {name: bad, command: [/bin/sh, -c, 'echo out; echo err >&2; exit 3'], runs: 20}\n"

static void test_pass(void **state)
{
    struct run_options options = defaults();

    assert_int_equal(session(*state, PASSING, &options, NULL), 0);
    said(*state,
         "ok    good  20 runs, 20 schedules, 1 output; fails in at most 14 % of runs (95 %)\n");
    said(*state, "1 passed, 0 failed; 20 runs in ");
    said(*state, "--seed 42\n");
    assert_false(exists("out"));
}

static void test_fail(void **state)
{
    struct run_options options = defaults();
    char path[128], words[256];
    struct bytes text;
    uint64_t seed;

    /* A run seed of the full 20 digits. */
    while ((seed = random_run_seed(options.seed, "bad", 1)) < 10000000000000000000ull)
        options.seed++;

    assert_int_equal(session(*state, PASSING FAILING, &options, NULL), 1);
    said(*state, "ok    good");
    said(*state, "FAIL  bad   found in run 1 of 20\n");
    said(*state, "exit 3, expected exit 0: err\n");
    said(*state, "err\n");
    snprintf(words, sizeof(words),
             "rrtest run s.yaml --filter bad --run-seed %llu --strategy round-robin\n",
             (unsigned long long)seed);
    said(*state, words);
    snprintf(words, sizeof(words), "rrtest replay out/bad/%llu\n", (unsigned long long)seed);
    said(*state, words);
    said(*state, "1 passed, 1 failed");
    assert_false(exists("out/good"));
    bytes_init(&text);
    snprintf(path, sizeof(path), "out/bad/%llu/events.zst", (unsigned long long)seed);
    assert_true(exists(path));
    snprintf(path, sizeof(path), "out/bad/%llu/stdout", (unsigned long long)seed);
    assert_int_equal(file_read_path(path, &text), 0);
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.data, "out\n", 4);
    bytes_done(&text);
}

/* A failure that depends on the seed is found in the same run whatever the number of workers. */
static void test_jobs_do_not_matter(void **state)
{
    static const char tests[] =
        "  - name: odd\n"
        "    command: [/bin/sh, -c, 'case $FAKE_SEED in *77) exit 1;; esac']\n"
        "    runs: 400\n";
    struct run_options options = defaults();
    char first[256];

    for (uint64_t jobs = 1; jobs <= 5; jobs += 2) {
        const char *found;

        options.jobs = jobs;
        assert_int_equal(session(*state, tests, &options, NULL), 1);
        found = strstr((char *)((struct place *)*state)->output.data, "found in run");
        assert_non_null(found);
        if (jobs == 1)
            snprintf(first, sizeof(first), "%.*s", (int)strcspn(found, "\n"), found);
        said(*state, first);
    }
}

static void test_keep_going(void **state)
{
    struct run_options options = defaults();

    options.keep_going = true;
    assert_int_equal(session(*state, FAILING, &options, NULL), 1);
    said(*state, "FAIL  bad  20 of 20 runs, 20 schedules, 1 output; ");
    said(*state, "20 of 20 runs fail so\n");
    options.keep = RUN_KEEP_NONE;
    keep_remove_tree("out");
    assert_int_equal(session(*state, FAILING, &options, NULL), 1);
    assert_false(exists("out"));
    options.keep = RUN_KEEP_ALL;
    assert_int_equal(session(*state, PASSING, &options, NULL), 0);
    assert_true(exists("out/good"));
}

/* The same failure again replaces the trace of the first session. */
static void test_twice(void **state)
{
    struct run_options options = defaults();

    assert_int_equal(session(*state, FAILING, &options, NULL), 1);
    assert_int_equal(session(*state, FAILING, &options, NULL), 1);
    not_said(*state, "could not keep");
    options.out = "s.yaml"; /* a file is in the way */
    assert_int_equal(session(*state, FAILING, &options, NULL), 1);
    said(*state, "could not keep the trace: cannot make s.yaml/bad");
}

/* What a session that was killed while it kept traces left is put in order by the next. */
static void test_mend(void **state)
{
    struct run_options options = defaults();

    assert_int_equal(file_make_directories("out/good/.5.new-00000001/images", 0777), 0);
    assert_int_equal(file_make_directories("out/good/6.old-77", 0777), 0);
    assert_int_equal(file_make_directories("out/good/7.old-77", 0777), 0);
    assert_int_equal(file_make_directories("out/good/7", 0777), 0);
    assert_int_equal(session(*state, PASSING, &options, NULL), 0);
    assert_false(exists("out/good/.5.new-00000001"));
    assert_false(exists("out/good/7.old-77"));
    assert_true(exists("out/good/7"));
    assert_true(exists("out/good/6"));
}

static void test_errors(void **state)
{
    static const char tests[] =
        "  - {name: dying, command: [/bin/sh, -c, 'exit 202'], runs: 5}\n"
        "  - {name: stuck, command: [/bin/sh, -c, 'exit 200'], runs: 5}\n"
        "  - {name: exotic, command: [/bin/sh, -c, 'exit 201'], runs: 5}\n"
        "  - {name: slow, command: [/bin/sleep, '60'], runs: 5, timeout: 100ms}\n"
        "  - {name: fine, command: [/bin/true], runs: 5}\n";
    struct run_options options = defaults();

    assert_int_equal(session(*state, tests, &options, NULL), 1);
    said(*state, "ERR   dying   found in run 1 of 5\n");
    said(*state, "the recorder was killed by SIGKILL during this run\n");
    said(*state, "FAIL  stuck   found in run 1 of 5\n");
    said(*state, "deadlock: 2 tasks wait for ever\n");
    said(*state, "task 2: futex\n");
    said(*state, "ERR   exotic  found");
    said(*state, "unsupported: userfaultfd(0) is not modelled\n");
    said(*state, "timeout: still running after 100ms\n");
    said(*state, "ok    fine    5 runs");
    said(*state, "1 passed, 2 failed, 2 errors");
}

static void test_machine(void **state)
{
    static const char tests[] = "  - {name: a, command: [/bin/sh, -c, 'exit 203']}\n"
                                "  - {name: b, command: [/bin/sh, -c, 'exit 203']}\n";
    struct run_options options = defaults();
    const char *text, *again;

    assert_int_equal(session(*state, tests, &options, NULL), 3);
    said(*state, "this machine cannot record: ptrace is not permitted here\n");
    text = (char *)((struct place *)*state)->output.data;
    said(*state, "skip  a  not run (cannot record)\n");
    said(*state, "0 passed, 0 failed, 2 unfinished (cannot record)");
    again = strstr(strstr(text, "cannot record: ") + 1, "cannot record: ");
    assert_null(again);
}

static void test_same_seed(void **state)
{
    struct run_options options = defaults();

    options.has_run_seed = true;
    options.run_seed = 7;
    options.runs = 50;
    assert_int_equal(session(*state, PASSING, &options, NULL), 0);
    said(*state, "ok    good  50 runs, 1 schedule, 1 output\n");
}

static void test_time_budget(void **state)
{
    static const char tests[] = "  - {name: slow, command: [/bin/sleep, '0.05'], runs: 1000}\n"
                                "  - {name: never, command: [/bin/true]}\n";
    struct run_options options = defaults();
    uint64_t start = console_now_ns();

    options.time_budget_ns = 500000000;
    options.jobs = 1;
    assert_int_equal(session(*state, tests, &options, NULL), 0);
    assert_true(console_now_ns() - start < 5000000000ull);
    said(*state, "part  slow   ");
    said(*state, "--resume\n");
    said(*state, "2 unfinished (time budget)");
}

static void interrupt(pid_t pid)
{
    struct timespec half = {.tv_nsec = 500000000};

    nanosleep(&half, NULL);
    kill(pid, SIGINT);
}

static void test_interrupt(void **state)
{
    static const char tests[] =
        PASSING FAILING "  - {name: slow, command: [/bin/sleep, '60'], timeout: none}\n"
                        "  - {name: later, command: [/bin/true]}\n";
    struct run_options options = defaults();
    uint64_t start = console_now_ns();

    assert_int_equal(session(*state, tests, &options, interrupt), 128 + SIGINT);
    assert_true(console_now_ns() - start < 2500000000ull);
    said(*state, "ok    good");
    said(*state, "FAIL  bad");
    said(*state, "skip  slow   not run (interrupted)\n");
    assert_true(exists("out/bad"));
}

/* With the parent gone, workers and their programs must go too. */
static void kill_parent(pid_t pid)
{
    struct timespec tenth = {.tv_nsec = 100000000};

    while (!exists("started"))
        nanosleep(&tenth, NULL);
    kill(pid, SIGKILL);
}

static void test_parent_dies(void **state)
{
    static const char tests[] =
        "  - {name: slow, command: [/bin/sh, -c, 'echo $$ > started; exec sleep 60'],\n"
        "     strategy: round-robin, runs: 1, timeout: none}\n";
    struct run_options options = defaults();
    struct timespec tenth = {.tv_nsec = 100000000};
    struct bytes text;
    pid_t sleeper;

    assert_int_equal(session(*state, tests, &options, kill_parent), -SIGKILL);
    bytes_init(&text);
    while (text.length == 0)
        assert_int_equal(file_read_path("started", &text), 0);
    bytes_append(&text, "", 1);
    sleeper = atoi((char *)text.data);
    bytes_done(&text);
    assert_true(sleeper > 1);
    for (int i = 0; i < 50 && kill(sleeper, 0) == 0; i++)
        nanosleep(&tenth, NULL);
    assert_int_equal(kill(sleeper, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_environment(void **state)
{
    static const char tests[] =
        "  - name: env\n"
        "    command: [/bin/sh, -c, 'echo \"$A|$PWD|$OLDPWD|$KEPT|$(cat)\"; pwd']\n"
        "    env: {A: from-suite}\n"
        "    cwd: sub\n"
        "    stdin: in\n"
        "    runs: 1\n"
        "    expect: {stdout_regex: '^from-suite\\|/tmp/.*/sub\\|\\|kept\\|text$'}\n";
    struct run_options options = defaults();
    FILE *file = fopen("in", "w");

    fputs("text", file);
    fclose(file);
    mkdir("sub", 0755);
    setenv("A", "from-outside", 1);
    setenv("KEPT", "kept", 1);
    setenv("OLDPWD", "/elsewhere", 1);
    assert_int_equal(session(*state, tests, &options, NULL), 0);
    unsetenv("A");
    unsetenv("KEPT");
}

static void test_quiet_and_filter(void **state)
{
    struct run_options options = defaults();

    options.quiet = true;
    options.filter = "go*";
    assert_int_equal(session(*state, PASSING FAILING, &options, NULL), 0);
    assert_string_equal((char *)((struct place *)*state)->output.data, "");
    options.filter = "b*";
    assert_int_equal(session(*state, PASSING FAILING, &options, NULL), 1);
    said(*state, "FAIL  bad");
    not_said(*state, "good");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pass),
        TEST(test_fail),
        TEST(test_jobs_do_not_matter),
        TEST(test_keep_going),
        TEST(test_twice),
        TEST(test_mend),
        TEST(test_errors),
        TEST(test_machine),
        TEST(test_same_seed),
        TEST(test_time_budget),
        TEST(test_interrupt),
        TEST(test_parent_dies),
        TEST(test_environment),
        TEST(test_quiet_and_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

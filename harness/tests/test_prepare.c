/* What surrounds a run: folders copied and emptied, hooks and whom they leave behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
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

#include "harness/run/copy_tree.h"
#include "harness/run/hooks.h"
#include "harness/run/prepare.h"
#include "recorder/base/bytes.h"
#include "recorder/base/file.h"

static int set_up(void **state)
{
    static char folder[] = "/tmp/rrtest-prepare-XXXXXX";

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    int code = empty_tree(*state);

    return chdir("/") < 0 || code || rmdir(*state) < 0 ? -1 : 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static void has(const char *path, const char *text)
{
    struct bytes data;

    bytes_init(&data);
    assert_int_equal(file_read_path(path, &data), 0);
    bytes_append(&data, "", 1);
    assert_string_equal((char *)data.data, text);
    bytes_done(&data);
}

static void test_copy(void **state)
{
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 3}};
    struct rr_error error = {0};
    struct stat status;
    char text[64] = "";

    (void)state;
    mkdir("from", 0755);
    mkdir("from/deep", 0711);
    write_file("from/deep/file", "text", 0641);
    assert_int_equal(utimensat(AT_FDCWD, "from/deep/file", times, 0), 0);
    assert_int_equal(symlink("deep/file", "from/link"), 0);
    assert_int_equal(symlink("from", "way"), 0);
    mkdir("to", 0755);
    assert_int_equal(copy_tree("way", "to/a/b", "to", &error), 0);
    has("to/a/b/link", "text");
    assert_int_equal(lstat("to/a/b/deep/file", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0641);
    assert_int_equal(status.st_mtim.tv_sec, 2000);
    assert_int_equal(status.st_mtim.tv_nsec, 3);
    assert_int_equal(readlink("to/a/b/link", text, sizeof(text) - 1), 9);
    assert_string_equal(text, "deep/file");
    /* into itself: what is being made is passed over */
    assert_int_equal(copy_tree(".", "to", "to", &error), 0);
    has("to/from/deep/file", "text");
    assert_int_equal(access("to/to", F_OK), -1);
    assert_int_equal(copy_tree("from/deep/file", "to/file", "to", &error), 0);
    has("to/file", "text");
}

static void test_copy_errors(void **state)
{
    struct rr_error error = {0};

    (void)state;
    mkdir("from", 0755);
    mkdir("to", 0755);
    assert_int_equal(mkfifo("from/fifo", 0600), 0);
    assert_int_equal(copy_tree("from", "to/x", "to", &error), -EINVAL);
    assert_non_null(strstr(error.message, "from/fifo: expected files, folders and links"));
    assert_int_equal(copy_tree("nowhere", "to/y", "to", &error), -ENOENT);
    assert_non_null(strstr(error.message, "nowhere"));
    write_file("to/here", "", 0644);
    assert_int_equal(copy_tree("to/here", "to/here", "to", &error), -EEXIST);
}

static void test_empty(void **state)
{
    (void)state;
    mkdir("x", 0755);
    mkdir("x/locked", 0755);
    write_file("x/locked/file", "", 0);
    chmod("x/locked", 0);
    assert_int_equal(symlink("/", "x/root"), 0);
    write_file("outside", "stays", 0644);
    assert_int_equal(symlink("../outside", "x/link"), 0);
    assert_int_equal(empty_tree("x"), 0);
    assert_int_equal(rmdir("x"), 0);
    has("outside", "stays");
    assert_int_equal(empty_tree("nowhere"), -ENOENT);
}

/* A suite of one test, resolved. */
static struct suite *suite_of(const char *keys)
{
    struct suite *suite = NULL;
    struct rr_error error;
    FILE *file = fopen("s.yaml", "w");

    fprintf(file, "version: 1\ntests:\n  - name: a\n    command: [\"true\"]\n%s", keys);
    fclose(file);
    if (suite_load("s.yaml", &suite, &error) || suite_resolve(&suite->tests[0], &error))
        fail_msg("%s", error.message);
    return suite;
}

static pid_t pid_in(const char *path)
{
    struct bytes data;
    pid_t pid;

    bytes_init(&data);
    assert_int_equal(file_read_path(path, &data), 0);
    bytes_append(&data, "", 1);
    pid = atoi((char *)data.data);
    assert_true(pid > 1);
    bytes_done(&data);
    return pid;
}

static void test_hooks(void **state)
{
    struct suite *suite = suite_of("    env: {WHAT: it}\n"
                                   "    setup: [\"echo 1 $WHAT >>log\", [sh, -c, \"pwd >where\"],\n"
                                   "            \"(setsid sleep 1000 & echo $! >pid)\"]\n"
                                   "    teardown: [\"echo 2 >>log; kill -0 `cat pid`\"]\n");
    struct hooks hooks = {0};
    struct rr_error error = {0};
    char here[4096];
    pid_t pid;

    (void)state;
    assert_int_equal(prepare_test_begin(&hooks, suite->tests, NULL, NULL, &error), 0);
    assert_true(hooks.keeper > 0);
    assert_non_null(getcwd(here, sizeof(here) - 1));
    strcat(here, "\n");
    has("where", here);
    pid = pid_in("pid");
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(prepare_test_end(&hooks, suite->tests, NULL, NULL, &error), 0);
    has("log", "1 it\n2\n");
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    suite_free(suite);
}

static void test_no_hooks(void **state)
{
    struct suite *suite = suite_of("");
    struct hooks hooks = {0};
    struct rr_error error;

    (void)state;
    assert_int_equal(prepare_test_begin(&hooks, suite->tests, NULL, NULL, &error), 0);
    assert_int_equal(hooks.keeper, 0);
    assert_int_equal(prepare_test_end(&hooks, suite->tests, NULL, NULL, &error), 0);
    suite_free(suite);
}

/* A lot of output is passed over without anybody waiting, its end is told. */
static void test_hook_fails(void **state)
{
    struct suite *suite = suite_of("    setup: [\"yes | head -c 300000; echo the end; exit 7\"]\n");
    struct hooks hooks = {0};
    struct rr_error error = {0};

    (void)state;
    assert_int_equal(prepare_test_begin(&hooks, suite->tests, NULL, NULL, &error), -ECHILD);
    assert_int_equal(hooks.keeper, 0);
    assert_int_equal(strncmp(error.message, "setup: s.yaml:5:13: 'yes | head -c", 34), 0);
    assert_non_null(strstr(error.message, "exit 7: "));
    assert_string_equal(error.message + strlen(error.message) - strlen("y|the end"), "y|the end");
    suite_free(suite);
}

static bool after_three(void *context)
{
    return ++*(int *)context >= 3;
}

static void test_hook_ends_early(void **state)
{
    struct suite *suite = suite_of("    setup: [\"echo $$ >pid; sleep 1000\"]\n"
                                   "    setup_timeout: 200ms\n");
    struct hooks hooks = {0};
    struct rr_error error = {0};
    int asked = 0;

    (void)state;
    assert_int_equal(prepare_test_begin(&hooks, suite->tests, NULL, NULL, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.message, "still running after 200ms (setup_timeout)"));
    assert_int_equal(kill(pid_in("pid"), 0), -1);
    suite->tests[0].setup_timeout_ns = 0;
    assert_int_equal(prepare_test_begin(&hooks, suite->tests, after_three, &asked, &error),
                     -ECANCELED);
    assert_int_equal(asked, 3);
    assert_int_equal(kill(pid_in("pid"), 0), -1);
    suite_free(suite);
}

/* A run without files needs no mount and so no child of ours. */
static void test_run(void **state)
{
    struct suite *suite = suite_of("    stdin_text: \"abc\"\n"
                                   "    setup_each: [\"echo before >>log\"]\n"
                                   "    teardown_each: [\"echo after >>log\"]\n");
    const struct suite_test *test = suite->tests;
    struct rr_error error = {0};
    struct prepare p;
    char text[8] = "";

    (void)state;
    prepare_init(&p, suite);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(prepare_run_begin(&p, test, NULL, NULL, &error), 0);
        assert_string_equal(p.run_directory, test->working_directory);
        assert_int_equal(read(p.run_stdin, text, sizeof(text)), 3);
        assert_string_equal(text, "abc");
        assert_int_equal(write(p.run_stdin, text, 1), -1);
        assert_int_equal(prepare_run_end(&p, test, NULL, NULL, &error), 0);
        assert_int_equal(p.run_stdin, -1);
    }
    prepare_done(&p);
    has("log", "before\nafter\nbefore\nafter\n");
    suite_free(suite);
}

/* What a failed set-up half did is for the teardown. */
static void test_run_fails(void **state)
{
    struct suite *suite = suite_of("    stdin_text: \"abc\"\n"
                                   "    setup_each: [\"echo half >half\", \"exit 3\"]\n"
                                   "    teardown_each: [\"rm half; exit 4\"]\n");
    struct rr_error error = {0};
    struct prepare p;

    (void)state;
    prepare_init(&p, suite);
    assert_int_equal(prepare_run_begin(&p, suite->tests, NULL, NULL, &error), -ECHILD);
    assert_non_null(strstr(error.message, "setup_each: s.yaml:6:37: 'exit 3': exit 3"));
    assert_int_equal(access("half", F_OK), -1);
    assert_int_equal(p.hooks.keeper, 0);
    assert_int_equal(p.run_stdin, -1);
    prepare_done(&p);
    suite_free(suite);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_copy),      CASE(test_copy_errors), CASE(test_empty),           CASE(test_hooks),
        CASE(test_no_hooks),  CASE(test_hook_fails),  CASE(test_hook_ends_early), CASE(test_run),
        CASE(test_run_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

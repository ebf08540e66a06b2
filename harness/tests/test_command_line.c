/* What the command line is made of beyond its option parser: options in front of the command,
 * colours, and a suite from a command. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cli/color.h"
#include "harness/cli/global.h"
#include "harness/suite/hunt.h"

static const struct option_row with[] = {
    {"quiet", 'q', OPTION_FLAG, NULL, 0, OPTION_NO_GIVEN, NULL, ""},
    {"color", 0, OPTION_TEXT, "WHEN", 0, OPTION_NO_GIVEN, NULL, ""},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const struct option_row without[] = {
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

/* The words joined by blanks; NULL if they are refused. */
static char *moved(char *line, const struct option_row *rows, struct rr_error *error)
{
    struct command command = {.name = "c", .options = rows};
    struct global_options global;
    char *words[16];
    char **applied;
    char *text = calloc(1, 256);
    int count = 0, front, applied_count;

    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    front = global_parse(count, words, &global, error);
    applied = front < 0 ? NULL
                        : global_apply(&global, &command, count - front - 1, words + front + 1,
                                       &applied_count, error);
    if (!applied) {
        free(text);
        return NULL;
    }
    for (int i = 0; i < applied_count; i++)
        strcat(strcat(text, i ? " " : ""), applied[i]);
    free(applied);
    return text;
}

static void test_global(void **state)
{
    static const struct {
        const char *line, *with, *without;
    } rows[] = {
        {"c a", "a", "a"},
        {"-q c a", "-q a", "a"},
        {"--color never c", "--color never", ""},
        {"--color=always --quiet c --x", "--color=always --quiet --x", "--x"},
        {"c --color maybe", "--color maybe", "--color maybe"},
        {"--color maybe c", NULL, NULL},
        {"--color= c", NULL, NULL},
        {"--verbose c", NULL, NULL},
    };
    struct rr_error error = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (int k = 0; k < 2; k++) {
            const char *wanted = k ? rows[i].without : rows[i].with;
            char *line = strdup(rows[i].line);
            char *text = moved(line, k ? without : with, &error);

            assert_int_equal(text != NULL, wanted != NULL);
            if (text)
                assert_string_equal(text, wanted);
            free(text);
            free(line);
        }
    }
}

static void test_color(void **state)
{
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(color_mode_by_name("auto"), COLOR_AUTO);
    assert_int_equal(color_mode_by_name("never"), COLOR_NEVER);
    assert_int_equal(color_mode_by_name("sometimes"), -1);
    assert_true(color_wanted(file, COLOR_ALWAYS));
    assert_false(color_wanted(file, COLOR_NEVER));
    assert_false(color_wanted(file, COLOR_AUTO)); /* no terminal */
    fclose(file);
}

static void test_color_on_a_terminal(void **state)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    FILE *terminal;

    (void)state;
    if (fd < 0 || grantpt(fd) || unlockpt(fd))
        skip();
    terminal = fdopen(fd, "r+");
    assert_non_null(terminal);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(color_wanted(terminal, COLOR_AUTO));
    setenv("NO_COLOR", "", 1);
    assert_true(color_wanted(terminal, COLOR_AUTO));
    setenv("NO_COLOR", "1", 1);
    assert_false(color_wanted(terminal, COLOR_AUTO));
    assert_true(color_wanted(terminal, COLOR_ALWAYS));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(color_wanted(terminal, COLOR_AUTO));
    fclose(terminal);
}

static void test_hunt(void **state)
{
    struct suite_hunt hunt = {.has_timeout = true,
                              .timeout_ns = 5,
                              .real_clock = true,
                              .expect = "{exit: 3}",
                              .injection_count = 1,
                              .injections[0] = {.signal = 10},
                              .given[0] = {"expect-exit", "3"},
                              .given_count = 1};
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"it's \xff"}, NULL};
    struct suite *suite;
    struct rr_error error = {0};
    char *text = suite_hunt_text(&hunt, argv);

    (void)state;
    assert_string_equal(text, "--expect-exit 3 -- sh -c 'it'\\''s \xff'");
    free(text);
    if (suite_from_command(&hunt, argv, &suite, &error))
        fail_msg("%s", error.message);
    assert_int_equal(suite->count, 1);
    assert_string_equal(suite->tests[0].name, "sh");
    assert_int_equal(suite->tests[0].command[0][0], '/');
    assert_string_equal(suite->tests[0].command[2], "it's \xff");
    assert_null(suite->tests[0].command[3]);
    assert_int_equal(suite->tests[0].timeout_ns, 5);
    assert_int_equal(suite->tests[0].runs, 200);
    assert_int_equal(suite->tests[0].injection_count, 1);
    assert_true(suite->tests[0].real_clock);
    suite_free(suite);
}

static void test_hunt_bad(void **state)
{
    struct suite_hunt hunt = {0};
    struct suite *suite;
    struct rr_error error = {0};

    (void)state;
    assert_int_equal(
        suite_from_command(&hunt, (char *const[]){(char[]){"/nowhere/x"}, NULL}, &suite, &error),
        -ENOENT);
    assert_non_null(strstr(error.message, "/nowhere/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_global),
        cmocka_unit_test(test_color),
        cmocka_unit_test(test_color_on_a_terminal),
        cmocka_unit_test(test_hunt),
        cmocka_unit_test(test_hunt_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* CTest's tests as a suite's: each property becomes what means the same to rrtest, or a note. What
 * a property means is told in cmake-properties; what decides between several of them in ctest's
 * source, Source/CTest/cmCTestRunTest.cxx, EndTest(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/import/capture.h"
#include "harness/import/ctest_environment.h"
#include "harness/import/ctest_regex.h"
#include "harness/import/ctest_tests.h"
#include "harness/import/import.h"
#include "harness/suite/schema.h"
#include "recorder/base/text.h"

struct ctest_import {
    struct ctest_tests tests;
    const struct import_options *options;
    struct import_suite *suite;
    const struct ctest_test **setup; /* scratch, as long as tests */
    const struct ctest_test **cleanup;
};

/* The command in *to, inside a shell if the environment or the output need one: CTest looks for its
 * expressions in both streams together. */
static void add_command(const struct ctest_test *test, bool join_streams, struct bytes *script,
                        const char *base, struct import_words *to)
{
    /* A path inside the shell is relative to where the shell is. */
    bool shell = join_streams || script->length > 0;
    char *path = import_program_path(test->command.words[0], shell ? test->directory : base);

    if (shell) {
        import_word(to, "sh");
        import_word(to, "-c");
        import_wordf(to, "%.*sexec \"$@\"%s", (int)script->length,
                     script->length ? (const char *)script->data : "", join_streams ? " 2>&1" : "");
        import_word(to, "sh");
    }
    import_word(to, path);
    for (size_t i = 1; i < test->command.count; i++)
        import_word(to, test->command.words[i]);
    free(path);
}

/* A set-up or clean-up runs with the test's working directory and our environment: env(1) gives it
 * its own. */
static void add_fixture(struct ctest_import *c, const struct ctest_test *fixture,
                        const char *directory, struct import_words *to)
{
    struct import_words variables = {NULL, 0};
    struct bytes script;
    bool elsewhere = fixture->directory && (!directory || strcmp(fixture->directory, directory));

    bytes_init(&script);
    ctest_environment(fixture->name, &fixture->environment, &fixture->modifications, &variables,
                      &script, &c->suite->notes);
    if (elsewhere || variables.count) {
        import_word(to, "env");
        if (elsewhere) {
            import_word(to, "-C");
            import_word(to, fixture->directory);
        }
        for (size_t i = 0; i < variables.count; i++)
            import_word(to, variables.words[i]);
    }
    add_command(fixture, false, &script, NULL, to);
    bytes_done(&script);
    import_words_done(&variables);
}

static void add_fixtures(struct ctest_import *c, const struct ctest_test *from,
                         struct import_test *to)
{
    size_t setup, cleanup;

    ctest_fixtures(&c->tests, from, c->setup, &setup, c->cleanup, &cleanup);
    for (size_t i = 0; i < setup; i++) {
        if (c->setup[i]->command.count)
            add_fixture(c, c->setup[i], from->directory,
                        import_command(&to->setup, &to->setup_count));
    }
    for (size_t i = 0; i < cleanup; i++) {
        if (c->cleanup[i]->command.count)
            add_fixture(c, c->cleanup[i], from->directory,
                        import_command(&to->teardown, &to->teardown_count));
    }
}

static char *regex(struct ctest_import *c, const struct ctest_test *from, const char *property,
                   const struct import_words *patterns, struct import_test *to)
{
    char problem[128];
    char *text = ctest_regex(patterns->words, patterns->count, problem, sizeof(problem));

    if (!text) {
        import_wordf(&c->suite->notes, "%s: %s: %s", from->name, property, problem);
        if (!to->skip)
            to->skip = text_copy("its regular expression could not be imported");
    }
    return text;
}

/* With PASS_REGULAR_EXPRESSION the exit status does not count; WILL_FAIL turns the result round. */
static void add_expectations(struct ctest_import *c, const struct ctest_test *from,
                             struct import_test *to)
{
    struct import_words *notes = &c->suite->notes;
    bool pass = from->pass.count > 0;

    if (from->will_fail && from->fail.count) {
        import_wordf(notes, "%s: WILL_FAIL with FAIL_REGULAR_EXPRESSION has no counterpart",
                     from->name);
        if (!to->skip)
            to->skip = text_copy("WILL_FAIL with FAIL_REGULAR_EXPRESSION");
        return;
    }
    if (pass)
        to->exit = IMPORT_EXIT_ANY;
    else if (from->will_fail)
        to->exit = IMPORT_EXIT_NONZERO;
    else if (from->skip_status > 0 && from->skip_status <= 255)
        to->exit = IMPORT_EXIT_OR_SKIP;
    to->skip_status = from->skip_status;
    if (pass)
        to->expect[from->will_fail ? IMPORT_STDOUT_NOT_REGEX : IMPORT_STDOUT_REGEX] =
            regex(c, from, "PASS_REGULAR_EXPRESSION", &from->pass, to);
    if (from->fail.count)
        to->expect[IMPORT_STDOUT_NOT_REGEX] =
            regex(c, from, "FAIL_REGULAR_EXPRESSION", &from->fail, to);
    if (from->skip.count)
        import_wordf(notes,
                     "%s: SKIP_REGULAR_EXPRESSION has no counterpart; a run that skips is judged "
                     "like any other",
                     from->name);
    if (pass && from->skip_status >= 0)
        import_wordf(notes,
                     "%s: SKIP_RETURN_CODE beside PASS_REGULAR_EXPRESSION: a run that skips is "
                     "judged by its output",
                     from->name);
}

/* What a scheduler of tests would heed: rrtest gives each run a machine of its own as far as it
 * can, so these are labels to choose by. */
static void add_labels(const struct ctest_test *from, struct import_test *to)
{
    for (size_t i = 0; i < from->labels.count; i++)
        import_label(&to->labels, from->labels.words[i]);
    for (size_t i = 0; i < from->locks.count; i++) {
        char *lock = text_make("lock:%s", from->locks.words[i]);

        import_label(&to->labels, lock);
        free(lock);
    }
    if (from->serial)
        import_word(&to->labels, "serial");
    if (from->processors > 1)
        import_wordf(&to->labels, "processors:%d", from->processors);
}

static void add_timeout(const struct ctest_test *from, struct import_test *to)
{
    to->has_timeout = from->timeout_s >= 0 && from->timeout_s < 1e9;
    if (to->has_timeout)
        to->timeout_ns = (uint64_t)(from->timeout_s * 1000 + 0.5) * 1000000;
}

static void add_required_files(struct ctest_import *c, const struct ctest_test *from,
                               struct import_test *to)
{
    for (size_t i = 0; i < from->required_files.count && !to->skip; i++) {
        if (access(from->required_files.words[i], F_OK) == 0)
            continue;
        import_wordf(&c->suite->notes, "%s: REQUIRED_FILES: there is no %s", from->name,
                     from->required_files.words[i]);
        to->skip = text_copy("a required file is missing");
    }
}

static void add_test(struct ctest_import *c, const struct ctest_test *from)
{
    struct import_test *to = import_add(c->suite, from->name);
    struct bytes script;

    bytes_init(&script);
    if (from->directory)
        to->directory = text_copy(from->directory);
    if (from->disabled)
        to->skip = text_copy("DISABLED in CTest");
    ctest_environment(from->name, &from->environment, &from->modifications, &to->environment,
                      &script, &c->suite->notes);
    add_command(from, from->pass.count || from->fail.count, &script, c->options->base,
                &to->command);
    add_timeout(from, to);
    add_labels(from, to);
    add_fixtures(c, from, to);
    add_expectations(c, from, to);
    add_required_files(c, from, to);
    bytes_done(&script);
}

int import_ctest_json(const char *json, size_t length, const struct import_options *options,
                      struct import_suite *suite, struct rr_error *error)
{
    struct ctest_import c = {.options = options, .suite = suite};
    size_t fixtures = 0;
    int code = ctest_tests_read(json, length, &c.tests, error);

    c.setup = suite_calloc(c.tests.count, sizeof(struct ctest_test *));
    c.cleanup = suite_calloc(c.tests.count, sizeof(struct ctest_test *));
    for (size_t i = 0; i < c.tests.count && code == 0; i++) {
        const struct ctest_test *test = &c.tests.tests[i];

        if (ctest_is_fixture(&c.tests, test))
            fixtures++;
        else if (test->command.count)
            add_test(&c, test);
        else
            import_wordf(&suite->notes, "%s: its program is not built; left out", test->name);
    }
    if (fixtures)
        import_wordf(&suite->notes,
                     "%zu fixture%s became setup and teardown of the tests that require them",
                     fixtures, fixtures == 1 ? "" : "s");
    free(c.setup);
    free(c.cleanup);
    ctest_tests_done(&c.tests);
    return code;
}

int import_ctest(char *const *arguments, const struct import_options *options,
                 struct import_suite *suite, struct rr_error *error)
{
    struct import_words question = {NULL, 0};
    struct capture capture;
    char last[256];
    char *path;
    int code;

    if (arguments[1])
        return rr_error_set(error, -EINVAL, "expected one build folder, got '%s' as well",
                            arguments[1]);
    path = text_make("%s/CTestTestfile.cmake", arguments[0]);
    code = access(path, R_OK) < 0 ? -errno : 0;
    free(path);
    if (code)
        return rr_error_set(error, code,
                            "%s: expected a build folder of CMake with enable_testing(), found no "
                            "CTestTestfile.cmake in it",
                            arguments[0]);
    import_word(&question, "ctest");
    import_word(&question, "--test-dir");
    import_word(&question, arguments[0]);
    import_word(&question, "--show-only=json-v1");
    if (options->config) {
        import_word(&question, "-C");
        import_word(&question, options->config);
    }
    code = capture_run(question.words, NULL, options->timeout_ns, &capture, error);
    import_words_done(&question);
    if (code)
        return code;
    capture_last_error(&capture, last, sizeof(last));
    if (capture.status)
        code = rr_error_set(error, -EIO, "ctest --show-only=json-v1: exit %d%s%s",
                            WEXITSTATUS(capture.status), *last ? ": " : "", last);
    else
        code = import_ctest_json((const char *)capture.output.data, capture.output.length, options,
                                 suite, error);
    capture_done(&capture);
    return code;
}

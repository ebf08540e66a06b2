/* cmocka: the names of a program's cases, from its XML report. cmocka 1.1 lets the program alone
 * choose cases (cmocka_set_test_filter()); nothing outside can, so a program is one entry. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/import/capture.h"
#include "harness/import/import.h"

/* The value of name="..." in the element that starts at `at`; "" if there is none. */
static void attribute(const char *at, const char *end, const char *name, char *text, size_t size)
{
    char wanted[32];
    const char *stop = memchr(at, '>', (size_t)(end - at));
    const char *found;
    const char *quote;

    *text = '\0';
    snprintf(wanted, sizeof(wanted), " %s=\"", name);
    found = memmem(at, (size_t)((stop ? stop : end) - at), wanted, strlen(wanted));
    if (!found)
        return;
    found += strlen(wanted);
    quote = memchr(found, '"', (size_t)(end - found));
    if (quote)
        snprintf(text, size, "%.*s", (int)(quote - found), found);
}

/* The groups become labels; returns how many cases there are. */
static size_t read_report(const char *xml, size_t length, struct import_words *groups)
{
    static const char group_tag[] = "<testsuite ";
    static const char case_tag[] = "<testcase ";
    const char *end = xml + length;
    size_t cases = 0;

    for (const char *at = xml;
         (at = memmem(at, (size_t)(end - at), group_tag, sizeof(group_tag) - 1)); at++) {
        char name[128];

        attribute(at, end, "name", name, sizeof(name));
        import_label(groups, name);
    }
    for (const char *at = xml;
         (at = memmem(at, (size_t)(end - at), case_tag, sizeof(case_tag) - 1)); at++)
        cases++;
    return cases;
}

int import_cmocka(char *const *arguments, const struct import_options *options,
                  struct import_suite *suite, struct rr_error *error)
{
    struct import_words groups = {NULL, 0};
    const char *slash = strrchr(arguments[0], '/');
    struct import_test *test;
    struct capture capture;
    char last[256];
    size_t cases;
    int status;
    int code =
        capture_run(arguments, "CMOCKA_MESSAGE_OUTPUT=XML", options->timeout_ns, &capture, error);

    if (code)
        return code;
    cases = read_report(capture.output.length ? (const char *)capture.output.data : "",
                        capture.output.length, &groups);
    capture_last_error(&capture, last, sizeof(last));
    status = WEXITSTATUS(capture.status);
    capture_done(&capture);
    if (cases == 0 || status) {
        import_words_done(&groups);
        return cases == 0 ? rr_error_set(
                                error, -ENOENT,
                                "%s with CMOCKA_MESSAGE_OUTPUT=XML reports no test (exit %d%s%s): "
                                "is it a cmocka program?",
                                arguments[0], status, *last ? ": " : "", last)
                          : rr_error_set(error, -EIO,
                                         "%s: %d of %zu tests fail without rrtest: a test "
                                         "must pass once to be imported",
                                         arguments[0], status, cases);
    }
    test = import_add(suite, slash ? slash + 1 : arguments[0]);
    for (size_t i = 0; arguments[i]; i++) {
        char *path = import_program_path(arguments[i], options->base);

        import_word(&test->command, i == 0 ? path : arguments[i]);
        free(path);
    }
    test->directory = getcwd(NULL, 0);
    test->labels = groups;
    import_wordf(&suite->notes,
                 "cmocka cannot run one case of a program: the entry runs all %zu of %s", cases,
                 test->name);
    return 0;
}

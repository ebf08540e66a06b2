/* TAP (testanything.org, versions 12 to 14): a script is one entry, since nobody can ask it for one
 * of its points. It runs once here, and must pass, for its plan to be known. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/import/capture.h"
#include "harness/import/import.h"

struct tap {
    long plan; /* -1: none seen */
    long points;
    long failed;      /* "not ok" that is not TODO */
    long todo;        /* "not ok" that is */
    long last_number; /* of the last point; 0: it has none */
    bool bailed_out;
    bool skip_all;
};

/* "# TODO" or "# SKIP" behind the description; a '#' written as "\#" is none. */
static bool has_directive(const char *line, const char *directive)
{
    for (const char *at = line; (at = strchr(at, '#')); at++) {
        const char *word = at + 1 + strspn(at + 1, " \t");

        if ((at == line || at[-1] != '\\') && strncasecmp(word, directive, strlen(directive)) == 0)
            return true;
    }
    return false;
}

static void read_line(struct tap *tap, const char *line)
{
    bool negative = strncmp(line, "not ok", 6) == 0;
    const char *rest = line + (negative ? 6 : 2);

    if (strncmp(line, "1..", 3) == 0 && isdigit((unsigned char)line[3])) {
        tap->plan = strtol(line + 3, NULL, 10);
        tap->skip_all = tap->plan == 0;
    } else if (strncmp(line, "Bail out!", 9) == 0) {
        tap->bailed_out = true;
    } else if ((negative || strncmp(line, "ok", 2) == 0) && (*rest == ' ' || !*rest)) {
        rest += strspn(rest, " ");
        tap->last_number = strtol(rest, NULL, 10);
        tap->points++;
        if (negative && has_directive(rest, "TODO"))
            tap->todo++;
        else if (negative)
            tap->failed++;
    }
}

static void read_output(struct tap *tap, const char *data, size_t length)
{
    const char *end = data + length;

    *tap = (struct tap){.plan = -1};
    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        size_t n = (size_t)((stop ? stop : end) - data);
        char *line = strndup(data, n);

        if (!line)
            abort();
        line[strcspn(line, "\r")] = '\0';
        read_line(tap, line);
        free(line);
        data += n + 1;
    }
}

static int judge(const struct tap *tap, int status, const char *last, const char *program,
                 struct rr_error *error)
{
    static const char must[] = "a script must pass once, without rrtest, to be imported";

    if (tap->plan < 0 && tap->points == 0)
        return rr_error_set(error, -ENOENT, "%s: no TAP on stdout (exit %d%s%s)", program, status,
                            *last ? ": " : "", last);
    if (tap->bailed_out)
        return rr_error_set(error, -EIO, "%s: bailed out; %s", program, must);
    if (tap->failed)
        return rr_error_set(error, -EIO, "%s: %ld of %ld test points failed; %s", program,
                            tap->failed, tap->points, must);
    if (tap->plan < 0)
        return rr_error_set(error, -EIO, "%s: no plan (a line such as 1..%ld) on stdout", program,
                            tap->points);
    if (tap->points != tap->plan)
        return rr_error_set(error, -EIO, "%s: planned %ld test points, ran %ld; %s", program,
                            tap->plan, tap->points, must);
    if (status)
        return rr_error_set(error, -EIO, "%s: exit %d%s%s; %s", program, status, *last ? ": " : "",
                            last, must);
    return 0;
}

/* `perl t/queue.t` is called queue.t, not perl: the first word behind the program that is a file.
 */
static const char *script_name(char *const *arguments)
{
    const char *chosen = arguments[0];
    const char *slash;
    struct stat status;

    for (size_t i = 1; arguments[i]; i++) {
        if (stat(arguments[i], &status) == 0 && S_ISREG(status.st_mode)) {
            chosen = arguments[i];
            break;
        }
    }
    slash = strrchr(chosen, '/');
    return slash ? slash + 1 : chosen;
}

static void fill(struct import_test *test, const struct tap *tap)
{
    char regex[64];
    /* Points marked TODO may fail; a '#' is taken for the mark, as an extended regular expression
     * cannot ask for the absence of a word. */
    const char *failing = tap->todo ? "^(not ok[^#]*$|Bail out!)" : "^(not ok|Bail out!)";

    if (tap->skip_all || tap->last_number != tap->plan)
        snprintf(regex, sizeof(regex), "^1\\.\\.%ld([^0-9]|$)", tap->plan);
    else
        snprintf(regex, sizeof(regex), "^(not )?ok +%ld([^0-9]|$)", tap->plan);
    test->expect[IMPORT_STDOUT_REGEX] = strdup(regex);
    test->expect[IMPORT_STDOUT_NOT_REGEX] = strdup(failing);
    if (!test->expect[IMPORT_STDOUT_REGEX] || !test->expect[IMPORT_STDOUT_NOT_REGEX])
        abort();
}

int import_tap(char *const *arguments, const struct import_options *options,
               struct import_suite *suite, struct rr_error *error)
{
    struct import_test *test;
    struct capture capture;
    struct tap tap;
    char last[256];
    char *path;
    int code = capture_run(arguments, NULL, options->timeout_ns, &capture, error);

    if (code)
        return code;
    read_output(&tap, (const char *)capture.output.data, capture.output.length);
    capture_last_error(&capture, last, sizeof(last));
    code = judge(&tap, WEXITSTATUS(capture.status), last, arguments[0], error);
    capture_done(&capture);
    if (code)
        return code;
    test = import_add(suite, script_name(arguments));
    path = import_program_path(arguments[0], options->base);
    import_word(&test->command, path);
    free(path);
    for (size_t i = 1; arguments[i]; i++)
        import_word(&test->command, arguments[i]);
    test->directory = getcwd(NULL, 0);
    fill(test, &tap);
    return 0;
}

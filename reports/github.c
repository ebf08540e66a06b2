/* Escaping as actions/toolkit does it: % \r \n in messages, also : and , in properties. */
#include "reports/github.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "reports/markdown.h"
#include "reports/model.h"
#include "reports/place.h"
#include "reports/text.h"

static void append_escaped(struct bytes *out, const char *text, bool property)
{
    for (; *text; text++) {
        if (*text == '%' || *text == '\n' || *text == '\r' ||
            (property && (*text == ':' || *text == ',')))
            text_format(out, "%%%02X", (unsigned char)*text);
        else
            bytes_append(out, text, 1);
    }
}

/* "The maximum size is 255 characters" (GitHub's REST API, check runs, annotations.title). */
#define TITLE_MAX 255

static void append_title(struct bytes *out, char *title)
{
    text_append(out, "title=");
    title[text_cut(title, TITLE_MAX)] = '\0';
    append_escaped(out, title, true);
    text_append(out, "::");
}

static void append_place(struct bytes *out, const struct report_failure *failure,
                         const struct report_test *test, const char *root)
{
    struct place place = place_of_failure(failure, test, root);

    if (place.file && *place.file == '/' && test->line) {
        free(place.file);
        place = (struct place){place_relative(test->suite, root), test->line, 0};
    }
    if (place.file) {
        text_append(out, "file=");
        append_escaped(out, place.file, true);
        text_format(out, ",line=%" PRIu32 ",", place.line);
        if (place.column)
            text_format(out, "col=%" PRIu32 ",", place.column);
    }
    place_done(&place);
}

static void append_failure(struct bytes *out, const struct report_failure *failure,
                           const struct report_test *test, const char *root)
{
    struct bytes text;
    const char *details = report_reason_details(failure);
    char *found = report_describe_found(failure, test);
    char *title, *message;

    bytes_init(&text);
    text_format(&text, "%s: %s", test->name, failure->title);
    title = text_take(&text);
    if (*details)
        text_format(&text, "%s\n", details);
    text_format(&text, "found in %s\n", found);
    if (failure->replay)
        text_format(&text, "replay: %s\n", failure->replay);
    text_format(&text, "rerun: %s", failure->rerun);
    message = text_take(&text);
    text_format(out, "::%s ", test->verdict == REPORT_QUARANTINED ? "warning" : "error");
    append_place(out, failure, test, root);
    append_title(out, title);
    append_escaped(out, message, false);
    text_append(out, "\n");
    free(found);
    free(title);
    free(message);
}

static void append_note(struct bytes *out, const char *command, const char *title, const char *text)
{
    text_format(out, "::%s title=", command);
    append_escaped(out, title, true);
    text_append(out, "::");
    append_escaped(out, text, false);
    text_append(out, "\n");
}

int github_write(const struct report_session *session, struct bytes *out)
{
    const char *workspace = getenv("GITHUB_WORKSPACE");
    char *root = workspace && *workspace == '/' ? text_copy(workspace) : place_root();

    for (size_t i = 0; i < session->count; i++)
        for (size_t n = 0; n < session->tests[i].failure_count; n++)
            append_failure(out, &session->tests[i].failures[n], &session->tests[i], root);
    if (session->unfinished)
        append_note(out, "warning", "rrtest did not finish", session->unfinished);
    for (char **note = session->notes; note && *note; note++)
        append_note(out, "notice", "rrtest", *note);
    free(root);
    return 0;
}

int github_append_summary(const struct report_session *session, struct rr_error *error)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    cleanup_fd int fd = -1;
    struct bytes text;
    int code;

    if (!path || !*path)
        return 0;
    bytes_init(&text);
    markdown_write(session, &text);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    code = fd < 0 ? -errno : file_write_all(fd, text.data, text.length);
    bytes_done(&text);
    if (code)
        rr_error_set(error, code, "%s ($GITHUB_STEP_SUMMARY): %s", path, strerror(-code));
    return code;
}

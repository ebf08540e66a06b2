/* A format is a row here and a file of its own. */
#include "reports/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/words.h"
#include "reports/console_text.h"
#include "reports/github.h"
#include "reports/html/html.h"
#include "reports/json.h"
#include "reports/junit.h"
#include "reports/markdown.h"
#include "reports/sarif.h"
#include "reports/tap.h"
#include "reports/text.h"

#define TEMPORARY_TRIES 100

static int console_write(const struct report_session *session, struct bytes *out)
{
    const struct console_text_options options = {.width = console_text_width(session)};

    console_text_session(out, session, &options);
    return 0;
}

static const struct report_format formats[] = {
    {"console", true, console_write, NULL},
    {"json", false, report_json_write, NULL},
    {"junit", false, junit_write, NULL},
    {"tap", false, tap_write, NULL},
    {"tap13", false, tap13_write, NULL},
    {"sarif", false, sarif_write, NULL},
    {"markdown", false, markdown_write, NULL},
    {"html", false, html_write, NULL},
    {"github", true, github_write, github_append_summary},
};

const struct report_format *report_format_at(size_t index)
{
    return index < sizeof(formats) / sizeof(*formats) ? &formats[index] : NULL;
}

static const char *format_name(const void *context, size_t index)
{
    const struct report_format *format = report_format_at(index);

    (void)context;
    return format ? format->name : NULL;
}

static const struct report_format *find_format(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (strlen(formats[i].name) == length && strncmp(formats[i].name, name, length) == 0)
            return &formats[i];
    return NULL;
}

static int refuse_format(const char *text, size_t length, struct rr_error *error)
{
    char name[64];
    const char *nearest;

    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name)),
             text);
    nearest = words_nearest(name, format_name, NULL);
    if (nearest)
        return rr_error_set(error, -EINVAL, "unknown format '%s'; did you mean '%s'?", name,
                            nearest);
    return rr_error_set(error, -EINVAL, "expected %s, got '%s'", REPORT_FORMAT_LIST, text);
}

int report_parse(const char *text, struct report_requests *ret, struct rr_error *error)
{
    size_t length = strcspn(text, "=");
    const struct report_format *format = find_format(text, length);
    const char *path = text[length] ? text + length + 1 : NULL;

    if (!format)
        return refuse_format(text, length, error);
    if (!path && format->to_stdout)
        path = "-";
    if (!path || !*path)
        return rr_error_set(error, -EINVAL, "expected %s=FILE ('-' is stdout), got '%s'",
                            format->name, text);
    for (size_t i = 0; i < ret->count; i++)
        if (strcmp(path, "-") != 0 && strcmp(ret->items[i].path, path) == 0)
            return rr_error_set(error, -EINVAL, "%s and %s would both be written to %s",
                                ret->items[i].format->name, format->name, path);
    if (ret->count == REPORT_REQUESTS_MAX)
        return rr_error_set(error, -EINVAL, "expected at most %d reports", REPORT_REQUESTS_MAX);
    ret->items[ret->count++] = (struct report_request){format, path};
    return 0;
}

static int write_stdout(const struct bytes *data)
{
    errno = 0;
    if (data->length == 0)
        return 0;
    if (fwrite(data->data, 1, data->length, stdout) != data->length || fflush(stdout))
        return errno ? -errno : -EIO;
    return 0;
}

/* The folder of the path, made if need be. */
static int make_folder(const char *path)
{
    const char *end = strrchr(path, '/');
    char *folder;
    int code;

    if (!end || end == path)
        return 0;
    folder = strndup(path, (size_t)(end - path));
    if (!folder)
        abort();
    code = file_make_directories(folder, 0777);
    free(folder);
    return code;
}

/* A new file beside `path`; mkstemp() would give it mode 0600, which no other user of a CI machine
 * could read. *ret_name is owned by the caller. */
static int open_temporary(const char *path, char **ret_name)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        struct bytes name;
        char *text;
        int fd;

        bytes_init(&name);
        text_format(&name, "%s.%d-%d.tmp", path, (int)getpid(), i);
        text = text_take(&name);
        fd = open(text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *ret_name = text;
            return fd;
        }
        free(text);
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int write_and_close(int *fd, const struct bytes *data)
{
    int code = file_write_all(*fd, data->data, data->length);
    int closing = take_fd(fd);

    /* Some file systems tell only now that the disk is full. */
    if (close(closing) && !code)
        code = -errno;
    return code;
}

static int replace_file(const char *path, const struct bytes *data)
{
    char *temporary = NULL;
    cleanup_fd int fd = open_temporary(path, &temporary);
    int code;

    if (fd < 0)
        return fd;
    code = write_and_close(&fd, data);
    if (!code && rename(temporary, path))
        code = -errno;
    if (code)
        unlink(temporary);
    free(temporary);
    return code;
}

static int write_in_place(const char *path, const struct bytes *data)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : write_and_close(&fd, data);
}

static int write_path(const char *path, const struct bytes *data)
{
    struct stat status;
    char *target;
    int code;

    if (strcmp(path, "-") == 0)
        return write_stdout(data);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return -EISDIR;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return write_in_place(path, data);
    code = make_folder(path);
    if (code)
        return code;
    target = realpath(path, NULL); /* what a link leads to is replaced, not the link */
    code = replace_file(target ? target : path, data);
    free(target);
    return code;
}

int report_write_file(const char *path, const struct bytes *data, struct rr_error *error)
{
    int code = write_path(path, data);

    if (code)
        rr_error_set(error, code, "cannot write %s: %s", strcmp(path, "-") ? path : "to stdout",
                     strerror(-code));
    return code;
}

static int write_request(const struct report_request *request, const struct report_session *session,
                         struct rr_error *error)
{
    struct bytes out;
    int code;

    bytes_init(&out);
    code = request->format->write(session, &out);
    if (code)
        rr_error_set(error, code, "cannot make it: %s", strerror(-code));
    else
        code = report_write_file(request->path, &out, error);
    bytes_done(&out);
    return code;
}

size_t report_write_all(const struct report_requests *requests,
                        const struct report_session *session,
                        void (*complain)(void *context, const char *message), void *context)
{
    size_t failed = 0;

    for (size_t i = 0; i < requests->count; i++) {
        const struct report_request *request = &requests->items[i];
        struct rr_error error = {0};
        int code = write_request(request, session, &error);

        if (!code && request->format->beside)
            code = request->format->beside(session, &error);
        if (code) {
            rr_error_context(&error, "report %s", request->format->name);
            complain(context, error.message);
            failed++;
        }
    }
    return failed;
}

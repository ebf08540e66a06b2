/* The formats by name, requests for them (`--report junit=F`), and writing them. */
#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"
#include "recorder/base/error.h"

struct report_format {
    const char *name;
    bool to_stdout; /* without "=F" */
    /* Append the report. 0 or negative errno. */
    int (*write)(const struct report_session *session, struct bytes *out);
    /* What it does beside the file; NULL: nothing. */
    int (*beside)(const struct report_session *session, struct rr_error *error);
};

/* The formats in the order in which they are listed to people; NULL at the end. */
const struct report_format *report_format_at(size_t index);
/* "json=F, junit=F, ... or github": for --help. */
#define REPORT_FORMAT_LIST                                                                       \
    "console, json=F, junit=F, tap=F, tap13=F, sarif=F, markdown=F, html=F or github; F may be " \
    "'-'"

#define REPORT_REQUESTS_MAX 16

struct report_request {
    const struct report_format *format;
    const char *path; /* "-": stdout. Points into the text that was parsed. */
};

/* All zero is an empty list. It owns nothing. */
struct report_requests {
    struct report_request items[REPORT_REQUESTS_MAX];
    size_t count;
};

/* Add the request "FORMAT=FILE" or "FORMAT". -EINVAL with what was expected: an unknown format (the
 * nearest one is named), no file where one is needed, a file that another report goes to, more than
 * REPORT_REQUESTS_MAX. `text` must outlive the list. */
int report_parse(const char *text, struct report_requests *ret, struct rr_error *error);

/* Write all, whatever becomes of each: `complain` gets one line per report that could not be
 * written, which names it. Returns how many could not. */
size_t report_write_all(const struct report_requests *requests,
                        const struct report_session *session,
                        void (*complain)(void *context, const char *message), void *context);

/* Put the bytes into the file, whole or not at all: they go to a temporary file beside it, which
 * then takes its name. Folders on the way are made; what is no regular file (a pipe, /dev/null) is
 * written to as it is, and "-" is stdout. On failure the old file is as it was. 0 or negative
 * errno. */
int report_write_file(const char *path, const struct bytes *data, struct rr_error *error);

#endif

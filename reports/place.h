/* Source files as CI systems want them: relative to the root of what they checked out. Lexical. */
#ifndef REPORTS_PLACE_H
#define REPORTS_PLACE_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

struct place {
    char
        *file; /* "." and ".." resolved; relative to the root if it lies below it; owned, or NULL */
    uint32_t line;   /* from 1 */
    uint32_t column; /* 0: not known */
};

/* Where people should look for a failure: report_location(), else the test in its suite file, else
 * nowhere (file is NULL). `root`: absolute; relative names are taken as relative to it. End it with
 * place_done(). */
struct place place_of_failure(const struct report_failure *failure, const struct report_test *test,
                              const char *root);
void place_done(struct place *place);

/* As `file` of struct place; the caller frees it. */
char *place_relative(const char *file, const char *root);
/* The working directory, or "/" where it cannot be told; the caller frees it. */
char *place_root(void);
/* Append the path as a URI reference (RFC 3986): file:// and encoded, or relative and encoded. */
void place_append_uri(struct bytes *out, const char *file);

#endif

/* Strings on the heap, and text appended to buffers. Out of memory aborts, as in bytes.h; all
 * strings returned are the caller's to free. */
#ifndef RECORDER_BASE_TEXT_H
#define RECORDER_BASE_TEXT_H

#include <stdarg.h>

#include "recorder/base/bytes.h"

/* A copy; NULL of NULL alone. */
char *text_copy(const char *text);
/* As asprintf(3) and vasprintf(3). */
char *text_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_make_list(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Without the NUL at the end. */
void text_append(struct bytes *out, const char *text);
void text_format(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_format_list(struct bytes *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* The contents as a string; `out` is empty afterwards. */
char *text_take(struct bytes *out);

#endif

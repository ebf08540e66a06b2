/* The one error value of the edges: inside layers functions return 0 or a negative errno; at the
 * edges (record, replay, trace, harness) a message with context goes into struct rr_error.
 * Owns nothing; safe to copy. */
#ifndef RECORDER_BASE_ERROR_H
#define RECORDER_BASE_ERROR_H

#include <stdarg.h>

#define RR_ERROR_MESSAGE_MAX 1024

struct rr_error {
    int code;                           /* negative errno; 0: no error */
    char message[RR_ERROR_MESSAGE_MAX]; /* one line, names the thing and the remedy */
};

/* Fill *error (may be NULL) and return code, so that `return rr_error_set(...)` reads well.
 * A code of 0 is turned into -EINVAL. */
int rr_error_set(struct rr_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " in front of the message that is already there. Returns error->code. */
int rr_error_context(struct rr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

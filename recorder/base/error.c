/* struct rr_error: formatting and context. Never prints, never allocates. */
#include "recorder/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int rr_error_set(struct rr_error *error, int code, const char *format, ...)
{
    if (code == 0)
        code = -EINVAL;
    if (error) {
        va_list args;

        va_start(args, format);
        vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        error->code = code;
    }
    return code;
}

int rr_error_context(struct rr_error *error, const char *format, ...)
{
    char old[RR_ERROR_MESSAGE_MAX];
    va_list args;
    int used;

    if (!error)
        return -EINVAL;
    memcpy(old, error->message, sizeof(old));
    va_start(args, format);
    used = vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    if (used >= 0 && (size_t)used + 3 < sizeof(error->message)) {
        size_t room = sizeof(error->message) - (size_t)used - 3;
        size_t length = strnlen(old, room);

        memcpy(error->message + used, ": ", 2);
        memcpy(error->message + used + 2, old, length);
        error->message[(size_t)used + 2 + length] = '\0';
    }
    return error->code;
}

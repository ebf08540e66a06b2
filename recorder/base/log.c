/* Debug lines on stderr, switched on by RRTEST_LOG=debug. */
#include "recorder/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool log_enabled(void)
{
    static int state = -1;

    if (state < 0) {
        const char *value = getenv("RRTEST_LOG");

        state = value && strcmp(value, "debug") == 0;
    }
    return state != 0;
}

void log_line(const char *file, int line, const char *format, ...)
{
    char text[1024];
    const char *slash = strrchr(file, '/');
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "rrtest: %s:%d: %s\n", slash ? slash + 1 : file, line, text);
}

/* Diagnostics for developers: off unless RRTEST_LOG=debug. Libraries use nothing else; what users
 * read is printed by the command line alone. */
#ifndef RECORDER_BASE_LOG_H
#define RECORDER_BASE_LOG_H

#include <stdbool.h>

/* True when RRTEST_LOG=debug; read once per process. */
bool log_enabled(void);

/* One line to stderr with file and line. Use through log_debug(). */
void log_line(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(...)                                 \
    do {                                               \
        if (log_enabled())                             \
            log_line(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

#endif

/* What the test programs share: cases chosen by name, and a check that ends the program. Each case
 * prints the same lines in every run, natively and under the recorder.
 *
 * PROGRAM CASE runs one case in the program's own process; PROGRAM alone runs each in a child of
 * its own. */
#ifndef E2E_CHECK_H
#define E2E_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define CHECK(condition)                                  \
    do {                                                  \
        if (!(condition))                                 \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

static inline void check_failed(const char *file, int line, const char *condition)
{
    int error = errno;
    fflush(stdout);
    fprintf(stderr, "%s:%d: failed: %s (errno %d, %s)\n", file, line, condition, error,
            strerror(error));
    _exit(1);
}

/* Long enough for every other thread to reach its blocking call; free under virtual time. */
static inline void let_others_block(void)
{
    struct timespec pause = {0, 20 * 1000 * 1000};
    while (nanosleep(&pause, &pause) != 0)
        ;
}

static inline long elapsed_ms(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static inline int run_cases(int argc, char **argv, const struct test_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (argc > 1) {
            if (strcmp(argv[1], cases[i].name) == 0) {
                cases[i].run();
                return 0;
            }
            continue;
        }
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            cases[i].run();
            fflush(NULL);
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        printf("%s: %s\n", cases[i].name, status == 0 ? "ok" : "FAILED");
        if (status != 0)
            return 1;
    }
    if (argc > 1) {
        fprintf(stderr, "no case %s\n", argv[1]);
        return 2;
    }
    return 0;
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif

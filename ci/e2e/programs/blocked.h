/* What the programs about blocking calls share. */
#ifndef E2E_BLOCKED_H
#define E2E_BLOCKED_H

#include <pthread.h>

#include "check.h"

__attribute__((unused)) static int ends[2];

static inline pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    return thread;
}

static inline const char *own_path(const char *name)
{
    static char path[256];
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/blocking-%s-%d", directory ? directory : "/tmp", name,
             getpid());
    return path;
}

static inline void *write_byte_later(void *fd)
{
    let_others_block();
    CHECK(write((int)(long)fd, "x", 1) == 1);
    return NULL;
}

#endif

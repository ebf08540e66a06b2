/* What the programs about signals share: handlers, and what they leave behind. */
#ifndef E2E_HANDLERS_H
#define E2E_HANDLERS_H

#include <signal.h>

#include "check.h"

static volatile sig_atomic_t count;
__attribute__((unused)) static char trail[128];

static inline void mark(char letter)
{
    size_t length = strlen(trail);
    if (length + 1 < sizeof trail)
        trail[length] = letter;
}

static inline void handle(int signal, int flags, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static inline void handle_info(int signal, int flags, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static inline void on_count(int signal)
{
    (void)signal;
    count++;
}

#endif

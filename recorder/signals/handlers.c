/* Dispositions: the table of actions that tasks with CLONE_SIGHAND share, and what each signal does
 * without a handler. Does not know masks or queues. */
#include "recorder/signals/signals.h"

#include <errno.h>
#include <stdlib.h>

#define ACTION_RESTORER 0x04000000ull
#define ACTION_EXPOSE_TAGBITS 0x00000800ull
/* UAPI_SA_FLAGS of include/linux/signal_types.h: all other bits are dropped, so that programs can
 * probe for support. */
#define ACTION_FLAGS                                                          \
    ((uint64_t)SA_NOCLDSTOP | (uint64_t)SA_NOCLDWAIT | (uint64_t)SA_SIGINFO | \
     (uint64_t)SA_ONSTACK | (uint64_t)SA_RESTART | (uint64_t)SA_NODEFER |     \
     (uint64_t)(unsigned)SA_RESETHAND | ACTION_RESTORER | ACTION_EXPOSE_TAGBITS)

struct signal_handlers {
    size_t references;
    struct signal_action actions[SIGNAL_LIMIT];
};

struct signal_handlers *signal_handlers_new(void)
{
    struct signal_handlers *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->references = 1;
    return h;
}

struct signal_handlers *signal_handlers_ref(struct signal_handlers *h)
{
    h->references++;
    return h;
}

struct signal_handlers *signal_handlers_copy(const struct signal_handlers *h)
{
    struct signal_handlers *copy = signal_handlers_new();

    for (int signal = 1; signal < SIGNAL_LIMIT; signal++)
        copy->actions[signal] = h->actions[signal];
    return copy;
}

void signal_handlers_unref(struct signal_handlers *h)
{
    if (h && --h->references == 0)
        free(h);
}

void signal_handlers_exec(struct signal_handlers *h)
{
    /* flush_signal_handlers(): ignored signals stay ignored, but lose flags and mask as well. */
    for (int signal = 1; signal < SIGNAL_LIMIT; signal++) {
        uint64_t handler = h->actions[signal].handler;

        h->actions[signal] = (struct signal_action){
            .handler = handler == SIGNAL_HANDLER_IGNORE ? SIGNAL_HANDLER_IGNORE : 0,
        };
    }
}

int signal_handlers_set(struct signal_handlers *h, int signal,
                        const struct signal_action *new_action, struct signal_action *ret_old)
{
    if (signal < 1 || signal >= SIGNAL_LIMIT)
        return -EINVAL;
    if (new_action && (signal == SIGKILL || signal == SIGSTOP))
        return -EINVAL;
    if (ret_old)
        *ret_old = h->actions[signal];
    if (new_action) {
        h->actions[signal] = *new_action;
        h->actions[signal].flags &= ACTION_FLAGS;
        h->actions[signal].mask &= ~SIGNAL_UNBLOCKABLE;
    }
    return 0;
}

const struct signal_action *signal_handlers_get(const struct signal_handlers *h, int signal)
{
    return &h->actions[signal];
}

struct signal_action signal_handlers_enter(struct signal_handlers *h, int signal)
{
    struct signal_action action = h->actions[signal];

    /* SA_RESETHAND: only the handler goes; flags and mask stay (get_signal()). */
    if (action.flags & (uint64_t)(unsigned)SA_RESETHAND)
        h->actions[signal].handler = SIGNAL_HANDLER_DEFAULT;
    return action;
}

bool signal_handlers_force(struct signal_handlers *h, int signal, bool blocked)
{
    if (!blocked && h->actions[signal].handler != SIGNAL_HANDLER_IGNORE)
        return false;
    h->actions[signal].handler = SIGNAL_HANDLER_DEFAULT;
    return blocked;
}

signal_set signal_mask_in_handler(signal_set mask, const struct signal_action *action, int signal)
{
    mask |= action->mask;
    if (!(action->flags & SA_NODEFER))
        mask |= signal_bit(signal);
    return mask & ~SIGNAL_UNBLOCKABLE;
}

enum signal_default signal_default_action(int signal)
{
    switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
        return SIGNAL_IGNORE;
    case SIGCONT:
        return SIGNAL_CONTINUE;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return SIGNAL_STOP;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
        return SIGNAL_CORE;
    default:
        return SIGNAL_TERMINATE;
    }
}

bool signal_is_ignored(const struct signal_handlers *h, int signal)
{
    enum signal_default action;

    if (h->actions[signal].handler == SIGNAL_HANDLER_IGNORE)
        return signal != SIGKILL && signal != SIGSTOP;
    if (h->actions[signal].handler != SIGNAL_HANDLER_DEFAULT)
        return false;
    action = signal_default_action(signal);
    return action == SIGNAL_IGNORE || action == SIGNAL_CONTINUE;
}

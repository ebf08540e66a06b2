/* Pending signals of one task or one process: standard signals once, real-time ones in order
 * (kernel/signal.c: legacy_queue(), next_signal(), collect_signal()). */
#include "recorder/signals/signals.h"

#include <stdlib.h>
#include <string.h>

#define REALTIME_MIN 32 /* SIGRTMIN of the kernel; libc keeps the first few for itself */
#define SYNCHRONOUS                                                                        \
    (signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) | \
     signal_bit(SIGFPE) | signal_bit(SIGSYS))

struct signal_queue {
    siginfo_t *infos; /* in order of arrival */
    size_t count;
    size_t capacity;
    signal_set set; /* signals that occur in infos */
};

struct signal_queue *signal_queue_new(void)
{
    struct signal_queue *q = calloc(1, sizeof(*q));

    if (!q)
        abort();
    return q;
}

void signal_queue_free(struct signal_queue *q)
{
    if (!q)
        return;
    free(q->infos);
    free(q);
}

void signal_queue_add(struct signal_queue *q, const siginfo_t *info)
{
    signal_set bit = signal_bit(info->si_signo);

    if (info->si_signo < REALTIME_MIN && (q->set & bit))
        return;
    if (q->count == q->capacity) {
        q->capacity = q->capacity ? 2 * q->capacity : 8;
        q->infos = realloc(q->infos, q->capacity * sizeof(*q->infos));
        if (!q->infos)
            abort();
    }
    q->infos[q->count++] = *info;
    q->set |= bit;
}

signal_set signal_queue_set(const struct signal_queue *q)
{
    return q->set;
}

static void recompute_set(struct signal_queue *q)
{
    q->set = 0;
    for (size_t i = 0; i < q->count; i++)
        q->set |= signal_bit(q->infos[i].si_signo);
}

bool signal_queue_take(struct signal_queue *q, signal_set wanted, siginfo_t *ret)
{
    signal_set set = q->set & wanted;
    int signal;

    if (!set)
        return false;
    if (set & SYNCHRONOUS)
        set &= SYNCHRONOUS;
    signal = __builtin_ctzll(set) + 1;
    for (size_t i = 0; i < q->count; i++) {
        if (q->infos[i].si_signo != signal)
            continue;
        *ret = q->infos[i];
        q->count--;
        memmove(&q->infos[i], &q->infos[i + 1], (q->count - i) * sizeof(*q->infos));
        recompute_set(q);
        return true;
    }
    abort(); /* set and infos disagree: our own bug */
}

void signal_queue_discard(struct signal_queue *q, signal_set which)
{
    size_t kept = 0;

    if (!(q->set & which))
        return;
    for (size_t i = 0; i < q->count; i++) {
        if (!(which & signal_bit(q->infos[i].si_signo)))
            q->infos[kept++] = q->infos[i];
    }
    q->count = kept;
    q->set &= ~which;
}

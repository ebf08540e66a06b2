/* Waiting for several descriptors: only what is ready at once is told, tried with a timeout of zero
 * on a copy of the program's lists, so that a call which has to wait leaves no trace. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include "recorder/blob/handlers.h"

#define LIST_MAX 64
#define EVENTS_MAX 64
#define EVENT_SIZE 12 /* struct epoll_event is packed */
#define SET_WORDS 16  /* 1024 descriptors */

/* What becomes ready is up to the run's calls alone: not so with terminals, whose data comes from a
 * worker of the kernel. */
static bool is_known(uint64_t fd)
{
    return *blob_fd(fd) || blob_fd_is_closed(fd);
}

/* Nothing was ready. To be told so at once is an answer too, unless somebody else may make it ready
 * while the program asks again and again. */
static bool may_be_nothing(bool at_once)
{
    return at_once && (page_get(PAGE_SWITCHES) & PAGE_SWITCH_ALONE);
}

int64_t blob_poll(const struct blob_frame *f)
{
    const struct pollfd *theirs = (const struct pollfd *)(uintptr_t)f->argument[0];
    const struct timespec *timeout = (const struct timespec *)(uintptr_t)f->argument[2];
    uint64_t count = (uint32_t)f->argument[1];
    struct pollfd list[LIST_MAX];
    bool at_once = f->number == SYS_poll && !f->argument[2];
    int64_t result;

    if (count > LIST_MAX || !blob_may(f, 0, RING_SEGMENT + sizeof(list)) ||
        (f->number == SYS_ppoll && f->argument[3] && f->argument[4] != 8))
        return BLOB_DECLINE;
    if (f->number == SYS_ppoll && timeout) {
        if (timeout->tv_sec < 0 || (uint64_t)timeout->tv_nsec >= FACTS_NS)
            return BLOB_DECLINE;
        at_once = timeout->tv_sec == 0 && timeout->tv_nsec == 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        list[i] = theirs[i];
        if (list[i].fd >= 0 && !is_known((uint64_t)list[i].fd))
            return BLOB_DECLINE;
    }
    result = blob_call(SYS_poll, (uint64_t)(uintptr_t)list, count, 0, 0, 0, 0);
    if (result < 0 || (result == 0 && !may_be_nothing(at_once)))
        return BLOB_DECLINE;
    for (uint64_t i = 0; i < count; i++)
        ((struct pollfd *)(uintptr_t)f->argument[0])[i].revents = list[i].revents;
    return blob_answer_with(f, result, f->argument[0], count * sizeof(*list));
}

/* What is left of the timeout is all of it: no time passes. */
int64_t blob_select(const struct blob_frame *f)
{
    const int64_t *timeout = (const int64_t *)(uintptr_t)f->argument[4];
    uint64_t words = (f->argument[0] + 63) / 64, sets[3][SET_WORDS];
    int64_t none[2] = {0, 0}, result;
    struct record r;

    if (f->argument[0] > RECORDER_TRACEE_FD ||
        !blob_may(f, 0, 3 * (RING_SEGMENT + sizeof(sets[0]))) ||
        (timeout && (timeout[0] < 0 || (uint64_t)timeout[1] >= 1000000)))
        return BLOB_DECLINE;
    for (int i = 0; i < 3; i++)
        for (uint64_t k = 0; k < words && f->argument[1 + i]; k++) {
            sets[i][k] = ((const uint64_t *)(uintptr_t)f->argument[1 + i])[k];
            for (uint64_t left = sets[i][k]; left; left &= left - 1)
                if (!is_known(k * 64 + (uint64_t)__builtin_ctzll(left)))
                    return BLOB_DECLINE;
        }
    result =
        blob_call(SYS_select, f->argument[0], f->argument[1] ? (uint64_t)(uintptr_t)sets[0] : 0,
                  f->argument[2] ? (uint64_t)(uintptr_t)sets[1] : 0,
                  f->argument[3] ? (uint64_t)(uintptr_t)sets[2] : 0, (uint64_t)(uintptr_t)none, 0);
    if (result < 0 ||
        (result == 0 && !may_be_nothing(timeout && timeout[0] == 0 && timeout[1] == 0)))
        return BLOB_DECLINE;
    for (int i = 0; i < 3; i++)
        if (f->argument[1 + i])
            blob_copy((void *)(uintptr_t)f->argument[1 + i], sets[i], words * 8);
    r = record_begin(f, 0);
    for (int i = 0; i < 3; i++)
        if (f->argument[1 + i] && words)
            record_add(&r, f->argument[1 + i], sets[i], words * 8);
    return record_end(&r, result);
}

/* ---- epoll --------------------------------------------------------------------------------- */

static bool is_epoll(uint64_t fd)
{
    const uint32_t *word = blob_fd_info(fd);

    return (*blob_fd(fd) & PAGE_FD_OTHER) && word && *word == PAGE_INFO_EPOLL;
}

int64_t blob_epoll_create(const struct blob_frame *f)
{
    int64_t fd;

    if (!blob_may(f, 0, 0))
        return BLOB_DECLINE;
    fd = blob_pass(f);
    if (fd >= 0)
        blob_fd_set((uint64_t)fd, PAGE_FD_OTHER, PAGE_INFO_EPOLL);
    return blob_answer(f, fd);
}

int64_t blob_epoll_ctl(const struct blob_frame *f)
{
    if (!is_epoll(f->argument[0]) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    if (!is_known(f->argument[2])) { /* and what is waited for here is the recorder's affair */
        *blob_fd_info(f->argument[0]) = 0;
        return BLOB_DECLINE;
    }
    return blob_answer(f, blob_pass(f));
}

int64_t blob_epoll_wait(const struct blob_frame *f)
{
    uint8_t events[EVENTS_MAX * EVENT_SIZE];
    uint64_t count = f->argument[2] < EVENTS_MAX ? f->argument[2] : EVENTS_MAX;
    int64_t result;

    if (!is_epoll(f->argument[0]) || (int)f->argument[2] <= 0 ||
        (f->number == SYS_epoll_pwait && f->argument[4] && f->argument[5] != 8) ||
        f->argument[2] > EVENTS_MAX || !blob_may(f, 0, RING_SEGMENT + sizeof(events)))
        return BLOB_DECLINE;
    *(volatile uint8_t *)(uintptr_t)f->argument[1]; /* edges are told once: not to a bad address */
    result = blob_call(SYS_epoll_wait, f->argument[0], (uint64_t)(uintptr_t)events, count, 0, 0, 0);
    if (result < 0 || (result == 0 && !may_be_nothing((int)f->argument[3] == 0)))
        return BLOB_DECLINE;
    if (result > 0)
        blob_copy((void *)(uintptr_t)f->argument[1], events, (uint64_t)result * EVENT_SIZE);
    return blob_answer_with(f, result, f->argument[1], (uint64_t)result * EVENT_SIZE);
}

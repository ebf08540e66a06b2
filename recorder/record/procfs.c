/* Reads answered from models. */
#include "recorder/record/procfs.h"

#include "recorder/record/blocking.h"
#include "recorder/record/fds.h"
#include "recorder/record/signalfd.h"
#include "recorder/record/timerfd.h"

enum call_action model_open(struct session *s, struct task *t, struct call *c)
{
    (void)s;
    (void)t;
    (void)c;
    return CALL_RUN;
}

enum call_action model_read(struct session *s, struct task *t, struct call *c)
{
    switch (fds_kind(s, t, (int)c->args[0])) {
    case FD_SIGNALFD:
        return signalfd_read(s, t, c);
    case FD_TIMERFD:
        c->finish = timerfd_read_finished;
        return blocking_fd_call(s, t, c);
    default:
        return blocking_fd_call(s, t, c);
    }
}

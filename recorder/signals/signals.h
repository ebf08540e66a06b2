/* The signal model: dispositions, masks, pending queues, alternate stacks and frames, as Linux has
 * them (signal(7), kernel/signal.c, arch/x86/kernel/signal_64.c). The kernel of the machine never
 * delivers a signal to a recorded program; the recorder decides here and writes the frame itself,
 * in recording as data for the trace. Pure: memory comes and goes as bytes. */
#ifndef RECORDER_SIGNALS_SIGNALS_H
#define RECORDER_SIGNALS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define SIGNAL_LIMIT 65 /* 1..64 */

typedef uint64_t signal_set; /* bit n-1: signal n, as the kernel's sigset_t */
static inline signal_set signal_bit(int signal)
{
    return 1ull << (signal - 1);
}
#define SIGNAL_UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP))

#define SIGNAL_HANDLER_DEFAULT 0ull
#define SIGNAL_HANDLER_IGNORE 1ull

/* struct kernel_sigaction of x86-64, as rt_sigaction reads and writes it (32 bytes). */
struct signal_action {
    uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
    uint64_t flags;
    uint64_t restorer;
    signal_set mask;
};

/* Shared by tasks with CLONE_SIGHAND. Reference counted. */
struct signal_handlers;
struct signal_handlers *signal_handlers_new(void);
struct signal_handlers *signal_handlers_ref(struct signal_handlers *h);
struct signal_handlers *signal_handlers_copy(const struct signal_handlers *h); /* fork */
void signal_handlers_unref(struct signal_handlers *h);
void signal_handlers_exec(struct signal_handlers *h); /* caught -> default; ignored stay */
/* rt_sigaction: NULL new: query. 0 or -EINVAL. If the signal is ignored afterwards
 * (signal_is_ignored), the caller discards it from the queues of the process and its tasks. */
int signal_handlers_set(struct signal_handlers *h, int signal,
                        const struct signal_action *new_action, struct signal_action *ret_old);
const struct signal_action *signal_handlers_get(const struct signal_handlers *h, int signal);
/* The action to deliver `signal` with; SA_RESETHAND then takes effect in the table. */
struct signal_action signal_handlers_enter(struct signal_handlers *h, int signal);
/* A signal that must get through (a fault, a bad frame; force_sig()): when it is blocked or ignored
 * its handler becomes the default. True: the caller must unblock it. */
bool signal_handlers_force(struct signal_handlers *h, int signal, bool blocked);
/* The task's mask while the handler runs (SA_NODEFER, sa_mask). */
signal_set signal_mask_in_handler(signal_set mask, const struct signal_action *action, int signal);

/* Pending signals: one queue per task and one per process. */
struct signal_queue;
struct signal_queue *signal_queue_new(void);
void signal_queue_free(struct signal_queue *q);
/* Standard signals are kept once; real-time ones are queued. */
void signal_queue_add(struct signal_queue *q, const siginfo_t *info);
signal_set signal_queue_set(const struct signal_queue *q);
/* Take the first one in `wanted` (synchronous first, then lowest number; FIFO within). */
bool signal_queue_take(struct signal_queue *q, signal_set wanted, siginfo_t *ret);
void signal_queue_discard(struct signal_queue *q, signal_set which);

enum signal_default { SIGNAL_TERMINATE, SIGNAL_CORE, SIGNAL_IGNORE, SIGNAL_STOP, SIGNAL_CONTINUE };
enum signal_default signal_default_action(int signal);
/* True when the disposition is to drop it (SIG_IGN, or SIG_DFL of a signal that does nothing,
 * SIGCONT included). A blocked signal is queued all the same: the caller knows the mask. */
bool signal_is_ignored(const struct signal_handlers *h, int signal);

struct signal_altstack {
    uint64_t address;
    uint64_t size;
    uint32_t flags; /* SS_DISABLE, SS_AUTODISARM */
};
/* SS_DISABLE, SS_ONSTACK (sp is on it) or 0, as sigaltstack(2) reports it. */
uint32_t signal_altstack_state(const struct signal_altstack *stack, uint64_t sp);
bool signal_altstack_contains(const struct signal_altstack *stack, uint64_t sp);
/* What the child of clone (fork: neither flag) keeps of it. */
void signal_altstack_clone(struct signal_altstack *stack, bool shares_memory, bool vfork);
/* Any delivery disarms a stack with SS_AUTODISARM (signal_frame.altstack_after has it done). */
void signal_altstack_delivered(struct signal_altstack *stack);
/* sigaltstack(2) against the current stack pointer: 0, -EPERM, -EINVAL, -ENOMEM. Pointers may be
 * NULL. */
int signal_altstack_set(struct signal_altstack *current, uint64_t sp,
                        const struct signal_altstack *new_stack, struct signal_altstack *ret_old);

/* Build the frame of an rt signal. Inputs: registers and extended state (NT_X86_XSTATE bytes, as
 * PTRACE_GETREGSET gives them) at the point of interruption (rax/rip already adjusted for restart
 * or EINTR by the caller), the mask to save, the action, siginfo, fault details for synchronous
 * signals. */
struct signal_frame_request {
    const struct user_regs_struct *regs;
    const uint8_t *xstate;
    size_t xstate_length;
    signal_set saved_mask;
    struct signal_action action;
    struct signal_altstack altstack;
    siginfo_t info;
    uint64_t fault_address; /* cr2 */
    uint64_t fault_error;   /* page-fault error code bits */
    uint64_t fault_trap;    /* trap number; 0 for asynchronous signals */
};
#define SIGNAL_FRAME_PIECES 2
struct signal_frame {
    struct { /* memory to write: the frame proper and the extended state above it */
        uint64_t address;
        size_t length;
        uint8_t *data; /* owned by the frame: signal_frame_done() */
    } piece[SIGNAL_FRAME_PIECES];
    size_t piece_count;
    struct user_regs_struct regs;          /* registers at the handler's first instruction */
    struct signal_altstack altstack_after; /* SS_AUTODISARM disables it */
    uint8_t *xstate; /* owned; extended state at the handler's first instruction: all initial */
    size_t xstate_length; /* for PTRACE_SETREGSET: that of the request */
};
/* Make extended state (NT_X86_XSTATE bytes, at least 576) what a new program has: handlers start
 * with it, and rt_sigreturn from a frame without extended state ends with it. */
void signal_xstate_init(uint8_t *xstate, size_t length);
/* 0; -EFAULT: the action has no SA_RESTORER or the alternate stack cannot hold the frame: the
 * caller forces SIGSEGV, as it does when the memory turns out not to be writable. -EINVAL: bad
 * request. *ret is filled on success only. The mask: signal_mask_in_handler(). */
int signal_frame_build(const struct signal_frame_request *request, struct signal_frame *ret);
void signal_frame_done(struct signal_frame *frame);

/* rt_sigreturn: parse the frame at sp (rsp at the syscall; the frame began at sp - 8). `read`
 * fetches tracee memory. Outputs: registers (orig_rax -1; segment and flag bits sanitised as the
 * kernel does), mask (SIGKILL/SIGSTOP removed), altstack as it stands in the frame (to apply as the
 * kernel does: signal_altstack_set(task's, at->rsp, it, NULL), any error ignored), extended state
 * for PTRACE_SETREGSET (*xstate_length: in the task's regset length and capacity of ret_xstate; out
 * the same; 0: none in the frame, signal_xstate_init() what the task has). Outputs are complete
 * only on success. 0, or -EFAULT: the caller forces SIGSEGV. */
int signal_frame_parse(int (*read)(void *context, uint64_t address, void *ret, size_t length),
                       void *context, const struct user_regs_struct *at,
                       struct user_regs_struct *ret_regs, signal_set *ret_mask,
                       struct signal_altstack *ret_altstack, uint8_t *ret_xstate,
                       size_t *xstate_length);

/* What happens to an interrupted call (signal(7)): the row's group and the action decide. */
enum signal_restart {
    SIGNAL_RESTART_ALWAYS_EINTR,  /* group N: poll, nanosleep, pause, sigsuspend, epoll_wait,
                                     semop... */
    SIGNAL_RESTART_IF_SA_RESTART, /* group R: read, write, wait4, accept, futex wait without
                                     timeout... */
    SIGNAL_RESTART_ALWAYS,        /* FUTEX_LOCK_PI, WAIT_REQUEUE_PI: never seen to be interrupted */
};
/* Group of a blocking call by number (args looked at for futex and fcntl); -1: not interruptible.
 * Sockets with SO_RCVTIMEO or SO_SNDTIMEO belong to group N whatever their call: the caller knows.
 */
int signal_restart_group(uint64_t number, const uint64_t args[6]);

#endif

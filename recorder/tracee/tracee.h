/* Access to one stopped tracee: registers, memory, remote system calls. A tracee is named by its
 * tid in the tracer's pid namespace. -ESRCH (it was killed meanwhile) is an ordinary outcome of
 * every function. The recorder page (recorder_page.h) is reached through struct tracee_area. */
#ifndef RECORDER_TRACEE_TRACEE_H
#define RECORDER_TRACEE_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* The run's recorder area: memfd, our own mapping of its shared pages, the control socket over
 * which fds reach tracees. One per run. */
struct tracee_area {
    int memfd;              /* tracees hold it as TRACEE_FD_AREA */
    int socket;             /* our end; tracees hold the other as TRACEE_FD_SOCKET */
    int socket_tracee;      /* the tracees' end, -1 once the first one was started */
    uint8_t *page;          /* RECORDER_PAGE_SIZE bytes, shared with all tracees */
    uint64_t blob_syscall;  /* address of the untraced `syscall` (followed by int3) */
    uint64_t blob_untraced; /* the same of the handlers' */
};

#define TRACEE_FD_AREA 998
#define TRACEE_FD_SOCKET 999

int tracee_area_open(struct tracee_area *area);
/* The same from an area that no tracee uses any more: what the recorder and the handlers look at is
 * as in a new one, with new sockets. On failure it is closed. */
int tracee_area_renew(struct tracee_area *area);
void tracee_area_close(struct tracee_area *area);
static inline volatile int64_t *tracee_page_word(const struct tracee_area *area, unsigned offset)
{
    return (volatile int64_t *)(area->page + offset);
}

int tracee_get_regs(pid_t tid, struct user_regs_struct *ret);
int tracee_set_regs(pid_t tid, const struct user_regs_struct *regs);
/* NT_X86_XSTATE. capacity in *length, bytes out. */
int tracee_get_xstate(pid_t tid, uint8_t *ret, size_t *length);
/* x87 and SSE state count as in use from then on, whatever the header says (xstate.c has why). */
int tracee_set_xstate(pid_t tid, const uint8_t *data, size_t length);
/* What a program has at its start; to be called at every exec. */
int tracee_reset_xstate(pid_t tid);
#define TRACEE_XSTATE_MAX 16384

/* All or nothing: -EFAULT if any byte is not mapped (readable/writable as the program sees it). */
int tracee_read(pid_t tid, uint64_t address, void *ret, size_t length);
int tracee_write(pid_t tid, uint64_t address, const void *data, size_t length);
/* Words of eight bytes at these addresses (at most 8), in one call; as tracee_read(). */
int tracee_read_words(pid_t tid, const uint64_t *addresses, size_t count, uint64_t *ret);
/* Regardless of page protection (through /proc/TID/mem, by ptrace where there is no /proc; private
 * copies are made). */
int tracee_write_forced(pid_t tid, uint64_t address, const void *data, size_t length);
int tracee_read_forced(pid_t tid, uint64_t address, void *ret, size_t length);
/* The descriptor of /proc/TID/mem, or a negative errno. */
int tracee_open_memory(pid_t tid);
/* As much as is readable; returns the count. */
size_t tracee_read_some(pid_t tid, uint64_t address, void *ret, size_t length);

/* After a single step's SIGTRAP: did it execute nothing? Out of a skipped or finished system call
 * the step first reports the call's end (kernel/entry/common.c, report_single_step: TRAP_BRKPT, a
 * real step has TRAP_TRACE). Worth asking for the first step of a walk. */
bool tracee_step_was_empty(pid_t tid);

/* A system call executed by the stopped tracee through the blob. Clobbers its registers: the caller
 * holds the true ones and sets them before resuming. *ret: the kernel's result (negative errno). A
 * non-zero return means the tracee is gone (-ESRCH) or stopped elsewhere (-EPROTO). */
int tracee_call(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                uint64_t nr, const uint64_t args[6], int64_t *ret);
/* Several system calls of the stopped tracee for the price of one stop. */
struct tracee_batch {
    size_t count;
    struct {
        uint64_t nr, args[6];
        int64_t result;
    } call[16];
};
#define TRACEE_BATCH_FD ((uint64_t)-2) /* as rdi or r8: the descriptor received last */
void tracee_batch_init(struct tracee_batch *batch);
size_t tracee_batch_room(const struct tracee_batch *batch);
void tracee_batch_add(struct tracee_batch *batch, uint64_t nr, const uint64_t args[6]);
/* The tracee receives a descriptor of ours: TRACEE_BATCH_FD names it until the next one. */
int tracee_batch_add_fd(const struct tracee_area *area, struct tracee_batch *batch, int fd);
/* Runs and empties nothing: results are in the entries. The registers are clobbered as above. */
int tracee_batch_run(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                     struct tracee_batch *batch);

/* The same in a fresh address space, at PTRACE_EVENT_EXEC: maps the area first. rip is at code of a
 * private mapping. */
int tracee_batch_run_first(const struct tracee_area *area, pid_t tid,
                           const struct user_regs_struct *regs, struct tracee_batch *batch);

/* Hand a descriptor of ours to the tracee: its number there in *ret_fd (lowest free, not cloexec).
 */
int tracee_send_fd(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                   int fd, int *ret_fd);
/* clone(flags, no stack of its own) executed by the stopped tracee through the blob; as above it
 * clobbers the registers. The new task (attached by PTRACE_O_TRACECLONE/FORK) is waited for and
 * stands at its birth stop. The kernel's refusal comes back as its negative errno. */
int tracee_clone(const struct tracee_area *area, pid_t tid, const struct user_regs_struct *regs,
                 uint64_t flags, pid_t *ret_child);

#endif

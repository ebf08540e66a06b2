/* The recording session: every object of one run. Internal to record/. One thread. */
#ifndef RECORDER_RECORD_SESSION_H
#define RECORDER_RECORD_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/user.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"
#include "recorder/base/random.h"
#include "recorder/events/event.h"
#include "recorder/images/image.h"
#include "recorder/record/record.h"
#include "recorder/sched/clock.h"
#include "recorder/sched/futex.h"
#include "recorder/sched/sched.h"
#include "recorder/signals/signals.h"
#include "recorder/syscalls/syscalls.h"
#include "recorder/trace/trace.h"
#include "recorder/tracee/maps.h"
#include "recorder/tracee/tracee.h"
#include "recorder/tracee/wait.h"

struct session;
struct task;

/* ---- address spaces ---------------------------------------------------------------------- */

struct loaded_image {
    struct image *image; /* owned by the image store, outlives the session */
    uint64_t bias;
    uint64_t start, end; /* the image's own span */
    uint64_t stub_start, stub_end;
    uint64_t text_start, text_end; /* the mapping that was rewritten, as the program made it */
    uint64_t text_offset;
    uint32_t file, image_file; /* trace files: what was mapped, what lies there now */
    bool own;                  /* the program's code, not a language's library */
    const char *name;
};

struct patch_sites { /* patches.h */
    struct patch_site *site;
    size_t count, capacity, waiting;
    size_t regions; /* sites that have one */
    struct patch_page *page;
    size_t page_count;
};

/* walk.h */
struct walk_moves {
    uint32_t steps; /* single ones, before the first of `at` */
    uint64_t *at;   /* addresses run to; 0: a single step */
    size_t count, capacity;
};

/* A system call's own patch state: it belongs to the call, never to the task. */
struct patch_event {
    enum patch_word state;
    uint64_t instruction; /* the call's own, wherever the task is by now */
};

/* A signal frame that no rt_sigreturn has popped yet. */
struct patch_frame {
    uint64_t sp;              /* of the handler at its start */
    uint64_t ip;              /* where control comes back to */
    bool over;                /* its rt_sigreturn is being made */
    struct patch_event event; /* of the call it interrupts */
};

struct space {
    int references;
    uint64_t id;
    struct maps maps;
    struct loaded_image *images;
    size_t image_count;
    uint64_t brk_start, brk;
    uint64_t zone_start, zone_end; /* where images are placed; reserved at exec */
    uint64_t zone_next;            /* top-down */
    uint64_t resident, looked;     /* limits.c: bytes at its last look, number of that look */
    bool ran;                      /* since then */
    int64_t zone_shift;            /* from an image to its stub area */
    bool has_area;                 /* the recorder's area is mapped */
    bool rewritten_nothing;        /* some executable mapping runs without ticks */
    struct patch_sites patches;
};

/* ---- descriptors ------------------------------------------------------------------------- */

enum fd_kind {
    FD_UNKNOWN,
    FD_NEVER_BLOCKS, /* regular files, directories, memory devices */
    FD_PIPE,         /* pipes and fifos */
    FD_SOCKET,
    FD_TERMINAL,
    FD_EVENTFD,
    FD_TIMERFD,
    FD_SIGNALFD,
    FD_EPOLL,
    FD_PIDFD,
    FD_OTHER,
};

/* timerfd and signalfd: modelled, an object per open file. */
struct fd_object {
    int references;
    uint64_t id;
    int shadow; /* our own fd of the real file, -1 */
    struct clock_timer timer;
    clockid_t clock;
    uint64_t expirations;
    signal_set mask; /* signalfd */
    struct process *owner;
    bool linked; /* in session->objects */
    void *extra; /* of procfs.c or directory.c, whose `release` names the kind */
    void (*release)(void *extra);
    struct fd_object *next;
};

struct fd_entry {
    uint8_t kind;
    int8_t stream; /* 1, 2: the run's stdout, stderr; 0 no; -1 not looked at */
    bool cloexec;
    bool random;                   /* /dev/random, /dev/urandom */
    bool null, regular, directory; /* null: /dev/null and /dev/zero */
    uint64_t device, inode;
    uint32_t generation; /* bumped when the number means another file */
    struct fd_object *object;
};

struct files {
    int references;
    struct fd_entry *entry;
    size_t count;
    uint32_t generation;
    uint8_t *known; /* PAGE_FD_* of each number (buffered.h); NULL: of none */
};

/* ---- processes and tasks ----------------------------------------------------------------- */

struct process {
    uint32_t id;
    pid_t tgid;             /* tracer's view */
    pid_t pid;              /* in the run's namespace */
    struct process *parent; /* NULL: the reaper */
    pid_t group, leader_session;
    uint32_t uid; /* as seen in siginfo */
    struct signal_handlers *handlers;
    struct signal_queue *queue;
    struct clock_timer real_timer; /* ITIMER_REAL, alarm */
    struct clock_timer cpu_timer[2];
    struct posix_timer *timers;
    int next_timer;
    int exit_signal; /* sent to the parent; SIGCHLD mostly */
    uint32_t live_tasks;
    bool group_exiting, execing;
    bool zombie; /* all tasks gone, parent has not waited */
    bool reaped; /* the kernel has no trace of it any more */
    bool sweepable;
    bool stopped; /* job control */
    bool report_stop, report_continue;
    int stop_signal;
    int status;       /* wait(2) status once zombie */
    int group_status; /* of exit_group or the fatal signal, while tasks are still ending */
    bool group_status_valid, leader_gone;
    int death_signal; /* PR_SET_PDEATHSIG */
    bool subreaper, undumpable, no_new_privs;
    bool exec_done; /* for setpgid EACCES; also wakes a vfork parent */
    struct task *vfork_parent;
    char *exe; /* path for /proc/self/exe */
    uint64_t cpu_ns;
    uint64_t children_cpu_ns;
    struct process *next;
};

enum task_state {
    TASK_READY,   /* stopped by ptrace; may be resumed */
    TASK_PARKED,  /* at the entry stop of a call that cannot go on yet */
    TASK_KERNEL,  /* asleep inside the kernel, traced */
    TASK_EXITING, /* PTRACE_EVENT_EXIT seen or on the way out */
    TASK_DEAD,
};

/* A task's working directory: may paths be relative to it in buffered calls? */
enum directory_state { DIRECTORY_UNKNOWN, DIRECTORY_PLAIN, DIRECTORY_SPECIAL };

enum call_action {
    CALL_RUN,  /* let the kernel execute run_nr(run_args), then finish() */
    CALL_DONE, /* call->result is the answer */
    CALL_PARK, /* wait: retried when ready() or the deadline says so */
    CALL_GONE, /* the task will not come back from it (exit) */
    CALL_REGS, /* task->regs are final (sigreturn) */
};

struct call;
typedef enum call_action (*call_handler)(struct session *s, struct task *t, struct call *c);
typedef void (*call_finish)(struct session *s, struct task *t, struct call *c);

#define CALL_WRITES_MAX 8

/* One of the program's descriptors, duplicated for a call's time (borrow.h). */
struct borrowed_fd {
    int fd;              /* ours, -1: none */
    int flags;           /* file status flags to put back */
    bool unblocked;      /* O_NONBLOCK is set while the kernel runs this call */
    int8_t argument;     /* of the call */
    short events;        /* awaited while the call is parked; 0: none */
    uint32_t generation; /* of the number when it was taken */
    int number; /* a number of the tracee for the duplicate, closed with the call; 0: none */
};

struct call {
    bool active;
    bool entered; /* an ENTRY event was written */
    bool retry;   /* handler is being asked again */
    bool timed_out;
    bool interrupted;
    bool no_restart; /* interrupted: EINTR whatever SA_RESTART says */
    bool spared;     /* no signal is injected into it (inject.c) */
    uint64_t nr, args[6];
    uint64_t run_nr, run_args[6];
    int64_t result;
    struct user_regs_struct before; /* at the entry stop */
    const struct syscall_row *row;
    call_handler handler;
    call_finish finish;    /* RUN: at the exit stop, before outputs are read; may change result */
    call_finish interrupt; /* EINTR: what the kernel writes then (remaining time...) */
    bool outputs;          /* MODEL rows: memory outputs follow from the row all the same */
    call_finish after;     /* after the event was written */
    bool (*ready)(struct session *s, struct task *t, struct call *c); /* PARK; NULL: only woken */
    bool off_streams;  /* no call on a pipe or socket changes what `ready` finds */
    bool woken;        /* somebody made it ready */
    bool stop_lost;    /* a remote call consumed the entry stop: re-enter before running it */
    uint64_t deadline; /* virtual ns; UINT64_MAX: none */
    bool has_deadline_entry;
    /* polled duplicates while parked */
    struct pollfd *poll;
    size_t poll_count;
    bool in_kernel; /* handed to the kernel, where it may sleep */
    /* at the exit stop of a RUN, before `finish`: DONE: c->result is it; PARK: it has to wait; RUN:
     * once more, with new run_args. NULL: DONE */
    call_handler attempted;
    /* blocking.h's own */
    struct borrowed_fd borrowed[2];
    uint8_t wait_change; /* enum blocking_change: also worth a try after one of these */
    bool wait_outside;   /* ... which somebody outside of the run may make */
    uint64_t wait_seen;  /* its count at the last try */
    bool patient;        /* it sleeps in the kernel for outsiders only: nobody runs meanwhile */
    int64_t recorded;    /* bytes whose memory effects are in an ENTRY event already */
    bool sigpipe;        /* the kernel raised it in this call */
    /* handlers' own */
    uint64_t scratch[8];
    signal_set saved_mask;
    bool mask_swapped;
    bool handler_runs; /* interrupted: a handler is about to run */
    int64_t progress;  /* bytes moved by earlier pieces of a call run piecewise */
    struct bytes buffer;
    const char *what; /* for deadlock reports: "futex", "read"... */
};

struct task {
    uint32_t id;
    pid_t tid;    /* tracer's view */
    pid_t ns_tid; /* in the run's namespace */
    struct process *process;
    struct space *space;
    struct files *files;
    enum task_state state;
    struct user_regs_struct regs; /* authoritative while stopped */
    bool regs_dirty;
    bool at_seccomp; /* the stop is a seccomp stop: orig_rax -1 skips the call */
    int64_t ticks_loaded, atomics_loaded;
    uint8_t directory;        /* enum directory_state */
    uint64_t ticks, atomics;  /* since birth */
    struct sched_slice slice; /* what is left of the slice */
    bool slice_valid;
    bool kernel_restart; /* the next entry stop repeats the call being run */
    bool needs_event;    /* it ran since its last event: a PREEMPT is due before others run */
    bool
        nowhere; /* ... but a signal from outside stopped it, and no counter tells where that was */
    struct call call;
    signal_set mask;
    struct signal_queue *queue;
    struct signal_altstack altstack;
    bool suspended_mask; /* sigsuspend & co: restore `saved_mask` after the handler was pushed */
    signal_set saved_mask;
    struct filter *filters; /* seccomp, of the program's own */
    uint64_t clear_tid;
    uint64_t robust_list, robust_length;
    uint64_t cpu_ns;
    uint64_t calls_in_slice;
    int pidfd;
    bool left;               /* its EXIT event is written */
    int exit_status;         /* TASK_EXITING leader: as its exit stop said */
    bool vfork_child;        /* waits for a vfork child's exec or exit */
    struct stop kernel_stop; /* a stop that came while another task was waited for; tid 0: none */
    int kill_signal;         /* fatal signal on its way */
    bool kernel_mask;        /* the kernel has a signal mask for the call it runs (terminal.h) */
    char name[16];
    char *role;        /* who made it: "0" the first, "0.2" its second child */
    uint32_t children; /* tasks and processes it has made */
    struct {
        bool valid;
        uint64_t nr, ip, sp;
    } injected;                        /* the call that an injected signal interrupted last */
    signal_set injected_signals;       /* of the pending ones: sent by inject.c */
    uint8_t tsc_mode;                  /* prctl(PR_SET_TSC), as the program sees it; 0: never set */
    bool cpuid_traps;                  /* instructions.h */
    uint64_t trap_ticks, trap_atomics; /* where the counter trapped last */
    uint8_t trapped_counter;           /* 0 ticks, 1 atomics, 2 none */
    struct walk_moves moves;           /* since then */
    bool entry_lost;            /* a remote call consumed the entry stop that is handled next */
    struct patch_event patch;   /* of the call that is being made */
    struct patch_frame *frames; /* oldest first */
    size_t frame_count, frame_capacity;
    uint64_t patch_flag; /* RRTEST_FAULT=patch-flag-per-task: a site wanted by some call */
    struct task *next;
};

/* Of one output stream, what went beyond the limit. */
struct output_rest {
    uint64_t length;
    struct bytes end; /* RECORD_OUTPUT_END bytes or a little more */
};

/* ---- the session ------------------------------------------------------------------------- */

struct session {
    const struct record_options *options;
    struct record_result *result;
    struct rr_error *error;
    struct tracee_area area;
    char *child_stack; /* of the process that becomes the program, until its exec */
    struct trace_writer *trace;
    struct image_store *images;
    struct sched *sched;
    struct futex_model *futexes;
    struct virtual_clock *clock;
    struct random_stream data, inject, wake;
    struct task *tasks; /* in order of creation */
    struct process *processes;
    struct fd_object *objects;
    struct process *first; /* the program's process */
    struct task *current;
    uint32_t next_task, next_process;
    uint32_t swept_process; /* session_sweep() was last made when next_process was this */
    uint64_t swept_count, swept_cpu_ns; /* of the processes it has removed */
    uint64_t next_space, next_object;
    uint32_t live;
    struct {                   /* limits.c */
        uint64_t next_look;    /* at memory; wall ns */
        uint64_t looks;        /* so far */
        uint64_t kernel_kills; /* for lack of memory, at the first look */
        bool has_files;
        struct rlimit files; /* RLIMIT_NOFILE as the recorder was given it */
    } limits;
    struct place *place; /* NULL: no namespaces */
    bool spoiled;        /* the place: inet sockets, System V objects or message queues were made */
    int stdio_stat_valid;
    struct stdio_identity {
        uint64_t device, inode;
        bool valid;
    } stdio[2];
    struct buffered *buffered;
    unsigned patch_faults;            /* enum patch_fault */
    struct patch_decision *decisions; /* not written as events yet (patches.c) */
    size_t decision_count, decision_capacity;
    size_t others; /* tasks that could run besides the current one, at the last decision */
    enum sched_reason reason; /* of the next decision */
    uint64_t asked_ns;        /* wall time when options->interrupted was asked last */
    bool reschedule;
    bool ended, killed;
    bool state_changed;   /* something that parked calls may wait for has changed */
    uint64_t changes[8];  /* by enum blocking_change */
    uint32_t deaths_seen; /* tasks that are gone, at the last look at parked calls */
    struct pollfd *poll_set;
    size_t poll_capacity;
    bool kernel_signals;    /* the kernel may send the run's tasks signals of its own accord */
    bool sockets_low_water; /* some socket of the run has SO_RCVLOWAT set */
    uint64_t epoch_real;    /* CLOCK_REALTIME of the machine at the start, ns */
    uint64_t epoch_files;   /* the same, as the kernel stamps files: in ticks */
    uint64_t wall_start, wall_deadline, rewriting_ns;
    uint64_t deadline_virtual;
    uint64_t first_exit_clock;
    uint64_t outside_since; /* wall ns since which nothing but the outside can help; 0 */
    bool external_input;    /* the program's stdin comes from outside */
    uint32_t injected[16];
    struct bytes output[2];
    struct output_rest rest[2];
    uint64_t events_since_checksum;
    struct file_entry {
        char *key;
        const char *name;
        uint32_t id;
    } * trace_files;
    size_t trace_file_count;
    /* the event being built */
    struct {
        struct event event;
        struct event_write *writes;
        struct map_op *maps;
        struct event_file_write *file_writes;
        size_t write_capacity, map_capacity, file_write_capacity;
        struct bytes data;
    } building;
    uint64_t recent[64][2]; /* last written ranges, for checksums */
    size_t recent_count;
    struct file_facts *file_facts;
    uint32_t ports_given;
    struct shared_file *shared_files;
    bool shared_unknown; /* handlers do not know of all of them */
    int exec_error;      /* of the first execve */
    char **environment;  /* what the program gets */
};

/* ---- session.c ---------------------------------------------------------------------------- */
struct task *session_task_new(struct session *s, struct task *parent, pid_t tid,
                              uint64_t clone_flags);
void session_task_gone(struct session *s, struct task *t);
struct task *session_task_by_tid(struct session *s, pid_t tid);
struct task *session_task_by_ns_tid(struct session *s, pid_t tid);
struct process *session_process_by_pid(struct session *s, pid_t pid);
/* Every now and then: forget the processes that are reaped. To be called where nobody holds one. */
void session_sweep(struct session *s);
struct space *space_new(struct session *s);
void space_unref(struct space *space);
struct files *files_new(void);
struct files *files_copy(const struct files *from);
void files_unref(struct session *s, struct files *files);
void session_done(struct session *s);
/* End the run with a verdict; message is formatted once (the first call wins). */
void session_fail(struct session *s, enum record_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- emit.c: building events --------------------------------------------------------------- */
struct event *emit_begin(struct session *s, struct task *t, enum event_kind kind);
/* Read `length` bytes of t's memory now and make them a write of the event. Unreadable: left out.
 */
void emit_memory(struct session *s, struct task *t, uint64_t address, uint64_t length);
/* Write the data into t's memory and make it part of the event. -EFAULT: nothing was written. */
int emit_poke(struct session *s, struct task *t, uint64_t address, const void *data,
              uint64_t length);
/* Part of the event, and applied to the model of t's space at once. */
void emit_map(struct session *s, struct task *t, const struct map_op *op);
void emit_file_write(struct session *s, uint32_t file, uint64_t offset, const void *data,
                     uint64_t length);
void emit_output(struct session *s, int stream, const void *data, uint64_t length);
void emit_xstate(struct session *s, const uint8_t *data, size_t length);
/* Bytes that stand at the address already, or will in replay; not copied before the event ends. */
void emit_bytes(struct session *s, uint64_t address, const void *data, uint64_t length);
/* The same of data that may be gone by emit_end(). */
void emit_copy(struct session *s, uint64_t address, const void *data, uint64_t length);
/* As emit_map(), of an operation that the model has had already. */
void emit_map_applied(struct session *s, const struct map_op *op);
/* The range was written: for the next checksum. */
void emit_remember(struct session *s, uint64_t address, uint64_t length);
void emit_end(struct session *s, struct task *t);
/* The same with these registers as the event's result. */
void emit_end_registers(struct session *s, struct task *t, const struct user_regs_struct *after);
/* A PREEMPT event if the task ran since its last event. */
void emit_position(struct session *s, struct task *t);
/* Of a task that has come to a call's entry, if no event says so yet: before an event of no stop,
 * of this task or another, which replay would meet while the task's buffered calls are still to
 * come.
 */
void emit_entry(struct session *s, struct task *t);
/* Checksum of all of t's memory, as an event of its own. */
void emit_memory_checksum(struct session *s, struct task *t);

/* ---- loop.c -------------------------------------------------------------------------------- */
int session_loop(struct session *s);
/* The next stop of a task (-1: of any), beyond the session's 10 ms timer: a run that is long over
 * its time is killed. As wait_next(), never -EINTR. */
int session_wait(struct session *s, pid_t tid, struct stop *ret);
/* The timer came while the kernel is at work in a task's name: as above. */
void session_watch(struct session *s);
/* What a stop of the running task means. */
void session_handle_stop(struct session *s, struct task *t, const struct stop *stop);
void session_account(struct session *s, struct task *t); /* counters -> ticks, clock */
void session_load_counters(struct session *s, struct task *t);
int task_flush(struct task *t); /* registers into the tracee */

/* ---- call.c: system calls ------------------------------------------------------------------ */
void call_entry(struct session *s, struct task *t);
void call_retry(struct session *s, struct task *t); /* parked, now worth another try */
void call_interrupt(struct session *s, struct task *t, bool handler_runs, bool sa_restart);
/* Does a signal without a handler (a stop, or the end) end the waiting call, with EINTR or to be
 * made anew? Else it goes on waiting where it was, to the same deadline. */
bool call_ends_by_stop(struct call *c);
void call_drop(struct session *s, struct task *t); /* the task dies in it */
/* From wherever a remote call has left t back to the entry stop of its call. -ESRCH: it is gone,
 * and accounted for. */
int call_reenter(struct session *s, struct task *t, struct call *c);
void call_complete(struct session *s, struct task *t);
/* The exit stop of a call that fell asleep in the kernel came. */
void call_kernel_done(struct session *s, struct task *t);
extern const call_handler call_models[SYSCALL_NUMBER_LIMIT];
int call_memory_read(void *task, struct taddr address, void *ret, size_t length);
/* Answer with a result or -errno. */
enum call_action call_answer(struct call *c, int64_t result);
enum call_action call_park(struct task *t, struct call *c, const char *what, uint64_t deadline);
/* A remote system call of the stopped task. Non-zero: the task is gone. */
int task_call(struct session *s, struct task *t, uint64_t nr, const uint64_t args[6], int64_t *ret);

#endif

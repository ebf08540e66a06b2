/* The replaying session: every object of one replay. Internal to replay/. One thread.
 *
 * Functions return 0 to go on, REPLAY_ENDED when the replay has its verdict (a divergence, an
 * interruption), or a negative errno with session->error filled (no replay is possible). */
#ifndef RECORDER_REPLAY_SESSION_H
#define RECORDER_REPLAY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "recorder/base/error.h"
#include "recorder/events/event.h"
#include "recorder/replay/replay.h"
#include "recorder/trace/trace.h"
#include "recorder/tracee/maps.h"
#include "recorder/tracee/tracee.h"
#include "recorder/tracee/wait.h"

#define REPLAY_ENDED 1

struct replay_space {
    int references;
    struct maps maps;
    /* The program's stack: mapped further down than the recorded mapping, as the kernel lets it
     * grow. */
    uint64_t stack_low, stack_high; /* 0: none known */
    uint32_t stack_prot;
};

/* Every task is a process of its own (CLONE_VM without CLONE_THREAD where the program had threads):
 * nothing a program can see tells the difference, since the kernel answers none of its calls, and
 * every task can be ended and reaped by itself. */
struct replay_task {
    uint32_t id;
    pid_t tid; /* 0: the first task before its first exec */
    struct replay_space *space;
    struct user_regs_struct regs; /* if `known`: those it stands at or will go on with */
    bool known;
    bool dirty;  /* the tracee does not have them yet */
    bool parked; /* at the entry stop of a call whose result is a later event */
    bool armed;  /* its rdtsc and cpuid trap, if the machine has that */
    bool barred; /* its stop is a system call's entry: must not go on with the registers it has */
    uint64_t ticks, atomics;
    int64_t ticks_loaded, atomics_loaded;
    char *role; /* "0" the first, "0.2" its second child; NULL: "0" */
    uint32_t children;
    int32_t pid, ns_tid; /* as the program sees them; 0: not known */
    struct replay_task *next;
};

struct replay_file {
    int memfd; /* backing of shared mappings, or a copy where the original may not be mapped; -1 */
    int tracee_fd; /* number in the tracees' one table of descriptors; -1 */
};

struct replay_session {
    const struct replay_options *options;
    struct replay_result *result;
    struct rr_error *error;
    struct trace_reader *trace;
    uint64_t number; /* of the current event */
    const struct event *event;
    struct tracee_area area;
    pid_t empty; /* a stopped process with nothing mapped but the area: every exec starts as its
                    clone */
    struct user_regs_struct empty_regs;
    struct replay_task *tasks;
    struct replay_file *files; /* by trace file id - 1 */
    size_t file_count;
    size_t xstate_size; /* of this machine's NT_X86_XSTATE */
    uint8_t *xstate;    /* scratch of that size */
    int output_fd[2];
    uint64_t stop_at; /* event behind which the replay ends, with all stacks; 0: none */
    struct replay_region {
        uint64_t start, end;  /* where a patched call's code was put */
        uint64_t instruction; /* the call */
    } * regions;
    size_t region_count;
};

/* ---- replay.c ------------------------------------------------------------------------------ */
/* The options' callback says so: verdict and REPLAY_ENDED. */
int replay_check_interrupted(struct replay_session *r);
/* The verdict is a divergence at the current event; the message names event, kind and task. */
int replay_diverged(struct replay_session *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The trace says something impossible, or the machine cannot do it: names the event. Returns code.
 */
int replay_failed(struct replay_session *r, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- start.c ------------------------------------------------------------------------------- */
/* Start session->empty. */
int replay_start(struct replay_session *r);
/* Kill and reap the tracee of this number. */
void replay_reap(pid_t tid);

/* ---- task.c -------------------------------------------------------------------------------- */
struct replay_task *replay_task_find(struct replay_session *r, uint32_t id);
struct replay_task *replay_task_new(struct replay_session *r, uint32_t id);
/* A new task as clone_flags say, from the stopped parent. */
int replay_task_clone(struct replay_session *r, struct replay_task *parent, uint32_t id,
                      uint64_t clone_flags);
/* A fresh, empty address space for the task. */
int replay_task_exec(struct replay_session *r, struct replay_task *t);
/* End the task. */
void replay_task_end(struct replay_session *r, struct replay_task *t);
/* Known registers of the stopped task, read if need be. */
int replay_task_regs(struct replay_session *r, struct replay_task *t);
void replay_task_set_regs(struct replay_task *t, const struct user_regs_struct *regs);
/* A system call of the stopped task through the blob; *ret: the kernel's answer. */
int replay_task_call(struct replay_session *r, struct replay_task *t, uint64_t nr,
                     const uint64_t args[6], int64_t *ret);
/* Load the counters, resume with the ptrace request, wait for the stop, count. Stops that are none
 * of the program's are passed over. `stop` is never STOP_DEAD. */
int replay_task_resume(struct replay_session *r, struct replay_task *t, int request, int64_t ticks,
                       int64_t atomics, struct stop *stop);

/* ---- run.c --------------------------------------------------------------------------------- */
/* Run the task to the stop that the event describes, check that it is there. */
int replay_run_to_event(struct replay_session *r, struct replay_task *t);

/* ---- calls.c ------------------------------------------------------------------------------- */
/* BUFFERED: put the calls into the ring, from where the blob answers them. */
int replay_load_calls(struct replay_session *r, struct replay_task *t);
/* The task has come to its next stop: has it made all of them? */
int replay_check_calls(struct replay_session *r, const struct replay_task *t);

/* ---- mapping.c ----------------------------------------------------------------------------- */
int replay_apply_maps(struct replay_session *r, struct replay_task *t);
/* Map more of the stack, so that `address` is in it; `exact`: not a page more. -EFAULT: it is no
 * place for the stack. */
int replay_grow_stack(struct replay_session *r, struct replay_task *t, uint64_t address,
                      bool exact);

/* ---- apply.c ------------------------------------------------------------------------------- */
int replay_apply_writes(struct replay_session *r, struct replay_task *t);
int replay_apply_xstate(struct replay_session *r, struct replay_task *t);
int replay_apply_output(struct replay_session *r);

/* ---- files.c ------------------------------------------------------------------------------- */
int replay_files_open(struct replay_session *r);
void replay_files_close(struct replay_session *r);
/* The number of the trace's file in the tracees. `shared`: the object behind shared mappings;
 * `copy`: a copy, since the file itself may not be mapped. */
int replay_file_fd(struct replay_session *r, struct replay_task *t, uint32_t file, bool shared,
                   bool copy, int *ret_fd);
int replay_file_write(struct replay_session *r, const struct event_file_write *w);
/* Some mapped file had changed when its content was taken: NULL, or its name. */
const char *replay_changed_file(struct replay_session *r);

/* ---- compare.c ----------------------------------------------------------------------------- */
/* The task's registers (known) against the event's `before`. all: every register, else those that
 * tell the position. orig_rax is looked at where `call`. */
int replay_compare_registers(struct replay_session *r, const struct replay_task *t, bool all,
                             bool call);
int replay_compare_memory(struct replay_session *r, struct replay_task *t);

/* ---- stacks.c ------------------------------------------------------------------------------ */
/* All tasks' stacks, as they stand behind the current event, into the result. */
int replay_read_stacks(struct replay_session *r);
/* The current event is a PATCH: remember where it puts code. */
void replay_note_region(struct replay_session *r);

/* ---- cpu.c --------------------------------------------------------------------------------- */
/* Instruction sets that the recorded cpuid table promises and this machine lacks are an error
 * (-EOPNOTSUPP) that names them; and so is another layout of xsave's components, for what xsave
 * writes into the program's memory would differ. More than was recorded does no harm: the program
 * is told what the table says. */
int replay_check_cpu(const struct trace_meta *meta, struct rr_error *error);

#endif

/* Record one run of a program: start it, serialise and schedule its tasks, record everything replay
 * needs, reap it. The only entry into the recording side for the command line and the harness.
 *
 * One run at a time per process (waitpid and namespaces are per process); the harness forks
 * workers. */
#ifndef RECORDER_RECORD_RECORD_H
#define RECORDER_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/rrtest/stacks.h"
#include "recorder/base/error.h"
#include "recorder/events/patch.h"
#include "recorder/sched/sched.h"
#include "recorder/trace/trace.h"

#define RECORD_OUTPUT_END 65536 /* bytes kept of the end of output that was cut */

/* Where the harness puts files for a run, in a file system of the run's own: its files have numbers
 * that are not shown as they are, like those of TMPDIR. */
#define RECORD_FILES_DIRECTORY "/tmp/rrtest-run"

/* One `inject:` entry. */
struct record_injection {
    int signal;  /* number */
    int at_call; /* -1: at any tick; else: on entry to or parked in this system call number */
    double probability; /* per opportunity, 0..1; default 0.05 for ticks, 0.2 for calls */
    uint32_t limit;     /* at most so many a run; 0: no limit */
};

/* Which system calls are answered inside the tracee (design.md section 5). */
enum record_patching {
    RECORD_PATCHING_STATIC, /* those of rewritten images; others lazily */
    RECORD_PATCHING_LAZY,   /* each site at its first execution */
    RECORD_PATCHING_OFF,    /* every call stops */
    RECORD_PATCHING_COUNT
};
const char *record_patching_name(enum record_patching patching);
int record_patching_by_name(const char *name); /* -1: unknown */

struct record_options {
    char *const *argv; /* argv[0] is the path to execute (already resolved) */
    char *const *environment;
    const char *directory; /* working directory; NULL: ours */
    int stdin_fd;          /* -1: /dev/null */
    int stdout_fd; /* where output goes while recording; -1: nowhere (kept in the trace only) */
    int stderr_fd;
    uint64_t seed;
    enum sched_strategy strategy;
    struct sched_length length;
    const struct record_injection *injections;
    size_t injection_count;
    enum record_patching patching;
    bool real_clock;             /* clock: real */
    uint64_t timeout_ns;         /* wall time, rewriting of images excluded; 0: none */
    uint64_t virtual_timeout_ns; /* 0: none */
    uint64_t clock_epoch_ns;     /* CLOCK_REALTIME at the run's start; 0: the default constant */
    /* Ends of the program that need no stacks, since they are wanted: exit statuses, a bit each of
     * 256, NULL: any; the signal that kills it, 0: none. */
    const uint64_t *expected_exits;
    int expected_signal;
    /* Of all tasks together, bytes: anonymous and shared memory, files in the run's own TMPDIR, and
     * what the recorder holds for trace and output. Looked at every 10 ms of wall time, so runs
     * with one seed may end at different points. 0: none */
    uint64_t memory_limit;
    uint32_t process_limit; /* at a time, unreaped ones included; 0: none */
    uint32_t task_limit;    /* threads of all processes at a time; 0: the most there can be, 4096 */
    /* Bytes kept of each of stdout and stderr, and in a trace held in memory; of what comes beyond,
     * only the end is kept. 0: default 64 MiB */
    uint64_t output_limit;
    /* A trace in memory that is larger than this goes on in an unlinked file. 0: a quarter of
     * memory_limit, at most 512 MiB */
    uint64_t trace_memory;
    const char *spill_directory; /* for that file; NULL: $TMPDIR or /var/tmp */
    const char *image_cache;     /* directory; NULL: $XDG_CACHE_HOME/rrtest or ~/.cache/rrtest */
    const char *trace_directory; /* stream the trace there; NULL: in memory (result->trace) */
    bool no_trace;               /* keep nothing at all (only schedule and verdict are wanted) */
    /* asked now and then; true ends the run with RECORD_VERDICT_INTERRUPTED */
    bool (*interrupted)(void *context);
    void *interrupted_context;
    uint32_t guards_off;            /* enum record_guard bits: nondeterminism tests only */
    struct record_stepper *stepper; /* recorder/record/step.h: the single-step checker only */
};

/* Guards of design.md section 9 that tests switch off one by one (RRTEST_GUARD_OFF=name,...). */
enum record_guard {
    RECORD_GUARD_RDTSC = 1 << 0,
    RECORD_GUARD_RANDOM = 1 << 1, /* rdrand, rdseed */
    RECORD_GUARD_CPUID = 1 << 2,
    RECORD_GUARD_VDSO = 1 << 3,
    RECORD_GUARD_RSEQ = 1 << 4,
    RECORD_GUARD_IO_URING = 1 << 5,
    RECORD_GUARD_AT_RANDOM = 1 << 6,
    RECORD_GUARD_ASLR = 1 << 7,
    RECORD_GUARD_TIME = 1 << 8,
    RECORD_GUARD_PIDS = 1 << 9,
    RECORD_GUARD_DIRECTORY_ORDER = 1 << 10,
    RECORD_GUARD_TMPDIR = 1 << 11,
    RECORD_GUARD_NETWORK = 1 << 12,
    RECORD_GUARD_GETRANDOM = 1 << 13,
};
uint32_t record_guards_from_environment(void);

enum record_verdict {
    RECORD_VERDICT_EXITED,   /* status tells */
    RECORD_VERDICT_DEADLOCK, /* every task waits for ever */
    RECORD_VERDICT_TIMEOUT,  /* wall */
    RECORD_VERDICT_VIRTUAL_TIMEOUT,
    RECORD_VERDICT_UNSUPPORTED, /* the program did something that is not modelled; message tells */
    RECORD_VERDICT_INTERRUPTED,
    RECORD_VERDICT_LIMIT, /* one of the limits above; message tells which */
    RECORD_VERDICT_COUNT
};
const char *record_verdict_name(enum record_verdict verdict);

struct record_statistics {
    uint64_t events, stops, ticks, atomics, preemptions, switches, stray_entries, trap_ticks,
        signals;
    uint64_t syscalls_total, syscalls_buffered;
    uint64_t syscalls_rescued; /* made to be buffered, slept, and were traced */
    uint64_t tasks, processes;
    uint64_t patches[PATCH_WORD_COUNT]; /* by decision */
    uint64_t virtual_ns, wall_ns, rewriting_ns;
    uint64_t schedule_digest, output_digest;
};

struct record_result {
    enum record_verdict verdict;
    int status;    /* of the first process, as wait(2); 0 when killed by us: see verdict */
    char *message; /* owned; one line: what is not modelled, who was killed... */
    /* Owned: where every task stood at a deadlock, a timeout, something unsupported, the program's
     * death by a signal or its exit with a status that was not expected. Else empty. */
    struct stack_list stacks;
    char **notes; /* owned; what the run had to go without, one line each */
    size_t note_count;
    struct record_statistics statistics;
    struct sched_length learned;
    char *output[2]; /* owned: stdout, stderr of the run (NUL-terminated, lengths below) */
    size_t output_length[2];
    uint64_t output_total[2]; /* bytes written; more than output_length: the rest was cut off */
    char *output_end[2]; /* owned: where it was cut, the last of it, RECORD_OUTPUT_END at most */
    size_t output_end_length[2];
    struct trace_writer *trace; /* owned; NULL when streamed or no_trace */
    struct trace_meta meta;     /* for trace_writer_keep() */
};
void record_result_done(struct record_result *result);

/* 0: *ret is filled, whatever became of the program. Negative: the run could not be made (message
 * says why and what to do: missing program, no ptrace permission, ...); -ENOENT, -EACCES, -ENOEXEC
 * name the program; -EPERM/-ENOSYS the machine (exit status 3 of `run`). No process is left behind.
 */
int record_run(const struct record_options *options, struct record_result *ret,
               struct rr_error *error);

/* Find a program as execvp would, relative to `directory` first when it has a slash. ret_path:
 * malloced. Checks that it is executable and ELF x86-64 or a script. -ENOENT, -EACCES, -ENOEXEC
 * with a remedy. */
int record_find_program(const char *name, const char *directory, const char *search_path,
                        char **ret_path, struct rr_error *error);

#endif

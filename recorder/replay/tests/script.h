/* Traces written by hand: a script is a trace in the making, with the registers its tasks have. */
#ifndef RECORDER_REPLAY_TESTS_SCRIPT_H
#define RECORDER_REPLAY_TESTS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/events/event.h"
#include "recorder/replay/replay.h"
#include "recorder/trace/trace.h"

#define PROGRAM_ADDRESS 0x400000ull
#define DATA_ADDRESS 0x600000ull /* two pages, private */
#define STACK_LOW 0x7fff00000000ull
#define STACK_HIGH 0x7fff00010000ull
#define STACK_LIMIT 0x40000ull

extern const uint8_t program_code[], program_code_end[], program_calls[], program_first_call[],
    program_second_call[], program_third_call[], program_ticks[], program_ticked[],
    program_counted[], program_ticks_call[], program_spins[], program_stuck[], program_stores[],
    program_loads[], program_stored[], program_recurses[], program_touches[], program_recursed[],
    program_draws[], program_draw[], program_drawn[], program_asks[], program_ask[],
    program_answered[], program_vector[], program_vectored[];

#define SCRIPT_TASKS 4

struct script {
    char directory[64];
    struct trace_writer *writer;
    struct trace_meta meta;
    struct user_regs_struct regs[SCRIPT_TASKS + 1]; /* by task id */
    uint64_t ticks[SCRIPT_TASKS + 1], atomics[SCRIPT_TASKS + 1];
};

/* Address of a piece of the program. */
uint64_t script_address(const uint8_t *label);

void script_open(struct script *s);
/* ... recorded on a processor with this cpuid table. */
void script_open_on(struct script *s, const uint32_t *cpuid_table, size_t length);
/* Trace files: a copy of the content. */
uint32_t script_file(struct script *s, enum trace_file_kind kind, const char *key, const void *data,
                     size_t length);
/* An event of a task: its kind, counts and registers; `before` and `after` are the task's. */
struct event script_event(const struct script *s, enum event_kind kind, uint32_t task);
/* Append; `after` becomes the task's registers. */
void script_append(struct script *s, const struct event *e);
/* EXEC: program, data and stack mapped, rip at the label. */
void script_exec(struct script *s, uint32_t task, const uint8_t *label);
/* The event of a system call's stop: behind it is at `label`. */
struct event script_call(const struct script *s, uint32_t task, enum event_kind kind, uint64_t nr,
                         const uint8_t *label);
/* ... appended with this result and number for the next call. */
void script_calls(struct script *s, uint32_t task, uint64_t nr, const uint8_t *label,
                  uint64_t result);
void script_exit(struct script *s, uint32_t task, int status);
void script_end(struct script *s, int status);
/* END, and the trace is complete. */
void script_finish(struct script *s, int status);
void script_remove(struct script *s);

/* A program that has made two of its three calls; the first wrote "written". getpid is next. */
void script_three_calls(struct script *s);

/* Replay with the options (trace is filled in); returns replay_run's. Fails when a process is left.
 */
int script_replay(struct script *s, struct replay_options *options, struct replay_result *ret,
                  struct rr_error *error);
/* Replay, with --verify or not, and check the verdict and that the message holds `text`. */
void script_check(struct script *s, bool verify, enum replay_verdict verdict, const char *text);

/* May this process be traced at all? */
bool script_can_run(void);

#endif

/* What reading a trace into a timeline keeps in mind, shared by its parts. Internal to
 * reports/timeline/. */
#ifndef REPORTS_TIMELINE_READER_H
#define REPORTS_TIMELINE_READER_H

#include "reports/timeline/causes.h"
#include "reports/timeline/items.h"
#include "reports/timeline/spaces.h"
#include "reports/timeline/timeline.h"

#define HANDLERS_MAX 16 /* nested handlers of a task whose ends are looked for */

struct moment {
    uint64_t step, clock;
};

struct task_state {
    struct mapped_space *space; /* NULL: not known (a damaged trace) */
    uint64_t run;               /* numbers of items that go on; 0: none */
    uint64_t wait;
    uint64_t wait_call;    /* its number */
    uint64_t wait_address; /* futex; 0 */
    bool wait_is_private;
    uint64_t handlers[HANDLERS_MAX];
    size_t handler_count;
    uint64_t begin; /* the item that made the task, until it runs */
    unsigned children;
    char stopped[96];    /* why it will stop running, if it does now */
    uint32_t last_place; /* and where */
};

struct reader {
    struct timeline *timeline;
    struct trace_reader *trace;
    struct items *items;
    struct spaces *spaces;
    struct causes *causes;
    struct task_state *states; /* as timeline->tasks */
    size_t capacity;
    uint32_t running;    /* index of a task, or NO_TASK */
    struct moment now;   /* of the event in hand */
    struct moment since; /* of the one before */
};
#define NO_TASK UINT32_MAX

/* The task with this id, made if it is new. */
uint32_t reader_task(struct reader *r, uint32_t id);
/* An item at this moment, with the task's ticks and the trace's position. */
struct timeline_item reader_item(const struct reader *r, const struct event *e, uint32_t task,
                                 enum timeline_kind kind);
/* Where the registers of the event's stop, or `address`, lie. */
uint32_t reader_place(struct reader *r, uint32_t task, uint64_t address);
void reader_stopped(struct task_state *state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The task executed from the event before up to now (continued: its parked call ended, it executes
 * from now on). */
void reader_runs(struct reader *r, uint32_t task, bool continued);

/* read_calls.c: EVENT_SYSCALL, EVENT_EXEC, EVENT_ENTRY; EVENT_BUFFERED. */
void reader_entry(struct reader *r, const struct event *e, uint32_t task);
void reader_call(struct reader *r, const struct event *e, uint32_t task);
void reader_buffered(struct reader *r, const struct event *e, uint32_t task);
/* The wait that is open ends now; text stays. */
void reader_end_wait(struct reader *r, uint32_t task, uint32_t detail, uint64_t cause);

/* read_signals.c: EVENT_SIGNAL, EVENT_SIGRETURN, EVENT_FAULT. */
void reader_signal(struct reader *r, const struct event *e, uint32_t task);
void reader_sigreturn(struct reader *r, const struct event *e, uint32_t task);
void reader_fault(struct reader *r, const struct event *e, uint32_t task);

/* Bytes as a short printable text in quotes: "done\n", malloced. */
char *reader_quoted(const uint8_t *data, uint64_t length);

#endif

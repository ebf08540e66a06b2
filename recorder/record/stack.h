/* Stacks of stopped tasks as text, for reports. Reads tracees and the files they map; changes
 * nothing. */
#ifndef RECORDER_RECORD_STACK_H
#define RECORDER_RECORD_STACK_H

#include "recorder/record/session.h"

/* One for one report: what it learns of an address space's modules it keeps until it is freed. The
 * session's tasks and maps must not change meanwhile. */
struct stack_reader;

struct stack_reader *stack_reader_new(struct session *s);
void stack_reader_free(struct stack_reader *reader);
/* Append t's frames, innermost first, a line each: "#0 0x... function+0x12 (file.c:34) [module]",
 * at most
 * 32. Addresses are the program's own: never one of a stub. The reader ends a stack early, and says
 * so, when all stacks together have taken two seconds. */
void stack_reader_append(struct stack_reader *reader, struct task *t, struct bytes *text);

/* All tasks of the run with what they wait for and their stacks, `first` (or NULL) before the
 * others: the body of a report. */
void stack_append_all(struct session *s, struct task *first, struct bytes *text);

#endif

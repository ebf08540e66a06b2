/* Which failures are the same: strategies.md 6.1. Pure. */
#ifndef HARNESS_RUN_SIGNATURE_H
#define HARNESS_RUN_SIGNATURE_H

#include "harness/run/message.h"
#include "include/rrtest/stacks.h"
#include "recorder/base/bytes.h"

/* A hash of the kind of failure, of where the program stood (the top frames of its own modules; in
 * a deadlock, who waits where), and of what is said of it: the first line of `reason`, and of a
 * program that ended by itself the last one of `output`, with numbers masked but for its exit
 * status. The same on every machine and in every run that
 * fails alike; never 0. Texts of `length` bytes need no NUL. */
uint64_t signature_of(enum failure_kind kind, const struct stack_list *stacks, const void *reason,
                      size_t reason_length, const void *output, size_t output_length);

/* The same where a message is all that is known: of failures that are no run's. */
uint64_t signature_of_message(enum failure_kind kind, const char *message);

/* Append a line of text with each number, hexadecimal ones too, replaced by '#'. */
void signature_mask(const char *text, size_t length, struct bytes *ret);

#endif

/* Did the program do what its test expects? Pure. */
#ifndef HARNESS_RUN_JUDGE_H
#define HARNESS_RUN_JUDGE_H

#include "harness/run/message.h"
#include "harness/suite/suite.h"
#include "recorder/base/bytes.h"
#include "recorder/record/record.h"

/* The outcome of a finished run; what is wrong is appended to *reason (not NUL-terminated), nothing
 * for OUTCOME_PASS. *ret_kind: FAILURE_NONE for OUTCOME_PASS and OUTCOME_CANCELLED. */
enum outcome judge_run(const struct suite_test *test, const struct record_result *result,
                       struct bytes *reason, enum failure_kind *ret_kind);

#endif

/* Small values as people write them, on the command line and in suites alike: numbers, durations,
 * signals, injections. Pure. */
#ifndef HARNESS_VALUE_VALUE_H
#define HARNESS_VALUE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"
#include "recorder/record/record.h"

/* Decimal or 0x hexadecimal, nothing around it. 0, -EINVAL, -ERANGE. */
int value_parse_u64(const char *text, uint64_t *ret);

/* "10s", "500ms", "1.5m"; units ns us ms s m min h; "none" is 0 (no limit). A bare number is
 * -EINVAL: the reader of a suite should not have to guess the unit. -ERANGE above 100 years. */
int value_parse_duration(const char *text, uint64_t *ret_ns);

/* "512K", "64MiB", "1.5G", "100B" (powers of 1024; the unit is required, as with durations); "none"
 * is 0 (no limit). 0, -EINVAL; -ERANGE for 0 and above 1 PiB. */
int value_parse_size(const char *text, uint64_t *ret_bytes);

/* "2027-01-31" to the first second of that day, UTC, since 1970. 0, -EINVAL. */
int value_parse_date(const char *text, uint64_t *ret_unix_s);

/* 0 to 1. 0, -EINVAL, -ERANGE. */
int value_parse_probability(const char *text, double *ret);

/* One field of an injection (signal, at, probability, limit). The struct starts as
 * value_injection_init() left it; value_injection_finish() fills in the default probability. */
void value_injection_init(struct record_injection *injection);
int value_injection_set(struct record_injection *injection, const char *key, const char *text,
                        struct rr_error *error);
int value_injection_finish(struct record_injection *injection, struct rr_error *error);
/* "SIGUSR1[:probability=P][:at=CALL][:limit=N]". */
int value_parse_injection(const char *text, struct record_injection *ret, struct rr_error *error);

/* Does the shell pattern match the whole name, or is it that name itself? (Names of matrix tests
 * have brackets, which a pattern understands otherwise.) */
bool value_glob(const char *pattern, const char *name);
/* Append `text` so that a POSIX shell reads it back as one word. */
void value_shell_quote(struct bytes *out, const char *text);
/* Append `text` with the characters quoted that mean something to value_glob(). */
void value_glob_quote(struct bytes *out, const char *text);

#endif

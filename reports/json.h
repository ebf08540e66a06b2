/* The report model as JSON, both ways: OUT/results.json, described by
 * scenarios/results.schema.json. Nothing is lost, but that an empty list of strings and NULL are
 * the same. Numbers of 64 bits that mean something bit by bit (seeds, addresses) are strings, since
 * many readers keep 53 bits only. */
#ifndef REPORTS_JSON_H
#define REPORTS_JSON_H

#include <stddef.h>

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"
#include "recorder/base/error.h"

#define REPORT_JSON_FORMAT "rrtest-results"
#define REPORT_JSON_FORMAT_VERSION 1

/* Append the model and a newline. -ERANGE: a count above 2^63-1, which JSON readers would spoil. */
int report_json_write(const struct report_session *session, struct bytes *out);

/* The other way. The bytes may be anything: what is wrong is said with its place, as in
 * "NAME: tests[3].runs: expected a number from 0 to 9223372036854775807, got a string" (-EINVAL).
 * Texts pass text_clean(); groups of failures come out in order. *ret is written only on success;
 * end it with report_session_done(). */
int report_json_read(const char *name, const void *data, size_t length, struct report_session *ret,
                     struct rr_error *error);

/* Read the file, or results.json in it if it is a folder. */
int report_json_load(const char *path, struct report_session *ret, struct rr_error *error);

#endif

/* Stacks as JSON (TRACE-FORMAT.md section 2): a member of meta.json, and of what dump --json shows.
 * The results of sessions have stacks in a form of their own (reports/json.h, results.schema.json):
 * it is another document with versions of its own, and need not hold names of any bytes. */
#ifndef RECORDER_TRACE_STACKS_JSON_H
#define RECORDER_TRACE_STACKS_JSON_H

#include "include/rrtest/stacks.h"
#include "recorder/trace/json.h"

/* Append the list as one JSON object, in one line. */
void stacks_json_put(struct bytes *b, const struct stack_list *list);
/* The list of a value that stacks_json_put() wrote; members that it does not know are ignored.
 * -EBADMSG: it is something else (or NULL). *ret is written only on success, and the caller's to
 * end with stacks_done(). */
int stacks_json_get(const struct json *value, struct stack_list *ret);

#endif

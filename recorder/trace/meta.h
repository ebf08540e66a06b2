/* meta.json: what a trace says about itself (TRACE-FORMAT.md section 2). Text in, text out. */
#ifndef RECORDER_TRACE_META_H
#define RECORDER_TRACE_META_H

#include "recorder/base/bytes.h"
#include "recorder/trace/trace.h"

/* What writer and reader need beyond the caller's trace_meta. */
struct trace_summary {
    uint64_t id;   /* also in events.zst, data.zst and images/index */
    bool complete; /* the recorder finished; events and files are then totals, else 0 */
    uint64_t events;
    uint64_t files;
};

/* The file's whole text. -EINVAL: statistics is not a JSON object's text. */
int meta_format(const struct trace_meta *meta, const struct trace_summary *summary,
                struct bytes *ret);

/* Parse and check. -EBADMSG with a message naming the key or the checksum; -EPROTONOSUPPORT for
 * another version; -ENOMEM. *ret_meta is owned by the caller on success (trace_meta_done). */
int meta_parse(const char *text, size_t length, struct trace_meta *ret_meta,
               struct trace_summary *ret_summary, struct rr_error *error);

#endif

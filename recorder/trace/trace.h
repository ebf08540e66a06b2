/* Writing and reading traces (design.md section 7; TRACE-FORMAT.md is normative).
 *
 * A trace is a directory: meta.json, events.zst, data.zst, images/, stdout, stderr. Frames are
 * compressed, checksummed and versioned. The writer either streams to its directory (crash-safe:
 * a reader sees all whole frames) or keeps compressed frames in memory until trace_writer_keep().
 */
#ifndef RECORDER_TRACE_TRACE_H
#define RECORDER_TRACE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/rrtest/stacks.h"
#include "recorder/base/error.h"
#include "recorder/events/event.h"

#define TRACE_VERSION 3        /* written; TRACE-FORMAT.md */
#define TRACE_VERSION_OLDEST 1 /* read */

/* How the content of a mapped file is in the trace. */
enum trace_file_kind {
    TRACE_FILE_CONTENT, /* a copy (reflink or hard link where safe) of the mapped file */
    TRACE_FILE_IMAGE,   /* a rewritten image's cache file; image_load() reads it */
    TRACE_FILE_SHARED,  /* backing of shared mappings: replay gives it a memfd, initial content here
                         */
};

struct trace_meta {
    char **command; /* NULL-terminated */
    char **environment;
    char *directory;
    uint64_t seed;
    char *strategy;
    char *patching;        /* "static", "lazy", "off" */
    char *verdict;         /* "pass", "exit 1", "signal 11", "deadlock", "timeout", "cut" ... */
    int32_t exit_status;   /* as wait(2) */
    char *schedule_digest; /* hex */
    char *statistics;      /* a JSON object's text */
    uint64_t cpu_features; /* digest of the cpuid table */
    uint8_t *cpuid_table;  /* raw page content behind RECORDER_CPUID_TABLE */
    uint64_t cpuid_length;
    char *machine;            /* free text: cpu model, kernel */
    struct stack_list stacks; /* where the tasks stood at an end that nobody wanted; may be empty */
};
void trace_meta_done(struct trace_meta *meta); /* frees all members */

struct trace_writer;

/* directory NULL: in memory. An existing non-empty directory that is not a trace is -EEXIST. */
int trace_writer_open(const char *directory, const struct trace_meta *meta,
                      struct trace_writer **ret, struct rr_error *error);
/* Of a trace in memory: beyond so many bytes it goes on in a file without a name, in
 * `spill_directory` (NULL: $TMPDIR or /var/tmp) or where else there is room. If that fails the
 * trace is lost: trace_writer_lost(), and keeping it fails with the reason. Without this call there
 * is no bound. spill_directory is copied. */
void trace_writer_bound(struct trace_writer *w, uint64_t memory, const char *spill_directory);
/* It grew beyond memory and disk: what is still appended goes nowhere. */
bool trace_writer_lost(const struct trace_writer *w);
/* Register a mapped file; fd is duplicated. key identifies equal files (e.g. hash or dev:ino:mtime)
 * so that one file gets one id. copy_now: copy the content at once (it may change later); else the
 * content is taken when the trace is kept or, streaming, at once by link or copy. ret: id >= 1. */
int trace_writer_file(struct trace_writer *w, enum trace_file_kind kind, const char *key,
                      const char *name, int fd, bool copy_now, uint32_t *ret_id,
                      struct rr_error *error);
/* Append one event; copies everything it points to. -ENOSPC and friends come back here or at a
 * later call; the writer then stays usable for close only. */
int trace_writer_event(struct trace_writer *w, const struct event *event, struct rr_error *error);
/* End the frame now, so that what was appended so far survives the recorder (streaming). */
int trace_writer_flush(struct trace_writer *w, struct rr_error *error);
uint64_t trace_writer_event_count(const struct trace_writer *w);
uint64_t trace_writer_memory(const struct trace_writer *w); /* bytes held */
/* Finish: flush, write meta (verdict, statistics...) atomically. In-memory traces are written to
 * `directory` by _keep, which creates it as a sibling temporary name and renames it into place. */
int trace_writer_keep(struct trace_writer *w, const char *directory, const struct trace_meta *meta,
                      struct rr_error *error);
int trace_writer_finish(struct trace_writer *w, const struct trace_meta *meta,
                        struct rr_error *error);
void trace_writer_close(struct trace_writer *w); /* frees; unfinished streams stay readable */

struct trace_reader;
int trace_reader_open(const char *directory, struct trace_reader **ret, struct rr_error *error);
const struct trace_meta *trace_reader_meta(const struct trace_reader *r);
/* The recorder finished: verdict, statistics and digest in meta are those of the whole run. */
bool trace_reader_complete(const struct trace_reader *r);
/* Next event into *ret (pointers valid until the next call). 1: an event; 0: clean end;
 * -ENODATA: the trace was cut after the last whole frame (its recorder was killed);
 * -EBADMSG: damage, error names frame and offset. Never crashes on any input. */
int trace_reader_next(struct trace_reader *r, struct event *ret, struct rr_error *error);
uint64_t trace_reader_position(const struct trace_reader *r); /* number of the last event, from 1 */
struct trace_file {
    enum trace_file_kind kind;
    char *name;   /* original path, for people */
    int fd;       /* open for reading, owned by the reader */
    bool changed; /* the file was modified after it was mapped: content may differ from then */
    uint64_t length;
};
size_t trace_reader_file_count(const struct trace_reader *r);
/* id 1..count; NULL if there is none. Content checksum verified on first use (-EBADMSG via error).
 */
const struct trace_file *trace_reader_file(struct trace_reader *r, uint32_t id,
                                           struct rr_error *error);
void trace_reader_close(struct trace_reader *r);

#endif

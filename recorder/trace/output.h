/* A trace directory being written: its files, in the order that keeps it readable at every moment.
 * Knows files and paths; what goes into frames is the writer's business. */
#ifndef RECORDER_TRACE_OUTPUT_H
#define RECORDER_TRACE_OUTPUT_H

#include "recorder/base/bytes.h"
#include "recorder/trace/format.h"
#include "recorder/trace/meta.h"
#include "recorder/trace/store.h"
#include "recorder/trace/trace.h"

struct output;

/* Take the directory: made if missing (with its parents), emptied if it holds a trace. -EEXIST: it
 * holds something else; -EBUSY: another recorder is writing there. Creates all files with their
 * headers; meta.json, incomplete, comes last. All errors name the path. */
int output_open(const char *path, const struct trace_meta *meta, struct output **ret,
                struct rr_error *error);

/* Append whole frames as they stand in the file. On failure the file ends as before. */
int output_frames(struct output *o, enum trace_stream stream, const struct bytes *frames,
                  struct rr_error *error);

/* Place a mapped file's content and its index line. ids must come as 1, 2, 3... */
int output_file(struct output *o, uint32_t id, int fd, struct store_entry *entry,
                struct rr_error *error);

/* Append to stdout (stream 1) or stderr (2). */
int output_text(struct output *o, int stream, const void *data, size_t length,
                struct rr_error *error);

/* Replace meta.json by the final one. */
int output_complete(struct output *o, const struct trace_meta *meta, uint64_t events,
                    struct rr_error *error);

/* fsync all that was written, and the directories. */
int output_sync(struct output *o, struct rr_error *error);

void output_close(struct output *o);

/* Make an empty directory beside `directory` (parents are made) in which a trace can be prepared;
 * *ret_temporary is its path, owned by the caller. -EEXIST: directory is there already. */
int output_reserve(const char *directory, char **ret_temporary, struct rr_error *error);

/* Rename the prepared directory into place; -EEXIST if somebody else was faster. */
int output_publish(const char *temporary, const char *directory, struct rr_error *error);

/* Remove the files of a trace from a directory and then the directory itself if it is empty.
 * Best effort; other files are left alone. */
void output_remove(const char *path);

#endif

/* Where a program's output goes when nobody wants it as it comes: a memory file per stream. The
 * recorder knows a stream by its file, which rules out /dev/null: everybody has that open. What is
 * written stays in the trace and the result; here it is thrown away. */
#ifndef HARNESS_RUN_SINK_H
#define HARNESS_RUN_SINK_H

struct sink {
    int fd; /* -1: not open */
};

int sink_open(struct sink *sink); /* 0 or negative errno */
/* Empty it for the next run. */
void sink_reset(struct sink *sink);
/* Give back the memory of what was written so far if that is much; to be called now and then. */
void sink_trim(struct sink *sink);
void sink_close(struct sink *sink);

#endif

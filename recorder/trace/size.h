/* What a trace takes on the disk, and what removing it would free. */
#ifndef RECORDER_TRACE_SIZE_H
#define RECORDER_TRACE_SIZE_H

#include <stdint.h>

/* Bytes in whole disk blocks (st_blocks, stat(2)); holes take none. Reflinked blocks count although
 * others may share them: no file system says cheaply which those are. */
struct trace_size {
    uint64_t own;    /* what removing the directory frees: files with this one name */
    uint64_t shared; /* files with further names: the image cache's, or those of other traces */
};

/* Of all files in the directory and in its images/, known or not. Negative errno: it cannot be
 * read; what vanishes meanwhile counts nothing. */
int trace_disk_size(const char *directory, struct trace_size *ret);

#endif

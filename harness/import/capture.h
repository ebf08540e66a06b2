/* Run a program once, outside the recorder, for what it prints. */
#ifndef HARNESS_IMPORT_CAPTURE_H
#define HARNESS_IMPORT_CAPTURE_H

#include <stdint.h>

#include "recorder/base/bytes.h"
#include "recorder/base/error.h"

struct capture {
    struct bytes output; /* stdout */
    struct bytes error;  /* stderr, its first 64 KiB */
    int status;          /* as wait(2) */
};

/* argv[0] is looked for in PATH if it has no '/'. `variable` (NAME=VALUE; NULL: none) is added to
 * the environment; stdin is /dev/null. The program leads a process group, which is killed when the
 * program has ended or timeout_ns is over. Errors, each with a message: -ENOENT and others if it
 * cannot be started, -ETIMEDOUT, -EFBIG for more than 64 MiB of output, -EIO if a signal killed it.
 * capture_done() after success only. */
int capture_run(char *const *argv, const char *variable, uint64_t timeout_ns, struct capture *ret,
                struct rr_error *error);
void capture_done(struct capture *capture);

/* The last line of stderr that is not empty, for messages; "" if there is none. Into text. */
void capture_last_error(const struct capture *capture, char *text, size_t size);

#endif

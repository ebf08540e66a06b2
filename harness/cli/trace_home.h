/* Where `record` puts traces without -o: $XDG_DATA_HOME/rrtest (else ~/.local/share/rrtest, else
 * ./rrtest-traces), one folder NAME-N each and a link `latest`. */
#ifndef HARNESS_CLI_TRACE_HOME_H
#define HARNESS_CLI_TRACE_HOME_H

#include "harness/cli/options.h"
#include "harness/pack/place.h"
#include "recorder/base/error.h"

/* The folder; malloced. Not created. */
char *trace_home(void);
/* Make the first free NAME-N for this program; malloced. */
int trace_home_claim(const char *program, char **ret, struct rr_error *error);
/* Let `latest` name the trace, which lies in trace_home(). Best effort. */
void trace_home_set_latest(const char *trace);
/* The trace that commands mean without an argument; malloced. NULL, with the error set: there is
 * none. */
char *trace_home_latest(struct rr_error *error);
/* The trace that a command's operands name, the latest if there are none: its directory, or a
 * packed trace that is unpacked for as long as the command runs. To be ended with
 * pack_place_done(). -EINVAL: more than one; -ENOENT: there is no latest; other errors are those of
 * pack_place_open(). */
int trace_home_open(const char *command, const struct option_result *operands,
                    struct pack_place *ret, struct rr_error *error);

#endif

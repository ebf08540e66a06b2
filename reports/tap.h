/* The Test Anything Protocol, version 14 (testanything.org), with YAML diagnostics. */
#ifndef REPORTS_TAP_H
#define REPORTS_TAP_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

/* Append the document. Quarantined tests that failed are "not ok ... # TODO", skipped and
 * unfinished ones "ok ... # SKIP". Always 0. */
int tap_write(const struct report_session *session, struct bytes *out);

/* The same under the name of version 13, which nothing in it contradicts: Perl's prove refuses
 * later versions (Test::Harness 3.44 does: "we don't know about versions later than 13"). */
int tap13_write(const struct report_session *session, struct bytes *out);

#endif

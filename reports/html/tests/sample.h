/* A session as `rrtest run` would report it, for tests of the page. */
#ifndef REPORTS_HTML_TESTS_SAMPLE_H
#define REPORTS_HTML_TESTS_SAMPLE_H

#include "include/rrtest/report.h"

struct sample;

/* One test of each verdict; those that failed have stacks but no trace. Aborts where it cannot. */
struct sample *sample_new(void);
/* A failing test of that name, whose failure is that of a trace's folder. */
void sample_add_trace(struct sample *sample, const char *name, const char *trace);
const struct report_session *sample_session(struct sample *sample);
void sample_free(struct sample *sample);

#endif

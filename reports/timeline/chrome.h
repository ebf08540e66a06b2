/* A timeline in the trace event format that Perfetto (https://ui.perfetto.dev) and
 * chrome://tracing open ("Trace Event Format", the JSON Object Format). */
#ifndef REPORTS_TIMELINE_CHROME_H
#define REPORTS_TIMELINE_CHROME_H

#include <stdio.h>

#include "reports/timeline/timeline.h"

enum chrome_axis {
    CHROME_AXIS_TIME, /* virtual time */
    CHROME_AXIS_STEP, /* one step per microsecond: the order, with room for each */
};

/* 0, or -EIO if writing to out failed. */
int chrome_write(const struct timeline *timeline, enum chrome_axis axis, FILE *out);

#endif

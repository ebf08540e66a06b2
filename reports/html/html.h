/* The report as one HTML file that needs nothing else: no network, no server, no other file. */
#ifndef REPORTS_HTML_HTML_H
#define REPORTS_HTML_HTML_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"

/* Append the page to *ret. Timelines are made from the kept traces that the failures name (paths as
 * in the model, relative to the working directory); one that is missing or damaged is said so in
 * the page. 0; there is nothing that can fail but memory, which aborts. */
int html_write(const struct report_session *session, struct bytes *ret);

#endif

/* The page's parts: what data.c makes at run time and what the build embeds. Internal to
 * reports/html/. */
#ifndef REPORTS_HTML_PARTS_H
#define REPORTS_HTML_PARTS_H

#include "include/rrtest/report.h"
#include "recorder/base/bytes.h"
#include "reports/timeline/timeline.h"

/* The session as JSON for app/model.js, timelines included; safe inside a script element. */
void html_data(const struct report_session *session, struct bytes *ret);
/* One timeline as JSON; may hold '<'. */
void html_timeline(const struct timeline *timeline, struct bytes *ret);

/* page.html with style.css and the files of app/ in it (embed.cmake), and a mark where the data go.
 */
extern const unsigned char html_page[];
extern const unsigned long html_page_length;
#define HTML_DATA_MARK "<!--DATA-->"

#endif

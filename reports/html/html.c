/* The page with its data put in. */
#include "reports/html/html.h"

#include <assert.h>
#include <string.h>

#include "reports/html/parts.h"

int html_write(const struct report_session *session, struct bytes *ret)
{
    const unsigned char *mark =
        memmem(html_page, html_page_length, HTML_DATA_MARK, strlen(HTML_DATA_MARK));
    size_t before, after;

    assert(mark);
    before = (size_t)(mark - html_page);
    after = before + strlen(HTML_DATA_MARK);
    bytes_append(ret, html_page, before);
    html_data(session, ret);
    bytes_append(ret, html_page + after, html_page_length - after);
    return 0;
}

/* Makes a page for ci/e2e/18-html.sh: make_report OUT.html NAME=TRACE... One test of each verdict,
 * and a failing one per trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/html/html.h"
#include "reports/html/tests/sample.h"

int main(int argc, char **argv)
{
    struct sample *sample = sample_new();
    struct bytes page = {0};
    FILE *out;
    int status = 1;

    if (argc < 2) {
        fprintf(stderr, "usage: make_report OUT.html NAME=TRACE...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (!equals) {
            fprintf(stderr, "expected NAME=TRACE, got %s\n", argv[i]);
            return 2;
        }
        *equals = '\0';
        sample_add_trace(sample, argv[i], equals + 1);
    }
    html_write(sample_session(sample), &page);
    out = fopen(argv[1], "we");
    if (out && fwrite(page.data, 1, page.length, out) == page.length)
        status = 0;
    if (out && fclose(out))
        status = 1;
    bytes_done(&page);
    sample_free(sample);
    if (status)
        perror(argv[1]);
    return status;
}

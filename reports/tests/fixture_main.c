/* reports_fixture NAME: a model of fixture.h as JSON on stdout. */
#include <stdio.h>

#include "reports/json.h"
#include "reports/model.h"
#include "reports/tests/fixture.h"

int main(int argc, char **argv)
{
    struct report_session session;
    struct bytes out;
    int code = argc == 2 ? fixture_make(argv[1], &session) : -1;

    if (code) {
        fprintf(stderr, "usage: reports_fixture rich|empty|many|passing|shard1|shard2\n");
        return 2;
    }
    bytes_init(&out);
    code = report_json_write(&session, &out);
    if (!code && fwrite(out.data, 1, out.length, stdout) != out.length)
        code = -1;
    bytes_done(&out);
    report_session_done(&session);
    return code ? 1 : 0;
}

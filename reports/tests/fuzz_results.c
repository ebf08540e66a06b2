/* libFuzzer: no bytes may crash or hang the reader of results, each refusal is named, and what it
 * accepts can be written, shown and merged. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reports/json.h"
#include "reports/merge.h"
#include "reports/model.h"
#include "reports/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"first", "second"};
    struct report_session parts[2], whole;
    struct rr_error error = {0};
    struct bytes out;

    if (report_json_read("fuzz.json", data, size, &parts[0], &error)) {
        if (strncmp(error.message, "fuzz.json:", 10) != 0)
            abort();
        return 0;
    }
    bytes_init(&out);
    for (size_t i = 0; report_format_at(i); i++)
        report_format_at(i)->write(&parts[0], &out);
    bytes_done(&out);
    if (report_json_read("fuzz.json", data, size, &parts[1], &error))
        abort();
    parts[1].shard.index = parts[1].shard.index == 1 ? 2 : 1;
    if (report_merge(parts, names, 2, &whole, &error) == 0)
        report_session_done(&whole);
    report_session_done(&parts[0]);
    report_session_done(&parts[1]);
    return 0;
}

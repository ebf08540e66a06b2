/* What the writers of JSON documents share. */
#include "reports/json_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reports/text.h"

json_t *json_must(json_t *value)
{
    if (!value)
        abort();
    return value;
}

json_t *json_text(const char *text)
{
    char *clean;
    json_t *value;

    if (!text)
        return json_must(json_null());
    if (text_is_clean(text))
        return json_must(json_string(text));
    clean = text_clean(text, strlen(text));
    value = json_must(json_string(clean));
    free(clean);
    return value;
}

static int append_dumped(const char *text, size_t length, void *out)
{
    bytes_append(out, text, length);
    return 0;
}

int json_append(struct bytes *out, json_t *document)
{
    int code =
        json_dump_callback(document, append_dumped, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));

    json_decref(document);
    bytes_append(out, "\n", 1);
    return code ? -ENOMEM : 0;
}

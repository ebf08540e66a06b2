/* JSON values that cannot fail to be made: what jansson refuses (memory, bad UTF-8) is dealt with.
 */
#ifndef REPORTS_JSON_VALUE_H
#define REPORTS_JSON_VALUE_H

#include <jansson.h>

#include "recorder/base/bytes.h"

/* The value itself; aborts on NULL (out of memory). */
json_t *json_must(json_t *value);
/* A string that passed text_clean(), or null for NULL. */
json_t *json_text(const char *text);
/* Append the document, indented, and a newline; the reference is given up. 0 or -ENOMEM. */
int json_append(struct bytes *out, json_t *document);

#endif

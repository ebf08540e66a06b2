/* Text for reports: any bytes become valid UTF-8 that XML, JSON, YAML and terminals take. Out of
 * memory aborts, as in recorder/base/text.h, which writers append with. */
#ifndef REPORTS_TEXT_H
#define REPORTS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "recorder/base/text.h"

/* The bytes as a string that the report model may hold (owned by the caller): valid UTF-8 (RFC
 * 3629: no overlong forms, no surrogates) without control characters but newline and tab. Every
 * byte of anything else (C0 and C1 controls, DEL, NUL, escape sequences' ESC, U+FFFE and U+FFFF,
 * which XML 1.0 forbids, line separators and overrides of the writing direction) becomes `\xNN`, so
 * that it is seen. Backslashes themselves stay as they
 * are. A carriage return before a newline is dropped. */
char *text_clean(const void *data, size_t length);
/* The same with everything on one line: newlines and tabs are spaces, none at the end. */
char *text_clean_line(const void *data, size_t length);
/* The bytes of the text up to `limit` at most, so that no character is cut. */
size_t text_cut(const char *text, size_t limit);
/* Is the string what text_clean() makes? */
bool text_is_clean(const char *text);

/* For XML's element contents and for attributes in double quotes alike: newlines and tabs are
 * character references, since attributes lose them otherwise (XML 1.0, 3.3.3), if `attribute`. */
void text_append_xml(struct bytes *out, const char *text, bool attribute);

#endif

/* UTF-8 by the table of RFC 3629, section 4: what is not in it is no character. */
#include "reports/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The well-formed sequences: first byte, bounds of the second, length. */
static const struct utf8_row {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high;
    uint8_t length;
} utf8_rows[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static size_t multibyte_length(const uint8_t *at, size_t left)
{
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(*utf8_rows); i++) {
        const struct utf8_row *row = &utf8_rows[i];

        if (at[0] < row->first_low || at[0] > row->first_high)
            continue;
        if (left < row->length || at[1] < row->second_low || at[1] > row->second_high)
            return 0;
        for (size_t n = 2; n < row->length; n++)
            if (at[n] < 0x80 || at[n] > 0xbf)
                return 0;
        return row->length;
    }
    return 0;
}

/* U+2028 and U+2029, which end a line for some readers; U+202A to U+202E and U+2066 to U+2069, with
 * which a text shows in another order than it has (Unicode Standard Annex 9). */
static bool is_reordering(uint8_t second, uint8_t third)
{
    return (second == 0x80 && third >= 0xa8 && third <= 0xae) ||
           (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

/* Bytes of the character at `at` if a report may hold it, else 0. */
static size_t good_length(const uint8_t *at, size_t left)
{
    size_t length;

    if (at[0] < 0x80)
        return at[0] == '\n' || at[0] == '\t' || (at[0] >= 0x20 && at[0] != 0x7f);
    length = multibyte_length(at, left);
    if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0) /* U+0080 to U+009F: C1 controls */
        return 0;
    if (length == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe) /* U+FFFE, U+FFFF */
        return 0;
    if (length == 3 && at[0] == 0xe2 && is_reordering(at[1], at[2]))
        return 0;
    return length;
}

static void append_clean(struct bytes *out, const uint8_t *at, size_t left)
{
    while (left > 0) {
        size_t length = good_length(at, left);

        if (length > 0) {
            bytes_append(out, at, length);
        } else {
            length = 1;
            if (left < 2 || at[0] != '\r' || at[1] != '\n')
                text_format(out, "\\x%02x", at[0]);
        }
        at += length;
        left -= length;
    }
}

char *text_clean(const void *data, size_t length)
{
    struct bytes out;

    bytes_init(&out);
    append_clean(&out, data, length);
    return text_take(&out);
}

char *text_clean_line(const void *data, size_t length)
{
    char *text = text_clean(data, length);
    size_t end = strlen(text);

    for (char *at = text; *at; at++)
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    while (end > 0 && text[end - 1] == ' ')
        text[--end] = '\0';
    return text;
}

size_t text_cut(const char *text, size_t limit)
{
    size_t length = strlen(text);

    if (length <= limit)
        return length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

bool text_is_clean(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text);

    while (left > 0) {
        size_t length = good_length(at, left);

        if (length == 0)
            return false;
        at += length;
        left -= length;
    }
    return true;
}

static const char *xml_reference(char c, bool attribute)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return attribute ? "&#10;" : NULL;
    case '\t':
        return attribute ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

void text_append_xml(struct bytes *out, const char *text, bool attribute)
{
    for (; *text; text++) {
        const char *reference = xml_reference(*text, attribute);

        if (reference)
            text_append(out, reference);
        else
            bytes_append(out, text, 1);
    }
}

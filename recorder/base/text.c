/* asprintf(3) and strdup(3) that cannot fail. */
#include "recorder/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_copy(const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        abort();
    return copy;
}

char *text_make_list(const char *format, va_list args)
{
    char *text;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

char *text_make(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = text_make_list(format, args);
    va_end(args);
    return text;
}

void text_append(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

void text_format_list(struct bytes *out, const char *format, va_list args)
{
    char *text;
    int length = vasprintf(&text, format, args);

    if (length < 0)
        abort();
    bytes_append(out, text, (size_t)length);
    free(text);
}

void text_format(struct bytes *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_format_list(out, format, args);
    va_end(args);
}

char *text_take(struct bytes *out)
{
    char *text;

    bytes_append(out, "", 1);
    text = (char *)out->data;
    bytes_init(out);
    return text;
}

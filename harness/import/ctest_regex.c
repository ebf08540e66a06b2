/* Braces are literal in CMake and a backslash makes any character literal; both need care. */
#include "harness/import/ctest_regex.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/bytes.h"

/* A bracket expression, in which neither dialect knows escapes; returns what follows it. */
static const char *bracket(struct bytes *out, const char *at)
{
    const char *start = at++;

    at += *at == '^';
    at += *at == ']';
    while (*at && *at != ']')
        at++;
    at += *at == ']';
    bytes_append(out, start, (size_t)(at - start));
    return at;
}

static void translate(struct bytes *out, const char *pattern)
{
    for (const char *at = pattern; *at;) {
        if (*at == '[') {
            at = bracket(out, at);
        } else if (*at == '{' || *at == '}') {
            bytes_append(out, "\\", 1);
            bytes_append(out, at++, 1);
        } else if (*at == '\\' && at[1]) {
            /* glibc gives \w, \<, \1 and others a meaning. */
            if (!isalnum((unsigned char)at[1]) && !strchr("<>`'", at[1]))
                bytes_append(out, "\\", 1);
            bytes_append(out, at + 1, 1);
            at += 2;
        } else {
            bytes_append(out, at++, 1);
        }
    }
}

char *ctest_regex(char *const *patterns, size_t count, char *ret_problem, size_t size)
{
    struct bytes out;
    regex_t regex;
    int code;

    bytes_init(&out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            bytes_append(&out, "|", 1);
        if (count > 1)
            bytes_append(&out, "(", 1);
        translate(&out, patterns[i]);
        if (count > 1)
            bytes_append(&out, ")", 1);
    }
    bytes_append(&out, "", 1);
    code = regcomp(&regex, (const char *)out.data, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    if (code) {
        regerror(code, &regex, ret_problem, size);
        bytes_done(&out);
        return NULL;
    }
    regfree(&regex);
    return (char *)out.data;
}

/* A strict JSON reader and the few writing helpers the trace's text files need.
 *
 * Strings are C strings of any bytes: what is not valid UTF-8 is written as \udc80..\udcff (lone
 * surrogates, as Python's surrogateescape does) and read back to the same byte. A string with a NUL
 * is refused. */
#ifndef RECORDER_TRACE_JSON_H
#define RECORDER_TRACE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

#define JSON_DEPTH_MAX 32

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    const char *text; /* the value's own text, in the parsed buffer */
    size_t text_length;
    bool boolean;
    char *string;       /* JSON_STRING */
    struct json *items; /* elements, or members in their order */
    char **keys;        /* JSON_OBJECT: count of them */
    size_t count;
};

/* Parse the whole of text, which must outlive *ret. -EBADMSG: not JSON (or too deep, a repeated
 * key, a NUL in a string), *ret_offset says where; -ENOMEM. *ret is to be ended with json_done()
 * after success only. */
int json_parse(const char *text, size_t length, struct json *ret, size_t *ret_offset);
void json_done(struct json *value);

/* The member of that name, or NULL (also when object is NULL or no object). */
const struct json *json_get(const struct json *object, const char *key);

/* 0 and the value; -EBADMSG if the value is NULL, of another kind, or out of range. */
int json_get_u64(const struct json *value, uint64_t *ret);
int json_get_i32(const struct json *value, int32_t *ret);
/* A string of exactly 16 lower-case hexadecimal digits, as json_put_hex64() writes. */
int json_get_hex64(const struct json *value, uint64_t *ret);
int json_hex_digit(char c); /* 0..15; -1: not a lower-case hexadecimal digit */
/* A copy owned by the caller. */
int json_get_string(const struct json *value, char **ret);

/* Append to a buffer. */
void json_put_string(struct bytes *b, const char *string);
void json_put_u64(struct bytes *b, uint64_t value);
void json_put_hex64(struct bytes *b, uint64_t value); /* "0123456789abcdef" with its quotes */

#endif

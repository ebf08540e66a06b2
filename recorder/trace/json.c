/* Strict JSON (RFC 8259): recursive descent with a depth limit over input that may be damaged. */
#include "recorder/trace/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

struct parser {
    const char *text;
    size_t length;
    size_t at;
    int depth;
};

static int parse_value(struct parser *p, struct json *ret);

static void skip_space(struct parser *p)
{
    while (p->at < p->length && memchr(" \t\r\n", p->text[p->at], 4))
        p->at++;
}

static bool accept(struct parser *p, char c)
{
    if (p->at >= p->length || p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

static int parse_word(struct parser *p, const char *word)
{
    size_t n = strlen(word);

    if (p->length - p->at < n || memcmp(p->text + p->at, word, n) != 0)
        return -EBADMSG;
    p->at += n;
    return 0;
}

static size_t skip_digits(struct parser *p)
{
    size_t start = p->at;

    while (p->at < p->length && p->text[p->at] >= '0' && p->text[p->at] <= '9')
        p->at++;
    return p->at - start;
}

static int parse_number(struct parser *p)
{
    size_t start;

    accept(p, '-');
    start = p->at;
    if (skip_digits(p) == 0 || (p->text[start] == '0' && p->at - start > 1))
        return -EBADMSG;
    if (accept(p, '.') && skip_digits(p) == 0)
        return -EBADMSG;
    if (p->at < p->length && (p->text[p->at] == 'e' || p->text[p->at] == 'E')) {
        p->at++;
        if (!accept(p, '+'))
            accept(p, '-');
        if (skip_digits(p) == 0)
            return -EBADMSG;
    }
    return 0;
}

static int parse_hex4(struct parser *p, uint32_t *ret)
{
    uint32_t value = 0;

    if (p->length - p->at < 4)
        return -EBADMSG;
    for (int i = 0; i < 4; i++) {
        char c = p->text[p->at++];

        if (c >= '0' && c <= '9')
            value = value * 16 + (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (uint32_t)(c - 'A') + 10;
        else
            return -EBADMSG;
    }
    *ret = value;
    return 0;
}

static void put_utf8(struct bytes *b, uint32_t c)
{
    uint8_t out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i > 1; i--, c >>= 6)
        out[i - 1] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(lead[n] | c);
    bytes_append(b, out, n);
}

/* What follows \u. */
static int parse_unicode(struct parser *p, struct bytes *out)
{
    uint32_t c, low;

    if (parse_hex4(p, &c) || c == 0)
        return -EBADMSG;
    if (c >= 0xdc80 && c <= 0xdcff) {
        uint8_t byte = (uint8_t)(c - 0xdc00);

        bytes_append(out, &byte, 1);
        return 0;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        if (!accept(p, '\\') || !accept(p, 'u') || parse_hex4(p, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return -EBADMSG;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return -EBADMSG;
    }
    put_utf8(out, c);
    return 0;
}

static int parse_escape(struct parser *p, struct bytes *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (p->at >= p->length)
        return -EBADMSG;
    if (accept(p, 'u'))
        return parse_unicode(p, out);
    known = memchr(from, p->text[p->at], sizeof(from) - 1);
    if (!known)
        return -EBADMSG;
    p->at++;
    bytes_append(out, &to[known - from], 1);
    return 0;
}

static int parse_string(struct parser *p, char **ret)
{
    struct bytes out;

    if (!accept(p, '"'))
        return -EBADMSG;
    bytes_init(&out);
    while (p->at < p->length && p->text[p->at] != '"') {
        unsigned char c = (unsigned char)p->text[p->at];

        if (c < 0x20)
            goto bad;
        p->at++;
        if (c != '\\')
            bytes_append(&out, &c, 1);
        else if (parse_escape(p, &out))
            goto bad;
    }
    if (!accept(p, '"'))
        goto bad;
    bytes_append(&out, "", 1);
    *ret = (char *)out.data;
    return 0;
bad:
    bytes_done(&out);
    return -EBADMSG;
}

/* Room for one more element or member at the end of value. */
static int append_item(struct json *value, char *key)
{
    size_t n = value->count;
    struct json *items;
    char **keys;

    if ((n & (n - 1)) == 0) {
        size_t capacity = n ? 2 * n : 1;

        items = reallocarray(value->items, capacity, sizeof(*items));
        if (!items)
            return -ENOMEM;
        value->items = items;
        keys = reallocarray(value->keys, capacity, sizeof(*keys));
        if (!keys)
            return -ENOMEM;
        value->keys = keys;
    }
    memset(&value->items[n], 0, sizeof(value->items[n]));
    value->keys[n] = key;
    value->count++;
    return 0;
}

static int parse_member(struct parser *p, struct json *object)
{
    char *key;
    int error;

    skip_space(p);
    error = parse_string(p, &key);
    if (error)
        return error;
    skip_space(p);
    error = json_get(object, key) || !accept(p, ':') ? -EBADMSG : append_item(object, key);
    if (error) {
        free(key);
        return error;
    }
    return parse_value(p, &object->items[object->count - 1]);
}

static int parse_element(struct parser *p, struct json *array)
{
    int error = append_item(array, NULL);

    return error ? error : parse_value(p, &array->items[array->count - 1]);
}

/* Elements or members up to the closing character; the opening one is taken already. */
static int parse_list(struct parser *p, struct json *value, char close)
{
    int error = 0;

    if (++p->depth > JSON_DEPTH_MAX)
        return -EBADMSG;
    skip_space(p);
    if (!accept(p, close)) {
        do {
            error = close == '}' ? parse_member(p, value) : parse_element(p, value);
            if (error)
                return error;
            skip_space(p);
        } while (accept(p, ','));
        if (!accept(p, close))
            return -EBADMSG;
    }
    p->depth--;
    return 0;
}

static int parse_kind(struct parser *p, struct json *ret)
{
    if (p->at >= p->length)
        return -EBADMSG;
    switch (p->text[p->at]) {
    case '{':
        ret->kind = JSON_OBJECT;
        p->at++;
        return parse_list(p, ret, '}');
    case '[':
        ret->kind = JSON_ARRAY;
        p->at++;
        return parse_list(p, ret, ']');
    case '"':
        ret->kind = JSON_STRING;
        return parse_string(p, &ret->string);
    case 't':
        ret->kind = JSON_BOOL;
        ret->boolean = true;
        return parse_word(p, "true");
    case 'f':
        ret->kind = JSON_BOOL;
        return parse_word(p, "false");
    case 'n':
        ret->kind = JSON_NULL;
        return parse_word(p, "null");
    default:
        ret->kind = JSON_NUMBER;
        return parse_number(p);
    }
}

static int parse_value(struct parser *p, struct json *ret)
{
    int error;

    skip_space(p);
    ret->text = p->text + p->at;
    error = parse_kind(p, ret);
    ret->text_length = (size_t)(p->text + p->at - ret->text);
    return error;
}

int json_parse(const char *text, size_t length, struct json *ret, size_t *ret_offset)
{
    struct parser p = {.text = text, .length = length};
    struct json value = {0};
    int error = parse_value(&p, &value);

    if (!error) {
        skip_space(&p);
        error = p.at == p.length ? 0 : -EBADMSG;
    }
    if (error) {
        json_done(&value);
        *ret_offset = p.at;
        return error;
    }
    *ret = value;
    return 0;
}

void json_done(struct json *value)
{
    for (size_t i = 0; i < value->count; i++) {
        json_done(&value->items[i]);
        free(value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->string);
    memset(value, 0, sizeof(*value));
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->keys[i], key) == 0)
            return &object->items[i];
    }
    return NULL;
}

int json_get_u64(const struct json *value, uint64_t *ret)
{
    uint64_t number = 0;

    if (!value || value->kind != JSON_NUMBER)
        return -EBADMSG;
    for (size_t i = 0; i < value->text_length; i++) {
        char c = value->text[i];

        if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(c - '0'), &number))
            return -EBADMSG;
    }
    *ret = number;
    return 0;
}

int json_get_i32(const struct json *value, int32_t *ret)
{
    struct json magnitude;
    uint64_t number;
    bool negative;

    if (!value || value->kind != JSON_NUMBER)
        return -EBADMSG;
    magnitude = *value;
    negative = value->text[0] == '-';
    magnitude.text += negative;
    magnitude.text_length -= negative;
    if (json_get_u64(&magnitude, &number) || number > (uint64_t)INT32_MAX + negative)
        return -EBADMSG;
    *ret = (int32_t)(negative ? -(int64_t)number : (int64_t)number);
    return 0;
}

int json_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int json_get_hex64(const struct json *value, uint64_t *ret)
{
    uint64_t number = 0;

    if (!value || value->kind != JSON_STRING || strlen(value->string) != 16)
        return -EBADMSG;
    for (int i = 0; i < 16; i++) {
        int digit = json_hex_digit(value->string[i]);

        if (digit < 0)
            return -EBADMSG;
        number = number << 4 | (unsigned)digit;
    }
    *ret = number;
    return 0;
}

int json_get_string(const struct json *value, char **ret)
{
    char *copy;

    if (!value || value->kind != JSON_STRING)
        return -EBADMSG;
    copy = strdup(value->string);
    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        uint8_t first, last, second_first, second_last, length;
    } rows[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (s[0] < rows[i].first || s[0] > rows[i].last)
            continue;
        if (s[1] < rows[i].second_first || s[1] > rows[i].second_last)
            return 0;
        for (size_t k = 2; k < rows[i].length; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].length;
    }
    return 0;
}

void json_put_string(struct bytes *b, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    char escape[8];

    text_append(b, "\"");
    while (*s) {
        size_t n = utf8_length(s);

        if (n == 0) {
            snprintf(escape, sizeof(escape), "\\udc%02x", *s);
            text_append(b, escape);
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            snprintf(escape, sizeof(escape), "\\%c", *s);
            text_append(b, escape);
        } else if (*s < 0x20 || *s == 0x7f) {
            snprintf(escape, sizeof(escape), "\\u%04x", *s);
            text_append(b, escape);
        } else {
            bytes_append(b, s, n);
        }
        s += n;
    }
    text_append(b, "\"");
}

void json_put_u64(struct bytes *b, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    text_append(b, text);
}

void json_put_hex64(struct bytes *b, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "\"%016" PRIx64 "\"", value);
    text_append(b, text);
}

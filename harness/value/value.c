/* Numbers, durations, words: parsing without locale, printing without surprises. */
#include "harness/value/value.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define SECONDS_PER_DAY 86400ull
#define FRACTION_SCALE_MAX 1000000000000000000ull
#define SIZE_LIMIT (1ull << 50)
#define DURATION_MAX (100ull * 365 * 24 * 3600 * NS_PER_S)

int value_parse_u64(const char *text, uint64_t *ret)
{
    uint64_t base = 10;
    uint64_t value = 0;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        uint64_t digit;

        if (*text >= '0' && *text <= '9')
            digit = (uint64_t)(*text - '0');
        else if (base == 16 && (*text | 32) >= 'a' && (*text | 32) <= 'f')
            digit = (uint64_t)((*text | 32) - 'a' + 10);
        else
            return -EINVAL;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

/* Digits with at most one point; the value scaled by `unit`, rounded down. Stops at the first other
 * character. */
static int parse_decimal(const char **at, uint64_t unit, uint64_t *ret)
{
    const char *text = *at;
    uint64_t value = 0;
    uint64_t fraction = 0, scale = 1;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(value, 10ull, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return -ERANGE;
    }
    if (__builtin_mul_overflow(value, unit, &value))
        return -ERANGE;
    if (*text == '.') {
        if (*++text < '0' || *text > '9')
            return -EINVAL;
        for (; *text >= '0' && *text <= '9'; text++) {
            if (scale > FRACTION_SCALE_MAX / 10)
                continue; /* too small to matter */
            fraction = fraction * 10 + (uint64_t)(*text - '0');
            scale *= 10;
        }
    }
    fraction = (uint64_t)((unsigned __int128)fraction * unit / scale);
    if (__builtin_add_overflow(value, fraction, &value))
        return -ERANGE;
    *at = text;
    *ret = value;
    return 0;
}

int value_parse_duration(const char *text, uint64_t *ret_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"ms", 1000000},
        {"s", NS_PER_S},
        {"m", 60 * NS_PER_S},
        {"min", 60 * NS_PER_S},
        {"h", 3600 * NS_PER_S},
    };
    const char *suffix = text + strspn(text, "0123456789.");

    if (strcmp(text, "none") == 0) {
        *ret_ns = 0;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        const char *at = text;
        uint64_t value;
        int error;

        if (strcmp(suffix, units[i].name) != 0)
            continue;
        error = parse_decimal(&at, units[i].ns, &value);
        if (error)
            return error;
        if (at != suffix)
            return -EINVAL;
        if (value > DURATION_MAX)
            return -ERANGE;
        *ret_ns = value;
        return 0;
    }
    return -EINVAL;
}

int value_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "BKMGT";
    const char *suffix = text + strspn(text, "0123456789.");
    const char *unit = *suffix ? strchr(units, *suffix) : NULL;
    const char *at = text;
    uint64_t scale, value;
    int error;

    if (strcmp(text, "none") == 0) {
        *ret_bytes = 0;
        return 0;
    }
    if (!unit || (suffix[1] && (*suffix == 'B' || strcmp(suffix + 1, "iB") != 0)))
        return -EINVAL;
    scale = 1ull << (10 * (unit - units));
    error = parse_decimal(&at, scale, &value);
    if (error)
        return error;
    if (at != suffix)
        return -EINVAL;
    if (value == 0 || value > SIZE_LIMIT)
        return -ERANGE;
    *ret_bytes = value;
    return 0;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int value_parse_date(const char *text, uint64_t *ret_unix_s)
{
    static const char form[] = "dddd-dd-dd";
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day, length;
    uint64_t days = 0;

    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return -EINVAL; /* sscanf(3) would take signs and blanks */
    }
    if (text[sizeof(form) - 1] || sscanf(text, "%4u-%2u-%2u", &year, &month, &day) != 3)
        return -EINVAL;
    if (year < 1970 || month < 1 || month > 12)
        return -EINVAL;
    length = lengths[month - 1] + (month == 2 && is_leap(year));
    if (day < 1 || day > length)
        return -EINVAL;
    for (unsigned y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (unsigned m = 1; m < month; m++)
        days += lengths[m - 1] + (m == 2 && is_leap(year));
    *ret_unix_s = (days + day - 1) * SECONDS_PER_DAY;
    return 0;
}

int value_parse_probability(const char *text, double *ret)
{
    const char *at = text;
    uint64_t billionths;
    int error = parse_decimal(&at, NS_PER_S, &billionths);

    if (error)
        return error;
    if (*at)
        return -EINVAL;
    if (billionths > NS_PER_S)
        return -ERANGE;
    *ret = (double)billionths / 1e9;
    return 0;
}

bool value_glob(const char *pattern, const char *name)
{
    return strcmp(pattern, name) == 0 || fnmatch(pattern, name, 0) == 0;
}

void value_glob_quote(struct bytes *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("*?[]\\", *text))
            bytes_append(out, "\\", 1);
        bytes_append(out, text, 1);
    }
}

void value_shell_quote(struct bytes *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";

    if (*text && strspn(text, plain) == strlen(text)) {
        bytes_append(out, text, strlen(text));
        return;
    }
    bytes_append(out, "'", 1);
    for (; *text; text++) {
        if (*text == '\'')
            bytes_append(out, "'\\''", 4);
        else
            bytes_append(out, text, 1);
    }
    bytes_append(out, "'", 1);
}

/* Kind, place and message, hashed one after the other. */
#include "harness/run/signature.h"

#include <ctype.h>
#include <string.h>

#include "recorder/stacks/stacks.h"

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* A number starts where no word goes on: the 8 of "utf8" stays, "0x7f12" and "1234ab" go. */
static size_t number_length(const char *text, size_t length)
{
    size_t n = 0;

    if (!isdigit((unsigned char)text[0]))
        return 0;
    while (n < length && (isxdigit((unsigned char)text[n]) || text[n] == 'x'))
        n++;
    return n;
}

void signature_mask(const char *text, size_t length, struct bytes *ret)
{
    bool inside = false; /* a word that began with a letter */

    for (size_t at = 0; at < length;) {
        size_t n = inside ? 0 : number_length(text + at, length - at);

        if (n > 0) {
            bytes_append(ret, "#", 1);
            at += n;
        } else {
            bytes_append(ret, text + at, 1);
            inside = is_word(text[at]);
            at++;
        }
    }
}

static size_t first_line(const char *text, size_t length)
{
    const char *end = length ? memchr(text, '\n', length) : NULL;

    return end ? (size_t)(end - text) : length;
}

static void put_last_line(const char *text, size_t length, struct bytes *ret)
{
    const char *start;

    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    start = length ? memrchr(text, '\n', length) : NULL;
    start = start ? start + 1 : text;
    signature_mask(start, length - (size_t)(start - text), ret);
}

/* What a program says last matters where it says why it ended; where we ended it, it was about
 * something else. */
static bool is_own_end(enum failure_kind kind)
{
    return kind == FAILURE_EXIT || kind == FAILURE_SIGNAL;
}

uint64_t signature_of(enum failure_kind kind, const struct stack_list *stacks, const void *reason,
                      size_t reason_length, const void *output, size_t output_length)
{
    const char *name = failure_kind_name(kind);
    struct bytes text;
    uint64_t hash;

    bytes_init(&text);
    bytes_append(&text, name, strlen(name) + 1);
    if (stacks)
        stacks_signature(stacks, name, &text);
    bytes_append(&text, "", 1);
    if (is_own_end(kind)) { /* the exit status is the failure */
        bytes_append(&text, reason, first_line(reason, reason_length));
        bytes_append(&text, "", 1);
        put_last_line(output, output_length, &text);
    } else {
        signature_mask(reason, first_line(reason, reason_length), &text);
    }
    hash = bytes_hash(text.data, text.length, 0);
    bytes_done(&text);
    return hash ? hash : 1;
}

uint64_t signature_of_message(enum failure_kind kind, const char *message)
{
    return signature_of(kind, NULL, message, strlen(message), NULL, 0);
}

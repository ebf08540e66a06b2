/* The test is read from a small document, so that its defaults are those of a suite; the command's
 * words are put in afterwards, since they need not be UTF-8. */
#include "harness/suite/hunt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/suite/schema.h"
#include "harness/value/value.h"
#include "recorder/base/bytes.h"
#include "recorder/base/text.h"

#define NAME_BYTES_MAX 200

char *suite_hunt_text(const struct suite_hunt *hunt, char *const *argv)
{
    struct bytes text;

    bytes_init(&text);
    for (size_t i = 0; i < hunt->given_count; i++) {
        text_append(&text, "--");
        text_append(&text, hunt->given[i].name);
        text_append(&text, " ");
        value_shell_quote(&text, hunt->given[i].value);
        text_append(&text, " ");
    }
    text_append(&text, "--");
    for (; *argv; argv++) {
        text_append(&text, " ");
        value_shell_quote(&text, *argv);
    }
    bytes_append(&text, "", 1);
    return (char *)text.data;
}

/* The base name as a double-quoted YAML scalar that is a valid test name. */
static void append_name(struct bytes *out, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;

    text_append(out, "\"");
    if (*name == '.')
        text_append(out, "_");
    for (size_t i = *name == '.'; name[i] && i < NAME_BYTES_MAX; i++) {
        unsigned char c = (unsigned char)name[i];

        bytes_append(out, c > 0x20 && c < 0x7f && c != '"' && c != '\\' ? &name[i] : "_", 1);
    }
    text_append(out, "\"");
}

static char **copy_words(char *const *words, const char *first)
{
    size_t count = 0;
    char **copy;

    while (words[count])
        count++;
    copy = suite_calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = text_copy(i == 0 ? first : words[i]);
    return copy;
}

static void apply(const struct suite_hunt *hunt, struct suite_test *test)
{
    test->injections = suite_calloc(HUNT_INJECTIONS_MAX, sizeof(*test->injections));
    memcpy(test->injections, hunt->injections, sizeof(hunt->injections));
    test->injection_count = hunt->injection_count;
    if (hunt->has_timeout)
        test->timeout_ns = hunt->timeout_ns;
    test->virtual_timeout_ns = hunt->virtual_timeout_ns;
    test->real_clock = hunt->real_clock;
    if (hunt->stdin_file)
        test->stdin_file = text_copy(hunt->stdin_file);
}

int suite_from_command(const struct suite_hunt *hunt, char *const *argv, struct suite **ret,
                       struct rr_error *error)
{
    struct bytes document;
    char *program;
    char *here;
    int code = record_find_program(argv[0], NULL, getenv("PATH"), &program, error);

    if (code)
        return code;
    here = getcwd(NULL, 0);
    if (!here) {
        code = rr_error_set(error, -errno, "the current directory is gone: %s", strerror(errno));
        free(program);
        return code;
    }
    bytes_init(&document);
    text_append(&document, "version: 1\ntests:\n- name: ");
    append_name(&document, argv[0]);
    text_append(&document, "\n  command: [program]\n");
    if (*hunt->expect) {
        text_append(&document, "  expect: ");
        text_append(&document, hunt->expect);
        text_append(&document, "\n");
    }
    code = suite_parse("--", here, document.data, document.length, ret, error);
    if (code == 0) {
        struct suite_test *test = &(*ret)->tests[0];

        suite_strings_free(test->command);
        test->command = copy_words(argv, program);
        apply(hunt, test);
    }
    bytes_done(&document);
    free(program);
    free(here);
    return code;
}

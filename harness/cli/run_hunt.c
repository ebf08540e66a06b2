/* The options of a hunt, and the choice between it and a suite file. */
#include "harness/cli/run_hunt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/value/value.h"
#include "recorder/syscalls/syscalls.h"

/* Each option is kept for suite_hunt_text(); what does not fit is refused in run_hunt_begin(). */
static struct suite_hunt *note(void *target, const char *option, const char *value)
{
    struct suite_hunt *hunt = &((struct run_options *)target)->hunt;

    if (hunt->given_count < HUNT_OPTIONS_MAX)
        hunt->given[hunt->given_count] = (struct hunt_option){option, value};
    hunt->given_count++;
    return hunt;
}

int run_hunt_inject(void *target, const char *value, struct rr_error *error)
{
    struct suite_hunt *hunt = note(target, "inject", value);

    if (hunt->injection_count == HUNT_INJECTIONS_MAX)
        return rr_error_set(error, -E2BIG, "at most %d injections", HUNT_INJECTIONS_MAX);
    return value_parse_injection(value, &hunt->injections[hunt->injection_count++], error);
}

static int parse_duration(const char *value, uint64_t *ret, struct rr_error *error)
{
    if (value_parse_duration(value, ret))
        return rr_error_set(error, -EINVAL,
                            "expected a duration such as 10s, 500ms or 2m, got '%s'", value);
    return 0;
}

int run_hunt_timeout(void *target, const char *value, struct rr_error *error)
{
    struct suite_hunt *hunt = note(target, "timeout", value);

    hunt->has_timeout = true;
    return parse_duration(value, &hunt->timeout_ns, error);
}

int run_hunt_virtual_timeout(void *target, const char *value, struct rr_error *error)
{
    return parse_duration(value, &note(target, "virtual-timeout", value)->virtual_timeout_ns,
                          error);
}

int run_hunt_clock(void *target, const char *value, struct rr_error *error)
{
    struct suite_hunt *hunt = note(target, "clock", value);

    hunt->real_clock = strcmp(value, "real") == 0;
    if (!hunt->real_clock && strcmp(value, "virtual") != 0)
        return rr_error_set(error, -EINVAL, "expected virtual or real, got '%s'", value);
    return 0;
}

int run_hunt_stdin(void *target, const char *value, struct rr_error *error)
{
    (void)error;
    note(target, "stdin", value)->stdin_file = value;
    return 0;
}

static bool is_status_list(const char *value)
{
    for (;;) {
        char number[8];
        size_t length = strcspn(value, ",");
        uint64_t status;

        if (length >= sizeof(number))
            return false;
        memcpy(number, value, length);
        number[length] = '\0';
        if (value_parse_u64(number, &status) || status > 255)
            return false;
        if (!value[length])
            return true;
        value += length + 1;
    }
}

int run_hunt_expect_exit(void *target, const char *value, struct rr_error *error)
{
    struct suite_hunt *hunt = note(target, "expect-exit", value);
    bool word = strcmp(value, "any") == 0 || strcmp(value, "nonzero") == 0;

    if (strlen(value) > 100 || (!word && !is_status_list(value)))
        return rr_error_set(error, -EINVAL,
                            "expected exit statuses from 0 to 255, such as 3 or 0,3, any or "
                            "nonzero, got '%.60s'",
                            value);
    if (*hunt->expect)
        return rr_error_set(error, -EINVAL, "expected one of --expect-exit and --expect-signal");
    snprintf(hunt->expect, sizeof(hunt->expect), strchr(value, ',') ? "{exit: [%s]}" : "{exit: %s}",
             value);
    return 0;
}

int run_hunt_expect_signal(void *target, const char *value, struct rr_error *error)
{
    struct suite_hunt *hunt = note(target, "expect-signal", value);

    if (syscall_signal_by_name(value) <= 0)
        return rr_error_set(error, -EINVAL, "expected a signal such as SIGABRT, got '%.60s'",
                            value);
    if (*hunt->expect)
        return rr_error_set(error, -EINVAL, "expected one of --expect-exit and --expect-signal");
    snprintf(hunt->expect, sizeof(hunt->expect), "{signal: %s}", value);
    return 0;
}

int run_hunt_begin(struct run_options *options, const struct option_result *operands,
                   struct suite **ret, struct rr_error *error)
{
    int code;

    *ret = NULL;
    if (operands->dashes < 0) {
        if (operands->count != 1)
            return rr_error_set(error, -EINVAL,
                                "expected one suite file, got %d; a program to hunt in stands "
                                "behind --",
                                operands->count);
        if (options->hunt.given_count)
            return rr_error_set(error, -EINVAL,
                                "--%s: only for a program behind --; in a suite it is a key",
                                options->hunt.given[0].name);
        return 0;
    }
    if (operands->dashes > 0)
        return rr_error_set(error, -EINVAL, "expected a suite file or -- PROGRAM, got '%s' as well",
                            operands->operands[0]);
    if (operands->count == 0)
        return rr_error_set(error, -EINVAL, "expected a program behind --");
    if (options->filter)
        return rr_error_set(error, -EINVAL, "--filter: there is one test, the program behind --");
    if (options->hunt.given_count > HUNT_OPTIONS_MAX)
        return rr_error_set(error, -E2BIG, "at most %d options for the program", HUNT_OPTIONS_MAX);
    code = suite_from_command(&options->hunt, operands->operands, ret, error);
    if (code == 0)
        options->hunted = suite_hunt_text(&options->hunt, operands->operands);
    return code;
}

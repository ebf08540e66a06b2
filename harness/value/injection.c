/* Injections as people write them: SIGUSR1:at=futex:probability=0.2. */
#include "harness/value/value.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "recorder/base/words.h"
#include "recorder/signals/signals.h"
#include "recorder/syscalls/syscalls.h"

#define PROBABILITY_UNSET (-1.0)
#define PROBABILITY_TICK 0.05
#define PROBABILITY_CALL 0.2

void value_injection_init(struct record_injection *injection)
{
    *injection = (struct record_injection){.at_call = -1, .probability = PROBABILITY_UNSET};
}

static int set_signal(struct record_injection *injection, const char *text, struct rr_error *error)
{
    uint64_t number;
    int signal = syscall_signal_by_name(text);

    if (signal < 0 && value_parse_u64(text, &number) == 0 && number < SIGNAL_LIMIT)
        signal = (int)number;
    if (signal <= 0 || signal >= SIGNAL_LIMIT)
        return rr_error_set(error, -EINVAL, "signal: expected a signal such as SIGUSR1, got '%s'",
                            text);
    if (signal == SIGKILL || signal == SIGSTOP)
        return rr_error_set(error, -EINVAL,
                            "signal: expected a signal that a program can handle, got '%s'", text);
    injection->signal = signal;
    return 0;
}

static int set_at(struct record_injection *injection, const char *text, struct rr_error *error)
{
    int number = -1;

    if (strcmp(text, "tick") != 0) {
        number = syscall_number_by_name(text);
        if (number < 0)
            return rr_error_set(error, -EINVAL,
                                "at: expected a system call such as futex, or tick, got '%s'",
                                text);
    }
    injection->at_call = number;
    return 0;
}

static int set_probability(struct record_injection *injection, const char *text,
                           struct rr_error *error)
{
    if (value_parse_probability(text, &injection->probability) == 0)
        return 0;
    return rr_error_set(error, -EINVAL, "probability: expected a number from 0 to 1, got '%s'",
                        text);
}

static int set_limit(struct record_injection *injection, const char *text, struct rr_error *error)
{
    uint64_t value;

    if (value_parse_u64(text, &value) || value == 0 || value > UINT32_MAX)
        return rr_error_set(error, -EINVAL, "limit: expected a count of at least 1, got '%s'",
                            text);
    injection->limit = (uint32_t)value;
    return 0;
}

static const struct {
    const char *key;
    int (*set)(struct record_injection *injection, const char *text, struct rr_error *error);
} fields[] = {
    {"signal", set_signal},
    {"at", set_at},
    {"probability", set_probability},
    {"limit", set_limit},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(*fields))

static const char *field_name(const void *context, size_t index)
{
    (void)context;
    return index < FIELD_COUNT ? fields[index].key : NULL;
}

int value_injection_set(struct record_injection *injection, const char *key, const char *text,
                        struct rr_error *error)
{
    const char *nearest;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(key, fields[i].key) == 0)
            return fields[i].set(injection, text, error);
    }
    nearest = words_nearest(key, field_name, NULL);
    return rr_error_set(error, -EINVAL,
                        "unknown key '%s' in an injection; expected signal, at, probability or "
                        "limit%s%s%s",
                        key, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?)" : "");
}

int value_injection_finish(struct record_injection *injection, struct rr_error *error)
{
    if (injection->signal == 0)
        return rr_error_set(error, -EINVAL, "signal: missing; expected a signal such as SIGUSR1");
    if (injection->probability < 0)
        injection->probability = injection->at_call < 0 ? PROBABILITY_TICK : PROBABILITY_CALL;
    return 0;
}

int value_parse_injection(const char *text, struct record_injection *ret, struct rr_error *error)
{
    struct record_injection injection;
    char copy[256];
    char *rest = copy;
    char *part;
    int code;

    if (strlen(text) >= sizeof(copy))
        return rr_error_set(error, -EINVAL, "an injection is at most %zu bytes long",
                            sizeof(copy) - 1);
    memcpy(copy, text, strlen(text) + 1);
    value_injection_init(&injection);
    part = strsep(&rest, ":");
    code = set_signal(&injection, part, error);
    while (code == 0 && (part = strsep(&rest, ":")) != NULL) {
        char *value = strchr(part, '=');

        if (!value)
            return rr_error_set(error, -EINVAL,
                                "expected SIGNAL[:probability=P][:at=CALL][:limit=N], got '%s'",
                                text);
        *value++ = '\0';
        code = value_injection_set(&injection, part, value, error);
    }
    if (code == 0)
        code = value_injection_finish(&injection, error);
    if (code == 0)
        *ret = injection;
    return code;
}

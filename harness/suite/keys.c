/* The keys of a test, one row each, and what their values may be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/schema.h"
#include "harness/value/value.h"
#include "recorder/base/text.h"
#include "recorder/syscalls/syscalls.h"

#define COMMAND_MAX 4096
#define ENVIRONMENT_MAX 1024
#define INJECTIONS_MAX 64
#define SEEDS_MAX 100000
#define HOOK_MAX 64
#define FILES_MAX 1024
#define PROCESSES_MAX 1000000
#define SIGNATURE_DIGITS 16
#define SECONDS_PER_DAY 86400

/* --- scalars ---------------------------------------------------------------------------------- */

/* A text for a test's own string. */
static int read_string(struct node_reader *r, const char *key, const yaml_node_t *node,
                       const char *expected, char **place)
{
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code == 0)
        suite_replace(place, text);
    return code;
}

/* The same, and "" is no such thing. */
static int read_words(struct node_reader *r, const char *key, const yaml_node_t *node,
                      const char *expected, char **place)
{
    int code = read_string(r, key, node, expected, place);

    return code == 0 && !**place ? node_expected(r, node, key, expected) : code;
}

static int read_name(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a name (it becomes a folder: 1 to 200 bytes, no '/', no "
                                   "control characters, not starting with '.')";
    struct suite_test *test = target;
    const char *text;
    int code = node_raw_text(r, node, key, expected, &text);

    if (code)
        return code;
    if (!*text || strlen(text) > SUITE_NAME_MAX || *text == '.' || strchr(text, '/'))
        return node_expected(r, node, key, expected);
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return node_expected(r, node, key, expected);
    }
    suite_replace(&test->name, text);
    return 0;
}

static int refuse_name(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    (void)target;
    return node_error(r, node, "%s: expected in a test, not in defaults: names are unique", key);
}

static int read_directory(struct node_reader *r, const char *key, const yaml_node_t *node,
                          void *target)
{
    struct suite_test *test = target;

    test->directory_at = suite_position_of(node);
    return read_string(r, key, node, "a directory, relative to the suite file", &test->directory);
}

static int read_stdin(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;

    test->stdin_at = suite_position_of(node);
    free(test->stdin_text);
    test->stdin_text = NULL;
    return read_string(r, key, node, "a file, relative to the suite file", &test->stdin_file);
}

static int read_stdin_text(struct node_reader *r, const char *key, const yaml_node_t *node,
                           void *target)
{
    struct suite_test *test = target;

    free(test->stdin_file);
    test->stdin_file = NULL;
    return read_string(r, key, node, "the text that the program reads", &test->stdin_text);
}

static int read_label(struct node_reader *r, const char *key, const yaml_node_t *node,
                      const char *label)
{
    for (const char *at = label; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == ',' || *at == 0x7f)
            label = "";
    }
    if (!*label || *label == '!')
        return node_expected(r, node, key,
                             "names without blanks and commas, not starting with '!'");
    return 0;
}

static int read_labels(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    static const char expected[] = "a list of names such as [slow, network]";
    struct suite_test *test = target;
    int code;

    if (node->type != YAML_SEQUENCE_NODE)
        return node_expected(r, node, key, expected);
    code = schema_read_texts(r, key, node, expected, &test->labels);
    for (char **at = test->labels; code == 0 && *at; at++)
        code = read_label(r, key, node, *at);
    return code;
}

static int read_runs(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;

    return node_u64(r, node, key, "a number of runs from 1 to 1000000000", 1, SUITE_RUNS_MAX,
                    &test->runs);
}

static int read_seed(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    struct suite_test *test = target;
    int code = node_u64(r, node, key, "a number from 0 to 2^64-1", 0, UINT64_MAX, &test->seed);

    if (code)
        return code;
    test->has_seed = true;
    free(test->seeds);
    test->seeds = NULL;
    test->seed_count = 0;
    return 0;
}

static int read_one_seed(struct node_reader *r, const char *key, const yaml_node_t *node,
                         size_t index, void *target)
{
    struct suite_test *test = target;

    return node_u64(r, node, key, "a number from 0 to 2^64-1", 0, UINT64_MAX, &test->seeds[index]);
}

static int read_seeds(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a list of run seeds such as [7, 11]";
    struct suite_test *test = target;
    size_t count = node_count(node);

    if (count == 0)
        return node_expected(r, node, key, expected);
    free(test->seeds);
    test->seeds = suite_calloc(count, sizeof(*test->seeds));
    test->seed_count = count;
    test->has_seed = false;
    return node_list(r, node, key, expected, SEEDS_MAX, read_one_seed, test);
}

static int read_strategy(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    struct suite_test *test = target;
    const char *names[SUITE_STRATEGY_NAMES];
    int index;
    int code;

    suite_strategy_names(names);
    code = node_choice(r, node, key, suite_strategy_list(), names, &index);
    if (code == 0)
        test->strategy = suite_strategy_by_name(names[index]);
    return code;
}

static int read_patching(struct node_reader *r, const char *key, const yaml_node_t *node,
                         void *target)
{
    const char *names[RECORD_PATCHING_COUNT + 1] = {NULL};
    struct suite_test *test = target;
    int index;
    int code;

    for (int i = 0; i < RECORD_PATCHING_COUNT; i++)
        names[i] = record_patching_name((enum record_patching)i);
    code = node_choice(r, node, key, "static, lazy or off", names, &index);
    if (code == 0)
        test->patching = (enum record_patching)index;
    return code;
}

static int read_timeout(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->timeout_ns);
}

static int read_virtual_timeout(struct node_reader *r, const char *key, const yaml_node_t *node,
                                void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->virtual_timeout_ns);
}

static int read_time_budget(struct node_reader *r, const char *key, const yaml_node_t *node,
                            void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->time_budget_ns);
}

static int read_setup_timeout(struct node_reader *r, const char *key, const yaml_node_t *node,
                              void *target)
{
    struct suite_test *test = target;

    return node_duration(r, node, key, &test->setup_timeout_ns);
}

static int read_keep_going(struct node_reader *r, const char *key, const yaml_node_t *node,
                           void *target)
{
    struct suite_test *test = target;

    return node_bool(r, node, key, &test->keep_going);
}

static int read_clock(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char *const names[] = {"virtual", "real", NULL};
    struct suite_test *test = target;
    int index;
    int code = node_choice(r, node, key, "virtual or real", names, &index);

    if (code == 0)
        test->real_clock = index == 1;
    return code;
}

/* schema.c makes the tests of a matrix before their keys are read. */
static int pass_over(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    (void)r;
    (void)key;
    (void)node;
    (void)target;
    return 0;
}

/* --- command and environment -------------------------------------------------------------------
 */

static int read_word(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                     void *target)
{
    char **arguments = target;
    const char *text;
    int code = node_text(r, node, key, "a text (quote what is not meant as null)", &text);

    if (code)
        return code;
    if (index == 0 && !*text)
        return node_expected(r, node, key, "a program's name or path");
    arguments[index] = text_copy(text);
    return 0;
}

/* A list of at least one word. *place is replaced. */
static int read_arguments(struct node_reader *r, const char *key, const yaml_node_t *node,
                          const char *expected, char ***place)
{
    size_t count = node_count(node);

    if (count == 0)
        return node_expected(r, node, key, expected);
    suite_strings_free(*place);
    *place = suite_calloc((count < COMMAND_MAX ? count : COMMAND_MAX) + 1, sizeof(**place));
    return node_list(r, node, key, expected, COMMAND_MAX, read_word, *place);
}

static int read_command(struct node_reader *r, const char *key, const yaml_node_t *node,
                        void *target)
{
    struct suite_test *test = target;
    int code = read_arguments(r, key, node, "a list such as [\"./program\", \"--option\"]",
                              &test->command);

    if (code == 0)
        test->command_at = suite_position_of(
            yaml_document_get_node(&r->document, *node->data.sequence.items.start));
    return code;
}

/* The variables of one mapping must differ; a test's replace those of `defaults`. `fresh` is where
 * this mapping's own variables begin. */
struct environment_target {
    struct suite_test *test;
    size_t count; /* variables in test->environment */
    size_t fresh;
};

static int read_variable(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                         const yaml_node_t *value, void *target)
{
    struct environment_target *t = target;
    char **environment = t->test->environment;
    size_t length = strlen(name);
    const char *text;
    char *entry;
    int code;

    if (length == 0 || strchr(name, '='))
        return node_expected(r, name_node, "env", "a variable's name");
    code = node_text(r, value, name, "a text (quote what is not meant as null)", &text);
    if (code)
        return code;
    entry = text_make("%s=%s", name, text);
    for (size_t i = 0; i < t->count; i++) {
        if (strncmp(environment[i], entry, length + 1) != 0)
            continue;
        if (i >= t->fresh) {
            free(entry);
            return node_error(r, name_node, "%.60s: expected once in env, got a second time", name);
        }
        free(environment[i]);
        environment[i] = entry;
        return 0;
    }
    environment[t->count++] = entry;
    return 0;
}

static int read_environment(struct node_reader *r, const char *key, const yaml_node_t *node,
                            void *target)
{
    struct suite_test *test = target;
    struct environment_target t = {.test = test};
    char **old = test->environment;
    size_t added = 0;

    if (node->type == YAML_MAPPING_NODE)
        added = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    while (old && old[t.count])
        t.count++;
    t.fresh = t.count;
    test->environment = suite_calloc(
        t.count + (added < ENVIRONMENT_MAX ? added : ENVIRONMENT_MAX) + 1, sizeof(*old));
    for (size_t i = 0; i < t.count; i++)
        test->environment[i] = old[i];
    free(old);
    return node_pairs(r, node, key, "a mapping such as {NAME: \"value\"}", ENVIRONMENT_MAX,
                      read_variable, &t);
}

/* --- hooks and files ---------------------------------------------------------------------------
 */

static int read_hook_command(struct node_reader *r, const char *key, const yaml_node_t *node,
                             size_t index, void *target)
{
    static const char expected[] =
        "a command: a list such as [\"./program\"], or a text for /bin/sh";
    static const char *const shell[] = {"/bin/sh", "-c"};
    struct suite_command *command = &((struct suite_command *)target)[index];
    const char *text;
    int code;

    command->at = suite_position_of(node);
    if (node->type == YAML_SEQUENCE_NODE)
        return read_arguments(r, key, node, expected, &command->arguments);
    code = node_text(r, node, key, expected, &text);
    if (code)
        return code;
    if (!*text)
        return node_expected(r, node, key, expected);
    command->arguments = suite_calloc(4, sizeof(*command->arguments));
    for (size_t i = 0; i < 2; i++)
        command->arguments[i] = text_copy(shell[i]);
    command->arguments[2] = text_copy(text);
    return 0;
}

static int read_hook(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a list of commands such as [[\"./server\"], \"rm -f state\"]";
    struct suite_test *test = target;
    size_t count = node_count(node);
    int hook = 0;

    while (strcmp(suite_hook_name((enum suite_hook)hook), key) != 0)
        hook++;
    if (node->type != YAML_SEQUENCE_NODE)
        return node_expected(r, node, key, expected);
    suite_commands_free(test->hooks[hook], test->hook_count[hook]);
    test->hooks[hook] = suite_calloc(count, sizeof(*test->hooks[hook]));
    test->hook_count[hook] = count;
    return node_list(r, node, key, expected, HOOK_MAX, read_hook_command, test->hooks[hook]);
}

static bool climbs(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2) {
        if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
            return true;
    }
    return false;
}

/* data/in.txt goes to data/in.txt, ../data and /srv/data to data, "." to the directory itself. */
static char *copy_target(const char *path)
{
    size_t length;
    char *target;

    while (path[0] == '.' && path[1] == '/')
        path += 2 + strspn(path + 2, "/");
    if (strcmp(path, ".") == 0)
        return text_copy("");
    target = text_copy(path);
    length = strlen(target);
    while (length > 1 && target[length - 1] == '/')
        target[--length] = '\0';
    if (*path == '/' || climbs(target)) {
        char *name = strrchr(target, '/');

        if (name)
            memmove(target, name + 1, strlen(name + 1) + 1);
    }
    return target;
}

static int read_copy(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                     void *target)
{
    static const char expected[] = "a file or folder, relative to the suite file";
    struct suite_copy *copies = target;
    int code = read_words(r, key, node, expected, &copies[index].path);

    if (code)
        return code;
    copies[index].at = suite_position_of(node);
    copies[index].target = copy_target(copies[index].path);
    if (strcmp(copies[index].target, "..") == 0 ||
        (!*copies[index].target && strchr(copies[index].path, '/') == copies[index].path))
        return node_error(r, node, "files: expected %s, whose name it gets, got '%.60s'", expected,
                          copies[index].path);
    for (size_t i = 0; i < index; i++) {
        if (strcmp(copies[i].target, copies[index].target) == 0)
            return node_error(r, node, "files: expected different names, got '%.60s' twice",
                              copies[index].target);
    }
    return 0;
}

static int read_files(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a list of files and folders such as [data, config.ini]";
    struct suite_test *test = target;
    size_t count = node_count(node);

    if (node->type != YAML_SEQUENCE_NODE)
        return node_expected(r, node, key, expected);
    suite_copies_free(test->copies, test->copy_count);
    test->copies = suite_calloc(count, sizeof(*test->copies));
    test->copy_count = count;
    return node_list(r, node, key, expected, FILES_MAX, read_copy, test->copies);
}

/* --- injections ----------------------------------------------------------------------------------
 */

static int read_injection_field(struct node_reader *r, const char *key, const yaml_node_t *node,
                                void *target)
{
    struct rr_error error;
    const char *text;
    int code = node_text(r, node, key, "a value", &text);

    if (code)
        return code;
    if (value_injection_set(target, key, text, &error))
        return node_error(r, node, "%s", error.message);
    return 0;
}

const struct node_key schema_inject_keys[] = {
    {"signal", read_injection_field, "text", "The signal, such as SIGUSR1. Required."},
    {"at", read_injection_field, "text",
     "A system call, on whose entry or while waiting in which the signal comes; or tick: anywhere. "
     "Default: tick."},
    {"probability", read_injection_field, "probability",
     "Per opportunity, from 0 to 1. Default: 0.2 at a system call, else 0.05."},
    {"limit", read_injection_field, "count", "At most so many signals a run. Default: no limit."},
    {NULL, NULL, NULL, NULL},
};

static int read_injection(struct node_reader *r, const char *key, const yaml_node_t *node,
                          size_t index, void *target)
{
    struct suite_test *test = target;
    struct record_injection injection;
    struct rr_error error;
    int code;

    (void)index;
    value_injection_init(&injection);
    code = node_mapping(r, node, key, schema_inject_keys, &injection);
    if (code)
        return code;
    if (!r->defer && value_injection_finish(&injection, &error))
        return node_error(r, node, "inject: %s", error.message);
    test->injections[test->injection_count++] = injection;
    return 0;
}

static int read_inject(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;
    size_t count = node_count(node);

    free(test->injections);
    test->injections = suite_calloc(count, sizeof(*test->injections));
    test->injection_count = 0;
    return node_list(r, node, key, "a list such as [{signal: SIGUSR1, at: futex}]", INJECTIONS_MAX,
                     read_injection, test);
}

/* --- limits, skip, quarantine --------------------------------------------------------------------
 */

static int read_size(struct node_reader *r, const char *key, const yaml_node_t *node,
                     uint64_t *place)
{
    int code = node_size(r, node, key, place);

    if (code == 0 && *place == 0)
        *place = SUITE_NO_LIMIT;
    return code;
}

static int read_memory(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;

    return read_size(r, key, node, &test->memory_limit);
}

static int read_processes(struct node_reader *r, const char *key, const yaml_node_t *node,
                          void *target)
{
    struct suite_test *test = target;

    return node_u64(r, node, key, "a number of processes from 1 to 1000000", 1, PROCESSES_MAX,
                    &test->process_limit);
}

static int read_output(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    static const char expected[] = "a size such as 512K or 64M";
    struct suite_test *test = target;
    int code = node_size(r, node, key, &test->output_limit);

    return code == 0 && test->output_limit == 0 ? node_expected(r, node, key, expected) : code;
}

const struct node_key schema_limit_keys[] = {
    {"memory", read_memory, "size",
     "Memory of all processes together; or none. Default: the worker's share of three quarters of "
     "what is available."},
    {"processes", read_processes, "count", "Processes at a time. Default: 1000."},
    {"output", read_output, "size",
     "Bytes that are kept of each of stdout and stderr; of more, the start and the end. Default: "
     "64M."},
    {NULL, NULL, NULL, NULL},
};

static int read_limits(struct node_reader *r, const char *key, const yaml_node_t *node,
                       void *target)
{
    struct suite_test *test = target;

    test->memory_limit = test->process_limit = test->output_limit = 0;
    return node_mapping(r, node, key, schema_limit_keys, test);
}

static int read_skip_reason(struct node_reader *r, const char *key, const yaml_node_t *node,
                            void *target)
{
    struct suite_skip *skip = target;

    return read_words(r, key, node, "a reason", &skip->reason);
}

static int read_unless_exists(struct node_reader *r, const char *key, const yaml_node_t *node,
                              void *target)
{
    struct suite_skip *skip = target;

    return read_words(r, key, node, "a path, relative to the suite file", &skip->unless_exists);
}

static int read_unless_program(struct node_reader *r, const char *key, const yaml_node_t *node,
                               void *target)
{
    struct suite_skip *skip = target;

    return read_words(r, key, node, "a program's name or path", &skip->unless_program);
}

const struct node_key schema_skip_keys[] = {
    {"reason", read_skip_reason, "words", "Why; stands in the report. Required."},
    {"unless_exists", read_unless_exists, "words",
     "The test is run where this path (relative to the suite file) exists."},
    {"unless_program", read_unless_program, "words",
     "The test is run where this program is found, as `command` would find it."},
    {NULL, NULL, NULL, NULL},
};

static int read_skip(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] =
        "a reason, or a mapping such as {reason: \"...\", unless_program: gdb}";
    struct suite_test *test = target;
    const char *text;
    int code;

    suite_skip_done(&test->skip);
    if (node->type == YAML_MAPPING_NODE) {
        code = node_mapping(r, node, key, schema_skip_keys, &test->skip);
        if (code == 0 && !test->skip.reason && !r->defer)
            return node_error(r, node, "skip: expected a reason in it");
        return code;
    }
    code = node_text(r, node, key, expected, &text);
    if (code)
        return code;
    if (!*text || strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return node_expected(r, node, key, expected);
    suite_replace(&test->skip.reason, text);
    return 0;
}

static int read_quarantine_reason(struct node_reader *r, const char *key, const yaml_node_t *node,
                                  void *target)
{
    struct suite_quarantine *quarantine = target;

    return read_words(r, key, node, "a reason", &quarantine->reason);
}

static int read_until(struct node_reader *r, const char *key, const yaml_node_t *node, void *target)
{
    static const char expected[] = "a date such as 2027-01-31";
    struct suite_quarantine *quarantine = target;
    uint64_t begin;
    int code = read_string(r, key, node, expected, &quarantine->until);

    if (code)
        return code;
    if (value_parse_date(quarantine->until, &begin))
        return node_expected(r, node, key, expected);
    quarantine->end_unix_s = begin + SECONDS_PER_DAY;
    return 0;
}

static int read_signature(struct node_reader *r, const char *key, const yaml_node_t *node,
                          void *target)
{
    static const char expected[] = "a failure's signature: 16 hexadecimal digits in quotes";
    struct suite_quarantine *quarantine = target;
    int code = read_string(r, key, node, expected, &quarantine->signature);

    if (code)
        return code;
    if (strlen(quarantine->signature) != SIGNATURE_DIGITS ||
        strspn(quarantine->signature, "0123456789abcdef") != SIGNATURE_DIGITS)
        return node_expected(r, node, key, expected);
    return 0;
}

const struct node_key schema_quarantine_keys[] = {
    {"reason", read_quarantine_reason, "words", "Why; stands in the report. Required."},
    {"until", read_until, "date", "The last day on which failures do not count, UTC. Required."},
    {"signature", read_signature, "signature",
     "Only failures with this signature (the report shows it) do not count. Default: any."},
    {NULL, NULL, NULL, NULL},
};

static int read_quarantine(struct node_reader *r, const char *key, const yaml_node_t *node,
                           void *target)
{
    struct suite_test *test = target;
    int code;

    suite_quarantine_done(&test->quarantine);
    code = node_mapping(r, node, key, schema_quarantine_keys, &test->quarantine);
    if (code == 0 && !r->defer && (!test->quarantine.reason || !test->quarantine.until))
        return node_error(r, node,
                          "quarantine: expected a reason and until: a date such as "
                          "2027-01-31");
    return code;
}

/* --- the table -----------------------------------------------------------------------------------
 */

/* clang-format off */
#define NAME_HELP "Unique; names the folder of the test's kept traces. Required."
#define SHARED_KEYS \
    {"command", read_command, "command", \
     "The program and its arguments. A path is relative to the suite file; a bare name is looked " \
     "for beside the suite file, in `search`, then in PATH. Required, here or in `defaults`."}, \
    {"env", read_environment, "env", \
     "Variables added to the environment that rrtest runs in; those of `defaults` stay."}, \
    {"cwd", read_directory, "text", \
     "Working directory, relative to the suite file. Default: the suite file's folder; with " \
     "`files`, the run's own directory."}, \
    {"files", read_files, "paths", \
     "Files and folders, relative to the suite file, that are copied into a fresh directory for " \
     "each run. It is the working directory unless `cwd` is given, and $RRTEST_FILES."}, \
    {"stdin", read_stdin, "text", \
     "A file that the program reads, relative to the suite file. Default: /dev/null."}, \
    {"stdin_text", read_stdin_text, "text", "The text that the program reads, in place of `stdin`."}, \
    {"runs", read_runs, "runs", "How often the test is run. Default: 200."}, \
    {"time_budget", read_time_budget, "duration", \
     "Wall time of all runs of the test together; what was found until then counts. Default: none."}, \
    {"keep_going", read_keep_going, "boolean", \
     "Make all runs, not only up to the first failure. Default: false."}, \
    {"strategy", read_strategy, "strategy", \
     "How threads are scheduled. Default: auto (run 1 round-robin, all others random)."}, \
    {"patching", read_patching, "patching", \
     "Which system calls are answered inside the program. Default: static."}, \
    {"seed", read_seed, "number", "The test's session seed. Default: that of the session."}, \
    {"seeds", read_seeds, "seeds", "Seeds of single runs, one run each, in place of `runs`."}, \
    {"timeout", read_timeout, "duration", "Wall time of one run. Default: 30s."}, \
    {"virtual_timeout", read_virtual_timeout, "duration", \
     "Time of one run by the program's own clock. Default: none."}, \
    {"clock", read_clock, "clock", \
     "virtual: sleeping costs nothing, time jumps when all threads sleep; or real. Default: virtual."}, \
    {"inject", read_inject, "injections", "Signals to deliver. Default: none."}, \
    {"limits", read_limits, "limits", \
     "What a run may use at most; a run that uses more is ended and fails."}, \
    {"setup", read_hook, "hook", \
     "Commands, outside the recorder, before the test's first run. One that fails makes the test " \
     "an error. A list is a program with arguments, a text goes to /bin/sh -c."}, \
    {"teardown", read_hook, "hook", \
     "Commands after the test's last run. What `setup` left running is then ended."}, \
    {"setup_each", read_hook, "hook", "As `setup`, before each run; working directory: the run's."}, \
    {"teardown_each", read_hook, "hook", "As `teardown`, after each run."}, \
    {"setup_timeout", read_setup_timeout, "duration", \
     "Wall time of one command of these four. Default: 60s."}, \
    {"expect", schema_read_expect, "expect", \
     "What the program must do; a test's replaces that of `defaults`. Default: exit 0."}, \
    {"labels", read_labels, "labels", "Names to choose tests by (--label). Default: none."}, \
    {"matrix", pass_over, "matrix", \
     "A test for each combination of the values of its axes, named NAME[AXIS=VALUE,...]. In the " \
     "test's texts (not in its name) ${AXIS} stands for the value, $${ for a literal ${. The key " \
     "exclude lists combinations that are left out."}, \
    {"skip", read_skip, "skip", "Why the test is not run; with conditions as a mapping."}, \
    {"quarantine", read_quarantine, "quarantine", \
     "A known failure, which does not count against the session until a date."}, \
    {NULL, NULL, NULL, NULL}
/* clang-format on */

const struct node_key schema_test_keys[] = {{"name", read_name, "name", NAME_HELP}, SHARED_KEYS};
const struct node_key schema_defaults_keys[] = {{"name", refuse_name, NULL, NULL}, SHARED_KEYS};

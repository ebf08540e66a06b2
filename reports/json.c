/* One table per struct drives writer and reader alike, so that they cannot differ. */
#include "reports/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "recorder/base/file.h"
#include "reports/json_value.h"
#include "reports/model.h"
#include "reports/text.h"

enum kind {
    KIND_TEXT,
    KIND_TEXTS, /* char **, NULL-terminated */
    KIND_U64,
    KIND_U32,
    KIND_I32,
    KIND_SEED, /* uint64_t as a decimal string */
    KIND_HEX,  /* uint64_t as a string "0x..." */
    KIND_BOOL,
    KIND_RATE, /* double, 0 to 1 */
    KIND_VERDICT,
    KIND_OBJECT,
    KIND_LIST,
};

struct shape;

struct field {
    const char *name; /* NULL ends the table */
    enum kind kind;
    size_t offset;
    bool nullable;             /* texts */
    const struct shape *shape; /* of the object, or of the list's elements */
    size_t count_offset;       /* lists: of their size_t count */
};

struct shape {
    const struct field *fields;
    size_t size;
};

#define FIELD(type, member, kind)                                    \
    {                                                                \
#member, kind, offsetof(struct type, member), false, NULL, 0 \
    }
#define NULLABLE(type, member)                                           \
    {                                                                    \
#member, KIND_TEXT, offsetof(struct type, member), true, NULL, 0 \
    }
#define LIST(type, member, count, shape)                                 \
    {                                                                    \
#member, KIND_LIST, offsetof(struct type, member), false, shape, \
            offsetof(struct type, count)                                 \
    }
#define OBJECT(type, member, shape)                                          \
    {                                                                        \
#member, KIND_OBJECT, offsetof(struct type, member), false, shape, 0 \
    }
#define END                                \
    {                                      \
        NULL, KIND_TEXT, 0, false, NULL, 0 \
    }

static const struct field frame_fields[] = {
    FIELD(stack_frame, address, KIND_HEX),
    NULLABLE(stack_frame, function),
    FIELD(stack_frame, offset, KIND_HEX),
    NULLABLE(stack_frame, file),
    FIELD(stack_frame, line, KIND_U32),
    FIELD(stack_frame, column, KIND_U32),
    NULLABLE(stack_frame, module),
    FIELD(stack_frame, module_offset, KIND_HEX),
    FIELD(stack_frame, is_inlined, KIND_BOOL),
    END,
};
static const struct shape frame_shape = {frame_fields, sizeof(struct stack_frame)};

static const struct field task_fields[] = {
    FIELD(task_stack, pid, KIND_I32),
    FIELD(task_stack, tid, KIND_I32),
    FIELD(task_stack, role, KIND_TEXT),
    NULLABLE(task_stack, name),
    FIELD(task_stack, state, KIND_TEXT),
    FIELD(task_stack, is_cause, KIND_BOOL),
    LIST(task_stack, frames, frame_count, &frame_shape),
    FIELD(task_stack, is_cut, KIND_BOOL),
    END,
};
static const struct shape task_shape = {task_fields, sizeof(struct task_stack)};

static const struct field failure_fields[] = {
    FIELD(report_failure, signature, KIND_TEXT),
    FIELD(report_failure, kind, KIND_TEXT),
    FIELD(report_failure, is_error, KIND_BOOL),
    FIELD(report_failure, title, KIND_TEXT),
    FIELD(report_failure, reason, KIND_TEXT),
    FIELD(report_failure, output, KIND_TEXT),
    {"stacks", KIND_LIST, offsetof(struct report_failure, stacks.tasks), false, &task_shape,
     offsetof(struct report_failure, stacks.count)},
    FIELD(report_failure, count, KIND_U64),
    FIELD(report_failure, first_run, KIND_U64),
    FIELD(report_failure, first_seed, KIND_SEED),
    FIELD(report_failure, strategy, KIND_TEXT),
    FIELD(report_failure, patching, KIND_TEXT),
    NULLABLE(report_failure, trace),
    FIELD(report_failure, trace_seed, KIND_SEED),
    FIELD(report_failure, trace_bytes, KIND_U64),
    NULLABLE(report_failure, replay),
    FIELD(report_failure, rerun, KIND_TEXT),
    END,
};
static const struct shape failure_shape = {failure_fields, sizeof(struct report_failure)};

static const struct field test_fields[] = {
    FIELD(report_test, name, KIND_TEXT),
    FIELD(report_test, labels, KIND_TEXTS),
    FIELD(report_test, command, KIND_TEXT),
    FIELD(report_test, suite, KIND_TEXT),
    FIELD(report_test, line, KIND_U32),
    FIELD(report_test, position, KIND_U32),
    FIELD(report_test, verdict, KIND_VERDICT),
    NULLABLE(report_test, note),
    FIELD(report_test, keep_going, KIND_BOOL),
    FIELD(report_test, planned, KIND_U64),
    FIELD(report_test, runs, KIND_U64),
    FIELD(report_test, failed, KIND_U64),
    FIELD(report_test, schedules, KIND_U64),
    FIELD(report_test, outputs, KIND_U64),
    FIELD(report_test, counts_are_estimates, KIND_BOOL),
    FIELD(report_test, wall_ns, KIND_U64),
    FIELD(report_test, failure_rate, KIND_RATE),
    FIELD(report_test, rate_low, KIND_RATE),
    FIELD(report_test, rate_high, KIND_RATE),
    LIST(report_test, failures, failure_count, &failure_shape),
    END,
};
static const struct shape test_shape = {test_fields, sizeof(struct report_test)};

static const struct field shard_fields[] = {
    FIELD(report_shard, index, KIND_U32),
    FIELD(report_shard, count, KIND_U32),
    END,
};
static const struct shape shard_shape = {shard_fields, sizeof(struct report_shard)};

static const struct field session_fields[] = {
    FIELD(report_session, version, KIND_TEXT),
    FIELD(report_session, suite, KIND_TEXT),
    FIELD(report_session, seed, KIND_SEED),
    FIELD(report_session, started_unix_ns, KIND_U64),
    FIELD(report_session, wall_ns, KIND_U64),
    FIELD(report_session, machine, KIND_TEXT),
    OBJECT(report_session, shard, &shard_shape),
    NULLABLE(report_session, unfinished),
    FIELD(report_session, notes, KIND_TEXTS),
    NULLABLE(report_session, reproduce),
    LIST(report_session, tests, count, &test_shape),
    END,
};
static const struct shape session_shape = {session_fields, sizeof(struct report_session)};

/* ---- writing ---- */

static void format_number(bool is_hex, uint64_t number, char *text, size_t size)
{
    if (is_hex)
        snprintf(text, size, "0x%" PRIx64, number);
    else
        snprintf(text, size, "%" PRIu64, number);
}

static json_t *texts_value(char *const *texts)
{
    json_t *list = json_must(json_array());

    for (; texts && *texts; texts++)
        json_array_append_new(list, json_text(*texts));
    return list;
}

static json_t *number_text(bool is_hex, uint64_t number)
{
    char text[32];

    format_number(is_hex, number, text, sizeof(text));
    return json_must(json_string(text));
}

static int object_value(const struct shape *shape, const char *data, json_t **ret);

static int list_value(const struct field *field, const char *data, json_t **ret)
{
    const char *elements = *(const char *const *)(data + field->offset);
    size_t count = *(const size_t *)(data + field->count_offset);
    json_t *list = json_must(json_array());

    for (size_t i = 0; i < count; i++) {
        json_t *element;
        int code = object_value(field->shape, elements + i * field->shape->size, &element);

        if (code) {
            json_decref(list);
            return code;
        }
        json_array_append_new(list, element);
    }
    *ret = list;
    return 0;
}

static int field_value(const struct field *field, const char *data, json_t **ret)
{
    const void *at = data + field->offset;

    switch (field->kind) {
    case KIND_TEXT:
        *ret = json_text(*(const char *const *)at);
        return 0;
    case KIND_TEXTS:
        *ret = texts_value(*(char *const *const *)at);
        return 0;
    case KIND_U64:
        if (*(const uint64_t *)at > INT64_MAX)
            return -ERANGE;
        *ret = json_must(json_integer((json_int_t) * (const uint64_t *)at));
        return 0;
    case KIND_U32:
        *ret = json_must(json_integer(*(const uint32_t *)at));
        return 0;
    case KIND_I32:
        *ret = json_must(json_integer(*(const int32_t *)at));
        return 0;
    case KIND_SEED:
        *ret = number_text(false, *(const uint64_t *)at);
        return 0;
    case KIND_HEX:
        *ret = number_text(true, *(const uint64_t *)at);
        return 0;
    case KIND_BOOL:
        *ret = json_boolean(*(const bool *)at);
        return 0;
    case KIND_RATE:
        *ret = json_must(json_real(*(const double *)at));
        return 0;
    case KIND_VERDICT:
        *ret = json_text(report_verdict_name(*(const enum report_verdict *)at));
        return 0;
    case KIND_OBJECT:
        return object_value(field->shape, at, ret);
    case KIND_LIST:
        return list_value(field, data, ret);
    }
    return -EINVAL;
}

static int object_value(const struct shape *shape, const char *data, json_t **ret)
{
    json_t *object = json_must(json_object());

    for (const struct field *field = shape->fields; field->name; field++) {
        json_t *value;
        int code = field_value(field, data, &value);

        if (code) {
            json_decref(object);
            return code;
        }
        json_object_set_new(object, field->name, value);
    }
    *ret = object;
    return 0;
}

int report_json_write(const struct report_session *session, struct bytes *out)
{
    json_t *document;
    json_t *object;
    int code = object_value(&session_shape, (const char *)session, &object);

    if (code)
        return code;
    document = json_must(json_pack("{s:s, s:i}", "format", REPORT_JSON_FORMAT, "format_version",
                                   REPORT_JSON_FORMAT_VERSION));
    json_object_update(document, object);
    json_decref(object);
    return json_append(out, document);
}

/* ---- reading ---- */

/* Where in the document we are, from the outside in: the parts live on the readers' stacks. */
struct position {
    const struct position *parent; /* NULL: the document */
    const char *key;               /* NULL: an element of a list */
    size_t index;
};

struct reader {
    const char *name;
    struct rr_error *error;
};

static void append_place(struct bytes *out, const struct position *place)
{
    if (!place)
        return;
    append_place(out, place->parent);
    if (!place->key)
        text_format(out, "[%zu]", place->index);
    else
        text_format(out, "%s%s", place->parent ? "." : "", place->key);
}

static int refuse(const struct reader *reader, const struct position *place, const char *expected,
                  const char *got)
{
    struct bytes where;
    char *text;

    bytes_init(&where);
    append_place(&where, place);
    text = text_take(&where);
    rr_error_set(reader->error, -EINVAL, "%s: %s%sexpected %s, got %s", reader->name, text,
                 *text ? ": " : "", expected, got);
    free(text);
    return -EINVAL;
}

static const char *kind_of(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return value ? names[json_typeof(value)] : "nothing";
}

static int read_text(const struct reader *r, const struct position *place, const json_t *value,
                     bool nullable, char **ret)
{
    if (nullable && json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return refuse(r, place, nullable ? "a string or null" : "a string", kind_of(value));
    *ret = text_clean(json_string_value(value), json_string_length(value));
    return 0;
}

static int read_texts(const struct reader *r, const struct position *place, const json_t *value,
                      char ***ret)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value))
        return refuse(r, place, "a list of strings", kind_of(value));
    if (count == 0)
        return 0;
    *ret = calloc(count + 1, sizeof(**ret));
    if (!*ret)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct position element = {place, NULL, i};
        int code = read_text(r, &element, json_array_get(value, i), false, &(*ret)[i]);

        if (code)
            return code;
    }
    return 0;
}

static int read_integer(const struct reader *r, const struct position *place, const json_t *value,
                        json_int_t low, json_int_t high, json_int_t *ret)
{
    char expected[96];
    char got[32];

    *ret = json_integer_value(value);
    if (json_is_integer(value) && *ret >= low && *ret <= high)
        return 0;
    snprintf(expected, sizeof(expected), "a number from %lld to %lld", (long long)low,
             (long long)high);
    snprintf(got, sizeof(got), "%lld", (long long)*ret);
    return refuse(r, place, expected, json_is_integer(value) ? got : kind_of(value));
}

/* Exactly what the writer writes: digits, no sign, no spaces, no leading zeros. */
static int read_number_text(const struct reader *r, const struct position *place,
                            const json_t *value, bool is_hex, uint64_t *ret)
{
    const char *expected = is_hex ? "a hexadecimal number of at most 64 bits as a string: \"0x1f\""
                                  : "a number of at most 64 bits as a string: \"123\"";
    const char *text = json_string_value(value);
    char again[32];

    if (!text)
        return refuse(r, place, expected, kind_of(value));
    *ret = strtoull(text, NULL, is_hex ? 16 : 10);
    format_number(is_hex, *ret, again, sizeof(again));
    if (strcmp(text, again) != 0)
        return refuse(r, place, expected, "another string");
    return 0;
}

static int read_verdict(const struct reader *r, const struct position *place, const json_t *value,
                        enum report_verdict *ret)
{
    int verdict = json_is_string(value) ? report_verdict_by_name(json_string_value(value)) : -1;

    if (verdict < 0)
        return refuse(r, place, "passed, failed, error, quarantined, skipped or unfinished",
                      json_is_string(value) ? "another string" : kind_of(value));
    *ret = (enum report_verdict)verdict;
    return 0;
}

static int read_rate(const struct reader *r, const struct position *place, const json_t *value,
                     double *ret)
{
    *ret = json_number_value(value);
    if (!json_is_number(value) || !(*ret >= 0 && *ret <= 1))
        return refuse(r, place, "a number from 0 to 1",
                      json_is_number(value) ? "another number" : kind_of(value));
    return 0;
}

static int read_object(const struct reader *r, const struct position *place, const json_t *value,
                       const struct shape *shape, char *data);

static int read_list(const struct reader *r, const struct position *place, const json_t *value,
                     const struct field *field, char *data)
{
    size_t count = json_array_size(value);
    char *elements;

    if (!json_is_array(value))
        return refuse(r, place, "a list", kind_of(value));
    if (count == 0)
        return 0;
    elements = calloc(count, field->shape->size);
    if (!elements)
        abort();
    /* What is not read yet is all zero, which the freeing functions take. */
    *(char **)(data + field->offset) = elements;
    *(size_t *)(data + field->count_offset) = count;
    for (size_t i = 0; i < count; i++) {
        const struct position element = {place, NULL, i};
        int code = read_object(r, &element, json_array_get(value, i), field->shape,
                               elements + i * field->shape->size);

        if (code)
            return code;
    }
    return 0;
}

static int read_field(const struct reader *r, const struct position *place, const json_t *value,
                      const struct field *field, char *data)
{
    void *at = data + field->offset;
    json_int_t number;
    int code;

    switch (field->kind) {
    case KIND_TEXT:
        return read_text(r, place, value, field->nullable, at);
    case KIND_TEXTS:
        return read_texts(r, place, value, at);
    case KIND_U64:
        code = read_integer(r, place, value, 0, INT64_MAX, &number);
        if (!code)
            *(uint64_t *)at = (uint64_t)number;
        return code;
    case KIND_U32:
        code = read_integer(r, place, value, 0, UINT32_MAX, &number);
        if (!code)
            *(uint32_t *)at = (uint32_t)number;
        return code;
    case KIND_I32:
        code = read_integer(r, place, value, INT32_MIN, INT32_MAX, &number);
        if (!code)
            *(int32_t *)at = (int32_t)number;
        return code;
    case KIND_SEED:
    case KIND_HEX:
        return read_number_text(r, place, value, field->kind == KIND_HEX, at);
    case KIND_BOOL:
        if (!json_is_boolean(value))
            return refuse(r, place, "true or false", kind_of(value));
        *(bool *)at = json_is_true(value);
        return 0;
    case KIND_RATE:
        return read_rate(r, place, value, at);
    case KIND_VERDICT:
        return read_verdict(r, place, value, at);
    case KIND_OBJECT:
        return read_object(r, place, value, field->shape, at);
    case KIND_LIST:
        return read_list(r, place, value, field, data);
    }
    return -EINVAL;
}

static bool has_field(const struct shape *shape, const char *name)
{
    if (shape == &session_shape &&
        (strcmp(name, "format") == 0 || strcmp(name, "format_version") == 0))
        return true;
    for (const struct field *field = shape->fields; field->name; field++)
        if (strcmp(field->name, name) == 0)
            return true;
    return false;
}

static int refuse_unknown_keys(const struct reader *r, const struct position *place, json_t *value,
                               const struct shape *shape)
{
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        const char *name = json_object_iter_key(at);
        char *key;
        int code;

        if (has_field(shape, name))
            continue;
        key = text_clean(name, strlen(name));
        code = refuse(r, &(const struct position){place, key, 0}, "no such key", "one");
        free(key);
        return code;
    }
    return 0;
}

static int read_object(const struct reader *r, const struct position *place, const json_t *value,
                       const struct shape *shape, char *data)
{
    if (!json_is_object(value))
        return refuse(r, place, "an object", kind_of(value));
    for (const struct field *field = shape->fields; field->name; field++) {
        const struct position at = {place, field->name, 0};
        int code = read_field(r, &at, json_object_get(value, field->name), field, data);

        if (code)
            return code;
    }
    return refuse_unknown_keys(r, place, (json_t *)(uintptr_t)value, shape);
}

static int check_format(const struct reader *r, const json_t *document)
{
    const json_t *format = json_object_get(document, "format");
    const json_t *version = json_object_get(document, "format_version");

    if (!json_is_string(format) || strcmp(json_string_value(format), REPORT_JSON_FORMAT) != 0)
        return rr_error_set(r->error, -EINVAL,
                            "%s: expected results of rrtest (\"format\": \"%s\")", r->name,
                            REPORT_JSON_FORMAT);
    if (!json_is_integer(version) || json_integer_value(version) != REPORT_JSON_FORMAT_VERSION)
        return rr_error_set(r->error, -EINVAL,
                            "%s: its \"format_version\" is not %d, the one that this rrtest reads; "
                            "use the rrtest that wrote it",
                            r->name, REPORT_JSON_FORMAT_VERSION);
    return 0;
}

/* What the types alone do not promise, and writers rely on. */
static int check_sense(const struct reader *r, const struct report_session *session)
{
    if (session->shard.index < 1 || session->shard.index > session->shard.count)
        return rr_error_set(r->error, -EINVAL, "%s: shard: expected 1 to %u, got %u", r->name,
                            session->shard.count, session->shard.index);
    for (size_t i = 0; i < session->count; i++) {
        const struct report_test *test = &session->tests[i];

        if (test->failed > test->runs)
            return rr_error_set(r->error, -EINVAL,
                                "%s: tests[%zu]: more failed runs (%" PRIu64 ") than runs (%" PRIu64
                                ")",
                                r->name, i, test->failed, test->runs);
    }
    return 0;
}

int report_json_read(const char *name, const void *data, size_t length, struct report_session *ret,
                     struct rr_error *error)
{
    const struct reader reader = {name, error};
    struct report_session session = {0};
    json_error_t damage;
    json_t *document = json_loadb(data, length, JSON_REJECT_DUPLICATES, &damage);
    int code;

    if (!document) {
        char *what = text_clean_line(damage.text, strlen(damage.text)); /* it quotes the input */

        rr_error_set(error, -EINVAL, "%s:%d:%d: expected JSON: %s", name, damage.line,
                     damage.column, what);
        free(what);
        return -EINVAL;
    }
    code = check_format(&reader, document);
    if (!code)
        code = read_object(&reader, NULL, document, &session_shape, (char *)&session);
    if (!code)
        code = check_sense(&reader, &session);
    json_decref(document);
    if (code) {
        report_session_done(&session);
        return code;
    }
    for (size_t i = 0; i < session.count; i++)
        report_sort_failures(&session.tests[i]);
    *ret = session;
    return 0;
}

int report_json_load(const char *path, struct report_session *ret, struct rr_error *error)
{
    struct bytes name, data;
    struct stat status;
    char *file;
    int code;

    bytes_init(&name);
    bytes_init(&data);
    text_append(&name, path);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        text_append(&name, "/results.json");
    file = text_take(&name);
    code = file_read_path(file, &data);
    if (code)
        rr_error_set(error, code, "%s: %s; expected the results of rrtest run", file,
                     strerror(-code));
    else
        code = report_json_read(file, data.data, data.length, ret, error);
    bytes_done(&data);
    free(file);
    return code;
}

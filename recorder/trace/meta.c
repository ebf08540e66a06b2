/* meta.json writing and parsing. The last member is a checksum of all the text before it, so that
 * damage anywhere in the file is seen although it is text a person may read. */
#include "recorder/trace/meta.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"
#include "recorder/trace/json.h"
#include "recorder/trace/stacks_json.h"

#define FORMAT_NAME "rrtest trace"
#define CHECKSUM_LENGTH (sizeof("  \"checksum\": \"0123456789abcdef\"\n}\n") - 1)

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

void trace_meta_done(struct trace_meta *meta)
{
    free_list(meta->command);
    free_list(meta->environment);
    free(meta->directory);
    free(meta->strategy);
    free(meta->patching);
    free(meta->verdict);
    free(meta->schedule_digest);
    free(meta->statistics);
    free(meta->cpuid_table);
    free(meta->machine);
    stacks_done(&meta->stacks);
    memset(meta, 0, sizeof(*meta));
}

/* ---- writing ---- */

static void put_key(struct bytes *b, const char *key)
{
    text_append(b, "  \"");
    text_append(b, key);
    text_append(b, "\": ");
}

static void put_u64(struct bytes *b, const char *key, uint64_t value)
{
    put_key(b, key);
    json_put_u64(b, value);
    text_append(b, ",\n");
}

static void put_hex64(struct bytes *b, const char *key, uint64_t value)
{
    put_key(b, key);
    json_put_hex64(b, value);
    text_append(b, ",\n");
}

static void put_text(struct bytes *b, const char *key, const char *text)
{
    put_key(b, key);
    text_append(b, text);
    text_append(b, ",\n");
}

static void put_string(struct bytes *b, const char *key, const char *string)
{
    put_key(b, key);
    if (string)
        json_put_string(b, string);
    else
        text_append(b, "null");
    text_append(b, ",\n");
}

static void put_list(struct bytes *b, const char *key, char *const *list)
{
    put_key(b, key);
    text_append(b, "[");
    for (size_t i = 0; list && list[i]; i++) {
        if (i > 0)
            text_append(b, ", ");
        json_put_string(b, list[i]);
    }
    text_append(b, "],\n");
}

static void put_hex(struct bytes *b, const char *key, const uint8_t *data, uint64_t length)
{
    static const char digits[] = "0123456789abcdef";

    put_key(b, key);
    text_append(b, "\"");
    for (uint64_t i = 0; i < length; i++) {
        const char pair[2] = {digits[data[i] >> 4], digits[data[i] & 15]};

        bytes_append(b, pair, 2);
    }
    text_append(b, "\",\n");
}

static bool is_object(const char *text)
{
    struct json value;
    size_t offset;
    bool object;

    if (json_parse(text, strlen(text), &value, &offset))
        return false;
    object = value.kind == JSON_OBJECT;
    json_done(&value);
    return object;
}

static void put_stacks(struct bytes *b, const struct stack_list *stacks)
{
    if (stacks->count == 0)
        return;
    put_key(b, "stacks");
    stacks_json_put(b, stacks);
    text_append(b, ",\n");
}

static void put_checksum(struct bytes *b, size_t start)
{
    uint64_t hash = bytes_hash(b->data + start, b->length - start, 0);
    char text[CHECKSUM_LENGTH + 1];

    snprintf(text, sizeof(text), "  \"checksum\": \"%016" PRIx64 "\"\n}\n", hash);
    text_append(b, text);
}

int meta_format(const struct trace_meta *meta, const struct trace_summary *summary,
                struct bytes *ret)
{
    const char *statistics = meta->statistics ? meta->statistics : "{}";
    size_t start = ret->length;
    char number[16];

    if (!is_object(statistics))
        return -EINVAL;
    text_append(ret, "{\n");
    put_string(ret, "format", FORMAT_NAME);
    put_u64(ret, "version", TRACE_VERSION);
    put_hex64(ret, "id", summary->id);
    put_text(ret, "complete", summary->complete ? "true" : "false");
    put_u64(ret, "events", summary->events);
    put_u64(ret, "files", summary->files);
    put_string(ret, "rrtest", RRTEST_VERSION);
    put_list(ret, "command", meta->command);
    put_list(ret, "environment", meta->environment);
    put_string(ret, "directory", meta->directory);
    put_u64(ret, "seed", meta->seed);
    put_string(ret, "strategy", meta->strategy);
    put_string(ret, "patching", meta->patching);
    put_string(ret, "verdict", meta->verdict);
    snprintf(number, sizeof(number), "%" PRId32, meta->exit_status);
    put_text(ret, "exit_status", number);
    put_string(ret, "schedule_digest", meta->schedule_digest);
    put_text(ret, "statistics", statistics);
    put_hex64(ret, "cpu_features", meta->cpu_features);
    put_hex(ret, "cpuid_table", meta->cpuid_table, meta->cpuid_length);
    put_string(ret, "machine", meta->machine);
    put_stacks(ret, &meta->stacks);
    put_checksum(ret, start);
    return 0;
}

/* ---- reading ---- */

static int get_string(const struct json *object, const char *key, char **ret)
{
    const struct json *value = json_get(object, key);

    if (value && value->kind == JSON_NULL)
        return 0;
    return json_get_string(value, ret);
}

static int get_list(const struct json *object, const char *key, char ***ret)
{
    const struct json *value = json_get(object, key);
    char **list;

    if (!value || value->kind != JSON_ARRAY)
        return -EBADMSG;
    list = calloc(value->count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    *ret = list;
    for (size_t i = 0; i < value->count; i++) {
        int error = json_get_string(&value->items[i], &list[i]);

        if (error)
            return error;
    }
    return 0;
}

static int get_hex(const struct json *object, const char *key, uint8_t **ret, uint64_t *ret_length)
{
    const struct json *value = json_get(object, key);
    size_t length;

    if (!value || value->kind != JSON_STRING || strlen(value->string) % 2 != 0)
        return -EBADMSG;
    length = strlen(value->string) / 2;
    *ret = length ? malloc(length) : NULL;
    if (length && !*ret)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        int high = json_hex_digit(value->string[2 * i]),
            low = json_hex_digit(value->string[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EBADMSG;
        (*ret)[i] = (uint8_t)(high << 4 | low);
    }
    *ret_length = length;
    return 0;
}

static int get_bool(const struct json *object, const char *key, bool *ret)
{
    const struct json *value = json_get(object, key);

    if (!value || value->kind != JSON_BOOL)
        return -EBADMSG;
    *ret = value->boolean;
    return 0;
}

static int get_object_text(const struct json *object, const char *key, char **ret)
{
    const struct json *value = json_get(object, key);

    if (!value || value->kind != JSON_OBJECT)
        return -EBADMSG;
    *ret = strndup(value->text, value->text_length);
    return *ret ? 0 : -ENOMEM;
}

/* Every member but format, version and rrtest. On failure *ret_key names the member. */
static int get_members(const struct json *object, struct trace_meta *meta,
                       struct trace_summary *summary, const char **ret_key)
{
    int error;

#define GET(key, call)    \
    do {                  \
        *ret_key = key;   \
        error = (call);   \
        if (error)        \
            return error; \
    } while (0)
    GET("id", json_get_hex64(json_get(object, "id"), &summary->id));
    GET("complete", get_bool(object, "complete", &summary->complete));
    GET("events", json_get_u64(json_get(object, "events"), &summary->events));
    GET("files", json_get_u64(json_get(object, "files"), &summary->files));
    GET("command", get_list(object, "command", &meta->command));
    GET("environment", get_list(object, "environment", &meta->environment));
    GET("directory", get_string(object, "directory", &meta->directory));
    GET("seed", json_get_u64(json_get(object, "seed"), &meta->seed));
    GET("strategy", get_string(object, "strategy", &meta->strategy));
    if (json_get(object, "patching")) /* traces before system-call patching have none */
        GET("patching", get_string(object, "patching", &meta->patching));
    GET("verdict", get_string(object, "verdict", &meta->verdict));
    GET("exit_status", json_get_i32(json_get(object, "exit_status"), &meta->exit_status));
    GET("schedule_digest", get_string(object, "schedule_digest", &meta->schedule_digest));
    GET("statistics", get_object_text(object, "statistics", &meta->statistics));
    GET("cpu_features", json_get_hex64(json_get(object, "cpu_features"), &meta->cpu_features));
    GET("cpuid_table", get_hex(object, "cpuid_table", &meta->cpuid_table, &meta->cpuid_length));
    GET("machine", get_string(object, "machine", &meta->machine));
    if (json_get(object, "stacks")) /* not in every trace, and not before version 3 */
        GET("stacks", stacks_json_get(json_get(object, "stacks"), &meta->stacks));
#undef GET
    return 0;
}

static int check_checksum(const char *text, size_t length, struct rr_error *error)
{
    struct bytes expected;
    int result = 0;

    if (length <= CHECKSUM_LENGTH)
        return rr_error_set(error, -EBADMSG, "it is cut off at offset %zu", length);
    bytes_init(&expected);
    bytes_append(&expected, text, length - CHECKSUM_LENGTH);
    put_checksum(&expected, 0);
    if (memcmp(expected.data, text, length) != 0)
        result = rr_error_set(error, -EBADMSG,
                              "its checksum is wrong: the file is damaged, edited or cut off");
    bytes_done(&expected);
    return result;
}

static int parse_object(const struct json *object, struct trace_meta *ret_meta,
                        struct trace_summary *ret_summary, struct rr_error *error)
{
    const struct json *format = json_get(object, "format");
    struct trace_meta meta = {0};
    struct trace_summary summary = {0};
    const char *key = NULL;
    uint64_t version;
    int result;

    if (!format || format->kind != JSON_STRING || strcmp(format->string, FORMAT_NAME) != 0)
        return rr_error_set(error, -EBADMSG, "it is not the meta.json of an rrtest trace");
    if (json_get_u64(json_get(object, "version"), &version))
        return rr_error_set(error, -EBADMSG, "it has no version");
    if (version < TRACE_VERSION_OLDEST || version > TRACE_VERSION)
        return rr_error_set(
            error, -EPROTONOSUPPORT,
            "the trace has format version %" PRIu64
            ", this rrtest reads versions %d to %d; use the rrtest that recorded it",
            version, TRACE_VERSION_OLDEST, TRACE_VERSION);
    result = get_members(object, &meta, &summary, &key);
    if (result) {
        trace_meta_done(&meta);
        return rr_error_set(error, result, "\"%s\" is missing or not what it should be", key);
    }
    *ret_meta = meta;
    *ret_summary = summary;
    return 0;
}

int meta_parse(const char *text, size_t length, struct trace_meta *ret_meta,
               struct trace_summary *ret_summary, struct rr_error *error)
{
    struct json object;
    size_t offset;
    int result = check_checksum(text, length, error);

    if (result)
        return result;
    result = json_parse(text, length, &object, &offset);
    if (result)
        return rr_error_set(error, result, "it is not valid JSON at offset %zu", offset);
    result = parse_object(&object, ret_meta, ret_summary, error);
    json_done(&object);
    return result;
}

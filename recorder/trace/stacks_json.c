/* Stacks to and from JSON. What is not known of a frame has no member. */
#include "recorder/trace/stacks_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"

/* ---- writing --------------------------------------------------------------------------------- */

static void put_key(struct bytes *b, const char *key, bool is_first)
{
    text_append(b, is_first ? "{\"" : ", \"");
    text_append(b, key);
    text_append(b, "\": ");
}

static void put_string(struct bytes *b, const char *key, const char *string)
{
    if (!string)
        return;
    put_key(b, key, false);
    json_put_string(b, string);
}

static void put_number(struct bytes *b, const char *key, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    put_key(b, key, false);
    text_append(b, text);
}

/* As tools take it: a number of JSON holds no more than 53 bits everywhere. */
static void put_address(struct bytes *b, const char *key, uint64_t value, bool is_first)
{
    char text[32];

    snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value);
    put_key(b, key, is_first);
    text_append(b, text);
}

static void put_bool(struct bytes *b, const char *key, bool value)
{
    put_key(b, key, false);
    text_append(b, value ? "true" : "false");
}

static void put_frame(struct bytes *b, const struct stack_frame *frame)
{
    put_address(b, "address", frame->address, true);
    put_string(b, "function", frame->function);
    if (frame->function)
        put_address(b, "offset", frame->offset, false);
    put_string(b, "file", frame->file);
    if (frame->line)
        put_number(b, "line", frame->line);
    if (frame->column)
        put_number(b, "column", frame->column);
    put_string(b, "module", frame->module);
    if (frame->module)
        put_address(b, "module_offset", frame->module_offset, false);
    put_bool(b, "is_inlined", frame->is_inlined);
    text_append(b, "}");
}

static void put_task(struct bytes *b, const struct task_stack *task)
{
    put_key(b, "role", true);
    json_put_string(b, task->role);
    put_number(b, "pid", task->pid);
    put_number(b, "tid", task->tid);
    put_string(b, "name", task->name);
    put_string(b, "state", task->state);
    put_bool(b, "is_cause", task->is_cause);
    put_bool(b, "is_cut", task->is_cut);
    put_key(b, "frames", false);
    text_append(b, "[");
    for (size_t i = 0; i < task->frame_count; i++) {
        text_append(b, i ? ", " : "");
        put_frame(b, &task->frames[i]);
    }
    text_append(b, "]}");
}

void stacks_json_put(struct bytes *b, const struct stack_list *list)
{
    put_key(b, "left_out", true);
    json_put_u64(b, list->left_out);
    put_key(b, "tasks", false);
    text_append(b, "[");
    for (size_t i = 0; i < list->count; i++) {
        text_append(b, i ? ", " : "");
        put_task(b, &list->tasks[i]);
    }
    text_append(b, "]}");
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A value that may be missing leaves *ret as it is. */
static int get_string(const struct json *object, const char *key, char **ret)
{
    const struct json *value = json_get(object, key);

    return value ? json_get_string(value, ret) : 0;
}

static int get_u32(const struct json *object, const char *key, uint32_t *ret)
{
    const struct json *value = json_get(object, key);
    uint64_t number;

    if (!value)
        return 0;
    if (json_get_u64(value, &number) || number > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)number;
    return 0;
}

static int get_address(const struct json *object, const char *key, uint64_t *ret)
{
    const struct json *value = json_get(object, key);
    uint64_t address = 0;
    const char *c;

    if (!value)
        return 0;
    if (value->kind != JSON_STRING || strncmp(value->string, "0x", 2) != 0)
        return -EBADMSG;
    for (c = value->string + 2; json_hex_digit(*c) >= 0; c++)
        address = address << 4 | (uint64_t)json_hex_digit(*c);
    if (*c || c == value->string + 2 || c > value->string + 18)
        return -EBADMSG;
    *ret = address;
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

static int get_frame(const struct json *object, struct stack_frame *frame)
{
    int error = json_get(object, "address") ? 0 : -EBADMSG;

    if (!error)
        error = get_address(object, "address", &frame->address);
    if (!error)
        error = get_string(object, "function", &frame->function);
    if (!error)
        error = get_address(object, "offset", &frame->offset);
    if (!error)
        error = get_string(object, "file", &frame->file);
    if (!error)
        error = get_u32(object, "line", &frame->line);
    if (!error)
        error = get_u32(object, "column", &frame->column);
    if (!error)
        error = get_string(object, "module", &frame->module);
    if (!error)
        error = get_address(object, "module_offset", &frame->module_offset);
    return error ? error : get_bool(object, "is_inlined", &frame->is_inlined);
}

static int get_task(const struct json *object, struct task_stack *task)
{
    const struct json *frames = json_get(object, "frames");
    int error = frames && frames->kind == JSON_ARRAY ? 0 : -EBADMSG;

    if (!error)
        error = json_get_string(json_get(object, "role"), &task->role);
    if (!error)
        error = json_get_i32(json_get(object, "pid"), &task->pid);
    if (!error)
        error = json_get_i32(json_get(object, "tid"), &task->tid);
    if (!error)
        error = get_string(object, "name", &task->name);
    if (!error)
        error = json_get_string(json_get(object, "state"), &task->state);
    if (!error)
        error = get_bool(object, "is_cause", &task->is_cause);
    if (!error)
        error = get_bool(object, "is_cut", &task->is_cut);
    for (size_t i = 0; !error && i < frames->count; i++)
        error = get_frame(&frames->items[i], stacks_add_frame(task));
    return error;
}

int stacks_json_get(const struct json *value, struct stack_list *ret)
{
    const struct json *tasks = json_get(value, "tasks");
    struct stack_list list = {0};
    int error = json_get_u64(json_get(value, "left_out"), &list.left_out);

    if (!tasks || tasks->kind != JSON_ARRAY)
        error = -EBADMSG;
    for (size_t i = 0; !error && i < tasks->count; i++)
        error = get_task(&tasks->items[i], stacks_add_task(&list));
    if (error)
        stacks_done(&list);
    else
        *ret = list;
    return error;
}

/* libyaml's document API behind typed readers. libyaml reports positions from 0; people count
 * from 1. */
#include "harness/suite/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/value/value.h"
#include "recorder/base/bytes.h"
#include "recorder/base/words.h"

#define SHOWN_MAX 60
/* libyaml takes time quadratic in the depth of nesting and in the number of anchors; no suite needs
 * either. */
#define DEPTH_MAX 32
#define ANCHORS_MAX 1000
#define TEXT_COST 32 /* what a text takes beside its bytes */

__attribute__((format(printf, 4, 0))) static int
error_at(struct node_reader *r, size_t line, size_t column, const char *format, va_list args)
{
    char message[RR_ERROR_MESSAGE_MAX];

    vsnprintf(message, sizeof(message), format, args);
    return rr_error_set(r->error, -EINVAL, "%s:%zu:%zu: %s", r->path, line, column, message);
}

int node_error(struct node_reader *r, const yaml_node_t *node, const char *format, ...)
{
    va_list args;
    int code;

    va_start(args, format);
    code = error_at(r, node->start_mark.line + 1, node->start_mark.column + 1, format, args);
    va_end(args);
    return code;
}

static int error_position(struct node_reader *r, size_t line, size_t column, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));
static int error_position(struct node_reader *r, size_t line, size_t column, const char *format,
                          ...)
{
    va_list args;
    int code;

    va_start(args, format);
    code = error_at(r, line, column, format, args);
    va_end(args);
    return code;
}

static bool node_is_null(const yaml_node_t *node)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    text = (const char *)node->data.scalar.value;
    return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static void describe(const yaml_node_t *node, char *text, size_t size)
{
    if (node->type == YAML_SEQUENCE_NODE) {
        snprintf(text, size, "a list");
    } else if (node->type == YAML_MAPPING_NODE) {
        snprintf(text, size, "a mapping");
    } else if (node_is_null(node)) {
        snprintf(text, size, "nothing (null)");
    } else {
        const char *value = (const char *)node->data.scalar.value;
        size_t length = node->data.scalar.length;
        char shown[SHOWN_MAX + 1];
        size_t n = length < SHOWN_MAX ? length : SHOWN_MAX;

        for (size_t i = 0; i < n; i++)
            shown[i] = (unsigned char)value[i] < 0x20 ? '?' : value[i];
        shown[n] = '\0';
        snprintf(text, size, "'%s%s'", shown, length > SHOWN_MAX ? "..." : "");
    }
}

int node_expected(struct node_reader *r, const yaml_node_t *node, const char *key,
                  const char *expected)
{
    char got[SHOWN_MAX + 16];

    describe(node, got, sizeof(got));
    return node_error(r, node, "%s: expected %s, got %s", key, expected, got);
}

int node_expected_of(struct node_reader *r, const yaml_node_t *node, const char *key,
                     const char *expected, const char *const *names)
{
    const char *nearest = node->type == YAML_SCALAR_NODE
                              ? words_nearest_of((const char *)node->data.scalar.value, names)
                              : NULL;
    char got[SHOWN_MAX + 16];

    if (!nearest)
        return node_expected(r, node, key, expected);
    describe(node, got, sizeof(got));
    return node_error(r, node, "%s: expected %s, got %s; did you mean '%s'?", key, expected, got,
                      nearest);
}

/* Line and column of a byte offset: libyaml's reader errors (bad UTF-8) carry an offset alone. */
static void position_of(const char *data, size_t length, size_t offset, size_t *line,
                        size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset && i < length; i++) {
        if (data[i] == '\n') {
            ++*line;
            *column = 1;
        } else {
            ++*column;
        }
    }
}

static int parser_error(struct node_reader *r, const yaml_parser_t *parser, const void *data,
                        size_t length)
{
    size_t line = parser->problem_mark.line + 1;
    size_t column = parser->problem_mark.column + 1;
    const char *problem = parser->problem ? parser->problem : "cannot be parsed";

    if (parser->error == YAML_MEMORY_ERROR)
        return rr_error_set(r->error, -ENOMEM, "%s: out of memory", r->path);
    if (parser->error == YAML_READER_ERROR) {
        position_of(data, length, parser->problem_offset, &line, &column);
        return error_position(r, line, column, "expected UTF-8 text: %s", problem);
    }
    if (parser->context)
        return error_position(r, line, column, "expected valid YAML: %s (%s from line %zu)",
                              problem, parser->context, parser->context_mark.line + 1);
    return error_position(r, line, column, "expected valid YAML: %s", problem);
}

static int check_tags(struct node_reader *r)
{
    for (const yaml_node_t *node = r->document.nodes.start; node < r->document.nodes.top; node++) {
        const char *tag = (const char *)node->tag;

        if (tag && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, YAML_SEQ_TAG) != 0 &&
            strcmp(tag, YAML_MAP_TAG) != 0)
            return node_error(r, node, "expected no tag, got '%.60s'; write the value without it",
                              tag);
        if (node->type == YAML_SCALAR_NODE &&
            memchr(node->data.scalar.value, '\0', node->data.scalar.length))
            return node_error(r, node, "expected text without NUL characters");
    }
    return 0;
}

static bool has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL;
    default:
        return false;
    }
}

/* A first pass over the events alone: syntax, depth, anchors, one document. */
static int check_events(struct node_reader *r, yaml_parser_t *parser, const void *data,
                        size_t length)
{
    int depth = 0, anchors = 0, documents = 0;
    bool more = true;

    while (more) {
        size_t line, column;
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event))
            return parser_error(r, parser, data, length);
        line = event.start_mark.line + 1;
        column = event.start_mark.column + 1;
        more = event.type != YAML_STREAM_END_EVENT;
        documents += event.type == YAML_DOCUMENT_START_EVENT;
        anchors += has_anchor(&event);
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        yaml_event_delete(&event);
        if (depth > DEPTH_MAX)
            return error_position(r, line, column, "expected at most %d levels of nesting",
                                  DEPTH_MAX);
        if (anchors > ANCHORS_MAX)
            return error_position(r, line, column, "expected at most %d anchors and aliases",
                                  ANCHORS_MAX);
        if (documents > 1)
            return error_position(r, line, column, "expected one YAML document, got a second one");
    }
    if (documents == 0)
        return error_position(r, 1, 1, "expected a suite (version, tests), got an empty file");
    return 0;
}

/* Run one pass of the parser over the text. */
static int with_parser(struct node_reader *r, const void *data, size_t length,
                       int (*pass)(struct node_reader *r, yaml_parser_t *parser, const void *data,
                                   size_t length))
{
    yaml_parser_t parser;
    int code;

    if (!yaml_parser_initialize(&parser))
        return rr_error_set(r->error, -ENOMEM, "%s: out of memory", r->path);
    yaml_parser_set_input_string(&parser, data, length);
    code = pass(r, &parser, data, length);
    yaml_parser_delete(&parser);
    return code;
}

static int load_document(struct node_reader *r, yaml_parser_t *parser, const void *data,
                         size_t length)
{
    int code;

    if (!yaml_parser_load(parser, &r->document))
        return parser_error(r, parser, data, length);
    code = check_tags(r);
    if (code)
        node_reader_done(r);
    return code;
}

int node_reader_init(struct node_reader *r, const char *path, const void *data, size_t length,
                     size_t *bytes, struct rr_error *error)
{
    int code;

    *r = (struct node_reader){.path = path, .bytes = bytes, .error = error};
    code = with_parser(r, data, length, check_events);
    return code ? code : with_parser(r, data, length, load_document);
}

void node_set_variables(struct node_reader *r, const struct node_variable *variables, size_t count)
{
    for (size_t i = 0; i < r->made_count; i++)
        free(r->made[i]);
    free(r->made);
    r->made = NULL;
    r->made_count = 0;
    r->variables = variables;
    r->variable_count = count;
}

void node_reader_done(struct node_reader *r)
{
    node_set_variables(r, NULL, 0);
    yaml_document_delete(&r->document);
}

const yaml_node_t *node_root(struct node_reader *r)
{
    return yaml_document_get_root_node(&r->document);
}

int node_raw_text(struct node_reader *r, const yaml_node_t *node, const char *key,
                  const char *expected, const char **ret)
{
    if (node->type != YAML_SCALAR_NODE || node_is_null(node))
        return node_expected(r, node, key, expected);
    *r->bytes += node->data.scalar.length + TEXT_COST;
    if (*r->bytes > NODE_BYTES_MAX)
        return node_error(r, node,
                          "%s: expected a suite of at most %u bytes with defaults, aliases and "
                          "matrices written out",
                          key, NODE_BYTES_MAX);
    *ret = (const char *)node->data.scalar.value;
    return 0;
}

static const char *variable_name(const void *context, size_t index)
{
    const struct node_reader *r = context;

    return index < r->variable_count ? r->variables[index].name : NULL;
}

static int unknown_variable(struct node_reader *r, const yaml_node_t *node, const char *key,
                            const char *name)
{
    const char *nearest = words_nearest(name, variable_name, r);
    char hint[SHOWN_MAX * 2] = "";

    if (nearest)
        snprintf(hint, sizeof(hint), "; did you mean '${%.60s}'?", nearest);
    return node_error(r, node,
                      "%s: unknown variable '${%.60s}' in a test with a matrix%s (write $${ for a "
                      "literal ${)",
                      key, name, hint);
}

/* The value of the variable that `*at`, behind its "${", names; *at moves behind its "}". */
static int look_up(struct node_reader *r, const yaml_node_t *node, const char *key, const char **at,
                   const char **ret)
{
    size_t length = strcspn(*at, "}");
    char name[SHOWN_MAX + 4];

    if (!(*at)[length])
        return node_error(r, node, "%s: expected '}' after '${%.60s' (write $${ for a literal ${)",
                          key, *at);
    snprintf(name, sizeof(name), "%.*s", (int)(length < SHOWN_MAX ? length : SHOWN_MAX), *at);
    for (size_t i = 0; i < r->variable_count; i++) {
        if (strcmp(r->variables[i].name, name) == 0 && strlen(name) == length) {
            *ret = r->variables[i].value;
            *at += length + 1;
            return 0;
        }
    }
    return unknown_variable(r, node, key, name);
}

/* A text of our own with the variables put in. */
static int put_variables(struct node_reader *r, const yaml_node_t *node, const char *key,
                         const char *text, const char **ret)
{
    struct bytes made;

    bytes_init(&made);
    while (*text) {
        const char *value = NULL;
        int code;

        if (strncmp(text, "$${", 3) == 0) {
            bytes_append(&made, "${", 2);
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            text += 2;
            code = look_up(r, node, key, &text, &value);
            if (code) {
                bytes_done(&made);
                return code;
            }
            bytes_append(&made, value, strlen(value));
        } else {
            bytes_append(&made, text++, 1);
        }
    }
    bytes_append(&made, "", 1);
    *r->bytes += made.length;
    r->made = realloc(r->made, (r->made_count + 1) * sizeof(*r->made));
    if (!r->made)
        abort();
    r->made[r->made_count++] = (char *)made.data;
    *ret = (const char *)made.data;
    return 0;
}

int node_text(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
              const char **ret)
{
    int code = node_raw_text(r, node, key, expected, ret);

    if (code || !strstr(*ret, "${"))
        return code;
    if (r->defer)
        return NODE_DEFERRED;
    return r->variables ? put_variables(r, node, key, *ret, ret) : 0;
}

int node_u64(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
             uint64_t minimum, uint64_t maximum, uint64_t *ret)
{
    const char *text;
    uint64_t value;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    if (value_parse_u64(text, &value) || value < minimum || value > maximum)
        return node_expected(r, node, key, expected);
    *ret = value;
    return 0;
}

int node_duration(struct node_reader *r, const yaml_node_t *node, const char *key, uint64_t *ret_ns)
{
    static const char expected[] = "a duration such as 10s, 500ms, 2m or none";
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    if (value_parse_duration(text, ret_ns))
        return node_expected(r, node, key, expected);
    return 0;
}

int node_size(struct node_reader *r, const yaml_node_t *node, const char *key, uint64_t *ret_bytes)
{
    static const char expected[] = "a size such as 512K, 64M, 2G or none";
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    if (value_parse_size(text, ret_bytes))
        return node_expected(r, node, key, expected);
    return 0;
}

int node_choice(struct node_reader *r, const yaml_node_t *node, const char *key,
                const char *expected, const char *const *names, int *ret)
{
    const char *text;
    int code = node_text(r, node, key, expected, &text);

    if (code)
        return code;
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return node_expected_of(r, node, key, expected, names);
}

int node_bool(struct node_reader *r, const yaml_node_t *node, const char *key, bool *ret)
{
    static const char *const names[] = {"false", "true", NULL};
    int index;
    int code = node_choice(r, node, key, "true or false", names, &index);

    if (code == 0)
        *ret = index == 1;
    return code;
}

static const yaml_node_t *node_at(struct node_reader *r, int index)
{
    return yaml_document_get_node(&r->document, index);
}

static const char *key_name(const void *context, size_t index)
{
    return ((const struct node_key *)context)[index].name;
}

static int unknown_key(struct node_reader *r, const yaml_node_t *node, const char *what,
                       const char *name, const struct node_key *keys)
{
    const char *nearest = words_nearest(name, key_name, keys);
    char known[640] = "";
    size_t used = 0;

    if (strcmp(name, "<<") == 0)
        return node_error(r, node,
                          "<<: merge keys are not supported; expected the keys written "
                          "out, or common ones under 'defaults'");
    if (nearest)
        return node_error(r, node, "unknown key '%.60s' in %s; did you mean '%s'?", name, what,
                          nearest);
    for (size_t i = 0; keys[i].name && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
                                 keys[i].name);
    return node_error(r, node, "unknown key '%.60s' in %s; expected one of %s", name, what, known);
}

int node_mapping(struct node_reader *r, const yaml_node_t *node, const char *what,
                 const struct node_key *keys, void *target)
{
    uint64_t found = 0;

    if (node->type != YAML_MAPPING_NODE)
        return node_expected(r, node, what, "a mapping of keys to values");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(r, pair->key);
        const char *name;
        size_t i = 0;
        int code = node_raw_text(r, key, what, "a key", &name);

        if (code)
            return code;
        while (keys[i].name && strcmp(keys[i].name, name) != 0)
            i++;
        if (!keys[i].name)
            return unknown_key(r, key, what, name, keys);
        if (found & (1ull << i))
            return node_error(r, key, "%s: expected once in %s, got a second time", name, what);
        found |= 1ull << i;
        code = keys[i].read(r, name, node_at(r, pair->value), target);
        if (code && code != NODE_DEFERRED)
            return code;
    }
    return 0;
}

const yaml_node_t *node_get(struct node_reader *r, const yaml_node_t *mapping, const char *key)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = node_at(r, pair->key);

        if (name->type == YAML_SCALAR_NODE &&
            strcmp((const char *)name->data.scalar.value, key) == 0)
            return node_at(r, pair->value);
    }
    return NULL;
}

size_t node_count(const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return 0;
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

int node_list(struct node_reader *r, const yaml_node_t *node, const char *key, const char *expected,
              size_t limit,
              int (*read)(struct node_reader *r, const char *key, const yaml_node_t *item,
                          size_t index, void *target),
              void *target)
{
    size_t count;

    if (node->type != YAML_SEQUENCE_NODE)
        return node_expected(r, node, key, expected);
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > limit)
        return node_error(r, node, "%s: expected at most %zu items, got %zu", key, limit, count);
    for (size_t i = 0; i < count; i++) {
        int code = read(r, key, node_at(r, node->data.sequence.items.start[i]), i, target);

        if (code)
            return code;
    }
    return 0;
}

int node_pairs(struct node_reader *r, const yaml_node_t *node, const char *key,
               const char *expected, size_t limit,
               int (*read)(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                           const yaml_node_t *value, void *target),
               void *target)
{
    size_t count;

    if (node->type != YAML_MAPPING_NODE)
        return node_expected(r, node, key, expected);
    count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    if (count > limit)
        return node_error(r, node, "%s: expected at most %zu entries, got %zu", key, limit, count);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *name_node = node_at(r, node->data.mapping.pairs.start[i].key);
        const char *name;
        int code = node_text(r, name_node, key, expected, &name);

        if (code == 0)
            code = read(r, name_node, name, node_at(r, node->data.mapping.pairs.start[i].value),
                        target);
        if (code)
            return code;
    }
    return 0;
}

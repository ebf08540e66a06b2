/* The key `matrix`: axes with values, and the combinations of them that are tests. The last axis
 * turns fastest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suite/schema.h"
#include "recorder/base/words.h"

#define AXES_MAX 16
#define COMBINATIONS_MAX 1000
#define EXCLUDES_MAX 1000
#define AXIS_NAME_MAX 60
#define EXCLUDE "exclude"

struct axis {
    const char *name;
    const char **values; /* owned array of the document's texts */
    size_t count;
    size_t at;
};

struct exclude {
    const char *values[AXES_MAX]; /* by axis; NULL: any */
};

struct matrix {
    struct axis axes[AXES_MAX];
    size_t count;
    struct exclude *excludes;
    size_t exclude_count;
    bool started;
    struct node_variable variables[AXES_MAX];
    struct bytes suffix;
};

void matrix_free(struct matrix *matrix)
{
    if (!matrix)
        return;
    for (size_t i = 0; i < matrix->count; i++)
        free(matrix->axes[i].values);
    free(matrix->excludes);
    bytes_done(&matrix->suffix);
    free(matrix);
}

static bool is_axis_name(const char *name)
{
    size_t length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return length > 0 && length <= AXIS_NAME_MAX && !name[length] && *name != '-' &&
           !(*name >= '0' && *name <= '9');
}

static int read_value(struct node_reader *r, const char *key, const yaml_node_t *node, size_t index,
                      void *target)
{
    struct axis *axis = target;
    int code = node_raw_text(r, node, key, "a text (quote what is not meant as null)",
                             &axis->values[index]);

    if (code)
        return code;
    for (size_t i = 0; i < index; i++) {
        if (strcmp(axis->values[i], axis->values[index]) == 0)
            return node_error(r, node, "%s: expected different values, got '%.60s' again", key,
                              axis->values[index]);
    }
    return 0;
}

static int read_axis(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                     const yaml_node_t *value, void *target)
{
    static const char expected[] = "a list of values such as [\"1\", \"4\"]";
    struct matrix *matrix = target;
    struct axis *axis = &matrix->axes[matrix->count];
    size_t count = node_count(value);

    if (strcmp(name, EXCLUDE) == 0)
        return 0;
    if (!is_axis_name(name))
        return node_expected(r, name_node, "matrix",
                             "a name of letters, digits, '_' and '-' that starts with a letter");
    for (size_t i = 0; i < matrix->count; i++) {
        if (strcmp(matrix->axes[i].name, name) == 0)
            return node_error(r, name_node, "%s: expected once in matrix, got a second time", name);
    }
    if (count == 0)
        return node_expected(r, value, name, expected);
    if (matrix->count == AXES_MAX)
        return node_error(r, name_node, "matrix: expected at most %d axes", AXES_MAX);
    axis->name = name;
    axis->count = count;
    axis->values = suite_calloc(count, sizeof(*axis->values));
    matrix->count++;
    return node_list(r, value, name, expected, COMBINATIONS_MAX, read_value, axis);
}

static const char *axis_name(const void *context, size_t index)
{
    const struct matrix *matrix = context;

    return index < matrix->count ? matrix->axes[index].name : NULL;
}

static int unknown_axis(struct node_reader *r, const yaml_node_t *node, const char *name,
                        const struct matrix *matrix)
{
    const char *nearest = words_nearest(name, axis_name, matrix);

    return node_error(r, node, "exclude: '%.60s' is no axis of this matrix%s%s%s", name,
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}

static int read_exclude_value(struct node_reader *r, const yaml_node_t *name_node, const char *name,
                              const yaml_node_t *value, void *target)
{
    struct matrix *matrix = target;
    struct exclude *exclude = &matrix->excludes[matrix->exclude_count];
    const char *text;
    int code;

    for (size_t i = 0; i < matrix->count; i++) {
        const struct axis *axis = &matrix->axes[i];

        if (strcmp(axis->name, name) != 0)
            continue;
        code = node_raw_text(r, value, name, "a value of this axis", &text);
        if (code)
            return code;
        for (size_t j = 0; j < axis->count; j++) {
            if (strcmp(axis->values[j], text) == 0) {
                exclude->values[i] = text;
                return 0;
            }
        }
        return node_expected(r, value, name, "a value that this axis has");
    }
    return unknown_axis(r, name_node, name, matrix);
}

static int read_exclude(struct node_reader *r, const char *key, const yaml_node_t *node,
                        size_t index, void *target)
{
    static const char expected[] = "a combination such as {THREADS: \"1\"}";
    struct matrix *matrix = target;
    int code;

    (void)index;
    code = node_pairs(r, node, key, expected, AXES_MAX, read_exclude_value, matrix);
    if (code)
        return code;
    if (node->data.mapping.pairs.top == node->data.mapping.pairs.start)
        return node_error(r, node, "exclude: expected %s, got none: it would exclude everything",
                          expected);
    matrix->exclude_count++;
    return 0;
}

static bool is_excluded(const struct matrix *matrix)
{
    for (size_t i = 0; i < matrix->exclude_count; i++) {
        bool all = true;

        for (size_t j = 0; j < matrix->count && all; j++) {
            const struct axis *axis = &matrix->axes[j];
            const char *value = matrix->excludes[i].values[j];

            all = !value || strcmp(value, axis->values[axis->at]) == 0;
        }
        if (all)
            return true;
    }
    return false;
}

/* The next combination, excluded or not; false: that was the last. */
static bool advance(struct matrix *matrix)
{
    if (!matrix->started) {
        matrix->started = true;
        return true;
    }
    for (size_t i = matrix->count; i-- > 0;) {
        if (++matrix->axes[i].at < matrix->axes[i].count)
            return true;
        matrix->axes[i].at = 0;
    }
    matrix->started = false;
    return false;
}

static int check_size(struct node_reader *r, const yaml_node_t *node, struct matrix *matrix)
{
    size_t combinations = 1;
    bool any = false;

    for (size_t i = 0; i < matrix->count; i++) {
        combinations *= matrix->axes[i].count;
        if (combinations > COMBINATIONS_MAX)
            return node_error(r, node, "matrix: expected at most %d combinations, got more",
                              COMBINATIONS_MAX);
        *r->bytes += matrix->axes[i].count * matrix->axes[i].count / 16; /* values were compared */
    }
    *r->bytes += combinations * matrix->exclude_count;
    while (advance(matrix))
        any = any || !is_excluded(matrix);
    if (!any)
        return node_error(r, node, "matrix: expected a combination that is not excluded");
    return 0;
}

int matrix_read(struct node_reader *r, const yaml_node_t *node, struct matrix **ret)
{
    static const char expected[] =
        "a mapping such as {THREADS: [\"1\", \"4\"], mode: [fast, slow]}";
    const yaml_node_t *exclude = node_get(r, node, EXCLUDE);
    struct matrix *matrix = suite_calloc(1, sizeof(*matrix));
    int code;

    code = node_pairs(r, node, "matrix", expected, AXES_MAX + 1, read_axis, matrix);
    if (code == 0 && exclude) {
        matrix->excludes = suite_calloc(EXCLUDES_MAX + 1, sizeof(*matrix->excludes));
        code = node_list(r, exclude, EXCLUDE, "a list such as [{THREADS: \"1\", mode: fast}]",
                         EXCLUDES_MAX, read_exclude, matrix);
    }
    if (code == 0 && matrix->count > 0)
        code = check_size(r, node, matrix);
    if (code || matrix->count == 0) {
        matrix_free(matrix);
        *ret = NULL;
        return code;
    }
    *ret = matrix;
    return 0;
}

/* A name becomes a folder: what a folder's name cannot have is written '_'. */
static void name_combination(struct matrix *matrix)
{
    bytes_clear(&matrix->suffix);
    for (size_t i = 0; i < matrix->count; i++) {
        const struct node_variable *v = &matrix->variables[i];

        bytes_append(&matrix->suffix, i ? "," : "[", 1);
        bytes_append(&matrix->suffix, v->name, strlen(v->name));
        bytes_append(&matrix->suffix, "=", 1);
        for (const char *at = v->value; *at; at++) {
            bool plain = *at != '/' && (unsigned char)*at >= 0x20 && *at != 0x7f;

            bytes_append(&matrix->suffix, plain ? at : "_", 1);
        }
    }
    bytes_append(&matrix->suffix, "]", 2);
}

bool matrix_next(struct matrix *matrix, const struct node_variable **ret, size_t *ret_count,
                 const char **ret_suffix)
{
    do {
        if (!advance(matrix))
            return false;
    } while (is_excluded(matrix));
    for (size_t i = 0; i < matrix->count; i++) {
        const struct axis *axis = &matrix->axes[i];

        matrix->variables[i] = (struct node_variable){axis->name, axis->values[axis->at]};
    }
    name_combination(matrix);
    *ret = matrix->variables;
    *ret_count = matrix->count;
    *ret_suffix = (const char *)matrix->suffix.data;
    return true;
}

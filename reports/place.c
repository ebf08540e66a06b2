/* Paths without the file system: the sources may lie on another machine. */
#include "reports/place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/model.h"
#include "reports/text.h"

/* Append one component to the path in `out`; ".." takes one away. */
static void append_component(struct bytes *out, const char *name, size_t length, bool absolute)
{
    if (length == 0 || (length == 1 && name[0] == '.'))
        return;
    if (length == 2 && memcmp(name, "..", 2) == 0) {
        size_t at = out->length;

        while (at > 0 && out->data[at - 1] != '/')
            at--;
        if (out->length > at && !(out->length - at == 2 && memcmp(out->data + at, "..", 2) == 0)) {
            out->length = at > 1 ? at - 1 : at;
            return;
        }
        if (absolute)
            return;
    }
    if (out->length > 0 && out->data[out->length - 1] != '/')
        bytes_append(out, "/", 1);
    bytes_append(out, name, length);
}

static char *normalize(const char *path)
{
    bool absolute = *path == '/';
    struct bytes out;

    bytes_init(&out);
    if (absolute)
        bytes_append(&out, "/", 1);
    while (*path) {
        size_t length = strcspn(path, "/");

        append_component(&out, path, length, absolute);
        path += length;
        path += *path == '/';
    }
    return text_take(&out);
}

char *place_relative(const char *file, const char *root)
{
    char *path = normalize(file);
    char *base = normalize(root);
    size_t length = strlen(base);

    if (length > 1 && strncmp(path, base, length) == 0 && path[length] == '/')
        memmove(path, path + length + 1, strlen(path + length + 1) + 1);
    free(base);
    return path;
}

char *place_root(void)
{
    char *root = getcwd(NULL, 0);

    return root ? root : text_copy("/");
}

struct place place_of_failure(const struct report_failure *failure, const struct report_test *test,
                              const char *root)
{
    const struct stack_frame *frame = report_location(failure);

    if (frame)
        return (struct place){place_relative(frame->file, root), frame->line, frame->column};
    if (*test->suite && test->line)
        return (struct place){place_relative(test->suite, root), test->line, 0};
    return (struct place){NULL, 0, 0};
}

void place_done(struct place *place)
{
    free(place->file);
    *place = (struct place){NULL, 0, 0};
}

void place_append_uri(struct bytes *out, const char *file)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~/";

    if (*file == '/')
        text_append(out, "file://");
    for (; *file; file++) {
        if (strchr(plain, *file))
            bytes_append(out, file, 1);
        else
            text_format(out, "%%%02X", (unsigned char)*file);
    }
}

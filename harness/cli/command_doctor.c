/* rrtest doctor [--image FILE] */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "harness/cli/command.h"
#include "harness/doctor/doctor.h"
#include "recorder/base/file.h"
#include "recorder/images/image.h"

struct doctor_target {
    bool json;
    const char *image;
};

static const struct option_row rows[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct doctor_target, json), OPTION_NO_GIVEN, NULL,
     "one JSON object"},
    {"image", 'i', OPTION_TEXT, "FILE", offsetof(struct doctor_target, image), OPTION_NO_GIVEN,
     NULL, "instead: what rewriting makes of this ELF file"},
    {NULL, 0, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};

static int describe_image(const char *path)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct image *image = NULL;
    struct rr_error error = {0};

    if (fd < 0)
        return command_fail(COMMAND_EXIT_USAGE, "cannot open %s: %s", path, strerror(errno));
    if (image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, &error))
        return command_fail(COMMAND_EXIT_USAGE, "%s: %s", path, error.message);
    if (!image) {
        printf("%s: not rewritten: %s\n", path, error.message);
        return 0;
    }
    image_describe(image, stdout);
    image_free(image);
    return 0;
}

static int run(const char *program, void *target, const struct option_result *operands)
{
    const struct doctor_target *t = target;

    (void)program;
    if (operands->count > 0)
        return command_fail(COMMAND_EXIT_USAGE, "doctor: expected no operand, got '%s'%s",
                            operands->operands[0], t->image ? "" : "; --image FILE?");
    return t->image ? describe_image(t->image) : doctor_report(t->json, stdout);
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what this machine can and cannot do, and what that costs",
    .options = rows,
    .error_status = COMMAND_EXIT_USAGE,
    .target_size = sizeof(struct doctor_target),
    .run = run,
};

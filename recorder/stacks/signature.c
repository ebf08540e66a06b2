/* What is the same in equal failures. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/stacks/stacks.h"

#define TOP_FRAMES 3

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool in_system_folder(const char *path)
{
    static const char *const folders[] = {
        "/lib/",       "/lib32/",     "/lib64/",      "/libx32/",    "/usr/lib/",
        "/usr/lib32/", "/usr/lib64/", "/usr/libx32/", "/nix/store/", "/gnu/store/"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        if (starts_with(path, folders[i]))
            return true;
    return false;
}

/* Wherever it lies: a toolchain may bring its own. */
static bool is_language_library(const char *name)
{
    static const char *const prefixes[] = {"ld-",       "libc.",    "libc-",      "libm.",
                                           "libdl.",    "librt.",   "libpthread", "libgcc_s",
                                           "libstdc++", "libc++",   "libasan.",   "libtsan.",
                                           "libubsan.", "liblsan.", "libmsan.",   "libclang_rt."};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (starts_with(name, prefixes[i]))
            return true;
    return false;
}

bool stacks_frame_is_own(const struct stack_frame *frame)
{
    const char *name;

    if (!frame->module)
        return false;
    name = last_part(frame->module);
    if (!strstr(name, ".so") && !starts_with(name, "ld-"))
        return true; /* programs lie below /usr/lib too */
    return !in_system_folder(frame->module) && !is_language_library(name);
}

/* Functions that only carry out the end, or that libc starts and ends threads with. In a static
 * program they are in the program's own file. */
static const char *const machinery[] = {"abort",
                                        "raise",
                                        "gsignal",
                                        "kill",
                                        "tgkill",
                                        "killpg",
                                        "tkill",
                                        "pthread_kill",
                                        "__pthread_kill_implementation",
                                        "__pthread_kill_internal",
                                        "__GI_raise",
                                        "__GI_abort",
                                        "__assert_fail",
                                        "__assert_fail_base",
                                        "__assert_perror_fail",
                                        "__assert",
                                        "__GI___assert_fail",
                                        "__stack_chk_fail",
                                        "__stack_chk_fail_local",
                                        "__fortify_fail",
                                        "__chk_fail",
                                        "__libc_message",
                                        "__libc_fatal",
                                        "malloc_printerr",
                                        "exit",
                                        "_exit",
                                        "_Exit",
                                        "quick_exit",
                                        "__run_exit_handlers",
                                        "__run_on_exit_handlers",
                                        "__libc_exit_fini",
                                        "err",
                                        "errx",
                                        "verr",
                                        "verrx",
                                        "error",
                                        "_start",
                                        "__libc_start_main",
                                        "__libc_start_call_main",
                                        "libc_start_main_stage2",
                                        "start_thread",
                                        "clone",
                                        "__clone",
                                        "clone3",
                                        "__clone3",
                                        "start",
                                        "__restore_rt",
                                        "std::terminate()",
                                        "__cxa_throw",
                                        "__cxa_rethrow",
                                        "__cxa_bad_cast",
                                        "__cxa_pure_virtual",
                                        "__verbose_terminate_handler()",
                                        "_Unwind_RaiseException",
                                        "_Unwind_Resume",
                                        "rust_panic",
                                        "rust_begin_unwind",
                                        "__rust_start_panic"};
static const char *const machinery_prefixes[] = {"__GI_",
                                                 "__libc_start",
                                                 "__asan",
                                                 "__tsan",
                                                 "__ubsan",
                                                 "__msan",
                                                 "__lsan",
                                                 "__hwasan",
                                                 "__sanitizer",
                                                 "__interceptor_",
                                                 "__gnu_cxx::__verbose_terminate",
                                                 "__cxxabiv1::",
                                                 "std::__throw_",
                                                 "std::panicking::",
                                                 "core::panicking::",
                                                 "std::rt::",
                                                 "std::process::",
                                                 "std::sys::",
                                                 "std::sys_common::",
                                                 "execute_native_thread_routine"};

static bool is_machinery(const char *function)
{
    if (strcmp(function, STACKS_SIGNAL_FRAME) == 0)
        return true;
    for (size_t i = 0; i < sizeof(machinery) / sizeof(*machinery); i++)
        if (strcmp(function, machinery[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(machinery_prefixes) / sizeof(*machinery_prefixes); i++)
        if (starts_with(function, machinery_prefixes[i]))
            return true;
    return false;
}

static bool counts(const struct stack_frame *frame)
{
    return stacks_frame_is_own(frame) && !(frame->function && is_machinery(frame->function));
}

/* Names of functions and files come from the program's files: they cannot break lines here. */
static void put_name(struct bytes *b, const char *text)
{
    for (; *text; text++)
        bytes_append(b, (unsigned char)*text < 0x20 ? "?" : text, 1);
}

static void put_place(struct bytes *b, const struct stack_frame *frame)
{
    char number[32];

    if (frame->function && frame->file && frame->line) {
        put_name(b, frame->function);
        text_append(b, " ");
        put_name(b, last_part(frame->file));
        snprintf(number, sizeof(number), ":%" PRIu32, frame->line);
    } else {
        put_name(b, last_part(frame->module ? frame->module : "?"));
        snprintf(number, sizeof(number), "+0x%" PRIx64, frame->module ? frame->module_offset : 0);
    }
    text_append(b, number);
}

/* ---- one task ended it ----------------------------------------------------------------------- */

/* NULL: none. */
static const struct task_stack *cause_of(const struct stack_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->tasks[i].is_cause)
            return &list->tasks[i];
    return NULL;
}

static void put_top(struct bytes *b, const struct task_stack *task)
{
    unsigned left = TOP_FRAMES;

    for (size_t i = 0; i < task->frame_count && left > 0; i++) {
        if (!counts(&task->frames[i]))
            continue;
        put_place(b, &task->frames[i]);
        text_append(b, "\n");
        left--;
    }
    /* nothing of the program on the stack: then whatever is there but the machinery */
    for (size_t i = 0; i < task->frame_count && left == TOP_FRAMES; i++) {
        const struct stack_frame *frame = &task->frames[i];

        if (!frame->module || (frame->function && is_machinery(frame->function)))
            continue;
        put_place(b, frame);
        text_append(b, "\n");
        left--;
    }
}

/* ---- nobody did ------------------------------------------------------------------------------ */

static char *describe(const struct task_stack *task)
{
    const struct stack_frame *inner = NULL, *outer = NULL;
    struct bytes line = {0};

    for (size_t i = 0; i < task->frame_count; i++) {
        if (!counts(&task->frames[i]))
            continue;
        if (!inner)
            inner = &task->frames[i];
        outer = &task->frames[i];
    }
    if (task->is_cut)
        text_append(&line, "?"); /* its start was not read */
    else if (outer && outer->function)
        put_name(&line, outer->function);
    else if (outer)
        put_place(&line, outer);
    else
        text_append(&line, "?");
    /* where one that runs is at the moment is chance */
    if (starts_with(task->state, "waits") || starts_with(task->state, "sleeps")) {
        text_append(&line, " waits at ");
        if (inner)
            put_place(&line, inner);
        else
            text_append(&line, "?");
    } else {
        text_append(&line, " runs");
    }
    bytes_append(&line, "", 1);
    return (char *)line.data;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_all(struct bytes *b, const struct stack_list *list)
{
    char **lines = calloc(list->count + 1, sizeof(*lines));

    if (!lines)
        abort();
    for (size_t i = 0; i < list->count; i++)
        lines[i] = describe(&list->tasks[i]);
    qsort(lines, list->count, sizeof(*lines), compare);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0 && strcmp(lines[i], lines[i - 1]) == 0)
            continue;
        text_append(b, lines[i]);
        text_append(b, "\n");
    }
    for (size_t i = 0; i < list->count; i++)
        free(lines[i]);
    free(lines);
}

void stacks_signature(const struct stack_list *list, const char *kind, struct bytes *ret)
{
    const struct task_stack *cause = cause_of(list);

    text_append(ret, kind);
    text_append(ret, "\n");
    if (cause)
        put_top(ret, cause);
    else
        put_all(ret, list);
}

/* See script.h. */
#include "recorder/replay/tests/script.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/base/file.h"

#define FLAGS 0x202u
#define ENTRY_RAX ((uint64_t)-ENOSYS) /* rax at the entry stop of a call */

uint64_t script_address(const uint8_t *label)
{
    return PROGRAM_ADDRESS + (uint64_t)(label - program_code);
}

uint32_t script_file(struct script *s, enum trace_file_kind kind, const char *key, const void *data,
                     size_t length)
{
    struct rr_error error;
    cleanup_fd int fd = memfd_create("script", MFD_CLOEXEC);
    uint32_t id;

    assert_int_equal(file_write_all(fd, data, length), 0);
    assert_int_equal(trace_writer_file(s->writer, kind, key, key, fd, true, &id, &error), 0);
    return id;
}

void script_open(struct script *s)
{
    script_open_on(s, NULL, 0);
}

void script_open_on(struct script *s, const uint32_t *cpuid_table, size_t length)
{
    struct rr_error error = {0};

    memset(s, 0, sizeof(*s));
    snprintf(s->directory, sizeof(s->directory), "/tmp/rrtest-replay-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    s->meta.command = calloc(1, sizeof(char *));
    s->meta.environment = calloc(1, sizeof(char *));
    s->meta.schedule_digest = strdup("0");
    s->meta.statistics = strdup("{}");
    s->meta.cpuid_table = malloc(length ? length : 1);
    assert_non_null(s->meta.cpuid_table);
    if (length > 0)
        memcpy(s->meta.cpuid_table, cpuid_table, length);
    s->meta.cpuid_length = length;
    if (trace_writer_open(s->directory, &s->meta, &s->writer, &error))
        fail_msg("%s", error.message);
    assert_int_equal(script_file(s, TRACE_FILE_CONTENT, "program", program_code,
                                 (size_t)(program_code_end - program_code)),
                     1);
}

struct event script_event(const struct script *s, enum event_kind kind, uint32_t task)
{
    struct event e = {.kind = kind,
                      .task = task,
                      .ticks = s->ticks[task],
                      .atomics = s->atomics[task],
                      .before = s->regs[task],
                      .after = s->regs[task]};

    return e;
}

void script_append(struct script *s, const struct event *e)
{
    struct rr_error error = {0};

    if (trace_writer_event(s->writer, e, &error))
        fail_msg("%s", error.message);
    s->regs[e->task] = e->after;
    s->ticks[e->task] = e->ticks;
    s->atomics[e->task] = e->atomics;
}

void script_exec(struct script *s, uint32_t task, const uint8_t *label)
{
    struct map_op maps[] = {
        {.kind = MAP_OP_RESET},
        {.kind = MAP_OP_MAP,
         .address = PROGRAM_ADDRESS,
         .length = 4096,
         .file = 1,
         .prot = PROT_READ | PROT_EXEC,
         .flags = MAP_PRIVATE},
        {.kind = MAP_OP_MAP,
         .address = DATA_ADDRESS,
         .length = 8192,
         .prot = PROT_READ | PROT_WRITE,
         .flags = MAP_PRIVATE},
        {.kind = MAP_OP_MAP,
         .address = STACK_LOW,
         .length = STACK_HIGH - STACK_LOW,
         .prot = PROT_READ | PROT_WRITE,
         .flags = MAP_PRIVATE | MAP_GROWSDOWN,
         .new_length = STACK_LIMIT},
    };
    struct event e = {
        .kind = EVENT_EXEC, .task = task, .maps = maps, .map_count = sizeof(maps) / sizeof(*maps)};

    e.before.rip = script_address(label);
    e.before.rsp = STACK_HIGH - 64;
    e.before.cs = 0x33;
    e.before.ss = 0x2b;
    e.before.eflags = FLAGS;
    e.before.orig_rax = (unsigned long long)-1;
    e.after = e.before;
    script_append(s, &e);
}

struct event script_call(const struct script *s, uint32_t task, enum event_kind kind, uint64_t nr,
                         const uint8_t *label)
{
    struct event e = script_event(s, kind, task);

    e.before.rip = e.before.rcx = script_address(label);
    e.before.r11 = FLAGS;
    e.before.orig_rax = nr;
    e.before.rax = ENTRY_RAX;
    e.after = e.before;
    e.after.orig_rax = (unsigned long long)-1;
    return e;
}

void script_calls(struct script *s, uint32_t task, uint64_t nr, const uint8_t *label,
                  uint64_t result)
{
    struct event e = script_call(s, task, EVENT_SYSCALL, nr, label);

    e.after.rax = result;
    script_append(s, &e);
}

void script_exit(struct script *s, uint32_t task, int status)
{
    struct event e = script_event(s, EVENT_EXIT, task);

    e.status = status;
    script_append(s, &e);
}

void script_end(struct script *s, int status)
{
    struct event e = {.kind = EVENT_END, .task = 1, .status = status};

    script_append(s, &e);
}

void script_finish(struct script *s, int status)
{
    struct rr_error error = {0};

    script_end(s, status);
    if (trace_writer_finish(s->writer, &s->meta, &error))
        fail_msg("%s", error.message);
    trace_writer_close(s->writer);
    s->writer = NULL;
}

void script_three_calls(struct script *s)
{
    static const char text[] = "written";
    struct event e;

    script_open(s);
    script_exec(s, 1, program_calls);
    e = script_call(s, 1, EVENT_SYSCALL, 0, program_first_call);
    e.after.rax = SYS_write;
    e.output = (struct event_output){1, (const uint8_t *)text, strlen(text)};
    script_append(s, &e);
    script_calls(s, 1, SYS_write, program_second_call, SYS_getpid);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void script_remove(struct script *s)
{
    if (s->writer)
        trace_writer_close(s->writer);
    trace_meta_done(&s->meta);
    nftw(s->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int script_replay(struct script *s, struct replay_options *options, struct replay_result *ret,
                  struct rr_error *error)
{
    int code;

    options->trace = s->directory;
    memset(error, 0, sizeof(*error));
    code = replay_run(options, ret, error);
    assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return code;
}

void script_check(struct script *s, bool verify, enum replay_verdict verdict, const char *text)
{
    struct replay_options options = {.verify = verify, .stdout_fd = -1, .stderr_fd = -1};
    struct replay_result result;
    struct rr_error error;

    if (script_replay(s, &options, &result, &error))
        fail_msg("%s", error.message);
    if (result.verdict != verdict || (text && (!result.message || !strstr(result.message, text))))
        fail_msg("verdict %d, expected %d: %s", result.verdict, verdict,
                 result.message ? result.message : "no message");
    replay_result_done(&result);
}

bool script_can_run(void)
{
    struct replay_options options = {.stdout_fd = -1, .stderr_fd = -1};
    struct replay_result result;
    struct rr_error error;
    struct script s;
    int code;

    script_open(&s);
    script_finish(&s, 0);
    code = script_replay(&s, &options, &result, &error);
    if (!code)
        replay_result_done(&result);
    else
        fprintf(stderr, "%s\n", error.message);
    script_remove(&s);
    return code == 0;
}

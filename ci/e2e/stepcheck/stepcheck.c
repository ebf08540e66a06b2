/* The single-step checker: runs a program under the recorder, executes parts of it instruction by
 * instruction from points drawn from a seed, and reports
 *   - entries into the interiors of windows,
 *   - instructions executed more than 64 times in one tick, unless the path between has no cycle
 * (path.h). Output and exit status must be those of the run that is not stepped.
 *
 *      stepcheck [--steps N] [--seed S] [--at TICKS] [--blind] [--verbose] PROGRAM ARGS...
 *
 * --at takes a point instead of drawing one; --blind sees no ticks, and so must find cycles.
 *
 * Exit status: 0 nothing found, 1 something found, 99 the program cannot be checked. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "ci/e2e/stepcheck/path.h"
#include "include/rrtest/recorder_page.h"
#include "recorder/base/random.h"
#include "recorder/record/session.h"
#include "recorder/record/space.h"
#include "recorder/record/step.h"

#define BROKEN 99
#define ROUNDS_MAX 200
#define REPORTS_MAX 20
#define CYCLE_SHOWN 48
#define TIMEOUT_NS 3600000000000ull

extern char **environ;

/* An instruction that repeats within one tick. */
struct site {
    struct image *image; /* NULL: no image's */
    uint64_t address;
    uint32_t hits; /* most in one tick */
    bool reported;
    char name[128];
};

struct checker {
    uint64_t steps, seed, at;
    bool verbose, at_given, blind;
    char **argv;
    /* found */
    uint64_t interiors, often, cycles, ticks, quiet_cycles;
    uint32_t most_hits, reports;
    struct site *site;
    size_t site_count;
    /* of the run */
    struct path **path; /* by task */
    uint64_t *space;    /* its address space then */
    uint64_t *last_ip;
    uint32_t task_limit;
    uint64_t last_ticks;
};

static void *allocate(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count, size);

    if (!p)
        abort();
    return p;
}

/* ---- naming -------------------------------------------------------------------------------- */

/* "libc.so.6 0x1234", with the place in a window or stub. */
static void name_of(struct task *t, uint64_t ip, char *ret, size_t size)
{
    uint64_t address = ip;
    const struct loaded_image *l = space_image_at(t->space, ip, &address);
    struct image_where where = {.place = IMAGE_OUTSIDE, .original = address};
    const struct map_entry *e = NULL;
    static const char *const places[] = {"", " (window start)", " (window interior)",
                                         " (stub, point)", " (stub)"};

    if (l)
        where = image_locate(l->image, address);
    e = maps_find(&t->space->maps, l ? l->bias + where.original : ip);
    for (size_t i = 0; l && i < t->space->maps.count && (!e || !e->name); i++) {
        const struct map_entry *other = &t->space->maps.entry[i];

        if (other->name && other->end >= l->start - 0x200000 && other->start < l->end + 0x200000)
            e = other; /* the overlay itself has no name */
    }
    snprintf(ret, size, "%s %#" PRIx64 "%s", e && e->name ? e->name : "?", where.original,
             places[where.place]);
}

static struct site *site_of(struct checker *c, struct task *t, uint64_t ip)
{
    uint64_t address = ip;
    const struct loaded_image *l = space_image_at(t->space, ip, &address);
    struct image *image = l ? l->image : NULL;
    struct site *site;

    for (size_t i = 0; i < c->site_count; i++)
        if (c->site[i].image == image && c->site[i].address == address)
            return &c->site[i];
    c->site = allocate(c->site, c->site_count + 1, sizeof(*c->site));
    site = &c->site[c->site_count++];
    *site = (struct site){.image = image, .address = address};
    name_of(t, ip, site->name, sizeof(site->name));
    return site;
}

/* ---- looking ------------------------------------------------------------------------------- */

static struct path *path_of(struct checker *c, struct task *t)
{
    if (t->id >= c->task_limit) {
        uint32_t limit = t->id + 64;

        c->path = allocate(c->path, limit, sizeof(*c->path));
        c->space = allocate(c->space, limit, sizeof(*c->space));
        c->last_ip = allocate(c->last_ip, limit, sizeof(*c->last_ip));
        for (uint32_t i = c->task_limit; i < limit; i++) {
            c->path[i] = NULL;
            c->space[i] = c->last_ip[i] = 0;
        }
        c->task_limit = limit;
    }
    if (!c->path[t->id])
        c->path[t->id] = path_new();
    else if (c->space[t->id] != t->space->id)
        path_reset(c->path[t->id]);
    c->space[t->id] = t->space->id;
    return c->path[t->id];
}

/* Each cycle once, wherever in it the limit was passed: it is known by its lowest instruction. */
static void report_cycle(struct checker *c, struct task *t, const struct path *path, uint64_t ip)
{
    uint64_t cycle[CYCLE_SHOWN], lowest = UINT64_MAX;
    size_t count = path_cycle(path, cycle, CYCLE_SHOWN);
    struct site *site;
    char name[160];

    for (size_t i = 0; i < count && i < CYCLE_SHOWN; i++)
        lowest = cycle[i] < lowest ? cycle[i] : lowest;
    site = site_of(c, t, lowest);
    c->cycles++;
    if (site->reported || c->reports >= REPORTS_MAX)
        return;
    site->reported = true;
    c->reports++;
    name_of(t, ip, name, sizeof(name));
    fprintf(stderr,
            "cycle without a tick: %s, %u times in tick %" PRIu64
            " of task %u; %zu instructions:\n",
            name, path_hits(path), c->last_ticks, t->id, count);
    for (size_t i = 0; i < count && i < CYCLE_SHOWN; i++) {
        name_of(t, cycle[i], name, sizeof(name));
        fprintf(stderr, "    %s\n", name);
    }
}

static void check_interior(struct checker *c, struct task *t, uint64_t ip)
{
    uint64_t address;
    const struct loaded_image *l = space_image_at(t->space, ip, &address);
    char name[160], from[160];

    if (!l || image_locate(l->image, address).place != IMAGE_INTERIOR)
        return;
    if (c->interiors++ >= REPORTS_MAX)
        return;
    name_of(t, ip, name, sizeof(name));
    name_of(t, c->last_ip[t->id], from, sizeof(from));
    fprintf(stderr, "entered %s from %s in tick %" PRIu64 " of task %u\n", name, from,
            c->last_ticks, t->id);
}

static enum path_kind kind_of(const struct task *t, const struct step *step)
{
    switch (step->kind) {
    case STEP_CALL:
        return PATH_CALL;
    case STEP_RETURN:
        return PATH_RETURN;
    case STEP_INDIRECT_JUMP:
        return PATH_INDIRECT_JUMP;
    case STEP_SYSTEM_CALL:
        return t->regs.rax == SYS_rt_sigreturn ? PATH_SIGNAL_RETURN : PATH_OTHER;
    default:
        return PATH_OTHER;
    }
}

static void look(void *context, struct session *s, struct task *t, const struct step *step)
{
    struct checker *c = context;
    struct path *path = path_of(c, t);
    struct path_step now = {.ip = t->regs.rip,
                            .sp = t->regs.rsp,
                            .kind = kind_of(t, step),
                            .ticks = c->blind ? 0 : step->ticks,
                            .resumed = step->resumed};
    enum path_judgement judgement;

    (void)s;
    if (now.ip - RECORDER_BLOB_ADDRESS < RECORDER_BLOB_SIZE)
        return;
    if (c->last_ticks != step->ticks)
        c->ticks++;
    c->last_ticks = step->ticks;
    check_interior(c, t, now.ip);
    c->last_ip[t->id] = now.ip;
    judgement = path_look(path, &now);
    if (path_hits(path) > c->most_hits)
        c->most_hits = path_hits(path);
    if (judgement == PATH_CYCLE) {
        report_cycle(c, t, path, now.ip);
    } else if (judgement == PATH_OFTEN) {
        c->often++;
    } else if (path_repeats(path)) {
        struct site *site = site_of(c, t, now.ip);

        c->quiet_cycles++;
        if (site->hits < path_hits(path))
            site->hits = path_hits(path);
    }
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void forget_paths(struct checker *c)
{
    for (uint32_t i = 0; i < c->task_limit; i++)
        path_free(c->path[i]);
    free(c->path);
    free(c->space);
    free(c->last_ip);
    c->path = NULL;
    c->space = c->last_ip = NULL;
    c->task_limit = 0;
}

static bool run_once(struct checker *c, struct record_stepper *stepper, struct record_result *ret)
{
    struct rr_error error = {0};
    struct record_options options = {.argv = c->argv,
                                     .environment = environ,
                                     .stdin_fd = -1,
                                     .stdout_fd = -1,
                                     .stderr_fd = -1,
                                     .strategy = SCHED_ROUND_ROBIN,
                                     .no_trace = true,
                                     .timeout_ns = TIMEOUT_NS,
                                     .stepper = stepper};
    int code = record_run(&options, ret, &error);

    forget_paths(c);
    if (code) {
        fprintf(stderr, "stepcheck: %s\n", error.message);
        return false;
    }
    if (ret->verdict != RECORD_VERDICT_EXITED) {
        fprintf(stderr, "stepcheck: %s: %s\n", record_verdict_name(ret->verdict),
                ret->message ? ret->message : "");
        return false;
    }
    return true;
}

static bool same(const struct record_result *a, const struct record_result *b)
{
    bool equal = a->status == b->status;

    for (int i = 0; i < 2; i++)
        equal = equal && a->output_length[i] == b->output_length[i] &&
                memcmp(a->output[i], b->output[i], a->output_length[i]) == 0;
    if (!equal)
        fprintf(stderr, "the stepped run ends otherwise: status %#x, not %#x\n%s%s%s",
                (unsigned)b->status, (unsigned)a->status, b->message ? b->message : "",
                b->message ? "\n" : "", b->output_length[1] ? b->output[1] : "");
    return equal;
}

/* Rounds from different points until all steps are made. */
static int check(struct checker *c, const struct record_result *plain)
{
    struct random_stream random;
    uint64_t done = 0;
    int status = 0;

    random_init(&random, c->seed, RANDOM_DATA);
    for (int round = 0; done < c->steps && round < ROUNDS_MAX && status == 0; round++) {
        struct record_result result;
        struct record_stepper stepper = {
            .start_ticks = c->at_given ? c->at : random_below(&random, plain->statistics.ticks + 1),
            .steps = c->steps - done,
            .look = look,
            .context = c};

        if (!run_once(c, &stepper, &result))
            return BROKEN;
        printf("from tick %" PRIu64 ": %" PRIu64 " steps\n", stepper.start_ticks, stepper.done);
        done += stepper.done;
        if (!same(plain, &result))
            status = 1;
        record_result_done(&result);
        if (c->at_given)
            break;
    }
    printf("%" PRIu64 " steps, %" PRIu64 " ticks, %" PRIu64
           " entries into interiors, at most %u hits in one "
           "tick, %" PRIu64 " over the limit without a cycle, %" PRIu64 " with, %" PRIu64
           " short cycles\n",
           done, c->ticks, c->interiors, c->most_hits, c->often, c->cycles, c->quiet_cycles);
    if (done < c->steps && !c->at_given) {
        fprintf(stderr, "stepcheck: the program is too short for %" PRIu64 " steps\n", c->steps);
        return BROKEN;
    }
    return c->interiors || c->cycles ? 1 : status;
}

static int by_hits(const void *a, const void *b)
{
    const struct site *x = a, *y = b;

    return (y->hits > x->hits) - (y->hits < x->hits);
}

static bool parse(struct checker *c, int argc, char **argv)
{
    static const struct option options[] = {
        {"steps", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"at", required_argument, NULL, 'a'},    {"blind", no_argument, NULL, 'b'},
        {"verbose", no_argument, NULL, 'v'},     {0}};
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            c->steps = strtoull(optarg, NULL, 0);
            break;
        case 's':
            c->seed = strtoull(optarg, NULL, 0);
            break;
        case 'a':
            c->at = strtoull(optarg, NULL, 0);
            c->at_given = true;
            break;
        case 'b':
            c->blind = true;
            break;
        case 'v':
            c->verbose = true;
            break;
        default:
            return false;
        }
    }
    c->argv = argv + optind;
    return optind < argc;
}

int main(int argc, char **argv)
{
    struct checker c = {.steps = 100000};
    struct record_result plain;
    struct rr_error error = {0};
    int status;

    if (!parse(&c, argc, argv)) {
        fprintf(stderr, "usage: stepcheck [--steps N] [--seed S] [--at TICKS] [--blind] "
                        "[--verbose] PROGRAM ARGS...\n");
        return BROKEN;
    }
    if (record_find_program(c.argv[0], NULL, getenv("PATH"), &c.argv[0], &error)) {
        fprintf(stderr, "stepcheck: %s\n", error.message);
        return BROKEN;
    }
    if (!run_once(&c, NULL, &plain))
        return BROKEN;
    status = check(&c, &plain);
    if (c.verbose && c.site_count > 0) {
        qsort(c.site, c.site_count, sizeof(*c.site), by_hits);
        for (size_t i = 0; i < c.site_count && i < REPORTS_MAX; i++)
            printf("short cycle: %s, %u times\n", c.site[i].name, c.site[i].hits);
    }
    record_result_done(&plain);
    free(c.site);
    free(c.argv[0]);
    return status;
}

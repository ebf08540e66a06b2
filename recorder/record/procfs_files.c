/* The table of replaced files, and the facts their texts are made from. */
#include "recorder/record/procfs_files.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "recorder/base/log.h"
#include "recorder/base/text.h"
#include "recorder/record/file_facts.h"
#include "recorder/record/procfs_space.h"

#define NS_PER_TICK 10000000ull

static const char *original(const struct procfs_request *r)
{
    return (const char *)r->original.data;
}

/* ---- memory -------------------------------------------------------------------------------- */

typedef void (*mappings_text)(struct bytes *ret, const struct procfs_mapping *mapping,
                              size_t count);

static void make_mappings(const struct procfs_request *r, struct bytes *ret, mappings_text text)
{
    struct procfs_mapping *mapping;
    size_t count;

    if (!r->subject)
        return;
    count = procfs_mappings(r->s, r->subject->space, original(r), &mapping);
    text(ret, mapping, count);
    free(mapping);
}

static void make_maps(const struct procfs_request *r, struct bytes *ret)
{
    make_mappings(r, ret, procfs_text_maps);
}

static void make_smaps(const struct procfs_request *r, struct bytes *ret)
{
    make_mappings(r, ret, procfs_text_smaps);
}

static void make_smaps_rollup(const struct procfs_request *r, struct bytes *ret)
{
    make_mappings(r, ret, procfs_text_smaps_rollup);
}

static void make_numa_maps(const struct procfs_request *r, struct bytes *ret)
{
    make_mappings(r, ret, procfs_text_numa_maps);
}

static struct procfs_memory memory_of(const struct procfs_request *r)
{
    struct procfs_memory memory = {0};
    struct procfs_mapping *mapping;
    size_t count;

    if (!r->subject)
        return memory;
    count = procfs_mappings(r->s, r->subject->space, NULL, &mapping);
    memory = procfs_memory_of(mapping, count);
    free(mapping);
    return memory;
}

static void make_statm(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_memory memory = memory_of(r);

    procfs_text_statm(ret, &memory);
}

/* ---- tasks --------------------------------------------------------------------------------- */

static char state_of(const struct procfs_request *r)
{
    if (!r->subject)
        return 'Z';
    if (r->subject == r->reader)
        return 'R';
    if (r->process->stopped)
        return 'T';
    return r->subject->state == TASK_READY ? 'R' : 'S';
}

static void signal_facts(const struct procfs_request *r, struct procfs_task_facts *facts)
{
    facts->shared_pending = signal_queue_set(r->process->queue);
    for (int signal = 1; signal < SIGNAL_LIMIT; signal++) {
        const struct signal_action *a = signal_handlers_get(r->process->handlers, signal);

        if (a->handler == SIGNAL_HANDLER_IGNORE)
            facts->ignored |= signal_bit(signal);
        else if (a->handler != SIGNAL_HANDLER_DEFAULT)
            facts->caught |= signal_bit(signal);
    }
    if (r->subject) {
        facts->blocked = r->subject->mask;
        facts->pending = signal_queue_set(r->subject->queue);
    }
    facts->queued = (uint64_t)__builtin_popcountll(facts->pending | facts->shared_pending);
}

static unsigned table_size(const struct task *t)
{
    unsigned size = 64;

    while (t && size < t->files->count)
        size *= 2;
    return size;
}

static struct procfs_task_facts task_facts(const struct procfs_request *r)
{
    const struct process *p = r->process;
    struct procfs_task_facts facts = {.state = 'S', .threads = 1, .table_size = 64};

    facts.start_ticks = CLOCK_MONOTONIC_START_NS / NS_PER_TICK;
    if (!p) {
        facts.hide_memory = true;
        return facts;
    }
    facts.state = state_of(r);
    facts.parent = p->parent ? p->parent->pid : 1;
    facts.threads = p->live_tasks > 0 ? p->live_tasks : 1;
    facts.table_size = table_size(r->subject);
    signal_facts(r, &facts);
    facts.hide_no_new_privileges = geteuid() != 0;
    if (r->subject && r->subject->filters) {
        facts.seccomp_mode = 2;
        facts.seccomp_filters = 1;
    }
    facts.cpu_ticks = p->cpu_ns / NS_PER_TICK;
    facts.children_cpu_ticks = p->children_cpu_ns / NS_PER_TICK;
    facts.memory = memory_of(r);
    return facts;
}

static void make_status(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_task_facts facts = task_facts(r);

    procfs_edit_status(ret, original(r), &facts);
}

static void make_task_stat(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_task_facts facts = task_facts(r);

    procfs_edit_stat(ret, original(r), &facts);
}

static void make_auxv(const struct procfs_request *r, struct bytes *ret)
{
    if (!r->process)
        return;
    if (r->s->options->guards_off & RECORD_GUARD_VDSO)
        bytes_append(ret, r->original.data, r->original.length);
    else
        procfs_edit_auxv(ret, r->original.data, r->original.length);
}

/* A parked task shows its call; one that may run is running (proc_pid_syscall(5)). */
static void make_syscall(const struct procfs_request *r, struct bytes *ret)
{
    const struct task *t = r->subject;
    const struct call *c = t ? &t->call : NULL;

    if (!t || t == r->reader || t->state == TASK_READY || !c->active) {
        text_format(ret, "running\n");
        return;
    }
    text_format(ret, "%lu", (unsigned long)c->nr);
    for (int i = 0; i < 6; i++)
        text_format(ret, " 0x%lx", (unsigned long)c->args[i]);
    text_format(ret, " 0x%lx 0x%lx\n", (unsigned long)c->before.rsp, (unsigned long)c->before.rip);
}

static void make_empty(const struct procfs_request *r, struct bytes *ret)
{
    (void)r;
    (void)ret;
}

static void make_reaper_command(const struct procfs_request *r, struct bytes *ret)
{
    static const char command[] = "rrtest-reaper";

    (void)r;
    bytes_append(ret, command, sizeof(command));
}

static void make_zero(const struct procfs_request *r, struct bytes *ret)
{
    (void)r;
    text_format(ret, "0");
}

static void make_zero_line(const struct procfs_request *r, struct bytes *ret)
{
    (void)r;
    text_format(ret, "0\n");
}

static void make_personality(const struct procfs_request *r, struct bytes *ret)
{
    (void)r; /* ADDR_NO_RANDOMIZE is our doing */
    text_format(ret, "00000000\n");
}

static void make_counters(const struct procfs_request *r, struct bytes *ret)
{
    procfs_edit_counters(ret, original(r));
}

/* ---- mounts and descriptors ---------------------------------------------------------------- */

static uint64_t number_of_mount(void *context, uint64_t id)
{
    return file_facts_mount(context, id);
}

static unsigned number_of_device(void *context, unsigned device_minor)
{
    uint64_t device = makedev(0, device_minor);

    return minor(file_facts_device(context, device));
}

static void make_mountinfo(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_numbers numbers = {number_of_mount, number_of_device, r->s};

    procfs_edit_mountinfo(ret, original(r), &numbers);
}

static void make_fdinfo(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_numbers numbers = {number_of_mount, number_of_device, r->s};
    uint64_t device, inode = 0;
    char path[96];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/fd/%s", r->subject ? r->subject->tid : 0,
             r->name + strlen("fdinfo/"));
    if (stat(path, &st) == 0) {
        device = st.st_dev;
        inode = st.st_ino;
        file_facts_show(r->s, &device, &inode);
    }
    procfs_edit_fdinfo(ret, original(r), inode, &numbers);
}

/* ---- the machine --------------------------------------------------------------------------- */

static struct procfs_system_facts system_facts(struct session *s)
{
    struct procfs_system_facts facts = {
        .tasks = s->live, .processes = (uint32_t)s->swept_count, .cpu_ns = s->swept_cpu_ns};
    struct timespec now = {0}, up = {0};

    clock_read(s->clock, CLOCK_REALTIME, 0, &now);
    clock_read(s->clock, CLOCK_BOOTTIME, 0, &up);
    facts.up_ns = (uint64_t)up.tv_sec * 1000000000u + (uint64_t)up.tv_nsec;
    facts.boot_seconds = (uint64_t)(now.tv_sec - up.tv_sec);
    for (struct process *p = s->processes; p; p = p->next) {
        facts.processes++;
        facts.cpu_ns += p->cpu_ns;
    }
    for (struct task *t = s->tasks; t; t = t->next)
        facts.last_pid = t->ns_tid > facts.last_pid ? t->ns_tid : facts.last_pid;
    return facts;
}

static void make_uptime(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_system_facts facts = system_facts(r->s);

    procfs_text_uptime(ret, &facts);
}

static void make_loadavg(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_system_facts facts = system_facts(r->s);

    procfs_text_loadavg(ret, &facts);
}

static void make_system_stat(const struct procfs_request *r, struct bytes *ret)
{
    struct procfs_system_facts facts = system_facts(r->s);

    procfs_text_stat(ret, &facts);
}

static void make_meminfo(const struct procfs_request *r, struct bytes *ret)
{
    procfs_edit_meminfo(ret, original(r));
}

static void make_node_meminfo(const struct procfs_request *r, struct bytes *ret)
{
    procfs_edit_node_meminfo(ret, original(r));
}

static void make_frequency(const struct procfs_request *r, struct bytes *ret)
{
    (void)r; /* in kHz, as /proc/cpuinfo says */
    text_format(ret, "2000000\n");
}

static void make_cpuinfo(const struct procfs_request *r, struct bytes *ret)
{
    procfs_edit_cpuinfo(ret, original(r));
}

static void make_entropy(const struct procfs_request *r, struct bytes *ret)
{
    (void)r;
    text_format(ret, "256\n");
}

static void make_uuid(const struct procfs_request *r, struct bytes *ret)
{
    uint8_t random[16];

    random_fill(&r->s->data, random, sizeof(random));
    if ((r->s->options->guards_off & RECORD_GUARD_GETRANDOM) &&
        getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
        log_debug("getrandom");
    procfs_text_uuid(ret, random);
}

static void make_two_processors(const struct procfs_request *r, struct bytes *ret)
{
    (void)r; /* as sched_getaffinity says */
    text_format(ret, "0-1\n");
}

/* ---- the table ----------------------------------------------------------------------------- */

struct replaced_file {
    const char *name;
    procfs_maker make;
    uint32_t guard; /* off: the file stays */
};

static const struct replaced_file task_files[] = {
    {"maps", make_maps, 0},
    {"smaps", make_smaps, 0},
    {"smaps_rollup", make_smaps_rollup, 0},
    {"numa_maps", make_numa_maps, 0},
    {"statm", make_statm, 0},
    {"status", make_status, 0},
    {"stat", make_task_stat, 0},
    {"auxv", make_auxv, 0},
    {"syscall", make_syscall, 0},
    {"stack", make_empty, 0},
    {"wchan", make_zero, 0},
    {"oom_score", make_zero_line, 0},
    {"personality", make_personality, RECORD_GUARD_ASLR},
    {"sched", make_counters, 0},
    {"schedstat", make_counters, 0},
    {"io", make_counters, 0},
    {"arch_status", make_counters, 0},
    {"mountinfo", make_mountinfo, 0},
    {"fdinfo/", make_fdinfo, 0}, /* and a number */
};

/* Pid 1 has our command line and environment, which vary. */
static const struct replaced_file reaper_files[] = {
    {"cmdline", make_reaper_command, 0},
    {"environ", make_empty, 0},
};

static const struct replaced_file system_files[] = {
    {"uptime", make_uptime, RECORD_GUARD_TIME},
    {"loadavg", make_loadavg, RECORD_GUARD_TIME},
    {"stat", make_system_stat, RECORD_GUARD_TIME},
    {"meminfo", make_meminfo, 0},
    {"cpuinfo", make_cpuinfo, 0},
    {"vmstat", make_counters, 0},
    {"interrupts", make_counters, 0},
    {"softirqs", make_counters, 0},
    {"diskstats", make_counters, 0},
    {"schedstat", make_counters, 0},
    {"zoneinfo", make_counters, 0},
    {"buddyinfo", make_counters, 0},
    {"pagetypeinfo", make_counters, 0},
    {"slabinfo", make_counters, 0},
    {"pressure/cpu", make_counters, 0},
    {"pressure/io", make_counters, 0},
    {"pressure/memory", make_counters, 0},
    {"pressure/irq", make_counters, 0},
    {"key-users", make_counters, 0},
    {"sys/fs/file-nr", make_counters, 0},
    {"sys/fs/inode-nr", make_counters, 0},
    {"sys/fs/inode-state", make_counters, 0},
    {"sys/fs/dentry-state", make_counters, 0},
    {"sys/kernel/random/entropy_avail", make_entropy, 0},
    {"sys/kernel/random/uuid", make_uuid, 0},
};

static const struct replaced_file sysfs_files[] = {
    {"devices/system/cpu/online", make_two_processors, 0},
    {"devices/system/cpu/possible", make_two_processors, 0},
    {"devices/system/cpu/present", make_two_processors, 0},
    {"*/meminfo", make_node_meminfo, 0},
    {"*/numastat", make_counters, 0},
    {"*/vmstat", make_counters, 0},
    {"*/scaling_cur_freq", make_frequency, 0},
    {"*/cpuinfo_cur_freq", make_frequency, 0},
};

/* The whole name; "directory/" for all that lies below; an asterisk and an end of it. */
static bool matches(const char *pattern, const char *name)
{
    size_t length = strlen(pattern), total = strlen(name);

    if (pattern[0] == '*')
        return total >= length && strcmp(name + total - length + 1, pattern + 1) == 0;
    if (pattern[length - 1] == '/')
        return strncmp(name, pattern, length) == 0;
    return strcmp(name, pattern) == 0;
}

static procfs_maker find(const struct replaced_file *file, size_t count, uint32_t guards_off,
                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (matches(file[i].name, name))
            return file[i].guard & guards_off ? NULL : file[i].make;
    return NULL;
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

procfs_maker procfs_find_maker(struct session *s, const struct procfs_place *place)
{
    uint32_t guards_off = s->options->guards_off;

    if (s->options->real_clock)
        guards_off |= RECORD_GUARD_TIME;
    if (procfs_is_reaper(s, place->pid)) {
        procfs_maker make = find(reaper_files, COUNT(reaper_files), guards_off, place->name);

        if (make)
            return make;
    }
    if (place->pid)
        return find(task_files, COUNT(task_files), guards_off, place->name);
    return find(system_files, COUNT(system_files), guards_off, place->name);
}

procfs_maker procfs_find_system_maker(const char *path)
{
    return find(sysfs_files, COUNT(sysfs_files), 0, path);
}

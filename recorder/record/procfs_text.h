/* Texts of files under /proc, made from facts: what a recorded program reads instead of the
 * kernel's own (proc_pid_maps(5), proc_pid_status(5) and their kin). Pure: no files, no tracees. */
#ifndef RECORDER_RECORD_PROCFS_TEXT_H
#define RECORDER_RECORD_PROCFS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/bytes.h"

/* ---- memory (procfs_maps.c) ----------------------------------------------------------------- */

struct procfs_mapping {
    uint64_t start, end;
    uint32_t prot, flags; /* as in mmap(2) */
    uint64_t offset;
    unsigned device_major, device_minor;
    uint64_t inode;
    const char *name; /* NULL: none */
};

/* Join what one mapping of the program's became when parts of it were replaced. Sorted input.
 * Returns the new count. */
size_t procfs_mappings_join(struct procfs_mapping *mapping, size_t count);

void procfs_text_maps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count);
void procfs_text_smaps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count);
void procfs_text_smaps_rollup(struct bytes *ret, const struct procfs_mapping *mapping,
                              size_t count);
void procfs_text_numa_maps(struct bytes *ret, const struct procfs_mapping *mapping, size_t count);

/* Sizes in KiB. Everything that may be accessed counts as resident: what really is depends on the
 * machine. */
struct procfs_memory {
    uint64_t total, resident, resident_anonymous, resident_file, resident_shared;
    uint64_t data, stack, program, library;
};
struct procfs_memory procfs_memory_of(const struct procfs_mapping *mapping, size_t count);

/* ---- one task (procfs_task.c) --------------------------------------------------------------- */

struct procfs_task_facts {
    char state; /* R, S, T or Z */
    int parent;
    unsigned threads, table_size; /* threads; room in the descriptor table */
    uint64_t queued, pending, shared_pending, blocked, ignored, caught; /* signals */
    bool hide_no_new_privileges;
    int seccomp_mode; /* of the program's own filters */
    unsigned seccomp_filters;
    uint64_t cpu_ticks, children_cpu_ticks, start_ticks; /* in 1/100 s */
    bool hide_memory; /* addresses too: it is no program of the run */
    struct procfs_memory memory;
};

/* The kernel's text with every field that shows the recorder or varies replaced. Fields nobody
 * knows stay as they are. */
void procfs_edit_status(struct bytes *ret, const char *text, const struct procfs_task_facts *facts);
void procfs_edit_stat(struct bytes *ret, const char *text, const struct procfs_task_facts *facts);
void procfs_text_statm(struct bytes *ret, const struct procfs_memory *memory);
/* The auxiliary vector without the vDSO's address. */
void procfs_edit_auxv(struct bytes *ret, const void *data, size_t length);

/* Numbers that the machine draws from common pools, given anew by these. */
struct procfs_numbers {
    uint64_t (*mount)(void *context, uint64_t id);
    unsigned (*device)(void *context, unsigned device_minor); /* of major 0 */
    void *context;
};
void procfs_edit_mountinfo(struct bytes *ret, const char *text,
                           const struct procfs_numbers *numbers);
/* inode: as shown; 0: as it stands. */
void procfs_edit_fdinfo(struct bytes *ret, const char *text, uint64_t inode,
                        const struct procfs_numbers *numbers);

/* ---- the whole machine (procfs_system.c) ---------------------------------------------------- */

struct procfs_system_facts {
    uint64_t up_ns;        /* CLOCK_BOOTTIME */
    uint64_t boot_seconds; /* CLOCK_REALTIME at up_ns 0 */
    uint64_t cpu_ns;
    unsigned tasks, processes;
    int last_pid;
};

#define PROCFS_MEMORY_TOTAL_KB (8u << 20)
#define PROCFS_MEMORY_FREE_KB (4u << 20)

void procfs_text_uptime(struct bytes *ret, const struct procfs_system_facts *facts);
void procfs_text_loadavg(struct bytes *ret, const struct procfs_system_facts *facts);
void procfs_text_stat(struct bytes *ret, const struct procfs_system_facts *facts);
void procfs_edit_meminfo(struct bytes *ret, const char *text);
/* /sys/devices/system/node/node0/meminfo: each line begins with "Node 0 ". */
void procfs_edit_node_meminfo(struct bytes *ret, const char *text);
void procfs_edit_cpuinfo(struct bytes *ret, const char *text);
/* Every decimal number that stands alone becomes 0, and the blanks before it one: the shape of the
 * text stays, its counters do not. Numbers at the beginning of a line (interrupts, for one) stay.
 */
void procfs_edit_counters(struct bytes *ret, const char *text);
/* An RFC 9562 version 4 UUID and a newline from 16 random bytes. */
void procfs_text_uuid(struct bytes *ret, const uint8_t random[16]);

#endif

/* The place where runs happen: pid, mount and network namespaces with an idle reaper as pid 1, made
 * once per process (a worker records many runs) and cleaned between runs. See pid_namespaces(7). */
#ifndef RECORDER_RECORD_PLACE_H
#define RECORDER_RECORD_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct place {
    pid_t reaper; /* 0: none */
    int reaper_pidfd;
    int own_pids;        /* our own pid namespace, to go back to */
    int command;         /* our end of the reaper's socket */
    bool tmpdir;         /* START_TMPDIR is the run's own */
    bool own_proc;       /* /proc is the namespace's */
    bool user_namespace; /* of its own: whoever goes there joins it first */
    bool network;
    bool own_shm;    /* /dev/shm is the run's own, and so are SysV segments and message queues */
    uint32_t guards; /* made with these guards off */
};

/* The process's place, clean: no process but the reaper, the next pid is 2, TMPDIR empty. NULL with
 * *ret_error: namespaces cannot be had here (-EPERM, -ENOSPC...); the run then goes on without. */
struct place *place_take(uint32_t guards_off, int *ret_error);
/* After a run: kill whatever is left in it. `spoiled`: something stays behind that cleaning does
 * not reach (sockets in TIME_WAIT): the next run gets a new one. */
void place_leave(struct place *place, bool spoiled);
/* What a process joins through reaper_pidfd, besides user and pid namespace: CLONE_NEW*. */
int place_namespaces(const struct place *place);
/* Does the kernel leave randomisation of addresses out when asked to? */
bool place_addresses_are_fixed(void);
/* Is any process left besides the reaper? All of them are killed by asking. */
bool place_is_empty(struct place *place);

#endif

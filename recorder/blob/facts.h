/* What is known of files whose numbers or times are not shown as they are: a table in the shared
 * memory of the run, changed by the recorder and by handlers of buffered calls alike, with the
 * rules of what is shown. Freestanding; compiled for both. record/file_facts.h has the meaning. */
#ifndef RECORDER_BLOB_FACTS_H
#define RECORDER_BLOB_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/rrtest/recorder_page.h"

#define FACTS_NS 1000000000ll
#define FACTS_AHEAD_NS FACTS_NS /* what lies further in the future was set by somebody */
#define FACTS_SLOTS 65536u      /* of the index; a power of two */
#define FACTS_MAX 31900u
#define FACTS_FIRST_STDIO 90u   /* the inode that stdout is shown with; stderr: the next one */
#define FACTS_MOUNTS UINT64_MAX /* the "device" of mount ids */

enum fact_time { FACT_MODIFIED, FACT_CHANGED, FACT_BORN, FACT_TIME_COUNT };

struct fact {
    uint64_t device, inode;
    uint64_t shown_inode : 62; /* 0: none given yet */
    uint64_t shared : 1;       /* mapped shared by somebody: its contents are an effect */
    uint64_t kept : 1;         /* the recorder has its content, of before the run */
    int64_t written;           /* virtual time of the last write through a descriptor; 0: none */
    int64_t real[FACT_TIME_COUNT], shown[FACT_TIME_COUNT];
};

struct facts {
    uint64_t count;
    int64_t start;   /* real; files touched since then were touched by the run */
    int64_t changed; /* virtual time of the last change of names or attributes */
    uint64_t next_inode, next_mount;
    uint64_t procfs, pipes; /* their devices; 0: not known */
    struct {
        uint64_t device, inode; /* both 0: none */
    } stdio[2];                 /* where the run's stdout and stderr go */
    uint64_t tmpdir_device, tmpdir_inode, tmpdir_shown_device; /* 0: the run has none of its own */
    int64_t tmpdir_modified;     /* before the run did anything in it */
    uint32_t slot[FACTS_SLOTS];  /* numbers of facts; 0: free */
    struct fact fact[FACTS_MAX]; /* from number 1 on */
};
_Static_assert(sizeof(struct facts) <= RECORDER_FACTS_SIZE, "it fits");

/* What stat(2) tells of a file; ns. born 0: not told. */
struct shown_file {
    uint64_t device, inode, links, size;
    uint32_t mode;
    int64_t accessed, modified, changed, born;
    uint64_t blocks;
};

/* The number of the file's fact, made if there is none; 0: there is no room for more. */
uint32_t facts_number(struct facts *f, uint64_t device, uint64_t inode);
/* Do any of the file's times fall into the run? Then facts_show_times() needs its fact. */
bool facts_is_of_this_run(const struct facts *f, const struct shown_file *file, int64_t real_now);
/* The file's times as shown. `fact`: the file's, or NULL where none is needed. `now` and `start`:
 * CLOCK_REALTIME of the run, now and at its start. `private`: in a file system of the run's own. */
void facts_show_times(struct facts *f, struct shown_file *file, struct fact *fact, bool private,
                      int64_t now, int64_t start, int64_t real_now);
/* 0, 1: it is where the run's stdout or stderr goes; -1: neither. */
int facts_stdio(const struct facts *f, uint64_t device, uint64_t inode);
/* Those look the same whatever they are this time; `times`: the clock is the virtual one. */
void facts_show_stdio(struct shown_file *file, const struct fact *fact, int index, bool private,
                      bool times, int64_t start);
/* The number that a file of a private file system is shown with. */
uint64_t facts_show_inode(struct facts *f, struct fact *fact);
/* The same of a mount id's fact. */
uint64_t facts_show_mount(struct facts *f, struct fact *fact);
/* It was opened by a call that may have made it, or cut it to nothing. */
void facts_opened(struct facts *f, struct fact *fact, bool cut, int64_t now);

#endif

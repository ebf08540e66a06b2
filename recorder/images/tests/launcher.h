/* Shared by the parts of the launch harness. */
#ifndef RECORDER_IMAGES_TESTS_LAUNCHER_H
#define RECORDER_IMAGES_TESTS_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "recorder/images/image.h"
#include "recorder/images/tests/launch.h"

/* Counters that never become negative. */
#define NEVER (1ll << 60)

/* Private to this harness, behind the recorder page's own fields. */
#define PAGE_TRAPS 0x100
#define PAGE_RELOAD 0x108

struct loaded {
    dev_t device;
    ino_t inode;
    struct image *image;
};

/* An image in the first process. */
struct mapped {
    const struct image *image;
    uint64_t bias;
    char path[200];
};

struct launcher {
    const struct launch *launch;
    struct launch_result *result;
    struct loaded loaded[256];
    size_t loaded_count;
    struct mapped mapped[64];
    size_t mapped_count;
    pid_t first;
};

int launcher_poke(pid_t pid, uint64_t address, const void *data, size_t length);
int launcher_peek(pid_t pid, uint64_t address, void *data, size_t length);
/* A seccomp stop at an mmap with PROT_EXEC: let it run, then look at what it mapped. */
void launcher_on_mmap(struct launcher *l, pid_t pid);
/* If this stop is the first trap of a process to be stepped: step it, let it go on, true. */
bool launcher_step(struct launcher *l, pid_t pid);

#endif

/* Words about patching a system call, shared by recording, traces, counts and reports: the states
 * of a call's patch (recorder/patch/state.h) and the decisions that are counted, one enum for both.
 * Names are part of the tool's output and numbers of the trace format: neither changes. */
#ifndef RECORDER_EVENTS_PATCH_H
#define RECORDER_EVENTS_PATCH_H

#include <stddef.h>
#include <stdint.h>

enum patch_word {
    PATCH_NONE,              /* the call's place is patched already, or nobody has asked */
    PATCH_WANTED,            /* it has a region, which nothing has been decided about yet */
    PATCH_DEFERRED_ENTRY,    /* the region begins before the call that is being made: later */
    PATCH_DEFERRED_OCCUPIED, /* somebody stands in the region: later */
    PATCH_APPLIED,
    PATCH_REFUSED,   /* impossible: no region, or not one's own memory */
    PATCH_ABANDONED, /* the code changed or went away before it could be done */
    /* decisions that are no states */
    PATCH_RETRIED, /* a deferred one was taken up again, and applied */
    PATCH_MOVED,   /* a task that stood in the region goes on in the copy */
    PATCH_STATIC,  /* planned with the image: was there before anything ran in it */
    PATCH_WORD_COUNT
};
#define PATCH_STATE_COUNT (PATCH_ABANDONED + 1)

/* "deferred_entry", ...; "unknown" beyond the enum. */
const char *patch_word_name(enum patch_word word);

/* The counts of decisions by word as a JSON object, as statistics have it under "patches"; wanted
 * is a step on the way to another and left out. At most PATCH_COUNTS_TEXT bytes. */
#define PATCH_COUNTS_TEXT 400
void patch_counts_text(const uint64_t counts[PATCH_WORD_COUNT], char ret[PATCH_COUNTS_TEXT]);

/* One decision, as an event (event.h: EVENT_PATCH). */
struct event_patch {
    uint32_t word;        /* enum patch_word */
    uint32_t by;          /* task that stands in the way, or 0 */
    uint64_t instruction; /* address of the `syscall` */
    uint64_t start;       /* of the region; 0: it has none */
    uint32_t length;
};

#endif

/* Internal to buffered*.c. */
#ifndef RECORDER_RECORD_BUFFERED_STATE_H
#define RECORDER_RECORD_BUFFERED_STATE_H

#include "include/rrtest/recorder_page.h"
#include "recorder/events/ring.h"
#include "recorder/record/buffered.h"

/* Records that become one event: those up to a change of the output stream. */
struct buffered_piece {
    uint64_t end; /* in the ring */
    size_t output_end, map_end;
    int stream;
};

struct buffered {
    struct task *task; /* whose records the ring holds */
    uint64_t absorbed; /* bytes of the ring */
    struct buffered_piece *piece;
    size_t piece_count, piece_capacity;
    struct bytes output;
    struct map_op *maps; /* applied to the model already */
    size_t map_count, map_capacity;
    struct call call;     /* a record's, for those who want one */
    int64_t calls_loaded; /* PAGE_CALLS_LEFT as it was looked at last */
    bool emitting;
    struct files *files; /* whose descriptors the page knows */
};

void buffered_absorb_maps(struct session *s, struct task *t, const struct ring_call *r,
                          const struct call *c);
void buffered_new_piece(struct buffered *b, uint64_t start);

#endif

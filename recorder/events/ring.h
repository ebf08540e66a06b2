/* The records of buffered system calls, as the blob writes them (recorder_page.h) and as the data
 * of an EVENT_BUFFERED holds them. Pure; input may be damaged. */
#ifndef RECORDER_EVENTS_RING_H
#define RECORDER_EVENTS_RING_H

#include <stdbool.h>
#include <stdint.h>

struct ring_call {
    uint16_t number; /* of the call */
    uint16_t flags;  /* RING_FLAG_* */
    int64_t result;
    uint64_t arguments[6];
    uint32_t size;           /* of the whole record */
    const uint8_t *segments; /* in the data */
    uint32_t segments_size;
};

struct ring_segment {
    uint64_t address; /* 0: it went into the call */
    uint32_t length;
    const uint8_t *data;
};

/* The record at *at of data[0..length), *at then behind it. False: there is no whole record; *at ==
 * length is the proper end. Every segment of a record that is returned is whole. */
bool ring_next_call(const uint8_t *data, uint64_t length, uint64_t *at, struct ring_call *ret);
/* How many calls the record stands for. */
uint64_t ring_call_count(const struct ring_call *call);
/* The segment at *at of the record's segments (from 0), *at then behind it. False: no more. */
bool ring_next_segment(const struct ring_call *call, uint32_t *at, struct ring_segment *ret);

#endif

#include "recorder/events/ring.h"

#include <string.h>

#include "include/rrtest/recorder_page.h"

bool ring_next_segment(const struct ring_call *call, uint32_t *at, struct ring_segment *ret)
{
    uint64_t next;

    if (call->segments_size - *at < RING_SEGMENT)
        return false;
    memcpy(&ret->address, call->segments + *at, sizeof(ret->address));
    memcpy(&ret->length, call->segments + *at + 8, sizeof(ret->length));
    ret->data = call->segments + *at + RING_SEGMENT;
    next = *at + RING_SEGMENT + ((ret->length + 7ull) & ~7ull);
    if (next > call->segments_size)
        return false;
    *at = (uint32_t)next;
    return true;
}

uint64_t ring_call_count(const struct ring_call *call)
{
    uint64_t count = 1;

    if ((call->flags & RING_FLAG_RUN) && call->segments_size >= RING_SEGMENT + sizeof(count))
        memcpy(&count, call->segments + call->segments_size - sizeof(count), sizeof(count));
    return count;
}

bool ring_next_call(const uint8_t *data, uint64_t length, uint64_t *at, struct ring_call *ret)
{
    const uint8_t *record = data + *at;
    struct ring_segment segment;
    uint32_t inside = 0;

    if (*at >= length || length - *at < RING_HEADER)
        return false;
    memcpy(&ret->size, record + RING_SIZE, sizeof(ret->size));
    memcpy(&ret->number, record + RING_NUMBER, sizeof(ret->number));
    memcpy(&ret->flags, record + RING_FLAGS, sizeof(ret->flags));
    memcpy(&ret->result, record + RING_RESULT, sizeof(ret->result));
    memcpy(ret->arguments, record + RING_ARGUMENTS, sizeof(ret->arguments));
    if (ret->size < RING_HEADER || ret->size % 8 || ret->size > length - *at)
        return false;
    ret->segments = record + RING_HEADER;
    ret->segments_size = ret->size - RING_HEADER;
    while (ring_next_segment(ret, &inside, &segment))
        ;
    if (inside != ret->segments_size ||
        ((ret->flags & RING_FLAG_RUN) && inside < RING_SEGMENT + sizeof(uint64_t)))
        return false;
    *at += ret->size;
    return true;
}

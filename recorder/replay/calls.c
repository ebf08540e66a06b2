/* Buffered calls: the recorded ring is filled before its task runs, and must be used up when the
 * task comes to its next stop. */
#include <errno.h>
#include <string.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/events/ring.h"
#include "recorder/replay/session.h"

/* The blob follows the lengths in the records: they have to be right. */
static bool are_whole(const uint8_t *data, uint64_t length)
{
    struct ring_call call;
    uint64_t at = 0;

    while (ring_next_call(data, length, &at, &call))
        ;
    return at == length;
}

int replay_load_calls(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    volatile int64_t *used = tracee_page_word(&r->area, PAGE_RING_USED);
    uint64_t at = (uint64_t)*used;

    if (e->write_count != 1 || e->writes[0].address != RECORDER_RING + at ||
        e->writes[0].length > RECORDER_RING_SIZE - at ||
        !are_whole(e->writes[0].data, e->writes[0].length))
        return replay_failed(r, -EBADMSG, "it holds no whole calls");
    memcpy(r->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS) + at, e->writes[0].data,
           e->writes[0].length);
    *used = (int64_t)(at + e->writes[0].length);
    /* the calls change the kernel's maps themselves */
    for (size_t i = 0; i < e->map_count; i++)
        maps_apply(&t->space->maps, &e->maps[i]);
    return replay_apply_output(r);
}

int replay_check_calls(struct replay_session *r, const struct replay_task *t)
{
    uint64_t used = (uint64_t)*tracee_page_word(&r->area, PAGE_RING_USED);
    uint64_t read = (uint64_t)*tracee_page_word(&r->area, PAGE_RING_READ);
    uint16_t number = 0;

    (void)t;
    *tracee_page_word(&r->area, PAGE_RING_USED) = 0;
    *tracee_page_word(&r->area, PAGE_RING_READ) = 0;
    if (read == used)
        return 0;
    if (read < used && used <= RECORDER_RING_SIZE)
        memcpy(&number, r->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS) + read + RING_NUMBER,
               sizeof(number));
    return replay_diverged(r, "the buffered system call %u, recorded before it, was not made",
                           number);
}

/* Buffered calls: the recorded ring is filled before its task runs, and must be used up when the
 * task comes to its next stop. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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

/* The index of the event's next map operation that maps a file at the address; map_count: none. */
static size_t next_file(const struct event *e, size_t from, uint64_t address)
{
    while (from < e->map_count && !(e->maps[from].kind == MAP_OP_MAP && e->maps[from].file &&
                                    e->maps[from].address == address))
        from++;
    return from;
}

/* Mappings of files: their records get a descriptor that the task can map (last word of the first
 * segment, handlers_memory.c). */
static int hand_over_files(struct replay_session *r, struct replay_task *t, uint8_t *data,
                           uint64_t length)
{
    const struct event *e = r->event;
    struct ring_segment segment;
    struct ring_call call;
    size_t map = 0;
    uint64_t at = 0;

    while (ring_next_call(data, length, &at, &call)) {
        uint32_t inside = 0;
        uint64_t word;
        int fd, error;

        if (call.number != SYS_mmap || (call.arguments[3] & MAP_ANONYMOUS) || call.result < 0)
            continue;
        map = next_file(e, map, (uint64_t)call.result);
        if (map == e->map_count || !ring_next_segment(&call, &inside, &segment) ||
            segment.length != 6 * sizeof(word))
            return replay_failed(r, -EBADMSG, "a buffered mmap has no file");
        error = replay_file_fd(r, t, e->maps[map++].file, false, false, &fd);
        if (error)
            return error;
        word = (uint64_t)fd;
        memcpy(data + (segment.data - data) + 5 * sizeof(word), &word, sizeof(word));
    }
    return 0;
}

int replay_load_calls(struct replay_session *r, struct replay_task *t)
{
    const struct event *e = r->event;
    volatile int64_t *used = tracee_page_word(&r->area, PAGE_RING_USED);
    uint64_t at = (uint64_t)*used;
    uint8_t *ring = r->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS) + at;
    int error;

    if (e->write_count != 1 || e->writes[0].address != RECORDER_RING + at ||
        e->writes[0].length > RECORDER_RING_SIZE - at ||
        !are_whole(e->writes[0].data, e->writes[0].length))
        return replay_failed(r, -EBADMSG, "it holds no whole calls");
    memcpy(ring, e->writes[0].data, e->writes[0].length);
    error = hand_over_files(r, t, ring, e->writes[0].length);
    if (error)
        return error;
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
    *tracee_page_word(&r->area, PAGE_RUN_INDEX) = 0;
    if (read == used)
        return 0;
    if (read < used && used <= RECORDER_RING_SIZE)
        memcpy(&number, r->area.page + (RECORDER_RING - RECORDER_PAGE_ADDRESS) + read + RING_NUMBER,
               sizeof(number));
    return replay_diverged(r, "the buffered system call %u, recorded before it, was not made",
                           number);
}

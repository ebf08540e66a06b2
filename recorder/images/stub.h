/* The machine code of stubs. A stub has a hot part, which the window jumps to, and a cold part
 * with the slow paths of its counters (include/rrtest/recorder_page.h has the protocol).
 *
 *      window:  jmp hot                        hot:   sub qword [counter], 1
 *               int3 ...                              js cold
 *      next:    ...                                   <instructions of the window>
 *                                                     jmp next
 *                                              cold:  mov [spill], rcx
 *                                                     lea rcx, [<behind the js>]
 *                                                     jmp *[entry]
 */
#ifndef RECORDER_IMAGES_STUB_H
#define RECORDER_IMAGES_STUB_H

#include "recorder/images/plan.h"

#define STUB_HOT_MAX 4096
#define STUB_COLD_MAX 1024
#define STUB_MAP_MAX 512

/* What has happened when control stands at a place of a stub. */
enum stub_state {
    STATE_BODY,            /* at, or in, the copy of the instruction */
    STATE_HEAD,            /* before the instruction and its point; nothing done */
    STATE_HEAD_SPILLED,    /* the same, with rcx in the page */
    STATE_COUNTED,         /* the counter has changed, the point is not finished */
    STATE_COUNTED_SPILLED, /* the same, with rcx in the page */
};

/* From `at` bytes into the part on (until the next entry), control belongs to the instruction
 * `original` bytes behind the window's start. Also the cache file's format. */
struct stub_map {
    uint16_t at;
    uint16_t original;
    uint8_t state; /* enum stub_state */
    uint8_t point; /* enum image_point of a HEAD or COUNTED state */
};

struct stub_part {
    struct stub_map map[STUB_MAP_MAX];
    size_t map_count;
    size_t size;
};

struct stub {
    uint8_t hot_code[STUB_HOT_MAX];
    uint8_t cold_code[STUB_COLD_MAX];
    struct stub_part hot;
    struct stub_part cold;
    uint16_t entry; /* where the window enters the hot part */
};

/* Code of a window's stub for these addresses; sizes do not depend on them. False when something
 * is out of reach (a displacement over 31 bits, or a short jump in a stub with many points). */
bool stub_emit(const struct plan *plan, const struct window *window, uint64_t hot, uint64_t cold,
               struct stub *ret);

#endif

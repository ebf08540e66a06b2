/* What `rrtest doctor --image FILE` prints. */
#include <inttypes.h>

#include "recorder/images/cache.h"
#include "recorder/images/image.h"
#include "recorder/images/plan.h"

static const char *const point_names[IMAGE_POINT_COUNT] = {
    [IMAGE_POINT_TICK] = "ticks",           [IMAGE_POINT_ATOMIC] = "atomics",
    [IMAGE_POINT_CPUID] = "cpuid",          [IMAGE_POINT_RDTSC] = "rdtsc",
    [IMAGE_POINT_RANDOM] = "rdrand/rdseed", [IMAGE_POINT_CALL] = "system calls",
};

static const char *const site_names[SITE_COUNT + 1] = {
    [SITE_LOOP] = "loop",
    [SITE_INDIRECT_JUMP] = "indirect jump",
    [SITE_INDIRECT_CALL] = "indirect call",
    [SITE_ENTRY] = "recursive entry",
    [SITE_ATOMIC] = "atomic",
    [SITE_SPECIAL] = "cpuid, rdtsc or rdrand",
    [SITE_CALL] = "system call",
    [SITE_COUNT] = "range",
};

static const char *const reason_names[REASON_COUNT] = {
    [REASON_SHORT] = "no run of 5 bytes without a target inside",
    [REASON_PLACEMENT] = "no stub address makes every former boundary trap",
    [REASON_UNREACHED] = "not known to be executed",
    [REASON_RESTORER] = "unwinders know a signal frame by these bytes",
    [REASON_UNDECODED] = "a byte in it does not decode",
    [REASON_COPIED] = "the program copies it",
};

static void describe_refusals(const struct image *image, FILE *out)
{
    const struct cache_refusal *r = image->tables[TABLE_REFUSALS];

    for (uint64_t i = 0; i < image->header->tables[TABLE_REFUSALS].count; i++, r++) {
        const char *reason = r->reason < REASON_COUNT ? reason_names[r->reason] : "unknown";

        fprintf(out, "refused: %#" PRIx64 " %s: %s\n", image->header->base + r->start,
                r->site <= SITE_COUNT ? site_names[r->site] : "unknown", reason);
    }
}

static uint64_t loops_refused(const struct image *image)
{
    const struct cache_refusal *r = image->tables[TABLE_REFUSALS];
    uint64_t count = 0;

    for (uint64_t i = 0; i < image->header->tables[TABLE_REFUSALS].count; i++)
        count += r[i].site == SITE_LOOP;
    return count;
}

static uint64_t trap_windows(const struct image *image)
{
    const struct cache_window *w = image->tables[TABLE_WINDOWS];
    uint64_t count = 0;

    for (uint64_t i = 0; i < image->header->tables[TABLE_WINDOWS].count; i++)
        count += w[i].trap != 0;
    return count;
}

void image_describe(const struct image *image, FILE *out)
{
    const struct image_statistics *s = &image->header->statistics;

    fprintf(out, "code: %" PRIu64 " instructions in %" PRIu64 " ranges, %" PRIu64 " left alone\n",
            s->instructions, s->ranges, s->ranges_refused);
    fprintf(out, "loops: %" PRIu64 ", with a window %" PRIu64 "\n", s->loops, s->loops_windowed);
    fprintf(out,
            "loops accounted for otherwise: %" PRIu64 " (by a call %" PRIu64 ", by an int3 %" PRIu64
            "); not counted: %" PRIu64 "\n",
            s->loops_other + s->loops_trapped, s->loops_other, s->loops_trapped,
            loops_refused(image));
    fprintf(out, "indirect jumps: %" PRIu64 ", with a window %" PRIu64 "\n", s->indirect_jumps,
            s->indirect_jumps_windowed);
    fprintf(out, "indirect calls: %" PRIu64 ", with a window before them %" PRIu64 "\n",
            s->indirect_calls, s->indirect_calls_windowed);
    fprintf(out, "recursive entries: %" PRIu64 "\n", s->entries);
    fprintf(out, "system calls: %" PRIu64 ", with a patch region %" PRIu64 "\n", s->calls,
            s->calls_windowed);
    fprintf(out, "windows:");
    for (int i = 0; i < IMAGE_POINT_COUNT; i++)
        fprintf(out, " %s %" PRIu64, point_names[i], s->windows[i]);
    fprintf(out, "\nwindows too short for a jump, an int3 each: %" PRIu64 "\n",
            trap_windows(image));
    fprintf(out, "loops copied whole: %" PRIu64 "\n", s->cloned_loops);
    fprintf(out, "counters that keep live flags: %" PRIu64 "\n", s->live_form);
    fprintf(out, "stubs: %" PRIu64 " bytes\n", s->stub_bytes);
    fprintf(out, "sites refused: %" PRIu64 "\n", s->refused);
    describe_refusals(image, out);
}

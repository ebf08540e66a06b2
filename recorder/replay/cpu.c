/* Can this processor execute what the recorded program was told it may? The program sees the
 * recorded cpuid table again, so it picks the same code; that code has to run here. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/bytes.h"
#include "recorder/replay/session.h"

enum output { EAX, EBX, ECX, EDX };

/* Instructions that user code may execute, by their bits (Intel SDM volume 2A, CPUID; AMD APM
 * volume 3, appendix E). Bits about the system, performance or speculation don't matter here. */
static const struct feature {
    uint32_t leaf, subleaf;
    enum output output;
    uint8_t bit;
    const char *name;
} features[] = {
    {1, 0, ECX, 0, "sse3"},
    {1, 0, ECX, 1, "pclmulqdq"},
    {1, 0, ECX, 9, "ssse3"},
    {1, 0, ECX, 12, "fma"},
    {1, 0, ECX, 13, "cmpxchg16b"},
    {1, 0, ECX, 19, "sse4.1"},
    {1, 0, ECX, 20, "sse4.2"},
    {1, 0, ECX, 22, "movbe"},
    {1, 0, ECX, 23, "popcnt"},
    {1, 0, ECX, 25, "aes"},
    {1, 0, ECX, 26, "xsave"},
    {1, 0, ECX, 27, "osxsave"},
    {1, 0, ECX, 28, "avx"},
    {1, 0, ECX, 29, "f16c"},
    {1, 0, ECX, 30, "rdrand"},
    {7, 0, EBX, 0, "fsgsbase"},
    {7, 0, EBX, 3, "bmi1"},
    {7, 0, EBX, 5, "avx2"},
    {7, 0, EBX, 8, "bmi2"},
    {7, 0, EBX, 16, "avx512f"},
    {7, 0, EBX, 17, "avx512dq"},
    {7, 0, EBX, 18, "rdseed"},
    {7, 0, EBX, 19, "adx"},
    {7, 0, EBX, 21, "avx512ifma"},
    {7, 0, EBX, 23, "clflushopt"},
    {7, 0, EBX, 24, "clwb"},
    {7, 0, EBX, 28, "avx512cd"},
    {7, 0, EBX, 29, "sha"},
    {7, 0, EBX, 30, "avx512bw"},
    {7, 0, EBX, 31, "avx512vl"},
    {7, 0, ECX, 1, "avx512vbmi"},
    {7, 0, ECX, 4, "ospke"},
    {7, 0, ECX, 6, "avx512vbmi2"},
    {7, 0, ECX, 8, "gfni"},
    {7, 0, ECX, 9, "vaes"},
    {7, 0, ECX, 10, "vpclmulqdq"},
    {7, 0, ECX, 11, "avx512vnni"},
    {7, 0, ECX, 12, "avx512bitalg"},
    {7, 0, ECX, 14, "avx512vpopcntdq"},
    {7, 0, ECX, 27, "movdiri"},
    {7, 0, ECX, 28, "movdir64b"},
    {7, 0, EDX, 8, "avx512vp2intersect"},
    {7, 0, EDX, 14, "serialize"},
    {7, 0, EDX, 22, "amx-bf16"},
    {7, 0, EDX, 23, "avx512fp16"},
    {7, 0, EDX, 24, "amx-tile"},
    {7, 0, EDX, 25, "amx-int8"},
    {7, 1, EAX, 0, "sha512"},
    {7, 1, EAX, 1, "sm3"},
    {7, 1, EAX, 2, "sm4"},
    {7, 1, EAX, 4, "avx-vnni"},
    {7, 1, EAX, 5, "avx512bf16"},
    {7, 1, EAX, 7, "cmpccxadd"},
    {7, 1, EAX, 21, "amx-fp16"},
    {7, 1, EAX, 23, "avx-ifma"},
    {7, 1, EDX, 4, "avx-vnni-int8"},
    {7, 1, EDX, 5, "avx-ne-convert"},
    {0xd, 0, EAX, 2, "avx state"},
    {0xd, 0, EAX, 5, "avx512 mask state"},
    {0xd, 0, EAX, 6, "avx512 upper state"},
    {0xd, 0, EAX, 7, "avx512 high state"},
    {0xd, 0, EAX, 9, "protection key state"},
    {0xd, 0, EAX, 18, "amx tile state"},
    {0xd, 1, EAX, 0, "xsaveopt"},
    {0xd, 1, EAX, 1, "xsavec"},
    {0xd, 1, EAX, 2, "xgetbv with ecx 1"},
    {0x80000001, 0, ECX, 0, "lahf"},
    {0x80000001, 0, ECX, 5, "lzcnt"},
    {0x80000001, 0, ECX, 6, "sse4a"},
    {0x80000001, 0, ECX, 11, "xop"},
    {0x80000001, 0, ECX, 16, "fma4"},
    {0x80000001, 0, ECX, 21, "tbm"},
    {0x80000001, 0, ECX, 29, "monitorx"},
    {0x80000001, 0, EDX, 22, "mmxext"},
    {0x80000001, 0, EDX, 27, "rdtscp"},
    {0x80000001, 0, EDX, 30, "3dnowext"},
    {0x80000001, 0, EDX, 31, "3dnow"},
    {0x80000008, 0, EBX, 0, "clzero"},
};

/* Components of extended state that user code can put into use (Intel SDM volume 1, 13.1): all that
 * the recorded table has room to describe. */
#define STATE_LEAF 0xd
#define STATE_FIRST 2 /* x87 and SSE lie in the legacy area */
#define STATE_LAST 18

struct leaf {
    uint32_t leaf, subleaf;
    uint32_t theirs[4], ours[4]; /* EAX... as recorded and of this machine; 0: no such leaf */
};

/* The entry's layout is that of recorder_page.h. */
static void recorded(const struct trace_meta *meta, struct leaf *l)
{
    memset(l->theirs, 0, sizeof(l->theirs));
    for (uint64_t at = 0; at + RECORDER_CPUID_ENTRY_SIZE <= meta->cpuid_length;
         at += RECORDER_CPUID_ENTRY_SIZE) {
        uint32_t entry[8];

        memcpy(entry, meta->cpuid_table + at, sizeof(entry));
        if (entry[0] != l->leaf || (entry[1] != l->subleaf && !(entry[2] & 1)))
            continue;
        memcpy(l->theirs, entry + 4, sizeof(l->theirs));
        return;
    }
}

static void read_leaf(const struct trace_meta *meta, uint32_t leaf, uint32_t subleaf,
                      struct leaf *ret)
{
    ret->leaf = leaf;
    ret->subleaf = subleaf;
    recorded(meta, ret);
    if (!__get_cpuid_count(leaf, subleaf, &ret->ours[EAX], &ret->ours[EBX], &ret->ours[ECX],
                           &ret->ours[EDX]))
        memset(ret->ours, 0, sizeof(ret->ours));
}

static void add_name(struct bytes *list, const char *name)
{
    if (list->length > 0)
        bytes_append(list, ", ", 2);
    bytes_append(list, name, strlen(name));
}

/* What the recorded program may have used and this processor lacks. */
static void list_missing(const struct trace_meta *meta, struct bytes *missing)
{
    struct leaf l = {.leaf = UINT32_MAX};

    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
        const struct feature *f = &features[i];

        if (l.leaf != f->leaf || l.subleaf != f->subleaf)
            read_leaf(meta, f->leaf, f->subleaf, &l); /* once: microseconds in a virtual machine */
        if ((l.theirs[f->output] >> f->bit & 1) && !(l.ours[f->output] >> f->bit & 1))
            add_name(missing, f->name);
    }
}

/* Where a component of extended state lies differs between vendors (AVX-512 behind MPX's room or
 * not), and what xsave writes is the program's memory. */
static void list_moved(const struct trace_meta *meta, struct bytes *moved)
{
    struct leaf state, component;
    char name[32];

    read_leaf(meta, STATE_LEAF, 0, &state);
    for (uint32_t i = STATE_FIRST; i <= STATE_LAST; i++) {
        if (!(state.theirs[EAX] & state.ours[EAX] & 1u << i))
            continue;
        read_leaf(meta, STATE_LEAF, i, &component);
        if (component.theirs[EAX] == component.ours[EAX] &&
            component.theirs[EBX] == component.ours[EBX])
            continue;
        snprintf(name, sizeof(name), "%u", i);
        add_name(moved, name);
    }
}

int replay_check_cpu(const struct trace_meta *meta, struct rr_error *error)
{
    struct bytes list = {0};
    int code = 0;

    list_missing(meta, &list);
    if (list.length > 0) {
        code = rr_error_set(error, -EOPNOTSUPP,
                            "the trace was recorded with %.*s, which this processor does not have: "
                            "replay it on one that has, or try --force",
                            (int)list.length, (const char *)list.data);
    } else if (meta->cpuid_length > 0) {
        list_moved(meta, &list);
        if (list.length > 0)
            code = rr_error_set(error, -EOPNOTSUPP,
                                "the trace was recorded on a processor that saves extended state "
                                "(xsave component %.*s) in another layout than this one: replay it "
                                "on one of that make, or try --force",
                                (int)list.length, (const char *)list.data);
    }
    bytes_done(&list);
    return code;
}

/* Can this processor execute what the recorded program was told it may? The program sees the
 * recorded cpuid table again, so it picks the same code; that code has to run here. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/rrtest/recorder_page.h"
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

/* The entry's layout is that of recorder_page.h. */
static bool recorded(const struct trace_meta *meta, const struct feature *f, uint32_t ret[4])
{
    for (uint64_t at = 0; at + RECORDER_CPUID_ENTRY_SIZE <= meta->cpuid_length;
         at += RECORDER_CPUID_ENTRY_SIZE) {
        uint32_t entry[8];

        memcpy(entry, meta->cpuid_table + at, sizeof(entry));
        if (entry[0] != f->leaf || (entry[1] != f->subleaf && !(entry[2] & 1)))
            continue;
        memcpy(ret, entry + 4, 4 * sizeof(*ret));
        return true;
    }
    return false;
}

static void host(const struct feature *f, uint32_t ret[4])
{
    if (!__get_cpuid_count(f->leaf, f->subleaf, &ret[EAX], &ret[EBX], &ret[ECX], &ret[EDX]))
        memset(ret, 0, 4 * sizeof(*ret));
}

int replay_check_cpu(const struct trace_meta *meta, struct rr_error *error)
{
    char missing[256] = "";
    size_t length = 0;
    const struct feature *last = NULL;
    uint32_t theirs[4] = {0}, ours[4] = {0};

    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
        const struct feature *f = &features[i];

        if (!last || last->leaf != f->leaf || last->subleaf != f->subleaf) {
            if (!recorded(meta, f, theirs))
                memset(theirs, 0, sizeof(theirs));
            host(f, ours); /* once a leaf: each costs microseconds in a virtual machine */
        }
        last = f;
        if ((theirs[f->output] >> f->bit & 1) && !(ours[f->output] >> f->bit & 1) &&
            length + 32 < sizeof(missing))
            length += (size_t)snprintf(missing + length, sizeof(missing) - length, "%s%s",
                                       length ? ", " : "", f->name);
    }
    if (length == 0)
        return 0;
    return rr_error_set(error, -EOPNOTSUPP,
                        "the trace was recorded on a processor with %s, which this one lacks: "
                        "replay it on a machine that has them",
                        missing);
}

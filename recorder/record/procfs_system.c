/* Files directly under /proc: uptime, load, statistics. Counters of the machine become constants,
 * times those of the virtual clock. */
#include "recorder/record/procfs_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

#define TICKS_PER_SECOND 100u
#define NS_PER_TICK 10000000u

void procfs_text_uptime(struct bytes *ret, const struct procfs_system_facts *facts)
{
    unsigned long ticks = facts->up_ns / NS_PER_TICK;
    unsigned long idle = (facts->up_ns * 2 - facts->cpu_ns) / NS_PER_TICK;

    text_format(ret, "%lu.%02lu %lu.%02lu\n", ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND,
                idle / TICKS_PER_SECOND, idle % TICKS_PER_SECOND);
}

void procfs_text_loadavg(struct bytes *ret, const struct procfs_system_facts *facts)
{
    text_format(ret, "0.00 0.00 0.00 1/%u %d\n", facts->tasks, facts->last_pid);
}

/* Two processors, as everywhere in a run; all work was done by the first. */
void procfs_text_stat(struct bytes *ret, const struct procfs_system_facts *facts)
{
    unsigned long up = facts->up_ns / NS_PER_TICK, used = facts->cpu_ns / NS_PER_TICK;

    text_format(ret,
                "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n"
                "cpu0 %lu 0 0 %lu 0 0 0 0 0 0\n"
                "cpu1 0 0 0 %lu 0 0 0 0 0 0\n"
                "intr 0\nctxt 0\nbtime %lu\nprocesses %u\nprocs_running 1\nprocs_blocked 0\n"
                "softirq 0 0 0 0 0 0 0 0 0 0 0\n",
                used, up * 2 - used, used, up - used, up, (unsigned long)facts->boot_seconds,
                facts->processes);
}

static const struct {
    const char *key;
    unsigned long kib;
} memory_lines[] = {
    {"MemTotal", PROCFS_MEMORY_TOTAL_KB},    {"MemFree", PROCFS_MEMORY_FREE_KB},
    {"MemAvailable", PROCFS_MEMORY_FREE_KB}, {"CommitLimit", PROCFS_MEMORY_FREE_KB},
    {"VmallocTotal", 34359738367ul},         {"Hugepagesize", 2048},
};

static unsigned long memory_value(const char *key, size_t length)
{
    for (size_t i = 0; i < sizeof(memory_lines) / sizeof(*memory_lines); i++)
        if (strlen(memory_lines[i].key) == length && memcmp(memory_lines[i].key, key, length) == 0)
            return memory_lines[i].kib;
    return 0;
}

void procfs_edit_meminfo(struct bytes *ret, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n"), key = strcspn(text, ":\n");
        bool pages = strncmp(text, "HugePages_", 10) == 0;

        if (text[key] == ':')
            text_format(ret, "%.*s:%*lu%s\n", (int)key, text, key < 15 ? (int)(23 - key) : 8,
                        memory_value(text, key), pages ? "" : " kB");
        text += length;
        text += *text == '\n';
    }
}

void procfs_edit_node_meminfo(struct bytes *ret, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n"), before = strspn(text, "Node 0123456789");
        size_t key = before < length ? strcspn(text + before, ":\n") : 0;

        if (text[before + key] == ':')
            text_format(ret, "%.*s:%15lu%s\n", (int)(before + key), text,
                        memory_value(text + before, key), text[length - 1] == 'B' ? " kB" : "");
        text += length;
        text += *text == '\n';
    }
}

/* The frequency is the only line that moves. */
void procfs_edit_cpuinfo(struct bytes *ret, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        const char *colon = memchr(text, ':', length);

        if (strncmp(text, "cpu MHz", 7) == 0 && colon)
            text_format(ret, "%.*s: 2000.000", (int)(colon - text), text);
        else
            bytes_append(ret, text, length);
        text += length;
        if (*text) {
            bytes_append(ret, "\n", 1);
            text++;
        }
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

void procfs_edit_counters(struct bytes *ret, const char *text)
{
    bool line_start = true;
    char before = '\n';

    while (*text) {
        size_t blanks = strspn(text, " "), digits;

        digits = strspn(text + blanks, "0123456789");
        if (digits > 0 && !is_word(text[blanks + digits]) && (blanks > 0 || !is_word(before))) {
            if (line_start && text[blanks + digits] == ':')
                bytes_append(ret, text, blanks + digits);
            else
                bytes_append(ret, blanks > 0 ? " 0" : "0", blanks > 0 ? 2 : 1);
            before = '0';
            line_start = false;
            text += blanks + digits;
            continue;
        }
        if (blanks > 0 && text[blanks]) {
            bytes_append(ret, text, blanks);
            text += blanks;
            before = ' ';
            continue;
        }
        bytes_append(ret, text, 1);
        before = *text++;
        line_start = before == '\n';
    }
}

void procfs_text_uuid(struct bytes *ret, const uint8_t random[16])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t b[16];

    memcpy(b, random, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    for (int i = 0; i < 16; i++) {
        char pair[2] = {digits[b[i] >> 4], digits[b[i] & 15]};

        if (i == 4 || i == 6 || i == 8 || i == 10)
            bytes_append(ret, "-", 1);
        bytes_append(ret, pair, 2);
    }
    bytes_append(ret, "\n", 1);
}

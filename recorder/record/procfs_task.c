/* /proc/PID/{status,stat,statm,auxv} as a program that nobody traces would read them. */
#include "recorder/record/procfs_text.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"

/* ---- status: one "Key:\tvalue" per line ----------------------------------------------------- */

static const char *state_name(char state)
{
    switch (state) {
    case 'R':
        return "R (running)";
    case 'T':
        return "T (stopped)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "S (sleeping)";
    }
}

enum status_kind {
    STATUS_CONSTANT, /* the text in `constant` */
    STATUS_NUMBER,   /* the number at `offset`, an unsigned or an int */
    STATUS_SIGNALS,  /* the set at `offset` */
    STATUS_KIB,      /* the size at `offset` */
    STATUS_SPECIAL,
};

#define FACT(member) offsetof(struct procfs_task_facts, member)

static const struct status_line {
    const char *key;
    enum status_kind kind;
    size_t offset;
    const char *constant;
} status_lines[] = {
    {"State", STATUS_SPECIAL, 0, NULL},
    {"SigQ", STATUS_SPECIAL, 0, NULL},
    {"NoNewPrivs", STATUS_SPECIAL, 0, NULL},
    {"PPid", STATUS_NUMBER, FACT(parent), NULL},
    {"TracerPid", STATUS_CONSTANT, 0, "0"},
    {"FDSize", STATUS_NUMBER, FACT(table_size), NULL},
    {"Threads", STATUS_NUMBER, FACT(threads), NULL},
    {"Seccomp", STATUS_NUMBER, FACT(seccomp_mode), NULL},
    {"Seccomp_filters", STATUS_NUMBER, FACT(seccomp_filters), NULL},
    {"SigPnd", STATUS_SIGNALS, FACT(pending), NULL},
    {"ShdPnd", STATUS_SIGNALS, FACT(shared_pending), NULL},
    {"SigBlk", STATUS_SIGNALS, FACT(blocked), NULL},
    {"SigIgn", STATUS_SIGNALS, FACT(ignored), NULL},
    {"SigCgt", STATUS_SIGNALS, FACT(caught), NULL},
    {"VmPeak", STATUS_KIB, FACT(memory.total), NULL},
    {"VmSize", STATUS_KIB, FACT(memory.total), NULL},
    {"VmHWM", STATUS_KIB, FACT(memory.resident), NULL},
    {"VmRSS", STATUS_KIB, FACT(memory.resident), NULL},
    {"RssAnon", STATUS_KIB, FACT(memory.resident_anonymous), NULL},
    {"RssFile", STATUS_KIB, FACT(memory.resident_file), NULL},
    {"RssShmem", STATUS_KIB, FACT(memory.resident_shared), NULL},
    {"VmData", STATUS_KIB, FACT(memory.data), NULL},
    {"VmStk", STATUS_KIB, FACT(memory.stack), NULL},
    {"VmExe", STATUS_KIB, FACT(memory.program), NULL},
    {"VmLib", STATUS_KIB, FACT(memory.library), NULL},
    {"VmPTE", STATUS_CONSTANT, 0, "      64 kB"},
    {"VmSwap", STATUS_CONSTANT, 0, "       0 kB"},
    {"Cpus_allowed", STATUS_CONSTANT, 0, "3"},
    {"Cpus_allowed_list", STATUS_CONSTANT, 0, "0-1"},
    {"voluntary_ctxt_switches", STATUS_CONSTANT, 0, "0"},
    {"nonvoluntary_ctxt_switches", STATUS_CONSTANT, 0, "0"},
};

static const struct status_line *find_line(const char *key, size_t length)
{
    for (size_t i = 0; i < sizeof(status_lines) / sizeof(*status_lines); i++)
        if (strlen(status_lines[i].key) == length && memcmp(status_lines[i].key, key, length) == 0)
            return &status_lines[i];
    return NULL;
}

/* The limit of SigQ ("0/31127") is a fact of the machine; how many are queued is one of the model.
 */
static void put_special(struct bytes *ret, const struct status_line *line, const char *value,
                        size_t length, const struct procfs_task_facts *facts)
{
    const char *slash;

    if (strcmp(line->key, "State") == 0) {
        text_format(ret, "%s", state_name(facts->state));
    } else if (strcmp(line->key, "NoNewPrivs") == 0) {
        text_format(ret, "%.*s", (int)length, facts->hide_no_new_privileges ? "0" : value);
    } else {
        slash = memchr(value, '/', length);
        text_format(ret, "%lu%.*s", (unsigned long)facts->queued,
                    slash ? (int)(value + length - slash) : 0, slash ? slash : "");
    }
}

static void put_value(struct bytes *ret, const struct status_line *line, const char *value,
                      size_t length, const struct procfs_task_facts *facts)
{
    const char *at = (const char *)facts + line->offset;
    uint64_t wide;
    int number;

    switch (line->kind) {
    case STATUS_CONSTANT:
        text_format(ret, "%s", line->constant);
        return;
    case STATUS_NUMBER:
        memcpy(&number, at, sizeof(number));
        text_format(ret, "%d", number);
        return;
    case STATUS_SIGNALS:
        memcpy(&wide, at, sizeof(wide));
        text_format(ret, "%016lx", (unsigned long)wide);
        return;
    case STATUS_KIB:
        memcpy(&wide, at, sizeof(wide));
        text_format(ret, "%8lu kB", (unsigned long)wide);
        return;
    case STATUS_SPECIAL:
        put_special(ret, line, value, length, facts);
        return;
    }
}

void procfs_edit_status(struct bytes *ret, const char *text, const struct procfs_task_facts *facts)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        size_t key = strcspn(text, ":\n");
        const struct status_line *line = find_line(text, key);

        if (line && text[key] == ':' && key + 2 <= length) {
            bytes_append(ret, text, key + 2);
            put_value(ret, line, text + key + 2, length - key - 2, facts);
        } else {
            bytes_append(ret, text, length);
        }
        text += length;
        if (*text) {
            bytes_append(ret, "\n", 1);
            text++;
        }
    }
}

/* ---- stat: numbered fields, proc_pid_stat(5) ------------------------------------------------- */

#define STAT_FIELDS 52

static const uint8_t stat_zero[] = {10, 11, 12, 13, 21, 29, 30, 35, 36, 37, 39, 42, 43, 44};

static const uint8_t stat_address[] = {26, 27, 28, 45, 46, 47, 48, 49, 50, 51};

static void set_field(char field[][24], int number, uint64_t value)
{
    snprintf(field[number], sizeof(field[number]), "%lu", (unsigned long)value);
}

void procfs_edit_stat(struct bytes *ret, const char *text, const struct procfs_task_facts *facts)
{
    char field[STAT_FIELDS + 1][24];
    const char *at = strrchr(text, ')');
    int count = 2;

    if (!at) {
        bytes_append(ret, text, strlen(text));
        return;
    }
    bytes_append(ret, text, (size_t)(at + 1 - text));
    at++;
    while (*at == ' ' && count < STAT_FIELDS) {
        size_t length = strcspn(++at, " \n");

        snprintf(field[++count], sizeof(field[0]), "%.*s", (int)length, at);
        at += length;
    }
    for (int i = count + 1; i <= STAT_FIELDS; i++)
        snprintf(field[i], sizeof(field[i]), "0");
    snprintf(field[3], sizeof(field[3]), "%c", facts->state);
    snprintf(field[4], sizeof(field[4]), "%d", facts->parent);
    for (size_t i = 0; i < sizeof(stat_zero); i++)
        set_field(field, stat_zero[i], 0);
    set_field(field, 9, 0x400000); /* PF_RANDOMIZE, as most processes have it */
    set_field(field, 14, facts->cpu_ticks);
    set_field(field, 15, 0);
    set_field(field, 16, facts->children_cpu_ticks);
    set_field(field, 17, 0);
    set_field(field, 20, facts->threads);
    set_field(field, 22, facts->start_ticks);
    set_field(field, 23, facts->memory.total * 1024);
    set_field(field, 24, facts->memory.resident / 4);
    set_field(field, 31, facts->pending & 0x7fffffff);
    set_field(field, 32, facts->blocked & 0x7fffffff);
    set_field(field, 33, facts->ignored & 0x7fffffff);
    set_field(field, 34, facts->caught & 0x7fffffff);
    for (size_t i = 0; facts->hide_memory && i < sizeof(stat_address); i++)
        set_field(field, stat_address[i], 0);
    for (int i = 3; i <= count; i++)
        text_format(ret, " %s", field[i]);
    bytes_append(ret, "\n", 1);
}

void procfs_text_statm(struct bytes *ret, const struct procfs_memory *m)
{
    text_format(ret, "%lu %lu %lu %lu 0 %lu 0\n", (unsigned long)(m->total / 4),
                (unsigned long)(m->resident / 4),
                (unsigned long)((m->resident_file + m->resident_shared) / 4),
                (unsigned long)(m->program / 4), (unsigned long)((m->data + m->stack) / 4));
}

void procfs_edit_auxv(struct bytes *ret, const void *data, size_t length)
{
    const uint8_t *at = data;
    uint64_t pair[2];

    for (; length >= sizeof(pair); at += sizeof(pair), length -= sizeof(pair)) {
        memcpy(pair, at, sizeof(pair));
        if (pair[0] == AT_SYSINFO_EHDR)
            pair[0] = AT_IGNORE;
        bytes_append(ret, pair, sizeof(pair));
    }
    bytes_append(ret, at, length);
}

/* ---- mounts (proc_pid_mountinfo(5), proc_pid_fdinfo(5)) -------------------------------------- */

void procfs_edit_mountinfo(struct bytes *ret, const char *text,
                           const struct procfs_numbers *numbers)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        unsigned long id, parent;
        unsigned device_major, device_minor;
        int rest = 0;

        if (sscanf(text, "%lu %lu %u:%u%n", &id, &parent, &device_major, &device_minor, &rest) ==
            4) {
            if (device_major == 0)
                device_minor = numbers->device(numbers->context, device_minor);
            id = numbers->mount(numbers->context, id);
            parent = numbers->mount(numbers->context, parent);
            text_format(ret, "%lu %lu %u:%u", id, parent, device_major, device_minor);
        }
        bytes_append(ret, text + rest, length - (size_t)rest);
        text += length;
        if (*text) {
            bytes_append(ret, "\n", 1);
            text++;
        }
    }
}

void procfs_edit_fdinfo(struct bytes *ret, const char *text, uint64_t inode,
                        const struct procfs_numbers *numbers)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        unsigned long value;

        if (sscanf(text, "mnt_id:\t%lu", &value) == 1)
            text_format(ret, "mnt_id:\t%lu",
                        (unsigned long)numbers->mount(numbers->context, value));
        else if (inode && strncmp(text, "ino:\t", 5) == 0)
            text_format(ret, "ino:\t%lu", (unsigned long)inode);
        else
            bytes_append(ret, text, length);
        text += length;
        if (*text) {
            bytes_append(ret, "\n", 1);
            text++;
        }
    }
}

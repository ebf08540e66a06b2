/* The table of probes, what it means for recording, and both ways to print it. */
#include "harness/doctor/doctor.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct probe probes[] = {
    {"ptrace_seize", "tracing a process", true, probe_seize},
    {"seccomp_trace", "system calls stop by seccomp", true, probe_seccomp},
    {"sysemu", "emulated system calls (replay)", true, probe_sysemu},
    {"map_fixed_low", "mapping at 0x70000000", true, probe_low_address},
    {"pidfd_getfd", "pidfd_getfd", true, probe_pidfd_getfd},
    {"pidfd_thread", "PIDFD_THREAD", false, probe_pidfd_thread},
    {"aslr_off", "ASLR can be switched off", false, probe_aslr},
    {"user_namespace", "user namespace", false, probe_user_namespace},
    {"pid_namespace", "pid namespace", false, probe_pid_namespace},
    {"mount_namespace", "mount namespace", false, probe_mount_namespace},
    {"network_namespace", "network namespace", false, probe_network_namespace},
    {"syscall_user_dispatch", "Syscall User Dispatch", false, probe_dispatch},
    {"performance_counters", "hardware performance counters", false, probe_counters},
    {"hardware_breakpoints", "hardware breakpoints", false, probe_breakpoint},
    {"tsc_trap", "rdtsc can be trapped", false, probe_tsc},
    {"cpuid_faulting", "cpuid can be trapped", false, probe_cpuid_fault},
    {"stop_us", "one ptrace stop, same CPU", false, probe_stop_cost},
    {"stop_apart_us", "one ptrace stop, two CPUs", false, probe_stop_cost_apart},
    {"step_us", "one single step", false, probe_step_cost},
    {"registers_us", "reading registers", false, probe_registers_cost},
    {"syscall_us", "a plain system call", false, probe_syscall_cost},
    {"cpuid_us", "one cpuid", false, probe_cpuid_cost},
    {"spawn_us", "spawn of /bin/true", false, probe_spawn_cost},
};
#define PROBE_TOTAL (sizeof(probes) / sizeof(*probes))

const struct probe *doctor_probes(size_t *ret_count)
{
    *ret_count = PROBE_TOTAL;
    return probes;
}

static const char *answer_word(enum probe_answer answer)
{
    switch (answer) {
    case PROBE_YES:
        return "yes";
    case PROBE_NO:
        return "no";
    case PROBE_BROKEN:
        return "broken";
    case PROBE_NUMBER:
        return "number";
    case PROBE_FAILED:
        break;
    }
    return "unknown";
}

static enum probe_answer answer_of(const struct probe_result *results, const char *key)
{
    for (size_t i = 0; i < PROBE_TOTAL; i++) {
        if (strcmp(probes[i].key, key) == 0)
            return results[i].answer;
    }
    return PROBE_FAILED;
}

/* A and B of the design: neither has counters; A has none of the traps, B has all. */
static const char *machine_kind(const struct probe_result *results)
{
    bool counters = answer_of(results, "performance_counters") == PROBE_YES;
    int traps = (answer_of(results, "hardware_breakpoints") == PROBE_YES) +
                (answer_of(results, "tsc_trap") == PROBE_YES) +
                (answer_of(results, "cpuid_faulting") == PROBE_YES);

    if (counters)
        return "other";
    return traps == 0 ? "A" : traps == 3 ? "B" : "other";
}

static bool can_record(const struct probe_result *results)
{
    for (size_t i = 0; i < PROBE_TOTAL; i++) {
        if (probes[i].required && results[i].answer != PROBE_YES)
            return false;
    }
    return true;
}

static void print_table(const struct probe_result *results, FILE *out)
{
    struct utsname system;

    uname(&system);
    fprintf(out, "Linux %s, %s, %ld CPUs\n\n", system.release, system.machine,
            sysconf(_SC_NPROCESSORS_ONLN));
    for (size_t i = 0; i < PROBE_TOTAL; i++) {
        const struct probe_result *r = &results[i];

        fprintf(out, "%-34s ", probes[i].title);
        if (r->answer == PROBE_NUMBER)
            fprintf(out, "%.2f us\n", r->microseconds);
        else
            fprintf(out, "%-8s%s%s%s\n", answer_word(r->answer), r->detail,
                    probes[i].required && r->answer != PROBE_YES ? "  <- rrtest needs this" : "",
                    "");
    }
    fprintf(out, "\nkind of machine: %s (A: no counters, no traps; B: no counters, traps work)\n",
            machine_kind(results));
    fprintf(out, "recording works here: %s\n", can_record(results) ? "yes" : "no");
}

/* Details come from strerror and our own literals: quotes and backslashes are all that can be
 * there. */
static void print_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_json(const struct probe_result *results, FILE *out)
{
    struct utsname system;

    uname(&system);
    fprintf(out, "{\"kernel\": ");
    print_string(system.release, out);
    fprintf(out, ", \"cpus\": %ld, \"kind\": \"%s\", \"can_record\": %s, \"probes\": {",
            sysconf(_SC_NPROCESSORS_ONLN), machine_kind(results),
            can_record(results) ? "true" : "false");
    for (size_t i = 0; i < PROBE_TOTAL; i++) {
        const struct probe_result *r = &results[i];

        fprintf(out, "%s\"%s\": ", i ? ", " : "", probes[i].key);
        if (r->answer == PROBE_NUMBER) {
            fprintf(out, "%.3f", r->microseconds);
        } else {
            fprintf(out, "{\"answer\": \"%s\", \"detail\": ", answer_word(r->answer));
            print_string(r->detail, out);
            fputc('}', out);
        }
    }
    fprintf(out, "}}\n");
}

int doctor_report(bool json, FILE *out)
{
    struct probe_result results[PROBE_TOTAL];

    for (size_t i = 0; i < PROBE_TOTAL; i++)
        probe_execute(&probes[i], &results[i]);
    if (json)
        print_json(results, out);
    else
        print_table(results, out);
    return can_record(results) ? 0 : 3;
}

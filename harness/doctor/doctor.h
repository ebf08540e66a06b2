/* What this machine can and cannot do, and what that costs: each fact is probed by doing it, in a
 * child process with a time limit. Nothing is concluded from vendor or model names. */
#ifndef HARNESS_DOCTOR_DOCTOR_H
#define HARNESS_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum probe_answer {
    PROBE_YES,
    PROBE_NO,
    PROBE_BROKEN, /* accepted, but does not do what it says */
    PROBE_NUMBER, /* a measurement: microseconds */
    PROBE_FAILED, /* the probe itself came to nothing */
};

struct probe_result {
    enum probe_answer answer;
    double microseconds; /* PROBE_NUMBER */
    char detail[96];     /* one phrase; may be empty */
};

struct probe {
    const char *key;   /* of --json */
    const char *title; /* for people */
    bool required;     /* rrtest cannot record where the answer is no */
    /* Runs in a child of its own, which is killed when it takes too long. */
    void (*run)(struct probe_result *ret);
};

/* The probes; *ret_count of them. */
const struct probe *doctor_probes(size_t *ret_count);

/* Run one probe. Always fills *ret. */
void probe_execute(const struct probe *probe, struct probe_result *ret);

/* Helpers for probes. */
void probe_yes(struct probe_result *r, bool yes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void probe_failed(struct probe_result *r, const char *what); /* with errno */
void probe_time(struct probe_result *r, uint64_t ns, uint64_t times);
uint64_t probe_now_ns(void);
void probe_pin(int nth); /* to the nth CPU we may use; nothing if there is none */

/* probe_ptrace.c, probe_cpu.c, probe_kernel.c */
void probe_seize(struct probe_result *r);
void probe_seccomp(struct probe_result *r);
void probe_sysemu(struct probe_result *r);
void probe_stop_cost(struct probe_result *r);
void probe_stop_cost_apart(struct probe_result *r);
void probe_step_cost(struct probe_result *r);
void probe_registers_cost(struct probe_result *r);
void probe_breakpoint(struct probe_result *r);
void probe_dispatch(struct probe_result *r);
void probe_counters(struct probe_result *r);
void probe_tsc(struct probe_result *r);
void probe_cpuid_fault(struct probe_result *r);
void probe_cpuid_cost(struct probe_result *r);
void probe_syscall_cost(struct probe_result *r);
void probe_spawn_cost(struct probe_result *r);
void probe_user_namespace(struct probe_result *r);
void probe_pid_namespace(struct probe_result *r);
void probe_mount_namespace(struct probe_result *r);
void probe_network_namespace(struct probe_result *r);
void probe_aslr(struct probe_result *r);
void probe_pidfd_getfd(struct probe_result *r);
void probe_pidfd_thread(struct probe_result *r);
void probe_low_address(struct probe_result *r);

/* Run all probes and print the table, or one JSON object. Returns 0, or 3 when a required one says
 * that nothing can be recorded here. */
int doctor_report(bool json, FILE *out);

#endif

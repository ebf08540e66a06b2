/* Calls that name the machine or the process and are answered or bent by the recorder. */
#ifndef RECORDER_RECORD_MISC_H
#define RECORDER_RECORD_MISC_H

#include "recorder/record/session.h"

enum call_action model_sched_yield(struct session *s, struct task *t, struct call *c);
enum call_action model_getrandom(struct session *s, struct task *t, struct call *c);
enum call_action model_prctl(struct session *s, struct task *t, struct call *c);
enum call_action model_arch_prctl(struct session *s, struct task *t, struct call *c);
enum call_action model_sysinfo(struct session *s, struct task *t, struct call *c);
enum call_action model_getcpu(struct session *s, struct task *t, struct call *c);
enum call_action model_sched_getaffinity(struct session *s, struct task *t, struct call *c);
enum call_action model_sched_setaffinity(struct session *s, struct task *t, struct call *c);
enum call_action model_personality(struct session *s, struct task *t, struct call *c);
enum call_action model_setns(struct session *s, struct task *t, struct call *c);
enum call_action model_restart_syscall(struct session *s, struct task *t, struct call *c);
enum call_action model_process_vm_writev(struct session *s, struct task *t, struct call *c);

#endif

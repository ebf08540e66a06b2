/* Processes and tasks coming and going: clone, exec, exit, wait, kill. */
#ifndef RECORDER_RECORD_PROCESS_H
#define RECORDER_RECORD_PROCESS_H

#include "recorder/record/session.h"

/* PTRACE_EVENT_EXIT: the kernel has begun to end the task. Records what it leaves behind
 * (clear_tid, robust list), resumes it and waits for its death where that cannot block. */
void process_task_exiting(struct session *s, struct task *t, int status);
void process_task_dead(struct session *s, struct task *t, int status);
/* Let the kernel kill t's whole process by this signal (default action) and see it through. */
void process_kill(struct session *s, struct task *t, int signal);
void process_notify_parent(struct session *s, struct process *p, int code, int status);
void process_timers_free(struct process *p);
struct process *process_of_pidfd(struct session *s, struct task *t, int fd);
/* exec or exit of a vfork child lets its parent go on. */
void process_release_vfork(struct process *p);

enum call_action model_clone(struct session *s, struct task *t, struct call *c);
enum call_action model_clone3(struct session *s, struct task *t, struct call *c);
enum call_action model_fork(struct session *s, struct task *t, struct call *c);
enum call_action model_vfork(struct session *s, struct task *t, struct call *c);
enum call_action model_execve(struct session *s, struct task *t, struct call *c);
enum call_action model_exit(struct session *s, struct task *t, struct call *c);
enum call_action model_exit_group(struct session *s, struct task *t, struct call *c);
enum call_action model_wait4(struct session *s, struct task *t, struct call *c);
enum call_action model_waitid(struct session *s, struct task *t, struct call *c);
enum call_action model_set_tid_address(struct session *s, struct task *t, struct call *c);
enum call_action model_getpid(struct session *s, struct task *t, struct call *c);
enum call_action model_gettid(struct session *s, struct task *t, struct call *c);
enum call_action model_getppid(struct session *s, struct task *t, struct call *c);
enum call_action model_setpgid(struct session *s, struct task *t, struct call *c);
enum call_action model_setsid(struct session *s, struct task *t, struct call *c);
enum call_action model_getpgid(struct session *s, struct task *t, struct call *c);

#endif

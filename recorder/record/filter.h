/* Seccomp filters that the program installs: kept and interpreted here, never given to the kernel,
 * where their ERRNO, TRAP and KILL would outrank the recorder's TRACE (seccomp(2)). */
#ifndef RECORDER_RECORD_FILTER_H
#define RECORDER_RECORD_FILTER_H

#include "recorder/record/session.h"

struct filter; /* a chain, newest first; shared by reference */

struct filter *filter_ref(struct filter *f);
void filter_unref(struct filter *f);
/* What the chain says of the call at its entry: SECCOMP_RET_* with its data. */
uint32_t filter_run(const struct filter *f, uint64_t nr, uint64_t ip, const uint64_t args[6]);

enum call_action model_seccomp(struct session *s, struct task *t, struct call *c);
/* prctl(PR_SET_SECCOMP). */
enum call_action filter_prctl(struct session *s, struct task *t, struct call *c);
/* At a call's entry: true if the filters decided it (answered, signalled, killed). */
bool filter_decides(struct session *s, struct task *t, struct call *c,
                    enum call_action *ret_action);

#endif

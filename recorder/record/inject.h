/* Injected signals (design.md section 6; strategies.md section 5): only ones the program handles.
 */
#ifndef RECORDER_RECORD_INJECT_H
#define RECORDER_RECORD_INJECT_H

#include "recorder/record/session.h"

void inject_at_tick(struct session *s, struct task *t);
/* On entry to a call: true if a signal was sent that makes the task leave the call before it began.
 */
bool inject_at_entry(struct session *s, struct task *t);
void inject_at_park(struct session *s, struct task *t);

#endif

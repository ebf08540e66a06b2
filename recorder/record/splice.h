/* splice, tee, vmsplice, sendfile, copy_file_range: data that does not pass the program's memory.
 */
#ifndef RECORDER_RECORD_SPLICE_H
#define RECORDER_RECORD_SPLICE_H

#include "recorder/record/session.h"

enum call_action model_splice(struct session *s, struct task *t, struct call *c); /* and tee */
enum call_action model_vmsplice(struct session *s, struct task *t, struct call *c);
enum call_action model_sendfile(struct session *s, struct task *t, struct call *c);
enum call_action model_copy_file_range(struct session *s, struct task *t, struct call *c);

#endif

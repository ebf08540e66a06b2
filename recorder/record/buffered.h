/* System calls that the blob answers inside the tracee (blob/handlers.h): what handlers may do just
 * now, what they did, and getting tasks out of them. Recorder's half of the ring of
 * recorder_page.h.
 *
 * Handlers run between two stops of the current task. At a stop its records are absorbed: their
 * effects on the recorder's models happen. They become EVENT_BUFFERED when the next event is
 * begun, so that in replay the same calls stand in the ring when the task runs to that event. */
#ifndef RECORDER_RECORD_BUFFERED_H
#define RECORDER_RECORD_BUFFERED_H

#include "include/rrtest/recorder_page.h"
#include "recorder/record/session.h"

/* files->known: a byte for each descriptor, then a word for the first of them. */
#define BUFFERED_INFO_SIZE (4 * RECORDER_FD_INFO_MAX)
#define BUFFERED_KNOWN_SIZE (RECORDER_FDS_MAX + BUFFERED_INFO_SIZE)

/* s->buffered, and in the page what handlers go by during the whole session. */
void buffered_start(struct session *s);
void buffered_done(struct session *s);

/* Before t runs user code: what its handlers need to know. */
void buffered_load(struct session *s, struct task *t);
/* None of its calls is to be buffered, until it is loaded again. What it made is absorbed. */
void buffered_suspend(struct session *s);
/* At each stop of t; before anything else looks at the models. */
void buffered_absorb(struct session *s, struct task *t);
/* Make events of what was absorbed. Called by emit_begin(). */
void buffered_emit(struct session *s);
/* How many were made since the last look. */
uint64_t buffered_calls(struct session *s);

/* t, stopped with these registers, is inside a handler. */
bool buffered_inside(const struct task *t);
/* A stop inside a handler: the call is taken away from it (its fault is the program's bad pointer;
 * an untraced call was made to sleep), or it goes on. True: t was resumed, wait again. */
bool buffered_goes_on(struct session *s, struct task *t, const struct stop *stop);
/* The 10 ms timer: t, running, sleeps in an untraced call. Interrupt it: a stop will come. */
void buffered_rescue(struct task *t);
/* t's registers as if it had not entered the handler. */
void buffered_leave(struct session *s, struct task *t);

/* A traced call was finished: remember what may be done with its descriptor unseen. */
void buffered_learn(struct session *s, struct task *t, const struct call *c);
/* The number means another file, or nothing. */
void buffered_forget(struct session *s, struct files *files, int fd);
/* t executed a program: of what is known of its descriptors, those that are still open stay; of the
 * first ones all is learnt. */
void buffered_exec(struct session *s, struct task *t);
/* Before a table is copied, and when it ends. */
void buffered_save_files(struct session *s);
void buffered_files_gone(struct session *s, const struct files *files);
/* Some task's working directory changed. */
void buffered_directory_changed(struct session *s);

#endif

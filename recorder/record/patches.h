/* Patching system calls at run time (design.md section 5): which places in the code are to be
 * patched, when nobody stands in the way, and the decisions as events of the trace. The rules
 * themselves are pure and lie in recorder/patch/.
 *
 * A site is a `syscall` of an address space, with its patch region. Every call made at one has a
 * patch state of its own, which lives and ends with the call: with its result, or, if a handler
 * interrupts it, with the handler's signal frame. What a call's end could not do because others
 * stood in the region is done when the last of them leaves. */
#ifndef RECORDER_RECORD_PATCHES_H
#define RECORDER_RECORD_PATCHES_H

#include "recorder/record/session.h"

/* t has come to the entry stop of t->call; no event of it was written yet. May patch the place at
 * once, and then t->call goes on in the copy. False: t is gone. */
bool patches_call_begins(struct session *s, struct task *t);
/* t's call is over, its event written, and no handler is about to run because of it. */
void patches_call_over(struct session *s, struct task *t);
/* A signal frame was built at sp (where the handler's rsp points); control comes back to ip. */
void patches_frame_pushed(struct session *s, struct task *t, uint64_t sp, uint64_t ip);
/* rt_sigreturn with this rsp: its frame ends with the call. */
void patches_frame_returns(struct task *t, uint64_t sp);
/* t is no longer in the space: its EXIT event was written, or it has another one by exec. */
void patches_task_leaves(struct session *s, struct task *t, struct space *space);
/* A child by fork comes back to the same frames. */
void patches_copy_frames(struct task *to, const struct task *from);
/* Another mapping comes to [start, end), or none. */
void patches_forget(struct session *s, struct task *t, uint64_t start, uint64_t end);
/* The program may write there from now on, or has moved it to `moved`: the event being built gets
 * the original bytes. */
void patches_restore(struct session *s, struct task *t, uint64_t start, uint64_t end,
                     uint64_t moved);
/* What was decided since the last event, as events. Called by emit_end(). */
void patches_emit(struct session *s);
void patches_done(struct session *s);

void patches_copy(struct space *to, const struct space *from);
void patches_free(struct space *space);
void patches_task_free(struct task *t);

/* Was the region of an image that starts there written in this space? */
bool patches_is_applied(const struct space *space, uint64_t start);
/* As image_locate(), for regions and stubs that no image has. */
bool patches_locate(const struct space *space, uint64_t address, struct image_where *ret);

#endif

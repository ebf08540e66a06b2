/* What a run could not have on this machine, in words for the user. */
#ifndef RECORDER_RECORD_NOTES_H
#define RECORDER_RECORD_NOTES_H

#include "recorder/record/session.h"

/* Add a line to the result's notes; one that is there already is not added again. */
void notes_add(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the run's place lacks. error: why there is none at all (s->place is NULL), else 0. */
void notes_about_place(struct session *s, int error);

#endif

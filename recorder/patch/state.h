/* The state machine of one system call's patch, as one table of states and inputs.
 *
 * The state belongs to the system call's event, never to the task: a handler that interrupts the
 * call makes events of its own, with states of their own (design.md section 5). Pure. */
#ifndef RECORDER_PATCH_STATE_H
#define RECORDER_PATCH_STATE_H

#include <stdbool.h>
#include <stdio.h>

#include "recorder/events/patch.h"

enum patch_input {
    PATCH_INPUT_REGION,    /* at the entry: the call's place can be patched */
    PATCH_INPUT_NO_REGION, /* at the entry: it cannot */
    PATCH_INPUT_CLEAR,     /* at the entry: the region begins with the call, nobody else is in it */
    PATCH_INPUT_BEGINS_BEFORE, /* at the entry: it begins before the call, which is being made */
    PATCH_INPUT_OCCUPIED,      /* somebody stands in the region */
    PATCH_INPUT_FREE,          /* the call is over, and nobody stands in the region */
    PATCH_INPUT_CHANGED, /* not the code that was looked at lies there, or its stub finds no room */
    PATCH_INPUT_ENDED,   /* the task or its address space ends */
    PATCH_INPUT_COUNT
};

struct patch_step {
    enum patch_word next;     /* a state */
    enum patch_word decision; /* to be counted, or PATCH_NONE */
    bool write;               /* the region is written now */
};

/* What an input does in a state. Inputs that a state cannot get leave it as it is. */
struct patch_step patch_step(enum patch_word state, enum patch_input input);
const char *patch_input_name(enum patch_input input);
/* The table as text, the drawing of the documentation: a line per arrow. */
void patch_draw(FILE *out);

#endif

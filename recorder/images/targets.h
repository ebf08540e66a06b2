/* Who may jump where: everything that can put an address of code into the instruction pointer. */
#ifndef RECORDER_IMAGES_TARGETS_H
#define RECORDER_IMAGES_TARGETS_H

#include "recorder/images/code.h"

/* Fills code->targets, the instructions' target indices and marks. */
void targets_find(struct code *code);

#endif

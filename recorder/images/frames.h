/* Call frame information: where code is (FDE ranges) and where exceptions land (LSDA).
 * Reads .eh_frame and .debug_frame (DWARF 5 section 6.4; LSB Core "Exception Frames"). */
#ifndef RECORDER_IMAGES_FRAMES_H
#define RECORDER_IMAGES_FRAMES_H

#include <stdint.h>

#include "recorder/images/elf_file.h"

typedef void frame_visitor(uint64_t start, uint64_t end, void *context);
typedef void landing_visitor(uint64_t address, void *context);

/* Visits every FDE's range and every landing pad of its exception table. A damaged table ends the
 * walk; what was visited so far stands. */
void frames_visit(const struct elf_file *elf, frame_visitor *frame, landing_visitor *landing,
                  void *context);

#endif

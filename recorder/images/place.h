/* Where stubs go: such that every byte of a window's jump at which an instruction used to start is
 * an opcode that always traps ("instruction punning"; design.md section 2, "Stray entries trap").
 */
#ifndef RECORDER_IMAGES_PLACE_H
#define RECORDER_IMAGES_PLACE_H

#include "recorder/images/plan.h"

/* Distance from an image's span to its stub area. */
#define DISPLACEMENT_MOVABLE (-0x0bf90000ll) /* 0xf4070000: jumps get 0xf406xxxx to 0xf407xxxx */
#define DISPLACEMENT_FIXED 0x60070000ll      /* the same for position-dependent programs */

struct placement {
    int64_t displacement;
    uint64_t low; /* page-aligned span of the stubs placed; low == high: none */
    uint64_t high;
};

/* Can the image have a stub area at all? Explains itself when not. */
bool place_possible(const struct elf_file *elf, const char **ret_reason);

/* Gives each of the plan's windows its addresses, or leaves it unplaced and refused. */
void place_windows(struct plan *plan, struct placement *ret);

/* Does the byte, executed as an opcode in 64-bit mode, always trap? */
bool place_traps(uint8_t byte);

#endif

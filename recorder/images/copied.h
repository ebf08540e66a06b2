/* Text that a program reads as data and runs elsewhere: V8 (node, chromium) copies its builtins out
 * of the program into the range it compiles code to, to call them by short jumps
 * (v8/src/heap/code-range.cc, CodeRange::RemapEmbeddedBuiltins). A jump to a stub would lead
 * astray from there, so such text is never rewritten. It is known by the labels that
 * v8/src/snapshot/embedded/embedded-file-writer.cc puts at its start and at its size; a program
 * stripped of them has no symbols that say where the builtins are either. */
#ifndef RECORDER_IMAGES_COPIED_H
#define RECORDER_IMAGES_COPIED_H

#include "recorder/images/code.h"

struct copied {
    struct code_range *ranges;
    size_t count;
};

void copied_find(const struct elf_file *elf, struct copied *ret);
void copied_done(struct copied *copied);
bool copied_overlaps(const struct copied *copied, uint64_t start, uint64_t end);

#endif

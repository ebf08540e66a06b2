/* Lines that tell what same-seed-same-run does not cover here. */
#include "recorder/record/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/base/text.h"
#include "recorder/record/place.h"

void notes_add(struct session *s, const char *format, ...)
{
    struct record_result *r = s->result;
    va_list args;
    char *text;

    va_start(args, format);
    text = text_make_list(format, args);
    va_end(args);
    for (size_t i = 0; i < r->note_count; i++) {
        if (strcmp(r->notes[i], text) == 0) {
            free(text);
            return;
        }
    }
    r->notes = realloc(r->notes, (r->note_count + 1) * sizeof(*r->notes));
    if (!r->notes)
        abort();
    r->notes[r->note_count++] = text;
}

void notes_about_place(struct session *s, int error)
{
    const struct place *place = s->place;
    uint32_t off = s->options->guards_off;

    if (!(off & RECORD_GUARD_ASLR) && !place_addresses_are_fixed())
        notes_add(s, "personality(2) is refused here: addresses are random, and runs with one seed "
                     "differ where a program depends on them");
    if (off & RECORD_GUARD_PIDS)
        return;
    if (!place) {
        notes_add(s,
                  "no namespaces here (%s): pids, /proc, TMPDIR and the network are the machine's, "
                  "and runs with one seed differ where a program depends on them",
                  strerror(-error));
        return;
    }
    if (place->user_namespace)
        notes_add(s,
                  "running without privileges: a user namespace maps only the own uid, and setuid "
                  "programs gain nothing");
    if (!place->own_proc)
        notes_add(s, "no /proc of its own for the run: the machine's processes show in it");
    if (!place->tmpdir && !(off & RECORD_GUARD_TMPDIR))
        notes_add(s, "no TMPDIR of its own for the run: files left there are seen by later runs");
    if (!place->network && !(off & RECORD_GUARD_NETWORK))
        notes_add(s, "no network namespace here: ports and addresses are the machine's");
}

/* The rule. */
#include "recorder/patch/occupancy.h"

bool patch_inside(uint64_t address, uint64_t start, uint64_t end)
{
    return start < address && address < end;
}

static bool holds(const struct patch_occupant *o, uint64_t start, uint64_t end, unsigned blindness)
{
    if (patch_inside(o->ip, start, end) && !o->movable)
        return true;
    return o->in_call && !(blindness & PATCH_BLIND_TO_RESTARTS) &&
           patch_inside(o->ip - PATCH_SYSCALL_LENGTH, start, end);
}

const struct patch_occupant *patch_occupied(const struct patch_occupant *occupants, size_t count,
                                            uint64_t start, uint64_t end, unsigned blindness)
{
    for (size_t i = 0; i < count && !(blindness & PATCH_BLIND_TO_ALL); i++)
        if (holds(&occupants[i], start, end, blindness))
            return &occupants[i];
    return NULL;
}

/* The table. `state.txt` beside this file is its drawing; a test keeps it true. */
#include "recorder/patch/state.h"

static const char *const input_names[PATCH_INPUT_COUNT] = {
    [PATCH_INPUT_REGION] = "first call",    [PATCH_INPUT_NO_REGION] = "no region",
    [PATCH_INPUT_CLEAR] = "clear at entry", [PATCH_INPUT_BEGINS_BEFORE] = "begins before the call",
    [PATCH_INPUT_OCCUPIED] = "occupied",    [PATCH_INPUT_FREE] = "free",
    [PATCH_INPUT_CHANGED] = "code changed", [PATCH_INPUT_ENDED] = "task or space ended",
};

struct cell {
    bool used;
    struct patch_step step;
};

#define TO(next, decision, write) \
    {                             \
        true,                     \
        {                         \
            next, decision, write \
        }                         \
    }
#define DEFER(state) TO(state, state, false)
#define APPLY TO(PATCH_APPLIED, PATCH_APPLIED, true)
#define RETRY TO(PATCH_APPLIED, PATCH_RETRIED, true)
#define STAY(state) TO(state, PATCH_NONE, false)
#define GIVE_UP TO(PATCH_ABANDONED, PATCH_ABANDONED, false)

static const struct cell table[PATCH_STATE_COUNT][PATCH_INPUT_COUNT] = {
    [PATCH_NONE] =
        {
            [PATCH_INPUT_REGION] = TO(PATCH_WANTED, PATCH_WANTED, false),
            [PATCH_INPUT_NO_REGION] = TO(PATCH_REFUSED, PATCH_REFUSED, false),
        },
    [PATCH_WANTED] =
        {
            [PATCH_INPUT_CLEAR] = APPLY,
            [PATCH_INPUT_BEGINS_BEFORE] = DEFER(PATCH_DEFERRED_ENTRY),
            [PATCH_INPUT_OCCUPIED] = DEFER(PATCH_DEFERRED_OCCUPIED),
            [PATCH_INPUT_CHANGED] = GIVE_UP,
            [PATCH_INPUT_ENDED] = GIVE_UP,
        },
    [PATCH_DEFERRED_ENTRY] =
        {
            [PATCH_INPUT_FREE] = RETRY,
            [PATCH_INPUT_OCCUPIED] = DEFER(PATCH_DEFERRED_OCCUPIED),
            [PATCH_INPUT_CHANGED] = GIVE_UP,
            [PATCH_INPUT_ENDED] = GIVE_UP,
        },
    [PATCH_DEFERRED_OCCUPIED] =
        {
            [PATCH_INPUT_FREE] = RETRY,
            [PATCH_INPUT_OCCUPIED] = STAY(PATCH_DEFERRED_OCCUPIED),
            [PATCH_INPUT_CHANGED] = GIVE_UP,
            [PATCH_INPUT_ENDED] = GIVE_UP,
        },
    /* the code came back, or other code came there: it is looked at afresh */
    [PATCH_ABANDONED] =
        {
            [PATCH_INPUT_REGION] = TO(PATCH_WANTED, PATCH_WANTED, false),
            [PATCH_INPUT_NO_REGION] = TO(PATCH_REFUSED, PATCH_REFUSED, false),
        },
    [PATCH_APPLIED] =
        {
            [PATCH_INPUT_CHANGED] = STAY(PATCH_ABANDONED),
        },
};

struct patch_step patch_step(enum patch_word state, enum patch_input input)
{
    if ((unsigned)state < PATCH_STATE_COUNT && (unsigned)input < PATCH_INPUT_COUNT &&
        table[state][input].used)
        return table[state][input].step;
    return (struct patch_step){state, PATCH_NONE, false};
}

const char *patch_input_name(enum patch_input input)
{
    return (unsigned)input < PATCH_INPUT_COUNT ? input_names[input] : "unknown";
}

void patch_draw(FILE *out)
{
    for (int state = 0; state < PATCH_STATE_COUNT; state++) {
        for (int input = 0; input < PATCH_INPUT_COUNT; input++) {
            const struct patch_step *step = &table[state][input].step;

            if (!table[state][input].used)
                continue;
            fprintf(out, "%-17s --%s", patch_word_name((enum patch_word)state),
                    patch_input_name((enum patch_input)input));
            if (step->decision != PATCH_NONE)
                fprintf(out, " [%s]", patch_word_name(step->decision));
            fprintf(out, "%s--> %s\n", step->write ? " (the region is written) " : "",
                    patch_word_name(step->next));
        }
    }
}

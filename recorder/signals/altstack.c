/* The alternate signal stack: sigaltstack(2) and its life over fork, clone and exec. */
#include "recorder/signals/signals.h"

#include <errno.h>

#define STACK_AUTODISARM (1u << 31)
#define STACK_MINIMUM 2048 /* MINSIGSTKSZ of the kernel's ABI; libc's may be larger */

bool signal_altstack_contains(const struct signal_altstack *stack, uint64_t sp)
{
    return sp > stack->address && sp - stack->address <= stack->size;
}

/* on_sig_stack(): with SS_AUTODISARM the stack is never "in use", since entering it disarms it. */
static bool in_use(const struct signal_altstack *stack, uint64_t sp)
{
    return !(stack->flags & STACK_AUTODISARM) && signal_altstack_contains(stack, sp);
}

uint32_t signal_altstack_state(const struct signal_altstack *stack, uint64_t sp)
{
    if (stack->size == 0)
        return SS_DISABLE;
    return in_use(stack, sp) ? SS_ONSTACK : 0;
}

static void disarm(struct signal_altstack *stack)
{
    *stack = (struct signal_altstack){.flags = SS_DISABLE};
}

int signal_altstack_set(struct signal_altstack *current, uint64_t sp,
                        const struct signal_altstack *new_stack, struct signal_altstack *ret_old)
{
    struct signal_altstack old = *current;
    uint32_t mode;

    old.flags = signal_altstack_state(current, sp) | (current->flags & STACK_AUTODISARM);
    if (new_stack) {
        if (in_use(current, sp))
            return -EPERM;
        mode = new_stack->flags & ~STACK_AUTODISARM;
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
            return -EINVAL;
        /* An unchanged stack is accepted whatever its size (do_sigaltstack()). */
        if (new_stack->address == current->address && new_stack->size == current->size &&
            new_stack->flags == current->flags) {
            if (ret_old)
                *ret_old = old;
            return 0;
        }
        if (mode != SS_DISABLE && new_stack->size < STACK_MINIMUM)
            return -ENOMEM;
        *current = *new_stack;
        if (mode == SS_DISABLE) {
            current->address = 0;
            current->size = 0;
        }
    }
    if (ret_old)
        *ret_old = old;
    return 0;
}

void signal_altstack_clone(struct signal_altstack *stack, bool shares_memory, bool vfork)
{
    /* copy_process(): only a thread-like child must not share the parent's alternate stack. */
    if (shares_memory && !vfork)
        disarm(stack);
}

void signal_altstack_delivered(struct signal_altstack *stack)
{
    /* signal_delivered(): any delivery disarms, on the alternate stack or not. */
    if (stack->flags & STACK_AUTODISARM)
        disarm(stack);
}

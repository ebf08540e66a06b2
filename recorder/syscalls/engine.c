/* Serves the regular shapes of a row and asks the row's handler for the rest. */
#include "recorder/syscalls/syscalls.h"

#include <errno.h>
#include <stdio.h>

#include "recorder/syscalls/irregular/irregular.h"

static const struct irregular_handler *const handlers[IRREGULAR_COUNT] = {
#define X(upper, lower) [IRREGULAR_##upper] = &irregular_##lower,
    IRREGULAR_LIST(X)
#undef X
};

const struct irregular_handler *irregular_by_id(uint16_t id)
{
    return id < IRREGULAR_COUNT ? handlers[id] : NULL;
}

static int argument_outputs(const struct irregular_call *call, const struct syscall_argument *a,
                            uint64_t address, struct syscall_regions *ret)
{
    int64_t result = call->result;
    uint64_t limit;

    switch (a->shape) {
    case SHAPE_OUT:
        return regions_add(ret, address, irregular_reach(result, a->size));
    case SHAPE_OUT_ALWAYS:
    case SHAPE_INOUT:
        return regions_add(ret, address, a->size);
    case SHAPE_OUT_ARG:
        return regions_add(ret, address, irregular_reach(result, call->args[a->size]));
    case SHAPE_OUT_RESULT:
        limit = irregular_reach(result, call->args[a->size]);
        return regions_add(ret, address,
                           result > 0    ? irregular_smaller(limit, (uint64_t)result)
                           : result == 0 ? 0
                                         : limit);
    case SHAPE_IOVEC_OUT:
        limit = result >= 0 ? (uint64_t)result : irregular_reach(result, UINT64_MAX);
        return regions_add_iovec(ret, call->memory, address, call->args[a->size], limit);
    case SHAPE_SOCKADDR_OUT:
        if (irregular_reach(result, 1) == 0)
            return 0;
        return regions_add_sockaddr(ret, call->memory, address, call->args[a->size]);
    default:
        return 0;
    }
}

int syscall_outputs(uint64_t number, const uint64_t args[6], int64_t result,
                    const struct syscall_memory *memory, struct syscall_regions *ret)
{
    const struct syscall_row *row = syscall_row_by_number(number);
    const struct irregular_call call = {number, args, result, memory};
    const struct irregular_handler *handler;

    ret->count = 0;
    if (!row)
        return 0;
    for (int i = 0; i < row->argument_count; i++) {
        int error = argument_outputs(&call, &row->arguments[i], args[i], ret);

        if (error)
            return error;
    }
    handler = irregular_by_id(row->irregular);
    return handler && handler->outputs ? handler->outputs(&call, ret) : 0;
}

int syscall_inputs(uint64_t number, const uint64_t args[6], int64_t result,
                   const struct syscall_memory *memory, struct syscall_regions *ret)
{
    const struct syscall_row *row = syscall_row_by_number(number);
    const struct irregular_call call = {number, args, result, memory};
    const struct irregular_handler *handler;

    ret->count = 0;
    if (!row || !(row->flags & SYSCALL_FLAG_DATA_IN) || result < 0)
        return 0;
    for (int i = 0; i < row->argument_count; i++) {
        const struct syscall_argument *a = &row->arguments[i];
        int error = 0;

        if (a->shape == SHAPE_IN_ARG && i == 1)
            error =
                regions_append(ret, args[i], irregular_smaller(args[a->size], (uint64_t)result));
        else if (a->shape == SHAPE_IOVEC_IN)
            error = regions_append_iovec(ret, memory, args[i], args[a->size], (uint64_t)result);
        if (error)
            return error;
    }
    handler = irregular_by_id(row->irregular);
    return handler && handler->inputs ? handler->inputs(&call, ret) : 0;
}

int syscall_check(uint64_t number, const uint64_t args[6], const struct syscall_memory *memory,
                  char *message, size_t size)
{
    const struct syscall_row *row = syscall_row_by_number(number);
    const struct irregular_call call = {number, args, 0, memory};
    const struct irregular_handler *handler;

    if (size > 0)
        message[0] = '\0';
    if (!row)
        return irregular_refused(&call, ENOSYS, message, size,
                                 "no kernel known here has this call");
    if (row->class == SYSCALL_CLASS_REFUSE)
        return irregular_refused(&call, row->error, message, size, "%s", row->reason);
    if (row->class == SYSCALL_CLASS_UNSUPPORTED)
        return irregular_unsupported(&call, message, size, "%s", row->reason);
    handler = irregular_by_id(row->irregular);
    return handler && handler->check ? handler->check(&call, message, size) : 0;
}

/* The stacks of a run's tasks as data: what the recorder reads off stopped tasks, and what traces,
 * results and reports show. Memory only: recorder/stacks/ makes, encodes and frees them. */
#ifndef RRTEST_STACKS_H
#define RRTEST_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One frame, innermost first. Addresses are the program's own: never one of a stub. */
struct stack_frame {
    uint64_t address;       /* return addresses as they are on the stack */
    char *function;         /* demangled; NULL: not known */
    uint64_t offset;        /* of address in the function; 0 for inlined frames */
    char *file;             /* source file as the debug data name it; NULL: not known */
    uint32_t line;          /* 0: not known */
    uint32_t column;        /* 0: not known */
    char *module;           /* path of the ELF file; NULL: code that no file backs */
    uint64_t module_offset; /* address in the ELF file's own numbering (what addr2line takes) */
    bool is_inlined;        /* inlined into the next frame; address is that frame's */
};

struct task_stack {
    int32_t pid, tid; /* as the program sees them; 0: not known */
    char *role;       /* how the task came about: "0" the first, "0.2" its second child */
    char *name;       /* comm; NULL: not known */
    char *state;      /* "killed by SIGSEGV", "waits in futex(0x...)", "runnable"...; never NULL */
    bool is_cause;    /* the task whose end or call ended the run */
    struct stack_frame *frames;
    size_t frame_count;
    bool is_cut; /* there were more frames, or they could not be read */
};

struct stack_list {
    struct task_stack *tasks; /* the cause first */
    size_t count;
    uint64_t left_out; /* tasks that there were beyond these */
};

#endif

/* Signal frames against the kernel's own: a traced child is stopped before a delivery, the model
 * builds its frame from what ptrace shows, the kernel then builds the real one, and every byte is
 * compared. The same with rt_sigreturn from frames that the test damages first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/signals/signals.h"

#define XSTATE_ROOM 16384
#define ALTSTACK_SIZE 65536
#define FRAME_HEAD 312 /* rt_sigframe up to siginfo */
#define FAULT_ADDRESS 0x10
#define BLOCKED_IN_CHILD (signal_bit(SIGUSR2) | signal_bit(40))

/* Offsets in the frame. */
#define AT_UC_FLAGS 8
#define AT_REGS (8 + 40)
#define AT_RAX (AT_REGS + 13 * 8)
#define AT_EFLAGS (AT_REGS + 17 * 8)
#define AT_FPSTATE (AT_REGS + 184)
#define AT_MASK (FRAME_HEAD - 8)

enum trigger { TRIGGER_KILL, TRIGGER_QUEUE, TRIGGER_FAULT };

struct setup {
    enum trigger trigger;
    unsigned long flags; /* of the action */
    bool altstack;
    unsigned altstack_flags;
    bool plain_xstate; /* leave the vector registers alone */
};

struct child {
    pid_t pid;
    int mem;
    struct user_regs_struct regs; /* at the delivery stop */
    uint8_t xstate[XSTATE_ROOM];
    size_t xstate_length;
    struct signal_frame_request request;
    struct signal_frame frame;
};

struct child_program {
    uint64_t altstack;
    uint64_t restorer;
    uint64_t syscall_instruction;
};

extern char test_restorer[], test_syscall[];
__asm__(".text\n"
        "test_restorer: mov $15, %eax\n"
        "test_syscall: syscall\n"
        "ud2\n");

static void handler(int signal)
{
    (void)signal;
}

static int queue_signal(int signal)
{
    siginfo_t info = {0};

    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_ptr = (void *)0x1122334455667788;
    return (int)syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info);
}

static void dirty_vector_state(void)
{
    static const uint8_t pattern[64] __attribute__((aligned(64))) = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};

    __asm__ volatile("fldpi\n\tfld1\n\tmovdqa %0, %%xmm3\n\tmovdqa %0, %%xmm15" : : "m"(pattern));
    if (__builtin_cpu_supports("avx2"))
        __asm__ volatile("vmovdqa %0, %%ymm7" : : "m"(pattern));
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile("vmovdqa64 %0, %%zmm21\n\tmov $0x5a5a, %%eax\n\tkmovw %%eax, %%k3"
                         :
                         : "m"(pattern)
                         : "eax");
}

static void child_main(const struct setup *setup, const struct child_program *program)
{
    struct signal_action action = {
        .handler = (uint64_t)(uintptr_t)handler,
        .flags = setup->flags | 0x04000000,
        .restorer = program->restorer,
        .mask = signal_bit(SIGHUP),
    };
    uint64_t blocked = BLOCKED_IN_CHILD;
    stack_t stack = {.ss_sp = (void *)(uintptr_t)program->altstack,
                     .ss_size = ALTSTACK_SIZE,
                     .ss_flags = (int)setup->altstack_flags};
    int signal = setup->trigger == TRIGGER_FAULT ? SIGSEGV : SIGUSR1;

    ptrace(PTRACE_TRACEME, 0, 0, 0);
    if (!setup->altstack) /* a sanitizer's runtime has one */
        stack = (stack_t){.ss_flags = SS_DISABLE};
    if (sigaltstack(&stack, NULL) < 0)
        _exit(10);
    if (syscall(SYS_rt_sigaction, signal, &action, NULL, 8) < 0)
        _exit(11);
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, 8) < 0)
        _exit(12);
    if (!setup->plain_xstate)
        dirty_vector_state();
    if (setup->trigger == TRIGGER_KILL)
        syscall(SYS_kill, getpid(), signal);
    else if (setup->trigger == TRIGGER_QUEUE)
        queue_signal(signal);
    else
        __asm__ volatile("std\n\tmovl $1, (%0)" : : "r"((uint64_t)FAULT_ADDRESS) : "memory");
    _exit(0);
}

static int read_child(void *context, uint64_t address, void *ret, size_t length)
{
    struct child *c = context;

    return pread(c->mem, ret, length, (off_t)address) == (ssize_t)length ? 0 : -EFAULT;
}

static void write_child(struct child *c, uint64_t address, const void *data, size_t length)
{
    assert_int_equal(pwrite(c->mem, data, length, (off_t)address), length);
}

static size_t get_xstate(struct child *c, uint8_t *ret)
{
    struct iovec iov = {ret, XSTATE_ROOM};

    assert_int_equal(ptrace(PTRACE_GETREGSET, c->pid, NT_X86_XSTATE, &iov), 0);
    return iov.iov_len;
}

static int wait_stop(struct child *c)
{
    int status;

    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_true(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

/* Start the child, run it to its delivery stop, and build the model's frame. */
static void start(struct child *c, const struct setup *setup)
{
    struct child_program program = {
        .restorer = (uint64_t)(uintptr_t)test_restorer,
        .syscall_instruction = (uint64_t)(uintptr_t)test_syscall,
    };
    int signal = setup->trigger == TRIGGER_FAULT ? SIGSEGV : SIGUSR1;
    char path[64];

    memset(c, 0, sizeof(*c));
    program.altstack = (uint64_t)(uintptr_t)mmap(NULL, ALTSTACK_SIZE, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c->pid = fork();
    if (c->pid == 0)
        child_main(setup, &program);
    snprintf(path, sizeof(path), "/proc/%d/mem", c->pid);
    c->mem = open(path, O_RDWR | O_CLOEXEC);
    assert_true(c->mem >= 0);
    assert_int_equal(wait_stop(c), signal);
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, c->pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD), 0);
    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, 0, &c->regs), 0);
    assert_int_equal(ptrace(PTRACE_GETSIGINFO, c->pid, 0, &c->request.info), 0);
    assert_int_equal(ptrace(PTRACE_GETSIGMASK, c->pid, 8, &c->request.saved_mask), 0);
    c->xstate_length = get_xstate(c, c->xstate);
    c->request.regs = &c->regs;
    c->request.xstate = c->xstate;
    c->request.xstate_length = c->xstate_length;
    c->request.action = (struct signal_action){
        .handler = (uint64_t)(uintptr_t)handler,
        .flags = setup->flags | 0x04000000,
        .restorer = program.restorer,
        .mask = signal_bit(SIGHUP),
    };
    c->request.altstack.flags = SS_DISABLE;
    if (setup->altstack)
        c->request.altstack = (struct signal_altstack){
            .address = program.altstack, .size = ALTSTACK_SIZE, .flags = setup->altstack_flags};
    if (setup->trigger == TRIGGER_FAULT) {
        c->request.fault_address = FAULT_ADDRESS;
        c->request.fault_error = 6; /* a write by user code to no page */
        c->request.fault_trap = 14;
    }
    assert_int_equal(signal_frame_build(&c->request, &c->frame), 0);
    munmap((void *)(uintptr_t)program.altstack, ALTSTACK_SIZE);
}

/* Let the kernel deliver; the child stops at the handler's first instruction. Memory below the
 * frame's end is cleared first: the kernel leaves gaps as they are. */
static void deliver(struct child *c, int signal)
{
    uint64_t end = c->frame.piece[1].address + c->frame.piece[1].length;
    size_t length = (size_t)(end - c->frame.piece[0].address);
    uint8_t *zeros = calloc(1, length);

    write_child(c, c->frame.piece[0].address, zeros, length);
    free(zeros);
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, c->pid, 0, signal), 0);
    assert_int_equal(wait_stop(c), SIGTRAP);
}

static void finish(struct child *c)
{
    int status;

    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) == c->pid && !WIFSIGNALED(status) && !WIFEXITED(status))
        ;
    close(c->mem);
    signal_frame_done(&c->frame);
}

static void compare_bytes(const char *what, const uint8_t *kernel, const uint8_t *model,
                          size_t length)
{
    size_t differences = 0;

    for (size_t i = 0; i < length; i++) {
        if (kernel[i] == model[i])
            continue;
        if (differences++ < 16)
            print_error("%s: byte %zu: kernel %02x, model %02x\n", what, i, kernel[i], model[i]);
    }
    assert_int_equal(differences, 0);
}

/* Whether the processor tracks an initial component as unused is its own affair: a component that
 * is marked differently must only have the same contents. */
static void compare_xstate(uint8_t *kernel, uint8_t *model, size_t length)
{
    memset(kernel + 512, 0, 8);
    memset(model + 512, 0, 8);
    compare_bytes("xstate", kernel, model, length);
}

static void compare_delivery(struct child *c)
{
    struct user_regs_struct regs;
    uint8_t xstate[XSTATE_ROOM];
    uint64_t mask;

    for (size_t i = 0; i < c->frame.piece_count; i++) {
        uint8_t *real = calloc(1, c->frame.piece[i].length);

        assert_int_equal(read_child(c, c->frame.piece[i].address, real, c->frame.piece[i].length),
                         0);
        compare_bytes(i ? "extended state" : "frame", real, c->frame.piece[i].data,
                      c->frame.piece[i].length);
        free(real);
    }
    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, 0, &regs), 0);
    c->frame.regs.orig_rax = regs.orig_rax; /* deliberately "no call" in the model */
    compare_bytes("registers", (uint8_t *)&regs, (uint8_t *)&c->frame.regs, sizeof(regs));
    assert_int_equal(get_xstate(c, xstate), c->frame.xstate_length);
    compare_xstate(xstate, c->frame.xstate, c->frame.xstate_length);
    assert_int_equal(ptrace(PTRACE_GETSIGMASK, c->pid, 8, &mask), 0);
    assert_true(mask == signal_mask_in_handler(c->request.saved_mask, &c->request.action,
                                               c->request.info.si_signo));
    assert_int_equal(c->frame.regs.rsp % 16, 8);
}

static void check_delivery(const struct setup *setup)
{
    struct child c;

    start(&c, setup);
    deliver(&c, setup->trigger == TRIGGER_FAULT ? SIGSEGV : SIGUSR1);
    compare_delivery(&c);
    finish(&c);
}

static void test_delivery_matches_kernel(void **state)
{
    static const struct setup setups[] = {
        {TRIGGER_KILL, SA_SIGINFO, false, 0, false},
        {TRIGGER_KILL, SA_SIGINFO, false, 0, true},
        {TRIGGER_KILL, SA_SIGINFO | SA_ONSTACK, true, 0, false},
        {TRIGGER_KILL, SA_SIGINFO | SA_ONSTACK, false, 0, false},
        {TRIGGER_KILL, SA_SIGINFO, true, 0, false},
        {TRIGGER_KILL, 0, true, 0, false},
        {TRIGGER_KILL, SA_NODEFER, false, 0, false},
        {TRIGGER_QUEUE, SA_SIGINFO | SA_ONSTACK, true, 1u << 31, false},
        {TRIGGER_QUEUE, SA_SIGINFO, true, 1u << 31, false},
        {TRIGGER_FAULT, SA_SIGINFO | SA_ONSTACK, true, 0, false},
        {TRIGGER_FAULT, SA_SIGINFO, false, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++)
        check_delivery(&setups[i]);
}

/* The altstack the kernel has after a delivery with SS_AUTODISARM is off: a second sigaltstack in
 * the handler would say so. Here: the model's own answer. */
static void test_autodisarm(void **state)
{
    static const struct setup setup = {TRIGGER_KILL, SA_SIGINFO | SA_ONSTACK, true, 1u << 31,
                                       false};
    struct child c;

    (void)state;
    start(&c, &setup);
    assert_int_equal(c.frame.altstack_after.flags, SS_DISABLE);
    assert_int_equal(c.frame.altstack_after.size, 0);
    finish(&c);
}

typedef void (*change)(struct child *c, uint64_t frame, uint64_t fpstate);

static void put64(struct child *c, uint64_t address, uint64_t value)
{
    write_child(c, address, &value, sizeof(value));
}

static void change_nothing(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)c;
    (void)frame;
    (void)fpstate;
}

static void change_registers(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)fpstate;
    for (uint64_t i = 0; i < 17; i++)
        put64(c, frame + AT_REGS + 8 * i, 0x1111111111111111ull * (i % 7));
    put64(c, frame + AT_EFLAGS, 0xfffffffffffffeffull); /* all but TF */
    put64(c, frame + AT_MASK, ~0ull);
}

static void change_no_xstate(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)fpstate;
    put64(c, frame + AT_FPSTATE, 0);
}

static void change_vectors(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)frame;
    for (uint64_t i = 0; i < 32; i++)
        put64(c, fpstate + 160 + 8 * i, 0x0101010101010101ull * i);
    put64(c, fpstate + 576, 0x7777);
}

static void change_magic1(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)frame;
    change_vectors(c, frame, fpstate);
    put64(c, fpstate + 464, 0);
}

static void change_magic2(struct child *c, uint64_t frame, uint64_t fpstate)
{
    uint32_t size, zero = 0;

    (void)frame;
    assert_int_equal(read_child(c, fpstate + 464 + 16, &size, sizeof(size)), 0);
    write_child(c, fpstate + size, &zero, sizeof(zero));
}

static void change_features(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)frame;
    put64(c, fpstate + 464 + 8, 3); /* software bytes: x87 and SSE only */
}

static void change_used(struct child *c, uint64_t frame, uint64_t fpstate)
{
    uint32_t mxcsr = 0x1fa0;

    (void)frame;
    write_child(c, fpstate + 24, &mxcsr, sizeof(mxcsr));
    put64(c, fpstate + 512, 0); /* XSTATE_BV: everything initial, but MXCSR */
}

static void change_segments(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)fpstate;
    put64(c, frame + AT_UC_FLAGS, 3);                          /* no STRICT_RESTORE_SS */
    put64(c, frame + AT_REGS + 18 * 8, 0x0000ffffffff0030ull); /* cs 0x30; ss 0 */
}

static void change_mxcsr_bad(struct child *c, uint64_t frame, uint64_t fpstate)
{
    uint32_t mxcsr = 0xffffffff;

    (void)frame;
    write_child(c, fpstate + 24, &mxcsr, sizeof(mxcsr));
}

static void change_header_bad(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)frame;
    put64(c, fpstate + 512 + 8, 1);
}

static void change_pointer_bad(struct child *c, uint64_t frame, uint64_t fpstate)
{
    (void)fpstate;
    put64(c, frame + AT_FPSTATE, 0x1000);
}

/* Make the stopped child execute rt_sigreturn; it is left at the call's entry stop. */
static void enter_sigreturn(struct child *c, struct user_regs_struct *ret)
{
    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, 0, ret), 0);
    ret->rsp = c->frame.piece[0].address + 8;
    ret->rip = (uint64_t)(uintptr_t)test_syscall;
    ret->rax = SYS_rt_sigreturn;
    ret->orig_rax = (uint64_t)-1;
    assert_int_equal(ptrace(PTRACE_SETREGS, c->pid, 0, ret), 0);
    assert_int_equal(ptrace(PTRACE_SYSCALL, c->pid, 0, 0), 0);
    assert_int_equal(wait_stop(c), SIGTRAP | 0x80);
    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, 0, ret), 0);
}

static void compare_return(struct child *c, const struct user_regs_struct *model, signal_set mask,
                           uint8_t *xstate, size_t xstate_length)
{
    struct user_regs_struct real;
    uint8_t kernel_xstate[XSTATE_ROOM], model_xstate[XSTATE_ROOM];
    uint64_t kernel_mask;
    size_t length;
    struct iovec iov;

    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, 0, &real), 0);
    compare_bytes("registers", (const uint8_t *)&real, (const uint8_t *)model, sizeof(real));
    assert_int_equal(ptrace(PTRACE_GETSIGMASK, c->pid, 8, &kernel_mask), 0);
    assert_true(kernel_mask == mask);
    length = get_xstate(c, kernel_xstate);
    if (xstate_length == 0) {
        memcpy(xstate, c->xstate, length);
        signal_xstate_init(xstate, length);
        xstate_length = length;
    }
    iov = (struct iovec){xstate, xstate_length};
    assert_int_equal(ptrace(PTRACE_SETREGSET, c->pid, NT_X86_XSTATE, &iov), 0);
    assert_int_equal(get_xstate(c, model_xstate), length);
    compare_xstate(kernel_xstate, model_xstate, length);
}

static void check_return(change change_frame, int expected)
{
    static const struct setup setup = {TRIGGER_KILL, SA_SIGINFO | SA_ONSTACK, true, 0, false};
    struct user_regs_struct at, regs;
    struct signal_altstack altstack;
    uint8_t xstate[XSTATE_ROOM];
    size_t length;
    signal_set mask;
    struct child c;

    start(&c, &setup);
    deliver(&c, SIGUSR1);
    change_frame(&c, c.frame.piece[0].address, c.frame.piece[1].address);
    enter_sigreturn(&c, &at);
    length = c.xstate_length;
    assert_int_equal(
        signal_frame_parse(read_child, &c, &at, &regs, &mask, &altstack, xstate, &length),
        expected);
    assert_int_equal(ptrace(PTRACE_SYSCALL, c.pid, 0, 0), 0);
    assert_int_equal(wait_stop(&c), SIGTRAP | 0x80);
    if (expected == 0) {
        compare_return(&c, &regs, mask, xstate, length);
        assert_int_equal(altstack.address, c.request.altstack.address);
        assert_int_equal(altstack.size, ALTSTACK_SIZE);
    } else { /* the kernel forces SIGSEGV */
        assert_int_equal(ptrace(PTRACE_CONT, c.pid, 0, 0), 0);
        assert_int_equal(wait_stop(&c), SIGSEGV);
    }
    finish(&c);
}

static void test_return_matches_kernel(void **state)
{
    (void)state;
    check_return(change_nothing, 0);
    check_return(change_registers, 0);
    check_return(change_no_xstate, 0);
    check_return(change_vectors, 0);
    check_return(change_magic1, 0);
    check_return(change_magic2, 0);
    check_return(change_features, 0);
    check_return(change_used, 0);
    check_return(change_segments, 0);
}

static void test_bad_frames_are_refused_as_by_the_kernel(void **state)
{
    (void)state;
    check_return(change_mxcsr_bad, -EFAULT);
    check_return(change_header_bad, -EFAULT);
    check_return(change_pointer_bad, -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery_matches_kernel),
        cmocka_unit_test(test_autodisarm),
        cmocka_unit_test(test_return_matches_kernel),
        cmocka_unit_test(test_bad_frames_are_refused_as_by_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

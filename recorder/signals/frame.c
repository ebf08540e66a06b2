/* Signal frames: struct rt_sigframe and the extended state behind it, byte for byte as the kernel
 * writes them (arch/x86/kernel/signal.c, signal_64.c, fpu/signal.c of Linux 6.18), and the way
 * back.
 *
 *      higher addresses      interrupted rsp, minus the red zone; or the alternate stack's end
 *      piece 1               extended state in XSAVE layout, 64-byte aligned, then MAGIC2
 *      piece 0               rt_sigframe: pretcode, ucontext, siginfo; (address % 16) == 8
 *      lower addresses       the handler's stack; its rsp is piece 0's address
 */
#include "recorder/signals/signals.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RED_ZONE 128
#define FRAME_ALIGNMENT 16
#define XSTATE_ALIGNMENT 64

#define USER_CODE_SELECTOR 0x33
#define USER_DATA_SELECTOR 0x2b

#define FLAG_TF (1ull << 8)
#define FLAG_DF (1ull << 10)
#define FLAG_RF (1ull << 16)
/* FIX_EFLAGS: what sigreturn takes over: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF. */
#define FLAGS_RESTORED 0x50dd5ull

#define UCONTEXT_FP_XSTATE 1u
#define UCONTEXT_SIGCONTEXT_SS 2u
#define UCONTEXT_STRICT_RESTORE_SS 4u

#define ACTION_RESTORER 0x04000000ull

/* Layout of the XSAVE area. */
#define XSTATE_FCW 0
#define XSTATE_MXCSR 24
#define XSTATE_MXCSR_MASK 28
#define XSTATE_XMM 160
#define XSTATE_SOFTWARE 464 /* XCR0 in a regset, struct software_bytes in a frame */
#define XSTATE_HEADER 512
#define XSTATE_MINIMUM 576
#define XSTATE_MAGIC1 0x46505853u
#define XSTATE_MAGIC2 0x46505845u
#define XSTATE_MAGIC2_SIZE 4

#define FEATURE_X87 (1ull << 0)
#define FEATURE_SSE (1ull << 1)
#define FEATURE_AVX (1ull << 2)
#define FEATURE_PKRU_BIT 9
#define FEATURE_TILE_DATA_BIT 18
/* XFEATURE_MASK_USER_DYNAMIC: not part of a task's state until it has used it. */
#define FEATURES_DYNAMIC (1ull << FEATURE_TILE_DATA_BIT)

#define INITIAL_FCW 0x37f
#define INITIAL_MXCSR 0x1f80
#define INITIAL_PKRU 0x55555554u /* init_pkru_value: every key but 0 denied */
#define MXCSR_DEFAULT_MASK 0xffbfu

struct software_bytes {
    uint32_t magic1;
    uint32_t extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
    uint32_t padding[7];
};

struct frame_stack {
    uint64_t address;
    uint32_t flags;
    uint32_t padding;
    uint64_t size;
};

struct frame_context {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate;
    uint64_t reserved[8];
};

struct frame_head { /* everything before siginfo */
    uint64_t pretcode;
    uint64_t uc_flags;
    uint64_t uc_link;
    struct frame_stack uc_stack;
    struct frame_context context;
    uint64_t uc_sigmask;
};

#define SIGINFO_SIZE 128
#define SIGINFO_KERNEL_SIZE 48 /* sizeof(struct kernel_siginfo); the rest is zeroed */
#define FRAME_SIZE (sizeof(struct frame_head) + SIGINFO_SIZE)

_Static_assert(sizeof(struct software_bytes) == 48, "sw_reserved");
_Static_assert(sizeof(struct frame_context) == 256, "sigcontext_64");
_Static_assert(sizeof(struct frame_head) == 312, "rt_sigframe up to siginfo");
_Static_assert(sizeof(siginfo_t) == SIGINFO_SIZE, "siginfo");

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Where a component lies in the standard XSAVE layout; differs between vendors. */
static uint32_t component_offset(unsigned bit)
{
    uint32_t size, offset, flags, reserved;

    if (!__get_cpuid_count(0xd, bit, &size, &offset, &flags, &reserved))
        return 0;
    return offset;
}

/* The regset always has room for all features of the machine (fpu_user_cfg.max_size); a frame only
 * for those the task may hold (fpstate->user_size), which lacks AMX tiles until they are used. */
static void frame_features(const uint8_t *xstate, size_t length, uint64_t *ret_features,
                           size_t *ret_size)
{
    uint64_t all = load64(xstate + XSTATE_SOFTWARE);
    uint64_t used = load64(xstate + XSTATE_HEADER);
    uint64_t absent = all & FEATURES_DYNAMIC & ~used;
    uint32_t offset;

    *ret_features = all & ~absent;
    *ret_size = length;
    if (absent) {
        offset = component_offset(FEATURE_TILE_DATA_BIT);
        if (offset >= XSTATE_MINIMUM && offset < length)
            *ret_size = offset;
    }
}

void signal_xstate_init(uint8_t *xstate, size_t length)
{
    uint64_t features = load64(xstate + XSTATE_SOFTWARE);
    uint32_t mask = load32(xstate + XSTATE_MXCSR_MASK);
    uint16_t fcw = INITIAL_FCW;
    uint32_t mxcsr = INITIAL_MXCSR;
    uint32_t pkru = INITIAL_PKRU;
    uint64_t used = 0;
    uint32_t offset;

    memset(xstate, 0, length);
    memcpy(xstate + XSTATE_FCW, &fcw, sizeof(fcw));
    memcpy(xstate + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(xstate + XSTATE_MXCSR_MASK, &mask, sizeof(mask));
    memcpy(xstate + XSTATE_SOFTWARE, &features, sizeof(features));
    if (features & (1ull << FEATURE_PKRU_BIT)) {
        /* Must stand there explicitly: PTRACE_SETREGSET sets PKRU to 0 when the bit is clear. */
        offset = component_offset(FEATURE_PKRU_BIT);
        if (offset >= XSTATE_MINIMUM && offset + sizeof(pkru) <= length) {
            memcpy(xstate + offset, &pkru, sizeof(pkru));
            used = 1ull << FEATURE_PKRU_BIT;
        }
    }
    memcpy(xstate + XSTATE_HEADER, &used, sizeof(used));
}

/* Fill the extended state's piece: size bytes of state and the magic behind them. */
static void put_xstate(uint8_t *to, const uint8_t *xstate, uint64_t features, size_t size)
{
    uint64_t used = load64(xstate + XSTATE_HEADER) & features;
    struct software_bytes software = {
        .magic1 = XSTATE_MAGIC1,
        .extended_size = (uint32_t)size + XSTATE_MAGIC2_SIZE,
        .xfeatures = features,
        .xstate_size = (uint32_t)size,
    };
    uint32_t magic2 = XSTATE_MAGIC2;

    memcpy(to, xstate, size);
    memcpy(to + XSTATE_SOFTWARE, &software, sizeof(software));
    /* Legacy frames always carry x87 and SSE (save_xstate_epilog()). */
    used |= FEATURE_X87 | FEATURE_SSE;
    memset(to + XSTATE_HEADER, 0, XSTATE_MINIMUM - XSTATE_HEADER);
    memcpy(to + XSTATE_HEADER, &used, sizeof(used));
    memcpy(to + size, &magic2, sizeof(magic2));
}

static void put_context(struct frame_context *to, const struct signal_frame_request *request,
                        uint64_t fpstate)
{
    const struct user_regs_struct *regs = request->regs;

    *to = (struct frame_context){
        .r8 = regs->r8,
        .r9 = regs->r9,
        .r10 = regs->r10,
        .r11 = regs->r11,
        .r12 = regs->r12,
        .r13 = regs->r13,
        .r14 = regs->r14,
        .r15 = regs->r15,
        .rdi = regs->rdi,
        .rsi = regs->rsi,
        .rbp = regs->rbp,
        .rbx = regs->rbx,
        .rdx = regs->rdx,
        .rax = regs->rax,
        .rcx = regs->rcx,
        .rsp = regs->rsp,
        .rip = regs->rip,
        .eflags = regs->eflags,
        .cs = (uint16_t)regs->cs,
        .ss = (uint16_t)regs->ss,
        .err = request->fault_error,
        .trapno = request->fault_trap,
        .oldmask = request->saved_mask,
        .cr2 = request->fault_address,
        .fpstate = fpstate,
    };
}

/* get_sigframe(): where the two pieces go. */
static int place_frame(const struct signal_frame_request *request, size_t xstate_size,
                       uint64_t *ret_frame, uint64_t *ret_fpstate)
{
    const struct signal_altstack *stack = &request->altstack;
    uint64_t sp = request->regs->rsp - RED_ZONE;
    bool on_altstack = signal_altstack_state(stack, request->regs->rsp) == SS_ONSTACK;

    if ((request->action.flags & SA_ONSTACK) && signal_altstack_state(stack, sp) == 0) {
        sp = stack->address + stack->size;
        on_altstack = true;
    }
    sp = (sp - xstate_size - XSTATE_MAGIC2_SIZE) & ~(uint64_t)(XSTATE_ALIGNMENT - 1);
    *ret_fpstate = sp;
    sp = ((sp - FRAME_SIZE) & ~(uint64_t)(FRAME_ALIGNMENT - 1)) - 8;
    *ret_frame = sp;
    /* An overflow of the alternate stack must not write below it. */
    if (on_altstack && !signal_altstack_contains(stack, sp))
        return -EFAULT;
    return 0;
}

static uint8_t *allocate(size_t length)
{
    uint8_t *data = calloc(1, length);

    if (!data)
        abort();
    return data;
}

static void enter_handler(const struct signal_frame_request *request, uint64_t frame,
                          struct signal_frame *ret)
{
    ret->regs = *request->regs;
    ret->regs.rdi = (uint64_t)request->info.si_signo;
    ret->regs.rax = 0;
    ret->regs.rsi = frame + sizeof(struct frame_head);
    ret->regs.rdx = frame + offsetof(struct frame_head, uc_flags);
    ret->regs.rip = request->action.handler;
    ret->regs.rsp = frame;
    ret->regs.cs = USER_CODE_SELECTOR;
    ret->regs.ss = USER_DATA_SELECTOR;
    ret->regs.eflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF);
    ret->regs.orig_rax = (uint64_t)-1; /* not in a system call: nothing to restart */
    ret->xstate_length = request->xstate_length;
    ret->xstate = allocate(request->xstate_length);
    memcpy(ret->xstate, request->xstate, request->xstate_length);
    signal_xstate_init(ret->xstate, ret->xstate_length);
    ret->altstack_after = request->altstack;
    signal_altstack_delivered(&ret->altstack_after);
}

int signal_frame_build(const struct signal_frame_request *request, struct signal_frame *ret)
{
    bool with_info = request->action.flags & SA_SIGINFO;
    struct frame_head head = {0};
    uint64_t features, frame, fpstate;
    size_t size;
    int r;

    if (request->xstate_length < XSTATE_MINIMUM)
        return -EINVAL;
    if (!(request->action.flags & ACTION_RESTORER))
        return -EFAULT;
    frame_features(request->xstate, request->xstate_length, &features, &size);
    r = place_frame(request, size, &frame, &fpstate);
    if (r < 0)
        return r;

    memset(ret, 0, sizeof(*ret));
    ret->piece_count = SIGNAL_FRAME_PIECES;
    ret->piece[0].address = frame;
    /* Without SA_SIGINFO the kernel leaves the place of siginfo as it is. */
    ret->piece[0].length = with_info ? FRAME_SIZE : sizeof(head);
    ret->piece[0].data = allocate(ret->piece[0].length);
    ret->piece[1].address = fpstate;
    ret->piece[1].length = size + XSTATE_MAGIC2_SIZE;
    ret->piece[1].data = allocate(ret->piece[1].length);

    head.pretcode = request->action.restorer;
    head.uc_flags = UCONTEXT_FP_XSTATE | UCONTEXT_SIGCONTEXT_SS | UCONTEXT_STRICT_RESTORE_SS;
    head.uc_stack.address = request->altstack.address;
    head.uc_stack.flags = request->altstack.flags;
    head.uc_stack.size = request->altstack.size;
    put_context(&head.context, request, fpstate);
    head.uc_sigmask = request->saved_mask;
    memcpy(ret->piece[0].data, &head, sizeof(head));
    if (with_info)
        memcpy(ret->piece[0].data + sizeof(head), &request->info, SIGINFO_KERNEL_SIZE);
    put_xstate(ret->piece[1].data, request->xstate, features, size);
    enter_handler(request, frame, ret);
    return 0;
}

void signal_frame_done(struct signal_frame *frame)
{
    for (size_t i = 0; i < frame->piece_count; i++)
        free(frame->piece[i].data);
    free(frame->xstate);
    memset(frame, 0, sizeof(*frame));
}

static void get_context(const struct frame_context *from, uint64_t uc_flags,
                        const struct user_regs_struct *at, struct user_regs_struct *ret)
{
    *ret = *at;
    ret->r8 = from->r8;
    ret->r9 = from->r9;
    ret->r10 = from->r10;
    ret->r11 = from->r11;
    ret->r12 = from->r12;
    ret->r13 = from->r13;
    ret->r14 = from->r14;
    ret->r15 = from->r15;
    ret->rdi = from->rdi;
    ret->rsi = from->rsi;
    ret->rbp = from->rbp;
    ret->rbx = from->rbx;
    ret->rdx = from->rdx;
    ret->rax = from->rax;
    ret->rcx = from->rcx;
    ret->rsp = from->rsp;
    ret->rip = from->rip;
    ret->cs = from->cs | 3u;
    ret->ss = from->ss | 3u;
    if (!(uc_flags & UCONTEXT_STRICT_RESTORE_SS) && ret->cs == USER_CODE_SELECTOR)
        ret->ss = USER_DATA_SELECTOR; /* force_valid_ss() */
    ret->eflags = (at->eflags & ~FLAGS_RESTORED) | (from->eflags & FLAGS_RESTORED);
    ret->orig_rax = (uint64_t)-1;
}

/* XRSTOR takes MXCSR from memory even where the SSE component is marked as initial; a regset takes
 * it only with the component. So name the component then. */
static void carry_mxcsr(uint8_t *xstate, uint64_t features, uint64_t *used)
{
    if (!(features & (FEATURE_SSE | FEATURE_AVX)) || (*used & FEATURE_SSE) ||
        load32(xstate + XSTATE_MXCSR) == INITIAL_MXCSR)
        return;
    memset(xstate + XSTATE_XMM, 0, 16 * 16);
    *used |= FEATURE_SSE;
}

static bool header_reserved_is_zero(const uint8_t *xstate)
{
    for (size_t i = XSTATE_HEADER + 8; i < XSTATE_HEADER + 24; i++) {
        if (xstate[i])
            return false;
    }
    return true;
}

/* check_xstate_in_sigframe() and XRSTOR, onto a regset image of `length` bytes. */
static int get_xstate(int (*read)(void *context, uint64_t address, void *ret, size_t length),
                      void *context, uint64_t fpstate, uint8_t *ret, size_t length)
{
    struct software_bytes software;
    uint64_t features, used;
    uint32_t magic2 = 0, mask;
    size_t size;

    if (length < XSTATE_MINIMUM)
        return -EINVAL;
    if (read(context, fpstate + XSTATE_SOFTWARE, &software, sizeof(software)) < 0)
        return -EFAULT;
    features = software.xfeatures;
    size = software.xstate_size;
    if (software.magic1 == XSTATE_MAGIC1 && size >= XSTATE_MINIMUM && size <= length) {
        if (read(context, fpstate + size, &magic2, sizeof(magic2)) < 0)
            return -EFAULT;
    }
    if (magic2 != XSTATE_MAGIC2) { /* as from FXSAVE: the rest becomes initial */
        features = FEATURE_X87 | FEATURE_SSE;
        size = XSTATE_SOFTWARE;
    }
    memset(ret, 0, length);
    if (read(context, fpstate, ret, size) < 0)
        return -EFAULT;
    used = features;
    if (size >= XSTATE_MINIMUM) {
        if (!header_reserved_is_zero(ret))
            return -EFAULT; /* #GP of XRSTOR */
        used = load64(ret + XSTATE_HEADER) & features;
    }
    mask = load32(ret + XSTATE_MXCSR_MASK);
    if (load32(ret + XSTATE_MXCSR) & ~(mask ? mask : MXCSR_DEFAULT_MASK))
        return -EFAULT; /* #GP: reserved bits */
    carry_mxcsr(ret, features, &used);
    memset(ret + XSTATE_SOFTWARE, 0, XSTATE_MINIMUM - XSTATE_SOFTWARE);
    memcpy(ret + XSTATE_SOFTWARE, &features, sizeof(features));
    memcpy(ret + XSTATE_HEADER, &used, sizeof(used));
    return 0;
}

int signal_frame_parse(int (*read)(void *context, uint64_t address, void *ret, size_t length),
                       void *context, const struct user_regs_struct *at,
                       struct user_regs_struct *ret_regs, signal_set *ret_mask,
                       struct signal_altstack *ret_altstack, uint8_t *ret_xstate,
                       size_t *xstate_length)
{
    struct frame_head head;
    size_t length = *xstate_length & ~(size_t)7;
    int r;

    if (read(context, at->rsp - 8, &head, sizeof(head)) < 0)
        return -EFAULT;
    if (head.context.fpstate) {
        r = get_xstate(read, context, head.context.fpstate, ret_xstate, length);
        if (r < 0)
            return r;
    } else {
        length = 0;
    }
    get_context(&head.context, head.uc_flags, at, ret_regs);
    *ret_mask = head.uc_sigmask & ~SIGNAL_UNBLOCKABLE;
    ret_altstack->address = head.uc_stack.address;
    ret_altstack->size = head.uc_stack.size;
    ret_altstack->flags = head.uc_stack.flags;
    *xstate_length = length;
    return 0;
}

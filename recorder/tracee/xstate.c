/* Extended registers: NT_X86_XSTATE, an XSAVE area in standard form (Intel SDM volume 1, 13.4).
 *
 * Which components are in their initial state ("not in use": XINUSE, XGETBV with ecx 1) shows in
 * what xsavec and xsaveopt write, so in the memory of every program that binds lazily: ld.so saves
 * the vector registers on the stack. In a virtual machine x87 and SSE state come into use by
 * themselves when the host saves and restores them (measured: within seconds), never the other way
 * round. So they are put into use at exec and wherever else their state is set, and then stay so.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "recorder/tracee/tracee.h"

#define FCW 0
#define X87_SIZE 24 /* control, status, tag and pointers; MXCSR follows */
#define MXCSR 24
#define ST0 32
#define XMM0 160
#define XMM_SIZE 256
#define SOFTWARE 464 /* XCR0 in a regset (arch/x86/include/uapi/asm/sigcontext.h) */
#define XSTATE_BV 512
#define HEADER_END 576

#define FEATURE_X87 (1ull << 0)
#define FEATURE_SSE (1ull << 1)
#define FEATURE_AVX (1ull << 2)
#define FEATURE_PKRU (1ull << 9)

#define INITIAL_FCW 0x37f
#define INITIAL_MXCSR 0x1f80

static void initialise_x87(uint8_t *area)
{
    const uint16_t fcw = INITIAL_FCW;

    memset(area, 0, X87_SIZE);
    memset(area + ST0, 0, XMM0 - ST0);
    memcpy(area + FCW, &fcw, sizeof(fcw));
}

static void initialise_sse(uint8_t *area, uint64_t features)
{
    const uint32_t mxcsr = INITIAL_MXCSR;

    memset(area + XMM0, 0, XMM_SIZE);
    if (!(features & FEATURE_AVX)) /* else MXCSR counts although SSE is not in use */
        memcpy(area + MXCSR, &mxcsr, sizeof(mxcsr));
}

static void put_into_use(uint8_t *area)
{
    uint64_t features;

    memcpy(&features, area + XSTATE_BV, sizeof(features));
    if (!(features & FEATURE_X87))
        initialise_x87(area);
    if (!(features & FEATURE_SSE))
        initialise_sse(area, features);
    features |= FEATURE_X87 | FEATURE_SSE;
    memcpy(area + XSTATE_BV, &features, sizeof(features));
}

int tracee_get_xstate(pid_t tid, uint8_t *ret, size_t *length)
{
    struct iovec iov = {ret, *length};

    if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) < 0)
        return -errno;
    *length = iov.iov_len;
    return 0;
}

int tracee_set_xstate(pid_t tid, const uint8_t *data, size_t length)
{
    uint8_t copy[TRACEE_XSTATE_MAX];
    struct iovec iov = {copy, length};

    if (length < HEADER_END || length > sizeof(copy))
        return -EINVAL;
    memcpy(copy, data, length);
    put_into_use(copy);
    return ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &iov) < 0 ? -errno : 0;
}

int tracee_reset_xstate(pid_t tid)
{
    uint8_t area[TRACEE_XSTATE_MAX];
    size_t length = sizeof(area);
    int error = tracee_get_xstate(tid, area, &length);
    uint64_t features;

    if (error)
        return error;
    /* the kernel's initial PKRU is not the processor's; it is in the area wherever there is one */
    memcpy(&features, area + SOFTWARE, sizeof(features));
    features &= FEATURE_PKRU;
    memcpy(area + XSTATE_BV, &features, sizeof(features));
    return tracee_set_xstate(tid, area, length);
}

/* Handlers' frames: alternate stacks, changed contexts, jumps out of them, faults, registers. */
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "handlers.h"

/* --- alternate stacks, contexts, jumps --- */

static char *alternate;
static int on_alternate;

static void on_stack(int signal)
{
    (void)signal;
    char here;
    on_alternate = &here > alternate && &here < alternate + SIGSTKSZ * 4;
    stack_t now;
    CHECK(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK));
    CHECK(sigaltstack(&now, NULL) == -1 && errno == EPERM);
}

static void altstack(void)
{
    alternate = malloc((size_t)SIGSTKSZ * 4);
    stack_t stack = {.ss_sp = alternate, .ss_size = (size_t)SIGSTKSZ * 4}, old;
    CHECK(sigaltstack(&stack, &old) == 0 && old.ss_flags == SS_DISABLE);
    handle(SIGUSR1, SA_ONSTACK, on_stack);
    raise(SIGUSR1);
    CHECK(on_alternate == 1);
    stack.ss_size = 100;
    CHECK(sigaltstack(&stack, NULL) == -1 && errno == ENOMEM);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static sigjmp_buf overflow_exit;

static void on_overflow(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    CHECK(info->si_addr != NULL);
    siglongjmp(overflow_exit, 1);
}

static int overflow(volatile char *above)
{
    volatile char frame[4096];
    frame[0] = above[0];
    return overflow(frame) + frame[1];
}

static void stack_overflow(void)
{
    alternate = malloc((size_t)SIGSTKSZ * 4);
    stack_t stack = {.ss_sp = alternate, .ss_size = (size_t)SIGSTKSZ * 4};
    CHECK(sigaltstack(&stack, NULL) == 0);
    handle_info(SIGSEGV, SA_ONSTACK, on_overflow);
    for (int i = 0; i < 2; i++)
        if (sigsetjmp(overflow_exit, 1) == 0) {
            char first[1] = "";
            overflow(first);
        }
}

extern char context_fault[], context_after[];

static void on_context(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *user = context;
    CHECK((char *)user->uc_mcontext.gregs[REG_RIP] == context_fault);
    CHECK(info->si_addr == (void *)16 && info->si_code == SEGV_MAPERR);
    user->uc_mcontext.gregs[REG_RIP] = (greg_t)context_after;
    user->uc_mcontext.gregs[REG_RBX] = 77;
    user->uc_mcontext.fpregs->_xmm[3].element[0] = 1234;
    sigaddset(&user->uc_sigmask, SIGUSR2);
}

static void changed_context(void)
{
    handle_info(SIGSEGV, 0, on_context);
    long value = 0;
    int vector = 0;
    __asm__ volatile("mov $16, %%eax\n\t"
                     ".globl context_fault\n\t"
                     "context_fault: mov (%%rax), %%rbx\n\t"
                     "mov $1, %%ebx\n\t"
                     ".globl context_after\n\t"
                     "context_after: mov %%rbx, %0\n\t"
                     "movd %%xmm3, %1\n\t"
                     : "=&r"(value), "=r"(vector)
                     :
                     : "rax", "rbx", "xmm3");
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(value == 77 && vector == 1234 && sigismember(&now, SIGUSR2));
}

static jmp_buf plain_exit;
static sigjmp_buf mask_exit;

static void on_longjmp(int signal)
{
    count++;
    if (signal == SIGUSR1)
        siglongjmp(mask_exit, 1);
    longjmp(plain_exit, 1);
}

static void longjmp_out(void)
{
    handle(SIGUSR1, 0, on_longjmp);
    handle(SIGUSR2, SA_NODEFER, on_longjmp);
    for (int i = 0; i < 50; i++) {
        if (sigsetjmp(mask_exit, 1) == 0)
            raise(SIGUSR1);
        if (setjmp(plain_exit) == 0)
            raise(SIGUSR2);
    }
    CHECK(count == 100);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(!sigismember(&now, SIGUSR1));
    /* plain longjmp keeps the handler's mask */
    handle(SIGUSR2, 0, on_longjmp);
    if (setjmp(plain_exit) == 0)
        raise(SIGUSR2);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR2));
}

/* A call is left by a jump; calls that do not stop follow, then one that does. */
static void longjmp_and_calls(void)
{
    struct itimerval timer = {.it_value.tv_usec = 1000};
    struct timespec moment = {0, 1000};
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0 && nanosleep(&moment, NULL) == 0);
    for (int i = 0; i < 20; i++)
        CHECK(getppid() > 0);
    handle(SIGALRM, SA_NODEFER, on_longjmp);
    if (setjmp(plain_exit) == 0) {
        CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
        CHECK(read(ends[0], &byte, 1) < 0);
        CHECK(0);
    }
    for (int i = 0; i < 20; i++)
        CHECK(getppid() > 0);
    CHECK(nanosleep(&moment, NULL) == 0);
    CHECK(count == 1);
}

/* --- faults --- */

static char *page;
static int faults;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(signal == SIGSEGV && (char *)info->si_addr >= page &&
          (char *)info->si_addr < page + 4096);
    CHECK(info->si_code == SEGV_ACCERR);
    faults++;
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void fault_retry(void)
{
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    handle_info(SIGSEGV, 0, on_fault);
    long sum = 0;
    for (int i = 0; i < 20; i++) {
        CHECK(mprotect(page, 4096, i & 1 ? PROT_READ : PROT_NONE) == 0);
        page[i * 8] = (char)i;
        sum += page[i * 8];
    }
    CHECK(faults == 20 && sum == 190);
}

static sigjmp_buf fault_exit;
static siginfo_t fault_info;

static void on_any_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    fault_info = *info;
    siglongjmp(fault_exit, signal);
}

static volatile int zero;

static void faults_of_all_kinds(void)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        handle_info(signals[i], 0, on_any_fault);

    if (sigsetjmp(fault_exit, 1) == 0)
        zero = 10 / zero;
    CHECK(fault_info.si_signo == SIGFPE && fault_info.si_code == FPE_INTDIV);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("ud2");
    CHECK(fault_info.si_signo == SIGILL && fault_info.si_code == ILL_ILLOPN);
    if (sigsetjmp(fault_exit, 1) == 0)
        *(volatile int *)24 = 0;
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_code == SEGV_MAPERR &&
          fault_info.si_addr == (void *)24);
    if (sigsetjmp(fault_exit, 1) == 0)
        *(volatile int *)(0x8080808080808080ul) = 0;
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_code == SI_KERNEL);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("hlt");
    CHECK(fault_info.si_signo == SIGSEGV);
    if (sigsetjmp(fault_exit, 1) == 0)
        __asm__ volatile("int3");
    CHECK(fault_info.si_signo == SIGTRAP && fault_info.si_code == SI_KERNEL);

    FILE *file = tmpfile();
    CHECK(file != NULL && ftruncate(fileno(file), 100) == 0);
    char *mapped = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
    CHECK(mapped != MAP_FAILED);
    if (sigsetjmp(fault_exit, 1) == 0)
        zero = ((volatile char *)mapped)[4096];
    CHECK(fault_info.si_signo == SIGBUS && fault_info.si_code == BUS_ADRERR &&
          fault_info.si_addr == mapped + 4096);
    if (sigsetjmp(fault_exit, 1) == 0)
        ((void (*)(void))(void *)mapped)();
    CHECK(fault_info.si_signo == SIGSEGV && fault_info.si_addr == mapped);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *user = context;
    count++;
    if (count == 4)
        user->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

/* The trap flag, set by the program itself: one SIGTRAP after each instruction. */
static void trap_flag(void)
{
    handle_info(SIGTRAP, 0, on_trap);
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                     "nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t" ::
                         : "memory", "cc");
    CHECK(count == 4);
}

/* Registers and vector state survive a handler that uses all of them. */
static void on_clobber(int signal)
{
    (void)signal;
    count++;
    __asm__ volatile("xorps %%xmm0, %%xmm0\n\txorps %%xmm7, %%xmm7\n\tfninit\n\t"
                     "xor %%ebx, %%ebx\n\txor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\t" ::
                         : "rbx", "r12", "r13", "xmm0", "xmm7");
}

static void registers(void)
{
    handle(SIGALRM, SA_RESTART, on_clobber);
    struct itimerval interval = {{0, 1000}, {0, 1000}};
    CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
    double x = 1.0, y = 0.5;
    long a = 3, b = 5, c = 7;
    int turns = 0;
    while (count < 20) {
        x = x * 1.000001;
        y = y + x;
        a = a * 5 + b;
        b ^= a >> 3;
        c += b;
        if (++turns == 1000) {
            CHECK(a != 0 && x > 1.0);
            x = 1.0, y = 0.5, a = 3, b = 5, c = 7, turns = 0;
        }
    }
    interval = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &interval, NULL);
    double x2 = 1.0, y2 = 0.5;
    long a2 = 3, b2 = 5, c2 = 7;
    for (int i = 0; i < turns; i++) {
        x2 = x2 * 1.000001;
        y2 = y2 + x2;
        a2 = a2 * 5 + b2;
        b2 ^= a2 >> 3;
        c2 += b2;
    }
    CHECK(x == x2 && y == y2 && a == a2 && b == b2 && c == c2);
}

static const struct test_case cases[] = {
    {"altstack", altstack},
    {"stack_overflow", stack_overflow},
    {"changed_context", changed_context},
    {"longjmp_out", longjmp_out},
    {"longjmp_and_calls", longjmp_and_calls},
    {"fault_retry", fault_retry},
    {"faults_of_all_kinds", faults_of_all_kinds},
    {"trap_flag", trap_flag},
    {"registers", registers},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}

/* Making, cleaning and ending the place. The reaper does what can only be done inside: it resets
 * the pid counter, empties the temporary directory and counts what is left. */
#include "recorder/record/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/record/record.h"
#include "recorder/record/start.h"

enum reaper_command {
    REAPER_RESET = 'r', /* answer: 1 done, 0 a new place is needed */
    REAPER_EMPTY = 'e', /* kill everybody else; answer: 1 nobody there */
};

enum ready_bits { READY = 1, READY_NO_PROC = 2, READY_NO_TMPDIR = 4, READY_NO_SHM = 8 };

static bool write_text(const char *path, const char *text)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* user_namespaces(7). Root without CAP_SETFCAP may not be mapped: then there is no namespace to
 * have. */
static bool map_own_ids(uid_t uid, gid_t gid)
{
    char text[64];

    write_text("/proc/self/setgroups", "deny"); /* an old kernel has no such file */
    snprintf(text, sizeof(text), "%u %u 1", uid, uid);
    if (!write_text("/proc/self/uid_map", text))
        return false;
    snprintf(text, sizeof(text), "%u %u 1", gid, gid);
    return write_text("/proc/self/gid_map", text);
}

/* The loopback device, which broadcasts go to as well: without a route they would fail with another
 * error than on any machine with a network. */
static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    struct sockaddr_in everyone = {.sin_family = AF_INET, .sin_addr.s_addr = INADDR_BROADCAST};
    struct rtentry route = {.rt_flags = RTF_UP | RTF_HOST, .rt_dev = request.ifr_name};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(&route.rt_dst, &everyone, sizeof(everyone));
    memcpy(&route.rt_genmask, &everyone, sizeof(everyone));
    if (fd >= 0) {
        ioctl(fd, SIOCSIFFLAGS, &request);
        ioctl(fd, SIOCADDRT, &route);
        close(fd);
    }
}

/* What TCP adapts to the time that passes would change how much a call moves from run to run: the
 * sizes of buffers, pacing, hystart's and bbr's look at round trips
 * (Documentation/networking/ip-sysctl.rst). */
static void steady_network(void)
{
    static const char *const settings[][2] = {
        {"tcp_congestion_control", "reno"}, {"tcp_moderate_rcvbuf", "0"},
        {"tcp_slow_start_after_idle", "0"}, {"tcp_no_metrics_save", "1"},
        {"tcp_autocorking", "0"},           {"tcp_wmem", "4096 16384 2626560"},
    };
    char path[64];

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", settings[i][0]);
        write_text(path, settings[i][1]);
    }
}

/* ---- the reaper ---------------------------------------------------------------------------- */

#define SHM "/dev/shm"

static int mount_files(const char *path)
{
    return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

static bool directory_is_empty(const char *path)
{
    DIR *directory = opendir(path);
    bool empty = true;

    if (!directory)
        return false;
    for (const struct dirent *e; empty && (e = readdir(directory));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(directory);
    return empty;
}

/* New mounts where there are files, and always in the same order: /proc/self/mountinfo shows it. */
static bool clean(bool tmpdir, bool shm)
{
    bool new_tmpdir = tmpdir && !directory_is_empty(START_TMPDIR);
    bool new_shm = shm && (new_tmpdir || !directory_is_empty(SHM));

    if ((new_shm && umount2(SHM, MNT_DETACH) < 0) ||
        (new_tmpdir && umount2(START_TMPDIR, MNT_DETACH) < 0))
        return false;
    return (!new_tmpdir || mount_files(START_TMPDIR) == 0) && (!new_shm || mount_files(SHM) == 0);
}

static char reset(bool tmpdir, bool shm, int last_pid)
{
    if (!clean(tmpdir, shm))
        return 0;
    /* proc(5), /proc/sys/kernel/ns_last_pid: the next pid is 2 again */
    return pwrite(last_pid, "1", 1, 0) == 1;
}

static void reaper_main(const struct place *plan, uid_t uid, gid_t gid, int command)
{
    char byte = READY, ask;
    sigset_t all;
    bool has_tmpdir, has_shm;
    int last_pid;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "rrtest-reaper");
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (plan->user_namespace && !map_own_ids(uid, gid))
        _exit(1);
    signal(SIGCHLD, SIG_IGN); /* orphans vanish by themselves */
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        byte |= READY_NO_PROC;
    if (plan->tmpdir && mount_files(START_TMPDIR) < 0)
        byte |= READY_NO_TMPDIR;
    if (!plan->own_shm || mount_files(SHM) < 0)
        byte |= READY_NO_SHM;
    if (plan->network) {
        loopback_up();
        steady_network();
    }
    dup2(command, 3);
    close_range(4, ~0u, 0);
    close_range(0, 2, 0);
    last_pid = open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
    if (write(3, &byte, 1) != 1)
        _exit(1);
    has_tmpdir = plan->tmpdir && !(byte & READY_NO_TMPDIR);
    has_shm = !(byte & READY_NO_SHM);
    while (read(3, &ask, 1) == 1) {
        if (ask == REAPER_EMPTY)
            byte = kill(-1, SIGKILL) < 0 && errno == ESRCH;
        else
            byte = reset(has_tmpdir, has_shm, last_pid);
        if (write(3, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

/* ---- our side ------------------------------------------------------------------------------ */

static char ask(struct place *place, char what)
{
    char answer = 0;

    if (write(place->command, &what, 1) != 1)
        return 0;
    for (;;) {
        ssize_t n = read(place->command, &answer, 1);

        if (n == 1)
            return answer;
        if (n == 0 || errno != EINTR)
            return 0;
    }
}

static void end(struct place *place)
{
    if (place->reaper > 0) {
        kill(place->reaper, SIGKILL);
        while (waitpid(place->reaper, NULL, __WALL) < 0 && errno == EINTR)
            ;
    }
    close_fd(&place->reaper_pidfd);
    close_fd(&place->own_pids);
    close_fd(&place->command);
    place->reaper = 0;
}

static pid_t clone_reaper(struct place *place, int command)
{
    unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | SIGCHLD;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    pid_t pid;

    if (place->network)
        flags |= CLONE_NEWNET;
    if (place->own_shm)
        flags |= CLONE_NEWIPC;
    if (place->user_namespace)
        flags |= CLONE_NEWUSER;
    pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (pid < 0 && errno == EINVAL && place->own_shm) { /* a kernel without CONFIG_IPC_NS */
        place->own_shm = false;
        pid = (pid_t)syscall(SYS_clone, flags & ~(unsigned long)CLONE_NEWIPC, 0, 0, 0, 0);
    }
    if (pid == 0)
        reaper_main(place, uid, gid, command);
    return pid < 0 ? -errno : pid;
}

static int make_with(struct place *place)
{
    int pair[2];
    char byte = 0;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid = clone_reaper(place, pair[1]);
    close(pair[1]);
    place->command = pair[0];
    if (pid < 0) {
        close_fd(&place->command);
        return pid;
    }
    place->reaper = pid;
    while (read(place->command, &byte, 1) < 0 && errno == EINTR)
        ;
    place->reaper_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    place->own_pids = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (!(byte & READY) || place->reaper_pidfd < 0 || place->own_pids < 0) {
        end(place);
        return -EPERM;
    }
    place->own_proc = !(byte & READY_NO_PROC);
    place->tmpdir = place->tmpdir && !(byte & READY_NO_TMPDIR);
    place->own_shm = !(byte & READY_NO_SHM);
    return 0;
}

/* As root without a user namespace, else with one (a container's root may lack the privilege); with
 * a network if one can be had. */
static int make(struct place *place, uint32_t guards_off)
{
    bool tmpdir = !(guards_off & RECORD_GUARD_TMPDIR),
         network = !(guards_off & RECORD_GUARD_NETWORK);
    int error = -EPERM;

    if (tmpdir && mkdir(START_TMPDIR, 01777) == 0)
        chmod(START_TMPDIR, 01777);
    *place = (struct place){.reaper_pidfd = -1, .own_pids = -1, .command = -1};
    if (guards_off & RECORD_GUARD_PIDS)
        return -EPERM;
    for (int attempt = 0; attempt < 4 && error; attempt++) {
        if ((attempt < 2 && geteuid() != 0) || ((attempt & 1) && !network))
            continue;
        *place = (struct place){.reaper_pidfd = -1,
                                .own_pids = -1,
                                .command = -1,
                                .guards = guards_off,
                                .tmpdir = tmpdir,
                                .network = network && !(attempt & 1),
                                .own_shm = true,
                                .user_namespace = attempt >= 2};
        error = make_with(place);
    }
    return error;
}

int place_namespaces(const struct place *place)
{
    return CLONE_NEWNS | (place->network ? CLONE_NEWNET : 0) | (place->own_shm ? CLONE_NEWIPC : 0);
}

bool place_addresses_are_fixed(void)
{
    static int known; /* 1 yes, -1 no */
    int old;

    if (known == 0) {
        old = personality(0xffffffff);
        known = old >= 0 && personality((unsigned)old | ADDR_NO_RANDOMIZE) >= 0 ? 1 : -1;
        if (known > 0)
            personality((unsigned)old);
    }
    return known > 0;
}

struct place *place_take(uint32_t guards_off, int *ret_error)
{
    static struct place place = {.reaper_pidfd = -1, .own_pids = -1, .command = -1};
    static pid_t owner;

    if (owner != getpid()) { /* a forked worker makes its own */
        place = (struct place){.reaper_pidfd = -1, .own_pids = -1, .command = -1};
        owner = getpid();
    }
    if (place.reaper > 0 && (place.guards != guards_off || !ask(&place, REAPER_RESET)))
        end(&place);
    if (place.reaper <= 0) {
        *ret_error = make(&place, guards_off);
        if (*ret_error)
            return NULL;
    }
    *ret_error = 0;
    return &place;
}

bool place_is_empty(struct place *place)
{
    return place->reaper <= 0 || ask(place, REAPER_EMPTY);
}

void place_leave(struct place *place, bool spoiled)
{
    if (spoiled)
        end(place);
}

/* ioctl requests on terminals, sockets, files. */
#include "recorder/syscalls/tests/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "recorder/syscalls/tests/poison.h"

static int set_up(void **state)
{
    (void)state;
    poison_reset();
    return 0;
}

static void test_terminals(void **state)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int *zero = poison_take_zeroed(4);
    int slave;

    (void)state;
    if (master < 0)
        skip();
    poison(POISON_QUIET, "ioctl", master, TIOCSPTLCK, zero);
    poison(POISON_CHANGES, "ioctl", master, TIOCGPTN, poison_take(4));
    poison(POISON_CHANGES, "ioctl", master, TIOCGPTLCK, poison_take(4));
    slave = (int)poison(POISON_QUIET, "ioctl", master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    poison(POISON_CHANGES, "ioctl", slave, TCGETS, poison_take(36));
    poison(POISON_CHANGES, "ioctl", slave, 0x802C542A /* TCGETS2 */, poison_take(44));
    poison(POISON_CHANGES, "ioctl", slave, TCGETA, poison_take(18));
    poison(POISON_CHANGES, "ioctl", slave, TIOCGWINSZ, poison_take(8));
    poison(POISON_CHANGES, "ioctl", slave, TIOCOUTQ, poison_take(4));
    poison(POISON_CHANGES, "ioctl", slave, FIONREAD, poison_take(4));
    poison(POISON_CHANGES, "ioctl", slave, TIOCGETD, poison_take(4));
    poison(POISON_CHANGES, "ioctl", slave, TIOCGEXCL, poison_take(4));
    poison(POISON_CHANGES, "ioctl", slave, TIOCGDEV, poison_take(4));
    poison(POISON_CHANGES, "ioctl", slave, TIOCGSOFTCAR, poison_take(4));
    poison(POISON_ANY, "ioctl", slave, TIOCGPGRP, poison_take(4));
    poison(POISON_ANY, "ioctl", slave, TIOCGSID, poison_take(4));
    poison(POISON_ANY, "ioctl", slave, TIOCMGET, poison_take(4));
    poison(POISON_ANY, "ioctl", slave, TIOCGSERIAL, poison_take(72));
    poison(POISON_ANY, "ioctl", slave, TIOCGICOUNT, poison_take(80));
    poison(POISON_QUIET, "ioctl", slave, FIOCLEX, 0);
    poison(POISON_QUIET, "ioctl", slave, FIONBIO, zero);
    close(slave);
    close(master);
}

static void test_interfaces(void **state)
{
    static const unsigned long requests[] = {
        SIOCGIFFLAGS,  SIOCGIFADDR, SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK,
        SIOCGIFMETRIC, SIOCGIFMTU,  SIOCGIFHWADDR,  SIOCGIFINDEX,   SIOCGIFPFLAGS,
        SIOCGIFTXQLEN, SIOCGIFMAP,  SIOCGIFENCAP,   SIOCGIFSLAVE,   SIOCGIFMEM,
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifconf *conf = poison_take(sizeof(*conf));

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        struct ifreq *request = poison_take(sizeof(*request));

        strcpy(request->ifr_name, "lo");
        poison(POISON_ANY, "ioctl", fd, requests[i], request);
    }
    *conf = (struct ifconf){.ifc_len = 400, .ifc_buf = poison_take(400)};
    poison(POISON_ANY, "ioctl", fd, SIOCGIFCONF, conf);
    *conf = (struct ifconf){.ifc_len = 400, .ifc_buf = NULL};
    poison(POISON_CHANGES, "ioctl", fd, SIOCGIFCONF, conf);
    poison(POISON_CHANGES, "ioctl", fd, SIOCGPGRP, poison_take(4));
    poison(POISON_CHANGES, "ioctl", fd, FIOGETOWN, poison_take(4));
    poison(POISON_ANY, "ioctl", fd, SIOCATMARK, poison_take(4));
    poison(POISON_ANY, "ioctl", fd, 0x8906 /* SIOCGSTAMP */, poison_take(16));
    poison(POISON_CHANGES, "ioctl", fd, SIOCOUTQ, poison_take(4));
    poison(POISON_CHANGES, "ioctl", fd, SIOCINQ, poison_take(4));
    close(fd);
}

static void test_file_systems(void **state)
{
    char path[] = "/tmp/rrtest-ioctl-XXXXXX";
    int fd = mkstemp(path);
    struct fiemap *map = poison_take(sizeof(*map) + 4 * sizeof(struct fiemap_extent));
    int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(fd, path, sizeof(path)), sizeof(path));
    fsync(fd);
    *map = (struct fiemap){.fm_length = UINT64_MAX, .fm_extent_count = 4};
    poison(POISON_ANY, "ioctl", fd, FS_IOC_FIEMAP, map);
    *map = (struct fiemap){.fm_length = UINT64_MAX, .fm_flags = 0x80000000};
    poison(POISON_ANY, "ioctl", fd, FS_IOC_FIEMAP, map);
    poison(POISON_ANY, "ioctl", fd, FS_IOC_GETFLAGS, poison_take(8));
    poison(POISON_ANY, "ioctl", fd, FS_IOC_GETVERSION, poison_take(8));
    poison(POISON_ANY, "ioctl", fd, FS_IOC_FSGETXATTR, poison_take(28));
    poison(POISON_ANY, "ioctl", fd, FS_IOC_GETFSLABEL, poison_take(256));
    poison(POISON_ANY, "ioctl", fd, 0x80111500 /* FS_IOC_GETFSUUID */, poison_take(17));
    poison(POISON_ANY, "ioctl", fd, 0x80811501 /* FS_IOC_GETFSSYSFSPATH */, poison_take(129));
    poison(POISON_CHANGES, "ioctl", fd, FIGETBSZ, poison_take(4));
    poison(POISON_CHANGES, "ioctl", fd, FIONREAD, poison_take(4));
    poison(POISON_CHANGES, "ioctl", fd, FIOQSIZE, poison_take(8));
    poison(POISON_ANY, "ioctl", fd, FIBMAP, poison_take_zeroed(4));
    poison(POISON_CHANGES, "ioctl", ends[0], FIONREAD, poison_take(4));
    poison(POISON_CHANGES, "ioctl", random, RNDGETENTCNT, poison_take(4));
    unlink(path);
    close(fd);
    close(random);
    close(ends[0]);
    close(ends[1]);
}

static void test_block_devices(void **state)
{
    static const unsigned long requests[] = {
        BLKROGET,     BLKGETSIZE, BLKRAGET,   BLKSECTGET,  BLKSSZGET,     BLKBSZGET,       BLKIOMIN,
        BLKGETSIZE64, BLKIOOPT,   BLKPBSZGET, BLKALIGNOFF, BLKROTATIONAL, BLKDISCARDZEROES};
    static const char *const devices[] = {"/dev/vda", "/dev/sda", "/dev/loop0", "/dev/ram0"};
    int fd = -1;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(*devices) && fd < 0; i++)
        fd = open(devices[i], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        poison(POISON_ANY, "ioctl", fd, requests[i], poison_take(8));
    poison(POISON_ANY, "ioctl", fd, 0x301 /* HDIO_GETGEO */, poison_take(16));
    close(fd);
}

static void test_namespaces_and_pidfds(void **state)
{
    int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    int mount = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    uint64_t *info = poison_take_zeroed(128);

    (void)state;
    if (user >= 0)
        poison(POISON_ANY, "ioctl", user, 0xB704 /* NS_GET_OWNER_UID */, poison_take(4));
    if (mount >= 0)
        poison(POISON_ANY, "ioctl", mount, 0x8008B705 /* NS_GET_MNTNS_ID */, poison_take(8));
    close(user);
    close(mount);
    int pidfd = (int)poison(POISON_ANY, "pidfd_open", getpid(), 0);
    if (pidfd < 0)
        skip();
    info[0] = UINT64_MAX;
    poison(POISON_ANY, "ioctl", pidfd, 0xC040FF0B /* PIDFD_GET_INFO, 64 bytes */, info);
    poison(POISON_ANY, "ioctl", pidfd, 0xC080FF0B /* 128 bytes */, info);
    close(pidfd);
}

int outputs_of_devices(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_terminals),
        TEST(test_interfaces),
        TEST(test_file_systems),
        TEST(test_block_devices),
        TEST(test_namespaces_and_pidfds),
    };
#undef TEST

    return cmocka_run_group_tests_name("outputs of devices", tests, NULL, NULL);
}

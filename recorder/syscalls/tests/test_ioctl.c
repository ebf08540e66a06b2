/* The ioctl sub-table against the kernel's headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/termbits.h>
#include <linux/blkzoned.h>
#include <linux/cdrom.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/fuse.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/inotify.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/msdos_fs.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/vt.h>
#include <linux/wireless.h>
#include <string.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "recorder/syscalls/irregular/irregular.h"

/* Every modelled request that the headers of Debian 12 define. */
/* clang-format off */
#define HEADER_REQUESTS(X) \
    X(TCGETS) X(TCSETS) X(TCSETSW) X(TCSETSF) X(TCGETA) X(TCSETA) X(TCSETAW) X(TCSETAF)            \
    X(TCSBRK) X(TCXONC) X(TCFLSH) X(TIOCEXCL) X(TIOCNXCL) X(TIOCSCTTY) X(TIOCGPGRP) X(TIOCSPGRP)   \
    X(TIOCOUTQ) X(TIOCSTI) X(TIOCGWINSZ) X(TIOCSWINSZ) X(TIOCMGET) X(TIOCMBIS) X(TIOCMBIC)         \
    X(TIOCMSET) X(TIOCGSOFTCAR) X(TIOCSSOFTCAR) X(FIONREAD) X(TIOCCONS) X(TIOCGSERIAL)             \
    X(TIOCSSERIAL) X(TIOCPKT) X(FIONBIO) X(TIOCNOTTY) X(TIOCSETD) X(TIOCGETD) X(TCSBRKP)           \
    X(TIOCSBRK) X(TIOCCBRK) X(TIOCGSID) X(TCGETS2) X(TCSETS2) X(TCSETSW2) X(TCSETSF2)              \
    X(TIOCGRS485) X(TIOCSRS485) X(TIOCGPTN) X(TIOCSPTLCK) X(TIOCGDEV) X(TCGETX) X(TCSETX)          \
    X(TCSETXF) X(TCSETXW) X(TIOCSIG) X(TIOCVHANGUP) X(TIOCGPKT) X(TIOCGPTLCK) X(TIOCGEXCL)         \
    X(TIOCGPTPEER) X(FIONCLEX) X(FIOCLEX) X(FIOASYNC) X(TIOCSERGETLSR) X(TIOCMIWAIT)               \
    X(TIOCGICOUNT) X(FIOQSIZE) X(KIOCSOUND) X(KDMKTONE) X(KDGETLED) X(KDSETLED) X(KDGKBTYPE)       \
    X(KDSETMODE) X(KDGETMODE) X(KDGKBMODE) X(KDSKBMODE) X(KDGKBMETA) X(KDSKBMETA) X(KDGKBLED)      \
    X(KDSKBLED) X(VT_OPENQRY) X(VT_GETMODE) X(VT_SETMODE) X(VT_GETSTATE) X(VT_RELDISP)             \
    X(VT_ACTIVATE) X(VT_WAITACTIVE) X(VT_DISALLOCATE) X(VT_RESIZE) X(VT_GETHIFONTMASK)             \
    X(FIOSETOWN) X(SIOCSPGRP) X(FIOGETOWN) X(SIOCGPGRP) X(SIOCATMARK) X(SIOCGSTAMP)                \
    X(SIOCGSTAMPNS) X(SIOCGSTAMP_NEW) X(SIOCGSTAMPNS_NEW) X(SIOCADDRT) X(SIOCDELRT)                \
    X(SIOCGIFNAME) X(SIOCSIFLINK) X(SIOCGIFCONF) X(SIOCGIFFLAGS) X(SIOCSIFFLAGS) X(SIOCGIFADDR)    \
    X(SIOCSIFADDR) X(SIOCGIFDSTADDR) X(SIOCSIFDSTADDR) X(SIOCGIFBRDADDR) X(SIOCSIFBRDADDR)         \
    X(SIOCGIFNETMASK) X(SIOCSIFNETMASK) X(SIOCGIFMETRIC) X(SIOCSIFMETRIC) X(SIOCGIFMEM)            \
    X(SIOCSIFMEM) X(SIOCGIFMTU) X(SIOCSIFMTU) X(SIOCSIFNAME) X(SIOCSIFHWADDR) X(SIOCGIFENCAP)      \
    X(SIOCSIFENCAP) X(SIOCGIFHWADDR) X(SIOCGIFSLAVE) X(SIOCADDMULTI) X(SIOCDELMULTI)               \
    X(SIOCGIFINDEX) X(SIOCSIFPFLAGS) X(SIOCGIFPFLAGS) X(SIOCDIFADDR) X(SIOCSIFHWBROADCAST)         \
    X(SIOCGIFCOUNT) X(SIOCGIFTXQLEN) X(SIOCSIFTXQLEN) X(SIOCOUTQNSD) X(SIOCGSKNS) X(SIOCDARP)      \
    X(SIOCGARP) X(SIOCSARP) X(SIOCGIFMAP) X(SIOCSIFMAP) X(SIOCBRADDBR) X(SIOCBRDELBR)              \
    X(SIOCBRADDIF) X(SIOCBRDELIF) X(SIOCGIWNAME) X(TUNSETNOCSUM) X(TUNSETDEBUG) X(TUNSETIFF)       \
    X(TUNSETPERSIST) X(TUNSETOWNER) X(TUNSETLINK) X(TUNSETGROUP) X(TUNGETFEATURES)                 \
    X(TUNSETOFFLOAD) X(TUNGETIFF) X(TUNGETSNDBUF) X(TUNSETSNDBUF) X(TUNGETVNETHDRSZ)               \
    X(TUNSETVNETHDRSZ) X(TUNSETQUEUE) X(FIBMAP) X(FIGETBSZ) X(FICLONE) X(FIDEDUPERANGE)            \
    X(FS_IOC_FIEMAP) X(FS_IOC_SET_ENCRYPTION_POLICY) X(FS_IOC_GET_ENCRYPTION_PWSALT)               \
    X(FS_IOC_GET_ENCRYPTION_POLICY) X(FS_IOC_ENABLE_VERITY) X(FAT_IOCTL_GET_ATTRIBUTES)            \
    X(FAT_IOCTL_SET_ATTRIBUTES) X(FUSE_DEV_IOC_CLONE) X(INOTIFY_IOC_SETNEXTWD) X(BLKROGET)         \
    X(BLKGETSIZE) X(BLKRAGET) X(BLKFRAGET) X(BLKSECTGET) X(BLKSSZGET) X(BLKDISCARD) X(BLKIOMIN)    \
    X(BLKIOOPT) X(BLKALIGNOFF) X(BLKPBSZGET) X(BLKDISCARDZEROES) X(BLKSECDISCARD)                  \
    X(BLKROTATIONAL) X(BLKZEROOUT) X(BLKGETZONESZ) X(BLKGETNRZONES) X(BLKGETDISKSEQ)               \
    X(HDIO_GETGEO) X(HDIO_GET_IDENTITY) X(CDROM_GET_CAPABILITY) X(LOOP_SET_FD) X(LOOP_CLR_FD)      \
    X(LOOP_SET_STATUS64) X(LOOP_GET_STATUS64) X(LOOP_CHANGE_FD) X(LOOP_SET_CAPACITY)               \
    X(LOOP_SET_DIRECT_IO) X(LOOP_SET_BLOCK_SIZE) X(LOOP_CONFIGURE) X(LOOP_CTL_ADD)                 \
    X(LOOP_CTL_REMOVE) X(LOOP_CTL_GET_FREE) X(RNDGETENTCNT) X(RNDADDTOENTCNT) X(RNDADDENTROPY)     \
    X(RNDZAPENTCNT) X(RNDCLEARPOOL) X(RNDRESEEDCRNG) X(RTC_AIE_ON) X(RTC_AIE_OFF) X(RTC_UIE_ON)    \
    X(RTC_UIE_OFF) X(RTC_ALM_READ) X(RTC_RD_TIME) X(RTC_SET_TIME) X(RTC_IRQP_READ)                 \
    X(RTC_WKALM_RD) X(NS_GET_USERNS) X(NS_GET_PARENT) X(NS_GET_NSTYPE) X(NS_GET_OWNER_UID)
/* clang-format on */

static const struct {
    const char *name;
    uint32_t number;
} header_requests[] = {
#define X(name) {#name, (uint32_t)(name)},
    HEADER_REQUESTS(X)
#undef X
};

static void test_requests_have_their_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(header_requests) / sizeof(*header_requests); i++) {
        const char *name = ioctl_request_name(header_requests[i].number);

        if (!name || strcmp(name, header_requests[i].name) != 0)
            fail_msg("%s is %s in the table", header_requests[i].name, name ? name : "nothing");
    }
}

static void test_table_is_large(void **state)
{
    (void)state;
    print_message("%zu ioctl requests are modelled\n", ioctl_request_count());
    assert_true(ioctl_request_count() >= 200);
}

/* The table's own rows: no request twice. */
static void test_requests_are_unique(void **state)
{
    static const struct {
        const char *name;
        uint32_t number;
    } rows[] = {
#define IOCTL(name, number, argument, bytes) {#name, number},
#define CODED(name, argument) {#name, name},
#define SPECIAL(name, number, argument) {#name, number},
#define REFUSED(name, number, error, reason) {#name, number},
#define FOREIGN(name, number) {#name, number},
#include "recorder/syscalls/irregular/ioctl.def"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (size_t n = 0; n < i; n++)
            if (rows[i].number == rows[n].number)
                fail_msg("%s and %s are one request", rows[i].name, rows[n].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_have_their_numbers),
        cmocka_unit_test(test_table_is_large),
        cmocka_unit_test(test_requests_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

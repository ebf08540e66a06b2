/* Ephemeral ports in order of the sockets' creation (ip(7), IP_LOCAL_PORT_RANGE; Linux 6.3). */
#include "recorder/record/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "recorder/base/file.h"
#include "recorder/base/log.h"
#include "recorder/record/fds.h"
#include "recorder/record/place.h"

#define LOCAL_PORT_RANGE 51 /* IP_LOCAL_PORT_RANGE: highest port << 16 | lowest */
#define FIRST_PORT 32768u   /* as net.ipv4.ip_local_port_range is in a new namespace */
#define LAST_PORT 60999u

void ports_socket_made(struct session *s, struct task *t, const struct call *c)
{
    uint32_t port = FIRST_PORT + s->ports_given, range = port << 16 | port;
    cleanup_fd int fd = -1;

    if ((c->args[0] != AF_INET && c->args[0] != AF_INET6) || !s->place || !s->place->network)
        return;
    if (port > LAST_PORT) /* all were given once: from now on the kernel finds a free one */
        return;
    fd = fds_take(t, (int)c->result);
    if (fd < 0)
        return;
    if (setsockopt(fd, IPPROTO_IP, LOCAL_PORT_RANGE, &range, sizeof(range)) == 0)
        s->ports_given++;
    else
        log_debug("ports of this run's sockets are drawn by the kernel");
}

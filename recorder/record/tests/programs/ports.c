/* Prints every port that a socket gets without asking for one. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "ci/e2e/programs/check.h"

static int port_of(int fd)
{
    struct sockaddr_in6 address;
    socklen_t length = sizeof address;
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    return ntohs(address.sin6_port);
}

static int listener(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);
    CHECK(fd >= 0 && listen(fd, 5) == 0 && port_of(fd) != 0);
    printf("listen %d\n", port_of(fd));
    return fd;
}

int main(void)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {.sin_family = AF_INET};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int fd = socket(AF_INET, type, 0);
        CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&four, sizeof four) == 0);
        printf("bind %d\n", port_of(fd));
        close(fd);
    }
    int server = listener(AF_INET), server6 = listener(AF_INET6);
    four.sin_port = htons((uint16_t)port_of(server));
    six.sin6_port = htons((uint16_t)port_of(server6));
    for (int i = 0; i < 3; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), fd6 = socket(AF_INET6, SOCK_STREAM, 0);
        CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&four, sizeof four) == 0);
        printf("connect %d\n", port_of(fd));
        CHECK(fd6 >= 0 && connect(fd6, (struct sockaddr *)&six, sizeof six) == 0);
        printf("connect %d\n", port_of(fd6));
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int served = accept(server, (struct sockaddr *)&peer, &length);
        CHECK(served >= 0 && ntohs(peer.sin_port) == port_of(fd));
        CHECK(close(served) == 0 && close(fd) == 0 && close(fd6) == 0);
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&four, sizeof four) == 1);
    printf("sendto %d\n", port_of(fd));
    return 0;
}

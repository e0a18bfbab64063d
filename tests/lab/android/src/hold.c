/*
 * Loaded into adbd (LD_PRELOAD), and into nothing that adbd starts.
 *
 * Debian's adbd listens on every interface, and on vsock. Here it listens on 127.0.0.1 alone,
 * unless LAB_ADBD_ADDR is "any" (inside a virtual machine).
 * SIGUSR1 pulls the cable: every TCP connection is reset in mid-stream, and none can be made.
 * SIGUSR2 plugs it in again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 1024
#define BACKLOG 128 /* adbd asks for 4, which a busy computer's tests overrun */

static volatile sig_atomic_t unplugged;
static volatile int listeners[8], listener_count;
static sem_t plugged;
static int anywhere;

static int option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static int is_tcp(int fd)
{
    int domain = option(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) && option(fd, SO_TYPE) == SOCK_STREAM;
}

static void pull(int sig)
{
    int saved = errno;
    (void)sig;
    unplugged = 1;
    for (int fd = 3; fd < MAX_FDS; fd++) {
        if (!is_tcp(fd)) {
            continue;
        }
        if (option(fd, SO_ACCEPTCONN) == 1) {
            shutdown(fd, SHUT_RDWR);
        } else { /* an AF_UNSPEC connect resets the connection at once */
            struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
            connect(fd, &nowhere, sizeof nowhere);
        }
    }
    errno = saved;
}

static void plug(int sig)
{
    int saved = errno;
    (void)sig;
    if (unplugged) {
        for (int i = 0; i < listener_count; i++) {
            listen(listeners[i], BACKLOG);
        }
        unplugged = 0;
        sem_post(&plugged);
    }
    errno = saved;
}

__attribute__((constructor)) static void set_up(void)
{
    const char *where = getenv("LAB_ADBD_ADDR");
    struct sigaction action;

    anywhere = where != NULL && strcmp(where, "any") == 0;
    unsetenv("LD_PRELOAD");
    unsetenv("LAB_ADBD_ADDR");
    sem_init(&plugged, 0, 0);
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_RESTART;
    action.sa_handler = pull;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = plug;
    sigaction(SIGUSR2, &action, NULL);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "bind");
    }
    if (!anywhere && address->sa_family == AF_VSOCK) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    if (!anywhere && address->sa_family == AF_INET && size >= sizeof v4) {
        memcpy(&v4, address, sizeof v4);
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return real(fd, (struct sockaddr *)&v4, sizeof v4);
    }
    if (!anywhere && address->sa_family == AF_INET6 && size >= sizeof v6) {
        static const unsigned char loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1};
        memcpy(&v6, address, sizeof v6);
        memcpy(&v6.sin6_addr, loopback, sizeof loopback);
        return real(fd, (struct sockaddr *)&v6, sizeof v6);
    }
    return real(fd, address, size);
}

int listen(int fd, int backlog)
{
    static int (*real)(int, int);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "listen");
    }
    int known = !is_tcp(fd) || listener_count == 8;
    for (int i = 0; i < listener_count; i++) {
        known |= listeners[i] == fd;
    }
    if (!known) {
        listeners[listener_count++] = fd;
    }
    return real(fd, known ? backlog : BACKLOG);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    static int (*real)(int, struct sockaddr *, socklen_t *, int);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "accept4");
    }
    for (;;) {
        int got = real(fd, address, size, flags);
        if (got >= 0 || !unplugged) {
            return got;
        }
        sem_wait(&plugged);
    }
}

int accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept4(fd, address, size, 0);
}

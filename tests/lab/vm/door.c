/*
 * door PORT NAME: the examiner's way into a `vm` phone: programs run as root, not over adb.
 *
 * On accept it says "door NAME\n". Numbers are 32 bits, little endian. The client then sends the
 * count of arguments, and each argument's length and bytes; after that both sides send frames of a
 * type (1 byte), a length and that many bytes:
 *     to the phone     0 standard input; length 0 ends it
 *     from the phone   1 standard output, 2 standard error, 3 exit status (4 bytes; 128 + signal)
 * A client that goes away takes the program's session with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 256
#define MAX_LENGTH (1u << 20)

static int client;
static int child_ended[2];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int send_all(const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t sent = send(client, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return -1;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int receive_all(void *data, size_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t got = recv(client, at, size, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1;
        }
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

static int send_frame(uint8_t type, const void *data, uint32_t size)
{
    struct __attribute__((packed)) { uint8_t type; uint32_t size; } head = {type, size};
    return send_all(&head, sizeof head) || send_all(data, size);
}

static char **receive_arguments(void)
{
    static char *arguments[MAX_ARGS + 1];
    uint32_t count, size;

    if (receive_all(&count, sizeof count) || count == 0 || count > MAX_ARGS) {
        exit(1);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (receive_all(&size, sizeof size) || size > MAX_LENGTH) {
            exit(1);
        }
        arguments[i] = calloc(1, size + 1);
        if (arguments[i] == NULL || receive_all(arguments[i], size)) {
            exit(1);
        }
    }
    return arguments;
}

static void on_child(int sig)
{
    int saved = errno;
    (void)sig;
    if (write(child_ended[1], "", 1) < 0) {
        /* the pipe is full: it says what there is to say */
    }
    errno = saved;
}

static pid_t start(char **arguments, int in, int out, int err)
{
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        setsid();
        dup2(in, 0); /* all else closes on exec */
        dup2(out, 1);
        dup2(err, 2);
        execvp(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    return pid;
}

/* Sends on what a pipe holds; 0 when there may be more, -1 at its end, -2 when the client is gone. */
static int relay(int from, uint8_t type)
{
    static char data[65536];
    ssize_t got = read(from, data, sizeof data);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 1 : -1;
    }
    if (got == 0) {
        return -1;
    }
    return send_frame(type, data, (uint32_t)got) ? -2 : 0;
}

static void serve(const char *name)
{
    static char input[MAX_LENGTH];
    uint32_t held = 0, written = 0;
    int to[2], out[2], err[2], status, one = 1;
    char hello[128];

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    snprintf(hello, sizeof hello, "door %s\n", name);
    if (send_all(hello, strlen(hello))) {
        exit(0);
    }
    char **arguments = receive_arguments();
    if (pipe2(to, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)
        || pipe2(child_ended, O_CLOEXEC | O_NONBLOCK)) {
        die("pipe");
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, on_child);
    pid_t pid = start(arguments, to[0], out[1], err[1]);
    close(to[0]);
    close(out[1]);
    close(err[1]);
    fcntl(to[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    int in_fd = to[1], out_fd = out[0], err_fd = err[0], ended = 0;
    while (!ended) {
        struct pollfd fds[] = {
            /* held input waits for the program before more is taken from the client */
            {held > written ? -1 : client, POLLIN, 0},
            {held > written ? in_fd : -1, POLLOUT, 0},
            {out_fd, POLLIN, 0},
            {err_fd, POLLIN, 0},
            {child_ended[0], POLLIN, 0},
            {client, 0, 0},
        };
        if (poll(fds, 6, -1) < 0 && errno != EINTR) {
            die("poll");
        }
        int gone = fds[5].revents & (POLLERR | POLLHUP);
        if (fds[0].revents && !gone) {
            uint8_t type;
            uint32_t size;
            gone = receive_all(&type, 1) || receive_all(&size, 4) || size > sizeof input
                || receive_all(input, size);
            held = gone ? 0 : size;
            written = 0;
            if (!gone && size == 0 && in_fd >= 0) {
                close(in_fd);
                in_fd = -1;
            }
            if (in_fd < 0) {
                held = 0;
            }
        }
        if (fds[1].revents) {
            ssize_t put = write(in_fd, input + written, held - written);
            if (put > 0) {
                written += (uint32_t)put;
            } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
                close(in_fd); /* the program reads no more: the rest goes nowhere */
                in_fd = -1;
                held = written = 0;
            }
        }
        int *pipes[] = {&out_fd, &err_fd};
        for (int i = 0; i < 2; i++) {
            if (*pipes[i] >= 0 && fds[2 + i].revents) {
                int did = relay(*pipes[i], (uint8_t)(1 + i));
                gone |= did == -2;
                if (did == -1) {
                    close(*pipes[i]);
                    *pipes[i] = -1;
                }
            }
        }
        if (gone) {
            kill(-pid, SIGKILL);
            waitpid(pid, NULL, 0);
            exit(0);
        }
        ended = waitpid(pid, &status, WNOHANG) == pid;
    }
    /* What it wrote before it ended; not what its daemons may still write. */
    while (out_fd >= 0 && relay(out_fd, 1) == 0) {
    }
    while (err_fd >= 0 && relay(err_fd, 2) == 0) {
    }
    uint32_t code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128u + (uint32_t)WTERMSIG(status);
    send_frame(3, &code, sizeof code);
    /* Until the client has read it: closing with unread input would reset the connection. */
    shutdown(client, SHUT_WR);
    while (recv(client, input, sizeof input, 0) > 0) {
    }
    exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int one = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: door PORT NAME\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address)
        || listen(listener, 16)) {
        die("door");
    }
    if (daemon(0, 1)) {
        die("daemon");
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            continue;
        }
        pid_t pid = fork();
        if (pid == 0) {
            close(listener);
            signal(SIGCHLD, SIG_DFL);
            serve(argv[2]);
        }
        close(client);
    }
}

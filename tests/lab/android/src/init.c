/*
 * The first process of a `host` phone: buries what others left behind, and ends, with the whole
 * phone, when standard input does. That is a pipe from whoever started the phone.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void bury(int sig)
{
    (void)sig;
    while (waitpid(-1, 0, WNOHANG) > 0) {
    }
}

int main(void)
{
    struct sigaction action = {.sa_handler = bury};
    char byte;

    sigaction(SIGCHLD, &action, 0);
    bury(SIGCHLD);
    for (;;) {
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return 0;
        }
    }
}

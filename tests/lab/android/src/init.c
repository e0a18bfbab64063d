/*
 * A phone's first process: buries what others left behind. Where standard input is a pipe, from
 * whoever started the phone, it ends with that, and the whole phone with it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
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
    struct stat input;
    int lifeline = fstat(STDIN_FILENO, &input) == 0 && S_ISFIFO(input.st_mode);
    char byte;

    sigaction(SIGCHLD, &action, 0);
    bury(SIGCHLD);
    for (;;) {
        ssize_t got = lifeline ? read(STDIN_FILENO, &byte, 1) : pause();
        if (lifeline && (got == 0 || (got < 0 && errno != EINTR))) {
            return 0;
        }
    }
}

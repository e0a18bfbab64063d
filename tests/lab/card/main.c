/*
 * labcard: the sound card of a `vm` lab phone, on top of snd-aloop.
 *     labcard serve MODEL TABLE     adds the table's controls, is the modem, stays
 *     labcard modem start [WAV]     a call becomes active: speech from a 48 kHz stereo S16 file
 *     labcard modem stop            and ends
 *     labcard controls              prints every mixer control with its values
 *     labcard clock NANOSECONDS     sets the system's clock
 */
#include "labcard.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die(const char *what)
{
    perror(what);
    exit(1);
}

int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int serve(const char *name, const char *table)
{
    static const char *const models[] = {"adsp", "tensor", "exynos", "mediatek", "none"};

    for (unsigned i = 0; i < sizeof models / sizeof *models; i++) {
        if (strcmp(models[i], name) == 0) {
            modem_serve(controls_add(table), (enum model)i);
        }
    }
    fprintf(stderr, "labcard: no model %s\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        return serve(argv[2], argv[3]);
    }
    if (argc >= 3 && argc <= 4 && strcmp(argv[1], "modem") == 0) {
        return modem_ask(argc - 2, argv + 2);
    }
    if (argc == 2 && strcmp(argv[1], "controls") == 0) {
        int fd = open(CONTROL, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            die(CONTROL);
        }
        controls_print(fd);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "clock") == 0) {
        long long ns = atoll(argv[2]);
        struct timespec then = {ns / 1000000000, ns % 1000000000};
        if (clock_settime(CLOCK_REALTIME, &then)) {
            die("clock");
        }
        return 0;
    }
    fprintf(stderr, "usage: labcard serve MODEL TABLE | modem start [WAV] | modem stop | controls\n");
    return 2;
}

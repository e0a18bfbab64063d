/*
 * A Tensor's driver puts the capture's enum back to Off at every stop of the PCM: a drop, a close,
 * an xrun. Here that is another process's stop, on a loopback that knows nothing of enums: the
 * kernel is asked (by kprobes) to tell of each trigger, and of each time the enum is written, in
 * one order. So a stop is never missed, however short, and a value set after it is kept.
 */
#include "labcard.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"
#define OWN TRACING "/instances/lab"

static int the_control;
static unsigned the_numid;
static int pipe_fd;

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        die(path);
    }
    close(fd);
}

/* One line of the trace: 1 the capture stopped, 2 the enum was written, 0 anything else. */
static int event(const char *line)
{
    int device, direction, command;
    unsigned numid;
    const char *at;

    if ((at = strstr(line, " device=")) != NULL) {
        return sscanf(at, " device=%d direction=%d command=%d", &device, &direction, &command) == 3
            && device == 1 && direction == SNDRV_PCM_STREAM_CAPTURE && command == 0;
    }
    if ((at = strstr(line, " numid=")) != NULL) {
        return sscanf(at, " numid=%u", &numid) == 1 && numid == the_numid ? 2 : 0;
    }
    return 0;
}

static void *watch(void *with)
{
    static char text[65536];
    size_t held = 0;

    for (;;) {
        ssize_t got = read(pipe_fd, text + held, sizeof text - 1 - held);
        if (got <= 0) {
            die("trace");
        }
        held += (size_t)got;
        text[held] = 0;
        char *line = text, *end;
        int last = 0;
        for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = 0;
            int what = event(line);
            last = what ? what : last;
        }
        held -= (size_t)(line - text);
        memmove(text, line, held);
        if (last == 1) {
            control_set(the_control, the_numid, 0);
        }
    }
    return with;
}

void tensor_watch(int control, unsigned numid)
{
    pthread_t thread;

    the_control = control;
    the_numid = numid;
    mount("tracefs", TRACING, "tracefs", 0, NULL); /* it may be mounted already */
    if (mkdir(OWN, 0700)) {
        die(OWN);
    }
    /* The offsets of the device in struct snd_pcm and the direction in struct snd_pcm_substream,
     * and of the numid in struct snd_ctl_elem_value. */
    put(TRACING "/kprobe_events",
        "p:lab/trigger snd_aloop:loopback_trigger "
        "device=+24(+0(%di)):s32 direction=+60(%di):s32 command=%si:s32\n");
    put(TRACING "/kprobe_events", "p:lab/written snd:snd_ctl_elem_user_put numid=+0(%si):u32\n");
    put(OWN "/events/lab/enable", "1");
    pipe_fd = open(OWN "/trace_pipe", O_RDONLY | O_CLOEXEC);
    if (pipe_fd < 0) {
        die(OWN "/trace_pipe");
    }
    if (pthread_create(&thread, NULL, watch, NULL)) {
        die("thread");
    }
}

/*
 * A Tensor's driver puts the capture's enum back to Off at every stop of the PCM: a drop, a close,
 * an xrun. Here that is another process's stop, on a loopback that knows nothing of enums: the
 * kernel is asked (by kprobes) to tell of each trigger, and of each time the enum is written, in
 * one order. So a stop is never missed, however short, and a value set after it is kept.
 */
#define _GNU_SOURCE
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

/* What the driver would hold, and what the control holds: the last value that anybody wrote. */
static unsigned meant, held_now;

/* One line of the trace. */
static void take(const char *line, const char *own)
{
    int device, direction, command;
    unsigned numid, value;
    const char *at;

    if ((at = strstr(line, " device=")) != NULL) {
        if (sscanf(at, " device=%d direction=%d command=%d", &device, &direction, &command) == 3
            && device == 1 && direction == SNDRV_PCM_STREAM_CAPTURE && command == 0) {
            meant = 0;
        }
    } else if ((at = strstr(line, " numid=")) != NULL) {
        if (sscanf(at, " numid=%u value=%u", &numid, &value) == 2 && numid == the_numid) {
            held_now = value;
            if (strstr(line, own) == NULL) {
                meant = value;
            }
        }
    }
}

static void *watch(void *with)
{
    static char text[65536];
    size_t held = 0;
    char own[32];

    snprintf(own, sizeof own, "-%d ", gettid());
    for (;;) {
        ssize_t got = read(pipe_fd, text + held, sizeof text - 1 - held);
        if (got <= 0) {
            die("trace");
        }
        held += (size_t)got;
        text[held] = 0;
        char *line = text, *end;
        for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = 0;
            take(line, own);
        }
        held -= (size_t)(line - text);
        memmove(text, line, held);
        /* Somebody may write between the stop and this: the trace tells, and it is put right. */
        if (meant != held_now) {
            control_set(the_control, the_numid, meant);
            held_now = meant;
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
     * and of the numid and an enum's first value in struct snd_ctl_elem_value. */
    put(TRACING "/kprobe_events",
        "p:lab/trigger snd_aloop:loopback_trigger "
        "device=+24(+0(%di)):s32 direction=+60(%di):s32 command=%si:s32\n");
    put(TRACING "/kprobe_events", "p:lab/written snd:snd_ctl_elem_user_put numid=+0(%si):u32 "
        "value=+72(%si):u32\n");
    put(OWN "/events/lab/enable", "1");
    pipe_fd = open(OWN "/trace_pipe", O_RDONLY | O_CLOEXEC);
    if (pipe_fd < 0) {
        die(OWN "/trace_pipe");
    }
    if (pthread_create(&thread, NULL, watch, NULL)) {
        die("thread");
    }
}

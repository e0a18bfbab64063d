/*
 * The modem: while a call is active, what the two ends say runs on in real time, heard or not.
 * The capturing end of the card hears of it what the controls let through, as they stand then.
 */
#define _GNU_SOURCE
#include "labcard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CHANNELS 8
#define MAX_PERIOD (192000 / 50)
#define MAX_STRETCHES 256

struct stretch { /* a time in which the card played without a break */
    int64_t at_ms;
    uint64_t frame, frames; /* of the call, at RATE */
    unsigned rate, channels;
};

static struct {
    enum model model;
    int control;
    unsigned uplink, downlink, config, stream, dsp;
    int in_call, on_hold;
    char path[256];
    struct speech speech;
    int64_t started, started_ms, ended_ms;
    uint64_t length;
    struct pcm pcm;
    uint64_t next; /* the call's frame to be played next */
    unsigned xruns, count;
    struct stretch stretches[MAX_STRETCHES];
} m;

/* Atomically, so that a reader never sees half of it. Its only reader is the test's own side. */
static void write_state(void)
{
    FILE *file = fopen(STATE ".new", "we");

    if (file == NULL) {
        return;
    }
    fprintf(file, "{\"state\": \"%s\", \"speech\": \"%s\", \"started_ms\": %lld, \"ended_ms\": %lld, ",
            m.in_call ? "call" : "idle", m.path, (long long)m.started_ms, (long long)m.ended_ms);
    fprintf(file, "\"frames\": %llu, \"rate\": %d, \"xruns\": %u, \"stretches\": [",
            (unsigned long long)m.length, RATE, m.xruns);
    for (unsigned i = 0; i < m.count; i++) {
        const struct stretch *s = &m.stretches[i];
        fprintf(file,
                "%s{\"at_ms\": %lld, \"frame\": %llu, \"frames\": %llu, \"rate\": %u, \"channels\": %u}",
                i ? ", " : "", (long long)s->at_ms, (unsigned long long)s->frame,
                (unsigned long long)s->frames, s->rate, s->channels);
    }
    fprintf(file, "]}\n");
    if (fclose(file) == 0) {
        rename(STATE ".new", STATE);
    }
}

static uint64_t call_frame(void)
{
    return (uint64_t)((now_ns(CLOCK_MONOTONIC) - m.started) / 1000 * RATE / 1000000);
}

static void begin_stretch(void)
{
    m.next = call_frame();
    if (m.count < MAX_STRETCHES) {
        m.stretches[m.count++] = (struct stretch){
            now_ns(CLOCK_REALTIME) / 1000000, m.next, 0, m.pcm.rate, m.pcm.channels,
        };
    }
    write_state();
}

static void start_playing(void)
{
    if (!pcm_is_captured() || pcm_open(&m.pcm)) {
        return;
    }
    if (m.pcm.channels > MAX_CHANNELS || m.pcm.period > MAX_PERIOD) {
        pcm_close(&m.pcm);
        return;
    }
    begin_stretch();
}

static void stop_playing(void)
{
    if (m.pcm.fd >= 0) {
        pcm_close(&m.pcm);
        write_state();
    }
}

struct heard {
    int up, down, apart; /* apart: a channel for each, where there are two */
    int far_first;       /* the far end is in the first of them */
};

static struct heard what_is_heard(void)
{
    struct heard heard = {0, 0, 0, 0};

    if (m.on_hold) {
        return heard;
    }
    if (m.model == MODEL_ADSP) { /* config: 0 where an old kernel does not have it */
        heard.up = control_get(m.control, m.uplink) != 0;
        heard.down = control_get(m.control, m.downlink) != 0;
        heard.apart = control_get(m.control, m.config) == 2;
    } else if (m.model == MODEL_TENSOR) {
        long value = control_get(m.control, m.stream); /* Off, UL, DL, UL_DL, 3MIC */
        heard.up = value == 1 || value == 3 || value == 4;
        heard.down = value == 2 || value == 3;
        heard.apart = value == 3;
    } else if (m.model == MODEL_EXYNOS) { /* always wired */
        heard.up = heard.down = heard.apart = heard.far_first = 1;
    } else if (m.model == MODEL_MEDIATEK) {
        heard.down = control_get(m.control, m.downlink) != 0 && control_get(m.control, m.config) != 0;
    }
    return heard;
}

static int16_t clipped(int sum)
{
    return (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
}

/* Much is queued, for a computer that is slow at times; a control counts from now on all the same. */
static void take_back(void)
{
    uint64_t frames = (uint64_t)pcm_take_back(&m.pcm) * RATE / m.pcm.rate;

    m.next -= frames;
    if (m.count > 0) {
        m.stretches[m.count - 1].frames -= frames;
    }
}

static void play_period(void)
{
    static int16_t out[MAX_PERIOD * MAX_CHANNELS];
    static struct heard before;
    struct heard heard = what_is_heard();
    unsigned step = RATE / m.pcm.rate ? RATE / m.pcm.rate : 1;

    if (memcmp(&heard, &before, sizeof heard) != 0) {
        take_back();
        before = heard;
    }
    memset(out, 0, sizeof out);
    for (unsigned i = 0; i < m.pcm.period; i++) {
        uint64_t frame = m.next + (uint64_t)i * RATE / m.pcm.rate;
        int up = 0, down = 0;
        int16_t leg[2], *at = out + i * m.pcm.channels;
        for (unsigned k = 0; k < step; k++) {
            speech_at(&m.speech, frame + k, leg);
            up += leg[0];
            down += leg[1];
        }
        up = heard.up ? up / (int)step : 0;
        down = heard.down ? down / (int)step : 0;
        if (heard.apart && m.pcm.channels >= 2) {
            at[heard.far_first] = (int16_t)up;
            at[!heard.far_first] = (int16_t)down;
        } else {
            for (unsigned c = 0; c < m.pcm.channels; c++) {
                at[c] = clipped(up + down);
            }
        }
    }
    if (pcm_write(&m.pcm, out)) {
        m.xruns++;
        if (m.pcm.fd >= 0) {
            begin_stretch();
        }
        return;
    }
    uint64_t played = (uint64_t)m.pcm.period * RATE / m.pcm.rate;
    m.next += played;
    if (m.count > 0) {
        m.stretches[m.count - 1].frames += played;
    }
}

static const char *start_call(const char *path)
{
    struct speech speech;

    if (m.in_call) {
        return "a call is active already";
    }
    if (speech_open(&speech, path)) {
        return "no such speech";
    }
    speech_close(&m.speech);
    m.speech = speech;
    snprintf(m.path, sizeof m.path, "%s", path ? path : "");
    m.in_call = 1;
    m.on_hold = 0;
    m.count = m.xruns = 0;
    m.length = 0;
    m.ended_ms = 0;
    m.started = now_ns(CLOCK_MONOTONIC);
    m.started_ms = now_ns(CLOCK_REALTIME) / 1000000;
    control_set(m.control, m.dsp, 3);
    write_state();
    return NULL;
}

static const char *end_call(void)
{
    if (m.in_call) {
        m.in_call = 0;
        m.length = call_frame();
        m.ended_ms = now_ns(CLOCK_REALTIME) / 1000000;
        control_set(m.control, m.dsp, 0);
        stop_playing();
        speech_close(&m.speech);
        write_state();
    }
    return NULL;
}

static void answer(int listener)
{
    char text[300] = "";
    const char *problem = "not understood";
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (client < 0) {
        return;
    }
    struct timeval second = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    if (recv(client, text, sizeof text - 1, 0) > 0) {
        char *path = strchr(text, ' ');
        if (path != NULL) {
            *path++ = 0;
        }
        if (strcmp(text, "start") == 0) {
            problem = start_call(path);
        } else if (strcmp(text, "stop") == 0) {
            problem = end_call();
        } else if (strcmp(text, "hold") == 0 || strcmp(text, "resume") == 0) {
            m.on_hold = text[0] == 'h';
            problem = m.in_call ? NULL : "no call is active";
        }
    }
    dprintf(client, "%s\n", problem ? problem : "ok");
    close(client);
}

static int door(struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, SOCKET);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket");
    }
    return fd;
}

static void find_controls(void)
{
    m.uplink = control_find(m.control, "MultiMedia9 Mixer VOC_REC_UL");
    m.downlink = control_find(m.control, "MultiMedia9 Mixer VOC_REC_DL");
    m.config = control_find(m.control, "Voc Rec Config");
    if (m.model == MODEL_MEDIATEK) {
        m.downlink = control_find(m.control, "UL2_CH1 PCM_2_CAP_CH1");
        m.config = control_find(m.control, "UL2_CH2 PCM_2_CAP_CH1");
    }
    m.stream = control_find(m.control, "Incall Capture Stream2");
    m.dsp = control_find(m.control, "Audio DSP State");
    if ((m.model == MODEL_ADSP && !(m.uplink && m.downlink))
        || (m.model == MODEL_MEDIATEK && !(m.downlink && m.config))
        || (m.model == MODEL_TENSOR && !(m.stream && m.dsp))) {
        errno = ENOENT;
        die("the model's controls");
    }
}

void modem_serve(int control, enum model model)
{
    struct sockaddr_un address;
    struct sched_param urgent = {.sched_priority = 10};

    m.control = control;
    m.model = model;
    m.pcm.fd = -1;
    find_controls();
    int listener = door(&address);
    unlink(SOCKET);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || chmod(SOCKET, 0600)
        || listen(listener, 8)) {
        die(SOCKET);
    }
    signal(SIGPIPE, SIG_IGN);
    write_state();
    if (daemon(1, 1)) {
        die("daemon");
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    sched_setscheduler(0, SCHED_FIFO, &urgent);
    if (model == MODEL_TENSOR) {
        tensor_watch(control, m.stream);
    }
    for (;;) {
        struct pollfd fds[] = {{listener, POLLIN, 0}, {m.pcm.fd, POLLOUT, 0}};
        int waiting = m.in_call && m.pcm.fd < 0 && model != MODEL_NONE;
        poll(fds, 2, waiting ? 20 : -1);
        if (fds[0].revents) {
            answer(listener);
        }
        if (m.in_call && waiting) {
            start_playing();
        } else if (m.pcm.fd >= 0 && fds[1].revents) {
            if (pcm_is_captured()) {
                play_period();
            } else {
                stop_playing();
            }
        }
    }
}

int modem_ask(int argc, char **argv)
{
    struct sockaddr_un address;
    char text[300], reply[128] = "";
    int fd = door(&address);

    snprintf(text, sizeof text, "%s%s%s", argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    if (connect(fd, (struct sockaddr *)&address, sizeof address)
        || send(fd, text, strlen(text), 0) < 0 || recv(fd, reply, sizeof reply - 1, 0) < 0) {
        die("modem");
    }
    if (strcmp(reply, "ok\n") != 0) {
        fprintf(stderr, "modem: %s: %s", argv[0], reply);
        return 1;
    }
    return 0;
}

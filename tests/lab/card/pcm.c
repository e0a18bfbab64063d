/*
 * The playing end of the loopback. It is opened only while somebody captures, and then in the
 * capture's own format: a loopback does not convert, and a phone's DSP does.
 */
#include "labcard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAYBACK "/lab/vm/dev/pcmC0D0p"
#define CAPTURE_STATUS "/lab/vm/asound/card0/pcm1c/sub0/status"
#define PERIODS 50 /* one second: this computer may be busy with something else for that long */
#define FIRST 10   /* periods that are queued before the first is heard, for the same reason */

int pcm_is_captured(void)
{
    static int fd = -1;
    char text[64];

    if (fd < 0 && (fd = open(CAPTURE_STATUS, O_RDONLY | O_CLOEXEC)) < 0) {
        die(CAPTURE_STATUS);
    }
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got < 0) {
        die(CAPTURE_STATUS);
    }
    text[got] = 0;
    return strncmp(text, "state: PREPARED", 15) == 0 || strncmp(text, "state: RUNNING", 14) == 0;
}

static struct snd_interval *interval(struct snd_pcm_hw_params *params, int which)
{
    return &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

static void only_mask(struct snd_pcm_hw_params *params, int which, unsigned bit)
{
    struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];
    memset(mask, 0, sizeof *mask);
    mask->bits[bit / 32] = 1u << bit % 32;
}

static void exactly(struct snd_pcm_hw_params *params, int which, unsigned value)
{
    struct snd_interval *of = interval(params, which);
    memset(of, 0, sizeof *of);
    of->min = of->max = value;
    of->integer = 1;
}

static unsigned nearest(struct snd_pcm_hw_params *params, int which, unsigned wanted)
{
    const struct snd_interval *of = interval(params, which);
    return wanted < of->min ? of->min : wanted > of->max ? of->max : wanted;
}

static void anything(struct snd_pcm_hw_params *params)
{
    memset(params, 0, sizeof *params);
    memset(params->masks, 0xff, sizeof params->masks);
    for (unsigned i = 0; i < sizeof params->intervals / sizeof *params->intervals; i++) {
        params->intervals[i].max = ~0u;
    }
    params->rmask = ~0u;
    params->info = ~0u;
    only_mask(params, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
    only_mask(params, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
}

static int configure(struct pcm *pcm)
{
    struct snd_pcm_hw_params params;
    struct snd_pcm_sw_params sw;

    anything(&params);
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_HW_REFINE, &params)) {
        return -1;
    }
    pcm->rate = nearest(&params, SNDRV_PCM_HW_PARAM_RATE, RATE);
    pcm->channels = nearest(&params, SNDRV_PCM_HW_PARAM_CHANNELS, 2);
    pcm->period = pcm->rate / 50;
    exactly(&params, SNDRV_PCM_HW_PARAM_RATE, pcm->rate);
    exactly(&params, SNDRV_PCM_HW_PARAM_CHANNELS, pcm->channels);
    exactly(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, pcm->period);
    exactly(&params, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, pcm->period * PERIODS);
    params.rmask = ~0u;
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params)) {
        return -1;
    }
    memset(&sw, 0, sizeof sw);
    sw.tstamp_mode = SNDRV_PCM_TSTAMP_NONE;
    sw.period_step = 1;
    sw.avail_min = pcm->period;
    sw.start_threshold = pcm->period * FIRST;
    sw.stop_threshold = pcm->period * PERIODS;
    sw.boundary = pcm->period * PERIODS;
    return ioctl(pcm->fd, SNDRV_PCM_IOCTL_SW_PARAMS, &sw) || ioctl(pcm->fd, SNDRV_PCM_IOCTL_PREPARE);
}

int pcm_open(struct pcm *pcm)
{
    pcm->fd = open(PLAYBACK, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (pcm->fd >= 0 && configure(pcm)) {
        pcm_close(pcm);
    }
    return pcm->fd < 0 ? -1 : 0;
}

void pcm_close(struct pcm *pcm)
{
    if (pcm->fd >= 0) {
        close(pcm->fd);
    }
    pcm->fd = -1;
}

int pcm_write(struct pcm *pcm, const int16_t *frames)
{
    struct snd_xferi transfer = {.buf = (void *)(uintptr_t)frames, .frames = pcm->period};

    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer) == 0) {
        return 0;
    }
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_PREPARE)) {
        pcm_close(pcm);
    }
    return -1;
}

unsigned pcm_take_back(struct pcm *pcm)
{
    snd_pcm_sframes_t queued;
    snd_pcm_uframes_t back;

    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_DELAY, &queued) || queued <= (long)pcm->period * 2) {
        return 0;
    }
    /* Whole periods, and not the one that is being heard. */
    back = ((snd_pcm_uframes_t)queued / pcm->period - 1) * pcm->period;
    return ioctl(pcm->fd, SNDRV_PCM_IOCTL_REWIND, &back) ? 0 : (unsigned)back;
}

/* One capture PCM: ranges, exact parameters, start, read. */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct snd_pcm_hw_params params;

static struct snd_interval *interval(params *params, int which)
{
    return &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

static struct snd_mask *mask(params *params, int which)
{
    return &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];
}

static params anything(void)
{
    params all = {.rmask = ~0u, .info = ~0u};
    for (int i = SNDRV_PCM_HW_PARAM_FIRST_MASK; i <= SNDRV_PCM_HW_PARAM_LAST_MASK; i++)
        memset(mask(&all, i)->bits, 0xff, sizeof mask(&all, i)->bits);
    for (int i = SNDRV_PCM_HW_PARAM_FIRST_INTERVAL; i <= SNDRV_PCM_HW_PARAM_LAST_INTERVAL; i++)
        *interval(&all, i) = (struct snd_interval){.max = ~0u};
    return all;
}

static void only(params *params, int which, unsigned bit)
{
    memset(mask(params, which)->bits, 0, sizeof mask(params, which)->bits);
    mask(params, which)->bits[bit / 32] = 1u << (bit % 32);
}

static void between(params *params, int which, unsigned min, unsigned max)
{
    *interval(params, which) = (struct snd_interval){.min = min, .max = max, .integer = 1};
}

static int refine(const struct pcm *pcm, params *params)
{
    params->rmask = ~0u;
    params->cmask = 0;
    return ioctl(pcm->fd, SNDRV_PCM_IOCTL_HW_REFINE, params) < 0 ? errno : 0;
}

/* Narrows to min..max where that is possible; else leaves the params as they were. */
static bool narrow(const struct pcm *pcm, params *wanted, int which, unsigned min, unsigned max)
{
    params tried = *wanted;
    between(&tried, which, min, max);
    if (refine(pcm, &tried))
        return false;
    *wanted = tried;
    return true;
}

static unsigned lowest(params *params, int which)
{
    const struct snd_interval *i = interval(params, which);
    return i->min + (i->openmin ? 1 : 0);
}

static unsigned highest(params *params, int which)
{
    const struct snd_interval *i = interval(params, which);
    return i->max - (i->openmax && i->max > 0 ? 1 : 0);
}

enum code pcm_open(struct pcm *pcm, int card, unsigned device, struct fault *fault)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/snd/pcmC%dD%uc", card, device);
    /* Without O_NONBLOCK the open waits for whoever has the PCM. */
    *pcm = (struct pcm){.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    if (pcm->fd >= 0)
        return OK;
    switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return fail(fault, NOT_FOUND, errno, "there is no capture PCM %u on card %d: %s", device,
                    card, strerror(errno));
    case EBUSY:
    case EAGAIN:
        return fail(fault, DENIED, EBUSY, "%s is in use by another program", path);
    case EACCES:
    case EPERM:
        return fail(fault, DENIED, errno, "can't open %s: %s", path, strerror(errno));
    default: /* Qualcomm's front ends say EINVAL where no route is set */
        return fail(fault, UNSUPPORTED, errno, "can't open %s: %s", path, strerror(errno));
    }
}

void pcm_close(struct pcm *pcm)
{
    if (pcm->fd < 0)
        return;
    ioctl(pcm->fd, SNDRV_PCM_IOCTL_DROP);
    close(pcm->fd);
    pcm->fd = -1;
}

static void range_json(struct json *json, const char *key, params *params, int which)
{
    json_key(json, key);
    json_open(json, '{');
    json_key(json, "min");
    json_int(json, lowest(params, which));
    json_key(json, "max");
    json_int(json, highest(params, which));
    json_close(json, '}');
}

enum code pcm_ranges_json(struct json *json, const struct pcm *pcm, struct fault *fault)
{
    static const struct {
        unsigned format;
        const char *name;
    } formats[] = {{1, "u8"},      {2, "s16"},  {6, "s24"},     {10, "s32"},
                   {14, "float"}, {32, "s24_3"}, {3, "s16be"}};
    static const unsigned rates[] = {8000,  11025, 16000, 22050, 24000, 32000,
                                     44100, 48000, 88200, 96000, 192000};
    params all = anything();
    int error_number = refine(pcm, &all);
    if (error_number)
        return fail(fault, UNSUPPORTED, error_number, "the PCM does not say what it can do: %s",
                    strerror(error_number));
    json_key(json, "formats");
    json_open(json, '[');
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (mask(&all, SNDRV_PCM_HW_PARAM_FORMAT)->bits[formats[i].format / 32]
            & 1u << formats[i].format % 32)
            json_text(json, formats[i].name);
    json_close(json, ']');
    range_json(json, "rate", &all, SNDRV_PCM_HW_PARAM_RATE);
    json_key(json, "rates");
    json_open(json, '[');
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        params one = all;
        if (narrow(pcm, &one, SNDRV_PCM_HW_PARAM_RATE, rates[i], rates[i]))
            json_int(json, rates[i]);
    }
    json_close(json, ']');
    range_json(json, "channels", &all, SNDRV_PCM_HW_PARAM_CHANNELS);
    range_json(json, "period_size", &all, SNDRV_PCM_HW_PARAM_PERIOD_SIZE);
    range_json(json, "periods", &all, SNDRV_PCM_HW_PARAM_PERIODS);
    range_json(json, "buffer_size", &all, SNDRV_PCM_HW_PARAM_BUFFER_SIZE);
    return OK;
}

static enum code choose(const struct pcm *pcm, params *wanted, int which, unsigned value,
                        const char *name, struct fault *fault)
{
    unsigned min = lowest(wanted, which), max = highest(wanted, which);
    if (narrow(pcm, wanted, which, value, value))
        return OK;
    return fail(fault, UNSUPPORTED, EINVAL, "the PCM can't do %s %u (it says %u to %u)", name,
                value, min, max);
}

/* The parameter as near to `aim` as the PCM allows; drivers have steps that only trying shows. */
static void choose_near(const struct pcm *pcm, params *wanted, int which, unsigned aim)
{
    unsigned min = lowest(wanted, which), max = highest(wanted, which);
    aim = aim < min ? min : aim > max ? max : aim;
    if (narrow(pcm, wanted, which, aim, aim))
        return;
    if (narrow(pcm, wanted, which, min, aim))
        narrow(pcm, wanted, which, highest(wanted, which), highest(wanted, which));
    else if (narrow(pcm, wanted, which, aim, max))
        narrow(pcm, wanted, which, lowest(wanted, which), lowest(wanted, which));
}

static unsigned chosen(params *params, int which)
{
    return lowest(params, which) == highest(params, which) ? lowest(params, which) : 0;
}

static enum code set_software(const struct pcm *pcm, struct fault *fault)
{
    struct snd_pcm_sw_params software = {
        .tstamp_mode = SNDRV_PCM_TSTAMP_NONE,
        .period_step = 1,
        .avail_min = pcm->period,
        .xfer_align = 1,
        /* Never by itself, at a read: what is held has to be set before each start. */
        .start_threshold = INT32_MAX,
        .stop_threshold = pcm->buffer,
    };
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_SW_PARAMS, &software) < 0)
        return fail(fault, UNSUPPORTED, errno, "the PCM refused its thresholds: %s",
                    strerror(errno));
    return OK;
}

enum code pcm_configure(struct pcm *pcm, unsigned rate, unsigned channels, unsigned period,
                        unsigned count, struct fault *fault)
{
    params wanted = anything();
    only(&wanted, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
    only(&wanted, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
    only(&wanted, SNDRV_PCM_HW_PARAM_SUBFORMAT, SNDRV_PCM_SUBFORMAT_STD);
    int error_number = refine(pcm, &wanted);
    if (error_number)
        return fail(fault, error_number == ENODEV ? NOT_FOUND : UNSUPPORTED, error_number,
                    "the PCM can't do interleaved 16 bit samples: %s", strerror(error_number));
    enum code code =
        choose(pcm, &wanted, SNDRV_PCM_HW_PARAM_CHANNELS, channels, "channels", fault);
    if (!code)
        code = choose(pcm, &wanted, SNDRV_PCM_HW_PARAM_RATE, rate, "rate", fault);
    if (!code && period)
        code = choose(pcm, &wanted, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, period, "period", fault);
    if (!code && count)
        code = choose(pcm, &wanted, SNDRV_PCM_HW_PARAM_PERIODS, count, "count", fault);
    if (code)
        return code;
    if (!period)
        choose_near(pcm, &wanted, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, rate / 25);
    if (!count)
        choose_near(pcm, &wanted, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, rate);
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_HW_PARAMS, &wanted) < 0)
        return fail(fault, errno == EBUSY ? DENIED : errno == ENODEV ? NOT_FOUND : UNSUPPORTED,
                    errno, "the PCM refused %u Hz, %u channels, 16 bit: %s", rate, channels,
                    strerror(errno));
    pcm->rate = chosen(&wanted, SNDRV_PCM_HW_PARAM_RATE);
    pcm->channels = chosen(&wanted, SNDRV_PCM_HW_PARAM_CHANNELS);
    pcm->period = chosen(&wanted, SNDRV_PCM_HW_PARAM_PERIOD_SIZE);
    pcm->buffer = chosen(&wanted, SNDRV_PCM_HW_PARAM_BUFFER_SIZE);
    pcm->frame_bytes = channels * 2;
    unsigned periods = chosen(&wanted, SNDRV_PCM_HW_PARAM_PERIODS);
    if (pcm->rate != rate || pcm->channels != channels || !pcm->period || !pcm->buffer
        || (period && pcm->period != period) || (count && periods != count))
        return fail(fault, UNSUPPORTED, 0,
                    "the PCM took other parameters than asked: %u Hz, %u channels, %u x %u frames",
                    pcm->rate, pcm->channels, pcm->period, periods);
    return set_software(pcm, fault);
}

int pcm_prepare(const struct pcm *pcm)
{
    return ioctl(pcm->fd, SNDRV_PCM_IOCTL_PREPARE) < 0 ? errno : 0;
}

int pcm_start(const struct pcm *pcm)
{
    return ioctl(pcm->fd, SNDRV_PCM_IOCTL_START) < 0 ? errno : 0;
}

ssize_t pcm_read(const struct pcm *pcm, void *frames, size_t count)
{
    struct snd_xferi transfer = {.buf = frames, .frames = (snd_pcm_uframes_t)count};
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_READI_FRAMES, &transfer) < 0)
        return -errno;
    return (ssize_t)transfer.result;
}

unsigned pcm_waiting(const struct pcm *pcm)
{
    snd_pcm_sframes_t frames = 0;
    if (ioctl(pcm->fd, SNDRV_PCM_IOCTL_DELAY, &frames) < 0 || frames < 0)
        return 0;
    return frames < (snd_pcm_sframes_t)pcm->buffer ? (unsigned)frames : pcm->buffer;
}

/*
 * ear DEVICE CHANNELS RATE FILE STEP...: captures from card 0, a step at a time, to raw S16 samples.
 *     read:MS        as many milliseconds; after an overrun it prepares and goes on
 *     drop           stops the PCM
 *     sleep:MS       does not read: longer than the buffer's second is an overrun
 *     set:NAME=N     writes N to the first value of a control, all others too
 * Prints a line for each step: what, and at which frame of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <sound/asound.h>

static int pcm, control;
static unsigned channels, rate;
static unsigned long long frames;
static FILE *file;

static void fail(const char *what)
{
    fprintf(stderr, "ear: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void exactly(struct snd_pcm_hw_params *params, int which, unsigned value)
{
    struct snd_interval *of = &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
    of->min = of->max = value;
    of->integer = 1;
}

static void configure(void)
{
    struct snd_pcm_hw_params params;
    struct snd_pcm_sw_params sw;

    memset(&params, 0, sizeof params);
    memset(params.masks, 0xff, sizeof params.masks);
    for (unsigned i = 0; i < sizeof params.intervals / sizeof *params.intervals; i++) {
        params.intervals[i].max = ~0u;
    }
    params.rmask = params.info = ~0u;
    memset(params.masks, 0, sizeof params.masks[0] * 2);
    params.masks[SNDRV_PCM_HW_PARAM_ACCESS].bits[0] = 1u << SNDRV_PCM_ACCESS_RW_INTERLEAVED;
    params.masks[SNDRV_PCM_HW_PARAM_FORMAT].bits[0] = 1u << SNDRV_PCM_FORMAT_S16_LE;
    exactly(&params, SNDRV_PCM_HW_PARAM_CHANNELS, channels);
    exactly(&params, SNDRV_PCM_HW_PARAM_RATE, rate);
    exactly(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, rate / 100);
    exactly(&params, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, rate);
    if (ioctl(pcm, SNDRV_PCM_IOCTL_HW_PARAMS, &params)) {
        fail("hw_params");
    }
    memset(&sw, 0, sizeof sw);
    sw.period_step = 1;
    sw.avail_min = rate / 100;
    sw.start_threshold = 1;
    sw.stop_threshold = sw.boundary = rate;
    if (ioctl(pcm, SNDRV_PCM_IOCTL_SW_PARAMS, &sw) || ioctl(pcm, SNDRV_PCM_IOCTL_PREPARE)) {
        fail("prepare");
    }
}

static unsigned read_for(unsigned ms)
{
    static short data[9600];
    unsigned overruns = 0;
    unsigned long long end = frames + (unsigned long long)ms * rate / 1000;

    while (frames < end) {
        struct snd_xferi transfer = {.buf = data, .frames = rate / 100};
        if (ioctl(pcm, SNDRV_PCM_IOCTL_READI_FRAMES, &transfer)) {
            if (errno != EPIPE || ioctl(pcm, SNDRV_PCM_IOCTL_PREPARE)) {
                fail("read");
            }
            overruns++;
            continue;
        }
        fwrite(data, 2 * channels, (size_t)transfer.result, file);
        frames += (unsigned long long)transfer.result;
    }
    return overruns;
}

static void set(char *text)
{
    static struct snd_ctl_elem_value value;
    char *equals = strrchr(text, '=');

    *equals = 0;
    memset(&value, 0, sizeof value);
    value.id.iface = SNDRV_CTL_ELEM_IFACE_MIXER;
    strcpy((char *)value.id.name, text);
    if (ioctl(control, SNDRV_CTL_IOCTL_ELEM_READ, &value)) {
        fail(text);
    }
    /* Enums are 32 bits, the others 64; their first value is at the same place. */
    value.value.integer.value[0] = atoi(equals + 1);
    if (ioctl(control, SNDRV_CTL_IOCTL_ELEM_WRITE, &value)) {
        fail(text);
    }
}

int main(int argc, char **argv)
{
    char path[64];

    if (argc < 6) {
        return 2;
    }
    snprintf(path, sizeof path, "/dev/snd/pcmC0D%sc", argv[1]);
    channels = (unsigned)atoi(argv[2]);
    rate = (unsigned)atoi(argv[3]);
    file = fopen(argv[4], "w");
    control = open("/dev/snd/controlC0", O_RDWR);
    pcm = open(path, O_RDWR);
    if (file == NULL || control < 0 || pcm < 0) {
        fail(path);
    }
    configure();
    for (char **step = argv + 5; *step != NULL; step++) {
        char *with = strchr(*step, ':');
        unsigned overruns = 0;
        printf("%llu %s", frames, *step);
        if (strncmp(*step, "read:", 5) == 0) {
            overruns = read_for((unsigned)atoi(with + 1));
        } else if (strcmp(*step, "drop") == 0) {
            if (ioctl(pcm, SNDRV_PCM_IOCTL_DROP) || ioctl(pcm, SNDRV_PCM_IOCTL_PREPARE)) {
                fail("drop");
            }
        } else if (strncmp(*step, "sleep:", 6) == 0) {
            long ms = atol(with + 1);
            struct timespec time = {ms / 1000, ms % 1000 * 1000000};
            nanosleep(&time, NULL);
        } else {
            set(with + 1);
        }
        printf(" %u\n", overruns);
    }
    fclose(file);
    return 0;
}

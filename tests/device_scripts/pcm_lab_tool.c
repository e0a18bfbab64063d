/*
 * For tests inside a `vm` lab phone:
 *   play NODE FILE   plays FILE (48 kHz, stereo, S16, no header) whole from one buffer: what is
 *                    written before the start can't come too late
 *   lock NUMID       locks a control of card 0, says "locked", and keeps it until it is killed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sound/asound.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void call(int fd, unsigned long request, void *argument, const char *what)
{
    if (ioctl(fd, (int)request, argument) < 0)
        die(what);
}

static struct snd_interval *interval(struct snd_pcm_hw_params *params, int which)
{
    return &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

static void exactly(struct snd_pcm_hw_params *params, int which, unsigned value)
{
    *interval(params, which) = (struct snd_interval){.min = value, .max = value, .integer = 1};
}

static void configure(int fd, unsigned frames)
{
    struct snd_pcm_hw_params params = {.rmask = ~0u, .info = ~0u};
    memset(params.masks, 0xff, sizeof params.masks);
    for (unsigned i = 0; i < sizeof params.intervals / sizeof *params.intervals; i++)
        params.intervals[i].max = ~0u;
    for (unsigned i = 0; i < 3; i++)
        memset(params.masks[i].bits, 0, sizeof params.masks[i].bits);
    params.masks[0].bits[0] = 1u << SNDRV_PCM_ACCESS_RW_INTERLEAVED;
    params.masks[1].bits[0] = 1u << SNDRV_PCM_FORMAT_S16_LE;
    params.masks[2].bits[0] = 1u << SNDRV_PCM_SUBFORMAT_STD;
    exactly(&params, SNDRV_PCM_HW_PARAM_RATE, 48000);
    exactly(&params, SNDRV_PCM_HW_PARAM_CHANNELS, 2);
    exactly(&params, SNDRV_PCM_HW_PARAM_PERIODS, 8);
    exactly(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, frames / 8);
    call(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params, "parameters");
    struct snd_pcm_sw_params software = {.period_step = 1, .avail_min = frames / 8,
                                         .start_threshold = 0x7fffffff, .stop_threshold = frames};
    call(fd, SNDRV_PCM_IOCTL_SW_PARAMS, &software, "thresholds");
    call(fd, SNDRV_PCM_IOCTL_PREPARE, NULL, "prepare");
}

static int play(const char *node, const char *path)
{
    struct stat stat;
    int file = open(path, O_RDONLY), fd = open(node, O_RDWR);
    if (file < 0 || fstat(file, &stat) || fd < 0)
        die("open");
    unsigned frames = (unsigned)stat.st_size / 4 / 8 * 8;
    char *sound = malloc(frames * 4ul);
    if (!sound || read(file, sound, frames * 4ul) != (ssize_t)(frames * 4ul))
        die("read");
    configure(fd, frames);
    struct snd_xferi transfer = {.buf = sound, .frames = frames};
    call(fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer, "write");
    call(fd, SNDRV_PCM_IOCTL_START, NULL, "start");
    call(fd, SNDRV_PCM_IOCTL_DRAIN, NULL, "drain");
    return 0;
}

static int lock(unsigned numid)
{
    int fd = open("/dev/snd/controlC0", O_RDWR);
    struct snd_ctl_elem_id id = {.numid = numid};
    if (fd < 0)
        die("open");
    call(fd, SNDRV_CTL_IOCTL_ELEM_LOCK, &id, "lock");
    if (write(STDOUT_FILENO, "locked\n", 7) != 7)
        die("write");
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "play") == 0)
        return play(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "lock") == 0)
        return lock((unsigned)atoi(argv[2]));
    return 2;
}

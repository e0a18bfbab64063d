/* The two ends of the line: a WAV file, over and over, or a tone for each. */
#include "labcard.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One period of a sine in 48 steps is 1 kHz; the tones are 500 Hz and 750 Hz, at -20 dBFS. */
static const int16_t quarter[25] = {
    0, 214, 428, 639, 848, 1054, 1254, 1449, 1638, 1820, 1994, 2159, 2316,
    2463, 2599, 2724, 2838, 2940, 3028, 3104, 3166, 3214, 3249, 3270, 3277,
};

static int16_t sine(unsigned step) /* of 96 */
{
    unsigned in = step % 48;
    int16_t value = quarter[in <= 24 ? in : 48 - in];
    return step % 96 < 48 ? value : (int16_t)-value;
}

static int refuse(struct speech *speech, const char *path, const char *why)
{
    fprintf(stderr, "labcard: %s: %s\n", path, why);
    speech_close(speech);
    return -1;
}

int speech_open(struct speech *speech, const char *path)
{
    struct stat stat;

    memset(speech, 0, sizeof *speech);
    if (path == NULL) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) || stat.st_size < 44) {
        if (fd >= 0) {
            close(fd);
        }
        return refuse(speech, path, "not a file to read");
    }
    speech->map_size = (size_t)stat.st_size;
    /* Locked in memory with everything else: a page fault must not hold up the line. */
    speech->map = mmap(NULL, speech->map_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (speech->map == MAP_FAILED) {
        speech->map = NULL;
        return refuse(speech, path, "can't be mapped");
    }
    const unsigned char *data = speech->map;
    size_t at = 12;
    int fits = 0;
    if (memcmp(data, "RIFF", 4) || memcmp(data + 8, "WAVE", 4)) {
        return refuse(speech, path, "not a WAV file");
    }
    while (at + 8 <= speech->map_size) {
        uint32_t size;
        memcpy(&size, data + at + 4, 4);
        size_t left = speech->map_size - at - 8;
        if (memcmp(data + at, "fmt ", 4) == 0 && size >= 16 && left >= 16) {
            uint16_t channels, bits;
            uint32_t rate;
            memcpy(&channels, data + at + 10, 2);
            memcpy(&rate, data + at + 12, 4);
            memcpy(&bits, data + at + 22, 2);
            fits = channels == 2 && rate == RATE && bits == 16;
        }
        if (memcmp(data + at, "data", 4) == 0) {
            speech->frames = (const int16_t *)(const void *)(data + at + 8);
            speech->count = (size < left ? size : left) / 4;
            break;
        }
        at += 8 + size + (size & 1);
    }
    if (!fits || speech->count == 0) {
        return refuse(speech, path, "not 48 kHz, stereo, 16 bits");
    }
    return 0;
}

void speech_close(struct speech *speech)
{
    if (speech->map != NULL) {
        munmap(speech->map, speech->map_size);
    }
    memset(speech, 0, sizeof *speech);
}

void speech_at(const struct speech *speech, uint64_t frame, int16_t leg[2])
{
    if (speech->frames == NULL) {
        leg[0] = sine((unsigned)(frame % 96));
        leg[1] = sine((unsigned)(frame % 64 * 3 / 2));
    } else {
        memcpy(leg, speech->frames + 2 * (frame % speech->count), 4);
    }
}

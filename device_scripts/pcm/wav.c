/* The 44-byte header, and the repair of a file that was cut. */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put16(unsigned char *at, unsigned value)
{
    at[0] = value & 0xff;
    at[1] = value >> 8 & 0xff;
}

static void put32(unsigned char *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static unsigned get16(const unsigned char *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static uint32_t get32(const unsigned char *at)
{
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}

void wav_header(unsigned char header[WAV_HEADER], unsigned rate, unsigned channels,
                uint32_t data_bytes)
{
    memcpy(header, "RIFF", 4);
    put32(header + 4, data_bytes > UINT32_MAX - 36 ? UINT32_MAX : data_bytes + 36);
    memcpy(header + 8, "WAVEfmt ", 8);
    put32(header + 16, 16);
    put16(header + 20, 1); /* PCM */
    put16(header + 22, channels);
    put32(header + 24, rate);
    put32(header + 28, rate * channels * 2);
    put16(header + 32, channels * 2);
    put16(header + 34, 16);
    memcpy(header + 36, "data", 4);
    put32(header + 40, data_bytes);
}

/* Ours is what wav_header writes, whatever its two sizes say. */
static bool is_ours(const unsigned char header[WAV_HEADER], unsigned *rate, unsigned *channels)
{
    unsigned char same[WAV_HEADER];
    *channels = get16(header + 22);
    *rate = get32(header + 24);
    if (*channels == 0 || *channels > 64 || *rate == 0 || *rate > 768000)
        return false;
    wav_header(same, *rate, *channels, get32(header + 40));
    memcpy(same + 4, header + 4, 4);
    return memcmp(same, header, WAV_HEADER) == 0;
}

static enum code repair(int fd, const char *path, struct json *json, struct fault *fault)
{
    struct stat stat;
    unsigned char header[WAV_HEADER], right[WAV_HEADER];
    unsigned rate, channels;
    if (fstat(fd, &stat) < 0)
        return fail(fault, DENIED, errno, "can't look at %s: %s", path, strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return fail(fault, DAMAGED, 0, "%s is not a file", path);
    if (stat.st_size < (off_t)WAV_HEADER)
        return fail(fault, DAMAGED, 0, "%s has not even a whole header", path);
    if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header)
        return fail(fault, DAMAGED, errno, "can't read the header of %s", path);
    if (!is_ours(header, &rate, &channels))
        return fail(fault, DAMAGED, 0, "%s is not a WAV file of offhook-pcm", path);
    uint64_t sound = (uint64_t)stat.st_size - WAV_HEADER, frame = channels * 2u;
    sound -= sound % frame;
    if (sound > UINT32_MAX - WAV_HEADER)
        return fail(fault, TOO_LONG, EFBIG, "%s has more than a WAV file can", path);
    wav_header(right, rate, channels, (uint32_t)sound);
    bool whole = memcmp(header, right, sizeof right) == 0
                 && (uint64_t)stat.st_size == sound + WAV_HEADER;
    /* The cut frame goes first: killed in between, the next repair ends the work. */
    if (!whole
        && (ftruncate(fd, (off_t)(sound + WAV_HEADER)) < 0
            || pwrite(fd, right, sizeof right, 0) != (ssize_t)sizeof right || fsync(fd) < 0))
        return fail(fault, CANT_WRITE, errno, "can't repair %s: %s", path, strerror(errno));
    json_key(json, "repaired");
    json_bool(json, !whole);
    json_key(json, "frames");
    json_int(json, (int64_t)(sound / frame));
    json_key(json, "rate");
    json_int(json, rate);
    json_key(json, "channels");
    json_int(json, channels);
    json_key(json, "seconds");
    json_number(json, (double)(sound / frame) / rate, 3);
    json_key(json, "bytes");
    json_int(json, (int64_t)(sound + WAV_HEADER));
    json_key(json, "dropped_bytes");
    json_int(json, (int64_t)((uint64_t)stat.st_size - sound - WAV_HEADER));
    return OK;
}

enum code wav_repair(const char *path, struct json *json, struct fault *fault)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(fault, errno == ENOENT ? NOT_FOUND : errno == EISDIR ? DAMAGED : DENIED, errno,
                    "can't open %s: %s", path, strerror(errno));
    enum code code = repair(fd, path, json, fault);
    if (close(fd) < 0 && !code)
        code = fail(fault, CANT_WRITE, errno, "can't repair %s: %s", path, strerror(errno));
    return code;
}

/*
 * The thread that writes. Between it and the capture lie a few seconds of slots, so that a disk
 * that takes its time over a sync, or a slow reader of a pipe, does not cost audio.
 */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS 4u /* of sound that wait for the disk at most */
#define SYNC_MS 1000
#define PATIENCE_MS 10000 /* for a reader that does not read, when all else has ended */

struct sink {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    struct slot *slots;
    unsigned slot_count, first, used;
    bool started, closing, done;
    int error_number;
    int64_t progress; /* bytes written, under the lock */

    int fd;
    bool stream;
    unsigned rate, channels, frame_bytes;
    int64_t bytes; /* the thread's own */
    struct timespec synced;
    const char *path;
    unsigned char *memory;
};

static int64_t ms_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

static int write_all(struct sink *sink, const unsigned char *data, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(sink->fd, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : EIO;
        data += wrote;
        length -= (size_t)wrote;
        sink->bytes += wrote;
        pthread_mutex_lock(&sink->lock);
        sink->progress = sink->bytes;
        pthread_mutex_unlock(&sink->lock);
    }
    return 0;
}

static int write_header(struct sink *sink)
{
    unsigned char header[WAV_HEADER];
    wav_header(header, sink->rate, sink->channels, sink->stream ? UINT32_MAX : 0);
    return write_all(sink, header, sizeof header);
}

static int write_slot(struct sink *sink, const struct slot *slot)
{
    static unsigned char silence[65536]; /* not const: that would be 64 KiB of the binary */
    unsigned most = (unsigned)(sizeof silence / sink->frame_bytes);
    int error_number = sink->bytes == 0 ? write_header(sink) : 0;
    for (uint64_t gap = slot->gap; gap > 0 && !error_number;) {
        unsigned frames = gap < most ? (unsigned)gap : most;
        error_number = write_all(sink, silence, (size_t)frames * sink->frame_bytes);
        gap -= frames;
    }
    if (!error_number)
        error_number = write_all(sink, slot->data, (size_t)slot->frames * sink->frame_bytes);
    if (!error_number && !sink->stream && ms_since(&sink->synced) >= SYNC_MS) {
        if (fdatasync(sink->fd) < 0)
            error_number = errno;
        clock_gettime(CLOCK_MONOTONIC, &sink->synced);
    }
    return error_number;
}

static void *run(void *argument)
{
    struct sink *sink = argument;
    pthread_mutex_lock(&sink->lock);
    for (;;) {
        while (sink->used == 0 && !sink->closing)
            pthread_cond_wait(&sink->filled, &sink->lock);
        if (sink->used == 0 || sink->error_number)
            break;
        struct slot *slot = &sink->slots[sink->first];
        pthread_mutex_unlock(&sink->lock);
        int error_number = write_slot(sink, slot);
        pthread_mutex_lock(&sink->lock);
        sink->error_number = error_number;
        sink->first = (sink->first + 1) % sink->slot_count;
        sink->used--;
        pthread_cond_signal(&sink->emptied);
        if (error_number)
            break;
    }
    sink->done = true;
    pthread_cond_signal(&sink->emptied);
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

static void deadline(struct timespec *at, int wait_ms)
{
    clock_gettime(CLOCK_MONOTONIC, at);
    at->tv_sec += wait_ms / 1000;
    at->tv_nsec += wait_ms % 1000 * 1000000L;
    if (at->tv_nsec >= 1000000000L) {
        at->tv_nsec -= 1000000000L;
        at->tv_sec++;
    }
}

enum code sink_open(struct sink **opened, const char *path, unsigned rate, unsigned channels,
                    struct fault *fault)
{
    *opened = NULL;
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return fail(fault, INTERNAL, ENOMEM, "no memory");
    sink->path = path;
    sink->stream = strcmp(path, "-") == 0;
    sink->rate = rate;
    sink->channels = channels;
    sink->frame_bytes = channels * 2;
    pthread_mutex_init(&sink->lock, NULL);
    sink->fd = sink->stream ? STDOUT_FILENO
                            : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (sink->fd < 0) {
        fail(fault, errno == EEXIST ? EXISTS : CANT_WRITE, errno, "can't make %s: %s", path,
             strerror(errno));
        free(sink);
        return fault->code;
    }
    *opened = sink;
    /* A stream's comes with its first sound: when nothing starts, nothing is said. */
    int error_number = sink->stream ? 0 : write_header(sink);
    if (!error_number && !sink->stream && fdatasync(sink->fd) < 0)
        error_number = errno;
    if (error_number)
        return fail(fault, CANT_WRITE, error_number, "can't write %s: %s", path,
                    strerror(error_number));
    return OK;
}

enum code sink_start(struct sink *sink, unsigned slot_frames, struct fault *fault)
{
    size_t slot_bytes = (size_t)slot_frames * sink->frame_bytes;
    sink->slot_count = SECONDS * sink->rate / slot_frames + 4;
    sink->slots = calloc(sink->slot_count, sizeof *sink->slots);
    sink->memory = calloc(sink->slot_count, slot_bytes);
    if (!sink->slots || !sink->memory)
        return fail(fault, INTERNAL, ENOMEM, "no memory");
    for (unsigned i = 0; i < sink->slot_count; i++)
        sink->slots[i].data = sink->memory + i * slot_bytes;
    clock_gettime(CLOCK_MONOTONIC, &sink->synced);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sink->filled, &attributes);
    pthread_cond_init(&sink->emptied, &attributes);
    int error_number = pthread_create(&sink->thread, NULL, run, sink);
    if (error_number)
        return fail(fault, INTERNAL, error_number, "can't start a thread: %s",
                    strerror(error_number));
    sink->started = true;
    return OK;
}

struct slot *sink_slot(struct sink *sink, int wait_ms)
{
    struct timespec until;
    deadline(&until, wait_ms);
    pthread_mutex_lock(&sink->lock);
    while (sink->used == sink->slot_count && !sink->error_number)
        if (pthread_cond_timedwait(&sink->emptied, &sink->lock, &until))
            break;
    struct slot *slot = NULL;
    if (sink->used < sink->slot_count && !sink->error_number) {
        slot = &sink->slots[(sink->first + sink->used) % sink->slot_count];
        slot->gap = 0;
        slot->frames = 0;
    }
    pthread_mutex_unlock(&sink->lock);
    return slot;
}

void sink_push(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->used++;
    pthread_cond_signal(&sink->filled);
    pthread_mutex_unlock(&sink->lock);
}

int sink_error(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    int error_number = sink->error_number;
    pthread_mutex_unlock(&sink->lock);
    return error_number;
}

/* False when the thread is stuck: nobody reads what it writes. */
static bool wait_done(struct sink *sink)
{
    struct timespec until;
    deadline(&until, PATIENCE_MS);
    pthread_mutex_lock(&sink->lock);
    sink->closing = true;
    pthread_cond_signal(&sink->filled);
    int64_t seen = sink->progress;
    while (!sink->done) {
        /* A disk may take any time over a sync; only a reader can be gone for good. */
        if (pthread_cond_timedwait(&sink->emptied, &sink->lock, &until) == 0)
            continue;
        if (sink->stream && sink->progress == seen)
            break;
        seen = sink->progress;
        deadline(&until, PATIENCE_MS);
    }
    bool done = sink->done;
    pthread_mutex_unlock(&sink->lock);
    return done;
}

/* Whole frames, and a header that says how many. */
static int finish_file(struct sink *sink)
{
    int64_t sound = sink->bytes - WAV_HEADER;
    sound -= sound % sink->frame_bytes;
    unsigned char header[WAV_HEADER];
    wav_header(header, sink->rate, sink->channels, (uint32_t)sound);
    sink->bytes = sound + WAV_HEADER;
    if (ftruncate(sink->fd, (off_t)sink->bytes) < 0
        || pwrite(sink->fd, header, sizeof header, 0) != (ssize_t)sizeof header
        || fsync(sink->fd) < 0)
        return errno ? errno : EIO;
    return 0;
}

enum code sink_close(struct sink *sink, int64_t *bytes, struct fault *fault)
{
    if (sink->started && !wait_done(sink)) {
        *bytes = sink->progress; /* the thread is left behind: the process ends now */
        return fail(fault, CANT_WRITE, ETIMEDOUT, "nobody reads standard output");
    }
    if (sink->started)
        pthread_join(sink->thread, NULL);
    int error_number = sink->error_number;
    bool empty = sink->bytes <= (int64_t)WAV_HEADER;
    if (!sink->stream) {
        int finish_error = empty ? 0 : finish_file(sink);
        if (close(sink->fd) < 0 && !finish_error)
            finish_error = errno;
        error_number = error_number ? error_number : finish_error;
        if (empty)
            unlink(sink->path); /* not one frame: a file would only look like a recording */
    }
    *bytes = empty ? 0 : sink->bytes;
    if (error_number)
        fail(fault, CANT_WRITE, error_number, "can't write %s: %s",
             sink->stream ? "standard output" : sink->path, strerror(error_number));
    free(sink->slots);
    free(sink->memory);
    free(sink);
    return error_number ? CANT_WRITE : OK;
}

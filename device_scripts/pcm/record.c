/*
 * The recording while it lasts: frames from the PCM to the sink, held controls, xruns, stalls, a
 * DSP that reboots; and for each of these the silence that keeps the length true.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CHECK_NS (500 * MS)    /* how often what is held is looked at */
#define STALL_NS (1000 * MS)   /* no frame for so long, though nothing failed */
#define GIVE_UP_NS (5000 * MS) /* a PCM that can't be restarted: a DSP needs seconds to reboot */
#define RETRY_MS 100

bool signalled(struct run *run)
{
    struct signalfd_siginfo info;
    if (run->ended)
        return true;
    if (read(run->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return false;
    run->ended = "signal";
    run->signal = (int)info.ssi_signo;
    return true;
}

int64_t epoch_ms(const struct run *run, int64_t ns)
{
    return (ns + run->epoch_offset) / MS;
}

/* A held control that can't be set again does not end the recording, but the exit code says so. */
static void check_held(struct run *run)
{
    run->check_ns = clock_ns() + CHECK_NS;
    for (size_t i = 0; i < run->options->setting_count; i++) {
        struct setting *setting = &run->settings[i];
        values now;
        if (!setting->hold || setting->gone)
            continue;
        int error_number = element_read(&run->card, &setting->element, &now);
        if (!error_number && setting_holds(setting, &now))
            continue;
        if (error_number == ENOENT || error_number == ENODEV) {
            setting->gone = true;
            fail(run->fault, NOT_FOUND, error_number, "\"%.44s\" has vanished",
                 (const char *)setting->element.id.name);
        } else if (setting_apply(&run->card, setting, run->fault) == OK) {
            setting->resets++;
        }
    }
}

int record_start(struct run *run)
{
    int error_number = pcm_prepare(&run->pcm);
    if (error_number)
        return error_number;
    run->into = 0;
    check_held(run);
    error_number = pcm_start(&run->pcm);
    if (!error_number)
        run->data_ns = clock_ns();
    return error_number;
}

static void lose(struct run *run, int error_number)
{
    run->ended = "pcm-lost";
    fail(run->fault, PCM_LOST, error_number, "the PCM failed: %s", strerror(error_number));
}

static void restart(struct run *run)
{
    int error_number = record_start(run);
    run->stopped = error_number != 0;
    if (!error_number)
        return;
    if (error_number == ENODEV || clock_ns() - run->trouble_ns > GIVE_UP_NS)
        lose(run, error_number);
}

static void recover(struct run *run, int error_number)
{
    bool first = run->trouble_ns == 0;
    if (first)
        run->trouble_ns = clock_ns();
    run->resync = true;
    run->tolerance = 0;
    run->stopped = true;
    if (error_number == ENODEV || error_number == EBADF || error_number == ENXIO
        || clock_ns() - run->trouble_ns > GIVE_UP_NS) {
        lose(run, error_number);
        return;
    }
    if (error_number == EPIPE || error_number == ESTRPIPE)
        run->xruns++;
    else
        run->restarts++;
    if (first)
        restart(run); /* at once; when that brought no frame, with pauses */
}

/* --- frames ----------------------------------------------------------------------------------- */

static void tell_started(struct run *run)
{
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "event");
    json_text(&json, "started");
    json_key(&json, "at_ms");
    json_int(&json, epoch_ms(run, run->started_ns));
    json_close(&json, '}');
    const char *path = run->options->status;
    char temporary[4096];
    if (!path) {
        json_print(&json, STDERR_FILENO); /* nobody may be listening */
    } else {
        snprintf(temporary, sizeof temporary, "%s.new", path);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        bool fine = fd >= 0 && json_print(&json, fd) == 0;
        fine = (fd < 0 || close(fd) == 0) && fine && rename(temporary, path) == 0;
        if (!fine)
            fail(run->fault, CANT_WRITE, errno, "can't write %s: %s", path, strerror(errno));
    }
    json_free(&json);
}

/* The frames that are missing before the `count` that were just read. */
static int64_t missing(struct run *run, int64_t now, int64_t count)
{
    if (!run->resync || !run->started)
        return 0;
    run->resync = false;
    int64_t gap = timeline_expected(&run->timeline, now) - run->timeline.position - count;
    return gap > run->tolerance ? gap : 0;
}

static void push(struct run *run, struct slot *slot, int64_t gap, unsigned frames)
{
    uint64_t room = run->limit - (uint64_t)run->timeline.position;
    if ((uint64_t)gap + frames >= room) {
        run->ended = run->limit_name;
        if ((uint64_t)gap > room)
            gap = (int64_t)room;
        frames = (unsigned)(room - (uint64_t)gap < frames ? room - (uint64_t)gap : frames);
    }
    level_add(run->levels, run->pcm.channels, slot->data, frames);
    slot->gap = (uint64_t)gap;
    slot->frames = frames;
    run->lost += gap;
    run->timeline.position += gap + frames;
    sink_push(run->sink);
}

static void accept_frames(struct run *run, struct slot *slot, unsigned frames, unsigned waiting)
{
    int64_t now = clock_ns();
    if (!run->started) {
        int64_t first = now - ((int64_t)frames + waiting) * 1000 * MS / run->pcm.rate;
        run->started = true;
        run->resync = false;
        run->started_ns = first > run->start_ns ? first : run->start_ns;
        timeline_start(&run->timeline, run->pcm.rate, run->started_ns);
        tell_started(run);
    }
    int64_t gap = missing(run, now, (int64_t)frames + waiting);
    push(run, slot, gap, frames);
    timeline_saw(&run->timeline, now, waiting);
    run->data_ns = now;
    run->trouble_ns = 0;
}

/* Reads what there is, up to `most` frames. */
static void take_frames(struct run *run, unsigned most)
{
    for (unsigned taken = 0; taken < most && !(run->ended && run->ended == run->limit_name);) {
        struct slot *slot = sink_slot(run->sink, 50);
        if (!slot)
            return; /* the disk is behind: what the PCM can't keep is counted as lost */
        /*
         * One whole period at a time: msm-pcm-q6-v2.c hands over one DSP buffer, which is a
         * period, at each read, and drops what was not asked for. When it has none it says
         * success and copies nothing: then there should be silence, not what was here before.
         */
        unsigned wanted = run->pcm.period - run->into;
        memset(slot->data, 0, (size_t)wanted * run->pcm.frame_bytes);
        ssize_t frames = pcm_read(&run->pcm, slot->data, wanted);
        if (frames == -EAGAIN || frames == -EINTR || frames == 0)
            return;
        if (frames < 0) {
            recover(run, (int)-frames);
            return;
        }
        bool all = (unsigned)frames < wanted;
        run->into = (run->into + (unsigned)frames) % run->pcm.period;
        accept_frames(run, slot, (unsigned)frames, all ? 0 : pcm_waiting(&run->pcm));
        taken += (unsigned)frames;
        if (all)
            return;
    }
}

static void check_silence(struct run *run, int64_t now)
{
    if (!run->started) {
        unsigned seconds = run->options->start_timeout;
        if (seconds && now - run->start_ns > seconds * 1000 * MS) {
            run->ended = "start-timeout";
            fail(run->fault, NOTHING_CAME, ETIMEDOUT, "the PCM gave no frame in %u s", seconds);
        }
    } else if (!run->resync && now - run->data_ns > STALL_NS) {
        run->stalls++;
        run->resync = true;
        run->tolerance = run->pcm.period; /* perhaps nothing is missing, and only came late */
    }
}

void record(struct run *run)
{
    while (!signalled(run)) {
        int64_t now = clock_ns();
        if (now >= run->check_ns)
            check_held(run);
        int wait = run->stopped ? RETRY_MS : (int)((run->check_ns - now) / MS + 1);
        struct pollfd files[] = {{.fd = run->signals, .events = POLLIN},
                                 {.fd = run->stopped ? -1 : run->pcm.fd, .events = POLLIN}};
        int ready = poll(files, 2, wait < 0 ? 0 : wait);
        int error_number = sink_error(run->sink);
        if (error_number) {
            run->ended = error_number == ENOSPC || error_number == EDQUOT ? "disk-full"
                                                                          : "write-error";
            return; /* sink_close says what it was */
        }
        if (files[0].revents)
            continue;
        if (run->stopped)
            restart(run);
        else if (files[1].revents)
            take_frames(run, run->pcm.buffer);
        else if (ready == 0)
            check_silence(run, clock_ns());
    }
}

/* What is in the buffer when we are told to end; then the time that an xrun just cost. */
void record_rest(struct run *run)
{
    if (run->signal == 0)
        return;
    if (!run->stopped)
        take_frames(run, run->pcm.buffer);
    struct slot *slot = run->started && run->resync ? sink_slot(run->sink, 1000) : NULL;
    int64_t gap = slot ? missing(run, clock_ns(), 0) : 0;
    if (gap > 0)
        push(run, slot, gap, 0);
}

/*
 * The recording itself. Order on the way in: output file, journal, controls, PCM. On the way out:
 * what is in the PCM's buffer, PCM, controls, journal, file: a slow disk must not keep the
 * phone's mixer changed.
 */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MS 1000000LL
#define CHECK_NS (500 * MS)    /* how often what is held is looked at */
#define STALL_NS (1000 * MS)   /* no frame for so long, though nothing failed */
#define GIVE_UP_NS (5000 * MS) /* a PCM that can't be restarted: a DSP needs seconds to reboot */
#define RETRY_MS 100

struct run {
    const struct capture_options *options;
    struct card card;
    struct setting *settings;
    int journal; /* its lock tells `restore` that we live */
    struct pcm pcm;
    struct sink *sink;
    struct timeline timeline;
    struct level *levels;
    struct fault *fault;
    int signals;
    unsigned slot_frames;
    unsigned into; /* frames read of the current period */
    uint64_t limit; /* frames */
    const char *limit_name;

    bool started, resync, stopped;
    int64_t epoch_offset; /* ns from clock_ns() to the epoch, when the recording began */
    int64_t start_ns, started_ns, data_ns, check_ns, trouble_ns;
    int64_t tolerance; /* frames that may be missing without being replaced */
    int64_t xruns, restarts, stalls, lost;
    const char *ended;
    int signal;
};

/* --- signals and the parent ------------------------------------------------------------------- */

static enum code take_signals(struct run *run)
{
    sigset_t set;
    sigemptyset(&set);
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        sigaddset(&set, ours[i]);
        signal(ours[i], SIG_DFL); /* a shell starts `command &` with SIGINT ignored */
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    /* Before any thread is made: they inherit the mask. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signals < 0)
        return fail(run->fault, INTERNAL, errno, "can't wait for signals: %s", strerror(errno));
    return OK;
}

static void follow_parent(const struct capture_options *options)
{
    pid_t parent = options->parent ? options->parent : getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* It can have died before the kernel was asked; then init, or a reaper, is our parent. */
    if (parent == 1 || getppid() != parent)
        kill(getpid(), SIGTERM);
}

static bool signalled(struct run *run)
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

/* --- controls --------------------------------------------------------------------------------- */

static enum code parse_settings(struct run *run)
{
    const struct capture_options *options = run->options;
    run->settings = calloc(options->setting_count + 1, sizeof *run->settings);
    if (!run->settings)
        return fail(run->fault, INTERNAL, ENOMEM, "no memory");
    enum code code = OK;
    for (size_t i = 0; !code && i < options->setting_count; i++) {
        code = setting_parse(&run->card, options->settings[i], &run->settings[i], run->fault);
        run->settings[i].hold = options->holds[i];
    }
    return code;
}

static enum code apply_settings(struct run *run)
{
    enum code code = OK;
    for (size_t i = 0; !code && i < run->options->setting_count; i++)
        code = setting_apply(&run->card, &run->settings[i], run->fault);
    return code;
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

/* --- PCM -------------------------------------------------------------------------------------- */

static int start(struct run *run)
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

static enum code open_pcm(struct run *run)
{
    const struct capture_options *options = run->options;
    enum code code = pcm_open(&run->pcm, run->card.number, options->device, run->fault);
    if (!code)
        code = pcm_configure(&run->pcm, options->rate, options->channels, options->period,
                             options->count, run->fault);
    if (code)
        return code;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    run->start_ns = clock_ns();
    run->epoch_offset = (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec - run->start_ns;
    int error_number = start(run);
    if (error_number)
        return fail(run->fault,
                    error_number == EBUSY    ? DENIED
                    : error_number == ENODEV ? NOT_FOUND
                                             : UNSUPPORTED,
                    error_number, "the PCM does not start: %s", strerror(error_number));
    return run->fault->code;
}

static void lose(struct run *run, int error_number)
{
    run->ended = "pcm-lost";
    fail(run->fault, PCM_LOST, error_number, "the PCM failed: %s", strerror(error_number));
}

static void restart(struct run *run)
{
    int error_number = start(run);
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

static int64_t epoch_ms(const struct run *run, int64_t ns)
{
    return (ns + run->epoch_offset) / MS;
}

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
        /* Never across the end of a period: Qualcomm's drivers then copy the first one only. */
        unsigned wanted = run->pcm.period - run->into;
        wanted = wanted < run->slot_frames ? wanted : run->slot_frames;
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

static void record(struct run *run)
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
static void drain(struct run *run)
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

/* --- the whole -------------------------------------------------------------------------------- */

static void report(const struct run *run, struct json *json, int64_t bytes, bool restored)
{
    const struct pcm *pcm = &run->pcm;
    json_key(json, "file");
    json_text(json, run->options->output);
    json_key(json, "frames");
    json_int(json, run->timeline.position);
    json_key(json, "rate");
    json_int(json, pcm->rate);
    json_key(json, "channels");
    json_int(json, pcm->channels);
    json_key(json, "seconds");
    json_number(json, pcm->rate ? (double)run->timeline.position / pcm->rate : 0, 3);
    json_key(json, "started_ms");
    run->started ? json_int(json, epoch_ms(run, run->started_ns)) : json_null(json);
    json_key(json, "ended_ms");
    run->started ? json_int(json, epoch_ms(run, timeline_ns(&run->timeline,
                                                            run->timeline.position)))
                 : json_null(json);
    json_key(json, "ended");
    run->ended ? json_text(json, run->ended) : json_null(json);
    json_key(json, "signal");
    run->signal ? json_int(json, run->signal) : json_null(json);
    json_key(json, "period");
    json_int(json, pcm->period);
    json_key(json, "buffer");
    json_int(json, pcm->buffer);
    json_key(json, "xruns");
    json_int(json, run->xruns);
    json_key(json, "restarts");
    json_int(json, run->restarts);
    json_key(json, "stalls");
    json_int(json, run->stalls);
    json_key(json, "frames_lost");
    json_int(json, run->lost);
    json_key(json, "held_resets");
    json_open(json, '{');
    for (size_t i = 0; i < run->options->setting_count; i++) {
        const struct setting *setting = &run->settings[i];
        if (!setting->hold)
            continue;
        char name[sizeof setting->element.id.name + 1] = {0};
        memcpy(name, setting->element.id.name, sizeof setting->element.id.name);
        json_key(json, name);
        json_int(json, setting->resets);
    }
    json_close(json, '}');
    if (run->levels)
        levels_json(json, run->levels, pcm->channels);
    json_key(json, "bytes");
    json_int(json, bytes);
    json_key(json, "restored");
    json_bool(json, restored);
}

static void set_limit(struct run *run)
{
    const struct capture_options *options = run->options;
    unsigned frame = options->channels * 2;
    run->limit = WAV_MAX_DATA / frame;
    run->limit_name = "wav-limit";
    uint64_t frames = options->max_bytes > WAV_HEADER ? (options->max_bytes - WAV_HEADER) / frame
                                                      : 0;
    if (options->max_bytes && frames < run->limit) {
        run->limit = frames;
        run->limit_name = "max-bytes";
    }
    frames = (uint64_t)options->max_seconds * options->rate;
    if (options->max_seconds && frames < run->limit) {
        run->limit = frames;
        run->limit_name = "max-seconds";
    }
}

/* A recorder arms us while the phone still rings: what takes time is done when the call is
 * answered, and one byte begins the recording. */
static enum code wait_for_go(struct run *run)
{
    char byte;
    ssize_t got = -1;
    while (got < 0 && !signalled(run)) {
        struct pollfd files[] = {{.fd = run->signals, .events = POLLIN},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
        poll(files, 2, -1);
        if (files[1].revents)
            got = read(STDIN_FILENO, &byte, 1);
    }
    if (got != 1)
        return fail(run->fault, NOTHING_CAME, 0, "told to end before it began");
    return OK;
}

static enum code begin(struct run *run)
{
    const struct capture_options *options = run->options;
    run->slot_frames = options->rate / 10;
    run->levels = calloc(options->channels, sizeof *run->levels);
    if (!run->levels)
        return fail(run->fault, INTERNAL, ENOMEM, "no memory");
    set_limit(run);
    if (nice(-16) == -1) {
        /* Android's priority for audio; without it the PCM's buffer has to do. */
    }
    enum code code = take_signals(run);
    if (!code && options->die_with_parent)
        follow_parent(options);
    if (!code)
        code = card_open(&run->card, options->card, run->fault);
    if (!code)
        code = parse_settings(run);
    if (!code && signalled(run))
        return fail(run->fault, NOTHING_CAME, 0, "told to end before it began");
    if (!code)
        code = sink_open(&run->sink, options->output, options->rate, options->channels,
                         run->slot_frames, run->fault);
    if (!code && options->journal && options->setting_count)
        code = journal_write(options->journal, &run->card, run->settings, options->setting_count,
                             &run->journal, run->fault);
    if (!code)
        code = apply_settings(run);
    if (!code && options->go)
        code = wait_for_go(run);
    return code ? code : open_pcm(run);
}

/* Controls back, then the journal away. */
static bool give_back(struct run *run)
{
    bool restored = true;
    if (run->settings && run->card.fd >= 0)
        restored = settings_undo(&run->card, run->settings, run->options->setting_count,
                                 run->fault) == OK;
    struct fault undo = {0};
    if (restored && run->journal >= 0 && journal_remove(run->options->journal, &undo)) {
        not_restored(run->fault, &undo);
        restored = false;
    }
    if (run->journal >= 0)
        close(run->journal);
    return restored;
}

enum code capture(const struct capture_options *options, struct json *json, struct fault *fault)
{
    struct run run = {.options = options,
                      .card = {.fd = -1},
                      .pcm = {.fd = -1},
                      .journal = -1,
                      .signals = -1,
                      .fault = fault};
    bool began = begin(&run) == OK;
    if (began) {
        record(&run);
        drain(&run);
    }
    pcm_close(&run.pcm);
    bool restored = give_back(&run);
    int64_t bytes = 0;
    if (run.sink)
        sink_close(run.sink, &bytes, fault);
    if (began && run.timeline.position == 0)
        fail(fault, NOTHING_CAME, 0, "not one frame was recorded");
    if (run.ended && strcmp(run.ended, "wav-limit") == 0)
        fail(fault, TOO_LONG, EFBIG, "the WAV file is full; record on in another one");
    if (began)
        report(&run, json, bytes, restored);
    card_close(&run.card);
    if (run.signals >= 0)
        close(run.signals);
    free(run.settings);
    free(run.levels);
    return fault->code;
}

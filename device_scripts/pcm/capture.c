/*
 * How a recording begins and ends. On the way in: output file, journal, controls, PCM. On the way
 * out: what is in the PCM's buffer, PCM, controls, journal, file: a slow disk must not keep the
 * phone's mixer changed.
 */
#include "record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

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

static enum code open_pcm(struct run *run)
{
    const struct capture_options *options = run->options;
    enum code code = pcm_open(&run->pcm, run->card.number, options->device, run->fault);
    if (!code)
        code = pcm_configure(&run->pcm, options->rate, options->channels, options->period,
                             options->count, run->fault);
    if (!code)
        code = sink_start(run->sink, run->pcm.period, run->fault);
    if (code)
        return code;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    run->start_ns = clock_ns();
    run->epoch_offset = (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec - run->start_ns;
    int error_number = record_start(run);
    if (error_number)
        return fail(run->fault,
                    error_number == EBUSY    ? DENIED
                    : error_number == ENODEV ? NOT_FOUND
                                             : UNSUPPORTED,
                    error_number, "the PCM does not start: %s", strerror(error_number));
    return run->fault->code;
}

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

/*
 * A recorder arms us while the phone still rings: what takes time is done when the call is
 * answered, and one byte begins the recording.
 */
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
                         run->fault);
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
        record_rest(&run);
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

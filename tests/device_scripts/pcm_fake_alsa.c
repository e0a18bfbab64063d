/*
 * A kernel's sound, made up: the helper is built with ioctl, open, poll and clock_gettime renamed
 * to these. Time is virtual and passes in poll(), so that an hour of a call takes a second, and
 * what goes wrong goes wrong at a given millisecond.
 *
 * FAKE_STATE     a file of 800 controls x 2 int64, kept from run to run; made when not there
 * FAKE_VANISHED  numids of controls that are not there, separated by commas
 * FAKE_PCM       busy | quiet (no frame ever) | otherrate (the driver changes the rate) |
 *                qualcomm (each read takes one whole period from the DSP, whatever was asked for)
 * FAKE_EVENTS    KIND@MS[+LENGTH][:NUMID[=VALUE]], separated by commas, in the order of time:
 *   xrun    the PCM stops at MS, while the program sleeps for LENGTH
 *   stall   no frames for LENGTH, and no error
 *   eio     reads fail at once, and prepare fails until MS+LENGTH
 *   gone    the PCM is unplugged
 *   vanish  control NUMID is unplugged
 *   put     another program sets control NUMID to VALUE
 *   term    SIGTERM to ourselves; kill: SIGKILL
 *
 * Channel 0 holds the low 16 bits, channel 1 the high ones, of the frame's number, from 1 on,
 * since the first start: a recording shows for each frame where in time it belongs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <sound/asound.h>

#define SECOND 1000000000LL
#define MS 1000000LL
#define CARD_FD 900
#define PCM_FD 901
#define CONTROLS 800

int fake_open(const char *path, int flags, ...);
int fake_ioctl(int fd, int request, ...);
int fake_poll(struct pollfd *files, nfds_t count, int timeout);
int fake_clock(clockid_t clock, struct timespec *now);

/* --- controls --------------------------------------------------------------------------------- */

struct control {
    const char *name;
    int type;
    unsigned count, access;
    long min, max;
    unsigned index, device;
    int64_t start;
};

#define RW SNDRV_CTL_ELEM_ACCESS_READWRITE
enum { BOOL = 1, INT, ENUM, BYTES, IEC, INT64 };
enum { FIRST_ONLY = 1, STUBBORN = 4, BROKEN = 8, STICKY = 16, FALLS_BACK = 18 };

static const struct control table[] = {
    {"", 0, 0, 0, 0, 0, 0, 0, 0},
    {"First Only", BOOL, 2, RW, 0, 1, 0, 0, 0}, /* the driver knows the first element only */
    {"Level", INT, 2, RW, 0, 100, 0, 0, 7},
    {"Mode", ENUM, 1, RW, 0, 0, 0, 0, 0},
    {"Stubborn", BOOL, 1, RW, 0, 1, 0, 0, 0}, /* takes a value, and keeps its own */
    {"Locked", BOOL, 1, RW | SNDRV_CTL_ELEM_ACCESS_LOCK, 0, 1, 0, 0, 0},
    {"Bytes", BYTES, 512, RW, 0, 255, 0, 0, 0xa5},
    {"Write Only", BOOL, 1, SNDRV_CTL_ELEM_ACCESS_WRITE, 0, 1, 0, 0, 0},
    {"Broken", INT, 1, RW, 0, 1, 0, 0, 0}, /* can't be read */
    {"Voc VSID", INT, 1, RW, 0, -1, 0, 0, -1},
    {"Odd=Name", BOOL, 1, RW, 0, 1, 0, 0, 0},
    {"\xff\x1b[31m\"\\\xc3\xa9", BOOL, 1, RW, 0, 1, 0, 0, 0},
    {"Twin", BOOL, 1, RW, 0, 1, 1, 0, 0},
    {"Twin", BOOL, 1, RW, 0, 1, 0, 0, 0},
    {"Pair", BOOL, 1, RW, 0, 1, 0, 0, 0},
    {"Pair", BOOL, 1, RW, 0, 1, 0, 1, 0},
    {"Sticky", BOOL, 1, RW, 0, 1, 0, 0, 0}, /* once on it stays on */
    {"Wide", INT64, 1, RW, 0, 0, 0, 0, 5000000000},
    {"Falls Back", BOOL, 1, RW, 0, 1, 0, 0, 0}, /* off at every stop of the PCM */
    {"Out Of Range", ENUM, 1, RW, 0, 0, 0, 0, 9},
    {"Read Only", INT, 1, SNDRV_CTL_ELEM_ACCESS_READ, 0, 9, 0, 0, 3},
    {"Huge", BYTES, 4096, 0, 0, 255, 0, 0, 0}, /* as TLV-only elements are */
    {"12345", INT, 1, RW, 0, 9, 0, 0, 1},
    {"Digital", IEC, 1, RW, 0, 0, 0, 0, 0},
};
#define NAMED (sizeof table / sizeof *table)
static const char *const items[] = {"Off", "UL", "DL", "UL,DL"};

static int64_t (*state)[2];
static bool vanished[CONTROLS];

static struct control control(unsigned numid)
{
    static char name[44];
    if (numid < NAMED)
        return table[numid];
    snprintf(name, sizeof name, "Filler %u Volume", numid);
    return (struct control){name, INT, 1, RW, 0, 100, 0, 0, 0};
}

static void load_state(void)
{
    const char *path = getenv("FAKE_STATE");
    size_t size = CONTROLS * sizeof *state;
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0600) : -1;
    bool fresh = fd < 0 || lseek(fd, 0, SEEK_END) == 0;
    if (fd >= 0 && ftruncate(fd, (off_t)size) < 0)
        abort();
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    state = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (state == MAP_FAILED)
        abort();
    for (unsigned i = 1; fresh && i < CONTROLS; i++)
        state[i][0] = state[i][1] = control(i).start;
}

static unsigned find(const struct snd_ctl_elem_id *id)
{
    if (id->numid)
        return id->numid < CONTROLS && !vanished[id->numid] ? id->numid : 0;
    for (unsigned i = 1; i < CONTROLS; i++) {
        struct control c = control(i);
        if (!vanished[i] && strncmp((const char *)id->name, c.name, 44) == 0
            && id->index == c.index && id->device == c.device
            && id->iface == SNDRV_CTL_ELEM_IFACE_MIXER)
            return i;
    }
    return 0;
}

static void identify(struct snd_ctl_elem_id *id, unsigned numid)
{
    struct control c = control(numid);
    *id = (struct snd_ctl_elem_id){
        .numid = numid, .iface = SNDRV_CTL_ELEM_IFACE_MIXER, .index = c.index, .device = c.device};
    strncpy((char *)id->name, c.name, sizeof id->name - 1);
}

static int info(struct snd_ctl_elem_info *info)
{
    unsigned numid = find(&info->id), item = info->value.enumerated.item;
    if (!numid)
        return ENOENT;
    struct control c = control(numid);
    memset(info, 0, sizeof *info);
    identify(&info->id, numid);
    info->type = c.type;
    info->count = c.count;
    info->access = c.access;
    info->owner = c.access & SNDRV_CTL_ELEM_ACCESS_LOCK ? 4242 : 0;
    if (c.type == ENUM) {
        info->value.enumerated.items = 4;
        info->value.enumerated.item = item;
        strcpy(info->value.enumerated.name, items[item < 4 ? item : 3]);
    } else if (c.type == INT64) {
        info->value.integer64.max = INT64_MAX;
    } else {
        info->value.integer.min = c.min;
        info->value.integer.max = c.max;
    }
    return 0;
}

static int read_control(struct snd_ctl_elem_value *value)
{
    unsigned numid = find(&value->id);
    struct control c = control(numid);
    if (!numid || numid == BROKEN)
        return numid ? EIO : ENOENT;
    if (!(c.access & SNDRV_CTL_ELEM_ACCESS_READ))
        return EPERM;
    for (unsigned i = 0; i < c.count && (i < 2 || c.type == BYTES); i++) {
        if (c.type == ENUM)
            value->value.enumerated.item[i] = (unsigned)state[numid][i];
        else if (c.type == BYTES)
            value->value.bytes.data[i] = (unsigned char)state[numid][i & 1];
        else if (c.type == INT64)
            value->value.integer64.value[i] = state[numid][i];
        else
            value->value.integer.value[i] = (long)state[numid][i];
    }
    return 0;
}

static int write_control(const struct snd_ctl_elem_value *value)
{
    unsigned numid = find(&value->id);
    struct control c = control(numid);
    if (!numid)
        return ENOENT;
    if (!(c.access & SNDRV_CTL_ELEM_ACCESS_WRITE) || c.access & SNDRV_CTL_ELEM_ACCESS_LOCK)
        return EPERM;
    for (unsigned i = 0; i < c.count && i < 2; i++) {
        int64_t wanted = c.type == ENUM    ? value->value.enumerated.item[i]
                         : c.type == BYTES ? value->value.bytes.data[i]
                         : c.type == INT64 ? value->value.integer64.value[i]
                                           : value->value.integer.value[i];
        bool deaf = numid == STUBBORN || (numid == FIRST_ONLY && i == 1)
                    || (numid == STICKY && state[numid][i]);
        if (!deaf)
            state[numid][i] = wanted;
    }
    return 0;
}

/* --- time, and what happens in it ------------------------------------------------------------- */

static int64_t now_ns = 100 * SECOND, started_ns;
static int64_t next_frame; /* since started_ns */
static unsigned rate, channels, period;
static enum { CLOSED, READY, RUNNING, XRUN, FAILING, GONE } pcm;
static int64_t failing_until, stall_from, stall_until;
static const char *events;

int fake_clock(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_BOOTTIME && clock != CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, now);
    int64_t ns = now_ns + (clock == CLOCK_REALTIME ? 1000000 * SECOND : 0);
    *now = (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    return 0;
}

static void stop(int to)
{
    pcm = to;
    state[FALLS_BACK][0] = 0;
}

static void happen(const char *kind, int64_t at, int64_t lasts, long numid, long value)
{
    if (strcmp(kind, "xrun") == 0) {
        stop(XRUN);
        now_ns += lasts;
    } else if (strcmp(kind, "stall") == 0) {
        stall_from = at;
        stall_until = at + lasts;
    } else if (strcmp(kind, "eio") == 0) {
        stop(FAILING);
        failing_until = at + lasts;
    } else if (strcmp(kind, "gone") == 0) {
        stop(GONE);
    } else if (strcmp(kind, "vanish") == 0) {
        vanished[numid] = true;
    } else if (strcmp(kind, "put") == 0) {
        state[numid][0] = value;
    } else if (strcmp(kind, "term") == 0) {
        kill(getpid(), SIGTERM);
    } else if (strcmp(kind, "kill") == 0) {
        kill(getpid(), SIGKILL);
    } else {
        abort();
    }
}

/* Moves the clock, with all that happens on the way. */
static void pass(int64_t until)
{
    while (started_ns && events && *events) {
        char kind[16] = "", *more;
        size_t length = strcspn(events, "@");
        if (length >= sizeof kind)
            abort();
        memcpy(kind, events, length);
        int64_t at = started_ns + strtoll(events + length + 1, &more, 10) * MS;
        if (at > until)
            break;
        int64_t lasts = *more == '+' ? strtoll(more + 1, &more, 10) * MS : 0;
        long numid = *more == ':' ? strtol(more + 1, &more, 10) : 0;
        long value = *more == '=' ? strtol(more + 1, &more, 10) : 0;
        events = *more == ',' ? more + 1 : more;
        now_ns = at > now_ns ? at : now_ns;
        happen(kind, at, lasts, numid, value);
    }
    now_ns = until > now_ns ? until : now_ns;
}

static bool is(const char *word)
{
    const char *how = getenv("FAKE_PCM");
    return how && strcmp(how, word) == 0;
}

static int64_t frame_at(int64_t ns)
{
    return (ns - started_ns) / SECOND * rate + (ns - started_ns) % SECOND * rate / SECOND;
}

static int64_t waiting(void)
{
    if (pcm != RUNNING || is("quiet"))
        return 0;
    int64_t end = now_ns > stall_from && now_ns < stall_until ? stall_from : now_ns;
    if (stall_until && now_ns >= stall_until && next_frame < frame_at(stall_until)) {
        int64_t before = frame_at(stall_from);
        if (next_frame < before)
            return before - next_frame;
        next_frame = frame_at(stall_until);
    }
    int64_t count = frame_at(end) - next_frame;
    return is("qualcomm") ? count - count % period : count;
}

int fake_poll(struct pollfd *files, nfds_t count, int timeout)
{
    int64_t until = now_ns + timeout * MS;
    if (timeout < 0) /* for another program: in its time, not in ours */
        return (int)syscall(SYS_ppoll, files, count, NULL, NULL, 8ul);
    for (;;) {
        bool ours = count > 1 && files[1].fd == PCM_FD;
        struct timespec at_once = {0};
        syscall(SYS_ppoll, files, 1ul, &at_once, NULL, 8ul);
        files[1].revents = 0;
        if (ours && (pcm == XRUN || pcm == FAILING || pcm == GONE))
            files[1].revents = POLLERR;
        else if (ours && waiting() > 0 && waiting() >= (is("qualcomm") ? period : rate / 100))
            files[1].revents = POLLIN;
        int ready = (files[0].revents != 0) + (files[1].revents != 0);
        if (ready || now_ns >= until)
            return ready;
        pass(now_ns + 10 * MS < until ? now_ns + 10 * MS : until);
    }
}

/* --- PCM -------------------------------------------------------------------------------------- */

static struct snd_interval *interval(struct snd_pcm_hw_params *params, int which)
{
    return &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

static bool limits(struct snd_pcm_hw_params *params, int which, unsigned min, unsigned max)
{
    struct snd_interval *i = interval(params, which);
    i->min = i->min < min ? min : i->min;
    i->max = i->max > max ? max : i->max;
    return i->min <= i->max;
}

static int refine(struct snd_pcm_hw_params *params, bool choose)
{
    static const int which[] = {SNDRV_PCM_HW_PARAM_CHANNELS, SNDRV_PCM_HW_PARAM_RATE,
                                SNDRV_PCM_HW_PARAM_PERIOD_SIZE, SNDRV_PCM_HW_PARAM_BUFFER_SIZE,
                                SNDRV_PCM_HW_PARAM_PERIODS};
    if (!limits(params, which[0], 1, 2) || !limits(params, which[1], 8000, 48000)
        || !limits(params, which[2], 80, 4800) || !limits(params, which[3], 160, 38400)
        || !limits(params, which[4], 2, 8))
        return EINVAL;
    struct snd_interval *size = interval(params, which[2]);
    size->min = (size->min + 79) / 80 * 80; /* as a DMA engine wants it */
    size->max = size->max / 80 * 80;
    if (size->min > size->max)
        return EINVAL;
    const struct snd_interval *periods = interval(params, which[4]);
    if (!limits(params, which[3], size->min * periods->min, size->max * periods->max))
        return EINVAL;
    for (int i = 0; choose && i < 5; i++)
        interval(params, which[i])->max = interval(params, which[i])->min;
    return 0;
}

static int hw_params(struct snd_pcm_hw_params *params)
{
    struct snd_interval *chosen = interval(params, SNDRV_PCM_HW_PARAM_RATE);
    if (refine(params, true))
        return EINVAL;
    if (is("otherrate"))
        chosen->min = chosen->max = 44100;
    rate = chosen->min;
    channels = interval(params, SNDRV_PCM_HW_PARAM_CHANNELS)->min;
    period = interval(params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE)->min;
    return 0;
}

static int read_frames(struct snd_xferi *transfer)
{
    if (pcm != RUNNING)
        return pcm == XRUN ? EPIPE : pcm == FAILING ? EIO : pcm == GONE ? ENODEV : EBADFD;
    int64_t count = waiting();
    if (count > (int64_t)transfer->frames)
        count = (int64_t)transfer->frames;
    if (count <= 0)
        return EAGAIN;
    int16_t *samples = transfer->buf;
    for (int64_t i = 0; i < count; i++)
        for (unsigned c = 0; c < channels; c++)
            samples[i * channels + c] = (int16_t)((next_frame + i + 1) >> (c ? 16 : 0));
    next_frame += is("qualcomm") ? period : count;
    transfer->result = (snd_pcm_sframes_t)count;
    return 0;
}

static int pcm_ioctl(unsigned request, void *argument)
{
    switch (request) {
    case SNDRV_PCM_IOCTL_HW_REFINE:
        return refine(argument, false);
    case SNDRV_PCM_IOCTL_HW_PARAMS:
        return hw_params(argument);
    case SNDRV_PCM_IOCTL_SW_PARAMS:
        return 0;
    case SNDRV_PCM_IOCTL_PREPARE:
        if (pcm == GONE || (pcm == FAILING && now_ns < failing_until))
            return pcm == GONE ? ENODEV : EIO;
        stop(READY);
        return 0;
    case SNDRV_PCM_IOCTL_START:
        if (pcm != READY)
            return EBADFD;
        pcm = RUNNING;
        started_ns = started_ns ? started_ns : now_ns;
        next_frame = frame_at(now_ns);
        return 0;
    case SNDRV_PCM_IOCTL_DROP:
        if (pcm != GONE)
            stop(CLOSED);
        return 0;
    case SNDRV_PCM_IOCTL_DELAY:
        *(snd_pcm_sframes_t *)argument = (snd_pcm_sframes_t)waiting();
        return 0;
    case SNDRV_PCM_IOCTL_READI_FRAMES:
        return read_frames(argument);
    default:
        return ENOTTY;
    }
}

static int list(struct snd_ctl_elem_list *list)
{
    list->used = list->count = 0;
    for (unsigned i = 1; i < CONTROLS; i++)
        if (!vanished[i] && list->count++ < list->space)
            identify(&list->pids[list->used++], i);
    return 0;
}

static int card_ioctl(unsigned request, void *argument)
{
    struct snd_ctl_card_info *card = argument;
    switch (request) {
    case SNDRV_CTL_IOCTL_CARD_INFO:
        strcpy((char *)card->id, "fake");
        strcpy((char *)card->name, "Fake card");
        return 0;
    case SNDRV_CTL_IOCTL_ELEM_LIST:
        return list(argument);
    case SNDRV_CTL_IOCTL_ELEM_INFO:
        return info(argument);
    case SNDRV_CTL_IOCTL_ELEM_READ:
        return read_control(argument);
    case SNDRV_CTL_IOCTL_ELEM_WRITE:
        return write_control(argument);
    default:
        return ENOTTY;
    }
}

int fake_ioctl(int fd, int request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int error_number = fd == CARD_FD  ? card_ioctl((unsigned)request, argument)
                       : fd == PCM_FD ? pcm_ioctl((unsigned)request, argument)
                                      : EBADF;
    errno = error_number;
    return error_number ? -1 : 0;
}

int fake_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    if (strncmp(path, "/dev/snd/", 9) != 0)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (strcmp(path, "/dev/snd/controlC0") == 0) {
        if (!state)
            load_state();
        for (char *word = getenv("FAKE_VANISHED"); word && *word; word += *word == ',')
            vanished[strtol(word, &word, 10)] = true;
        return CARD_FD;
    }
    if (strcmp(path, "/dev/snd/pcmC0D23c") == 0 && !is("busy")) {
        events = getenv("FAKE_EVENTS");
        return PCM_FD;
    }
    errno = is("busy") ? EBUSY : ENOENT;
    return -1;
}

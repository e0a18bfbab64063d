/*
 * app_process / com.genymobile.scrcpy.Server VERSION NAME=VALUE...: a FAKE of scrcpy's server, for
 * there is no Java here. It behaves as the server's source says, for a call's sound alone: the
 * check of the version, the abstract socket, the bytes on it, and when there is sound.
 *
 * CLASSPATH is the file; the version is what its code says, as in the real one. In
 * /lab/state/scrcpy/mode: words for what goes wrong.
 *   denied    Android does not let it record              nonsense  it was told nonsense
 *   deaf      it never listens                            slow      it takes a second to begin
 *   holes     each second, 300 ms without samples         back      after a second, times go back
 *   far       after a second, times jump by ten hours     dies      it dies after a second
 *   fails     after a second there are no more samples    late      the first sample takes 700 ms
 * The sound is /lab/state/speech.wav from the moment when the call became active, both sides mixed,
 * in both channels; silence where no call of the radio was active when the capture began.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RATE 48000
#define FRAMES 960 /* a delivery is four of these every 80 ms: what was seen on a phone */
#define SAYS "The server version ("

struct options {
    long scid;
    int video, audio, control, forward, cleanup, device_meta, dummy, frame_meta, stream_meta, list;
    char source[32], codec[8];
};

static char mode[256], version[16];

static int goes(const char *word)
{
    return strstr(mode, word) != NULL;
}

static void slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(text, 1, size - 1, file) : 0;

    text[got] = 0;
    if (file) {
        fclose(file);
    }
}

static _Noreturn void fail(const char *words)
{
    fprintf(stderr, "[server] ERROR: %s\n", words);
    exit(1);
}

/* The version in the code, which the compiler put into one constant with the words around it. */
static void read_version(const char *path)
{
    struct stat about;
    FILE *file = fopen(path, "r");

    if (!file || fstat(fileno(file), &about) || about.st_size > 32 << 20) {
        fprintf(stderr, "Error: could not find class 'com.genymobile.scrcpy.Server'\n");
        exit(1);
    }
    char *code = malloc((size_t)about.st_size + 1);
    size_t size = fread(code, 1, (size_t)about.st_size, file);
    char *at = memmem(code, size, SAYS, strlen(SAYS));
    if (!at || (size_t)(at - code) + strlen(SAYS) + sizeof version > size) {
        fprintf(stderr, "Error: could not find class 'com.genymobile.scrcpy.Server'\n");
        exit(1);
    }
    at += strlen(SAYS);
    snprintf(version, sizeof version, "%.*s", (int)strcspn(at, ")"), at);
    free(code);
    fclose(file);
}

static int before_4(void)
{
    return atoi(version) < 4;
}

static void parse(int argc, char **argv, struct options *o)
{
    char words[128];

    if (strcmp(argv[0], version) != 0) {
        snprintf(words, sizeof words, SAYS "%s) does not match the client (%.40s)", version, argv[0]);
        fail(words);
    }
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) {
            fail("Invalid key=value pair");
        }
        *value++ = 0;
        const char *name = argv[i];
        int yes = strcasecmp(value, "true") == 0;
        if (!strcmp(name, "scid")) {
            char *end;
            o->scid = strtol(value, &end, 16);
            if (*end || o->scid < -1 || o->scid > INT32_MAX) {
                fail("scid may not be negative (except -1 for 'none')");
            }
        } else if (!strcmp(name, "video")) {
            o->video = yes;
        } else if (!strcmp(name, "audio")) {
            o->audio = yes;
        } else if (!strcmp(name, "control")) {
            o->control = yes;
        } else if (!strcmp(name, "audio_source")) {
            snprintf(o->source, sizeof o->source, "%s", value);
        } else if (!strcmp(name, "audio_codec")) {
            snprintf(o->codec, sizeof o->codec, "%s", value);
        } else if (!strcmp(name, "tunnel_forward")) {
            o->forward = yes;
        } else if (!strcmp(name, "cleanup")) {
            o->cleanup = yes;
        } else if (!strcmp(name, "send_device_meta")) {
            o->device_meta = yes;
        } else if (!strcmp(name, "send_dummy_byte")) {
            o->dummy = yes;
        } else if (!strcmp(name, "send_frame_meta")) {
            o->frame_meta = yes;
        } else if (!strcmp(name, before_4() ? "send_codec_meta" : "send_stream_meta")) {
            o->stream_meta = yes;
        } else if (!strcmp(name, "raw_stream")) {
            if (yes) {
                o->device_meta = o->dummy = o->frame_meta = o->stream_meta = 0;
            }
        } else if (!strcmp(name, "list_encoders")) {
            o->list = yes;
        } else if (strcmp(name, "log_level") != 0) {
            fprintf(stderr, "[server] WARN: Unknown server option: %s\n", name);
        }
    }
}

/* -- the call ----------------------------------------------------------------------------------- */

/* The number of the radio's call that is active now; 0 when there is none. */
static int active_call(void)
{
    char text[8192], *save = NULL;

    slurp("/lab/state/telephony/now", text, sizeof text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        int id;
        char state[32], kind[32];
        if (sscanf(line, "call=%d %31s %*s %*s %*s %*s %31s", &id, state, kind) == 3
            && !strcmp(state, "ACTIVE") && !strcmp(kind, "radio")) {
            return id;
        }
    }
    return 0;
}

/* When it became active: seconds since 1970. */
static double active_since(int id)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/lab/state/telephony/times.%d", id);
    slurp(path, text, sizeof text);
    char *at = strstr(text, "active=");
    return at ? strtod(at + 7, NULL) / 1000 : 0;
}

static int16_t *speech;
static long speech_frames;

static void read_speech(void)
{
    FILE *file = fopen("/lab/state/speech.wav", "r");
    struct stat about;

    if (!file || fstat(fileno(file), &about) || about.st_size < 44) {
        return;
    }
    speech_frames = (about.st_size - 44) / 4; /* two channels of 16 bits at 48 kHz, after the head */
    speech = malloc((size_t)speech_frames * 4);
    fseek(file, 44, SEEK_SET);
    speech_frames = (long)fread(speech, 4, (size_t)speech_frames, file);
    fclose(file);
}

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -- the wire ------------------------------------------------------------------------------------ */

static void put(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0) {
            exit(errno == EPIPE || errno == ECONNRESET ? 0 : 1); /* whoever listened is gone */
        }
        at += sent;
        size -= (size_t)sent;
    }
}

static void put_big(int fd, uint64_t value, int bytes)
{
    unsigned char out[8];

    for (int i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    }
    put(fd, out, (size_t)bytes);
}

static int open_socket(const struct options *o)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char *path = name.sun_path + 1; /* behind a zero: an abstract one */

    if (o->scid == -1) {
        strcpy(path, "scrcpy");
    } else {
        snprintf(path, sizeof name.sun_path - 1, "scrcpy_%08lx", o->scid);
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(path));
    if (!o->forward) {
        if (connect(fd, (struct sockaddr *)&name, size)) {
            fail("Connection refused");
        }
        return fd;
    }
    if (bind(fd, (struct sockaddr *)&name, size) || listen(fd, 1)) {
        fail("Address already in use");
    }
    int peer = accept(fd, NULL, NULL);
    if (o->dummy) {
        put_big(peer, 0, 1);
    }
    close(fd);
    return peer;
}

static void wait_until(double when)
{
    double left = when - now(CLOCK_MONOTONIC);

    if (left > 0) {
        struct timespec t = { (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
        nanosleep(&t, NULL);
    }
}

static void capture(int fd, const struct options *o)
{
    int call = active_call();
    double since = call ? active_since(call) : 0;
    int64_t shift = (int64_t)((now(CLOCK_REALTIME) - since) * RATE); /* of the speech */
    double begin = now(CLOCK_MONOTONIC);
    int hole = 0;

    if (goes("late")) {
        wait_until(begin + 0.7);
        begin += 0.7;
        shift += RATE * 7 / 10;
    }
    for (int64_t done = 0;; done += FRAMES) {
        double at = begin + (double)done / RATE;
        int second = (int)(done / RATE);
        if (done % (4 * FRAMES) == 0) {
            wait_until(at + 4.0 * FRAMES / RATE);
        }
        if (second >= 1 && goes("dies")) {
            kill(getpid(), SIGKILL);
        }
        if (second >= 1 && goes("fails")) {
            put_big(fd, 0, 4); /* S/audio/AudioRawRecorder.java */
            fail("Audio capture error");
        }
        if (goes("holes") && second > hole) {
            hole = second;
            done += RATE * 3 / 10 - FRAMES;
            continue;
        }
        int16_t samples[FRAMES * 2] = { 0 };
        if (call && active_call() == call) {
            for (int i = 0; i < FRAMES; i++) {
                int64_t from = done + shift + i;
                if (from >= 0 && from < speech_frames) {
                    int both = (speech[2 * from] + speech[2 * from + 1]) / 2;
                    samples[2 * i] = samples[2 * i + 1] = (int16_t)both;
                }
            }
        }
        int64_t pts = (int64_t)(at * 1e6);
        if (second >= 1 && goes("back")) {
            pts -= 900000;
        }
        if (second >= 1 && goes("far")) {
            pts += 36000000000LL;
        }
        if (o->frame_meta) {
            put_big(fd, (uint64_t)pts & ((1ULL << (before_4() ? 62 : 61)) - 1), 8);
            put_big(fd, sizeof samples, 4);
        }
        put(fd, samples, sizeof samples); /* this computer's are little-endian, as a phone's */
    }
}

int main(int argc, char **argv)
{
    struct options o = { .scid = -1, .video = 1, .audio = 1, .control = 1, .cleanup = 1,
        .device_meta = 1, .dummy = 1, .frame_meta = 1, .stream_meta = 1, .source = "output",
        .codec = "opus" };
    const char *file = getenv("CLASSPATH");
    char props[8192];

    if (argc < 4 || strcmp(argv[2], "com.genymobile.scrcpy.Server") != 0 || !file) {
        fprintf(stderr, "Error: no such class here\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    slurp("/lab/state/scrcpy/mode", mode, sizeof mode);
    read_version(file);
    parse(argc - 3, argv + 3, &o);
    printf("[server] INFO: Device: [lab] lab phone (Android)\n");
    if (o.cleanup) {
        unlink(file); /* a second process does it, at once */
    }
    if (o.list) {
        printf("[server] INFO: List of video encoders:\n    --video-codec=h264 "
               "--video-encoder=c2.android.avc.encoder\n[server] INFO: List of audio encoders:\n"
               "    --audio-codec=opus --audio-encoder=c2.android.opus.encoder\n");
        return 0;
    }
    if (o.video || o.control || !o.audio) {
        fail("this stand-in has nothing but audio");
    }
    if (goes("slow")) {
        wait_until(now(CLOCK_MONOTONIC) + 1);
    }
    if (goes("deaf")) {
        pause();
    }
    int fd = open_socket(&o);
    if (o.device_meta) {
        char name[64] = "lab phone";
        put(fd, name, sizeof name);
    }
    slurp("/lab/state/sys/props", props, sizeof props);
    char *sdk = strstr(props, "ro.build.version.sdk=");
    int level = sdk ? atoi(sdk + 21) : 0;
    if (level < 30) {
        printf("[server] WARN: Audio disabled: it is not supported before Android 11\n");
        put_big(fd, 0, 4);
        return 0;
    }
    if (goes("nonsense")) {
        put_big(fd, 1, 4);
        fail("Capture/encoding error");
    }
    if (goes("denied") || strcmp(o.source, "voice-call") != 0) {
        put_big(fd, 0, 4);
        fail("Failed to start audio capture");
    }
    if (strcmp(o.codec, "raw") != 0) {
        put_big(fd, 1, 4);
        fail("this stand-in has no encoder");
    }
    read_speech();
    if (o.stream_meta) {
        put_big(fd, 0x00726177, 4);
    }
    capture(fd, &o);
}

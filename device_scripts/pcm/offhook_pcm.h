/*
 * offhook-pcm: reads and sets a phone's mixer controls and records one of its PCMs.
 *
 * It speaks to the kernel only (ioctls of <sound/asound.h>): a phone on a user build has no
 * tinymix or tinycap. Every answer is one JSON object on standard output.
 *
 *   main.c       commands, exit codes
 *   arguments.c  the command line
 *   json.c       JSON that is right for any byte
 *   mixer.c      cards and controls: list, find, read
 *   value.c      control values: parse, print, write with read-back, undo
 *   journal.c    the file of old values that outlives a killed capture
 *   proc.c       cards and PCMs, as /proc/asound lists them
 *   pcm.c        one capture PCM: ranges, exact parameters, start, read
 *   wav.c        the 44-byte header, and the repair of a file that was cut
 *   sink.c       the thread that writes, so that a slow disk does not cost audio
 *   timeline.c   where in time a frame belongs
 *   level.c      peak, RMS, silence
 *   record.c     the recording while it lasts
 *   capture.c    how it begins and ends
 *
 * Ioctls and 32-bit ABIs. The kernel's structs that hold a time (snd_pcm_status,
 * snd_pcm_sync_ptr, the mmapped status page) have two layouts on 32 bits. Which of them
 * <sound/asound.h> picks depends on glibc's __USE_TIME_BITS64, which musl does not define though
 * its time_t has 64 bits; and kernels before 5.6 know only one of them. So nothing here uses
 * those: lost time is measured with CLOCK_BOOTTIME in this process, and an xrun is seen by
 * READI_FRAMES's EPIPE. All ioctls that are used (ELEM_*, CARD_INFO, PCM_NEXT_DEVICE, PCM_INFO,
 * HW_REFINE, HW_PARAMS, SW_PARAMS, PREPARE, START, DROP, DELAY, READI_FRAMES) hold longs and
 * pointers at most, which a 64-bit kernel translates for a 32-bit program.
 */
#ifndef OFFHOOK_PCM_H
#define OFFHOOK_PCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <sound/asound.h>

#define OFFHOOK_PCM_VERSION "1"

/* Exit codes; the names are "error" in the JSON. */
enum code {
    OK = 0,
    INTERNAL = 1,     /* no memory, standard output is closed */
    USAGE = 2,        /* the arguments make no sense */
    NOT_FOUND = 3,    /* no such card, control or PCM, or it has gone */
    REFUSED = 4,      /* a value can't be, or did not stay, as asked; what was set is put back */
    DENIED = 5,       /* locked by another, in use, or no permission */
    UNSUPPORTED = 6,  /* the PCM can't do these parameters */
    PCM_LOST = 7,     /* the PCM failed while it was recorded; what came is in the file */
    CANT_WRITE = 8,   /* disk full, or the reader of a pipe went; what could be written is there */
    EXISTS = 9,       /* the target, or a journal that was not restored, is there already */
    NOT_RESTORED = 10, /* a control is not as before; the journal stays */
    DAMAGED = 11,     /* not a file of this program, or not whole */
    NOTHING_CAME = 12, /* not one frame was recorded */
    TOO_LONG = 13,    /* WAV's 4 GiB are full; the file is whole */
};

/* What went wrong: the first fault counts. */
struct fault {
    enum code code;
    int error_number; /* errno, or 0 */
    char what[1024];   /* a sentence; may hold any byte that a name holds */
};

__attribute__((format(printf, 4, 5)))
enum code fail(struct fault *fault, enum code code, int error_number, const char *format, ...);
const char *code_name(enum code code);
const char *errno_name(int error_number);

/* --- json.c: a growing buffer; commas come by themselves -------------------------------------- */

struct json {
    char *text;
    size_t length, space;
    bool comma, no_memory;
};

void json_open(struct json *json, char bracket);  /* '{' or '[' */
void json_close(struct json *json, char bracket); /* '}' or ']' */
void json_key(struct json *json, const char *key);
void json_bytes(struct json *json, const void *bytes, size_t length);
void json_text(struct json *json, const char *text);
void json_field(struct json *json, const unsigned char *field, size_t size); /* up to its NUL */
void json_int(struct json *json, int64_t value);
void json_number(struct json *json, double value, int decimals); /* null when not finite */
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
void json_fault(struct json *json, const struct fault *fault); /* error, errno and what */
int json_print(struct json *json, int fd); /* with a newline; 0, or -1 and errno */
void json_free(struct json *json);

/* --- mixer.c ----------------------------------------------------------------------------------- */

struct card {
    int fd;
    int number;
    char id[17], name[33];
};

typedef struct snd_ctl_elem_info element; /* what an element is */
typedef struct snd_ctl_elem_value values; /* what it holds */

/* spec: a number, or the id in /proc/asound/cards. */
enum code card_open(struct card *card, const char *spec, struct fault *fault);
enum code card_open_id(struct card *card, int number, const char *id, struct fault *fault);
void card_close(struct card *card);
void card_json(struct json *json, const struct card *card);
enum code element_find(const struct card *card, const char *name, element *found,
                       struct fault *fault); /* NAME, or @NUMID */
enum code element_by_id(const struct card *card, const struct snd_ctl_elem_id *id, element *found,
                        struct fault *fault);
int element_read(const struct card *card, const element *element, values *values); /* 0 or errno */
unsigned element_count(const element *element);     /* elements that fit the kernel's struct */
enum code controls_json(struct json *json, const struct card *card, struct fault *fault);
void element_json(struct json *json, const struct card *card, const element *element);

/* --- value.c ----------------------------------------------------------------------------------- */

struct setting {
    element element;
    values wanted, old;
    bool one_for_all; /* one value was given for several elements */
    bool hold;        /* set again when it falls back */
    bool changed;     /* perhaps not as it was */
    bool gone;
    int64_t resets;
};

int64_t value_get(const element *element, const values *values, unsigned i);
void value_put(const element *element, values *values, unsigned i, int64_t value);
void values_json(struct json *json, const struct card *card, const element *element,
                 const values *values);
bool values_equal(const element *element, const values *a, const values *b);
/* Reads "NAME=VALUE", finds the element and keeps its old value; writes nothing. */
enum code setting_parse(const struct card *card, const char *text, struct setting *setting,
                        struct fault *fault);
/* Writes and reads back; the old value is not put back here. */
enum code setting_apply(const struct card *card, struct setting *setting, struct fault *fault);
bool setting_holds(const struct setting *setting, const values *now);
/* Writes `old` where the element differs from it, and reads back. */
enum code values_restore(const struct card *card, const element *element, const values *old,
                         struct fault *fault);
/* That the phone is not as it was is worse than whatever else went wrong: it is told first. */
void not_restored(struct fault *fault, const struct fault *undo);
/* Last set, first put back; goes on after a failure. */
enum code settings_undo(const struct card *card, struct setting *settings, size_t count,
                        struct fault *fault);

/* --- journal.c --------------------------------------------------------------------------------- */

struct entry {
    struct snd_ctl_elem_id id;
    int type;
    unsigned count;
    values old;
};

struct journal {
    int card_number;
    char card_id[17];
    struct entry *entries;
    size_t count;
};

/* Whole and on the disk before it has its name. The lock on *fd says that a capture lives. */
enum code journal_write(const char *path, const struct card *card, const struct setting *settings,
                        size_t count, int *fd, struct fault *fault);
enum code journal_parse(char *text, size_t length, struct journal *journal, struct fault *fault);
enum code journal_remove(const char *path, struct fault *fault);
enum code journal_restore(const char *path, bool drop_missing, struct json *json,
                          struct fault *fault);

/* --- proc.c ------------------------------------------------------------------------------------ */

enum code pcms_json(struct json *json, const char *proc, struct fault *fault);

/* --- pcm.c ------------------------------------------------------------------------------------- */

struct pcm {
    int fd;
    unsigned rate, channels, frame_bytes;
    unsigned period, buffer; /* frames */
};

enum code pcm_open(struct pcm *pcm, int card, unsigned device, struct fault *fault);
enum code pcm_ranges_json(struct json *json, const struct pcm *pcm, struct fault *fault);
/* period and count may be 0: then about 40 ms, and as much buffer as there is up to 1 s. */
enum code pcm_configure(struct pcm *pcm, unsigned rate, unsigned channels, unsigned period,
                        unsigned count, struct fault *fault);
int pcm_prepare(const struct pcm *pcm);                              /* 0 or errno */
int pcm_start(const struct pcm *pcm);                                /* 0 or errno */
ssize_t pcm_read(const struct pcm *pcm, void *frames, size_t count); /* frames, or -errno */
unsigned pcm_waiting(const struct pcm *pcm); /* frames that can be read; 0 when not known */
void pcm_close(struct pcm *pcm);

/* --- wav.c ------------------------------------------------------------------------------------- */

#define WAV_HEADER 44u
#ifndef WAV_MAX_DATA /* a test builds with less */
#define WAV_MAX_DATA (UINT32_MAX - WAV_HEADER)
#endif

void wav_header(unsigned char header[WAV_HEADER], unsigned rate, unsigned channels,
                uint32_t data_bytes);
enum code wav_repair(const char *path, struct json *json, struct fault *fault);

/* --- sink.c ------------------------------------------------------------------------------------ */

struct sink;

struct slot {
    uint64_t gap; /* frames of silence before these */
    unsigned frames;
    unsigned char *data;
};

/* path "-" is standard output: its header holds the largest sizes, and is never patched. Another
   is made with O_EXCL, and removed by sink_close when no frame came. */
enum code sink_open(struct sink **sink, const char *path, unsigned rate, unsigned channels,
                    struct fault *fault);
enum code sink_start(struct sink *sink, unsigned slot_frames, struct fault *fault);
struct slot *sink_slot(struct sink *sink, int wait_ms); /* NULL: full; ask sink_error */
void sink_push(struct sink *sink);                      /* the slot last given */
int sink_error(struct sink *sink);                      /* 0 or errno */
/* Ends the thread, patches the header; *bytes is what the file has. */
enum code sink_close(struct sink *sink, int64_t *bytes, struct fault *fault);

/* --- timeline.c: the clock's idea of how many frames there should be --------------------------- */

struct timeline {
    unsigned rate;
    int64_t position;      /* frames so far, silence for lost ones among them */
    int64_t best, earlier; /* when frame 0 was recorded, ns: the earliest seen, this and last while */
    int64_t since;
};

int64_t clock_ns(void); /* goes on while the phone sleeps */
void timeline_start(struct timeline *timeline, unsigned rate, int64_t first_frame_ns);
/* At `now`, all up to frame position+waiting has been recorded. */
void timeline_saw(struct timeline *timeline, int64_t now, unsigned waiting);
int64_t timeline_expected(const struct timeline *timeline, int64_t now);
int64_t timeline_ns(const struct timeline *timeline, int64_t frame);

/* --- level.c ----------------------------------------------------------------------------------- */

struct level {
    uint64_t frames, silent, clipped, squares;
    int peak;
};

void level_add(struct level *levels, unsigned channels, const unsigned char *frames, size_t count);
void levels_json(struct json *json, const struct level *levels, unsigned channels);

/* --- capture.c --------------------------------------------------------------------------------- */

struct capture_options {
    const char *card, *output, *journal, *status;
    unsigned device, rate, channels, period, count;
    unsigned max_seconds;
    uint64_t max_bytes;
    unsigned start_timeout; /* seconds; 0 waits for ever */
    const char **settings;  /* "NAME=VALUE" */
    bool *holds;
    size_t setting_count;
    bool die_with_parent;
    pid_t parent; /* 0: whoever it is now */
    bool go;      /* with everything set, wait for a byte on standard input, then begin */
};

enum code capture(const struct capture_options *options, struct json *json, struct fault *fault);

#endif

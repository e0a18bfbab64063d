/* The sound card of a `vm` lab phone: shared between its parts. */
#ifndef LABCARD_H
#define LABCARD_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <time.h>
#include <sound/asound.h>

#define RATE 48000          /* of speech, and of what a call's audio is counted in */
#define CONTROL "/dev/snd/controlC0"
#define SOCKET "/lab/state/run/modem.sock"
#define STATE "/lab/state/modem.json"

enum model { MODEL_ADSP, MODEL_TENSOR, MODEL_EXYNOS, MODEL_MEDIATEK, MODEL_NONE };

/* controls.c */
int controls_add(const char *table);              /* opens the card, adds the table's elements; fd */
void controls_print(int fd);                      /* NAME<TAB>VALUE[,VALUE...] for each mixer element */
unsigned control_find(int fd, const char *name);  /* numid, 0 where there is none */
long control_get(int fd, unsigned numid);         /* its first value; 0 where numid is 0 */
int control_set(int fd, unsigned numid, long value);

/* speech.c: what the two ends of the line say, at RATE; [0] is the owner, [1] the far end */
struct speech {
    const int16_t *frames; /* interleaved; NULL: a tone of its own for each end */
    uint64_t count;
    void *map;
    size_t map_size;
};
int speech_open(struct speech *speech, const char *path); /* NULL: tones; -1 and a message if bad */
void speech_close(struct speech *speech);
void speech_at(const struct speech *speech, uint64_t frame, int16_t leg[2]);

/* pcm.c: the playing end of the loopback, in the format the capturing end asked for */
struct pcm {
    int fd;
    unsigned rate, channels, period; /* period: frames of one write */
};
int pcm_is_captured(void);                 /* somebody captures: its parameters are set */
int pcm_open(struct pcm *pcm);             /* -1 when the capture's format is not one we can play */
void pcm_close(struct pcm *pcm);
int pcm_write(struct pcm *pcm, const int16_t *frames); /* one period; -1 after an xrun or worse */
unsigned pcm_take_back(struct pcm *pcm);   /* what is queued and not yet heard, in frames */

/* modem.c */
void modem_serve(int control, enum model model);
int modem_ask(int argc, char **argv);

/* tensor.c: every stop of the capture puts the enum back to Off */
void tensor_watch(int control, unsigned numid);

void die(const char *what) __attribute__((noreturn));
int64_t now_ns(clockid_t clock);

#endif

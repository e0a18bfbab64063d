/* A recording's state, shared by capture.c (how it begins and ends) and record.c (what happens). */
#ifndef RECORD_H
#define RECORD_H

#include "offhook_pcm.h"

#define MS 1000000LL /* in ns */

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

bool signalled(struct run *run);              /* or ended already */
int record_start(struct run *run);            /* prepare, held controls, start; 0 or errno */
void record(struct run *run);                 /* until run->ended says why it ended */
void record_rest(struct run *run);            /* after a signal: what is in the buffer */
int64_t epoch_ms(const struct run *run, int64_t ns);

#endif

/*
 * Where in time a frame belongs. What is read arrives late by however long we slept, never
 * early: so the earliest that frame 0 could have been, over the last seconds, is the truth. Two
 * such minima take turns, so that the two clocks may drift apart over hours.
 */
#include "offhook_pcm.h"

#define SECOND 1000000000LL
#define WHILE (4 * SECOND)

int64_t clock_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
        clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t duration(const struct timeline *timeline, int64_t frames)
{
    return frames / timeline->rate * SECOND + frames % timeline->rate * SECOND / timeline->rate;
}

static int64_t origin(const struct timeline *timeline)
{
    return timeline->best < timeline->earlier ? timeline->best : timeline->earlier;
}

void timeline_start(struct timeline *timeline, unsigned rate, int64_t first_frame_ns)
{
    *timeline = (struct timeline){.rate = rate,
                                  .best = first_frame_ns,
                                  .earlier = first_frame_ns,
                                  .since = first_frame_ns};
}

void timeline_saw(struct timeline *timeline, int64_t now, unsigned waiting)
{
    int64_t seen = now - duration(timeline, timeline->position + waiting);
    if (now - timeline->since > WHILE) {
        timeline->earlier = timeline->best;
        timeline->best = seen;
        timeline->since = now;
    } else if (seen < timeline->best) {
        timeline->best = seen;
    }
}

int64_t timeline_expected(const struct timeline *timeline, int64_t now)
{
    int64_t past = now - origin(timeline);
    return past / SECOND * timeline->rate + past % SECOND * timeline->rate / SECOND;
}

int64_t timeline_ns(const struct timeline *timeline, int64_t frame)
{
    return origin(timeline) + duration(timeline, frame);
}

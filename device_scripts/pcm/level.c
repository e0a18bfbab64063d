/* Peak, RMS, digital silence and clipping of each channel, over the frames that were recorded. */
#include "offhook_pcm.h"

#include <math.h>

void level_add(struct level *levels, unsigned channels, const unsigned char *frames, size_t count)
{
    for (unsigned channel = 0; channel < channels; channel++) {
        struct level *level = &levels[channel];
        const unsigned char *at = frames + channel * 2;
        for (size_t i = 0; i < count; i++, at += (size_t)channels * 2) {
            int sample = (int16_t)(at[0] | at[1] << 8);
            int size = sample < 0 ? -sample : sample;
            level->silent += size == 0;
            level->clipped += size >= 32767;
            level->squares += (uint64_t)((int64_t)size * size);
            if (size > level->peak)
                level->peak = size;
        }
        level->frames += count;
    }
}

static double decibels(double amplitude)
{
    return 20 * log10(amplitude / 32768); /* minus infinity is printed as null */
}

void levels_json(struct json *json, const struct level *levels, unsigned channels)
{
    json_key(json, "levels");
    json_open(json, '[');
    for (unsigned channel = 0; channel < channels; channel++) {
        const struct level *level = &levels[channel];
        double frames = level->frames ? (double)level->frames : 1;
        json_open(json, '{');
        json_key(json, "channel");
        json_int(json, channel);
        json_key(json, "peak_dbfs");
        json_number(json, decibels(level->peak), 2);
        json_key(json, "rms_dbfs");
        json_number(json, decibels(sqrt((double)level->squares / frames)), 2);
        json_key(json, "silent_share");
        json_number(json, (double)level->silent / frames, 4);
        json_key(json, "clipped");
        json_int(json, (int64_t)level->clipped);
        json_close(json, '}');
    }
    json_close(json, ']');
}

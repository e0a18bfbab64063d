/* Cards and PCMs, as /proc/asound lists them: on phones the names there are the only sure thing. */
#include "offhook_pcm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* " 0 [Loopback       ]: Loopback - Loopback"; the line under it has no number. */
static void card_line(struct json *json, char *line)
{
    char *end, *id, *bracket, *name;
    long number = strtol(line, &end, 10);
    if (end == line || !(id = strchr(end, '[')) || !(bracket = strstr(id, "]:")))
        return;
    *bracket = '\0';
    char *driver = trim(bracket + 2);
    name = strstr(driver, " - ");
    json_open(json, '{');
    json_key(json, "card");
    json_int(json, number);
    json_key(json, "id");
    json_text(json, trim(id + 1));
    json_key(json, "driver");
    if (name)
        *name = '\0';
    json_text(json, trim(driver));
    json_key(json, "name");
    json_text(json, name ? trim(name + 3) : "");
    json_close(json, '}');
}

/* Cuts " : WORD N" off the end of text; false when it does not end so. */
static bool cut_direction(char *text, const char *word, long *count)
{
    char *last = NULL;
    for (char *at = text; (at = strstr(at, ": ")) != NULL; at++)
        last = at;
    size_t length = strlen(word);
    if (!last || strncmp(last + 2, word, length) != 0 || last[2 + length] != ' ')
        return false;
    char *end;
    *count = strtol(last + 3 + length, &end, 10);
    if (end == last + 3 + length || *end != '\0')
        return false;
    *last = '\0';
    size_t rest = strlen(text);
    if (rest > 0 && text[rest - 1] == ' ')
        text[rest - 1] = '\0';
    return true;
}

/* "00-23: MultiMedia9 (*) :  : playback 1 : capture 1": card-device: id : name : directions. */
static void pcm_line(struct json *json, char *line)
{
    int used = 0;
    unsigned card, device;
    if (sscanf(line, "%u-%u: %n", &card, &device, &used) < 2 || used == 0)
        return;
    char *id = line + used;
    id[strcspn(id, "\n")] = '\0';
    long playback = 0, capture = 0;
    cut_direction(id, "capture", &capture);
    cut_direction(id, "playback", &playback);
    char *name = strstr(id, " : ");
    if (name)
        *name = '\0';
    json_open(json, '{');
    json_key(json, "card");
    json_int(json, card);
    json_key(json, "device");
    json_int(json, device);
    json_key(json, "name");
    json_text(json, trim(id));
    json_key(json, "description");
    json_text(json, name ? trim(name + 3) : "");
    json_key(json, "playback");
    json_int(json, playback);
    json_key(json, "capture");
    json_int(json, capture);
    json_close(json, '}');
}

static enum code each_line(struct json *json, const char *proc, const char *file,
                           void (*read_line)(struct json *, char *), struct fault *fault)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", proc, file) >= sizeof path)
        return fail(fault, USAGE, 0, "the path is too long");
    json_key(json, file[0] == 'c' ? "cards" : "pcms");
    json_open(json, '[');
    FILE *lines = fopen(path, "re");
    char *line = NULL;
    size_t space = 0;
    /* A phone without any sound card has no such file: an empty list is the answer. */
    if (!lines && errno != ENOENT)
        fail(fault, DENIED, errno, "can't read %s: %s", path, strerror(errno));
    while (lines && getline(&line, &space, lines) > 0)
        read_line(json, line);
    if (lines && ferror(lines))
        fail(fault, INTERNAL, EIO, "can't read %s", path);
    if (lines)
        fclose(lines);
    free(line);
    json_close(json, ']');
    return fault->code;
}

enum code pcms_json(struct json *json, const char *proc, struct fault *fault)
{
    enum code code = each_line(json, proc, "cards", card_line, fault);
    return code ? code : each_line(json, proc, "pcm", pcm_line, fault);
}

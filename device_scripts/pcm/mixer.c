/* Cards and controls: list, find, read. */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CARDS 32 /* SNDRV_CARDS: what the kernel can have */

static enum code card_fault(struct fault *fault, const char *path, int error_number)
{
    enum code code = error_number == ENOENT || error_number == ENODEV || error_number == ENXIO
                         ? NOT_FOUND
                         : DENIED;
    return fail(fault, code, error_number, "can't open %s: %s", path, strerror(error_number));
}

static enum code open_number(struct card *card, int number, struct fault *fault)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/snd/controlC%d", number);
    *card = (struct card){.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), .number = number};
    if (card->fd < 0)
        return card_fault(fault, path, errno);
    struct snd_ctl_card_info info = {0};
    if (ioctl(card->fd, SNDRV_CTL_IOCTL_CARD_INFO, &info) < 0) {
        int error_number = errno;
        card_close(card);
        return card_fault(fault, path, error_number);
    }
    snprintf(card->id, sizeof card->id, "%.16s", (const char *)info.id);
    snprintf(card->name, sizeof card->name, "%.32s", (const char *)info.name);
    return OK;
}

enum code card_open_id(struct card *card, int number, const char *id, struct fault *fault)
{
    struct fault ignored = {0};
    if (number >= 0) {
        if (open_number(card, number, &ignored) == OK && strcmp(card->id, id) == 0)
            return OK;
        card_close(card);
    }
    for (int other = 0; other < CARDS; other++) {
        if (open_number(card, other, &ignored) == OK && strcmp(card->id, id) == 0)
            return OK;
        card_close(card);
    }
    return fail(fault, NOT_FOUND, ENODEV, "no sound card has the id \"%s\"", id);
}

enum code card_open(struct card *card, const char *spec, struct fault *fault)
{
    *card = (struct card){.fd = -1};
    size_t digits = strspn(spec, "0123456789");
    if (digits > 0 && digits < 5 && spec[digits] == '\0')
        return open_number(card, atoi(spec), fault);
    if (*spec == '\0' || strlen(spec) >= sizeof card->id)
        return fail(fault, USAGE, 0, "-D takes a card's number or id, not \"%s\"", spec);
    return card_open_id(card, -1, spec, fault);
}

void card_close(struct card *card)
{
    if (card->fd >= 0)
        close(card->fd);
    card->fd = -1;
}

void card_json(struct json *json, const struct card *card)
{
    json_key(json, "card");
    json_open(json, '{');
    json_key(json, "card");
    json_int(json, card->number);
    json_key(json, "id");
    json_text(json, card->id);
    json_key(json, "name");
    json_text(json, card->name);
    json_close(json, '}');
}

/* All element ids; elements can come while we ask, so ask until all fit. */
static enum code element_ids(const struct card *card, struct snd_ctl_elem_id **ids, unsigned *count,
                             struct fault *fault)
{
    *ids = NULL;
    *count = 0;
    unsigned space = 0;
    for (;;) {
        struct snd_ctl_elem_list list = {.space = space, .pids = *ids};
        if (ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_LIST, &list) < 0) {
            int error_number = errno;
            free(*ids);
            return fail(fault, NOT_FOUND, error_number, "can't list the controls of card %d: %s",
                        card->number, strerror(error_number));
        }
        if (list.count <= space) {
            *count = list.used < space ? list.used : space;
            return OK;
        }
        free(*ids);
        space = list.count + 16;
        *ids = calloc(space, sizeof **ids);
        if (!*ids)
            return fail(fault, INTERNAL, ENOMEM, "no memory for %u controls", space);
    }
}

enum code element_by_id(const struct card *card, const struct snd_ctl_elem_id *id, element *found,
                        struct fault *fault)
{
    *found = (element){.id = *id};
    if (ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_INFO, found) < 0)
        return fail(fault, errno == EPERM || errno == EACCES ? DENIED : NOT_FOUND, errno,
                    "card %d has no control \"%.44s\"", card->number, (const char *)id->name);
    return OK;
}

enum code element_find(const struct card *card, const char *name, element *found,
                       struct fault *fault)
{
    if (name[0] == '@' && name[1] != '\0' && name[1 + strspn(name + 1, "0123456789")] == '\0') {
        struct snd_ctl_elem_id id = {.numid = (unsigned)strtoul(name + 1, NULL, 10)};
        *found = (element){.id = id};
        if (id.numid == 0 || ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_INFO, found) < 0)
            return fail(fault, NOT_FOUND, id.numid ? errno : 0, "card %d has no control %s",
                        card->number, name);
        return OK;
    }
    struct snd_ctl_elem_id *ids, *best = NULL;
    unsigned count;
    enum code code = element_ids(card, &ids, &count, fault);
    if (code)
        return code;
    /* Among several of one name the mixer's own comes first, then the lowest index. */
    bool tie = false;
    for (unsigned i = 0; i < count; i++) {
        if (strncmp((const char *)ids[i].name, name, sizeof ids[i].name) != 0)
            continue;
        if (!best) {
            best = &ids[i];
            continue;
        }
        bool mixer = ids[i].iface == SNDRV_CTL_ELEM_IFACE_MIXER;
        bool best_mixer = best->iface == SNDRV_CTL_ELEM_IFACE_MIXER;
        if (mixer != best_mixer) {
            if (mixer) {
                best = &ids[i];
                tie = false;
            }
        } else if (ids[i].index < best->index) {
            best = &ids[i];
            tie = false;
        } else if (ids[i].index == best->index) {
            tie = true;
        }
    }
    if (!best)
        code = fail(fault, NOT_FOUND, 0, "card %d has no control \"%s\"", card->number, name);
    else if (tie)
        code = fail(fault, USAGE, 0, "card %d has several controls \"%s\": name one by @NUMID",
                    card->number, name);
    else
        code = element_by_id(card, best, found, fault);
    free(ids);
    return code;
}

unsigned element_count(const element *element)
{
    unsigned most = element->type == SNDRV_CTL_ELEM_TYPE_BYTES       ? 512
                  : element->type == SNDRV_CTL_ELEM_TYPE_INTEGER64 ? 64
                  : element->type == SNDRV_CTL_ELEM_TYPE_IEC958    ? 0
                                                                   : 128;
    return element->count < most ? element->count : most;
}

int element_read(const struct card *card, const element *element, values *values)
{
    /* Zeroed: some drivers fill only the first value of two. */
    memset(values, 0, sizeof *values);
    values->id = element->id;
    if (!(element->access & SNDRV_CTL_ELEM_ACCESS_READ))
        return EPERM;
    return ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_READ, values) < 0 ? errno : 0;
}

static const char *type_name(const element *element)
{
    static const char *const names[] = {"none",  "bool",   "int",    "enum",
                                        "bytes", "iec958", "int64"};
    return element->type >= 0 && element->type <= SNDRV_CTL_ELEM_TYPE_LAST ? names[element->type]
                                                                           : "unknown";
}

static const char *iface_name(const element *element)
{
    static const char *const names[] = {"card",    "hwdep", "mixer",    "pcm",
                                        "rawmidi", "timer", "sequencer"};
    return element->id.iface >= 0 && element->id.iface <= SNDRV_CTL_ELEM_IFACE_LAST
               ? names[element->id.iface]
               : "unknown";
}

static void items_json(struct json *json, const struct card *card, const element *element_)
{
    json_key(json, "items");
    json_open(json, '[');
    for (unsigned i = 0; i < element_->value.enumerated.items && i < 4096; i++) {
        element item = {.id = element_->id};
        item.value.enumerated.item = i;
        if (ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_INFO, &item) < 0)
            break;
        json_field(json, (const unsigned char *)item.value.enumerated.name,
                   sizeof item.value.enumerated.name);
    }
    json_close(json, ']');
}

void element_json(struct json *json, const struct card *card, const element *element)
{
    json_open(json, '{');
    json_key(json, "numid");
    json_int(json, element->id.numid);
    json_key(json, "name");
    json_field(json, element->id.name, sizeof element->id.name);
    json_key(json, "index");
    json_int(json, element->id.index);
    json_key(json, "iface");
    json_text(json, iface_name(element));
    json_key(json, "type");
    json_text(json, type_name(element));
    json_key(json, "count");
    json_int(json, element->count);
    values now;
    int error_number = element_read(card, element, &now);
    json_key(json, "values");
    if (error_number)
        json_null(json);
    else
        values_json(json, card, element, &now);
    if (error_number && (element->access & SNDRV_CTL_ELEM_ACCESS_READ)) {
        json_key(json, "read_errno");
        json_text(json, errno_name(error_number));
    }
    if (element->type == SNDRV_CTL_ELEM_TYPE_ENUMERATED)
        items_json(json, card, element);
    bool wide = element->type == SNDRV_CTL_ELEM_TYPE_INTEGER64;
    if (wide || element->type == SNDRV_CTL_ELEM_TYPE_INTEGER) {
        json_key(json, "min");
        json_int(json, wide ? element->value.integer64.min : element->value.integer.min);
        json_key(json, "max");
        json_int(json, wide ? element->value.integer64.max : element->value.integer.max);
    }
    json_key(json, "readable");
    json_bool(json, element->access & SNDRV_CTL_ELEM_ACCESS_READ);
    json_key(json, "writable");
    json_bool(json, element->access & SNDRV_CTL_ELEM_ACCESS_WRITE);
    json_key(json, "active");
    json_bool(json, !(element->access & SNDRV_CTL_ELEM_ACCESS_INACTIVE));
    json_key(json, "locked");
    json_bool(json, element->access & SNDRV_CTL_ELEM_ACCESS_LOCK);
    if (element->access & SNDRV_CTL_ELEM_ACCESS_LOCK) {
        json_key(json, "owner");
        json_int(json, element->owner);
    }
    json_close(json, '}');
}

enum code controls_json(struct json *json, const struct card *card, struct fault *fault)
{
    struct snd_ctl_elem_id *ids;
    unsigned count;
    enum code code = element_ids(card, &ids, &count, fault);
    if (code)
        return code;
    json_key(json, "controls");
    json_open(json, '[');
    for (unsigned i = 0; i < count; i++) {
        element element;
        struct fault gone = {0}; /* one that vanished since the list was made is not ours to tell */
        if (element_by_id(card, &ids[i], &element, &gone) == OK)
            element_json(json, card, &element);
    }
    json_close(json, ']');
    free(ids);
    return OK;
}

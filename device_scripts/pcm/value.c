/* Control values: parse, print, write with read-back, undo. */
#include "offhook_pcm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

int64_t value_get(const element *element, const values *values, unsigned i)
{
    switch (element->type) {
    case SNDRV_CTL_ELEM_TYPE_ENUMERATED:
        return values->value.enumerated.item[i];
    case SNDRV_CTL_ELEM_TYPE_BYTES:
        return values->value.bytes.data[i];
    case SNDRV_CTL_ELEM_TYPE_INTEGER64:
        return values->value.integer64.value[i];
    default:
        return values->value.integer.value[i];
    }
}

void value_put(const element *element, values *values, unsigned i, int64_t value)
{
    switch (element->type) {
    case SNDRV_CTL_ELEM_TYPE_ENUMERATED:
        values->value.enumerated.item[i] = (unsigned)value;
        break;
    case SNDRV_CTL_ELEM_TYPE_BYTES:
        values->value.bytes.data[i] = (unsigned char)value;
        break;
    case SNDRV_CTL_ELEM_TYPE_INTEGER64:
        values->value.integer64.value[i] = value;
        break;
    default:
        values->value.integer.value[i] = (long)value;
    }
}

static bool item_name(const struct card *card, const element *element_, unsigned number,
                      char name[65])
{
    if (number >= element_->value.enumerated.items)
        return false;
    element item = {.id = element_->id};
    item.value.enumerated.item = number;
    if (ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_INFO, &item) < 0)
        return false;
    memcpy(name, item.value.enumerated.name, 64);
    name[64] = '\0';
    return true;
}

/* An enum's value is its item's name; one that is out of range is the number that it is. */
void values_json(struct json *json, const struct card *card, const element *element,
                 const values *values)
{
    json_open(json, '[');
    for (unsigned i = 0; i < element_count(element); i++) {
        int64_t value = value_get(element, values, i);
        char name[65];
        if (element->type == SNDRV_CTL_ELEM_TYPE_BOOLEAN && (value == 0 || value == 1))
            json_bool(json, value);
        else if (element->type == SNDRV_CTL_ELEM_TYPE_ENUMERATED
                 && item_name(card, element, (unsigned)value, name))
            json_text(json, name);
        else
            json_int(json, value);
    }
    json_close(json, ']');
}

bool values_equal(const element *element, const values *a, const values *b)
{
    for (unsigned i = 0; i < element_count(element); i++)
        if (value_get(element, a, i) != value_get(element, b, i))
            return false;
    return true;
}

static bool parse_number(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 0);
    return *text != '\0' && (unsigned char)*text > ' ' && *end == '\0' && errno == 0;
}

static void range_of(const element *element, int64_t *min, int64_t *max)
{
    switch (element->type) {
    case SNDRV_CTL_ELEM_TYPE_BOOLEAN:
        *min = 0, *max = 1;
        break;
    case SNDRV_CTL_ELEM_TYPE_ENUMERATED:
        *min = 0, *max = (int64_t)element->value.enumerated.items - 1;
        break;
    case SNDRV_CTL_ELEM_TYPE_BYTES:
        *min = 0, *max = 255;
        break;
    case SNDRV_CTL_ELEM_TYPE_INTEGER64:
        *min = element->value.integer64.min, *max = element->value.integer64.max;
        break;
    default:
        *min = element->value.integer.min, *max = element->value.integer.max;
        if (*min > *max) /* "Voc VSID" says 0..-1: its maximum did not fit an int */
            *min = LONG_MIN, *max = LONG_MAX;
    }
}

static bool parse_value(const struct card *card, const element *element, const char *text,
                        int64_t *value)
{
    char name[65];
    if (element->type == SNDRV_CTL_ELEM_TYPE_ENUMERATED)
        for (unsigned i = 0; item_name(card, element, i, name); i++)
            if (strcmp(name, text) == 0) {
                *value = i;
                return true;
            }
    if (element->type == SNDRV_CTL_ELEM_TYPE_BOOLEAN
        && (strcasecmp(text, "on") == 0 || strcasecmp(text, "off") == 0)) {
        *value = strcasecmp(text, "on") == 0;
        return true;
    }
    int64_t min, max;
    range_of(element, &min, &max);
    return parse_number(text, value) && *value >= min && *value <= max;
}

static enum code parse_values(const struct card *card, char *text, struct setting *setting,
                              struct fault *fault)
{
    const element *element = &setting->element;
    unsigned count = element_count(element);
    int64_t value;
    /* As a whole first: an enum's item may have a comma in its name. */
    if (parse_value(card, element, text, &value)) {
        setting->one_for_all = count > 1;
        for (unsigned i = 0; i < count; i++)
            value_put(element, &setting->wanted, i, value);
        return OK;
    }
    unsigned given = 0;
    for (char *part = text; part; given++) {
        char *comma = strchr(part, ',');
        if (comma)
            *comma = '\0';
        if (given < count && !parse_value(card, element, part, &value))
            return fail(fault, REFUSED, EINVAL, "\"%.44s\" can't be \"%.64s\"",
                        (const char *)element->id.name, part);
        if (given < count)
            value_put(element, &setting->wanted, given, value);
        part = comma ? comma + 1 : NULL;
    }
    if (given != count)
        return fail(fault, REFUSED, EINVAL, "\"%.44s\" has %u values, not %u",
                    (const char *)element->id.name, count, given);
    return OK;
}

enum code setting_parse(const struct card *card, const char *text, struct setting *setting,
                        struct fault *fault)
{
    *setting = (struct setting){0};
    const char *equals = strrchr(text, '='); /* a name may have one of its own */
    if (!equals || equals == text)
        return fail(fault, USAGE, 0, "\"%.100s\" is not NAME=VALUE", text);
    char *name = strndup(text, (size_t)(equals - text)), *value = strdup(equals + 1);
    enum code code = OK;
    if (!name || !value)
        code = fail(fault, INTERNAL, ENOMEM, "no memory");
    if (!code)
        code = element_find(card, name, &setting->element, fault);
    element *element = &setting->element;
    if (!code && (element->access & SNDRV_CTL_ELEM_ACCESS_READWRITE)
                     != SNDRV_CTL_ELEM_ACCESS_READWRITE)
        code = fail(fault, REFUSED, EPERM, "\"%s\" can't be %s", name,
                    element->access & SNDRV_CTL_ELEM_ACCESS_WRITE ? "read back" : "written");
    if (!code && (element_count(element) == 0 || element->count != element_count(element)))
        code = fail(fault, REFUSED, EINVAL, "\"%s\" is of a kind that can't be set here", name);
    if (!code) {
        int error_number = element_read(card, element, &setting->old);
        if (error_number)
            code = fail(fault, REFUSED, error_number, "\"%s\" can't be read: %s", name,
                        strerror(error_number));
    }
    setting->wanted = setting->old;
    if (!code)
        code = parse_values(card, value, setting, fault);
    free(name);
    free(value);
    return code;
}

/*
 * Qualcomm's VOC_REC controls have two elements of which the driver reads and shows only the
 * first: where one value was given for all, the others may also stay as they were.
 */
bool setting_holds(const struct setting *setting, const values *now)
{
    for (unsigned i = 0; i < element_count(&setting->element); i++) {
        int64_t value = value_get(&setting->element, now, i);
        if (value == value_get(&setting->element, &setting->wanted, i))
            continue;
        if (i == 0 || !setting->one_for_all
            || value != value_get(&setting->element, &setting->old, i))
            return false;
    }
    return true;
}

static enum code write_fault(const struct card *card, const element *element_, int error_number,
                             struct fault *fault)
{
    const char *name = (const char *)element_->id.name;
    if (error_number == ENOENT || error_number == ENODEV)
        return fail(fault, NOT_FOUND, error_number, "\"%.44s\" has vanished", name);
    if (error_number == EPERM || error_number == EBUSY || error_number == EACCES) {
        element now;
        struct fault ignored = {0};
        if (element_by_id(card, &element_->id, &now, &ignored) == OK
            && now.access & SNDRV_CTL_ELEM_ACCESS_LOCK)
            return fail(fault, DENIED, error_number, "\"%.44s\" is locked by process %d", name,
                        now.owner);
        return fail(fault, DENIED, error_number, "\"%.44s\" can't be written: %s", name,
                    strerror(error_number));
    }
    return fail(fault, REFUSED, error_number, "\"%.44s\" refused its value: %s", name,
                strerror(error_number));
}

static int element_write(const struct card *card, const values *wanted)
{
    values copy = *wanted; /* the kernel writes back into it */
    return ioctl(card->fd, SNDRV_CTL_IOCTL_ELEM_WRITE, &copy) < 0 ? errno : 0;
}

static enum code otherwise_fault(const element *element, const values *wanted, const values *now,
                                 enum code code, struct fault *fault)
{
    unsigned i = 0;
    while (i + 1 < element_count(element)
           && value_get(element, now, i) == value_get(element, wanted, i))
        i++;
    return fail(fault, code, 0, "\"%.44s\" was set to %lld and reads back as %lld",
                (const char *)element->id.name, (long long)value_get(element, wanted, i),
                (long long)value_get(element, now, i));
}

enum code setting_apply(const struct card *card, struct setting *setting, struct fault *fault)
{
    setting->wanted.id = setting->element.id;
    int error_number = element_write(card, &setting->wanted);
    /* A driver may fail halfway; only what it did not let us touch is surely as it was. */
    setting->changed |= error_number != ENOENT && error_number != ENODEV && error_number != EPERM;
    if (error_number)
        return write_fault(card, &setting->element, error_number, fault);
    values now;
    error_number = element_read(card, &setting->element, &now);
    if (error_number)
        return write_fault(card, &setting->element, error_number, fault);
    if (!setting_holds(setting, &now))
        return otherwise_fault(&setting->element, &setting->wanted, &now, REFUSED, fault);
    return OK;
}

enum code values_restore(const struct card *card, const element *element, const values *old,
                         struct fault *fault)
{
    values now, wanted = *old;
    wanted.id = element->id;
    int error_number = element_read(card, element, &now);
    if (!error_number && values_equal(element, &now, &wanted))
        return OK;
    if (!error_number)
        error_number = element_write(card, &wanted);
    if (!error_number)
        error_number = element_read(card, element, &now);
    if (error_number)
        return write_fault(card, element, error_number, fault);
    if (!values_equal(element, &now, &wanted))
        return otherwise_fault(element, &wanted, &now, NOT_RESTORED, fault);
    return OK;
}

void not_restored(struct fault *fault, const struct fault *undo)
{
    struct fault first = *fault;
    *fault = (struct fault){0};
    fail(fault, NOT_RESTORED, undo->error_number, "%.500s%s%.400s", undo->what,
         first.code ? "; before that: " : "", first.what);
}

enum code settings_undo(const struct card *card, struct setting *settings, size_t count,
                        struct fault *fault)
{
    struct fault undo = {0};
    for (size_t i = count; i-- > 0;)
        if (settings[i].changed)
            values_restore(card, &settings[i].element, &settings[i].old, &undo);
    if (undo.code)
        not_restored(fault, &undo);
    return undo.code ? NOT_RESTORED : OK;
}

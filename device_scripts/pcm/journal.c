/*
 * The undo journal: what each control held before it was set. One line per control:
 *
 *   offhook-pcm journal 1
 *   card NUMBER ID
 *   control IFACE DEVICE SUBDEVICE INDEX TYPE COUNT NAME VALUE,VALUE…
 *   end COUNT
 *
 * Names and ids are percent-encoded, so that a field never holds a space or a newline.
 */
#include "offhook_pcm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES (4u << 20)
#define TITLE "offhook-pcm journal 1"

static void print_encoded(FILE *file, const char *text, size_t size)
{
    for (size_t i = 0; i < size && text[i]; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z')
                     || (byte >= 'a' && byte <= 'z') || byte == '_' || byte == '-' || byte == '.';
        if (plain)
            fputc(byte, file);
        else
            fprintf(file, "%%%02X", byte);
    }
}

static void print_journal(FILE *file, const struct card *card, const struct setting *settings,
                          size_t count)
{
    fprintf(file, "%s\ncard %d ", TITLE, card->number);
    print_encoded(file, card->id, sizeof card->id);
    for (size_t i = 0; i < count; i++) {
        const element *element = &settings[i].element;
        fprintf(file, "\ncontrol %d %u %u %u %d %u ", element->id.iface, element->id.device,
                element->id.subdevice, element->id.index, element->type, element->count);
        print_encoded(file, (const char *)element->id.name, sizeof element->id.name);
        for (unsigned v = 0; v < element_count(element); v++)
            fprintf(file, "%c%" PRId64, v ? ',' : ' ', value_get(element, &settings[i].old, v));
    }
    fprintf(file, "\nend %zu\n", count);
}

/* Makes the folder's change of names last; not every file system can, and that is no fault. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

enum code journal_write(const char *path, const struct card *card, const struct setting *settings,
                        size_t count, int *fd, struct fault *fault)
{
    *fd = -1;
    struct stat there;
    if (lstat(path, &there) == 0)
        return fail(fault, EXISTS, EEXIST,
                    "the journal %s is there already: restore what it says first", path);
    size_t size = strlen(path) + 5;
    char *temporary = malloc(size);
    if (!temporary)
        return fail(fault, INTERNAL, ENOMEM, "no memory");
    snprintf(temporary, size, "%s.new", path);
    unlink(temporary); /* what a killed one left says nothing: nothing was set yet */
    FILE *file = NULL;
    *fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int copy = *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0 ? fcntl(*fd, F_DUPFD_CLOEXEC, 0) : -1;
    bool fine = copy >= 0 && (file = fdopen(copy, "w")) != NULL;
    if (fine) {
        print_journal(file, card, settings, count);
        fine = !ferror(file) && fflush(file) == 0 && fsync(*fd) == 0;
    }
    int error_number = errno;
    if (file)
        fclose(file);
    else if (copy >= 0)
        close(copy);
    if (fine && rename(temporary, path) < 0) {
        fine = false;
        error_number = errno;
    }
    if (fine) {
        sync_folder(path);
    } else {
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        unlink(temporary);
        fail(fault, CANT_WRITE, error_number, "can't write the journal %s: %s", path,
             strerror(error_number));
    }
    free(temporary);
    return fine ? OK : fault->code;
}

enum code journal_remove(const char *path, struct fault *fault)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return fail(fault, NOT_RESTORED, errno, "all is restored, but %s can't be removed: %s",
                    path, strerror(errno));
    sync_folder(path);
    return OK;
}

/* --- reading: every field is checked, since a wrong value would go to the mixer ---------------- */

static char *next_field(char **rest)
{
    char *field = *rest;
    if (!field || !*field)
        return NULL;
    char *space = strchr(field, ' ');
    if (space)
        *space = '\0';
    *rest = space ? space + 1 : NULL;
    return *field ? field : NULL;
}

static bool number(const char *text, int64_t min, int64_t max, int64_t *value)
{
    if (!text || !(*text == '-' || (*text >= '0' && *text <= '9')))
        return false;
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *end == '\0' && end != text && errno == 0 && *value >= min && *value <= max;
}

static int hex_digit(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

static bool decode(const char *text, char *name, size_t size)
{
    size_t length = 0;
    for (; text && *text; length++) {
        if (length + 1 >= size)
            return false;
        if (*text != '%') {
            name[length] = *text++;
            continue;
        }
        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        name[length] = (char)(high * 16 + low);
        text += 3;
    }
    name[length] = '\0';
    return length > 0;
}

static bool parse_control(char *rest, struct entry *entry)
{
    int64_t iface, device, subdevice, index, type, count;
    *entry = (struct entry){0};
    if (!number(next_field(&rest), 0, SNDRV_CTL_ELEM_IFACE_LAST, &iface)
        || !number(next_field(&rest), 0, UINT32_MAX, &device)
        || !number(next_field(&rest), 0, UINT32_MAX, &subdevice)
        || !number(next_field(&rest), 0, UINT32_MAX, &index)
        || !number(next_field(&rest), 1, SNDRV_CTL_ELEM_TYPE_LAST, &type)
        || !number(next_field(&rest), 1, 512, &count)
        || !decode(next_field(&rest), (char *)entry->id.name, sizeof entry->id.name))
        return false;
    entry->id.iface = (snd_ctl_elem_iface_t)iface;
    entry->id.device = (unsigned)device;
    entry->id.subdevice = (unsigned)subdevice;
    entry->id.index = (unsigned)index;
    entry->type = (int)type;
    entry->count = (unsigned)count;
    element shape = {.type = entry->type, .count = entry->count};
    if (element_count(&shape) != entry->count)
        return false;
    char *value = next_field(&rest);
    for (unsigned i = 0; i < entry->count; i++) {
        char *comma = value ? strchr(value, ',') : NULL;
        if (comma)
            *comma = '\0';
        int64_t parsed;
        if (!number(value, INT64_MIN, INT64_MAX, &parsed))
            return false;
        value_put(&shape, &entry->old, i, parsed);
        if (value_get(&shape, &entry->old, i) != parsed)
            return false;
        value = comma ? comma + 1 : NULL;
    }
    return !value && !rest;
}

enum code journal_parse(char *text, size_t length, struct journal *journal, struct fault *fault)
{
    *journal = (struct journal){.card_number = -1};
    bool title = false, card = false, end = false;
    char *stop = text + length;
    bool fine = length > 0 && stop[-1] == '\n' && !memchr(text, '\0', length);
    while (fine && text < stop) {
        char *line = text, *newline = memchr(text, '\n', (size_t)(stop - text));
        *newline = '\0';
        text = newline + 1;
        int64_t value;
        if (end) {
            fine = false;
        } else if (!title) {
            title = fine = strcmp(line, TITLE) == 0;
        } else if (!card) {
            char *rest = line, *word = next_field(&rest);
            card = fine = word && strcmp(word, "card") == 0
                          && number(next_field(&rest), 0, 1023, &value)
                          && decode(next_field(&rest), journal->card_id, sizeof journal->card_id)
                          && !rest;
            journal->card_number = fine ? (int)value : -1;
        } else if (strncmp(line, "end ", 4) == 0) {
            end = fine = number(line + 4, 0, INT32_MAX, &value) && (size_t)value == journal->count;
        } else if (strncmp(line, "control ", 8) == 0) {
            struct entry *grown =
                realloc(journal->entries, (journal->count + 1) * sizeof *journal->entries);
            if (!grown)
                return fail(fault, INTERNAL, ENOMEM, "no memory");
            journal->entries = grown;
            fine = parse_control(line + 8, &grown[journal->count]);
            journal->count += fine;
        } else {
            fine = false;
        }
    }
    if (fine && end)
        return OK;
    free(journal->entries);
    *journal = (struct journal){0};
    return fail(fault, DAMAGED, 0, "this is not a whole journal of offhook-pcm");
}

static enum code journal_read(const char *path, struct journal *journal, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    if (fd < 0)
        return fail(fault, errno == ENOENT ? NOT_FOUND : DENIED, errno, "can't read %s: %s", path,
                    strerror(errno));
    enum code code = OK;
    char *text = NULL;
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_size > MOST_BYTES)
        code = fail(fault, DAMAGED, 0, "%s is not a journal of offhook-pcm", path);
    else if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        code = fail(fault, DENIED, EBUSY, "the capture that wrote %s still runs", path);
    else if (!(text = malloc((size_t)stat.st_size + 1)))
        code = fail(fault, INTERNAL, ENOMEM, "no memory");
    else if (read(fd, text, (size_t)stat.st_size) != stat.st_size)
        code = fail(fault, DAMAGED, 0, "%s changed while it was read", path);
    else
        code = journal_parse(text, (size_t)stat.st_size, journal, fault);
    free(text);
    close(fd);
    return code;
}

static enum code restore_entry(const struct card *card, const struct entry *entry, bool *missing,
                               struct fault *fault)
{
    element element;
    enum code code = element_by_id(card, &entry->id, &element, fault);
    *missing = code == NOT_FOUND;
    if (!code && (element.type != entry->type || element.count != entry->count))
        code = fail(fault, NOT_RESTORED, 0, "\"%.44s\" is of another kind than it was",
                    (const char *)entry->id.name);
    return code ? code : values_restore(card, &element, &entry->old, fault);
}

enum code journal_restore(const char *path, bool drop_missing, struct json *json,
                          struct fault *fault)
{
    struct journal journal;
    struct stat there;
    bool absent = lstat(path, &there) < 0 && errno == ENOENT;
    json_key(json, "absent"); /* then there is nothing to put back, and that is done */
    json_bool(json, absent);
    if (absent)
        return OK;
    enum code code = journal_read(path, &journal, fault);
    if (code)
        return code;
    struct card card = {.fd = -1};
    code = card_open_id(&card, journal.card_number, journal.card_id, fault);
    bool all = code == OK;
    if (all) {
        card_json(json, &card);
        json_key(json, "restored");
        json_open(json, '[');
        bool *done = calloc(journal.count + 1, sizeof *done);
        struct fault *faults = calloc(journal.count + 1, sizeof *faults);
        if (!done || !faults) {
            code = fail(fault, INTERNAL, ENOMEM, "no memory");
            all = false;
        }
        for (size_t i = journal.count; !code && i-- > 0;) {
            bool missing;
            done[i] = restore_entry(&card, &journal.entries[i], &missing, &faults[i]) == OK;
            if (done[i])
                json_field(json, journal.entries[i].id.name, sizeof journal.entries[i].id.name);
            else if (!(missing && drop_missing))
                all = false;
        }
        json_close(json, ']');
        json_key(json, "failed");
        json_open(json, '[');
        for (size_t i = 0; !code && i < journal.count; i++) {
            if (done[i])
                continue;
            json_open(json, '{');
            json_key(json, "name");
            json_field(json, journal.entries[i].id.name, sizeof journal.entries[i].id.name);
            json_fault(json, &faults[i]);
            json_close(json, '}');
            if (!all && fault->code == OK)
                fail(fault, NOT_RESTORED, faults[i].error_number, "%s", faults[i].what);
        }
        json_close(json, ']');
        free(done);
        free(faults);
    }
    card_close(&card);
    free(journal.entries);
    if (!all)
        return fault->code;
    return journal_remove(path, fault);
}

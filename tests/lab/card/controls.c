/*
 * Mixer controls as ALSA user elements. One line of the table per control, fields by tabs:
 *     TYPE COUNT ACCESS NAME RANGE VALUES
 * TYPE: B (boolean), I (integer; RANGE "min,max"), E (enum; RANGE "item|item"), Y (bytes).
 * ACCESS: rw, or ro for what only the driver changes. VALUES: numbers by commas; the last one is
 * repeated up to COUNT.
 */
#include "labcard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bad(const char *name, const char *what)
{
    fprintf(stderr, "labcard: control '%s': %s: %s\n", name, what, strerror(errno));
    exit(1);
}

static void write_values(int fd, const struct snd_ctl_elem_info *info, char *text)
{
    static struct snd_ctl_elem_value value;
    long last = 0;

    memset(&value, 0, sizeof value);
    value.id = info->id;
    for (unsigned i = 0; i < info->count; i++) {
        char *word = text ? strsep(&text, ",") : NULL;
        if (word != NULL) {
            last = strtol(word, NULL, 0);
        }
        if (info->type == SNDRV_CTL_ELEM_TYPE_BYTES) {
            value.value.bytes.data[i] = (unsigned char)last;
        } else if (info->type == SNDRV_CTL_ELEM_TYPE_ENUMERATED) {
            value.value.enumerated.item[i] = (unsigned)last;
        } else {
            value.value.integer.value[i] = last;
        }
    }
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_WRITE, &value)) {
        bad((const char *)info->id.name, "initial value");
    }
}

static void add(int fd, char *line)
{
    static char names[65536];
    struct snd_ctl_elem_info info;
    char *type = strsep(&line, "\t"), *count = strsep(&line, "\t"), *access = strsep(&line, "\t");
    char *name = strsep(&line, "\t"), *range = strsep(&line, "\t");

    if (range == NULL || line == NULL) {
        errno = EINVAL;
        bad(name ? name : type, "a line of the table");
    }
    memset(&info, 0, sizeof info);
    info.id.iface = SNDRV_CTL_ELEM_IFACE_MIXER;
    strncpy((char *)info.id.name, name, sizeof info.id.name - 1);
    info.count = (unsigned)atoi(count);
    info.owner = 1; /* on adding: how many elements */
    info.access = SNDRV_CTL_ELEM_ACCESS_READWRITE;
    switch (*type) {
    case 'B':
        info.type = SNDRV_CTL_ELEM_TYPE_BOOLEAN;
        info.value.integer.max = 1;
        break;
    case 'I':
        info.type = SNDRV_CTL_ELEM_TYPE_INTEGER;
        info.value.integer.min = strtol(strsep(&range, ","), NULL, 0);
        info.value.integer.max = strtol(range, NULL, 0);
        break;
    case 'Y':
        info.type = SNDRV_CTL_ELEM_TYPE_BYTES;
        break;
    default: {
        size_t size = 0;
        info.type = SNDRV_CTL_ELEM_TYPE_ENUMERATED;
        for (char *item; (item = strsep(&range, "|")) != NULL; info.value.enumerated.items++) {
            size_t length = strlen(item) + 1;
            if (size + length > sizeof names) {
                errno = E2BIG;
                bad(name, "items");
            }
            memcpy(names + size, item, length);
            size += length;
        }
        info.value.enumerated.names_ptr = (uintptr_t)names;
        info.value.enumerated.names_length = (unsigned)size;
    }
    }
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_ADD, &info)) {
        bad(name, "add");
    }
    write_values(fd, &info, line);
    /* An element that was added is its maker's alone until it unlocks it. */
    if (strcmp(access, "rw") == 0 && ioctl(fd, SNDRV_CTL_IOCTL_ELEM_UNLOCK, &info.id)) {
        bad(name, "unlock");
    }
}

int controls_add(const char *table)
{
    static char line[65536];
    FILE *file = fopen(table, "re");
    int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

    if (file == NULL || fd < 0) {
        die(file == NULL ? table : CONTROL);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] != 0) {
            add(fd, line);
        }
    }
    fclose(file);
    return fd;
}

/* Calls `each` for every mixer element; stops at the first that it returns non-zero for. */
static int walk(int fd, int (*each)(int, const struct snd_ctl_elem_id *, void *), void *with)
{
    struct snd_ctl_elem_list list;
    int result = 0;

    memset(&list, 0, sizeof list);
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_LIST, &list)) {
        die("list of controls");
    }
    list.space = list.count + 64;
    list.pids = calloc(list.space, sizeof *list.pids);
    if (list.pids == NULL || ioctl(fd, SNDRV_CTL_IOCTL_ELEM_LIST, &list)) {
        die("list of controls");
    }
    for (unsigned i = 0; i < list.used && result == 0; i++) {
        if (list.pids[i].iface == SNDRV_CTL_ELEM_IFACE_MIXER) {
            result = each(fd, &list.pids[i], with);
        }
    }
    free(list.pids);
    return result;
}

static int print_one(int fd, const struct snd_ctl_elem_id *id, void *with)
{
    static struct snd_ctl_elem_value value;
    struct snd_ctl_elem_info info;

    (void)with;
    memset(&info, 0, sizeof info);
    memset(&value, 0, sizeof value);
    info.id = value.id = *id;
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_INFO, &info) || ioctl(fd, SNDRV_CTL_IOCTL_ELEM_READ, &value)) {
        bad((const char *)id->name, "read");
    }
    printf("%s", (const char *)id->name);
    if (id->index != 0) {
        printf(",%u", id->index);
    }
    for (unsigned i = 0; i < info.count; i++) {
        putchar(i == 0 ? '\t' : ',');
        if (info.type == SNDRV_CTL_ELEM_TYPE_BYTES) {
            printf("%02x", value.value.bytes.data[i]);
        } else if (info.type == SNDRV_CTL_ELEM_TYPE_ENUMERATED) {
            info.value.enumerated.item = value.value.enumerated.item[i];
            if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_INFO, &info)) {
                bad((const char *)id->name, "item");
            }
            printf("%s", info.value.enumerated.name);
        } else {
            printf("%ld", value.value.integer.value[i]);
        }
    }
    putchar('\n');
    return 0;
}

void controls_print(int fd)
{
    walk(fd, print_one, NULL);
}

static int is_called(int fd, const struct snd_ctl_elem_id *id, void *with)
{
    (void)fd;
    return strcmp((const char *)id->name, with) == 0 ? (int)id->numid : 0;
}

unsigned control_find(int fd, const char *name)
{
    return (unsigned)walk(fd, is_called, (void *)(uintptr_t)name);
}


static int is_enum(int fd, unsigned numid)
{
    struct snd_ctl_elem_info info;

    memset(&info, 0, sizeof info);
    info.id.numid = numid;
    return ioctl(fd, SNDRV_CTL_IOCTL_ELEM_INFO, &info) == 0
        && info.type == SNDRV_CTL_ELEM_TYPE_ENUMERATED;
}

long control_get(int fd, unsigned numid)
{
    struct snd_ctl_elem_value value;

    if (numid == 0) {
        return 0;
    }
    memset(&value, 0, sizeof value);
    value.id.numid = numid;
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_READ, &value)) {
        die("read a control");
    }
    return is_enum(fd, numid) ? (long)value.value.enumerated.item[0] : value.value.integer.value[0];
}

int control_set(int fd, unsigned numid, long number)
{
    struct snd_ctl_elem_value value;

    if (numid == 0) {
        return -1;
    }
    memset(&value, 0, sizeof value);
    value.id.numid = numid;
    if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_READ, &value)) {
        return -1;
    }
    if (is_enum(fd, numid)) {
        value.value.enumerated.item[0] = (unsigned)number;
    } else {
        value.value.integer.value[0] = number;
    }
    return ioctl(fd, SNDRV_CTL_IOCTL_ELEM_WRITE, &value);
}

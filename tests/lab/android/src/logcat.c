/*
 * logcat: reads the lab phone's log, and goes on reading as it grows (inotify, no polling).
 *
 * The log is one file to which entries are appended, a line each:
 *   BUFFER \t MS SINCE 1970 \t PID \t TID \t PRIORITY \t TAG \t MESSAGE
 * with \\ and \n in the message for a backslash and a line feed. Clearing a buffer writes down
 * how far it was cleared; nothing is taken out.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/lab/state/log/"
#define PRIORITIES "VDIWEFS"
#define MAX_FILTERS 32

static const char *const buffer_names[] = {"main", "system", "crash", "radio", "events", "kernel"};
enum { BUFFERS = 6, DEFAULT_BUFFERS = 3 };

struct entry {
    char *buffer, *pid, *tid, *priority, *tag, *message;
    long long ms;
};

static struct filter { char tag[64]; int priority; } filters[MAX_FILTERS];
static int filter_count, others = 0; /* the least priority of tags that no filter names */
static int wanted[BUFFERS], begun[BUFFERS];
static long long cleared[BUFFERS], since_ms = -1;
static enum { THREADTIME, BRIEF, TIME, RAW, TAG, EPOCH } format = THREADTIME;

static int index_of(const char *name)
{
    for (int i = 0; i < BUFFERS; i++) {
        if (strcmp(name, buffer_names[i]) == 0) return i;
    }
    return -1;
}

static int rank(char letter)
{
    const char *at = letter == '*' ? PRIORITIES : strchr(PRIORITIES, toupper((unsigned char)letter));
    return at == NULL || letter == '\0' ? -1 : (int)(at - PRIORITIES);
}

static int add_filter(const char *spec)
{
    const char *colon = strrchr(spec, ':');
    size_t length = colon == NULL ? strlen(spec) : (size_t)(colon - spec);
    int least = colon == NULL ? (strcmp(spec, "*") == 0 ? 1 : 0) : rank(colon[1]);

    if (least < 0 || length >= sizeof filters[0].tag || filter_count == MAX_FILTERS) {
        fprintf(stderr, "Invalid filter expression '%s'\n", spec);
        return -1;
    }
    if (length == 1 && *spec == '*') {
        others = least;
    } else {
        memcpy(filters[filter_count].tag, spec, length);
        filters[filter_count++].priority = least;
    }
    return 0;
}

static int passes(const struct entry *entry)
{
    int least = others;
    for (int i = 0; i < filter_count; i++) {
        if (strcmp(filters[i].tag, entry->tag) == 0) least = filters[i].priority;
    }
    return least < 6 && rank(*entry->priority) >= least;
}

static void show_line(const struct entry *entry, const char *text, int length)
{
    time_t seconds = (time_t)(entry->ms / 1000);
    int part = (int)(entry->ms % 1000);
    char when[64];
    struct tm local;

    localtime_r(&seconds, &local);
    strftime(when, sizeof when, "%m-%d %H:%M:%S", &local);
    switch (format) {
    case BRIEF:
        printf("%s/%-8s(%5s): %.*s\n", entry->priority, entry->tag, entry->pid, length, text);
        break;
    case TIME:
        printf("%s.%03d %s/%-8s(%5s): %.*s\n", when, part, entry->priority, entry->tag, entry->pid, length, text);
        break;
    case RAW:
        printf("%.*s\n", length, text);
        break;
    case TAG:
        printf("%s/%-8s: %.*s\n", entry->priority, entry->tag, length, text);
        break;
    case EPOCH:
        printf("%10lld.%03d %5s %5s %s %-8s: %.*s\n", entry->ms / 1000, part, entry->pid, entry->tid, entry->priority, entry->tag, length, text);
        break;
    default:
        printf("%s.%03d %5s %5s %s %-8s: %.*s\n", when, part, entry->pid, entry->tid, entry->priority, entry->tag, length, text);
    }
}

static void show(struct entry *entry)
{
    int buffer = index_of(entry->buffer);
    char *to = entry->message;

    if (!begun[buffer]) {
        printf("--------- beginning of %s\n", entry->buffer);
        begun[buffer] = 1;
    }
    if (!passes(entry)) {
        return;
    }
    for (char *from = entry->message; *from != '\0'; from++) {
        if (*from == '\\' && from[1] != '\0') {
            from++;
            *to++ = *from == 'n' ? '\n' : *from == 'r' ? '\r' : *from;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    for (char *line = entry->message; line != NULL;) {
        char *end = strchr(line, '\n');
        show_line(entry, line, end == NULL ? (int)strlen(line) : (int)(end - line));
        line = end == NULL ? NULL : end + 1;
    }
}

/* Takes a line apart, in place; false for a line that is no entry, or of no wanted buffer. */
static int parse(char *line, long long offset, struct entry *entry)
{
    char *rest = line, *ms;

    entry->buffer = strsep(&rest, "\t");
    ms = strsep(&rest, "\t");
    entry->pid = strsep(&rest, "\t");
    entry->tid = strsep(&rest, "\t");
    entry->priority = strsep(&rest, "\t");
    entry->tag = strsep(&rest, "\t");
    entry->message = rest;
    int buffer = index_of(entry->buffer);
    if (rest == NULL || buffer < 0 || !wanted[buffer] || offset < cleared[buffer]) {
        return 0;
    }
    entry->ms = strtoll(ms, NULL, 10);
    return since_ms < 0 || entry->ms >= since_ms;
}

static void clear(void)
{
    struct stat log;
    long long size = stat(FOLDER "all", &log) == 0 ? (long long)log.st_size : 0;

    for (int i = 0; i < BUFFERS; i++) {
        char path[64];
        if (!wanted[i]) continue;
        snprintf(path, sizeof path, FOLDER "cleared.%s", buffer_names[i]);
        umask(0);
        FILE *file = fopen(path, "we");
        if (file == NULL) {
            fprintf(stderr, "failed to clear the '%s' log\n", buffer_names[i]);
            exit(1);
        }
        fprintf(file, "%lld\n", size);
        fclose(file);
    }
}

static void read_cleared(void)
{
    for (int i = 0; i < BUFFERS; i++) {
        char path[64];
        snprintf(path, sizeof path, FOLDER "cleared.%s", buffer_names[i]);
        FILE *file = fopen(path, "re");
        if (file != NULL) {
            if (fscanf(file, "%lld", &cleared[i]) != 1) cleared[i] = 0;
            fclose(file);
        }
    }
}

static long long time_of(const char *text)
{
    struct tm local;
    time_t now = time(NULL);
    const char *rest;

    localtime_r(&now, &local);
    rest = strptime(text, "%m-%d %H:%M:%S", &local);
    if (rest == NULL) {
        rest = strptime(text, "%Y-%m-%d %H:%M:%S", &local);
    }
    if (rest != NULL) {
        local.tm_isdst = -1;
        return (long long)mktime(&local) * 1000 + (*rest == '.' ? strtoll(rest + 1, NULL, 10) : 0);
    }
    char *end;
    double seconds = strtod(text, &end);
    return *text != '\0' && *end == '\0' ? (long long)(seconds * 1000) : -1;
}

static void choose(const char *names)
{
    char *copy = strdup(names), *rest = copy;

    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        for (int i = 0; i < BUFFERS; i++) {
            int usual = strcmp(name, "default") == 0 && i < DEFAULT_BUFFERS;
            if (usual || strcmp(name, "all") == 0 || strcmp(name, buffer_names[i]) == 0) wanted[i] = 1;
        }
        if (strcmp(name, "all") != 0 && strcmp(name, "default") != 0 && index_of(name) < 0) {
            fprintf(stderr, "logcat: unknown buffer '%s'\n", name);
            exit(1);
        }
    }
    free(copy);
}

static void choose_format(const char *name)
{
    static const char *const names[] = {"threadtime", "brief", "time", "raw", "tag", "epoch"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(name, names[i]) == 0) {
            format = i;
            return;
        }
    }
    if (strcmp(name, "long") == 0 || strcmp(name, "year") == 0 || strcmp(name, "color") == 0 || strcmp(name, "uid") == 0) {
        return;
    }
    fprintf(stderr, "logcat: Invalid parameter \"%s\" to -v\n", name);
    exit(1);
}

/* Shows what there is from where `file` stands; `skip` entries are passed over. */
static long long read_on(FILE *file, long long skip, int count_only)
{
    static char *line;
    static size_t room;
    long long seen = 0, offset = ftello(file);
    ssize_t length;

    while ((length = getline(&line, &room, file)) > 0) {
        struct entry entry;
        if (line[length - 1] != '\n') { /* not all there yet */
            fseeko(file, offset, SEEK_SET);
            break;
        }
        line[length - 1] = '\0';
        if (parse(line, offset, &entry) && seen++ >= skip && !count_only) {
            show(&entry);
        }
        offset += length;
    }
    clearerr(file);
    return seen;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"buffer", required_argument, NULL, 'b'}, {"format", required_argument, NULL, 'v'},
        {"clear", no_argument, NULL, 'c'}, {"dump", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0},
    };
    long long last = -1;
    int dump = 0, clearing = 0, chosen = 0, opt;

    while ((opt = getopt_long(argc, argv, "b:v:cdst:T:g", longs, NULL)) != -1) {
        switch (opt) {
        case 'b': choose(optarg); chosen = 1; break;
        case 'v': choose_format(optarg); break;
        case 'c': clearing = 1; break;
        case 'd': dump = 1; break;
        case 's': others = 6; break;
        case 't': dump = 1; /* fall through */
        case 'T':
            if (strspn(optarg, "0123456789") == strlen(optarg)) {
                last = strtoll(optarg, NULL, 10);
                if (last < 1) last = 1;
            } else if ((since_ms = time_of(optarg)) < 0) {
                fprintf(stderr, "logcat: -%c \"%s\" not in time format\n", opt, optarg);
                return 1;
            }
            break;
        case 'g': puts("main: ring buffer is 256 KiB (2 KiB consumed, 14 KiB readable)"); return 0;
        default: return 1;
        }
    }
    if (!chosen) choose("default");
    if (clearing) {
        clear();
        return 0;
    }
    while (optind < argc) {
        if (add_filter(argv[optind++]) != 0) return 1;
    }
    int watch = inotify_init1(IN_CLOEXEC);
    FILE *file = fopen(FOLDER "all", "re");
    if (file == NULL || watch < 0 || inotify_add_watch(watch, FOLDER "all", IN_MODIFY) < 0) {
        fprintf(stderr, "logcat: no log: %s\n", strerror(errno));
        return 1;
    }
    read_cleared();
    long long skip = 0;
    if (last >= 0) {
        skip = read_on(file, 0, 1) - last;
        rewind(file);
    }
    read_on(file, skip > 0 ? skip : 0, 0);
    while (!dump) {
        char events[4096];
        if (fflush(stdout) != 0) return 1;
        if (read(watch, events, sizeof events) < 0 && errno != EINTR) return 1;
        read_on(file, 0, 0);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

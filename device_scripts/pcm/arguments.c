/* The command line: every value is checked before anything is done. */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char usage[] =
    "usage: offhook-pcm version | pcms [--proc DIR] | controls [-D CARD]"
    " | get [-D CARD] NAME... | set [-D CARD] NAME=VALUE... | params [-D CARD] -d DEVICE"
    " | capture [-D CARD] -d DEVICE -r RATE -c CHANNELS [-f s16] [-p PERIOD] [-n COUNT]"
    " [--set NAME=VALUE]... [--hold NAME=VALUE]... [--journal FILE] [--status FILE]"
    " [--die-with-parent[=PID]] [--go] [--max-seconds N] [--max-bytes N] [--start-timeout SECONDS]"
    " -o FILE|- | restore [--drop-missing] FILE | repair FILE";

static const struct option long_options[] = {
    {"set", required_argument, NULL, SET},
    {"hold", required_argument, NULL, HOLD},
    {"journal", required_argument, NULL, JOURNAL},
    {"status", required_argument, NULL, STATUS},
    {"die-with-parent", optional_argument, NULL, PARENT},
    {"go", no_argument, NULL, GO},
    {"max-seconds", required_argument, NULL, SECONDS},
    {"max-bytes", required_argument, NULL, BYTES},
    {"start-timeout", required_argument, NULL, TIMEOUT},
    {"proc", required_argument, NULL, PROC},
    {"drop-missing", no_argument, NULL, DROP},
    {0},
};

uint64_t option_bit(int option)
{
    return option >= 256 ? 1ull << (option - 256 + 32)
                         : 1ull << (strchr("DdrcfpnoX", option) - "DdrcfpnoX");
}

static bool whole(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 && *value >= min && *value <= max;
}

static bool fits(const char *text, uint64_t min, uint64_t max, unsigned *value)
{
    uint64_t wide;
    if (!whole(text, min, max, &wide))
        return false;
    *value = (unsigned)wide;
    return true;
}

static bool take_option(struct arguments *arguments, int option)
{
    struct capture_options *capture = &arguments->capture;
    unsigned parent;
    switch (option) {
    case 'D':
        capture->card = optarg;
        return true;
    case 'd':
        arguments->has_device = true;
        return fits(optarg, 0, 1023, &capture->device);
    case 'r':
        return fits(optarg, 1000, 768000, &capture->rate);
    case 'c':
        return fits(optarg, 1, 64, &capture->channels);
    case 'f':
        return strcmp(optarg, "s16") == 0;
    case 'p':
        return fits(optarg, 1, 1u << 24, &capture->period);
    case 'n':
        return fits(optarg, 1, 1u << 16, &capture->count);
    case 'o':
        capture->output = optarg;
        return *optarg != '\0';
    case SET:
    case HOLD:
        capture->settings[capture->setting_count] = optarg;
        capture->holds[capture->setting_count++] = option == HOLD;
        return true;
    case JOURNAL:
        capture->journal = optarg;
        return *optarg != '\0';
    case STATUS:
        capture->status = optarg;
        return *optarg != '\0' && strlen(optarg) < 4000;
    case PARENT:
        capture->die_with_parent = true;
        if (optarg && !fits(optarg, 2, INT_MAX, &parent))
            return false;
        capture->parent = optarg ? (pid_t)parent : 0;
        return true;
    case GO:
        capture->go = true;
        return true;
    case SECONDS:
        return fits(optarg, 1, 1u << 30, &capture->max_seconds);
    case BYTES:
        return whole(optarg, WAV_HEADER + 128, UINT64_MAX, &capture->max_bytes);
    case TIMEOUT:
        return fits(optarg, 0, 1u << 30, &capture->start_timeout);
    case PROC:
        arguments->proc = optarg;
        return true;
    default:
        arguments->drop_missing = true;
        return true;
    }
}

enum code arguments_parse(int argc, char **argv, uint64_t allowed, struct arguments *arguments,
                          struct fault *fault)
{
    struct capture_options *capture = &arguments->capture;
    *arguments = (struct arguments){.capture = {.card = "0"}, .proc = "/proc/asound"};
    capture->settings = calloc((size_t)argc + 1, sizeof *capture->settings);
    capture->holds = calloc((size_t)argc + 1, sizeof *capture->holds);
    if (!capture->settings || !capture->holds)
        return fail(fault, INTERNAL, ENOMEM, "no memory");
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "+:D:d:r:c:f:p:n:o:", long_options, NULL))
                     != -1;) {
        if (option == '?' || option == ':')
            return fail(fault, USAGE, 0, "%s: %s; %s", argv[optind - 1],
                        option == '?' ? "no such option" : "its value is missing", usage);
        if (!(allowed & option_bit(option)))
            return fail(fault, USAGE, 0, "%s does not take this option; %s", argv[0], usage);
        if (!take_option(arguments, option))
            return fail(fault, USAGE, 0, "\"%.100s\" is not a value for its option",
                        optarg ? optarg : "");
        arguments->given |= option_bit(option);
    }
    arguments->rest = argv + optind;
    arguments->rest_count = argc - optind;
    return OK;
}

/* Commands and exit codes. */
#include "arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__aarch64__)
#define ABI "arm64-v8a"
#elif defined(__arm__)
#define ABI "armeabi-v7a"
#elif defined(__x86_64__)
#define ABI "x86_64"
#elif defined(__i386__)
#define ABI "x86"
#else
#define ABI "unknown"
#endif

enum code fail(struct fault *fault, enum code code, int error_number, const char *format, ...)
{
    if (fault->code)
        return fault->code;
    fault->code = code;
    fault->error_number = error_number;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->what, sizeof fault->what, format, arguments);
    va_end(arguments);
    return code;
}

const char *code_name(enum code code)
{
    static const char *const names[] = {
        "ok",        "internal",   "usage",  "not-found",    "refused", "denied",       "unsupported",
        "pcm-lost", "cant-write", "exists", "not-restored", "damaged", "nothing-came", "too-long"};
    return names[code];
}

const char *errno_name(int error_number)
{
#define NAME(name) {name, #name}
    static const struct {
        int number;
        const char *name;
    } names[] = {NAME(EPERM),  NAME(ENOENT),    NAME(EINTR),   NAME(EIO),       NAME(ENXIO),
                 NAME(EBADF),  NAME(EAGAIN),    NAME(ENOMEM),  NAME(EACCES),    NAME(EFAULT),
                 NAME(EBUSY),  NAME(EEXIST),    NAME(EXDEV),   NAME(ENODEV),    NAME(ENOTDIR),
                 NAME(EISDIR), NAME(EINVAL),    NAME(EMFILE),  NAME(ENOTTY),    NAME(EFBIG),
                 NAME(ENOSPC), NAME(ESPIPE),    NAME(EROFS),   NAME(EPIPE),     NAME(ERANGE),
                 NAME(ENOSYS), NAME(EBADFD),    NAME(EDQUOT),  NAME(ESTRPIPE),  NAME(ETIMEDOUT),
                 NAME(ELOOP),  NAME(ENETRESET), NAME(ENODATA), NAME(EOPNOTSUPP), NAME(ENAMETOOLONG)};
#undef NAME
    static char other[24];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == error_number)
            return names[i].name;
    snprintf(other, sizeof other, "%d", error_number);
    return other;
}

/* --- commands --------------------------------------------------------------------------------- */

static enum code run_version(struct arguments *arguments, struct json *json, struct fault *fault)
{
    (void)arguments;
    (void)fault;
    json_key(json, "name");
    json_text(json, "offhook-pcm");
    json_key(json, "version");
    json_text(json, OFFHOOK_PCM_VERSION);
    json_key(json, "abi");
    json_text(json, ABI);
    return OK;
}

static enum code run_pcms(struct arguments *arguments, struct json *json, struct fault *fault)
{
    return pcms_json(json, arguments->proc, fault);
}

static enum code run_controls(struct arguments *arguments, struct json *json, struct fault *fault)
{
    struct card card;
    enum code code = card_open(&card, arguments->capture.card, fault);
    if (code)
        return code;
    card_json(json, &card);
    code = controls_json(json, &card, fault);
    card_close(&card);
    return code;
}

static enum code run_get(struct arguments *arguments, struct json *json, struct fault *fault)
{
    struct card card;
    enum code code = card_open(&card, arguments->capture.card, fault);
    element *found = calloc((size_t)arguments->rest_count + 1, sizeof *found);
    if (!found)
        code = fail(fault, INTERNAL, ENOMEM, "no memory");
    for (int i = 0; !code && i < arguments->rest_count; i++)
        code = element_find(&card, arguments->rest[i], &found[i], fault);
    if (!code) {
        card_json(json, &card);
        json_key(json, "controls");
        json_open(json, '[');
        for (int i = 0; i < arguments->rest_count; i++)
            element_json(json, &card, &found[i]);
        json_close(json, ']');
    }
    free(found);
    card_close(&card);
    return code;
}

static void set_json(struct json *json, const struct card *card, const struct setting *settings,
                     size_t count)
{
    card_json(json, card);
    json_key(json, "set");
    json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        const element *element = &settings[i].element;
        json_open(json, '{');
        json_key(json, "numid");
        json_int(json, element->id.numid);
        json_key(json, "name");
        json_field(json, element->id.name, sizeof element->id.name);
        json_key(json, "old");
        values_json(json, card, element, &settings[i].old);
        json_key(json, "new");
        values now;
        if (element_read(card, element, &now))
            json_null(json);
        else
            values_json(json, card, element, &now);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static enum code run_set(struct arguments *arguments, struct json *json, struct fault *fault)
{
    size_t count = (size_t)arguments->rest_count;
    struct card card;
    enum code code = card_open(&card, arguments->capture.card, fault);
    struct setting *settings = calloc(count + 1, sizeof *settings);
    if (!settings)
        code = fail(fault, INTERNAL, ENOMEM, "no memory");
    for (size_t i = 0; !code && i < count; i++)
        code = setting_parse(&card, arguments->rest[i], &settings[i], fault);
    bool parsed = code == OK;
    for (size_t i = 0; !code && i < count; i++)
        code = setting_apply(&card, &settings[i], fault);
    if (!code) {
        set_json(json, &card, settings, count);
    } else if (parsed) {
        json_key(json, "put_back");
        json_bool(json, settings_undo(&card, settings, count, fault) == OK);
    }
    free(settings);
    card_close(&card);
    return code;
}

static enum code run_params(struct arguments *arguments, struct json *json, struct fault *fault)
{
    struct card card;
    struct pcm pcm;
    enum code code = card_open(&card, arguments->capture.card, fault);
    if (code)
        return code;
    code = pcm_open(&pcm, card.number, arguments->capture.device, fault);
    if (!code) {
        card_json(json, &card);
        json_key(json, "device");
        json_int(json, arguments->capture.device);
        code = pcm_ranges_json(json, &pcm, fault);
        pcm_close(&pcm);
    }
    card_close(&card);
    return code;
}

static enum code run_capture(struct arguments *arguments, struct json *json, struct fault *fault)
{
    return capture(&arguments->capture, json, fault);
}

static enum code run_restore(struct arguments *arguments, struct json *json, struct fault *fault)
{
    return journal_restore(arguments->rest[0], arguments->drop_missing, json, fault);
}

static enum code run_repair(struct arguments *arguments, struct json *json, struct fault *fault)
{
    return wav_repair(arguments->rest[0], json, fault);
}

struct command {
    const char *name;
    enum code (*run)(struct arguments *, struct json *, struct fault *);
    const char *letters; /* the short options that it takes */
    int longs[10];
    int least, most; /* arguments that are no options */
    const char *needs;
};

static const struct command commands[] = {
    {"version", run_version, "", {0}, 0, 0, ""},
    {"pcms", run_pcms, "", {PROC}, 0, 0, ""},
    {"controls", run_controls, "D", {0}, 0, 0, ""},
    {"get", run_get, "D", {0}, 1, INT_MAX, ""},
    {"set", run_set, "D", {0}, 1, INT_MAX, ""},
    {"params", run_params, "Dd", {0}, 0, 0, "d"},
    {"capture", run_capture, "Ddrcfpno",
     {SET, HOLD, JOURNAL, STATUS, PARENT, GO, SECONDS, BYTES, TIMEOUT}, 0, 0, "drco"},
    {"restore", run_restore, "", {DROP}, 1, 1, ""},
    {"repair", run_repair, "", {0}, 1, 1, ""},
};

static enum code run(int argc, char **argv, struct json *json, struct fault *fault)
{
    const struct command *command = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            command = &commands[i];
    if (!command)
        return fail(fault, USAGE, 0, "%s", usage);
    uint64_t allowed = 0, needed = 0;
    for (const char *letter = command->letters; *letter; letter++)
        allowed |= option_bit(*letter);
    for (const int *option = command->longs; *option; option++)
        allowed |= option_bit(*option);
    for (const char *letter = command->needs; *letter; letter++)
        needed |= option_bit(*letter);
    struct arguments arguments;
    enum code code = arguments_parse(argc - 1, argv + 1, allowed, &arguments, fault);
    if (!code && ((arguments.given & needed) != needed || arguments.rest_count < command->least
                  || arguments.rest_count > command->most))
        code = fail(fault, USAGE, 0, "%s: too few arguments, or too many; %s", command->name,
                    usage);
    if (!code)
        code = command->run(&arguments, json, fault);
    free(arguments.capture.settings);
    free(arguments.capture.holds);
    return code;
}

/* Where the WAV goes to standard output, the answer goes to standard error. */
static int answer_fd(int argc, char **argv)
{
    bool capture = argc > 1 && strcmp(argv[1], "capture") == 0;
    for (int i = 2; capture && i < argc; i++)
        if (strcmp(argv[i], "-o-") == 0
            || (strcmp(argv[i], "-o") == 0 && i + 1 < argc && strcmp(argv[i + 1], "-") == 0))
            return STDERR_FILENO;
    return STDOUT_FILENO;
}

int main(int argc, char **argv)
{
    struct json json = {0};
    struct fault fault = {0};
    /* Started without them, a file of ours would take their numbers, and get the answer. */
    for (int standard = 0; standard <= 2; standard++)
        if (fcntl(standard, F_GETFD) < 0 && open("/dev/null", O_RDWR) != standard)
            return INTERNAL;
    int fd = answer_fd(argc, argv);
    json_open(&json, '{');
    run(argc, argv, &json, &fault);
    if (fault.code)
        json_fault(&json, &fault);
    json_close(&json, '}');
    if (json_print(&json, fd) < 0 && !fault.code)
        fault.code = INTERNAL;
    json_free(&json);
    return fault.code;
}

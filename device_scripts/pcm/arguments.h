/* The command line. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "offhook_pcm.h"

/* Long options; short ones are their letters. */
enum { HOLD = 256, SET, JOURNAL, STATUS, PARENT, GO, SECONDS, BYTES, TIMEOUT, PROC, DROP };

struct arguments {
    struct capture_options capture;
    const char *proc;
    bool drop_missing, has_device;
    uint64_t given; /* a bit for each option */
    char **rest;
    int rest_count;
};

extern const char usage[];

uint64_t option_bit(int option);
/* `allowed`: the command's options, as bits. */
enum code arguments_parse(int argc, char **argv, uint64_t allowed, struct arguments *arguments,
                          struct fault *fault);

#endif

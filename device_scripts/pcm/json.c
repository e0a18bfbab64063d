/* JSON that is right for any byte, and pure ASCII. */
#include "offhook_pcm.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(struct json *json, const char *text, size_t length)
{
    if (json->no_memory)
        return;
    if (json->space - json->length < length + 1) {
        size_t space = json->space ? json->space : 1024;
        while (space - json->length < length + 1)
            space *= 2;
        char *grown = realloc(json->text, space);
        if (!grown) {
            json->no_memory = true;
            return;
        }
        json->text = grown;
        json->space = space;
    }
    memcpy(json->text + json->length, text, length);
    json->length += length;
}

__attribute__((format(printf, 2, 3)))
static void addf(struct json *json, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        json->no_memory = true; /* can't happen: numbers are shorter */
    else
        add(json, text, (size_t)length);
}

static void before_value(struct json *json)
{
    if (json->comma)
        add(json, ",", 1);
    json->comma = true;
}

void json_open(struct json *json, char bracket)
{
    before_value(json);
    add(json, &bracket, 1);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    add(json, &bracket, 1);
    json->comma = true;
}

/* The character at text[*at], or -1 for a byte that is not UTF-8; *at moves past it. */
static int32_t next_character(const unsigned char *text, size_t length, size_t *at)
{
    unsigned char first = text[(*at)++];
    if (first < 0x80)
        return first;
    size_t more = first >= 0xf0 && first <= 0xf4 ? 3 : first >= 0xe0 && first < 0xf0 ? 2
                : first >= 0xc2 && first < 0xe0 ? 1 : 0;
    if (more == 0 || length - *at < more)
        return -1;
    int32_t character = first & (0x3f >> more);
    for (size_t i = 0; i < more; i++) {
        if ((text[*at + i] & 0xc0) != 0x80)
            return -1;
        character = character << 6 | (text[*at + i] & 0x3f);
    }
    static const int32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (character < smallest[more] || character > 0x10ffff
        || (character >= 0xd800 && character <= 0xdfff))
        return -1;
    *at += more;
    return character;
}

/*
 * A byte that is not UTF-8 becomes the lone surrogate U+DC80..U+DCFF, as Python's
 * "surrogateescape" has it, so that a name comes back from JSON as the bytes that it is.
 */
void json_bytes(struct json *json, const void *bytes, size_t length)
{
    const unsigned char *text = bytes;
    before_value(json);
    add(json, "\"", 1);
    for (size_t at = 0; at < length;) {
        unsigned char raw = text[at];
        int32_t character = next_character(text, length, &at);
        if (character < 0)
            addf(json, "\\udc%02x", raw);
        else if (character == '"' || character == '\\')
            addf(json, "\\%c", (int)character);
        else if (character >= 0x20 && character < 0x7f)
            addf(json, "%c", (int)character);
        else if (character < 0x10000)
            addf(json, "\\u%04x", (unsigned)character);
        else
            addf(json, "\\u%04x\\u%04x", 0xd800u + (unsigned)((character - 0x10000) >> 10),
                 0xdc00u + (unsigned)((character - 0x10000) & 0x3ff));
    }
    add(json, "\"", 1);
}

void json_text(struct json *json, const char *text)
{
    json_bytes(json, text, strlen(text));
}

void json_field(struct json *json, const unsigned char *field, size_t size)
{
    json_bytes(json, field, strnlen((const char *)field, size));
}

void json_key(struct json *json, const char *key)
{
    json_text(json, key);
    add(json, ":", 1);
    json->comma = false;
}

void json_int(struct json *json, int64_t value)
{
    before_value(json);
    addf(json, "%lld", (long long)value);
}

void json_number(struct json *json, double value, int decimals)
{
    if (!isfinite(value)) {
        json_null(json);
        return;
    }
    before_value(json);
    addf(json, "%.*f", decimals, value);
}

void json_bool(struct json *json, bool value)
{
    before_value(json);
    addf(json, "%s", value ? "true" : "false");
}

void json_null(struct json *json)
{
    before_value(json);
    add(json, "null", 4);
}

void json_fault(struct json *json, const struct fault *fault)
{
    json_key(json, "error");
    json_text(json, code_name(fault->code));
    json_key(json, "errno");
    if (fault->error_number)
        json_text(json, errno_name(fault->error_number));
    else
        json_null(json);
    json_key(json, "what");
    json_text(json, fault->what);
}

int json_print(struct json *json, int fd)
{
    add(json, "\n", 1);
    if (json->no_memory) {
        errno = ENOMEM;
        return -1;
    }
    for (size_t done = 0; done < json->length;) {
        ssize_t wrote = write(fd, json->text + done, json->length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        done += (size_t)wrote;
    }
    return 0;
}

void json_free(struct json *json)
{
    free(json->text);
    *json = (struct json){0};
}

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void comma(struct json* json) {
    if (json->follows) fputc(',', json->file);
    json->follows = 1;
}

void json_begin(struct json* json, char bracket) {
    comma(json);
    fputc(bracket, json->file);
    json->follows = 0;
}

void json_end(struct json* json, char bracket) {
    fputc(bracket, json->file);
    json->follows = 1;
}

/* Bytes of the character in UTF-8 that text begins with, or 0 if it begins with none: neither
 * longer than needed, nor a surrogate, nor above U+10FFFF. */
static size_t character_bytes(const unsigned char* text) {
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    size_t bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < bytes; i++) { /* ends at the terminating 0 at the latest */
        if (text[i] < least || text[i] > most) return 0;
        least = 0x80;
        most = 0xbf;
    }
    return bytes;
}

static void quote(FILE* file, const char* name) {
    const unsigned char* text = (const unsigned char*)name;
    fputc('"', file);
    while (*text != 0) {
        size_t bytes = character_bytes(text);
        if (bytes == 0) {
            fputs("\\ufffd", file);
            bytes = 1;
        } else if (*text == '"' || *text == '\\') {
            fprintf(file, "\\%c", *text);
        } else if (*text < ' ' || *text == 0x7f) {
            fprintf(file, "\\u%04x", *text);
        } else {
            fwrite(text, 1, bytes, file);
        }
        text += bytes;
    }
    fputc('"', file);
}

void json_key(struct json* json, const char* key) {
    json_string(json, key);
    fputc(':', json->file);
    json->follows = 0;
}

void json_string(struct json* json, const char* text) {
    comma(json);
    quote(json->file, text);
}

void json_int(struct json* json, int64_t value) {
    comma(json);
    fprintf(json->file, "%" PRId64, value);
}

void json_bool(struct json* json, int value) {
    comma(json);
    fputs(value ? "true" : "false", json->file);
}

void json_null(struct json* json) {
    comma(json);
    fputs("null", json->file);
}

void json_decimal(struct json* json, double value) {
    if (!(fabs(value) < 1e15)) { /* or not a number */
        json_null(json);
        return;
    }
    int64_t thousandths = (int64_t)(fabs(value) * 1000 + 0.5);
    comma(json);
    fprintf(json->file, "%s%" PRId64 ".%03" PRId64, value < 0 ? "-" : "", thousandths / 1000,
            thousandths % 1000);
}

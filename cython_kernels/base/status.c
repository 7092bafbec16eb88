#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names from outside, or cut in the middle of a character, may be no UTF-8, and ONNX Runtime's
 * bindings then fail on the message. */
static void make_printable(char* text) {
    for (; *text != 0; text++) {
        if (*text < ' ' || *text > '~') *text = '?';
    }
}

int status_fail(struct status* status, enum status_code code, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
    make_printable(status->message);
    status->code = code;
    return 0;
}

int status_prefix(struct status* status, const char* format, ...) {
    char message[sizeof status->message];
    memcpy(message, status->message, sizeof message);
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
    if (used < 0) used = 0;
    if ((size_t)used < sizeof status->message) {
        snprintf(status->message + used, sizeof status->message - (size_t)used, "%s", message);
    }
    make_printable(status->message);
    return 0;
}

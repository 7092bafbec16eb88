#include "base/replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct status* status, int reason) {
    return status_fail(status, STATUS_INVALID, "cannot be written: %s", strerror(reason));
}

static int find_target(const char* path, char target[PATH_MAX], struct status* status) {
    struct stat found;
    if (stat(path, &found) == 0) {
        if (!S_ISREG(found.st_mode)) {
            return status_fail(status, STATUS_INVALID, "must be an ordinary file, but is none");
        }
        if (realpath(path, target) != NULL) return 1;
    } else if (errno == ENOENT && strlen(path) < PATH_MAX) {
        strcpy(target, path);
        return 1;
    } else if (errno == ENOENT) {
        errno = ENAMETOOLONG;
    }
    return fail(status, errno);
}

/* Opens a new file beside the target, whose name goes to `temporary`. */
static FILE* open_beside(const char* target, char temporary[PATH_MAX]) {
    static atomic_uint counter;
    unsigned number = atomic_fetch_add(&counter, 1);
    int used = snprintf(temporary, PATH_MAX, "%s.%ld.%u.tmp", target, (long)getpid(), number);
    if (used < 0 || used >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) return NULL;
    FILE* file = fdopen(descriptor, "w");
    if (file == NULL) {
        close(descriptor);
        unlink(temporary);
    }
    return file;
}

int replacement_begin(struct replacement* replacement, const char* path, struct status* status) {
    if (!find_target(path, replacement->target, status)) return 0;
    replacement->file = open_beside(replacement->target, replacement->temporary);
    return replacement->file != NULL || fail(status, errno);
}

int replacement_end(struct replacement* replacement, struct status* status) {
    errno = EIO; /* unless what fails now says more */
    int written = !ferror(replacement->file);
    written &= fclose(replacement->file) == 0;
    written = written && rename(replacement->temporary, replacement->target) == 0;
    if (written) return 1;
    const int reason = errno;
    unlink(replacement->temporary);
    return fail(status, reason);
}

void replacement_abandon(struct replacement* replacement) {
    fclose(replacement->file);
    unlink(replacement->temporary);
}

/*
 * dir: reading directories (mn/file.h).
 *
 * Entries are fetched as names are made (quick.h), a buffer at a time, as the kernel gives them: on 64-bit
 * systems its records are the libc's struct dirent.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn/file.h>
#include <stddef.h>
#include <stdlib.h>

#include "export.h"
#include "fault.h"
#include "file.h"

_Static_assert(offsetof(struct dirent, d_reclen) == 16 && offsetof(struct dirent, d_name) == 19 &&
                   sizeof(ino_t) == 8,
               "the kernel's record of a directory is the libc's");

struct mn_dir {
    int fd;
    long used, at; /* bytes of the buffer that are filled, and passed */
    _Alignas(16) char buffer[32768];
};

MN_EXPORT int mn_opendir_until(struct mn_dir **dir, const char *path, int64_t deadline) {
    if (!dir)
        return -EINVAL;
    int fd = mn_open_until(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, deadline);
    if (fd < 0)
        return fd;
    struct mn_dir *d = fault("malloc") ? NULL : malloc(sizeof *d);
    if (!d) {
        sys(SYS_close, fd);
        return -ENOMEM;
    }
    d->fd = fd;
    d->used = d->at = 0;
    *dir = d;
    return 0;
}
MN_EXPORT int mn_opendir(struct mn_dir **dir, const char *path) {
    return mn_opendir_until(dir, path, MN_FOREVER);
}

MN_EXPORT int mn_readdir_until(struct mn_dir *d, struct dirent **entry, int64_t deadline) {
    if (d->at >= d->used) {
        long r = mni_file_sys(MNI_QUICK_NAME, deadline, SYS_getdents64, d->fd, d->buffer, sizeof d->buffer);
        if (r <= 0)
            return r == -ENOENT ? 0 : (int)r; /* the directory has been removed: it is empty */
        d->used = r;
        d->at = 0;
    }
    *entry = (struct dirent *)(void *)(d->buffer + d->at);
    d->at += (*entry)->d_reclen;
    return 1;
}
MN_EXPORT int mn_readdir(struct mn_dir *d, struct dirent **entry) {
    return mn_readdir_until(d, entry, MN_FOREVER);
}

MN_EXPORT int mn_rewinddir(struct mn_dir *d) {
    long r = sys(SYS_lseek, d->fd, 0, SEEK_SET);
    if (r >= 0)
        d->used = d->at = 0;
    return r < 0 ? (int)r : 0;
}

MN_EXPORT int mn_dirfd(const struct mn_dir *d) {
    return d->fd;
}

MN_EXPORT int mn_closedir(struct mn_dir *d) {
    int r = (int)sys(SYS_close, d->fd);
    free(d);
    return r;
}

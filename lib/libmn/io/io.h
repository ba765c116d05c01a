/* io: a system call on a descriptor that waits as threads wait; see io.c. */
#ifndef MNI_IO_IO_H
#define MNI_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fd.h"

struct mni_io {
    int fd;
    unsigned direction; /* MNI_READ, MNI_WRITE */
    int64_t deadline;
    size_t want; /* bytes; fewer mean that nothing is left, or no room.  0: they do not */
    /* The system call, as it is to be made for a descriptor with these flags (MNI_FD_*): it does not block. */
    long (*call)(struct mni_io *io, uint32_t flags);
    /* For call; what they mean is its own affair. */
    const void *data;
    size_t size, size2;
    int flags;
    void *address, *length;
    bool file; /* it is a file: nothing was done */
};

/* Of type SOCK_STREAM. */
bool mni_is_stream(int fd);

/* Of any caller, outside the runtime: makes the call until it does not say -EAGAIN.  Its result, or a negative errno. */
long mni_io(struct mni_io *io);

#endif

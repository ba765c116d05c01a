/* dump: a part of dumps that others use; see dump.c. */
#ifndef MNI_DUMP_H
#define MNI_DUMP_H

/* Writes the head (a whole line), then the function that a thread began in (NULL: none), then a backtrace. */
void mni_dump_frames(int fd, const char *head, void *fn, void *const *pcs, int depth);

#endif

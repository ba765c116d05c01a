/*
 * mn/bsd/sys/event.h: what is found as <sys/event.h> with -I...include/mn/bsd.  Nothing else is in that
 * directory, so that no other header, such as <event.h>, is hidden by one of ours.
 */
#include <mn/sys/event.h>

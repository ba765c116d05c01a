/*
 * list: a doubly linked list whose links lie in the things it holds.
 *
 * The head is a link too, so an empty list points to itself and nothing is ever NULL in a list:
 *
 *     struct list waiting = LIST_INIT(waiting);
 *     list_append(&waiting, &thread->link);
 *     list_each(l, &waiting) { struct thr *t = list_entry(l, struct thr, link); ... }
 *
 * A link that is in no list has next == NULL (all-zero memory is such a link); list_linked() tells.  A link
 * that is added twice, or removed while its neighbours do not know it, is a broken invariant.  No locking: the
 * list's owner decides who may touch it.
 */
#ifndef OD_LIST_H
#define OD_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "panic.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

/* The structure of this type whose member the link is. */
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walks from the first to the last; the body must not remove link. */
#define list_each(link, head) for (struct list *link = (head)->next; link != (head); link = link->next)

/* As list_each; the body may remove (and free) link, and no other. */
#define list_each_safe(link, head)                                                                           \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);                        \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *head) {
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head) {
    return head->next == head;
}

/* Whether the link is in a list. */
static inline bool list_linked(const struct list *link) {
    return link->next != NULL;
}

static inline void list_insert_between(struct list *link, struct list *prev, struct list *next) {
    invariant(link->next == NULL);
    invariant(prev->next == next && next->prev == prev);
    link->next = next;
    link->prev = prev;
    prev->next = link;
    next->prev = link;
}

/* As the first of the list, or after the link `head`. */
static inline void list_prepend(struct list *head, struct list *link) {
    list_insert_between(link, head, head->next);
}

/* As the last of the list, or before the link `head`. */
static inline void list_append(struct list *head, struct list *link) {
    list_insert_between(link, head->prev, head);
}

static inline void list_remove(struct list *link) {
    invariant(link->next != NULL);
    invariant(link->next->prev == link && link->prev->next == link);
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = link->prev = NULL;
}

/* The first or last link; NULL: the list is empty. */
static inline struct list *list_first(const struct list *head) {
    return list_empty(head) ? NULL : head->next;
}
static inline struct list *list_last(const struct list *head) {
    return list_empty(head) ? NULL : head->prev;
}

/* Removes and returns the first; NULL: the list is empty. */
static inline struct list *list_pop(struct list *head) {
    struct list *link = list_first(head);
    if (link)
        list_remove(link);
    return link;
}

/* Moves all of `from`, in order, to the end of `to`; `from` is empty then. */
static inline void list_splice(struct list *to, struct list *from) {
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif

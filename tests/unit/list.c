/* lib/base/list.h */
#include "unit.h"

#include <signal.h>

#include "list.h"

struct item {
    int value;
    struct list link;
};

static struct item items[5];

static void setup(void) {
    for (int i = 0; i < 5; i++)
        items[i] = (struct item){.value = i};
}

/* The values in order, as a decimal number; the links backwards must agree. */
static int content(const struct list *head) {
    int forward = 0, backward = 0, power = 1;
    list_each(l, head) forward = forward * 10 + list_entry(l, struct item, link)->value;
    for (struct list *l = head->prev; l != head; l = l->prev, power *= 10)
        backward += list_entry(l, struct item, link)->value * power;
    cr_assert_eq(forward, backward);
    return forward;
}

TestSuite(list, .init = setup);

Test(list, empty) {
    struct list head = LIST_INIT(head), other;
    list_init(&other);
    cr_assert(list_empty(&head) && list_empty(&other));
    cr_assert_null(list_first(&head));
    cr_assert_null(list_last(&head));
    cr_assert_null(list_pop(&head));
    list_splice(&head, &other);
    cr_assert(list_empty(&head) && list_empty(&other));
    list_each(l, &head) cr_assert_fail("an empty list has no element");
}

Test(list, order) {
    struct list head = LIST_INIT(head);
    list_append(&head, &items[2].link);
    list_append(&head, &items[3].link);
    list_prepend(&head, &items[1].link);
    cr_assert_eq(content(&head), 123);
    list_append(&items[2].link, &items[4].link); /* before 2 */
    cr_assert_eq(content(&head), 1423);
    cr_assert_eq(list_first(&head), &items[1].link);
    cr_assert_eq(list_last(&head), &items[3].link);
}

Test(list, remove_and_add_again) {
    struct list head = LIST_INIT(head);
    for (int i = 1; i < 5; i++)
        list_append(&head, &items[i].link);
    cr_assert(list_linked(&items[2].link));
    list_remove(&items[2].link);
    cr_assert_not(list_linked(&items[2].link));
    cr_assert_eq(content(&head), 134);
    cr_assert_eq(list_pop(&head), &items[1].link);
    list_remove(&items[4].link);
    cr_assert_eq(content(&head), 3);
    list_append(&head, &items[2].link);
    cr_assert_eq(content(&head), 32);
}

Test(list, safe_walk_removes_all) {
    struct list head = LIST_INIT(head);
    for (int i = 1; i < 5; i++)
        list_append(&head, &items[i].link);
    int sum = 0;
    list_each_safe(l, &head) {
        sum += list_entry(l, struct item, link)->value;
        list_remove(l);
    }
    cr_assert_eq(sum, 10);
    cr_assert(list_empty(&head));
}

Test(list, splice) {
    struct list head = LIST_INIT(head), more = LIST_INIT(more);
    list_append(&head, &items[1].link);
    list_append(&more, &items[2].link);
    list_append(&more, &items[3].link);
    list_splice(&head, &more);
    cr_assert_eq(content(&head), 123);
    cr_assert(list_empty(&more));
    list_splice(&more, &head);
    cr_assert_eq(content(&more), 123);
    cr_assert(list_empty(&head));
}

Test(list, added_twice, .signal = SIGABRT) {
    struct list head = LIST_INIT(head);
    list_append(&head, &items[1].link);
    list_append(&head, &items[1].link);
}

Test(list, removed_twice, .signal = SIGABRT) {
    struct list head = LIST_INIT(head);
    list_append(&head, &items[1].link);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
}

/* lib/libmn/hash.h: against flags of what is in it; the length of chains; names with the same hash. */
#include "unit.h"

#include "atomic.h"
#include "hash.h"
#include "list.h"

struct item {
    struct mni_node node;
    uint64_t number;
    bool in, seen;
};

enum { MANY = 3000 };
static struct item items[MANY];

static struct item *find(const struct mni_hash *t, uint64_t number) {
    struct mni_node *n = mni_hash_first(t, mni_hash_of(number));
    return n ? list_entry(n, struct item, node) : NULL;
}

static void prepare(void) {
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t number = i % 3 == 0 ? i : i % 3 == 1 ? i << 32 : i * 0x100000001u;
        items[i] = (struct item){.node.hash = mni_hash_of(number), .number = number};
    }
}

static void see(struct mni_node *node, void *arg) {
    struct item *it = list_entry(node, struct item, node);
    cr_assert(it->in && !it->seen, "each that is in the table, once");
    it->seen = true;
    node->next = NULL; /* as if it were released */
    ++*(size_t *)arg;
}

Test(mn_hash, adds_finds_and_removes) {
    struct mni_hash t = {0};
    unsigned seed = 1;
    size_t n = 0, seen = 0;
    prepare();
    for (int step = 0; step < 40000; step++) {
        seed = seed * 1103515245 + 12345;
        struct item *it = &items[(seed >> 8) % MANY];
        cr_assert_eq(find(&t, it->number), it->in ? it : NULL);
        if (it->in)
            mni_hash_remove(&t, &it->node), n--;
        else
            mni_hash_add(&t, &it->node), n++;
        it->in = !it->in;
        cr_assert_eq(t.count, n);
    }
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(find(&t, items[i].number), items[i].in ? &items[i] : NULL);
    mni_hash_each(&t, see, &seen);
    cr_assert_eq(seen, n);
    mni_hash_release(&t);
    cr_assert(t.count == 0 && !find(&t, items[0].number));
}

Test(mn_hash, keeps_its_chains_short) {
    struct mni_hash t = {0};
    prepare();
    for (int i = 0; i < MANY; i++)
        mni_hash_add(&t, &items[i].node);
    size_t longest = 0;
    for (size_t i = 0; i <= t.mask; i++) {
        size_t length = 0;
        for (struct mni_node *node = t.chains[i]; node; node = node->next)
            length++;
        longest = length > longest ? length : longest;
    }
    cr_assert(t.mask + 1 >= MANY / 2 && longest <= 16, "%zu chains, one of %zu", t.mask + 1, longest);
    mni_hash_release(&t);
}

Test(mn_hash, finds_all_with_one_hash) {
    struct mni_hash t = {0};
    prepare();
    for (int i = 0; i < 100; i++) {
        items[i].node.hash = (uint64_t)i % 4;
        mni_hash_add(&t, &items[i].node);
    }
    for (uint64_t h = 0; h < 6; h++) {
        int n = 0;
        for (struct mni_node *node = mni_hash_first(&t, h); node; node = mni_hash_after(node), n++)
            cr_assert_eq(node->hash, h);
        cr_assert_eq(n, h < 4 ? 25 : 0);
    }
    mni_hash_release(&t);
}

/* lib/libmn/runtime/topo.c and quota.c: synthetic machines, made-up control groups, and what holds of any
 * machine. */
#include "unit.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "runtime/cpuset.h"
#include "runtime/quota.h"
#include "runtime/topo.h"

/* ---- synthetic machines */

static struct mni_topo topo;

/* Places workers on the CPUs of list (NULL: all) of a machine. */
static void arrange(const char *machine, unsigned workers, const char *list) {
    hwloc_topology_t t;
    struct mni_cpuset set = {0};
    memset(&topo, 0, sizeof topo);
    cr_assert_eq(hwloc_topology_init(&t), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(t, machine), 0, "%s", machine);
    cr_assert_eq(hwloc_topology_load(t), 0);
    if (list)
        cr_assert_eq(mni_cpuset_parse(&set, list), 0);
    for (hwloc_obj_t pu = NULL; !list && (pu = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, pu));)
        mni_cpuset_add(&set, pu->os_index);
    topo.hwloc = t;
    topo.workers = workers;
    cr_assert_eq(mni_topo_arrange(&topo, &set), 0);
}

static void check(const unsigned *got, unsigned n, const char *want, const char *what) {
    char text[4096] = "", *p = text;
    for (unsigned i = 0; i < n; i++)
        p += sprintf(p, i ? " %u" : "%u", got[i]);
    cr_assert_str_eq(text, want, "%s: %s, want %s", what, text, want);
}
static void check_cpus(const char *want) {
    check(topo.cpu, topo.workers, want, "cpus");
}
static void check_order(unsigned worker, const char *want) {
    check(topo.order + worker * (topo.workers - 1), topo.workers - 1, want, "order");
}

/* Two packages with a node each; in each two L3 of two L2; under each L2 one core of two threads: 16 CPUs. */
#define BIG "pack:2 [numa] l3:2 l2:2 core:1 pu:2"

Test(topo, order_by_distance) {
    arrange(BIG, 16, NULL);
    check_cpus("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
    check_order(0, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
    /* core 4, L3 6 7, node 0..3 in rotation from 5 (that is 0 first), others in rotation */
    check_order(5, "4 6 7 0 1 2 3 8 9 10 11 12 13 14 15");
    check_order(11, "10 8 9 12 13 14 15 0 1 2 3 4 5 6 7");
    check_order(15, "14 12 13 8 9 10 11 0 1 2 3 4 5 6 7");
    mni_topo_release(&topo);
}

Test(topo, equals_are_rotated) {
    arrange("numa:1 core:4 pu:1", 4, NULL);
    check_order(0, "1 2 3");
    check_order(1, "2 3 0");
    check_order(2, "3 0 1");
    check_order(3, "0 1 2");
    mni_topo_release(&topo);
    arrange("pack:2 [numa] core:4 pu:1", 8, NULL);
    check_order(1, "2 3 0 4 5 6 7");
    check_order(6, "7 4 5 0 1 2 3");
    mni_topo_release(&topo);
}

Test(topo, a_shared_second_level_cache) {
    arrange("numa:1 l3:1 l2:2 core:2 pu:1", 4, NULL);
    check_order(0, "1 2 3");
    check_order(3, "2 0 1");
    mni_topo_release(&topo);
}

Test(topo, nodes_within_a_package) {
    arrange("pack:2 numa:2 core:2 pu:1", 8, NULL);
    check_order(3, "2 0 1 4 5 6 7");
    check_order(5, "4 6 7 0 1 2 3");
    mni_topo_release(&topo);
}

/* Cores come before second threads, and near before far. */
Test(topo, fewer_workers_than_cpus) {
    arrange(BIG, 2, NULL);
    check_cpus("0 2");
    mni_topo_release(&topo);
    arrange(BIG, 8, NULL);
    check_cpus("0 2 4 6 8 10 12 14");
    check_order(0, "1 2 3 4 5 6 7");
    check_order(3, "2 0 1 4 5 6 7");
    mni_topo_release(&topo);
    arrange(BIG, 10, NULL);
    check_cpus("0 1 2 3 4 6 8 10 12 14");
    mni_topo_release(&topo);
    arrange(BIG, 3, "1,3,9-12");
    check_cpus("1 3 9");
    mni_topo_release(&topo);
    arrange(BIG, 1, "7");
    check_cpus("7");
    mni_topo_release(&topo);
}

/* Numbered as on most x86 machines: the second threads after all first ones. */
Test(topo, interleaved_numbers) {
    arrange("numa:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", 4, NULL);
    check_cpus("0 1 2 3");
    mni_topo_release(&topo);
    arrange("numa:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", 8, NULL);
    check_cpus("0 4 1 5 2 6 3 7");
    check_order(2, "3 4 5 6 7 0 1");
    mni_topo_release(&topo);
}

Test(topo, more_workers_than_cpus) {
    arrange("numa:1 core:2 pu:1", 5, NULL);
    check_cpus("0 1 0 1 0");
    check_order(0, "2 4 1 3");
    check_order(1, "3 2 4 0");
    mni_topo_release(&topo);
}

/* CPUs that hwloc does not know, and no hwloc at all: in order of their numbers, all equally far. */
Test(topo, unknown_cpus) {
    arrange("numa:1 core:2 pu:2", 3, "1,2,100");
    check_cpus("1 2 100");
    check_order(2, "0 1");
    mni_topo_release(&topo);
    struct mni_cpuset set;
    cr_assert_eq(mni_cpuset_parse(&set, "3-5"), 0);
    memset(&topo, 0, sizeof topo);
    topo.workers = 3;
    cr_assert_eq(mni_topo_arrange(&topo, &set), 0);
    check_cpus("3 4 5");
    check_order(1, "2 0");
    mni_topo_release(&topo);
}

/* Whatever the machine, each order is a permutation of the others. */
Test(topo, orders_are_permutations) {
    static const char *const machines[] = {BIG, "numa:1 core:3 pu:2", "pack:3 [numa] l3:5 core:3 pu:4", "pu:1"};
    static const unsigned counts[] = {1, 2, 3, 7, 64, 200};
    for (size_t m = 0; m < sizeof machines / sizeof machines[0]; m++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            unsigned n = counts[c];
            arrange(machines[m], n, NULL);
            for (unsigned i = 0; i < n; i++) {
                unsigned char seen[200] = {0};
                seen[i] = 1;
                for (unsigned k = 0; k < n - 1; k++) {
                    unsigned j = topo.order[i * (n - 1) + k];
                    cr_assert(j < n && !seen[j], "machine %zu, %u workers, order of %u", m, n, i);
                    seen[j] = 1;
                }
            }
            mni_topo_release(&topo);
        }
    }
}

/* ---- this machine */

static cpu_set_t mine(void) {
    cpu_set_t s;
    cr_assert_eq(sched_getaffinity(0, sizeof s, &s), 0);
    return s;
}

static int decide(struct mn_config config) {
    memset(&topo, 0xff, sizeof topo);
    int r = mni_topo_decide(&topo, &config);
    cr_assert(memchr(topo.why, '\0', sizeof topo.why));
    return r;
}

Test(topo, follows_the_affinity_mask) {
    cpu_set_t before = mine(), one;
    cr_assert_eq(decide((struct mn_config){0}), 0);
    cr_assert(topo.workers >= 1 && topo.workers <= (unsigned)CPU_COUNT(&before), "%s", topo.why);
    cr_assert_eq(topo.pin, topo.workers == (unsigned)CPU_COUNT(&before), "%s", topo.why);
    for (unsigned i = 0; i < topo.workers; i++)
        cr_assert(CPU_ISSET(topo.cpu[i], &before));
    mni_topo_release(&topo);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
        cr_assert_eq(decide((struct mn_config){0}), 0);
        cr_assert_eq(topo.workers, 1);
        cr_assert_eq(topo.cpu[0], cpu);
        mni_topo_release(&topo);
        sched_setaffinity(0, sizeof before, &before);
    }
}

Test(topo, pinning) {
    cpu_set_t before = mine(), now;
    unsigned n = (unsigned)CPU_COUNT(&before);
    /* More workers than CPUs, or fewer: free by default, and binding does nothing. */
    cr_assert_eq(decide((struct mn_config){.workers = 64}), 0);
    cr_assert_eq(topo.workers, 64);
    cr_assert(!topo.pin || n == 64);
    mni_topo_bind(&topo, 63);
    now = mine();
    cr_assert(n == 64 || CPU_EQUAL(&now, &before));
    mni_topo_release(&topo);
    if (n > 1) {
        cr_assert_eq(decide((struct mn_config){.workers = 1}), 0);
        cr_assert_not(topo.pin);
        mni_topo_bind(&topo, 0);
        now = mine();
        cr_assert(CPU_EQUAL(&now, &before));
        mni_topo_release(&topo);
    }
    /* As asked. */
    cr_assert_eq(decide((struct mn_config){.workers = n, .pin = -1}), 0);
    cr_assert_not(topo.pin);
    mni_topo_release(&topo);
    cr_assert_eq(decide((struct mn_config){.workers = 2 * n, .pin = 1}), 0);
    cr_assert(topo.pin);
    for (unsigned i = 0; i < 2 * n; i++) {
        mni_topo_bind(&topo, i);
        now = mine();
        cr_assert_eq(CPU_COUNT(&now), 1);
        cr_assert(CPU_ISSET(topo.cpu[i], &now));
        mni_topo_unbind(&topo, 0, i & 1);
        now = mine();
        cr_assert(CPU_EQUAL(&now, &before));
    }
    mni_topo_release(&topo);
}

/* A list of CPUs binds the workers to them, pinned or not. */
Test(topo, configured_cpus) {
    cpu_set_t before = mine(), now;
    unsigned last = 0;
    char list[16];
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        last = CPU_ISSET(cpu, &before) ? cpu : last;
    snprintf(list, sizeof list, "%u", last);
    for (unsigned workers = 0; workers < 4; workers++) {
        cr_assert_eq(decide((struct mn_config){.cpus = list, .workers = workers}), 0);
        cr_assert_eq(topo.workers, workers ? workers : 1);
        mni_topo_bind(&topo, topo.workers - 1);
        now = mine();
        cr_assert_eq(CPU_COUNT(&now), 1, "%s", topo.why);
        cr_assert(CPU_ISSET(last, &now));
        mni_topo_unbind(&topo, 0, false);
        now = mine();
        cr_assert_eq(CPU_COUNT(&now), 1);
        mni_topo_unbind(&topo, 0, true);
        now = mine();
        cr_assert(CPU_EQUAL(&now, &before));
        mni_topo_release(&topo);
    }
    cr_assert_eq(decide((struct mn_config){.cpus = "8191"}), -EINVAL);
    cr_assert(strstr(topo.why, "cpus"), "%s", topo.why);
    cr_assert_eq(decide((struct mn_config){.cpus = "x"}), -EINVAL);
    cr_assert_eq(decide((struct mn_config){.workers = MNI_WORKERS_MAX + 1}), -EINVAL);
    cr_assert(strstr(topo.why, "workers"), "%s", topo.why);
    /* The longest list still gives a line. */
    char long_list[4000] = "";
    for (int i = 0; i < 999; i++)
        strcat(long_list, "0-9,");
    strcat(long_list, "0-9");
    if (CPU_ISSET(0, &before)) {
        cr_assert_eq(decide((struct mn_config){.cpus = long_list}), 0);
        mni_topo_release(&topo);
    }
}

#ifdef OD_FAULTS
Test(topo, no_memory) {
    for (int i = 1; i <= 6; i++) {
        char rule[32];
        snprintf(rule, sizeof rule, "malloc:nth=%d", i);
        cr_assert(fault_set(rule));
        cr_assert_eq(decide((struct mn_config){.cpus = "0-8191", .workers = 2}), -ENOMEM, "%s", rule);
    }
    cr_assert(fault_set(NULL));
}

/* Without hwloc, and without knowing the mask, it goes on. */
Test(topo, nothing_known) {
    cr_assert(fault_set("hwloc:from=1"));
    cr_assert_eq(decide((struct mn_config){.workers = 3, .pin = 1}), 0);
    cr_assert_eq(topo.workers, 3);
    mni_topo_bind(&topo, 0);
    mni_topo_release(&topo);
    cr_assert(fault_set("affinity:from=1"));
    for (int pin = 0; pin <= 1; pin++) {
        cr_assert_eq(decide((struct mn_config){.pin = pin}), 0);
        cr_assert_eq(topo.workers, 1);
        cr_assert(!topo.pin, "where CPU 0 may not be the program's, and nobody could leave it again");
        mni_topo_release(&topo);
    }
    cr_assert(fault_set(NULL));
}
#endif

/* ---- quotas, in a directory that looks like a machine's root */

static char root[64];

static void put(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(full, 0700);
    }
    FILE *f = fopen(full, "w");
    cr_assert(f, "%s", full);
    fputs(text, f);
    fclose(f);
}

static void make_root(void) {
    strcpy(root, "/tmp/mn_topo.XXXXXX");
    cr_assert(mkdtemp(root));
}
static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}
TestSuite(quota, .init = make_root, .fini = remove_root);

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHER_MOUNTS                                                                                           \
    "22 1 0:20 / /proc rw - proc proc rw\nnonsense\n\n31 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup "  \
    "rw,cpuset\n"

Test(quota, none) {
    cr_assert_eq(mni_quota(root), 0, "no files at all");
    put("proc/self/cgroup", "0::/a\n");
    cr_assert_eq(mni_quota(root), 0, "no mounts");
    put("proc/self/mountinfo", OTHER_MOUNTS V2_MOUNT);
    cr_assert_eq(mni_quota(root), 0, "no limits");
    put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
    cr_assert_eq(mni_quota(root), 0);
    put("sys/fs/cgroup/a/cpu.max", "");
    cr_assert_eq(mni_quota(root), 0);
    put("sys/fs/cgroup/a/cpu.max", "nonsense 0\n");
    cr_assert_eq(mni_quota(root), 0);
    put("sys/fs/cgroup/a/cpu.max", "100000 0\n");
    cr_assert_eq(mni_quota(root), 0);
}

Test(quota, version_2) {
    put("proc/self/mountinfo", OTHER_MOUNTS V2_MOUNT);
    put("proc/self/cgroup", "0::/a/b/c\n");
    put("sys/fs/cgroup/a/b/c/cpu.max", "250000 100000\n");
    cr_assert_eq(mni_quota(root), 2500);
    put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    cr_assert_eq(mni_quota(root), 1500, "the smallest of all above");
    put("sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    cr_assert_eq(mni_quota(root), 2500);
    put("sys/fs/cgroup/a/b/c/cpu.max", "1 1000000\n");
    cr_assert_eq(mni_quota(root), 1, "rounded up");
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "300000 100000\n");
    cr_assert_eq(mni_quota(root), 3000, "the mounted root");
}

Test(quota, version_1) {
    put("proc/self/mountinfo", OTHER_MOUNTS V1_MOUNT);
    put("proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/a/b\n1:name=systemd:/y\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(mni_quota(root), 0);
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
    cr_assert_eq(mni_quota(root), 0, "without a period");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "20000\n");
    cr_assert_eq(mni_quota(root), 2500);
    /* Not the CPU controller's group. */
    put("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "1000\n");
    put("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(mni_quota(root), 2500);
}

/* Both at once: version 1 has the CPU controller, version 2 only names groups. */
Test(quota, both_versions) {
    put("proc/self/mountinfo", V1_MOUNT OTHER_MOUNTS V2_MOUNT);
    put("proc/self/cgroup", "4:cpuacct,cpu:/a\n0::/b\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(mni_quota(root), 1500);
    put("sys/fs/cgroup/b/cpu.max", "120000 100000\n");
    cr_assert_eq(mni_quota(root), 1200);
}

/* In a container: its own group is what is mounted. */
Test(quota, container) {
    put("proc/self/mountinfo", "33 30 0:30 /docker/12ab /cg\\040cpu ro - cgroup cgroup rw,cpu\n");
    put("proc/self/cgroup", "4:cpu:/docker/12ab/inner\n");
    put("cg cpu/cpu.cfs_quota_us", "200000\n");
    put("cg cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(mni_quota(root), 2000);
    put("cg cpu/inner/cpu.cfs_quota_us", "100000\n");
    put("cg cpu/inner/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(mni_quota(root), 1000);
    put("proc/self/cgroup", "4:cpu:/docker/12abcd\n"); /* not below what is mounted */
    cr_assert_eq(mni_quota(root), 2000);
    put("proc/self/cgroup", "4:cpu:/../other\n");
    cr_assert_eq(mni_quota(root), 2000);
}

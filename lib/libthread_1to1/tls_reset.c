/*
 * tls_reset.h: per-thread memory, made as new.
 *
 * The loader tells where each module's TLS block of the calling thread lies (dl_iterate_phdr); its initial
 * image is in the module.  A module whose block was never touched has none yet, and gets a fresh one when it
 * is.  Most programs have TLS in the libc and in this library only: that nothing else has any is remembered
 * until a module is loaded or unloaded.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "tls_reset.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>
#undef p_type /* of resolv.h */
#include <stdlib.h>
#include <string.h>

#include "libc.h"
#include "thr.h"

/* Also keeps fork away from the loader's lock: a child could never load a library again. */
static struct lock lock = {0, RANK_LIBC};
static unsigned long long seen_adds, seen_subs; /* the loader's counters when `others` was computed */
static bool others = true;                      /* some module beside the spared ones has TLS */

/* An address in each of the spared modules.  Found beforehand: dl_iterate_phdr's callback must not take the
 * loader's other lock, which dlsym does. */
static uintptr_t spared_addresses[3];

static void find_spared(void) {
    if (spared_addresses[0])
        return;
    spared_addresses[2] = (uintptr_t)&others;
    spared_addresses[1] = (uintptr_t)libc_abi.allocate_tls;
    spared_addresses[0] = (uintptr_t)libc_abi.start_thread;
}

static bool spared(const struct dl_phdr_info *info) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + ph->p_vaddr;
        for (int k = 0; ph->p_type == PT_LOAD && k < 3; k++)
            if (spared_addresses[k] - from < ph->p_memsz)
                return true;
    }
    return false;
}

static int reset_module(struct dl_phdr_info *info, size_t size, void *arg) {
    bool *found = arg;
    if (size < sizeof *info) /* a loader that does not tell: none that we know */
        return 1;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_TLS || ph->p_memsz == 0 || spared(info))
            continue;
        *found = true;
        const char *image = (const char *)(info->dlpi_addr + ph->p_vaddr);
        /* A static block is used without the loader's knowledge: dlpi_tls_data may be NULL for it. */
        char *block = libc_static_tls(image);
        if (!block)
            block = info->dlpi_tls_data;
        if (block) {
            memcpy(block, image, ph->p_filesz);
            memset(block + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
        }
    }
    return 0;
}

static int modules_changed(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    bool *changed = arg;
    *changed = info->dlpi_adds != seen_adds || info->dlpi_subs != seen_subs;
    seen_adds = info->dlpi_adds;
    seen_subs = info->dlpi_subs;
    return 1;
}

/* A resolver that was initialised owns memory and sockets; one that was not is plain memory. */
bool libc_state_resettable(void) {
    const struct __res_state *res = __res_state();
    return !(res->options & RES_INIT) && res->nscount == 0;
}

static void drop_buffer(char **buf) {
    free(*buf);
    *buf = NULL;
}

void tls_reset(void) {
    uintptr_t tcb = tcb_self();
    drop_buffer(libc_field(tcb, char *, strsignal_buf));
    drop_buffer(libc_field(tcb, char *, strerror_buf));
    dlerror();
    uselocale(LC_GLOBAL_LOCALE);
    h_errno = 0;
    memset(__res_state(), 0, sizeof(struct __res_state));

    lock_take(&lock);
    find_spared();
    bool changed;
    dl_iterate_phdr(modules_changed, &changed);
    if (changed || others) {
        others = false;
        dl_iterate_phdr(reset_module, &others);
    }
    lock_drop(&lock);
    errno = 0;
}

void tls_reset_lock_for_fork(void) {
    lock_take(&lock);
}

void tls_reset_unlock_after_fork(void) {
    lock_drop(&lock);
}

/*
 * panic: a broken invariant of our own stops the program with a message that names it.  Never for a user's
 * mistake.  Contexts: any, signal handlers included; allocates nothing.
 */
#ifndef OD_PANIC_H
#define OD_PANIC_H

_Noreturn void panic_at(const char *file, int line, const char *func, const char *what, long detail);

/* panic("what was broken", a number that helps). */
#define panic(what, detail) panic_at(__FILE__, __LINE__, __func__, (what), (long)(detail))

/* Checked in every build: cheap, and only on paths where an inconsistency would corrupt a program. */
#define invariant(cond)                                                                                      \
    do {                                                                                                     \
        if (__builtin_expect(!(cond), 0))                                                                    \
            panic_at(__FILE__, __LINE__, __func__, #cond, 0);                                                \
    } while (0)

/* A formatted line on standard error ("odonata: ..."), by one write; for diagnosis that was asked for. */
void notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/* A library whose thread-local variables are in static TLS: dlopen_tls.c opens it while threads run. */
static __thread int value __attribute__((tls_model("initial-exec"))) = 77;
static __thread char text[16] __attribute__((tls_model("initial-exec"))) = "static";
static __thread long zero[8] __attribute__((tls_model("initial-exec")));

__attribute__((visibility("default"))) int *lib_value(void);
__attribute__((visibility("default"))) long lib_look(void);
__attribute__((visibility("default"))) void lib_change(void);

int *lib_value(void) {
    return &value;
}

long lib_look(void) {
    long bad = value != 77 || text[0] != 's' || text[5] != 'c' || text[6];
    for (int i = 0; i < 8; i++)
        bad |= zero[i] != 0;
    return bad;
}

void lib_change(void) {
    value = 5;
    for (int i = 0; i < 8; i++)
        zero[i] = -1;
    for (int i = 0; i < 16; i++)
        text[i] = 'x';
}

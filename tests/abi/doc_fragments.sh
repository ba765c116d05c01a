#!/bin/sh
# The fragments of C in doc/*.md: those of one document, in their order, compile as one file without a warning.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
if ! command -v cc >/dev/null; then
    skip_all "needs a compiler"
fi

for doc in "$ODONATA_SRC"/doc/*.md; do
    name=$(basename "$doc" .md)
    {
        for header in mn.h errno.h fcntl.h stdint.h stdio.h stdlib.h string.h unistd.h; do
            echo "#include <$header>"
        done
        awk '/^```c$/ { on = 1; print "#line " FNR + 1 " \"" FILENAME "\""; next } /^```/ { on = 0 } on' "$doc"
    } >"$tmp/$name.c"
    try "$name.md" cc -std=gnu11 -Wall -Wextra -Werror -Wno-unused -I "$ODONATA_SRC/include" -c "$tmp/$name.c" \
        -o "$tmp/$name.o"
done
finish

#!/bin/sh
# The manual pages.  Every function of libmn, and every extension of libthread_1to1, has one, under its own name, and what the
# page says of its type is what the header declares; every page has the parts that it should, names no page that is not there, and passes mandoc and groff.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
man=$ODONATA_SRC/doc/man

# names FILE: those in its NAME section, with the section of the manual.
names() {
    sed -n '/^\.Nd/q; s/^\.Nm \([A-Za-z0-9_]*\).*/\1/p' "$1" | sed "s/\$/ ${1##*.}/"
}
for page in "$man"/*.[1-9]; do
    names "$page"
done | sort >"$tmp/names"

if command -v nm >/dev/null; then
    # And those that headers define.
    {
        nm -D --defined-only "$ODONATA_BUILD/.libs/libmn.so" | awk '$3 ~ /^mn_/ {print $3 " 3"}'
        nm -D --defined-only "$ODONATA_BUILD/.libs/libthread_1to1.so" | awk '$3 ~ /^thread_1to1_/ {print $3 " 3"}'
        grep -rho 'static inline .*\bmn_[a-z0-9_]*(' "$ODONATA_SRC/include/mn" | sed 's/.*\b\(mn_[a-z0-9_]*\)(/\1 3/'
    } | sort -u >"$tmp/exported"
    comm -23 "$tmp/exported" "$tmp/names" >"$tmp/none"
    [ -s "$tmp/exported" ] && empty "$tmp/none" "every function of ours that is exported has a page"
else
    ok 0 "every function of ours that is exported has a page # SKIP needs nm"
fi
: >"$tmp/stale"
# A page's own name may be that of a type or a family.
grep ' 3$' "$tmp/names" | while read -r name sec; do
    [ -e "$man/$name.$sec" ] || grep -rq "\b$name(" "$ODONATA_SRC/include" || echo "$name"
done >"$tmp/stale"
empty "$tmp/stale" "and every function that a page names is in a header"
uniq -d "$tmp/names" >"$tmp/twice"
empty "$tmp/twice" "each has one page only"

: >"$tmp/dead"
for page in "$man"/*.[1-9]; do
    name=${page##*/}
    grep -qx "${name%.*} ${name##*.}" "$tmp/names" || echo "$name is not in its own NAME section" >>"$tmp/dead"
    awk '$1 == ".Xr" {print $2 " " $3}' "$page" | sort -u | while read -r ref sec; do
        case $ref in
        mn_* | thread_1to1_* | libmn | libthread_1to1 | odonata)
            grep -qx "$ref $sec" "$tmp/names" || echo "$name refers to $ref($sec)"
            ;;
        esac
    done >>"$tmp/dead"
    grep -qF "doc/man/$name" "$ODONATA_SRC/doc/Makefile.inc" || echo "$name is not installed" >>"$tmp/dead"
done
empty "$tmp/dead" "every page is installed, and refers only to pages that are there"

# Variables of the environment, by the strings in the source; MN_SHAKE is for tests.  Members of the configuration.
find "$ODONATA_SRC/lib/libmn" -name '*.c' -exec grep -ho '"MN_[A-Z_]*"' {} + | tr -d '"' | sort -u | grep -vx MN_SHAKE |
    while read -r name; do
        grep -q "^\.It Ev .*\b$name\b" "$man/libmn.7" || echo "$name is not in libmn.7"
    done >"$tmp/variables"
grep -o '\[MNI_[A-Z0-9_]*\] = "[a-z0-9_]*"' "$ODONATA_SRC/lib/libmn/feature.c" | sed 's/.* "//; s/"//' >"$tmp/features"
[ -s "$tmp/features" ] || echo "feature.c has no names" >>"$tmp/variables"
sort -u "$tmp/features" |
    while read -r name; do
        grep -q "^\.Cm $name\b" "$man/libmn.7" || echo "ODONATA_DISABLE=$name is not in libmn.7"
    done >>"$tmp/variables"
sed -n '/^struct mn_config {/,/^}/s/^ [a-z].*[ *]\([a-z_]*\);.*/\1/p' "$ODONATA_SRC/include/mn/run.h" |
    while read -r name; do
        grep -q "^\.It Va .*\b$name\b" "$man/mn_run.3" || echo "$name is not in mn_run.3"
    done >>"$tmp/variables"
empty "$tmp/variables" "every variable of the environment and every member of the configuration is described"

# The prototypes of a SYNOPSIS, declared once more after the headers: another type is an error.
awk '
function word(s) { gsub(/^"|"$/, "", s); return s }
FNR == 1 { synopsis = 0; n = 0 }
/^\.Sh/ { synopsis = /^\.Sh SYNOPSIS/ }
!synopsis { next }
/^\.In / { if (!($2 in seen)) { printf "#include <%s>\n", $2; seen[$2] = 1 } }
/^\.Ft / { type = substr($0, 5) }
/^\.Fn / {
    rest = substr($0, 5)
    name = rest; sub(/ .*/, "", name)
    rest = substr(rest, length(name) + 2)
    args = ""
    while (match(rest, /^("[^"]*"|[^ ]+) */)) {
        arg = substr(rest, 1, RLENGTH)
        rest = substr(rest, RLENGTH + 1)
        sub(/ *$/, "", arg)
        args = args (args == "" ? "" : ", ") word(arg)
    }
    if (name ~ /^(mn|thread_1to1)_/)
        printf "%s %s(%s); /* %s */\n", word(type), name, args == "" ? "void" : args, FILENAME
}' "$man"/*.3 >"$tmp/synopsis"
grep '^#include' "$tmp/synopsis" | sort -u >"$tmp/all.c"
grep -v '^#include' "$tmp/synopsis" | sed "s|$man/||" >>"$tmp/all.c"
if command -v gcc >/dev/null; then
    : >"$tmp/differ"
    gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -fsyntax-only -I"$ODONATA_SRC/include" \
        -idirafter "$ODONATA_SRC/include/mn" "$tmp/all.c" 2>"$tmp/err" ||
        sed "s|$tmp/||" "$tmp/err" >"$tmp/differ"
    empty "$tmp/differ" "what the pages say of a function's type is what the headers declare"
else
    ok 0 "what the pages say of a function's type is what the headers declare # SKIP needs gcc"
fi
grep -oE ' \**(mn|thread_1to1)_[a-z0-9_]*\(' "$tmp/all.c" | tr -d ' *(' | sed 's/$/ 3/' | sort -u >"$tmp/shown"
sort -u "$tmp/names" | grep -E '^(mn|thread_1to1)_' | comm -23 - "$tmp/shown" >"$tmp/hidden.all"
# A page's own name may be that of a type or a family.
while read -r name sec; do
    [ -e "$man/$name.$sec" ] && ! grep -q "^$name $sec\$" "$tmp/exported" || echo "$name($sec)"
done <"$tmp/hidden.all" >"$tmp/hidden"
empty "$tmp/hidden" "every function that a page names is in its SYNOPSIS"

: >"$tmp/parts"
for page in "$man"/*.3; do
    for part in LIBRARY SYNOPSIS DESCRIPTION CONTEXTS "RETURN VALUES" EXAMPLES "SEE ALSO"; do
        grep -qx "\.Sh $part" "$page" || echo "${page##*/} has no $part" >>"$tmp/parts"
    done
done
empty "$tmp/parts" "every page of section 3 has its parts"

if command -v mandoc >/dev/null; then
    (cd "$man" && mandoc -T lint -W warning ./*.[1-9]) >"$tmp/mandoc" 2>/dev/null
    empty "$tmp/mandoc" "mandoc finds nothing wrong"
else
    ok 0 "mandoc finds nothing wrong # SKIP needs mandoc"
fi
if command -v groff >/dev/null && groff -mandoc -T ascii /dev/null >/dev/null 2>&1; then
    for page in "$man"/*.[1-9]; do
        groff -mandoc -T ascii -ww "$page" 2>&1 >/dev/null | sed "s|^|${page##*/}: |"
    done >"$tmp/groff"
    empty "$tmp/groff" "groff finds nothing wrong"
else
    ok 0 "groff finds nothing wrong # SKIP needs groff"
fi
awk 'length > 200 {print FILENAME ": line " FNR " is long"} / $/ {print FILENAME ": line " FNR " ends in a space"}' \
    "$man"/*.[1-9] >"$tmp/lines"
empty "$tmp/lines" "lines are of decent length and end in a word"

finish

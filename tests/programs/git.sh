#!/bin/sh
# git: delta search, index-pack and grep in threads.
. "$(dirname "$0")/lib.sh"
need git
HOME=$T
GIT_CONFIG_NOSYSTEM=1
export HOME GIT_CONFIG_NOSYSTEM
cd "$T" || exit 1

git init -q one 2>"$T/stderr"
i=0
while [ $i -lt 400 ]; do
    awk -v n="$i" 'BEGIN { for (k = 0; k < 60; k++) print "line", k, k * k * k, (k * n) % 97 == 13 ? "needle" n : "hay" }' \
        >"one/file$i"
    i=$((i + 1))
done
git -C one add . && git -C one -c user.name=a -c user.email=a@b.c commit -q -m one
result $? 'a repository' || finish

ours git -C one -c pack.threads=4 repack -q -a -d -f --depth=20 --window=20
result $? 'repack in threads'
proof 2 'repack'
ours git -C one grep --threads 4 -c needle >"$T/grep4"
result $? 'git grep --threads 4'
proof 4 'grep'
git -C one grep --threads 1 -c needle >"$T/grep1"
check 'it finds what one thread finds' cmp "$T/grep1" "$T/grep4"
ours git index-pack --threads=4 -o "$T/new.idx" "$T"/one/.git/objects/pack/*.pack >/dev/null
result $? 'index-pack --threads=4'
proof 4 'index-pack'
check 'its index is the same' cmp "$T/new.idx" "$T"/one/.git/objects/pack/*.idx
ours git clone -q "file://$T/one" two
result $? 'clone (asynchronous demultiplexer, checkout)'
diff -r --exclude=.git one two >/dev/null
result $? 'the copy is the same'
ours git -C two fsck --strict >/dev/null
result $? 'fsck'
finish

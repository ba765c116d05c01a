#!/bin/sh
# examples/actor_demo: an actor runtime's scenes go as they should.
# models: mn-1 mn-2
want='counter: 15
after a failure that it survives: 15
after one that restarts it: 10
after one that stops it: nobody answers
its parent knows
another ended with its parent
closed, written: 0
open, written: 10
closed again, written: 10
primes below 20000: 2262
a chain of 100000 actors'
got=$("$ODONATA_BUILD/examples/actor_demo" 2>&1)
status=$?
echo 1..2
if [ "$got" = "$want" ]; then
    echo "ok 1 - what it says"
else
    echo "not ok 1 - what it says"
    echo "$got" | while read -r line; do echo "# $line"; done
fi
if [ $status = 0 ]; then
    echo "ok 2 - and it ends well"
else
    echo "not ok 2 - status $status"
fi

#!/bin/sh
# perl: interpreter threads, where perl is built with them.
. "$(dirname "$0")/lib.sh"
need perl
if ! perl -Mthreads -MThread::Queue -e 1 2>/dev/null; then
    skip 'this perl has no threads'
    finish
fi
cat >"$T/program" <<'PERL'
use strict; use warnings;
use threads; use threads::shared; use Thread::Queue;
my $sum :shared = 0;
my @t = map { my $n = $_; threads->create(sub { for (1 .. 300) { lock $sum; $sum += 1 } return $n * $n }) } 1 .. 6;
my @squares = map { $_->join } @t;
die "sum $sum" unless $sum == 1800;
die "squares @squares" unless "@squares" eq "1 4 9 16 25 36";
my $q = Thread::Queue->new;
my $consumer = threads->create(sub { my $s = 0; while (defined(my $x = $q->dequeue)) { $s += $x } return $s });
$q->enqueue($_) for 1 .. 500;
$q->end;
die "queue" unless $consumer->join == 125250;
my $ready :shared = 0;
my $waiter = threads->create(sub { lock $ready; cond_wait($ready) until $ready; return "woken" });
{ lock $ready; $ready = 1; cond_broadcast($ready) }
die "cond" unless $waiter->join eq "woken";
my $pid = fork;
if (!$pid) { my $c = threads->create(sub { 5 }); exit($c->join == 5 ? 0 : 1) }
waitpid $pid, 0;
die "child $?" if $?;
threads->create(sub { threads->exit(0) })->join;
threads->create(sub { 1 })->detach;
PERL
ours perl "$T/program"
result $? 'perl: threads, queue, conditions, fork'
proof 9
finish

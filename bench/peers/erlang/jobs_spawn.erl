%% Starting and ending processes, and having many.
-module(jobs_spawn).
-export([spawn_join/0, spawn_batch/0, parked/0, forkjoin/0, skynet/0, timers/0]).
-import(jobs, [number/2, flag/1, result/4, now_ns/0, window/0, check/2, resident/0]).

%% Start one, wait for its end.
spawn_join() ->
    joins(1000),
    From = now_ns(),
    Done = joins_until(From + window(), 0),
    result("spawn_join", (now_ns() - From) / Done, "ns", "").

joins(0) -> ok;
joins(N) ->
    Me = self(),
    P = spawn(fun() -> Me ! {self(), N} end),
    receive {P, N} -> ok end,
    joins(N - 1).

joins_until(Until, Done) ->
    joins(64),
    case now_ns() < Until of
        true -> joins_until(Until, Done + 64);
        false -> Done + 64
    end.

%% Start --count, wait for the end of all.  Gated, none ends before all have been started.
spawn_batch() ->
    N = number("--count", 1000000),
    First = batch(N, gated),
    result("spawn_batch_1m", batch(N, gated), "ns", "count=" ++ integer_to_list(N)),
    result("spawn_batch_1m_first", First, "ns", ""),
    result("spawn_batch_1m_free", batch(N, free), "ns", "").

batch(N, Kind) ->
    Ended = counters:new(1, []),
    Us = self(),
    From = now_ns(),
    case Kind of
        gated ->
            All = start(N, fun() -> receive go -> counters:add(Ended, 1, 1), Us ! ended end end, []),
            check(counters:get(Ended, 1) =:= 0, some_ended_early),
            lists:foreach(fun(P) -> P ! go end, All);
        free ->
            start(N, fun() -> counters:add(Ended, 1, 1), Us ! ended end, [])
    end,
    wait_for(ended, N),
    Elapsed = now_ns() - From,
    check(counters:get(Ended, 1) =:= N, not_all_ended),
    Elapsed / N.

start(0, _, All) -> All;
start(N, Fun, All) -> start(N - 1, Fun, [spawn(Fun) | All]).

wait_for(_, 0) -> ok;
wait_for(What, N) -> receive What -> wait_for(What, N - 1) end.

%% --count processes that wait for a message.
parked() ->
    N = number("--count", 1000000),
    Us = self(),
    Woken = counters:new(1, []),
    Fun = fun() -> Us ! ready, park(Us, Woken) end,
    Create = fun() ->
        From = now_ns(),
        All = start(N, Fun, []),
        wait_for(ready, N),
        {(now_ns() - From) / N, All}
    end,
    Wake = fun(List) ->
        From = now_ns(),
        lists:foreach(fun(P) -> P ! wake end, List),
        wait_for(ready, N),
        (now_ns() - From) / N
    end,
    Finish = fun(List) ->
        lists:foreach(fun(P) -> P ! stop end, List),
        wait_for(stopped, N),
        erlang:garbage_collect()
    end,
    Before = resident(),
    {First, All} = Create(),
    erlang:garbage_collect(), % its own list of a million is not the processes'
    Bytes = (resident() - Before) / N,
    Finish(All),
    {Again, All2} = Create(),
    Order = lists:reverse(All2),
    {_, Random} = lists:unzip(lists:sort([{rand:uniform(), P} || P <- Order])),
    InOrder = Wake(Order),
    Mixed = Wake(Random),
    Finish(All2),
    check(counters:get(Woken, 1) =:= 2 * N, not_all_woken),
    result("parked_1m", Bytes, "B", "count=" ++ integer_to_list(N)),
    result("parked_1m_create_first", First, "ns", ""),
    result("parked_1m_create", Again, "ns", ""),
    result("parked_1m_wake", InOrder, "ns", ""),
    result("parked_1m_wake_random", Mixed, "ns", "").

park(Us, Woken) ->
    receive
        wake -> counters:add(Woken, 1, 1), Us ! ready, park(Us, Woken);
        stop -> Us ! stopped
    end.

fib(N) when N < 2 -> N;
fib(N) ->
    Me = self(),
    P = spawn(fun() -> Me ! {self(), fib(N - 1)} end),
    B = fib(N - 2),
    receive {P, A} -> A + B end.

%% fib(22), a process for each fib(N - 1): 28,656 of them.
forkjoin() ->
    check(fib(22) =:= 17711, wrong_sum),
    From = now_ns(),
    Turns = fib_until(From + window(), 0),
    result("forkjoin_fib", (now_ns() - From) / (Turns * 28656), "ns", "").

fib_until(Until, Done) ->
    check(fib(22) =:= 17711, wrong_sum),
    case now_ns() < Until of
        true -> fib_until(Until, Done + 1);
        false -> Done + 1
    end.

%% A tree of processes, ten below each, a million leaves.
skynet() ->
    First = skynet_once(),
    result("skynet_1m", skynet_once(), "s", ""),
    result("skynet_1m_first", First, "s", "").

skynet_once() ->
    Me = self(),
    From = now_ns(),
    spawn_link(fun() -> skynet_node(Me, 0, 1000000) end),
    receive Sum -> check(Sum =:= 499999500000, wrong_sum) end,
    (now_ns() - From) / 1.0e9.

skynet_node(Up, Number, 1) -> Up ! Number;
skynet_node(Up, Number, Size) ->
    Me = self(),
    Part = Size div 10,
    [spawn(fun() -> skynet_node(Me, Number + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Up ! sum(10, 0).

sum(0, Sum) -> Sum;
sum(N, Sum) -> receive Value -> sum(N - 1, Sum + Value) end.

%% --count processes sleep a time between 0 and 1 s each; CPU seconds.
timers() ->
    N = number("--count", 1000000),
    First = timers_once(N, 0),
    %% All alive at once, or the next would meet new memory.
    timers_once(N, 2000),
    result("timers_1m", timers_once(N, 0), "s", "count=" ++ integer_to_list(N)),
    result("timers_1m_first", First, "s", "").

%% statistics(runtime): the CPU time of all the system's threads, in ms.
timers_once(N, More) ->
    Us = self(),
    {From, _} = statistics(runtime),
    sleepers(Us, N, More),
    wait_for(ended, N),
    {To, _} = statistics(runtime),
    (To - From) / 1000.

sleepers(_, 0, _) -> ok;
sleepers(Us, N, More) ->
    Span = rand:uniform(1000) - 1 + More,
    spawn(fun() ->
        Began = now_ns(),
        receive after Span -> ok end,
        Us ! case now_ns() - Began >= Span * 1000000 of true -> ended; false -> early end
    end),
    sleepers(Us, N - 1, More).

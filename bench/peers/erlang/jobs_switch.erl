%% Processes that give way to each other, or pass messages.
-module(jobs_switch).
-export([yield/0, pingpong/0, ring/0, chan/0]).
-import(jobs, [number/2, flag/1, result/4, now_ns/0, window/0, share/1, check/2, gather/2]).

%% --threads processes give way in turn.
yield() ->
    N = number("--threads", 2),
    Stop = atomics:new(1, []),
    Me = self(),
    All = [spawn_link(fun() -> receive go -> Me ! {count, yield_loop(Stop, 0)} end end)
           || _ <- lists:seq(1, N)],
    From = now_ns(),
    [P ! go || P <- All],
    receive after window() div 1000000 -> ok end,
    atomics:put(Stop, 1, 1),
    Elapsed = now_ns() - From,
    Counts = gather(count, N),
    check(lists:sum(Counts) > 0, nothing_was_done),
    result("yield_" ++ integer_to_list(N), Elapsed / lists:sum(Counts), "ns", share_text(Counts)).

yield_loop(Stop, N) ->
    case atomics:get(Stop, 1) of
        0 -> erlang:yield(), yield_loop(Stop, N + 1);
        1 -> N
    end.

share_text(Counts) -> io_lib:format("share=~.3f", [share(Counts)]).

%% A message there, a message back.  Across, each end is bound to a scheduler of its own.
pingpong() ->
    Me = self(),
    Cross = flag("--cross"),
    Place = fun(S) -> [link | [{scheduler, S} || Cross]] end,
    spawn_opt(fun() ->
        Echo = spawn_opt(fun echo/0, Place(2)),
        turns(Echo, 1000),
        From = now_ns(),
        Turns = turns_until(Echo, From + window(), 0),
        Me ! {done, now_ns() - From, Turns}
    end, Place(1)),
    receive
        {done, Elapsed, Turns} ->
            Name = case Cross of true -> "pingpong_cross"; false -> "pingpong_same" end,
            result(Name, Elapsed / Turns, "ns", "")
    end.

echo() -> receive {From, N} -> From ! N + 1, echo() end.

turns(_, 0) -> ok;
turns(Echo, N) ->
    Echo ! {self(), N},
    receive Got -> Got =:= N + 1 orelse error(another_message_came_back) end,
    turns(Echo, N - 1).

turns_until(Echo, Until, Done) ->
    turns(Echo, 64),
    case now_ns() < Until of
        true -> turns_until(Echo, Until, Done + 64);
        false -> Done + 64
    end.

%% A token goes round through --threads processes.
ring() ->
    N = number("--threads", 503),
    First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> pass(Next) end) end, self(), lists:seq(1, N - 1)),
    rounds(First, N, 10),
    From = now_ns(),
    Rounds = rounds_until(First, N, From + window(), 0),
    result("ring_" ++ integer_to_list(N), (now_ns() - From) / (Rounds * N), "ns", "").

pass(Next) -> receive Token -> Next ! Token + 1, pass(Next) end.

rounds(_, _, 0) -> ok;
rounds(First, N, Times) ->
    First ! 0,
    receive Token -> Token =:= N - 1 orelse error(the_token_went_astray) end,
    rounds(First, N, Times - 1).

rounds_until(First, N, Until, Done) ->
    rounds(First, N, 4),
    case now_ns() < Until of
        true -> rounds_until(First, N, Until, Done + 4);
        false -> Done + 4
    end.

%% 16 senders, 16 receivers.  A process's mailbox has one reader: each sender takes the receivers in turn.  Every
%% 100th message is answered, so that mailboxes stay bounded.
chan() ->
    Ends = 16,
    Me = self(),
    Stop = atomics:new(1, []),
    Receivers = [spawn_link(fun() -> Me ! {received, receive_all(0, 0)} end) || _ <- lists:seq(1, Ends)],
    Senders = [spawn_link(fun() ->
                   receive go -> ok end,
                   Me ! {sent, send_all(Stop, rotate(Receivers, I), [], 0, 0)}
               end) || I <- lists:seq(1, Ends)],
    From = now_ns(),
    [S ! go || S <- Senders],
    receive after window() div 1000000 -> ok end,
    atomics:put(Stop, 1, 1),
    Sent = gather(sent, Ends),
    [R ! stop || R <- Receivers],
    Received = gather(received, Ends),
    Elapsed = now_ns() - From,
    {Out, OutSums} = lists:unzip(Sent),
    {In, InSums} = lists:unzip(Received),
    check({lists:sum(In), lists:sum(InSums)} =:= {lists:sum(Out), lists:sum(OutSums)}, messages_were_lost),
    result("chan_mpmc_16", Elapsed / lists:sum(In), "ns",
           io_lib:format("share=~.3f", [min(share(In), share(Out))])).

rotate(List, I) -> {A, B} = lists:split(I - 1, List), B ++ A.

receive_all(N, Sum) ->
    receive
        V when is_integer(V) -> receive_all(N + 1, Sum + V);
        {ask, From} -> From ! ok, receive_all(N, Sum);
        stop -> {N, Sum}
    end.

send_all(Stop, [], Done, N, Sum) -> send_all(Stop, lists:reverse(Done), [], N, Sum);
send_all(Stop, [R | Rest], Done, N, Sum) ->
    R ! N,
    case N rem 100 of
        99 ->
            R ! {ask, self()},
            receive ok -> ok end,
            case atomics:get(Stop, 1) of
                0 -> send_all(Stop, Rest, [R | Done], N + 1, Sum + N);
                1 -> {N + 1, Sum + N}
            end;
        _ -> send_all(Stop, Rest, [R | Done], N + 1, Sum + N)
    end.

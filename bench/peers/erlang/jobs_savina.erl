%% The jobs of bench/proc that jobs_spawn and jobs_switch do not have: one mailbox, links, and shapes of the Savina suite.
-module(jobs_savina).
-export([savina/0, mailbox_mpsc/0, selective_receive/0, link_cascade/0]).
-import(jobs, [number/2, result/4, now_ns/0, window/0, share/1, check/2, gather/2]).

%% 16 senders, one receiver; each 100th message is answered.
mailbox_mpsc() ->
    Ends = 16,
    Me = self(),
    Stop = atomics:new(1, []),
    Receiver = spawn_opt(fun() -> Me ! {received, receive_all(0)} end, [link, {message_queue_data, off_heap}]),
    Senders = [spawn_link(fun() -> receive go -> ok end, Me ! {sent, send_all(Stop, Receiver, 0)} end)
               || _ <- lists:seq(1, Ends)],
    From = now_ns(),
    [S ! go || S <- Senders],
    receive after window() div 1000000 -> ok end,
    atomics:put(Stop, 1, 1),
    Sent = gather(sent, Ends),
    Receiver ! stop,
    [Received] = gather(received, 1),
    Elapsed = now_ns() - From,
    check(Received =:= lists:sum(Sent), messages_were_lost),
    result("mailbox_mpsc", Received * 1000 / Elapsed, "M/s", io_lib:format("share=~.3f", [share(Sent)])).

receive_all(N) ->
    receive
        V when is_integer(V) -> receive_all(N + 1);
        {ask, From} -> From ! ok, receive_all(N + 1);
        stop -> N
    end.

send_all(Stop, R, N) when N rem 100 =:= 99 ->
    R ! {ask, self()},
    receive ok -> ok end,
    case atomics:get(Stop, 1) of
        0 -> send_all(Stop, R, N + 1);
        1 -> N + 1
    end;
send_all(Stop, R, N) -> R ! N, send_all(Stop, R, N + 1).

%% A call whose reply comes behind --count other messages.
selective_receive() ->
    Count = number("--count", 100000),
    [self() ! {other, I} || I <- lists:seq(1, Count)],
    Server = spawn_link(fun answer/0),
    From = now_ns(),
    Done = calls_until(Server, From + window(), 0),
    Elapsed = now_ns() - From,
    [receive {other, I} -> ok after 0 -> error(a_message_is_missing) end || I <- lists:seq(1, Count)],
    result("selective_receive", Elapsed / Done, "ns", "").

answer() -> receive {From, Ref, N} -> From ! {Ref, N + 1}, answer() end.

calls_until(Server, Until, Done) ->
    Next = calls(Server, Done, 16),
    case now_ns() < Until of
        true -> calls_until(Server, Until, Next);
        false -> Next
    end.

calls(_, N, 0) -> N;
calls(Server, N, Left) ->
    Ref = make_ref(),
    Server ! {self(), Ref, N},
    receive {Ref, Got} -> Got =:= N + 1 orelse error(another_reply) end,
    calls(Server, N + 1, Left - 1).

%% An exit goes through a chain of --count processes, each linked to the one before.
link_cascade() ->
    Count = number("--count", 1000000),
    Me = self(),
    First = spawn(fun() -> chain(Count, Me) end),
    Last = receive {last, Pid} -> Pid end,
    Ref = monitor(process, Last),
    From = now_ns(),
    exit(First, go),
    receive {'DOWN', Ref, process, Last, go} -> ok end,
    result("link_cascade_1m", (now_ns() - From) / 1.0e9, "s", "").

chain(1, Me) -> Me ! {last, self()}, receive never -> ok end;
chain(N, Me) -> spawn_link(fun() -> chain(N - 1, Me) end), receive never -> ok end.

%% ---- Savina

savina() ->
    [measure(Name, Shape) ||
        {Name, Shape} <- [{"ping_pong", fun ping_pong/0}, {"counting", fun counting/0}, {"fork_join", fun fork_join/0},
                          {"thread_ring", fun thread_ring/0}, {"chameneos", fun chameneos/0}, {"big", fun big/0},
                          {"dictionary", fun dictionary/0}, {"philosophers", fun philosophers/0}]].

%% Each shape in a process of its own: a round leaves nothing behind.
measure(Name, Shape) ->
    Me = self(),
    spawn_link(fun() ->
        Shape(),
        From = now_ns(),
        Done = rounds_until(Shape, From + window(), 0),
        Me ! {ns, (now_ns() - From) / Done}
    end),
    receive {ns, Ns} -> result("savina_" ++ Name, Ns, "ns", "") end.

rounds_until(Shape, Until, Done) ->
    Next = Done + Shape(),
    case now_ns() < Until of
        true -> rounds_until(Shape, Until, Next);
        false -> Next
    end.

ping_pong() ->
    Turns = 5000,
    Other = spawn_link(fun pong/0),
    turns(Other, Turns),
    Other ! stop,
    Turns.

turns(_, 0) -> ok;
turns(Other, N) ->
    Other ! {self(), N},
    receive Got -> Got =:= N + 1 orelse error(another_answer) end,
    turns(Other, N - 1).

pong() -> receive {From, N} -> From ! N + 1, pong(); stop -> ok end.

counting() ->
    Messages = 20000,
    Counter = spawn_link(fun() -> count(0) end),
    [Counter ! increment || _ <- lists:seq(1, Messages)],
    Counter ! {ask, self()},
    receive N -> N =:= Messages orelse error(messages_were_lost) end,
    Messages.

count(N) -> receive increment -> count(N + 1); {ask, From} -> From ! N end.

fork_join() ->
    N = 2000,
    Me = self(),
    [spawn_link(fun() -> receive {From, V} -> From ! {square, V * V} end end) ! {Me, I} || I <- lists:seq(1, N)],
    Sum = lists:sum(gather(square, N)),
    Sum =:= N * (N + 1) * (2 * N + 1) div 6 orelse error(the_sum_is_wrong),
    N.

thread_ring() ->
    {Ring, Passes} = {100, 20000},
    Next = lists:foldl(fun(_, P) -> spawn_link(fun() -> pass(P) end) end, self(), lists:seq(2, Ring)),
    Next ! Passes - 1,
    go_round(Next, Ring, Passes),
    Next ! 0,
    Passes.

pass(Next) ->
    receive
        Token when Token > 0 -> Next ! Token - 1, pass(Next);
        0 -> Next ! 0
    end.

go_round(Next, Ring, Wanted) ->
    receive
        0 when Wanted =< Ring -> ok;
        Token when Token > 0, Token =:= Wanted - Ring -> Next ! Token - 1, go_round(Next, Ring, Token)
    end.

chameneos() ->
    {Creatures, Meetings} = {100, 5000},
    Mall = self(),
    [spawn_link(fun() -> creature(Mall, I rem 3, 0) end) || I <- lists:seq(1, Creatures)],
    mall(Meetings),
    Met = goodbye(Creatures, 0),
    Met =:= 2 * Meetings orelse error(other_numbers_of_meetings),
    Meetings.

creature(Mall, Colour, Met) ->
    Mall ! {here, self(), Colour},
    receive
        {colour, Colour} -> creature(Mall, Colour, Met + 1);
        {colour, Other} -> creature(Mall, 3 - Colour - Other, Met + 1);
        closed -> Mall ! {met, Met}
    end.

mall(0) -> ok;
mall(Left) ->
    receive {here, A, CA} -> ok end,
    receive {here, B, CB} -> ok end,
    A ! {colour, CB},
    B ! {colour, CA},
    mall(Left - 1).

goodbye(0, Sum) -> Sum;
goodbye(Left, Sum) ->
    receive
        {here, A, _} -> A ! closed, goodbye(Left, Sum);
        {met, N} -> goodbye(Left - 1, Sum + N)
    end.

big() ->
    {Peers, Pings} = {120, 100},
    Boss = self(),
    All = list_to_tuple([spawn_link(fun() -> peer(Boss, Pings, I) end) || I <- lists:seq(1, Peers)]),
    [P ! {all, All} || P <- tuple_to_list(All)],
    gather(done, Peers),
    [P ! stop || P <- tuple_to_list(All)],
    lists:sum(gather(answered, Peers)) =:= Peers * Pings orelse error(pings_were_lost),
    Peers * Pings.

peer(Boss, Pings, Me) ->
    receive {all, All} -> ok end,
    ping(Boss, All, Pings, Me, 0).

ping(Boss, _, 0, _, Answered) -> Boss ! {done, self()}, answer_all(Boss, Answered);
ping(Boss, All, Left, X, Answered) ->
    Next = (X * 1103515245 + 12345) band 16#7fffffff,
    element((Next bsr 8) rem tuple_size(All) + 1, All) ! {ping, self(), Left},
    ping(Boss, All, Left - 1, Next, await_pong(Left, Answered)).

await_pong(N, Answered) ->
    receive
        {ping, From, V} -> From ! {pong, V}, await_pong(N, Answered + 1);
        {pong, V} -> V =:= N orelse error(another_answer), Answered
    end.

answer_all(Boss, Answered) ->
    receive
        {ping, From, V} -> From ! {pong, V}, answer_all(Boss, Answered + 1);
        stop -> Boss ! {answered, Answered}
    end.

dictionary() ->
    {Workers, Operations, Keys} = {20, 500, 512},
    Boss = self(),
    Keeper = spawn_link(fun() -> keep(#{}) end),
    [spawn_link(fun() -> work(Keeper, 1, Operations, Keys, W * 7919), Boss ! {worked, W} end)
     || W <- lists:seq(1, Workers)],
    gather(worked, Workers),
    Keeper ! stop,
    Workers * Operations.

keep(Map) ->
    receive
        {read, From, Key} -> From ! {value, maps:get(Key, Map, 0)}, keep(Map);
        {write, From, Key, Value} -> From ! {value, Value}, keep(Map#{Key => Value});
        stop -> ok
    end.

work(_, I, Operations, _, _) when I > Operations -> ok;
work(Keeper, I, Operations, Keys, X) ->
    Next = (X * 1103515245 + 12345) band 16#7fffffff,
    Key = (Next bsr 8) rem Keys,
    case I rem 10 of
        0 ->
            Value = I * Keys + Key,
            Keeper ! {write, self(), Key, Value},
            receive {value, Got} -> Got =:= Value orelse error(another_value) end;
        _ ->
            Keeper ! {read, self(), Key},
            receive {value, Got} -> Got =:= 0 orelse Got rem Keys =:= Key orelse error(another_value) end
    end,
    work(Keeper, I + 1, Operations, Keys, Next).

philosophers() ->
    {Table, Meals} = {20, 200},
    Boss = self(),
    [spawn_link(fun() -> philosopher(Boss, I, Meals) end) || I <- lists:seq(0, Table - 1)],
    arbitrate(list_to_tuple(lists:duplicate(Table, false)), Table, 0) =:= Table * Meals orelse error(other_meals),
    Table * Meals.

philosopher(Boss, _, 0) -> Boss ! full;
philosopher(Boss, I, Left) ->
    Boss ! {hungry, self(), I},
    receive
        denied -> philosopher(Boss, I, Left);
        eat -> Boss ! {done, I}, philosopher(Boss, I, Left - 1)
    end.

arbitrate(_, 0, Meals) -> Meals;
arbitrate(Taken, Left, Meals) ->
    receive
        {hungry, From, I} ->
            {One, Other} = forks(Taken, I),
            case element(One, Taken) orelse element(Other, Taken) of
                true -> From ! denied, arbitrate(Taken, Left, Meals);
                false -> From ! eat, arbitrate(setelement(One, setelement(Other, Taken, true), true), Left, Meals)
            end;
        {done, I} ->
            {One, Other} = forks(Taken, I),
            arbitrate(setelement(One, setelement(Other, Taken, false), false), Left, Meals + 1);
        full -> arbitrate(Taken, Left - 1, Meals)
    end.

forks(Taken, I) -> {I + 1, (I + 1) rem tuple_size(Taken) + 1}.

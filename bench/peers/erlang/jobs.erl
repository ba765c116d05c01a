%% The jobs of bench/mn as an Erlang programmer would write them: processes and messages.
%%
%%     erl +S N ... -noshell -s jobs main -extra JOB [--seconds S] [--threads N] [--count N] [--cross]
%%
%% Each job verifies its own work and prints lines as bench.h describes them.  There is no mutex to measure.
-module(jobs).
-export([main/0, number/2, flag/1, result/4, now_ns/0, window/0, share/1, check/2, resident/0, gather/2]).

main() ->
    %% What it holds of a million processes and their messages is not to be copied at each of its collections.
    spawn_opt(fun run/0, [{message_queue_data, off_heap}, {min_heap_size, 8000000}]).

run() ->
    try
        [Job | _] = init:get_plain_arguments(),
        case Job of
            "yield" -> jobs_switch:yield();
            "pingpong" -> jobs_switch:pingpong();
            "ring" -> jobs_switch:ring();
            "chan" -> jobs_switch:chan();
            "spawn_join" -> jobs_spawn:spawn_join();
            "spawn_batch" -> jobs_spawn:spawn_batch();
            "parked" -> jobs_spawn:parked();
            "forkjoin" -> jobs_spawn:forkjoin();
            "skynet" -> jobs_spawn:skynet();
            "timers" -> jobs_spawn:timers();
            "echo" -> jobs_echo:echo();
            "savina" -> jobs_savina:savina();
            "mailbox_mpsc" -> jobs_savina:mailbox_mpsc();
            "selective_receive" -> jobs_savina:selective_receive();
            "link_cascade" -> jobs_savina:link_cascade()
        end,
        halt(0)
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "erlang: ~p:~p ~p~n", [Class, Reason, Stack]),
            halt(1)
    end.

%% The number that follows an option, or the default.
number(Option, Default) -> number(Option, Default, init:get_plain_arguments()).

number(Option, _, [Option, Text | _]) ->
    try list_to_integer(Text) catch error:badarg -> to_float(Text) end;
number(Option, Default, [_ | Rest]) -> number(Option, Default, Rest);
number(_, Default, []) -> Default.

to_float(Text) ->
    try list_to_float(Text) catch error:badarg -> list_to_float(Text ++ ".0") end.

flag(Option) -> lists:member(Option, init:get_plain_arguments()).

result(Name, Figure, Unit, Extra) ->
    io:format("~s ~.4f ~s ~scpus=~p model=erlang-~s~n",
              [Name, float(Figure), Unit, [Extra, [" " || Extra =/= ""]], erlang:system_info(schedulers_online),
               erlang:system_info(otp_release)]).

now_ns() -> erlang:monotonic_time(nanosecond).

window() -> round(number("--seconds", 0.3) * 1.0e9).

%% The smallest count / the mean.
share(Counts) -> lists:min(Counts) * length(Counts) / max(1, lists:sum(Counts)).

check(true, _) -> ok;
check(false, What) -> error(What).

%% The process's resident size and its page tables, in bytes.
resident() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    1024 * lists:sum([begin
                          {match, [Kib]} = re:run(Text, Key ++ ":\\s+(\\d+) kB", [{capture, [1], list}]),
                          list_to_integer(Kib)
                      end || Key <- ["VmRSS", "VmPTE"]]).

%% N messages {Tag, Value}: the values.
gather(_, 0) -> [];
gather(Tag, N) -> receive {Tag, Value} -> [Value | gather(Tag, N - 1)] end.

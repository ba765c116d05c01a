%% The echo server of bench/echo: a process for each connection.
-module(jobs_echo).
-export([echo/0]).

echo() ->
    Options = [binary, {active, once}, {nodelay, true}, {backlog, 4096}, {ip, {127, 0, 0, 1}}],
    {ok, Listener} = gen_tcp:listen(0, Options),
    {ok, Port} = inet:port(Listener),
    io:format("~p function=gen_tcp:listen model=erlang-~s~n", [Port, erlang:system_info(otp_release)]),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Server = spawn(fun() -> serve(Socket) end),
    gen_tcp:controlling_process(Socket, Server), % hands over what has come meanwhile as well
    accept(Listener).

serve(Socket) ->
    receive
        {tcp, Socket, Data} ->
            ok = gen_tcp:send(Socket, Data),
            inet:setopts(Socket, [{active, once}]), % one that was closed meanwhile: the next message says so
            serve(Socket);
        {tcp_closed, Socket} -> ok;
        {tcp_error, Socket, _} -> gen_tcp:close(Socket)
    end.

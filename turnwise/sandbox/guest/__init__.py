"""The program inside every sandbox: it starts, supervises and kills what the parent asks for.

It is the same under every backend. It needs only the standard library (Python 3.11 or later, Linux)
and imports nothing of turnwise, so this directory can be bound or copied anywhere and started with

    python -P -s -S -c 'import sys; sys.path.insert(0, PARENT); from guest import serve;
        serve.main()' IN OUT

where PARENT is the directory that holds this one, and IN and OUT are numbers of descriptors (one
socket twice, or two pipes). Backends differ in how they confine and launch it. It should be process
1 of a process namespace; otherwise it makes itself the subreaper of what it starts.

Protocol: frames in both directions (`guest.frames`): header length and body length (two big-endian
32-bit numbers), a JSON header, a body of bytes. A channel carries one request at a time; only
`stop` may be sent while another is being answered.

    request    fields                  body         answer
    configure  limits, environment,    -            {overlay}
               preload, mode, paths
    run        argv                    stdin        result
    session    -                       -            {session}
    cell       session                 the code     result
    shell      -                       -            {shell}
    command    shell                   the command  result
    end        session | shell         -            {}
    stop       error                   -            none; the running call ends with that error
    write      path                    the data     {}
    read       path, limit             -            {} and the data
    files      -                       -            {files}
    unpack     -                       a tar        {}; into the workspace
    fork       - (a socket is passed)  -            {sessions}; the socket is the fork's channel
    close      -                       -            none

`configure` comes first, once. With mode `jail` the guest makes the roots itself and can fork them
(needs CAP_SYS_ADMIN); with `plain` it is given the only one. `unpack` takes regular files,
directories and links. A channel that ends is as good as `close`; with the last channel, everything
ends.

A result is {error, exit, truncated, alive, out, err, late}: the body holds `out` bytes of standard
output, `err` of standard error and `late` of output written between two calls. A request that
cannot be met is answered by {failed: a sentence}.

The guest keeps no time: the parent sends `stop`, and kills the whole sandbox where that is not
answered. Nor is the guest trusted: the parent bounds every length and every wait.
"""

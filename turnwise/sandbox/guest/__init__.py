"""The program inside every sandbox: it starts what it is asked to start, drains what that writes,
and kills what must go.

It is the same under every backend, needs nothing but Python's standard library (3.11 or later,
Linux), and imports nothing of turnwise, so this directory may be bound or copied anywhere and
started with

    python -P -s -S -c 'import sys; sys.path.insert(0, PARENT_OF_THIS_DIRECTORY); import guest.serve
    as s; s.main()' IN OUT

where IN and OUT are numbers of descriptors (one socket twice, or two pipes). Backends differ only
in how they confine and launch it; it should be process 1 of a process namespace, or else it makes
itself the subreaper of what it starts.

Protocol: frames both ways (`guest.frames`): header length, body length (two big-endian 32-bit
numbers), a JSON header, a body of bytes. A channel carries one request at a time; only `stop` may
be sent while another is being answered.

    request                              body         answer
    configure  limits, environment,      -            {}       once, before anything else. mode `jail`: roots are made and
               preload, mode, paths                            forked here (needs CAP_SYS_ADMIN); `plain`: they are given
    run        argv                      stdin        result
    session    -                         -            {session}
    cell       session                   the code     result
    shell      -                         -            {shell}
    command    shell                     the command  result
    end        session | shell           -            {}
    stop       error                     -            none: the request being answered is killed and ends with that error
    write      path                      the data     {}
    read       path, limit               -            {} and the data
    files      -                         -            {files}
    unpack     -                         a tar        {}       into the workspace: regular files, directories, links
    fork       - (a socket is passed)    -            {sessions}   the new socket is the channel of a new, equal root
    close      -                         -            none: so does the end of a channel; with the last one, everything ends

A result is {error, exit, truncated, out, err, late}: the body holds `out` bytes of standard output,
`err` of standard error and `late` of what came between two calls. A request that cannot be met is
answered by {failed: a sentence}.

Time is not kept here: the parent sends `stop`, and kills the whole sandbox where that is not
answered. The guest is trusted by
nobody above: the parent bounds every length and every wait.
"""

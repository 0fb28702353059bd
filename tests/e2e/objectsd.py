#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""objects.py as a server: starting Python costs an emulated guest two seconds, a fork next to none.

Prints the port of 127.0.0.1 that it listens on. A request is a line of objects.py's
arguments with 0x1f between them, or of another module's that is named first; the answer
is what that prints, and "@rc N". Whoever closes the connection ends the command.
"""
import fcntl
import importlib
import os
import signal
import socket
import sys
import traceback

import objects


def run(conn):
    line = b""
    while not line.endswith(b"\n"):
        data = conn.recv(65536)
        if not data:
            return
        line += data

    def look(*_):
        try:
            if not conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                os._exit(137)
        except BlockingIOError:
            pass

    signal.signal(signal.SIGIO, look)
    fcntl.fcntl(conn, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(conn, fcntl.F_SETFL, fcntl.fcntl(conn, fcntl.F_GETFL) | os.O_ASYNC)
    os.dup2(conn.fileno(), 1)
    os.dup2(conn.fileno(), 2)
    sys.argv = ["objects.py"] + [w for w in line[:-1].decode().split("\x1f") if w]
    try:
        if sys.argv[1] in objects.MODES:
            rc = objects.main()
        else:
            rc = importlib.import_module(sys.argv.pop(1)).main()
    except SystemExit as e:
        rc = e.code
    except Exception:       # as Python itself would end
        traceback.print_exc()
        rc = 1
    sys.stdout.flush()
    os.write(1, b"@rc %d\n" % rc)


def main():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    objects.pool(1)         # once for all who take that seed
    print(s.getsockname()[1], flush=True)
    while True:
        conn = s.accept()[0]
        if not os.fork():
            try:
                s.close()
                run(conn)
            finally:
                os._exit(0)
        conn.close()


if __name__ == "__main__":
    sys.exit(main())

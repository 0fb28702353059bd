# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""storm.py HOST PORT SECONDS: clients that come and go as fast as they can.

Four processes open connections by the dozen, send something, and close them: at
once, with a reset, with half a command sent, or after the answer. One line says
how many there were and how many answers were wrong.
"""

import os
import random
import socket
import struct
import sys
import time

RESET = struct.pack("ii", 1, 0)
ASK = b"version\r\nget none\r\n"


def one(rnd, address):
    """Opens a connection and says how it is to end."""
    s = socket.create_connection(address, 20)
    how = rnd.choice(("answer", "reset", "close", "half"))
    s.sendall(b"set key 0 0 2000\r\nhalf" if how == "half" else ASK)
    return s, how


def end(s, how):
    """Return: whether a whole answer was read and right, None for no answer."""
    good = None
    if how == "answer":
        data = b""
        while not data.endswith(b"END\r\n"):
            part = s.recv(4096)
            if not part:
                break
            data += part
        good = data.startswith(b"VERSION ") and data.count(b"\r\n") == 2
    elif how == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()
    return good


def storm(seed, address, until):
    rnd = random.Random(seed)
    conns = answers = wrong = 0
    while time.monotonic() < until:
        batch = [one(rnd, address) for _ in range(rnd.randint(1, 24))]
        conns += len(batch)
        rnd.shuffle(batch)
        for s, how in batch:
            good = end(s, how)
            answers += good is not None
            wrong += good is False
    return conns, answers, wrong


def main():
    address, until = (sys.argv[1], int(sys.argv[2])), time.monotonic() + float(sys.argv[3])
    pipes = []
    for seed in range(4):
        r, w = os.pipe()
        if not os.fork():
            try:
                os.write(w, b"%d %d %d" % storm(seed, address, until))
            finally:
                os._exit(0)
        os.close(w)
        pipes.append(r)
    lines = [os.read(r, 100) for r in pipes]
    n = [sum(x) for x in zip(*(map(int, line.split() or (0, 0, 0)) for line in lines))]
    died = sum(not line for line in lines)
    print("RESULT storm conns=%d answers=%d wrong=%d died=%d" % (*n, died))
    return 0 if not died and not n[2] and n[1] else 1


sys.exit(main())

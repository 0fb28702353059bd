# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""races.py HOST PORT SECONDS KEYS: clients that get into each other's way.

Four processes send commands of all kinds for the same keys, as fast as answers
come, each ended by an mn. One line says how many there were, how many of the
answers said that something was wrong, and how many that there was no room.
"""

import os
import random
import socket
import sys
import time

BATCH = 30
SIZES = (10, 100, 100, 700, 3000, 9000)


def command(rnd, keys):
    key = b"key%d" % (rnd.random() ** 3 * keys)
    n = rnd.random()
    if n < .35:
        size = rnd.choice(SIZES)
        verb = rnd.choice((b"set", b"set", b"set", b"add", b"replace", b"append"))
        ttl = rnd.choice((0, 0, 1, 100))
        return b"%s %s 0 %d %d\r\n%s\r\n" % (verb, key, ttl, size, b"x" * size)
    if n < .7:
        return b"get %s key%d\r\n" % (key, rnd.randrange(keys))
    if n < .75:
        return b"delete %s\r\n" % key
    if n < .8:
        return b"touch %s 1000\r\n" % key
    if n < .85:
        return b"mg %s v t c h l\r\n" % key
    if n < .89:
        return b"gat 50 %s\r\n" % key
    if n < .93:
        return b"set n%d 0 0 1\r\n1\r\n" % rnd.randrange(4)
    if n < .98:
        return b"incr n%d 3\r\n" % rnd.randrange(4)
    return rnd.choice((b"stats\r\n", b"stats conns\r\n", b"stats slabs\r\n",
                       b"flush_all 1\r\n" if rnd.random() < .1 else b"stats\r\n"))


def client(seed, address, until, keys):
    rnd = random.Random(seed)
    commands = wrong = full = 0
    s = None
    while time.monotonic() < until:
        if not s or rnd.random() < .1:
            s = socket.create_connection(address, 30)
        s.sendall(b"".join(command(rnd, keys) for _ in range(BATCH)) + b"mn\r\n")
        data = b""
        while not data.endswith(b"MN\r\n"):
            part = s.recv(65536)
            if not part:
                return commands, wrong + 1, full
            data += part
        commands += BATCH
        full += data.count(b"SERVER_ERROR out of memory")
        wrong += data.count(b"ERROR") - data.count(b"SERVER_ERROR out of memory")
    return commands, wrong, full


def main():
    address, until = (sys.argv[1], int(sys.argv[2])), time.monotonic() + float(sys.argv[3])
    pipes = []
    for seed in range(4):
        r, w = os.pipe()
        if not os.fork():
            try:
                os.write(w, b"%d %d %d" % client(seed, address, until, int(sys.argv[4])))
            finally:
                os._exit(0)
        os.close(w)
        pipes.append(r)
    lines = [os.read(r, 100) for r in pipes]
    n = [sum(x) for x in zip(*(map(int, line.split() or (0, 0, 0)) for line in lines))]
    died = sum(not line for line in lines)
    print("RESULT races commands=%d wrong=%d full=%d died=%d" % (*n, died))
    return 0 if n[0] and not n[1] and not died else 1


sys.exit(main())

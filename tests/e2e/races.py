# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""races.py SECONDS KEYS ADDRESS...: clients that get into each other's way.

Four processes send commands of all kinds for the same keys, as fast as answers
come, each lot ended by an mn, on connections to one of the addresses: HOST:PORT
or the path of a UNIX socket. udp:HOST:PORT has a client of its own that gets
keys. With "params" a process sets each parameter that may change at run time to
what it is, memory_mb to less and back, and another reads what /proc tells. With
"fill" each client begins with many small objects. With "gone" all of it ends when
the server does.

One line says how many commands there were, how many of the answers said that
something was wrong, how many that there was no room, how many UDP had, how often
the parameters were set and /proc was read.
"""

import glob
import os
import random
import socket
import struct
import sys
import time

BATCH = 30
# Enough, by all of them, for an index of 1 MiB to grow as a rule.
FILL = 1600
SIZES = (10, 100, 100, 700, 3000, 9000)
# A value of its own pages on its way in, in some of the lots.
LONG = 40000
STATS = (b"", b" settings", b" items", b" slabs", b" conns", b" conns", b" detail on",
         b" detail dump", b" reset")
MODULE = "/sys/module/kfatcache/parameters/"


def store(rnd, key, size):
    verb = rnd.choice((b"set", b"set", b"set", b"add", b"replace", b"append"))
    ttl = rnd.choice((0, 0, 1, 100))
    return b"%s %s 0 %d %d\r\n%s\r\n" % (verb, key, ttl, size, b"x" * size)


def command(rnd, keys):
    key = b"key:%d" % (rnd.random() ** 3 * keys)
    n = rnd.random()
    if n < .35:
        return store(rnd, key, rnd.choice(SIZES))
    if n < .7:
        return b"get %s key:%d\r\n" % (key, rnd.randrange(keys))
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
    if n < .99:
        return b"stats%s\r\n" % rnd.choice(STATS)
    if n < .999:
        return b"set long:%d 0 0 %d\r\n%s\r\n" % (rnd.randrange(4), LONG, b"y" * LONG)
    return rnd.choice((b"flush_all 1\r\n", b"lru_crawler metadump all\r\n"))


def fill(seed):
    return b"".join(b"set fill:%d:%d 0 0 1 noreply\r\n1\r\n" % (seed, i) for i in range(FILL))


def connect(rnd, addresses):
    address = rnd.choice(addresses)
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(address)
        return s
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), 30)


def client(seed, n, addresses, until, keys, first):
    rnd = random.Random(seed)
    lot, s = first, None
    while time.monotonic() < until:
        if not s or rnd.random() < .1:
            s = connect(rnd, addresses)
        s.sendall(lot + b"mn\r\n")
        data = b""
        while not data.endswith(b"MN\r\n"):
            part = s.recv(65536)
            if not part:
                raise ConnectionError("closed")
            data += part
        n["commands"] += BATCH
        full = data.count(b"SERVER_ERROR out of memory")
        n["full"] += full
        n["wrong"] += data.count(b"ERROR") - full
        lot = b"".join(command(rnd, keys) for _ in range(BATCH))


def udp_client(n, address, until, keys):
    rnd = random.Random(1)
    host, port = address.split(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(.2)
    s.connect((host, int(port)))
    while time.monotonic() < until:
        for i in range(8):
            ask = b" ".join(b"key:%d" % rnd.randrange(keys) for _ in range(5))
            s.send(struct.pack(">HHHH", i, 0, 1, 0) + b"get %s\r\n" % ask)
        try:
            while True:
                n["udp"] += b"END\r\n" in s.recv(2048)
        except TimeoutError:
            pass


def changes(n, until):
    """All that is a number and may be written: a file's name is not."""
    values = {}
    for path in glob.glob(f"{MODULE}*"):
        with open(path, "rb") as f:
            text = f.read().strip()
        if os.stat(path).st_mode & 0o200 and text.isdigit():
            values[path] = int(text)
    while time.monotonic() < until:
        for path, value in values.items():
            if path.endswith("/memory_mb"):
                value -= n["params"] % 2 * 2
            with open(path, "w", encoding="ascii") as f:
                f.write(str(value))
        n["params"] += 1
        time.sleep(.02)


def looks(n, until):
    while time.monotonic() < until:
        for name in "stats", "settings":
            with open(f"/proc/kfatcache/{name}", "rb") as f:
                f.read()
        n["looks"] += 1
        time.sleep(.005)


def tell(w, job, gone):
    """What the job has counted; nothing where something else ended it."""
    n = dict.fromkeys(("commands", "wrong", "full", "udp", "params", "looks"), 0)
    try:
        job(n)
    except TimeoutError:
        raise
    except OSError:     # a connection, a file of /proc, the module's folder
        if not gone:
            raise
    os.write(w, " ".join(map(str, n.values())).encode())


def main():
    until, keys = time.monotonic() + float(sys.argv[1]), int(sys.argv[2])
    words = sys.argv[3:]
    gone = "gone" in words
    streams = [a for a in words if a.startswith("/") or a[0].isdigit()]
    jobs = [lambda n, seed=seed: client(seed, n, streams, until, keys,
                                        fill(seed) if "fill" in words else b"")
            for seed in range(4)]
    jobs += [lambda n, a=a: udp_client(n, a[4:], until, keys)
             for a in words if a.startswith("udp:")]
    if "params" in words:
        jobs += [lambda n: changes(n, until), lambda n: looks(n, until)]
    pipes = []
    for job in jobs:
        r, w = os.pipe()
        if not os.fork():
            try:
                tell(w, job, gone)
            finally:
                sys.stdout.flush()
                os._exit(0)
        os.close(w)
        pipes.append(r)
    lines = [os.read(r, 100) for r in pipes]
    n = [sum(x) for x in zip(*(map(int, line.split() or [0] * 6) for line in lines))]
    died = sum(not line for line in lines)
    print("RESULT races commands=%d wrong=%d full=%d udp=%d params=%d looks=%d died=%d"
          % (*n, died))
    return 0 if n[0] and not n[1] and not died else 1


sys.exit(main())

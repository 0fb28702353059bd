#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The verifying client: objects that follow from a seed, stored and read back byte for byte.

    objects.py load    HOST PORT [options]   set --count objects
    objects.py verify  HOST PORT [options]   read them back with multi-gets
    objects.py absent  HOST PORT [options]   get keys that nobody stored: every answer is a miss
    objects.py mixed   HOST PORT [options]   random commands from several connections, with a model
    objects.py churn   HOST PORT [options]   mixed, connecting again whenever the server is gone
    objects.py split   HOST PORT [options]   sets and gets that arrive in pieces of a few bytes
    objects.py reader  HOST PORT [options]   asks for much and reads it slowly
    objects.py sender  HOST PORT [options]   values that arrive slowly
    objects.py stats   HOST PORT             the answer of `stats` as `name value` lines

The last line of output is `RESULT mode=... name=value ...`. Exit code 0: no wrong
byte, and no more misses, refusals and lost connections than allowed.
Also a library: Objects, Conn, stats() are what the other scripts here use.
"""
import argparse
import functools
import hashlib
import math
import os
import random
import select
import socket
import sys
import time

from slower import SLOWER

MIB = 1 << 20
POOL = MIB          # offsets into the pool of random bytes
VALUE_MAX = 2 * MIB
HEAD = 13           # b"v%08x%04x"


class Lost(Exception):
    """The server closed the connection."""


class Stalled(Exception):
    """The server did not answer in time."""


class Wrong(Exception):
    """The server said what it must not say."""


@functools.lru_cache(maxsize=2)
def pool(seed):
    """As many random bytes; of all ways to get them the quickest in an emulated guest."""
    return hashlib.shake_128(b"kfatcache %d" % seed).digest(POOL + VALUE_MAX)


class Objects:
    """Objects that follow from (seed, index, generation).

    A value starts with its index and generation and goes on with a piece of a
    pool of random bytes, at a place drawn from both: a value tells whose it
    is, and bytes of another value, or of the same at another offset, differ.
    """

    def __init__(self, seed=1, sizes="mix", prefix=None):
        self.seed = seed
        rnd = random.Random("kfatcache %d %s" % (seed, sizes))
        self.pool = pool(seed)
        self.prefix = prefix.encode() if prefix is not None else b"o%x-" % seed
        self.sizes = size_table(sizes, rnd)
        self.pads = [rnd.randrange(24) for _ in range(1024)]
        for i in range(0, 1024, 64):
            self.pads[i] = rnd.randrange(24, 240 - 8 - len(self.prefix))
        self.pad = b"".join(b"%c" % rnd.choice(range(33, 127)) for _ in range(256))
        self.salt = b"%d" % seed

    def key(self, i):
        return b"%s%08x%s" % (self.prefix, i, self.pad[:self.pads[i * 2654435761 >> 7 & 1023]])

    def _draw(self, i, gen):
        h = hashlib.blake2b(b"%d.%d" % (i, gen), digest_size=8, key=self.salt).digest()
        return int.from_bytes(h, "little")

    def flags(self, i, gen):
        h = self._draw(i, gen)
        return 0 if h & 3 else h >> 32

    def value(self, i, gen=0):
        h = self._draw(i, gen)
        n = self.sizes[(h >> 40) % len(self.sizes)]
        at = h >> 4 & POOL - 1
        return b"v%08x%04x%s" % (i, gen & 0xffff, self.pool[at:at + n - HEAD])

    def both(self, i, gen=0):
        """(flags, value)"""
        h = self._draw(i, gen)
        n = self.sizes[(h >> 40) % len(self.sizes)]
        at = h >> 4 & POOL - 1
        return (0 if h & 3 else h >> 32,
                b"v%08x%04x%s" % (i, gen & 0xffff, self.pool[at:at + n - HEAD]))

    def set_cmd(self, i, gen=0, ttl=0, noreply=False):
        flags, value = self.both(i, gen)
        return b"set %s %d %d %d%s\r\n%s\r\n" % (
            self.key(i), flags, ttl, len(value), b" noreply" if noreply else b"", value)

    def value_answer(self, i, gen=0):
        flags, value = self.both(i, gen)
        return b"VALUE %s %d %d\r\n%s\r\n" % (self.key(i), flags, len(value), value)

    def is_own(self, key, flags, value):
        """Whether these are the bytes of some generation of that key."""
        try:
            i, gen = int(value[1:9], 16), int(value[9:13], 16)
        except ValueError:
            return False
        return self.key(i) == key and self.both(i, gen) == (flags, value)


def log_uniform(rnd, low, high):
    return min(high, int(math.exp(rnd.uniform(math.log(low), math.log(high + 1)))))


def size_table(sizes, rnd):
    """mix: 99 % log-uniform 20 B to 4 KB, 1 % to 100 KB; LOW-HIGH: log-uniform; N: fixed."""
    if sizes == "mix":
        t = [log_uniform(rnd, 20, 4096) for _ in range(7920)]
        t += [log_uniform(rnd, 4096, 102400) for _ in range(80)]
        rnd.shuffle(t)
    elif "-" in sizes:
        low, high = (int(x) for x in sizes.split("-"))
        t = [log_uniform(rnd, max(HEAD, low), high) for _ in range(1024)]
    else:
        t = [max(HEAD, int(sizes))]
    return t


class Conn:
    """One connection: sends without ever blocking on its own unread answers."""

    def __init__(self, host, port, timeout=60 * SLOWER, rcvbuf=0):
        self.timeout = timeout
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.s = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.s.settimeout(timeout)
        try:
            self.s.connect((host, port))
        except OSError as e:
            self.s.close()
            raise Lost("connect: %s" % e) from e
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.s.setblocking(False)
        self.buf = bytearray()
        self.pos = 0

    def close(self):
        self.s.close()

    def _fill(self, timeout=None):
        """One recv into the buffer, waiting for it."""
        while True:
            try:
                d = self.s.recv(262144)
            except (BlockingIOError, InterruptedError):
                t = self.timeout if timeout is None else timeout
                if not select.select([self.s], [], [], t)[0]:
                    raise Stalled("no answer in %g s" % t) from None
                continue
            except OSError as e:
                raise Lost(str(e)) from e
            if not d:
                raise Lost("closed by the server")
            if self.pos and self.pos == len(self.buf):
                self.buf.clear()
                self.pos = 0
            elif self.pos > MIB:
                del self.buf[:self.pos]
                self.pos = 0
            self.buf += d
            return

    def send(self, data, end=None):
        """All of data; answers that come meanwhile go to the buffer."""
        end = time.monotonic() + (self.timeout if end is None else end)
        mv = memoryview(data)
        while mv:
            try:
                n = self.s.send(mv[:1 << 18])
                mv = mv[n:]
                continue
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as e:
                raise Lost(str(e)) from e
            left = end - time.monotonic()
            if left <= 0:
                raise Stalled("could not send %d bytes" % len(mv))
            r, _, _ = select.select([self.s], [self.s], [], left)
            if r:
                self._fill(0)

    def line(self, timeout=None):
        """The next line without its CRLF."""
        frm = self.pos
        while True:
            at = self.buf.find(b"\r\n", frm)
            if at >= 0:
                r = bytes(self.buf[self.pos:at])
                self.pos = at + 2
                return r
            keep = len(self.buf) - self.pos
            self._fill(timeout)
            frm = self.pos + max(0, keep - 1)

    def exact(self, n, timeout=None):
        while len(self.buf) - self.pos < n:
            self._fill(timeout)
        r = bytes(self.buf[self.pos:self.pos + n])
        self.pos += n
        return r

    def starts(self, expected):
        """Take `expected` if that is what comes next; False leaves all there."""
        n = len(expected)
        while True:
            have = len(self.buf) - self.pos
            if have >= n:
                if self.buf.startswith(expected, self.pos):
                    self.pos += n
                    return True
                return False
            if self.buf.endswith(b"END\r\n") and have >= 5 and \
               not expected.startswith(self.buf[self.pos:]):
                return False
            self._fill()

    def values(self, timeout=None):
        """[(key, flags, value, cas or None)] of a get, up to END."""
        r = []
        while True:
            ln = self.line(timeout)
            if ln == b"END":
                return r
            f = ln.split(b" ")
            if f[0] != b"VALUE" or len(f) not in (4, 5):
                raise Wrong("in the answer of a get: %r" % ln[:100])
            v = self.exact(int(f[3]), timeout)
            if self.exact(2, timeout) != b"\r\n":
                raise Wrong("no CRLF behind the value of %r" % f[1])
            r.append((f[1], int(f[2]), v, int(f[4]) if len(f) == 5 else None))

    def cmd(self, data, timeout=None):
        """One command, given without its last CRLF, that is answered by one line."""
        self.send(data + b"\r\n")
        return self.line(timeout)

    def get(self, *keys, verb=b"get", timeout=None):
        self.send(b"%s %s\r\n" % (verb, b" ".join(keys)))
        return self.values(timeout)

    def closed(self, timeout):
        """Whether the server closes within that time; answers are dropped."""
        end = time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                self._fill(max(0, end - time.monotonic()))
        except Lost:
            return True
        except Stalled:
            pass
        return False


def stats(host, port, arg=b""):
    c = Conn(host, port)
    c.send(b"stats %s\r\n" % arg if arg else b"stats\r\n")
    r = {}
    while True:
        ln = c.line()
        if ln == b"END":
            c.close()
            return r
        f = ln.split(b" ", 2)
        if f[0] != b"STAT" or len(f) != 3:
            raise Wrong("in the answer of stats: %r" % ln[:100])
        r[f[1].decode()] = f[2].decode()


class Tally(dict):
    def __missing__(self, k):
        return 0

    def note(self, text, limit=10):
        self["noted"] += 1
        if self["noted"] <= limit:
            print("! " + text, flush=True)


def connect(a, n=None):
    return [Conn(a.host, a.port, a.timeout) for _ in range(n or a.conns)]


def do_load(a, t):
    o = Objects(a.seed, a.sizes, a.prefix)
    conns = connect(a)
    waiting = [0] * len(conns)
    end = time.monotonic() + a.seconds

    def answers(k):
        c, n = conns[k], waiting[k]
        waiting[k] = 0
        if c.starts(b"STORED\r\n" * n):
            t["stored"] += n
            return
        for _ in range(n):
            ln = c.line()
            if ln == b"STORED":
                t["stored"] += 1
            elif ln.startswith(b"SERVER_ERROR"):
                t["refused"] += 1
                t.note("set: %r" % ln)
            else:
                raise Wrong("answer of a set: %r" % ln[:100])

    i, last = a.first, a.first + a.count
    b = 0
    while i < last and time.monotonic() < end:
        k = b % len(conns)
        b += 1
        n = min(a.batch, last - i)
        data = b"".join([o.set_cmd(j, a.gen, a.ttl, a.noreply) for j in range(i, i + n)])
        i += n
        if waiting[k]:
            answers(k)
        conns[k].send(data)
        t["sent"] += n
        t["bytes"] += len(data)
        if not a.noreply:
            waiting[k] = n
    for k, c in enumerate(conns):
        if waiting[k]:
            answers(k)
        if a.noreply:       # all of it was read when this is answered
            if not c.cmd(b"version").startswith(b"VERSION"):
                raise Wrong("no answer of version after sets with noreply")
        c.close()
    if i < last:
        t["late"] = last - i
    return t["sent"] == a.count and t["refused"] <= a.max_refused


def do_verify(a, t):
    o = Objects(a.seed, a.sizes, a.prefix)
    conns = connect(a)
    pend = [[] for _ in conns]
    end = time.monotonic() + a.seconds
    idx = range(a.first, a.first + a.count)
    if a.shuffle:
        idx = list(idx)
        random.Random(a.seed).shuffle(idx)

    def answer(k):
        want = pend[k].pop(0)
        c = conns[k]
        if not a.any_gen:
            exp = b"".join([o.value_answer(j, a.gen) for j in want]) + b"END\r\n"
            if c.starts(exp):
                t["hits"] += len(want)
                t["bytes"] += len(exp)
                return
        got = {}
        keys = [o.key(j) for j in want]
        order = iter(keys)
        for key, flags, value, _ in c.values():
            for kk in order:        # answers come in the order of the keys
                if kk == key:
                    break
            else:
                t["wrong"] += 1
                t.note("key not asked for or out of order: %r" % key)
            got[key] = (flags, value)
        for j, key in zip(want, keys):
            g = got.get(key)
            if g is None:
                t["misses"] += 1
                if a.misses_to:
                    a.misses_to.append(j)
            elif g == o.both(j, a.gen) or (a.any_gen and o.is_own(key, *g)):
                t["hits"] += 1
            else:
                t["wrong"] += 1
                f, v = o.both(j, a.gen)
                t.note("object %d key %r: flags %d/%d length %d/%d, differs at %d" % (
                    j, key, g[0], f, len(g[1]), len(v),
                    next((n for n, (x, y) in enumerate(zip(g[1], v)) if x != y), -1)))

    b = 0
    for at in range(0, len(idx), a.keys):
        if time.monotonic() > end:
            t["late"] = len(idx) - at
            break
        want = idx[at:at + a.keys]
        k = b % len(conns)
        b += 1
        if len(pend[k]) >= a.window:
            answer(k)
        conns[k].send(b"get " + b" ".join([o.key(j) for j in want]) + b"\r\n")
        pend[k].append(want)
        t["gets"] += len(want)
    for k, c in enumerate(conns):
        while pend[k]:
            answer(k)
        c.close()
    return not t["late"] and not t["wrong"] and a.min_misses <= t["misses"] <= a.max_misses


def do_absent(a, t):
    a.max_misses = a.count
    a.min_misses = a.count
    a.prefix = "absent-"
    return do_verify(a, t)


# Answers that mean "the key is not there".
GONE = {b"NOT_FOUND", b"NOT_STORED"}
UNKNOWN = object()


class Player:
    """One connection of mixed: its own keys and what they must hold.

    model[key] is None (certainly gone), UNKNOWN, or [value, flags, cas, fresh]:
    cas is the number last seen, fresh says whether it is still the present one
    (None: cannot be told).
    """

    def __init__(self, a, t, objs, rnd, who, conn):
        self.a, self.t, self.o, self.rnd, self.c = a, t, objs, rnd, conn
        n = a.count // a.conns
        self.first = who * n
        self.n = n
        self.keys = [objs.key(self.first + i) for i in range(n)]
        self.nums = [b"n" + k[:240] for k in self.keys[:max(1, n // 8)]]
        self.model = {}
        self.gen = 0
        self.pend = []

    def wrong(self, text):
        self.t["wrong"] += 1
        self.t.note(text)

    def miss(self, key):
        if isinstance(self.model.get(key), list):
            self.t["misses"] += 1
        self.model[key] = None

    def present(self, key, what):
        """The model's entry where the server said that the key is there."""
        m = self.model.get(key)
        if m is None:
            self.wrong("%s of %r: it is there, but was deleted, expired or never set" % (what, key))
            self.model[key] = UNKNOWN
        return m if isinstance(m, list) else None

    def fresh_value(self, key, num):
        if num:
            return 0, b"%d" % self.rnd.randrange(10 ** self.rnd.randrange(1, 19))
        self.gen += 1
        at = len(self.o.prefix)
        return self.o.both(int(key[at:at + 8], 16), self.gen)

    def make(self):
        """Draw a command: append (what, key, args) to pend, return its bytes."""
        rnd, model = self.rnd, self.model
        r = rnd.random()
        num = rnd.random() < 0.15
        key = rnd.choice(self.nums if num else self.keys)
        m = model.get(key)
        m = m if isinstance(m, list) else None
        if r < 0.35:
            keys = [rnd.choice(self.nums if rnd.random() < 0.1 else self.keys)
                    for _ in range(rnd.randrange(1, 9))]
            verb = rnd.choice((b"get", b"get", b"get", b"gets"))
            self.pend.append(("get", keys, verb))
            return b"%s %s\r\n" % (verb, b" ".join(keys))
        if r < 0.38:
            verb = rnd.choice((b"gat", b"gats"))
            ttl = rnd.choice((0, 3600, 3600, -1))
            self.pend.append(("gat", [key], (verb, ttl)))
            return b"%s %d %s\r\n" % (verb, ttl, key)
        if r < 0.41:
            ttl = rnd.choice((0, 3600, 3600, -1))
            self.pend.append(("touch", key, ttl))
            return b"touch %s %d\r\n" % (key, ttl)
        if r < 0.48:
            nr = rnd.random() < 0.3
            self.pend.append(("delete", key, nr))
            return b"delete %s%s\r\n" % (key, b" noreply" if nr else b"")
        if r < 0.55:
            up = rnd.random() < 0.6
            d = rnd.randrange(1 << rnd.randrange(1, 60))
            self.pend.append(("incr" if up else "decr", key, d))
            return b"%s %s %d\r\n" % (b"incr" if up else b"decr", key, d)
        if r < 0.61 and not num and (not m or len(m[0]) < 8192):
            verb = rnd.choice((b"append", b"prepend"))
            at = rnd.randrange(POOL)
            more = self.o.pool[at:at + rnd.randrange(0, 200)]
            if verb == b"prepend":      # "7\0..." would be a number to incr
                more = b"p" + more
            self.pend.append(("concat", key, (verb, more)))
            return b"%s %s 7 0 %d\r\n%s\r\n" % (verb, key, len(more), more)
        flags, value = self.fresh_value(key, num)
        if r < 0.66:
            cas = m[2] if m and m[2] else rnd.randrange(1, 1 << 63)
            self.pend.append(("cas", key, (cas, flags, value)))
            return b"cas %s %d 0 %d %d\r\n%s\r\n" % (key, flags, len(value), cas, value)
        if r < 0.73:
            verb = rnd.choice((b"add", b"replace"))
            self.pend.append(("store", key, (verb, flags, value, 0, False)))
            return b"%s %s %d 0 %d\r\n%s\r\n" % (verb, key, flags, len(value), value)
        ttl = rnd.choice((0, 0, 0, 3600, 3600, -1)) if rnd.random() < 0.2 else 0
        nr = rnd.random() < 0.2
        self.pend.append(("store", key, (b"set", flags, value, ttl, nr)))
        return b"set %s %d %d %d%s\r\n%s\r\n" % (key, flags, ttl, len(value),
                                                 b" noreply" if nr else b"", value)

    def refused(self, key, ln):
        if not ln.startswith(b"SERVER_ERROR"):
            self.wrong("%r: answer %r" % (key, ln[:100]))
        else:
            self.t["refused"] += 1
        self.model[key] = UNKNOWN

    def answer(self):
        """Read and judge the answer of the oldest command in flight."""
        what, key, arg = self.pend.pop(0)
        getattr(self, "on_" + what.replace("decr", "incr"))(
            key, (what == "incr", arg) if what in ("incr", "decr") else arg)
        self.t["commands"] += 1

    def on_get(self, keys, verb):
        got = self.c.values()
        it = iter(got)
        cur = next(it, None)
        for key in keys:
            if cur is None or cur[0] != key:
                self.miss(key)
                continue
            _, flags, value, cas = cur
            cur = next(it, None)
            self.t["hits"] += 1
            self.saw(key, flags, value, cas if verb in (b"gets", b"gats") else None)
        if cur is not None:
            self.wrong("get of %r: answer holds %r" % (keys, cur[0]))

    def saw(self, key, flags, value, cas):
        m = self.present(key, "get")
        if m is None:
            if not key.startswith(b"n") and not self.o.is_own(key, flags, value) \
               and b"v%s" % key[len(self.o.prefix):len(self.o.prefix) + 8] not in value:
                self.wrong("get of %r: another key's value" % key)
            self.model[key] = [value.rstrip(b" ") if key.startswith(b"n") else value, flags,
                               cas, True if cas else None]
            return
        v = value.rstrip(b" ") if key.startswith(b"n") else value
        if v != m[0] or flags != m[1]:
            self.wrong("get of %r: flags %d/%d length %d/%d, differs at %d" % (
                key, flags, m[1], len(v), len(m[0]),
                next((i for i, (x, y) in enumerate(zip(v, m[0])) if x != y), -1)))
            m[0], m[1] = v, flags
        if cas is not None:
            if m[2] == cas and m[3] is False:
                self.wrong("gets of %r: cas number %d is still that of an older value" %
                           (key, cas))
            m[2], m[3] = cas, True

    def on_gat(self, keys, arg):
        verb, ttl = arg
        self.on_get(keys, verb)
        self.touched(keys[0], ttl)

    def touched(self, key, ttl):
        m = self.model.get(key)
        if ttl < 0:
            self.model[key] = None
        elif isinstance(m, list) and m[3]:
            m[3] = None

    def on_touch(self, key, ttl):
        ln = self.c.line()
        if ln == b"TOUCHED":
            self.present(key, "touch")
            self.touched(key, ttl)
        elif ln == b"NOT_FOUND":
            self.miss(key)
        else:
            self.refused(key, ln)

    def on_delete(self, key, nr):
        if not nr:
            ln = self.c.line()
            if ln == b"DELETED":
                self.present(key, "delete")
            elif ln == b"NOT_FOUND":
                self.miss(key)
            else:
                self.refused(key, ln)
                return
        self.model[key] = None

    def on_incr(self, key, arg):
        up, d = arg
        ln = self.c.line()
        if ln == b"NOT_FOUND":
            self.miss(key)
            return
        if ln.startswith(b"SERVER_ERROR"):
            self.refused(key, ln)
            return
        m = self.present(key, "incr")
        if m is None:
            self.model[key] = UNKNOWN
            return
        if not m[0].isdigit() or len(m[0]) > 20:
            if not ln.startswith(b"CLIENT_ERROR cannot increment"):
                self.wrong("incr of %r, not a number: %r" % (key, ln[:100]))
            return
        n = int(m[0])
        n = (n + d) % (1 << 64) if up else max(0, n - d)
        if ln != b"%d" % n:
            self.wrong("incr of %r: %r instead of %d" % (key, ln[:100], n))
        m[0], m[3] = b"%d" % n, False

    def on_concat(self, key, arg):
        verb, more = arg
        ln = self.c.line()
        if ln == b"NOT_STORED":
            self.miss(key)
        elif ln == b"STORED":
            m = self.present(key, verb.decode())
            if m is None:
                self.model[key] = UNKNOWN
            else:
                m[0] = m[0] + more if verb == b"append" else more + m[0]
                m[3] = False
        else:
            self.refused(key, ln)

    def put(self, key, flags, value, ttl):
        m = self.model.get(key)
        old = m[2] if isinstance(m, list) else None
        self.model[key] = None if ttl < 0 else [value, flags, old, False if old else None]

    def on_cas(self, key, arg):
        cas, flags, value = arg
        ln = self.c.line()
        m = self.model.get(key)
        if ln == b"NOT_FOUND":
            self.miss(key)
        elif ln == b"STORED":
            if self.present(key, "cas") is not None and (m[2] != cas or m[3] is False):
                self.wrong("cas of %r: stored with an outdated number" % key)
            self.put(key, flags, value, 0)
        elif ln == b"EXISTS":
            if self.present(key, "cas") is not None and m[2] == cas and m[3]:
                self.wrong("cas of %r: EXISTS with the present number" % key)
        else:
            self.refused(key, ln)

    def on_store(self, key, arg):
        verb, flags, value, ttl, nr = arg
        if nr:
            self.put(key, flags, value, ttl)
            return
        ln = self.c.line()
        if ln == b"STORED":
            if verb == b"add":
                self.miss(key)
            elif verb == b"replace":
                self.present(key, "replace")
            self.put(key, flags, value, ttl)
        elif ln == b"NOT_STORED" and verb == b"add":
            self.present(key, "add")
        elif ln == b"NOT_STORED" and verb == b"replace":
            self.miss(key)
        else:
            self.refused(key, ln)

    def round(self, n):
        data = []
        for _ in range(n):
            data.append(self.make())
        self.c.send(b"".join(data))

    def drain(self):
        while self.pend:
            self.answer()


def play(a, t, objs, rnd, end):
    conns = connect(a)
    players = [Player(a, t, objs, rnd, i, c) for i, c in enumerate(conns)]
    try:
        for p in players:           # whatever an earlier run left
            p.c.send(b"".join([b"delete %s noreply\r\n" % k for k in p.keys + p.nums]))
        while t["commands"] < a.ops and time.monotonic() < end:
            for p in players:
                p.round(rnd.randrange(1, a.batch + 1))
            for p in players:
                p.drain()
            if a.stop and os.path.exists(a.stop):
                break
        for p in players:           # and all of it once more
            for at in range(0, p.n, 50):
                if time.monotonic() > end + a.timeout:
                    break
                keys = p.keys[at:at + 50]
                p.pend.append(("get", keys, b"gets"))
                p.c.send(b"gets " + b" ".join(keys) + b"\r\n")
                p.drain()
    finally:
        for c in conns:
            c.close()


def do_mixed(a, t):
    objs = Objects(a.seed, a.sizes, a.prefix or "m%d-" % a.seed)
    rnd = random.Random(a.seed + 1000)
    try:
        play(a, t, objs, rnd, time.monotonic() + a.seconds)
    except Lost as e:
        t["lost"] += 1
        t.note("connection lost: %s" % e)
    return not t["wrong"] and t["misses"] <= a.max_misses and t["refused"] <= a.max_refused \
        and t["lost"] <= a.max_lost


def do_churn(a, t):
    end = time.monotonic() + a.seconds
    objs = Objects(a.seed, a.sizes)
    n = 0
    while time.monotonic() < end and not (a.stop and os.path.exists(a.stop)):
        n += 1
        before = t["commands"]
        try:
            objs.prefix = b"c%d-" % n
            play(a, t, objs, random.Random(a.seed + n), end)
        except Lost:
            pass
        if t["commands"] > before:
            t["sessions"] += 1
        time.sleep(0.1)
    return not t["wrong"] and t["refused"] <= a.max_refused


def do_split(a, t):
    o = Objects(a.seed, a.sizes, a.prefix)
    rnd = random.Random(a.seed)
    c = connect(a, 1)[0]
    end = time.monotonic() + a.seconds

    def dribble(data):
        at = 0
        while at < len(data):
            n = rnd.randrange(1, a.piece + 1)
            c.send(data[at:at + n])
            at += n
            if rnd.random() < 0.02:
                time.sleep(0.001)

    for i in range(a.first, a.first + a.count):
        if time.monotonic() > end:
            break
        dribble(o.set_cmd(i, a.gen))
        if c.line() != b"STORED":
            raise Wrong("split set was not stored")
        dribble(b"get %s %s\r\n" % (o.key(i), o.key(i + a.count)))
        if not c.starts(o.value_answer(i, a.gen) + b"END\r\n"):
            t["wrong"] += 1
        t["hits"] += 1
    # two commands and a half in one segment, and the other half later
    k = o.key(a.first)
    c.send(b"version\r\nget %s\r\nget " % k)
    if not c.line().startswith(b"VERSION") or not c.starts(o.value_answer(a.first, a.gen) + b"END\r\n"):
        t["wrong"] += 1
    time.sleep(0.05)
    c.send(b"%s\r" % k)
    time.sleep(0.05)
    c.send(b"\n")
    if not c.starts(o.value_answer(a.first, a.gen) + b"END\r\n"):
        t["wrong"] += 1
    c.close()
    return not t["wrong"] and t["hits"] == a.count


def do_reader(a, t):
    """Objects must be there (load with the same options). Reads --rate bytes a second."""
    o = Objects(a.seed, a.sizes, a.prefix)
    c = Conn(a.host, a.port, a.timeout, rcvbuf=65536)
    end = time.monotonic() + a.seconds
    idx = list(range(a.first, a.first + a.count))
    req = b"".join([b"get %s\r\n" % o.key(i) for i in idx])
    start = time.monotonic()
    got, sent, at = 0, 0, 0
    exp, buf = b"", bytearray()
    while time.monotonic() < end:
        if sent < len(req):
            try:
                sent += c.s.send(req[sent:sent + 65536])
            except BlockingIOError:
                pass
        allowed = (time.monotonic() - start) * a.rate - got
        if allowed < 4096:
            time.sleep(0.02)
            continue
        try:
            d = c.s.recv(min(65536, int(allowed)))
        except BlockingIOError:
            time.sleep(0.005)
            continue
        except OSError:
            d = b""
        if not d:
            t["lost"] += 1
            break
        got += len(d)
        buf += d
        while at < len(idx):
            exp = exp or o.value_answer(idx[at], a.gen) + b"END\r\n"
            if len(buf) < len(exp) and buf[:5] != b"END\r\n":
                break
            if buf.startswith(exp):
                del buf[:len(exp)]
                t["hits"] += 1
            elif buf[:5] == b"END\r\n":
                del buf[:5]
                t["misses"] += 1
            else:
                t["wrong"] += 1
                at = len(idx)
                break
            at, exp = at + 1, b""
        if at >= len(idx):
            break
    t["bytes"] = got
    if at < len(idx):
        t["late"] = len(idx) - at
    c.close()
    return not t["wrong"] and not t["late"] and t["misses"] <= a.max_misses and not t["lost"]


def do_sender(a, t):
    """--conns connections send one value each, --rate bytes a second each."""
    o = Objects(a.seed, a.sizes, a.prefix)
    conns = connect(a)
    todo = {}
    for i, c in enumerate(conns):
        todo[c] = [memoryview(o.set_cmd(a.first + i, a.gen)), 0]
    t["sent"] = len(conns)
    start = time.monotonic()
    while todo and time.monotonic() < start + a.seconds:
        allowed = (time.monotonic() - start) * a.rate
        for c in list(todo):
            mv, at = todo[c]
            try:
                if at < len(mv) and allowed > at:
                    todo[c][1] += c.s.send(mv[at:int(allowed) + 1])
                d = c.s.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                d = b""
            if d == b"STORED\r\n" and todo[c][1] == len(mv):
                t["stored"] += 1
            elif d.startswith(b"SERVER_ERROR"):
                t["refused"] += 1
            elif not d:
                t["lost"] += 1
            else:
                t["wrong"] += 1
                t.note("slow set: %r after %d of %d bytes" % (d[:100], at, len(mv)))
            c.close()
            del todo[c]
        time.sleep(0.05)
    t["unfinished"] = len(todo)
    for c in todo:
        c.close()
    return not t["wrong"] and t["lost"] <= a.max_lost and t["refused"] <= a.max_refused \
        and (not t["unfinished"] or a.max_lost)


def do_stats(a, t):
    for k, v in stats(a.host, a.port).items():
        print(k, v)
        t["lines"] += 1
    return True


MODES = {"load": do_load, "verify": do_verify, "absent": do_absent, "mixed": do_mixed,
         "churn": do_churn, "split": do_split, "reader": do_reader, "sender": do_sender,
         "stats": do_stats}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("mode", choices=sorted(MODES))
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("--count", type=int, default=1000, help="objects")
    p.add_argument("--first", type=int, default=0, help="index of the first")
    p.add_argument("--gen", type=int, default=0, help="generation of the values")
    p.add_argument("--any-gen", action="store_true", help="any generation will do")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--prefix", help="of the keys")
    p.add_argument("--sizes", default="mix", help="mix, LOW-HIGH or N bytes")
    p.add_argument("--ttl", type=int, default=0)
    p.add_argument("--noreply", action="store_true")
    p.add_argument("--conns", type=int, default=2)
    p.add_argument("--batch", type=int, default=64, help="commands sent at once")
    p.add_argument("--keys", type=int, default=50, help="keys a get")
    p.add_argument("--window", type=int, default=4, help="gets in flight a connection")
    p.add_argument("--shuffle", action="store_true", help="read in random order")
    p.add_argument("--ops", type=int, default=1 << 40, help="commands of mixed")
    p.add_argument("--piece", type=int, default=7, help="bytes a piece of split")
    p.add_argument("--rate", type=float, default=1e6, help="bytes a second of reader and sender")
    p.add_argument("--seconds", type=float, default=120)
    p.add_argument("--timeout", type=float, default=30, help="for one answer")
    p.add_argument("--stop", help="mixed and churn end when this file exists")
    p.add_argument("--max-misses", type=int, default=0)
    p.add_argument("--min-misses", type=int, default=0)
    p.add_argument("--max-refused", type=int, default=0)
    p.add_argument("--max-lost", type=int, default=0)
    a = p.parse_args()
    a.misses_to = None
    a.timeout *= SLOWER
    if a.mode not in ("mixed", "churn"):    # that it takes, not that it goes on for
        a.seconds *= SLOWER
    t = Tally()
    start = time.monotonic()
    try:
        good = MODES[a.mode](a, t)
    except (Lost, Stalled, Wrong) as e:
        t.note("%s: %s" % (type(e).__name__, e), 99)
        t["broken"] = 1
        good = False
    for k in ("wrong", "misses", "hits", "lost", "refused"):
        t[k] = t[k]
    t["ms"] = int((time.monotonic() - start) * 1000)
    print("RESULT mode=%s good=%d " % (a.mode, good) +
          " ".join("%s=%s" % kv for kv in sorted(t.items())), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

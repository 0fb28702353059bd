#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Clients at the limits, and what their neighbours feel of it.

    limits.py HOST PORT LABEL CASE [--max-conns N] [--idle S] [--upload MIB]

Cases: max_conns idle uploads readers long answers hogs gone_hogs urgent pins halves garbage storm pipeline linger.
Prints `ok LABEL: NAME` and `not ok LABEL: NAME - reason`.
"""
import argparse
import os
import random
import select
import signal
import socket
import struct
import sys
import time

from objects import SLOWER, Conn, Lost, Objects, Stalled, stats

MIB = 1 << 20
# Longest time a bystander's command may take here; emulation is slow.
PATIENCE = 20 * SLOWER


def conn_slab():
    """(objects in use, bytes of one) of kfc_conn, but for those that a CPU or KASAN keeps"""
    with open("/sys/kernel/slab/kfc_conn/shrink", "w") as f:
        f.write("1")
    with open("/proc/slabinfo") as f:
        for line in f:
            if line.startswith("kfc_conn "):
                return int(line.split()[1]), int(line.split()[3])
    raise KeyError("kfc_conn")


def store(c, objects, count):
    for i in range(count):
        c.send(objects.set_cmd(i))
        c.line()


class Case:
    def __init__(self, a):
        self.a = a
        self.failed = 0
        self.o = Objects(41, "20-4000", "by-")
        self.by = None
        self.n = 0
        self.slowest = 0

    def is_(self, name, got, want=True):
        if got == want:
            print("ok %s: %s" % (self.a.label, name), flush=True)
        else:
            self.failed += 1
            print("not ok %s: %s - got %.200r, not %.120r" % (self.a.label, name, got, want),
                  flush=True)

    def conn(self, **kw):
        return Conn(self.a.host, self.a.port, PATIENCE, **kw)

    def stat(self, name):
        return int(stats(self.a.host, self.a.port).get(name, -1))

    def bystander(self):
        """A set and a get on a connection that was there before; True if right."""
        if self.by is None:
            self.by = self.conn()
        self.n += 1
        start = time.monotonic()
        try:
            self.by.send(self.o.set_cmd(self.n))
            good = self.by.line() == b"STORED"
            self.by.send(b"get %s\r\n" % self.o.key(self.n))
            good = self.by.starts(self.o.value_answer(self.n) + b"END\r\n") and good
        except (Lost, Stalled) as e:
            print("# bystander: %s" % e)
            self.by = None
            return False
        self.slowest = max(self.slowest, time.monotonic() - start)
        return good

    def bystanders(self, what, n=5):
        good = [self.bystander() for _ in range(n)]
        self.is_("another connection is served beside " + what, good, [True] * n)
        print("# slowest so far: %d ms" % (self.slowest * 1000))

    # ------------------------------------------------------------------

    def max_conns(self):
        n = self.a.max_conns
        conns = [self.conn() for _ in range(n)]
        self.is_("%d connections are served" % n,
                 sum(c.cmd(b"version").startswith(b"VERSION") for c in conns), n)
        more = []
        for _ in range(10):
            try:
                more.append(self.conn())
            except Lost:
                pass
        served = 0
        for c in more:
            try:
                c.send(b"version\r\n")
            except Lost:
                pass
        time.sleep(1)
        for c in more:
            try:
                c.line(0.01)
                served += 1
            except (Stalled, Lost):
                pass
        self.is_("more are not", served, 0)
        s = {}
        with open("/proc/kfatcache/stats") as f:
            for ln in f:
                k, v = ln.split(None, 1)
                s[k] = v.strip()
        self.is_("curr_connections stays at max_conns", int(s["curr_connections"]) <= n)
        self.is_("listen_disabled_num counts it", int(s["listen_disabled_num"]) >= 1)
        self.is_("accepting_conns says no", s["accepting_conns"], "0")
        self.is_("those that were there are served",
                 sum(c.cmd(b"version").startswith(b"VERSION") for c in conns), n)
        for c in conns[:20]:
            c.close()
        served, end = 0, time.monotonic() + PATIENCE
        for c in more:          # those that waited, or were closed and come again
            try:
                got = c.line(max(0.1, end - time.monotonic()))
            except (Lost, Stalled):
                got = None
            if got is None:
                try:
                    c.close()
                    c = self.conn()
                    got = c.cmd(b"version")
                except (Lost, Stalled):
                    continue
            served += got.startswith(b"VERSION")
        self.is_("when some are closed the next are", served, len(more))
        for c in conns[20:] + more:
            c.close()
        time.sleep(1)
        self.bystanders("nobody, after all were closed", 1)
        self.is_("accepting_conns says yes", self.stat("accepting_conns"), 1)

    def idle(self):
        t = self.a.idle
        sleepy = self.conn()
        sleepy.cmd(b"version")
        half = self.conn()
        half.send(b"get ab")
        self.bystander()
        start = time.monotonic()
        closed = {}
        while time.monotonic() - start < t * 3 + 8 * SLOWER and len(closed) < 2:
            self.bystander()
            for name, c in (("sleepy", sleepy), ("half", half)):
                if name not in closed and c.closed(0.3):
                    closed[name] = time.monotonic() - start
        self.is_("an idle connection is closed", "sleepy" in closed)
        self.is_("but not before its time", closed.get("sleepy", 0) > t - 1.5)
        self.is_("one that stops in a command, too", "half" in closed)
        print("# closed after %r s" % {k: round(v, 1) for k, v in closed.items()})
        self.bystanders("idle ones", 2)
        self.is_("idle_kicks counts them", self.stat("idle_kicks"), 2)

    def uploads(self):
        """More values on their way than upload_mb holds, all of them slow."""
        self.bystander()
        o = Objects(42, str(900000), "up-")
        n = self.a.upload + 6
        before = self.stat("kfc_uploads_evicted")
        slow = []
        for i in range(n):
            c = self.conn()
            slow.append([c, memoryview(o.set_cmd(i)), 0, ""])
        start = time.monotonic()
        answers = {}
        # half of them are much slower; those lose
        while time.monotonic() - start < 25 * SLOWER:
            for i, sl in enumerate(slow):
                c, mv, at, state = sl
                if state:
                    continue
                try:
                    step = 60000 if i % 2 else 20000
                    if at < len(mv) and (at < len(mv) - 200000 or i % 2):
                        sl[2] += c.s.send(mv[at:at + step])
                    d = c.s.recv(4096)
                    sl[3] = d.decode().strip() if d else "closed"
                except BlockingIOError:
                    continue
                except OSError:
                    sl[3] = "closed"
            if self.n < 40:
                answers[self.bystander()] = True
            if all(sl[3] for sl in slow[1::2]) and any(sl[3] == "closed" for sl in slow):
                break
            time.sleep(0.05)
        self.is_("another connection is served beside %d slow senders" % n, answers, {True: True})
        print("# slowest so far: %d ms" % (self.slowest * 1000))
        # The last of them may have been looked at just before it was closed.
        end = time.monotonic() + PATIENCE
        while True:
            evicted = self.stat("kfc_uploads_evicted") - before
            for sl in slow:
                if not sl[3] and sl[0].closed(0.05):
                    sl[3] = "closed"
            lost = sum(sl[3] == "closed" for sl in slow)
            if lost == evicted or time.monotonic() > end:
                break
        print("# of %d slow senders %d lost their connection, %d stored" % (
            n, lost, sum(sl[3] == "STORED" for sl in slow)))
        self.is_("some lose their connection", lost > 0)
        self.is_("kfc_uploads_evicted counts them", evicted, lost)
        good = self.conn()
        good.send(o.set_cmd(1000))
        self.is_("a whole value is stored beside them", good.line(), b"STORED")
        bad = 0
        for i, sl in enumerate(slow):
            sl[0].close()
            got = good.get(o.key(i))
            want = [(o.key(i),) + o.both(i) + (None,)] if sl[3] == "STORED" else []
            bad += got != want
        self.is_("what arrived is there, what did not is not", bad, 0)
        good.close()

    def readers(self):
        """Connections that ask for much and read nothing, then read it all."""
        self.bystander()
        o = Objects(43, "100000", "rd-")
        c = self.conn()
        store(c, o, 20)
        c.close()
        slow = [self.conn(rcvbuf=8192) for _ in range(10)]
        want = list(range(20)) * 5
        for s in slow:
            s.send(b"".join([b"get %s\r\n" % o.key(i) for i in want]))
        time.sleep(1)
        self.bystanders("10 that do not read", 10)
        good = 0
        for s in slow[:2]:
            good += all([s.starts(o.value_answer(i) + b"END\r\n") for i in want])
        self.is_("what they asked for is there when they read at last", good, 2)
        for s in slow:
            s.close()
        self.bystanders("those that went without reading", 3)

    def long(self):
        """Connections that ask for long values on the device and read nothing: more
        than may be held of them together."""
        small = Objects(45, "3000", "sm-")
        o = Objects(46, "1000000", "lo-")
        c = self.conn()
        store(c, small, 300)
        store(c, o, 48)
        # 8 pages for each of io_depth=4, and 4 of the longest values
        most = 8 * 4 + 4 * 320
        slow = [self.conn(rcvbuf=8192) for _ in range(30)]
        self.is_("more than may be read at once", len(slow) * 64 > most)
        for i, s in enumerate(slow):
            s.send(b"get %s\r\n" % o.key(i % 10))
        held = []
        good = 0
        for i in range(300):
            c.send(b"get %s\r\n" % small.key(i))
            good += c.starts(small.value_answer(i) + b"END\r\n")
            if i % 50 == 0:
                held.append(self.stat("kfc_read_pages"))
        print("# pages held: %r of %d" % (held, most))
        self.is_("who reads has what is on the device", good, 300)
        self.is_("no more is held than may be", max(held) <= most)
        good = sum(s.starts(o.value_answer(i % 10) + b"END\r\n") for i, s in enumerate(slow))
        self.is_("what they asked for is there when they read at last", good, len(slow))
        self.is_("no answer was cut", self.stat("kfc_answers_cut"), 0)
        self.is_("nothing is held for them any more", self.stat("kfc_read_pages"), 0)
        self.is_("parts were read", self.stat("kfc_device_reads") >
                 self.stat("kfc_device_hits") + 3 * 10)
        # Those that go without having read leave nothing.
        slow = [self.conn(rcvbuf=8192) for _ in range(10)]
        for i, s in enumerate(slow):
            s.send(b"get %s\r\n" % o.key(i))
        time.sleep(1)
        for s in slow:
            s.close()
        self.is_("nor when they went", self.all_gone("kfc_read_pages"), 0)

    def all_gone(self, name):
        """What is held for clients that went, after a while."""
        end = time.monotonic() + PATIENCE
        while self.stat(name) and time.monotonic() < end:
            time.sleep(0.2)
        return self.stat(name)

    def answers(self):
        """Connections that ask for many objects on the device and read nothing: each
        answer takes memory, however short it is."""
        o = Objects(48, "3000", "an-")
        fill = Objects(49, "1000000", "fi-")
        c = self.conn()
        store(c, o, 200)
        store(c, fill, 40)
        # 4 each, and what all share: twice io_depth=4, and one a thread
        most = 30 * 4 + 2 * 4 + self.stat("threads")
        slow = [self.conn(rcvbuf=4096) for _ in range(30)]
        want = list(range(200)) * 3
        ask = b"".join(b"get %s\r\n" % o.key(i) for i in want)
        for s in slow:
            s.send(ask)
        held = [0]
        end = time.monotonic() + PATIENCE
        while held[-1] < 30 * 4 and time.monotonic() < end:
            held.append(self.stat("kfc_answers_queued"))
        for _ in range(20):
            held.append(self.stat("kfc_answers_queued"))
        print("# answers queued: %r of %d" % (held[-20:], most))
        self.is_("each has as many as it may by itself", held[-1] >= 30 * 4)
        self.is_("and no more are queued than may be", max(held) <= most)
        c.send(b"".join(b"get %s\r\n" % o.key(i) for i in range(200)))
        good = sum(c.starts(o.value_answer(i) + b"END\r\n") for i in range(200))
        self.is_("who reads has what is on the device", good, 200)
        good = 0
        for s in slow[:3]:
            good += all([s.starts(o.value_answer(i) + b"END\r\n") for i in want])
        self.is_("what they asked for is there when they read at last", good, 3)
        for s in slow:
            s.close()
        self.is_("none is left when they went", self.all_gone("kfc_answers_queued"), 0)
        c.close()

    def hogs(self, more=b""):
        """Connections that ask for values in memory and read nothing, until sockets
        have so many pages of the log that sets find no place: they have to go."""
        o = Objects(50, "250000", "ho-")
        fill = Objects(51, "100000", "hf-")
        c = self.conn()
        n = 48
        store(c, o, n)
        slow = [self.conn(rcvbuf=4096) for _ in range(n)]
        for i, s in enumerate(slow):
            s.send(b"get %s\r\n" % o.key(i) + more)
        time.sleep(1)
        refused = in_a_row = i = 0
        end = time.monotonic() + 3 * PATIENCE
        while in_a_row < 100 and time.monotonic() < end:
            c.send(fill.set_cmd(i))
            i += 1
            ok = c.line() == b"STORED"
            refused += not ok
            # as many as go round the memory twice, behind the first that was refused
            in_a_row = in_a_row + 1 if ok and (refused or i > 1000) else 0
        print("# %d sets, %d refused; %d pages lent, %d closed" % (
            i, refused, self.stat("kfc_lent_pages"), self.stat("kfc_hogs_closed")))
        self.is_("they keep sets from their place", refused > 0)
        self.is_("until they are closed, and sets go on", in_a_row, 100)
        if not more:
            self.is_("kfc_hogs_closed counts them", self.stat("kfc_hogs_closed") > 0)
        for s in slow:
            s.close()

    def gone_hogs(self):
        """The same, by those who have said goodbye: closed, their sockets have the pages."""
        self.hogs(b"quit\r\n")

    def urgent(self):
        """Urgent data ends a receive, however much lies behind it."""
        good = 0
        for _ in range(100):
            c = self.conn()
            # The worker has something to do while the rest comes.
            c.send(b"version\r\n" * 40)
            c.send(b"mn\r\n")
            c.s.send(b"!", socket.MSG_OOB)
            c.send(b"version\r\n")
            good += all([c.line().startswith(b"VERSION ") for _ in range(40)]) and \
                c.line() == b"MN" and c.line().startswith(b"VERSION ")
            c.close()
        self.is_("what follows urgent data is answered", good, 100)

    def pins(self):
        """A client asks for more than is sent while it reads nothing, and then changes
        what has to be read first: the log goes round all the same."""
        o = Objects(47, "200000", "pi-")
        c = self.conn()

        def store(first, count):
            good = 0
            for i in range(first, first + count):
                c.send(o.set_cmd(i))
                good += c.line() == b"STORED"
            return good

        self.is_("objects are stored", store(0, 3), 3)
        self.is_("so many others that they are on the device alone", store(10, 40), 40)
        slow = [self.conn(rcvbuf=4096) for _ in range(3)]
        reads = self.stat("kfc_device_reads_modify")
        for cmd, s in zip((b"delete %s", b"touch %s 0", b"append %s 0 0 1\r\nx"), slow):
            s.send(b"get %s\r\n" % o.key(1) * 2 + cmd % o.key(2) + b"\r\n")
        time.sleep(1)
        self.is_("the log goes round twice", store(100, 200), 200)
        good = 0
        for s, answer in zip(slow, (b"DELETED", b"TOUCHED", b"STORED")):
            good += all(s.starts(o.value_answer(1) + b"END\r\n") for _ in range(2)) and \
                s.line() in (answer, b"NOT_FOUND", b"NOT_STORED")
        self.is_("what they asked for is there when they read at last", good, len(slow))
        self.is_("they had to be read", self.stat("kfc_device_reads_modify") > reads)

    def halves(self):
        self.bystander()
        conns = [self.conn() for _ in range(200)]
        parts = [(b"get by-nothing", b"\r\n", b"END"), (b"version", b"\r\n", b"VERSION "),
                 (b"set h 0 0 5\r\nab", b"cde\r\n", b"STORED"),
                 (b"set h 0 0 5", b"\r\nabcde\r\n", b"STORED"),
                 (b"set h 0 0 5\r\nabcde\r", b"\n", b"STORED"),
                 (b"delete", b" by-nothing\r\n", b"NOT_FOUND"), (b"", b"mn\r\n", b"")]
        for i, c in enumerate(conns):
            c.send(parts[i % 7][0])
        time.sleep(0.5)
        self.bystanders("200 half commands", 10)
        bad = 0
        for i, c in enumerate(conns):
            if i % 7 == 6:
                continue
            c.send(parts[i % 7][1])
            bad += not c.line().startswith(parts[i % 7][2])
        self.is_("the other halves complete them", bad, 0)
        for c in conns:
            c.close()
        # a line that never ends
        c = self.conn()
        try:
            c.send(b"x" * 100000, 10 * SLOWER)
            got = c.line()
        except Lost:
            got = b"closed"
        except Stalled:
            got = b"nothing"
        self.is_("a line without an end is refused", got in (b"closed", b"ERROR") or
                 got.startswith((b"CLIENT_ERROR", b"SERVER_ERROR")))
        c.close()
        c = self.conn()
        for _ in range(30):
            c.send(b"get " + b" ".join([b"%d" % i * 20 for i in range(100)]) + b"\r\n")
        self.is_("long lines of keys are not", [c.values() for _ in range(30)], [[]] * 30)
        c.close()

    def garbage(self):
        self.bystander()
        rnd = random.Random(7)
        words = (b"get ", b"set k 0 0 10\r\n", b"\r\n", b"\n", b" ", b"a" * 300, b"set ", b"incr k 1",
                 b"gets", b"\0", b"cas k 0 0 3 9\r\n", b"noreply", b"-1", b"4294967296", b"delete k",
                 b"\x80\0\0\x05", b"touch ", b"gat 0 k", b"append k 0 0 5\r\n", b"99999999999999999999")
        good = {}
        for i in range(50):
            try:
                c = self.conn()
                if i % 2:
                    data = rnd.randbytes(100000)
                else:
                    data = b"".join([rnd.choice(words) for _ in range(20000)])[:100000]
                c.send(data, 10 * SLOWER)
                if i % 5 == 0:
                    c.closed(0.2)
                c.close()
            except (Lost, Stalled):
                pass
            good[self.bystander()] = True
        self.is_("another connection is served beside 50 with garbage", good, {True: True})
        print("# slowest so far: %d ms" % (self.slowest * 1000))
        c = self.conn()
        c.send(b"\x80\x0b\0\0\0\0\0\0" + b"\0" * 16)
        try:
            got = c.line(5 * SLOWER)
        except Stalled:
            got = b"nothing"
        except Lost:
            got = b"closed"
        print("# a binary header gets: %r" % got[:40])
        self.is_("a binary header does not hang", got != b"nothing" or self.bystander())
        c.close()

    def storm(self):
        """Connections that come and go, in every state; what they had goes with them."""
        def kept():
            return conn_slab()[0], self.stat("kfc_connection_bytes")
        self.bystander()
        before, most = kept(), 0
        for i in range(10):
            conns = [self.conn() for _ in range(40)]
            for j, c in enumerate(conns):
                c.send([b"", b"get st", b"set st 0 0 9\r\nabc", b"version\r\n" * 20,
                        b"mn\r\nget by-1 by-2\r\n"][j % 5])
            most = max(most, self.stat("curr_connections"))
            for j, c in enumerate(conns):
                if j % 3 == 0:
                    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                c.close()
        end = time.monotonic() + PATIENCE
        # the second is who asks
        while (counted := self.stat("curr_connections")) > 2 and time.monotonic() < end:
            time.sleep(0.05)
        after = kept()
        print("# at most %d at once; kfc_conn objects, kfc_connection_bytes: %r before, %r after"
              % (most, before, after))
        self.is_("of 400 connections none is counted still", counted, 2)
        self.is_("kmemcached's client structures: freed with their connections",
                 after[0] - before[0] < 200)
        self.is_("kmemcached's client structures: and their buffers", after[1] <= before[1] + 65536)
        self.bystanders("400 connections that went away", 2)

    def pipeline(self):
        """100,000 gets in one go, and not a byte read; memory stays bounded."""
        def available():
            with open("/proc/meminfo") as f:
                for ln in f:
                    if ln.startswith("MemAvailable"):
                        return int(ln.split()[1])
        self.bystander()
        v = self.o.pool[:600]
        c = self.conn()
        self.is_("stored", c.cmd(b"set pl 0 0 600\r\n" + v), b"STORED")
        c.close()
        before = available()
        c = self.conn()
        data = b"get pl\r\n" * 100000
        at, still = 0, time.monotonic()
        low = before
        while at < len(data) and time.monotonic() - still < 3:
            try:
                n = c.s.send(data[at:at + 65536])
                at += n
                still = time.monotonic()
            except BlockingIOError:
                time.sleep(0.05)
                low = min(low, available())
        low = min(low, available())
        print("# %d of %d bytes taken, MemAvailable down by %d kB" % (at, len(data), before - low))
        self.is_("memory stays bounded", before - low < 32768)
        self.bystanders("a client that does not read", 10)
        answer = b"VALUE pl 0 600\r\n" + v + b"\r\nEND\r\n"
        end = time.monotonic() + 60
        good, chunk = 0, answer * 100
        os.set_blocking(c.s.fileno(), False)
        while good < 100000 and time.monotonic() < end:
            while at < len(data):
                try:
                    at += c.s.send(data[at:at + 65536])
                except BlockingIOError:
                    break
            if not c.starts(chunk):
                break
            good += 100
        if good < 100000 and time.monotonic() >= end:
            print("# read %d answers in 60 s, the rest is left" % good)
            good = 100000
        self.is_("when it reads at last each answer is right", good, 100000)
        c.close()
        self.bystanders("one that went away", 2)

    def linger(self):
        """Connections in every state that a module may be unloaded under."""
        o = Objects(44, "90000", "li-")
        conns = [self.conn() for _ in range(12)]
        conns[0].send(o.set_cmd(1))
        conns[0].line()
        for i, c in enumerate(conns):
            c.send([b"", b"get li", b"set a 0 0 100000\r\n" + b"x" * 50000, b"version\r\n",
                    b"get " + b" ".join([o.key(1)] * 80) + b"\r\n", b"set a 0 0 5\r\nabc"][i % 6])
        print("ready", flush=True)
        end = time.monotonic() + 60 * SLOWER
        open_ = set(conns)
        while open_ and time.monotonic() < end:
            for c in list(open_):
                if select.select([c.s], [], [], 0)[0]:
                    try:
                        if not c.s.recv(1 << 20):
                            open_.discard(c)
                    except OSError:
                        open_.discard(c)
            time.sleep(0.01)
        self.is_("all were closed", len(open_), 0)


def run(cases, seconds, options):
    """HOST PORT LABEL CASE [OPTION...]: that method of the class; returns the exit code."""
    p = argparse.ArgumentParser()
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("label")
    p.add_argument("case")
    for name, default in options.items():
        p.add_argument(name, type=type(default), default=default)
    a = p.parse_args()
    signal.alarm(seconds * SLOWER)
    c = cases(a)
    try:
        getattr(c, a.case)()
    except (Lost, Stalled, OSError) as e:
        c.failed += 1
        print("not ok %s: %s - %s: %s" % (a.label, a.case, type(e).__name__, e), flush=True)
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(run(Case, 200, {"--max-conns": 50, "--idle": 2, "--upload": 4}))

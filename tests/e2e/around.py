#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What happens around a server: links that go and lose, a clock that jumps, bytes that change.

    around.py HOST PORT LABEL CASE [--netns PATH] [--link NAME] [--far ADDRESS] [--file PATH]

Cases: halfopen lossy slowly clock changing changed. The first two have their clients in the
network namespace --netns, whose end of a link is --link, and ask at --far; what the
fifth stored is in --file, for the last. Prints `ok LABEL: NAME` and `not ok LABEL: NAME -
reason`.
"""
import ctypes
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from crowd import ASK, Crowd, Plain, wait_for
from limits import PATIENCE, conn_slab, run
from objects import Conn, Objects

PARAMETERS = "/sys/module/kfatcache/parameters/"
CLONE_NEWNET = 0x40000000
DAY = 86400
# What an object with so many seconds to live may be early or late: whole ones count, and
# which second it is at the server is known but to one.
EARLY, LATE = 2, 2


def boottime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Around(Crowd):
    def netns(self, path):
        """What this thread opens from now on lies there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(path) as f:
            if libc.setns(f.fileno(), CLONE_NEWNET):
                e = ctypes.get_errno()
                raise OSError(e, "setns %s: %s" % (path, os.strerror(e)))

    def link(self, how):
        subprocess.run(["ip", "link", "set", self.a.link, how], check=True)

    # ------------------------------------------------------------------

    def halves(self, n):
        """Connections that stop anywhere: said nothing, in a command, in a value, not reading."""
        o = Objects(70, "100000", "ha-")
        conns = [Plain((self.a.far, self.a.port), rcvbuf=8192) for _ in range(4 * n)]
        conns[0].ask(o.set_cmd(0))
        good = conns[0].answer(b"STORED\r\n")
        for i, c in enumerate(conns):
            c.ask([ASK, b"get ha-", o.set_cmd(1)[:50000], b"get %s\r\n" % o.key(0) * 3][i % 4])
        good &= all(c.answer() for c in conns[::4])
        self.is_("%d connections over the link" % len(conns), good)
        return conns

    def halfopen(self):
        """The link goes; nobody says so to either end."""
        n = 25
        self.bystander()
        self.netns(self.a.netns)
        conns = self.halves(n)
        self.is_("values are on their way",
                 wait_for(lambda: self.stat("kfc_upload_bytes") >= n * 50000))
        kicks = self.stat("idle_kicks")
        self.link("down")
        self.bystanders("%d whose link is down" % len(conns), 10)
        self.is_("they count", self.stat("curr_connections"), len(conns) + 1)
        with open(PARAMETERS + "idle_timeout", "w") as f:
            f.write("2")

        def gone():
            return self.bystander() and self.stat("curr_connections") == 1
        self.is_("idle_timeout ends them", wait_for(gone))
        with open(PARAMETERS + "idle_timeout", "w") as f:
            f.write("0")
        self.is_("idle_kicks counts them", self.stat("idle_kicks") - kicks, len(conns))
        self.is_("their uploads end", self.stat("kfc_upload_bytes"), 0)
        self.is_("their structures are freed", wait_for(lambda: conn_slab()[0] == 1))
        self.link("up")
        again = self.halves(n)
        self.bystanders("them", 2)
        for c in conns:
            c.close()
        self.link("down")
        print("# %d are left for rmmod" % len(again), flush=True)
        # until the module has closed them, so that they are open when it does
        end = time.monotonic() + 3 * PATIENCE
        while os.path.exists(PARAMETERS) and time.monotonic() < end:
            time.sleep(0.05)
        self.link("up")

    def lossy(self):
        """Large answers, and quit behind them, over a link that loses."""
        self.bystander()
        self.netns(self.a.netns)
        o = Objects(71, "200000", "lo-")
        self.by = None
        c = Conn(self.a.far, self.a.port, 6 * PATIENCE)
        c.send(b"".join([o.set_cmd(i) for i in range(8)]))
        self.is_("stored over the link", c.starts(b"STORED\r\n" * 8))
        conns = []
        for i in range(8):
            conns.append(Plain((self.a.far, self.a.port)))
            conns[i].ask(b"get %s\r\nquit\r\n" % o.key(i))
        self.ends(conns, [o.value_answer(i) + b"END\r\n" for i in range(8)], 10 * PATIENCE)
        c.close()

    def slowly(self):
        """quit behind a large answer, which is read for longer than a closing connection may rest."""
        # much more than its socket holds
        o = Objects(74, "900000", "sl-")
        c = self.conn()
        c.send(o.set_cmd(1))
        self.is_("stored", c.line(), b"STORED")

        k = Plain(self.address, rcvbuf=4096)
        port = ":%d" % k.s.getsockname()[1]

        def closing():
            """Is it? Others may be, too."""
            s = c_stats(c, b" conns")
            return any(s[name[:-4] + "state"] == "conn_closing" for name in s
                       if name.endswith(":addr") and s[name].endswith(port))
        k.ask(b"get %s\r\nquit\r\n" % o.key(1))
        want, got = o.value_answer(1) + b"END\r\n", b""
        while not closing() and len(got) < len(want):
            got += k.s.recv(4096)
        print("# %d of %d bytes when quit was seen" % (len(got), len(want)))
        start = time.monotonic()
        while time.monotonic() - start < 13:
            time.sleep(0.5)
            got += k.s.recv(1000)
        self.is_("it is still closing", closing())
        while part := k.s.recv(65536):
            got += part
        self.is_("the answer is whole", len(got) == len(want) and got == want)
        k.close()
        c.close()

    def ends(self, conns, want, seconds):
        """Each answer comes whole, and then the end of the stream, not a reset."""
        got = [bytearray() for _ in conns]
        how = [None] * len(conns)
        p = select.poll()
        for c in conns:
            p.register(c.s, select.POLLIN)
        of = {c.s.fileno(): i for i, c in enumerate(conns)}
        end = time.monotonic() + seconds
        while None in how and time.monotonic() < end:
            for fd, _ in p.poll(1000):
                i = of[fd]
                try:
                    part = conns[i].s.recv(65536)
                except OSError as e:
                    how[i] = str(e)
                else:
                    got[i] += part
                    if not part:
                        how[i] = "the end"
                if how[i]:
                    p.unregister(fd)
        for i, g in enumerate(got):
            if g != want[i] and want[i].startswith(g):
                print("# %d: %d of %d bytes, then %s" % (i, len(g), len(want[i]), how[i]))
        self.is_("every answer is whole", [g == w for g, w in zip(got, want)], [True] * len(want))
        self.is_("then the stream ends", how, ["the end"] * len(conns))
        for c in conns:
            c.close()

    # ------------------------------------------------------------------

    def clock(self):
        """Steps of the clock, there and back, while objects expire."""
        c = self.conn()
        o = Objects(72, "200-3000", "cl-")
        wall, boot = time.time(), boottime()
        self.cache = int(c_stats(c)["time"])
        self.since = boot
        self.c, self.o = c, o
        self.wrong = []
        try:
            self.expiring()
        finally:
            time.clock_settime(time.CLOCK_REALTIME, wall + boottime() - boot)
        c.close()

    def put(self, what, first, count, seconds, absolute=False):
        """Store objects that live so long. Returns what `look` wants to know of them."""
        data = []
        before = boottime()
        # its own clock is what counts, not the machine's
        ttl = self.now() + seconds if absolute else seconds
        for i in range(first, first + count):
            value = self.o.value(i)
            data.append(b"set %s 0 %d %d\r\n%s\r\n" % (self.o.key(i), ttl, len(value), value))
        self.c.send(b"".join(data))
        if not self.c.starts(b"STORED\r\n" * count):
            self.wrong.append("%s: not stored" % what)
        return [what, range(first, first + count), before, boottime(), seconds]

    def now(self):
        return self.cache + int(boottime() - self.since)

    def look(self, group):
        """How many are there; each of them has its bytes, none is early and none late."""
        what, which, first, last, seconds = group
        before = boottime()
        got = {k: v for k, _, v, _ in self.c.get(*[self.o.key(i) for i in which])}
        after = boottime()
        self.wrong += [what + ": another value" for i in which
                       if got.get(self.o.key(i), self.o.value(i)) != self.o.value(i)]
        if len(got) < len(which) and after < first + seconds - EARLY:
            self.wrong.append("%s: %d of %d after %.1f s" % (what, len(got), len(which), after - first))
        if got and before > last + seconds + LATE:
            self.wrong.append("%s: %d still after %.1f s" % (what, len(got), before - last))
        return len(got)

    def step(self, seconds):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        before, cache, after = self.now(), int(c_stats(self.c)["time"]), self.now()
        if not before - 1 <= cache <= after + 1:
            self.wrong.append("time: %d, not %d" % (cache, after))

    def expiring(self):
        life = 4
        long = [self.put("for long", 0, 400, 600)]
        short = [self.put("for %d s" % life, 1000, 50, life),
                 self.put("until a time", 1100, 20, life, True)]
        self.step(DAY)
        short.append(self.put("for %d s, a day ahead" % life, 1200, 50, life))
        short.append(self.put("until a time, a day ahead", 1300, 20, life, True))
        long.append(self.put("for long, a day ahead", 500, 50, 600))
        self.step(-2 * DAY)
        short.append(self.put("for %d s, a day behind" % life, 1400, 50, life))
        long.append(self.put("for long, a day behind", 600, 50, 600))
        self.is_("stored while the clock steps", self.wrong, [])
        rounds, end = 0, boottime() + life + PATIENCE
        while boottime() < end:
            rounds += 1
            self.step([DAY, -DAY, 1, 3600, -3601, 2 * DAY, -2 * DAY][rounds % 7])
            for g in long:
                self.look(g)
            if not any([self.look(g) for g in short]):
                break
            time.sleep(0.2)
        print("# %d steps" % (rounds + 2))
        self.is_("nothing is early, nothing late, its time goes on", self.wrong, [])
        self.is_("what was to expire has", [self.look(g) for g in short], [0] * len(short))
        self.step(-30 * DAY)
        self.is_("a month back: it stays away", [self.look(g) for g in short], [0] * len(short))
        self.is_("what was not is there", [self.look(g) for g in long], [400, 50, 50])
        self.step(60 * DAY)
        self.is_("a month ahead: it still is", [self.look(g) for g in long], [400, 50, 50])
        self.is_("and is what it was", self.wrong, [])

    # ------------------------------------------------------------------

    def changing(self):
        """The pages of a client's commands change while they are under way."""
        self.bystander()
        size = 300000
        with open("/dev/shm/changing", "w+b") as f:
            f.truncate(size)
            m = mmap.mmap(f.fileno(), size)
            texts = [self.text(size, b"x", 250000), self.text(size, b"y", 200000)]
            m[:] = texts[0]
            child = os.fork()
            if not child:
                try:
                    while os.getppid() != 1:
                        for t in texts:
                            m[:] = t
                finally:
                    os._exit(0)
            try:
                kept = self.values(f)
                self.commands(f, size)
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                m.close()
                os.unlink(f.name)
        with open(self.a.file, "w") as f:
            json.dump({k.decode(): v.decode() for k, v in kept.items()}, f)

    def changed(self):
        """After a restart: what was stored then is what is there, by its checksums, too."""
        with open(self.a.file) as f:
            kept = json.load(f)
        c = self.conn()
        self.is_("they are the same", [k for k, v in kept.items()
                                       if [g[2] for g in c.get(k.encode())] != [v.encode()]], [])
        self.is_("they came from the device", self.stat("kfc_device_hits"), len(kept))
        c.close()
        self.is_("no checksum failed", [self.stat("kfc_checksum_failures_" + what)
                                        for what in ("page", "header", "value", "summary")], [0] * 4)

    @staticmethod
    def text(size, letter, length):
        """A set of that letter, then gets of nothing."""
        head = b"set ch-%s 0 0 %d\r\n" % (letter, length)
        data = head + letter * length + b"\r\n"
        data += b"get none\r\n" * ((size - len(data)) // 10)
        return data + b"\n" * (size - len(data))

    def same_twice(self, c, key):
        """The value of a key, if two gets say the same of it."""
        a, b = (c.get(key) for _ in range(2))
        return a[0][2] if a and a == b else None

    def values(self, f):
        """Values from pages that change; returns what they were stored as."""
        c = self.conn()
        kept, bad, mixed = {}, [], 0
        at = 20000      # where both texts have nothing but their letter
        os.set_blocking(c.s.fileno(), True)
        for i in range(36):
            key, n = b"cv-%d" % i, (1000, 20000, 170000)[i % 3]
            c.s.sendall(b"set %s 0 0 %d\r\n" % (key, n))
            sent = 0
            while sent < n:
                sent += os.sendfile(c.s.fileno(), f.fileno(), at + sent, n - sent)
            c.s.sendall(b"\r\n")
            if c.line() != b"STORED":
                bad.append("%s: not stored" % key)
                continue
            value = self.same_twice(c, key)
            if value is None or len(value) != n or value.strip(b"xy"):
                bad.append(key)
            else:
                kept[key] = value
                mixed += 0 < value.count(b"x") < n
        os.set_blocking(c.s.fileno(), False)
        c.close()
        print("# %d of %d values changed on their way" % (mixed, len(kept)))
        self.is_("values: whatever was stored is what is there", bad, [])
        self.is_("values: some did change on their way", mixed > 0)
        return kept

    def commands(self, f, size):
        """Whole commands from pages that change: any answer will do, but for a wrong value."""
        c = self.conn()
        bad, answers = [], set()
        for i in range(12):
            k = Plain(self.address)
            sent = 0
            k.s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
            try:
                while sent < size:
                    sent += os.sendfile(k.s.fileno(), f.fileno(), sent, size - sent)
                k.s.shutdown(socket.SHUT_WR)
                got = b""
                while part := k.s.recv(65536):
                    got += part
                answers.add(got.split(b"\r\n", 1)[0][:30])
            except ConnectionError:     # closed for what came of it
                answers.add(b"reset")
            except OSError as e:
                bad.append("%d: %s" % (i, e))
            k.close()
            for key in (b"ch-x", b"ch-y"):
                there = c.get(key)
                value = self.same_twice(c, key)
                if there and (value is None or len(value) not in (250000, 200000)):
                    bad.append("%d: %s" % (i, key))
            if not self.bystander():
                bad.append("%d: another connection" % i)
        c.close()
        print("# answers: %s" % b", ".join(sorted(answers)).decode("latin-1"))
        self.is_("commands: each value is whole, others are served", bad, [])


def c_stats(c, what=b""):
    c.send(b"stats%s\r\n" % what)
    r = {}
    while (line := c.line()) != b"END":
        _, name, value = line.split(b" ", 2)
        r[name.decode()] = value.decode()
    return r


if __name__ == "__main__":
    sys.exit(run(Around, 400, {"--conns": 200, "--netns": "", "--link": "", "--far": "", "--file": ""}))

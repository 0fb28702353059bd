#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the store promises, asked one thing at a time over the text protocol.

    store.py HOST PORT LABEL SUITE... [--filler MIB] [--item-max BYTES]

Suites: basics expiry flush cas large resident. resident, and with --filler the
others too, first push their objects out to the device by storing so many MiB
of other objects. Prints `ok LABEL: NAME` and `not ok LABEL: NAME - reason`.
"""
import argparse
import sys
import time

from objects import SLOWER, Conn, Lost, Objects, Stalled, Wrong, stats

MIB = 1 << 20


class Suite:
    def __init__(self, a):
        self.a = a
        self.failed = 0
        self.c = Conn(a.host, a.port, 30 * SLOWER)
        self.fillers = 0

    def is_(self, name, got, want):
        if got == want:
            print("ok %s: %s" % (self.a.label, name), flush=True)
        else:
            self.failed += 1
            print("not ok %s: %s - got %.120r, not %.120r" % (self.a.label, name, got, want),
                  flush=True)

    def all(self, name, rows):
        """rows of (command, answer): one line of output for them all."""
        for data, want in rows:
            got = self.c.cmd(data)
            if got != want:
                self.is_("%s: %.60r" % (name, data), got, want)
                return
        self.is_(name, 1, 1)

    def set(self, key, value, ttl=0, flags=0):
        got = self.c.cmd(b"set %s %d %d %d\r\n%s" % (key, flags, ttl, len(value), value))
        if got != b"STORED":
            raise Wrong("set %r: %r" % (key, got))

    def value(self, key):
        """Its value, or None; Wrong where the answer holds anything else."""
        r = self.c.get(key)
        if not r:
            return None
        if len(r) != 1 or r[0][0] != key:
            raise Wrong("get %r: %r" % (key, [x[0] for x in r]))
        return r[0][2]

    def cas_of(self, key):
        r = self.c.get(key, verb=b"gets")
        return r[0][3] if r else None

    def stat(self, name):
        return int(stats(self.a.host, self.a.port).get(name, -1))

    def push(self):
        """Store --filler MiB of objects that nobody reads."""
        n = self.a.filler * MIB
        o = Objects(77, "20000-60000", "fill%d-" % self.fillers)
        self.fillers += 1
        i = 0
        while n > 0:
            data = b"".join([o.set_cmd(j) for j in range(i, i + 8)])
            self.c.send(data)
            for _ in range(8):
                ln = self.c.line()
                if ln != b"STORED" and not ln.startswith(b"SERVER_ERROR"):
                    raise Wrong("filler: %r" % ln)
            i += 8
            n -= len(data)

    def clear(self):
        self.c.cmd(b"flush_all")

    # ------------------------------------------------------------------

    def basics(self):
        self.clear()
        self.all("set, add, replace, append, prepend", [
            (b"set a 5 0 3\r\nabc", b"STORED"),
            (b"add a 0 0 1\r\nx", b"NOT_STORED"),
            (b"replace b 0 0 1\r\nx", b"NOT_STORED"),
            (b"append b 0 0 1\r\nx", b"NOT_STORED"),
            (b"prepend b 0 0 1\r\nx", b"NOT_STORED"),
            (b"append a 9 0 2\r\nde", b"STORED"),
            (b"prepend a 9 0 2\r\n01", b"STORED")])
        self.is_("their value and flags", self.c.get(b"a"), [(b"a", 5, b"01abcde", None)])
        self.all("add and replace", [
            (b"add b 0 0 2\r\nbb", b"STORED"), (b"replace b 7 0 3\r\nccc", b"STORED")])
        self.is_("multi-get", self.c.get(b"nope", b"b", b"a", b"b", b"nope2"), [
            (b"b", 7, b"ccc", None), (b"a", 5, b"01abcde", None), (b"b", 7, b"ccc", None)])
        self.all("incr and decr", [
            (b"set n 0 0 2\r\n10", b"STORED"), (b"incr n 5", b"15"), (b"decr n 20", b"0"),
            (b"incr n 18446744073709551615", b"18446744073709551615"), (b"incr n 2", b"1"),
            (b"incr nope 1", b"NOT_FOUND"), (b"decr nope 1", b"NOT_FOUND"),
            (b"incr a 1", b"CLIENT_ERROR cannot increment or decrement non-numeric value"),
            (b"incr n x", b"CLIENT_ERROR invalid numeric delta argument")])
        self.all("touch and delete", [
            (b"touch a 100", b"TOUCHED"), (b"touch nope 100", b"NOT_FOUND"),
            (b"delete a", b"DELETED"), (b"delete a", b"NOT_FOUND")])
        self.is_("deleted is gone", self.value(b"a"), None)
        self.c.send(b"gat 100 b nope\r\n")
        self.is_("gat", self.c.values(), [(b"b", 7, b"ccc", None)])
        self.c.send(b"gats 100 b nope\r\n")
        self.is_("gats", [x[:3] for x in self.c.values()], [(b"b", 7, b"ccc")])
        self.c.send(b"set q 0 0 1 noreply\r\n1\r\nincr q 4 noreply\r\nappend q 0 0 1 noreply\r\n0\r\n"
                    b"delete b noreply\r\ntouch q 50 noreply\r\nverbosity 1 noreply\r\nget q b\r\n")
        self.is_("noreply says nothing", self.c.values(), [(b"q", 0, b"50", None)])
        self.set(b"empty", b"", flags=4294967295)
        self.is_("an empty value, the largest flags", self.c.get(b"empty"),
                 [(b"empty", 4294967295, b"", None)])
        k = b"k" * 250
        self.set(k, b"v")
        self.is_("a key of 250 bytes", self.value(k), b"v")
        odd = b"\r\nEND\r\nVALUE x 0 1\r\n\0\xff"
        self.set(b"odd", odd)
        self.is_("bytes of every kind", self.value(b"odd"), odd)
        self.is_("version", self.c.cmd(b"version")[:8], b"VERSION ")
        self.all("errors leave the connection", [
            (b"bogus", b"ERROR"), (b"get", b"ERROR"),
            (b"set x 0 0 abc", b"CLIENT_ERROR bad command line format"),
            (b"verbosity 0", b"OK")])
        s = stats(self.a.host, self.a.port)
        missing = [n for n in (
            "pid uptime time version pointer_size rusage_user rusage_system max_connections "
            "curr_connections total_connections cmd_get cmd_set cmd_flush cmd_touch get_hits "
            "get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits "
            "decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses "
            "bytes_read bytes_written limit_maxbytes accepting_conns listen_disabled_num threads "
            "conn_yields bytes curr_items total_items evictions reclaimed").split() if n not in s]
        self.is_("memcached's counters are in stats", missing, [])
        q = Conn(self.a.host, self.a.port)
        q.send(b"quit\r\n")
        self.is_("quit closes", q.closed(10), True)
        q.close()

    def expiry(self):
        self.clear()
        now = time.time()
        start = time.monotonic()
        ttl = (2 if not self.a.filler else 10) * SLOWER
        self.set(b"e1", b"1", ttl)
        self.set(b"e2", b"2", int(now) + ttl)
        self.set(b"e3", b"3", ttl)
        self.set(b"e4", b"4", ttl)
        self.set(b"e5", b"5", 2592000)
        self.set(b"e6", b"6", 1000)
        self.set(b"e9", b"9", ttl)
        early = [b"1", b"2", b"3", b"4", b"5", b"6", b"9"]
        keys = [b"e1", b"e2", b"e3", b"e4", b"e5", b"e6", b"e9"]
        self.set(b"e7", b"7", -1)
        self.set(b"e8", b"8", 2592001)
        self.is_("a negative time and one long past expire at once",
                 [self.value(b"e7"), self.value(b"e8")], [None, None])
        self.c.cmd(b"touch e3 1000")
        self.c.send(b"gat 1000 e4\r\n")
        self.is_("gat before its time", self.c.values(), [(b"e4", 0, b"4", None)])
        self.c.cmd(b"touch e6 %d" % ttl)
        if self.a.filler:
            self.push()
        got = [self.value(k) for k in keys]
        if time.monotonic() - start < ttl - 1.2:
            self.is_("before its time all is there", got, early)
        else:
            print("# too slow to look before the time is over")
        if self.a.filler:
            self.push()
        time.sleep(max(0, start + ttl + 2.2 - time.monotonic()))
        self.is_("after it what expired is gone, what was touched is there",
                 [self.value(k) for k in keys], [None, None, b"3", b"4", b"5", None, None])
        self.all("commands on an expired key", [
            (b"touch e1 5", b"NOT_FOUND"), (b"incr e2 5", b"NOT_FOUND"),
            (b"append e6 0 0 1\r\nx", b"NOT_STORED"), (b"replace e6 0 0 1\r\nx", b"NOT_STORED"),
            (b"cas e9 0 0 1 1\r\nx", b"NOT_FOUND"), (b"delete e9", b"NOT_FOUND"),
            (b"add e1 0 0 1\r\nx", b"STORED")])
        self.is_("add after expiry", self.value(b"e1"), b"x")

    def flush(self):
        o = Objects(5, "20-2000", "fl-")
        n = 200
        keys = [o.key(i) for i in range(n)]

        def put(gen):
            self.c.send(b"".join([o.set_cmd(i, gen) for i in range(n)]))
            for _ in range(n):
                if self.c.line() != b"STORED":
                    raise Wrong("not stored")

        put(0)
        if self.a.filler:
            self.push()
        self.is_("before flush_all all is there", len(self.c.get(*keys)), n)
        before = self.stat("kfc_device_reads") if self.a.filler else 0
        self.is_("flush_all", self.c.cmd(b"flush_all"), b"OK")
        self.is_("after it all is gone", self.c.get(*keys), [])
        if self.a.filler:
            self.is_("flushed objects miss without a read",
                     self.stat("kfc_device_reads") - before, 0)
        put(1)
        self.is_("what is stored later stays", len(self.c.get(*keys)), n)
        if self.a.filler:
            self.push()
            self.is_("... when it comes from the device", len(self.c.get(*keys)), n)
        self.c.send(b"flush_all noreply\r\n")
        self.is_("flush_all noreply", self.c.get(*keys), [])
        put(2)
        wait = 3 * SLOWER
        self.is_("flush_all %d" % wait, self.c.cmd(b"flush_all %d" % wait), b"OK")
        start = time.monotonic()
        got = len(self.c.get(*keys))
        self.set(b"during", b"1")
        if time.monotonic() - start < wait - 1.2:
            self.is_("it waits", got, n)
        time.sleep(max(0, start + wait + 2.2 - time.monotonic()))
        self.is_("and takes what came before it fired", self.c.get(b"during", *keys), [])
        put(3)
        self.set(b"during", b"2")
        self.is_("and nothing that came after", len(self.c.get(b"during", *keys)), n + 1)
        bad = [g for g in self.c.get(*keys)
               if g[1:3] != o.both(keys.index(g[0]), 3)]
        self.is_("each with its last value", bad, [])
        self.c.cmd(b"flush_all 1000")
        self.is_("a later flush_all takes the place of a delayed one",
                 (self.c.cmd(b"flush_all"), self.c.get(*keys)), (b"OK", []))
        put(4)
        self.is_("... and what comes then stays", len(self.c.get(*keys)), n)

    def cas(self):
        self.set(b"c1", b"one", flags=3)
        self.set(b"c2", b"two")
        if self.a.filler:
            self.push()
        n1, n2 = self.cas_of(b"c1"), self.cas_of(b"c2")
        self.is_("numbers differ", n1 != n2 and n1 > 0 and n2 > 0, True)
        self.is_("and stay while nothing is changed", self.cas_of(b"c1"), n1)
        self.all("cas", [
            (b"cas c1 4 0 3 %d\r\nONE" % n2, b"EXISTS"),
            (b"cas c1 4 0 3 %d\r\nONE" % n1, b"STORED"),
            (b"cas c1 4 0 3 %d\r\nTWO" % n1, b"EXISTS"),
            (b"cas nope 0 0 1 1\r\nx", b"NOT_FOUND")])
        self.is_("the value is that of the one that won", self.c.get(b"c1"),
                 [(b"c1", 4, b"ONE", None)])
        for what in (b"set c2 0 0 1\r\n5", b"incr c2 1", b"append c2 0 0 1\r\n0",
                     b"replace c2 0 0 2\r\n70"):
            before = self.cas_of(b"c2")
            self.c.cmd(what)
            after = self.cas_of(b"c2")
            if before == after:
                self.is_("%r changes the number" % what, after, "another")
        self.is_("every change changes the number", self.value(b"c2"), b"70")
        n2 = self.cas_of(b"c2")
        self.c.cmd(b"delete c2")
        self.set(b"c2", b"again")
        self.is_("a number of a deleted value", self.c.cmd(b"cas c2 0 0 1 %d\r\nx" % n2), b"EXISTS")
        # many at once: of the clients that hold one number, one wins
        for rnd in range(20):
            conns = [Conn(self.a.host, self.a.port) for _ in range(4)]
            n = self.cas_of(b"c1")
            for i, c in enumerate(conns):
                c.send(b"cas c1 0 0 1 %d\r\n%d\r\n" % (n, i))
            r = [c.line() for c in conns]
            for c in conns:
                c.close()
            if sorted(r) != [b"EXISTS"] * 3 + [b"STORED"]:
                self.is_("one of four wins, round %d" % rnd, r, "one STORED")
                return
            if self.value(b"c1") != b"%d" % r.index(b"STORED"):
                self.is_("the winner's value, round %d" % rnd, self.value(b"c1"), r)
                return
        self.is_("one of four wins", 1, 1)

    def large(self):
        lim = self.a.item_max
        o = Objects(8, str(lim + 4096), "big-")
        v = o.value(1)
        key = b"big"
        too_large = b"SERVER_ERROR object too large for cache"

        def put(n):
            return self.c.cmd(b"set %s 1 0 %d\r\n%s" % (key, n, v[:n]), timeout=120 * SLOWER)

        low, high = lim - 1024, lim + 1     # the limit counts the header, as -I does
        if put(low) != b"STORED":
            self.is_("a value of %d bytes" % low, put(low), b"STORED")
            return
        while high - low > 1:
            mid = (low + high) // 2
            got = put(mid)
            if got == b"STORED":
                low = mid
            elif got == too_large:
                high = mid
            else:
                self.is_("a value of %d bytes" % mid, got, "STORED or too large")
                return
        print("# item_max %d: the largest value has %d bytes" % (lim, low))
        put(low)
        self.is_("the largest value", self.value(key) == v[:low], True)
        self.is_("one byte more", put(low + 1), too_large)
        self.is_("... took the older value with it", self.value(key), None)
        self.is_("... and the connection goes on", self.c.cmd(b"version")[:8], b"VERSION ")
        self.is_("item_max and a byte", put(lim + 1), too_large)
        self.c.send(b"set %s 0 0 %d noreply\r\n%s\r\n" % (key, lim + 1, v[:lim + 1]))
        self.is_("... with noreply", self.value(key), None)
        put(low)
        got = self.c.cmd(b"append %s 0 0 100\r\n%s" % (key, v[:100]))
        self.is_("append past the limit", got in (b"NOT_STORED", too_large), True)   # memcached: the first
        # several of every size around the limits of pages and chunks
        sizes = [4095, 4096, 4097, 65535, 65536, 131072, 262143, 262144, 262145, 524288,
                 700001, low - 1, low]
        sizes = [n for n in sizes if n <= low]
        for i, n in enumerate(sizes):
            self.c.cmd(b"set L%d 0 0 %d\r\n%s" % (i, n, v[i:n + i]), timeout=120 * SLOWER)
        if self.a.filler:
            self.push()
        bad = [n for i, n in enumerate(sizes) if self.value(b"L%d" % i) != v[i:n + i]]
        self.is_("values of %d sizes up to it" % len(sizes), bad, [])
        if self.a.filler:
            self.change(v)

    def change(self, v):
        """Commands that read all of a value, long ones too, before they change it."""
        rows = [(b"touch %s 0", b"TOUCHED", lambda was: was),
                (b"append %s 0 0 3\r\nabc", b"STORED", lambda was: was + b"abc"),
                (b"prepend %s 0 0 3\r\nabc", b"STORED", lambda was: b"abc" + was),
                (b"replace %s 0 0 3\r\nabc", b"STORED", lambda _: b"abc"),
                (b"delete %s", b"DELETED", lambda _: None)]
        todo = [(b"%s-%d" % (row[0].split()[0], n), v[i:n + i], *row)
                for i, n in enumerate((131072, 460000, 524288, 700001)) for row in rows]
        for key, was, *_ in todo:
            self.c.cmd(b"set %s 0 0 %d\r\n%s" % (key, len(was), was), timeout=120 * SLOWER)
        self.push()
        reads = self.stat("kfc_device_reads_modify")
        bad = []
        for key, was, cmd, answer, becomes in todo:
            got = self.c.cmd(cmd % key)
            if got != answer or self.value(key) != becomes(was):
                bad.append((key, got))
        self.is_("%d long values on the device changed" % len(todo), bad, [])
        self.is_("... each was read for that", self.stat("kfc_device_reads_modify") - reads,
                 len(todo))

    def resident(self):
        """Every command on objects that lie on the device."""
        n = 24
        keys = [b"r%d" % i for i in range(n)]
        big = Objects(9, "3000-9000", "res-").value(1)

        def fresh():
            for i, k in enumerate(keys):
                self.set(k, b"%d" % (1000 + i) if i % 2 else big + b"%d" % i, flags=i)
            self.push()
            return self.stat("kfc_device_reads") + self.stat("kfc_device_reads_modify")

        before = fresh()
        self.all("answers of changes to objects on the device", [
            (b"set r0 1 0 3\r\nnew", b"STORED"),
            (b"incr r1 5", b"1006"),
            (b"append r2 0 0 4\r\ntail", b"STORED"),
            (b"decr r3 3", b"1000"),
            (b"prepend r4 0 0 4\r\nhead", b"STORED"),
            (b"delete r5", b"DELETED"),
            (b"replace r6 60 0 3\r\nrep", b"STORED"),
            (b"add r7 0 0 1\r\nx", b"NOT_STORED"),
            (b"touch r8 1000", b"TOUCHED"),
            (b"cas r9 9 0 3 1\r\nbad", b"EXISTS"),
            (b"cas r10 10 0 3 %d\r\ncas" % self.cas_of(b"r10"), b"STORED"),
            (b"incr r12 1", b"CLIENT_ERROR cannot increment or decrement non-numeric value"),
            (b"touch r13 -1", b"TOUCHED"),
            (b"delete r5", b"NOT_FOUND")])
        want = {b"r0": (1, b"new"), b"r1": (1, b"1006"), b"r2": (2, big + b"2tail"),
                b"r3": (3, b"1000"), b"r4": (4, b"head" + big + b"4"), b"r5": None,
                b"r6": (60, b"rep"), b"r7": (7, b"1007"), b"r8": (8, big + b"8"),
                b"r9": (9, b"1009"), b"r10": (10, b"cas"), b"r12": (12, big + b"12"), b"r13": None,
                b"r14": (14, big + b"14")}
        def look(name):
            bad = []
            for k, w in want.items():
                got = self.c.get(k)
                if (got[0][1:3] if got else None) != w:
                    bad.append((k, got[0][1], got[0][2][-20:]) if got else (k, None))
            self.is_(name, bad, [])
        look("and what they left")
        after = self.stat("kfc_device_reads") + self.stat("kfc_device_reads_modify")
        self.is_("they came from the device", after - before >= 10, True)
        self.push()
        look("... and once it lies on the device itself")
        fresh()
        self.c.send(b"gat 1000 r1 r2\r\ngats 1000 r3\r\nincr r1 1\r\nget r1 r2 r3\r\n"
                    b"delete r2\r\nget r2 r3\r\nset r3 0 0 1\r\nz\r\nget r3 r4\r\n")
        r = [self.c.values(), self.c.values(), self.c.line(), self.c.values(), self.c.line(),
             self.c.values(), self.c.line(), self.c.values()]
        r[0] = [x[2] for x in r[0]]
        r[1] = [x[2] for x in r[1]]
        for i in (3, 5, 7):
            r[i] = [x[2] for x in r[i]]
        self.is_("a pipeline over them keeps its order", r, [
            [b"1001", big + b"2"], [b"1003"], b"1002", [b"1002", big + b"2", b"1003"], b"DELETED",
            [b"1003"], b"STORED", [b"z", big + b"4"]])
        # two connections, one object on the device
        fresh()
        conns = [Conn(self.a.host, self.a.port) for _ in range(4)]
        for c in conns:
            c.send(b"incr r11 1\r\n" * 25)
        got = sorted(int(c.line()) for c in conns for _ in range(25))
        for c in conns:
            c.close()
        self.is_("incr from four connections is atomic", got, list(range(1012, 1112)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("label")
    p.add_argument("suites", nargs="+")
    p.add_argument("--filler", type=int, default=0)
    p.add_argument("--item-max", type=int, default=MIB)
    a = p.parse_args()
    s = Suite(a)
    for name in a.suites:
        try:
            getattr(s, name)()
        except (Lost, Stalled, Wrong) as e:
            s.failed += 1
            print("not ok %s: %s - %s: %s" % (a.label, name, type(e).__name__, e), flush=True)
            s.c.close()
            s.c = Conn(a.host, a.port, 30 * SLOWER)
    return 1 if s.failed else 0


if __name__ == "__main__":
    sys.exit(main())

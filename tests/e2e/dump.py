#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
dump.py HOST PORT NAME WHAT...: lru_crawler metadump as clients see it. Prints "ok" and "not ok".

fill     store some thousand objects, and note what they are in /tmp/kfc-dump.json
lines    a dump is what was stored: keys, expiry, size, unique
words    refusals, and commands in front of and behind a dump
goes     clients that go away in the middle
two      one dump at a time; a client that takes nothing holds up nobody
load     dumps beside sets and deletes
begin    begin a dump, say "ready", take nothing more until the connection is closed
"""
import json
import random
import re
import socket
import sys
import threading
import time
import urllib.parse

from slower import SLOWER

HOST, PORT, NAME = sys.argv[1], int(sys.argv[2]), sys.argv[3]
NOTE = "/tmp/kfc-dump.json"
COUNT = 5000
BUSY = b"BUSY currently processing crawler request\r\n"
LINE = re.compile(rb"key=(\S+) exp=(-1|\d+) la=(\d+) cas=(\d+) fetch=(yes|no) cls=1 size=(\d+)")
bad = 0


def result(what, problem=""):
    global bad
    bad += bool(problem)
    print(f"not ok {NAME}: {what} - {problem}" if problem else f"ok {NAME}: {what}", flush=True)


def same(what, got, want):
    result(what, "" if got == want else f"got {str(got)[:200]}, not {str(want)[:200]}")


class Client:
    def __init__(self, rcvbuf=0):
        self.s = socket.socket()
        if rcvbuf:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.s.settimeout(30 * SLOWER)
        self.s.connect((HOST, PORT))
        self.f = self.s.makefile("rb", 1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.f.close()
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def line(self):
        return self.f.readline()

    def ask(self, data):
        self.send(data)
        return self.line()

    def until(self, end=b"END\r\n"):
        lines = []
        while True:
            line = self.line()
            if not line:
                raise OSError("closed in the middle")
            if line == end:
                return lines
            lines.append(line)

    def dump(self, what=b"all"):
        self.send(b"lru_crawler metadump %s\r\n" % what)
        return self.until()


def parse(lines):
    """key: (exp, la, cas, fetched, size), and what is wrong with the lines."""
    items = {}
    for line in lines:
        m = LINE.fullmatch(line[:-1])
        if not m or line[-2:] == b"\r\n":
            return items, f"a line {line!r}"
        key = urllib.parse.unquote_to_bytes(m[1])
        if key in items:
            return items, f"{key!r} twice"
        items[key] = (int(m[2]), int(m[3]), int(m[4]), m[5] == b"yes", int(m[6]))
    return items, ""


def sets(c, pairs):
    """(key, flags, exptime, length): stored in one go."""
    data = bytearray()
    for key, flags, exp, n in pairs:
        data += b"set %s %d %d %d noreply\r\n%s\r\n" % (key, flags, exp, n, b"v" * n)
        if len(data) > 1 << 19:
            c.send(data)
            data.clear()
    c.send(data + b"version\r\n")
    if not c.line().startswith(b"VERSION"):
        raise OSError("a set was refused")


def evicted_by_index(c):
    c.send(b"stats\r\n")
    stats = dict(line.split()[1:3] for line in c.until())
    for name in (b"evictions", b"store_no_memory", b"curr_items"):
        print("# %s %s" % (name.decode(), stats[name].decode()))
    return int(stats[b"kfc_evictions_index_full"]) + int(stats[b"kfc_evictions_tag"])


def fill():
    rnd = random.Random(5)
    want = {}
    now = int(time.time())
    with Client() as c:
        todo = []
        for i in range(COUNT):
            key = b"dump-%05d" % i
            if i % 50 == 0:
                key += b"/%d%%\xff~" % i
            n = rnd.randrange(20000, 60000) if i % 250 == 7 else rnd.randrange(3000)
            exp = now + rnd.randrange(1000, 100000) if i % 3 == 0 else 0
            flags = i % 4
            todo.append((key, flags, exp, n))
            want[key] = (exp or -1, 59 + len(key) + n + (4 if flags else 0))
        sets(c, [(k, 1, 0, 10) for k, *_ in todo[::4]])     # versions that are overwritten
        sets(c, todo)
        sets(c, [(b"short-%d" % i, 0, 1, 100) for i in range(200)])
        gone = [k for k, *_ in todo[5::20]]
        for k in gone:
            c.send(b"delete %s noreply\r\n" % k)
            del want[k]
        same("deletes", c.ask(b"version\r\n")[:7], b"VERSION")
        for k in list(want)[:100]:
            c.ask(b"mg %s\r\n" % k)
        # Where a set found no slot, or another key's tag is the same, one had to go.
        most = evicted_by_index(c)
        lost = [k for k in want if c.ask(b"me %s\r\n" % k) == b"EN\r\n"] if most else []
        for k in lost:
            del want[k]
        print("# %d evicted by the index, %d of them missed" % (most, len(lost)))
        result("no other is missing", "" if len(lost) <= most else f"{len(lost)} of {most}")
    time.sleep(2.2)     # the short ones
    with open(NOTE, "w", encoding="ascii") as f:
        json.dump({k.decode("latin1"): v for k, v in want.items()}, f)
    result(f"{len(want)} objects")


def noted():
    with open(NOTE, encoding="ascii") as f:
        return {k.encode("latin1"): tuple(v) for k, v in json.load(f).items()}


def lines():
    want = noted()
    with Client() as c:
        for what in (b"all", b"hash", b"1"):
            items, problem = parse(c.dump(what))
            result(f"metadump {what.decode()}: its lines", problem)
            same(f"metadump {what.decode()}: what was stored",
                 {k: (v[0], v[4]) for k, v in items.items()}, want)
        now = time.time()
        same("la is a time in the last minutes",
             [k for k, v in items.items() if not now - 300 < v[1] < now + 5], [])
        same("fetch=yes for what was fetched", {k for k, v in items.items() if v[3]},
             set(list(want)[:100]))
        some = list(want)[::97]
        got = [c.ask(b"mg %s c\r\n" % k) for k in some]
        same("cas is the unique", got, [b"HD c%d\r\n" % items[k][2] for k in some])


def words():
    with Client() as c:
        for line, answer in (
                (b"lru_crawler metadump", b"ERROR"), (b"lru_crawler metadump all x", b"ERROR"),
                (b"lru_crawler metadump 0", b"BADCLASS invalid class id"),
                (b"lru_crawler metadump foo", b"BADCLASS invalid class id"),
                (b"lru_crawler metadump 2,3", b"END"),
                (b"stats cachedump 1", b"CLIENT_ERROR bad command line"),
                (b"stats cachedump 64 0", b"CLIENT_ERROR Illegal slab id"),
                (b"stats cachedump 2 0", b"END")):
            same(line.decode(), c.ask(line + b"\r\n"), answer + b"\r\n")
        c.send(b"mn\r\nget nothing\r\nlru_crawler metadump all\r\nversion\r\nmn\r\n")
        same("commands before it", [c.line(), c.line()], [b"MN\r\n", b"END\r\n"])
        same("commands with it", len(c.until()), len(noted()))
        same("commands behind it", [c.line()[:7], c.line()], [b"VERSION", b"MN\r\n"])
        c.send(b"stats cachedump 1 7\r\n")
        got = c.until()
        same("a cachedump with a limit", len(got), 7)
        same("its lines", [x for x in got if not re.fullmatch(
            rb"ITEM (dump-\S+) \[\d+ b; \d+ s\]\r\n", x)], [])


def free(c, seconds=10 * SLOWER):
    """Wait until a dump is to be had; its first line."""
    end = time.monotonic() + seconds
    while True:
        line = c.ask(b"lru_crawler metadump all\r\n")
        if line != BUSY or time.monotonic() > end:
            return line
        time.sleep(0.02)


def goes():
    rnd = random.Random(6)
    wrong = []
    for i in range(25):
        with Client(rcvbuf=4096) as c:
            line = free(c)
            if not LINE.match(line):
                wrong.append(line)
            c.s.recv(rnd.choice((1, 3000, 60000)))
    same("25 clients that go in the middle", wrong, [])
    with Client() as c:
        lines = [free(c)] + c.until()
        items, problem = parse(lines)
        result("a dump after them", problem)
        same("... is whole", set(items), set(noted()))


def two():
    with Client(rcvbuf=4096) as slow, Client() as c:
        slow.send(b"lru_crawler metadump all\r\n")
        time.sleep(0.3)
        same("a second one", c.ask(b"lru_crawler metadump all\r\n"), BUSY)
        c.send(b"stats cachedump 1 10\r\n")
        same("a cachedump beside it", len(c.until()), 10)
        worst = 0
        for i in range(300):
            t = time.monotonic()
            if c.ask(b"set two 0 0 2\r\nab\r\n") != b"STORED\r\n" or \
                    c.ask(b"delete two\r\n") != b"DELETED\r\n":
                result("sets beside it", "refused")
                break
            worst = max(worst, time.monotonic() - t)
        result("others are served", "" if worst < 5 else f"one waited {worst:.1f} s")
        items, problem = parse(slow.until())
        result("the slow one's lines", problem)
        same("the slow one gets all", set(items), set(noted()))
        same("and then it is free again", len(c.dump()), len(items))


def load():
    want = noted()
    stop = threading.Event()
    errors = []
    ops = [0]

    def churn(seed):
        rnd = random.Random(seed)
        try:
            with Client() as c:
                while not stop.is_set():
                    sets(c, [(b"load-%d-%d" % (seed, rnd.randrange(1500)), 0, 0,
                              rnd.randrange(2000)) for _ in range(60)])
                    for _ in range(20):
                        c.ask(b"delete load-%d-%d\r\n" % (seed, rnd.randrange(1500)))
                    ops[0] += 80
        except OSError as e:
            errors.append(str(e))

    threads = [threading.Thread(target=churn, args=(i,)) for i in (1, 2)]
    for t in threads:
        t.start()
    try:
        with Client() as c:
            end, n = time.monotonic() + 4, 0
            while time.monotonic() < end or n < 3:
                items, problem = parse(c.dump())
                ours = {k: (v[0], v[4]) for k, v in items.items() if k.startswith(b"dump-")}
                if not problem and ours != want:
                    problem = f"{len(ours)} objects of {len(want)} that nobody changed"
                if problem:
                    break
                n += 1
    finally:
        stop.set()
        for t in threads:
            t.join()
    result(f"{n} dumps beside {ops[0]} sets and deletes", problem)
    result("more than a few", "" if ops[0] > 300 else f"{ops[0]}")
    same("the others", errors, [])
    with Client() as c:
        for seed in (1, 2):
            for i in range(1500):
                c.send(b"delete load-%d-%d noreply\r\n" % (seed, i))
        same("afterwards", parse(c.dump())[0].keys(), want.keys())


def begin():
    c = Client(rcvbuf=4096)
    c.send(b"lru_crawler metadump all\r\n")
    line = c.line()
    print("ready" if LINE.match(line) else f"! {line!r}", flush=True)
    time.sleep(2)
    try:
        while c.s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    print("closed", flush=True)


for word in sys.argv[4:]:
    try:
        globals()[word]()
    except OSError as problem:
        result(word, f"{problem}")
sys.exit(1 if bad else 0)

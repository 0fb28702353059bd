#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Clients by the hundred and the thousand, and what their neighbours feel of it.

    crowd.py HOST PORT LABEL CASE [--conns N]

Cases: crowd storm senders readers gigabytes. For `crowd` the module's max_conns is
--conns. Prints `ok LABEL: NAME` and `not ok LABEL: NAME - reason`.
"""
import glob
import os
import resource
import select
import socket
import struct
import sys
import time

from limits import PATIENCE, Case, conn_slab, run
from nosocket import NoSockets
from objects import MIB, Objects

RESET = struct.pack("ii", 1, 0)
# An address has some 28,000 ports to connect from.
CONNS_OF_ADDRESS = 20000
MORE = 200              # than max_conns
WITHOUT = 50            # while there are no sockets
ASK = b"version\r\n"


def numbers(path, name):
    """Behind that name, each time it is there."""
    with open(path) as f:
        return [int(line.split()[1]) for line in f if line.strip().startswith(name + ":")]


def meminfo(name):
    """kB"""
    return numbers("/proc/meminfo", name)[0]


def slabs():
    """kB; without what KASAN keeps of freed objects until their cache is shrunk"""
    if os.path.exists("/sys/kernel/debug/kmemleak"):
        for path in glob.glob("/sys/kernel/slab/*/shrink"):
            with open(path, "w") as f:
                f.write("1")
    return meminfo("Slab")


def available():
    """kB; with the pages in lists of a CPU, which the kernel counts neither as free nor so"""
    return meminfo("MemAvailable") + 4 * sum(numbers("/proc/zoneinfo", "count"))


def wait_for(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def readable(sockets, ms=0):
    """How many; select() knows no more than 1,024 descriptors."""
    p = select.poll()
    for s in sockets:
        p.register(s, select.POLLIN)
    return len(p.poll(ms))


class Plain:
    """A connection that takes little: a blocking socket."""

    def __init__(self, address, n=0, rcvbuf=0):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
        if rcvbuf:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if n >= CONNS_OF_ADDRESS:
            self.s.setsockopt(socket.SOL_IP, 24, 1)     # IP_BIND_ADDRESS_NO_PORT
            self.s.bind(("127.0.0.%d" % (1 + n // CONNS_OF_ADDRESS), 0))
        self.s.connect(address)

    def ask(self, data=ASK):
        self.s.sendall(data)

    def answer(self, want=None):
        """Whether that comes, or a version."""
        got = b""
        try:
            while want is None and not got.endswith(b"\r\n") or \
                    want is not None and len(got) < len(want):
                part = self.s.recv(65536)
                if not part:
                    return False
                got += part
        except OSError:
            return False
        return got == want if want is not None else got.startswith(b"VERSION ")

    def close(self, reset=False):
        if reset:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.s.close()


class Crowd(Case):
    def __init__(self, a):
        super().__init__(a)
        self.address = (a.host, a.port)
        resource.setrlimit(resource.RLIMIT_NOFILE, (a.conns + 1000, a.conns + 1000))

    def stat(self, name):
        """Without a connection: there may be none to be had."""
        with open("/proc/kfatcache/stats") as f:
            for line in f:
                if line.startswith(name + " "):
                    return int(line.split()[1])
        return -1

    def open(self, n, first=0):
        """That many, a hundred at a time; each is served."""
        conns, served = [], 0
        for i in range(0, n, 100):
            some = [Plain(self.address, first + j) for j in range(i, min(i + 100, n))]
            for c in some:
                c.ask()
            served += sum(c.answer() for c in some)
            conns += some
        return conns, served

    def crowd(self):
        """max_conns connections, no more, some of them gone, no sockets, all gone."""
        self.bystander()
        slab = slabs()
        n = self.a.conns - 1
        conns, served = self.open(n)
        self.is_("%d more connections are served" % n, served, n)
        grown = slabs() - slab
        own, size = self.stat("kfc_connection_bytes"), conn_slab()[1]
        print("# memory an idle connection: %d bytes of the module's, %d with the sockets of both "
              "ends" % (own / self.a.conns, grown * 1024 / n))
        # beside them the workers keep some pages for answers
        self.is_("an idle one has no buffers", own <= self.a.conns * size + 262144)
        self.others_sockets()
        o = Objects(60, "20-300", "cr-")
        good = 0
        for at in range(0, n, 100):
            some = range(at, min(at + 100, n))
            for i in some:
                conns[i].ask(o.set_cmd(i) + b"get %s\r\n" % o.key(i))
            good += sum(conns[i].answer(b"STORED\r\n" + o.value_answer(i) + b"END\r\n")
                        for i in some)
        self.is_("each stores its object and has it back", good, n)
        self.bystanders("%d others" % n, 10)
        conns = self.full(conns)
        conns = self.without(conns)
        self.go(conns)
        if not wait_for(lambda: slabs() - slab < grown / 4):
            print("# %d kB of slabs more than before, it was %d" % (slabs() - slab, grown))
            self.is_("their memory comes back", False)
        self.is_("none is counted still", self.stat("curr_connections"), 1)
        self.is_("their structures are freed", wait_for(lambda: conn_slab()[0] == 1))
        self.bystanders("nobody, after all were closed", 3)

    def others_sockets(self):
        """The machine's sockets still work: TCP and UDP that are not ours."""
        data = self.o.pool[:MIB]
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            a = socket.create_connection(listener.getsockname())
            b = listener.accept()[0]
        got = bytearray()
        a.setblocking(False)
        sent = 0
        end = time.monotonic() + PATIENCE
        while len(got) < len(data) and time.monotonic() < end:
            if sent < len(data):
                try:
                    sent += a.send(data[sent:sent + 65536])
                except BlockingIOError:
                    pass
            if readable([b], 100):
                got += b.recv(262144)
        a.close()
        b.close()
        self.is_("the machine's other sockets work: TCP", got == data)
        with socket.socket(type=socket.SOCK_DGRAM) as b, \
                socket.socket(type=socket.SOCK_DGRAM) as a:
            b.bind(("127.0.0.1", 0))
            b.settimeout(PATIENCE)
            a.sendto(data[:8000], b.getsockname())
            self.is_("the machine's other sockets work: UDP", b.recv(9000) == data[:8000])

    def none_answered(self, conns):
        """After the bystander's commands none of these has been."""
        self.bystanders("those that wait", 10)
        return not readable([c.s for c in conns])

    def full(self, conns):
        """At max_conns: more wait, until some of those that were there go."""
        before = self.stat("listen_disabled_num")
        more = [Plain(self.address) for _ in range(MORE)]
        for c in more:
            c.ask()
        self.is_("full: it says so", wait_for(lambda: self.stat("accepting_conns") == 0))
        self.is_("full: counted", self.stat("listen_disabled_num"), before + 1)
        self.is_("full: more are not served", self.none_answered(more))
        self.is_("full: nor counted", self.stat("curr_connections"), self.a.conns)
        for c in conns[:MORE]:
            c.ask()
        self.is_("full: those that were there are", all(c.answer() for c in conns[:MORE]))
        for c in conns[:MORE]:
            c.close()
        self.is_("full: when some go the others are served", sum(c.answer() for c in more), MORE)
        self.is_("full: and all places are taken again", self.stat("curr_connections"), self.a.conns)
        conns = conns[MORE:] + more
        for c in conns[:2 * WITHOUT]:
            c.close()
        conns = conns[2 * WITHOUT:]
        for c in conns[:10]:
            c.ask()
        self.is_("full: below it all are served", all(c.answer() for c in conns[:10]))
        self.is_("full: no more", wait_for(lambda: self.stat("curr_connections") == len(conns) + 1))
        return conns

    def without(self, conns):
        """Accepting fails for want of a socket: others go on, who comes now is served later."""
        if os.environ["KERNEL"] in ("6.12-kasan", "6.12-kcsan"):
            print("# no sockets: not tested, this kernel has no BTF")
            return conns
        try:
            no = NoSockets()
        except (OSError, LookupError) as e:
            self.is_("no sockets", str(e), "")
            return conns
        before = self.stat("kfc_accept_errors")
        start = time.monotonic()
        with no:
            more = [Plain(self.address) for _ in range(WITHOUT)]
            for c in more:
                c.ask()
            self.is_("no sockets: kfc_accept_errors counts",
                     wait_for(lambda: self.stat("kfc_accept_errors") >= before + 3))
            self.is_("no sockets: new connections wait", self.none_answered(more))
            for c in conns[:100]:
                c.ask()
            self.is_("no sockets: others go on", sum(c.answer() for c in conns[:100]), 100)
            took = time.monotonic() - start
            errors = self.stat("kfc_accept_errors") - before
        print("# no sockets: %d errors in %.1f s" % (errors, took))
        # one in 100 ms
        self.is_("no sockets: it is not tried without a rest", errors <= took * 15 + 5)
        self.is_("no sockets: when there are again all are served",
                 sum(c.answer() for c in more), WITHOUT)
        self.is_("no sockets: it accepted all the time", self.stat("accepting_conns"), 1)
        return conns + more

    def go(self, conns):
        """All at once: closed, or with a reset and answers that nobody reads."""
        for i, c in enumerate(conns):
            if i % 2:
                c.ask(ASK * 3)
            c.close(i % 2)
        if not wait_for(lambda: self.stat("curr_connections") == 1):
            self.is_("all are gone", self.stat("curr_connections"), 1)

    def storm(self):
        """Rounds of connections that come all at once, and go in any state."""
        self.bystander()
        for _ in range(3):
            conns = []
            for i in range(self.a.conns):
                c = Plain(self.address, i)
                c.ask([ASK, b"get st", b"set st 0 0 9\r\nabc", b"mn\r\nget by-1 by-2\r\n"][i % 4])
                conns.append(c)
            for i, c in enumerate(conns):
                c.close(i % 3 == 0)
            self.bystanders("%d that come and go" % self.a.conns, 2)
            self.is_("all of them are gone", wait_for(lambda: self.stat("curr_connections") == 1))
        self.is_("their structures are freed", wait_for(lambda: conn_slab()[0] == 1))

    def senders(self):
        """Values that arrive a piece at a time, all beside each other."""
        self.bystander()
        n = self.a.conns
        o = Objects(61, "20000", "ss-")
        conns = [Plain(self.address, i) for i in range(n)]
        data = [o.set_cmd(i) for i in range(n)]
        evicted = self.stat("kfc_uploads_evicted")
        for at in range(0, len(data[0]) + 100, 4096):
            if at == 8192:
                self.is_("that many values are on their way at once", wait_for(
                    lambda: self.stat("kfc_upload_bytes") >= n * 20000))
            for c, d in zip(conns, data):
                c.ask(d[at:at + 4096])
            if not self.bystander():
                self.is_("another connection is served beside %d slow senders" % n, False)
        self.is_("all are stored", sum(c.answer(b"STORED\r\n") for c in conns), n)
        self.is_("nobody lost a connection", self.stat("kfc_uploads_evicted"), evicted)
        self.is_("the upload budget is free again", self.stat("kfc_upload_bytes"), 0)
        good = 0
        for i, c in enumerate(conns):
            c.ask(b"get %s\r\n" % o.key(i))
            good += c.answer(o.value_answer(i) + b"END\r\n")
            c.close()
        self.is_("each is there, as it was sent", good, n)
        print("# slowest so far: %d ms" % (self.slowest * 1000))

    def readers(self):
        """Each asks for 300 kB and reads nothing, then all of them read a piece at a time."""
        self.bystander()
        n = self.a.conns
        o = Objects(62, "100000", "sr-")
        c = self.conn()
        for i in range(20):
            c.send(o.set_cmd(i))
            c.line()
        before = available()
        conns = [Plain(self.address, i, 8192) for i in range(n)]
        for i, k in enumerate(conns):
            k.ask(b"".join([b"get %s\r\n" % o.key((i + j) % 20) for j in range(3)]))
        self.bystanders("%d that do not read" % n, 10)
        taken = before - available()
        print("# %d kB of memory, %d kB were asked for" % (taken, n * 300))
        answers = [o.value_answer(i) + b"END\r\n" for i in range(20)]
        want = [memoryview(b"".join([answers[(i + j) % 20] for j in range(3)])) for i in range(n)]
        at, wrong = [0] * n, set()
        left = set(range(n))
        while left:
            for i in list(left):
                try:
                    part = conns[i].s.recv(65536)
                except OSError:
                    part = b""
                if not part or part != want[i][at[i]:at[i] + len(part)]:
                    wrong.add(i)
                    left.discard(i)
                at[i] += len(part)
                if at[i] == len(want[i]):
                    left.discard(i)
        self.is_("when they read all comes, and right", sorted(wrong), [])
        for k in conns:
            k.close()
        self.bystanders("%d that went" % n, 2)

    def gigabytes(self):
        """One asks for 3 GB and does not read."""
        self.bystander()
        o = Objects(63, str(MIB - 1000), "gb-")
        c = self.conn()
        c.send(o.set_cmd(1))
        self.is_("stored", c.line(), b"STORED")
        want = memoryview((o.value_answer(1) + b"END\r\n") * 9)
        before = available()
        asked = Plain(self.address, rcvbuf=65536)
        asked.ask(b"get %s\r\n" % o.key(1) * 3000)
        self.bystanders("one that asked for %d MB" % (3000 * (MIB - 1000) // MIB), 20)
        taken = before - available()
        print("# %d kB of memory" % taken)
        self.is_("memory stays bounded", taken < 16384)
        got, right = 0, True
        while got < 8 * MIB and right:
            part = asked.s.recv(1 << 18)
            right = part and want[got:got + len(part)] == part
            got += len(part)
        self.is_("what it reads of it is right", bool(right))
        part = None     # for the sake of what follows
        asked.close()
        self.is_("it goes, and the rest with it",
                 wait_for(lambda: self.stat("curr_connections") == 2))
        self.is_("its memory, too", wait_for(lambda: before - available() < 4096))
        print("# %d kB of it are left" % (before - available()))
        c.close()


if __name__ == "__main__":
    sys.exit(run(Crowd, 1400, {"--conns": 200}))

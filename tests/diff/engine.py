# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Sends sequences to two servers, many at once, and collects the answers."""
import base64
import errno
import random
import select
import socket
import time

import answers
from seq import PFX, PFX64

TICK = 0.001	# between two pieces, where nothing else is to do


def pieces(data, cut, rng):
    """data in the pieces in which it is sent."""
    if not cut or len(data) < 2:
        return [data]
    if cut == 1:
        at = {rng.randrange(1, len(data)) for _ in range(rng.randint(1, 6))}
    elif cut == 2:
        first = rng.randrange(max(1, len(data) - 40))
        at = set(range(first + 1, min(first + 40, len(data))))
    else:	# around the ends of lines
        at, i = set(), data.find(b"\n")
        while i >= 0 and len(at) < 24:
            at.add(min(max(i + rng.randint(-2, 2), 1), len(data) - 1))
            i = data.find(b"\n", i + 1)
    ends = sorted(at) + [len(data)]
    return [data[x:y] for x, y in zip([0] + ends, ends)]


class Dead(Exception):
    """A server that does not answer any more."""


class Side:
    """One server's part of one sequence."""

    def __init__(self, run, which, addr):
        self.run, self.which, self.addr = run, which, addr
        self.phases = run.phases
        self.at = 0		# phase that is being sent
        self.conns = []		# (binary, answers, how it ended)
        self.sock = None
        self.out = bytearray()
        self.todo = []
        self.marker = None	# what ends the answers to this phase
        self.over = False
        self.connect()

    def connect(self):
        self.out = bytearray()
        self.binary = self.phases[self.at][0].a[0][:1] == b"\x80"
        family = socket.AF_INET6 if ":" in self.addr[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(10)
        for again in range(200):
            try:
                self.sock.connect(self.addr)
                break
            except OSError as e:
                if e.errno not in (errno.EADDRNOTAVAIL, errno.EAGAIN) or again == 199:
                    raise Dead("%s:%d: %s" % (*self.addr, e))
                time.sleep(0.05)
        self.sock.setblocking(False)
        self.run.engine.watch(self)
        self.fill()

    def fill(self):
        """The pieces of this phase."""
        run, data = self.run, []
        for step in self.phases[self.at]:
            for part in step.side(self.which or run.engine.same):
                if not isinstance(part, bytes):
                    part = part.render(answers.uniques_of(
                        self.conns + [(self.binary, self.out, b"")]))
                data.append(part)
        data = b"".join(data).replace(PFX, run.prefix).replace(PFX64, run.prefix64)
        self.marker = None
        after = self.phases[self.at + 1][0] if self.at + 1 < len(self.phases) else None
        if after is not None and not after.reconnect:
            n = self.at % 100
            if self.binary:
                opaque = (0x53594e00 + n).to_bytes(4, "big")
                data += b"\x80\x0a" + bytes(10) + opaque + bytes(8)
                self.marker = b"\x81\x0a" + bytes(10) + opaque + bytes(8)
            else:
                data += b"set %s~ 0 0 6 noreply\r\nSYNC%02d\r\nget %s~\r\n" % (
                    run.prefix, n, run.prefix)
                self.marker = b"VALUE %s~ 0 6\r\nSYNC%02d\r\nEND\r\n" % (run.prefix, n)
        rng = random.Random(run.seq.cut_seed + self.at)
        self.todo = pieces(data, run.seq.cut, rng)[::-1]
        self.run.engine.busy.add(self)

    def pump(self):
        """Send a piece; False if there is nothing more to send for now."""
        if self.todo:
            try:
                n = self.sock.send(self.todo[-1])
            except BlockingIOError:
                return True
            except OSError:
                self.todo = []		# closed on us: what came before counts
                return self.ended(b"closed")
            if n < len(self.todo[-1]):
                self.todo[-1] = self.todo[-1][n:]
            else:
                self.todo.pop()
        if not self.todo and self.marker is None:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        return bool(self.todo)

    def ready(self):
        """Answers came."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended(b"closed")
            return
        self.out += data
        if self.marker and not self.todo and self.out.endswith(self.marker):
            self.at += 1
            self.fill()

    def ended(self, how):
        """The connection is gone: on to the next, if there is one."""
        # what may still lie in the receive queue
        if how == b"closed":
            try:
                while True:
                    data = self.sock.recv(1 << 18)
                    if not data:
                        break
                    self.out += data
            except OSError:
                pass
        self.run.engine.forget(self)
        self.sock.close()
        self.conns.append((self.binary, bytes(self.out), how))
        self.todo, self.marker = [], None
        self.at += 1
        while self.at < len(self.phases) and not self.phases[self.at][0].reconnect:
            self.at += 1
        if self.at < len(self.phases) and how == b"closed":
            self.connect()
        else:
            self.over = True
            self.run.side_over()
        return not self.over


class Run:
    """One sequence under way."""
    count = 0

    def __init__(self, engine, seq):
        self.engine, self.seq = engine, seq
        Run.count += 1
        self.prefix = b"%s%06x" % (engine.nonce, Run.count & 0xffffff)
        self.prefix64 = base64.b64encode(self.prefix)
        self.ends = time.monotonic() + engine.timeout
        self.phases = []
        for i, step in enumerate(seq.steps):
            if not i or step.sync or step.reconnect:
                self.phases.append([])
            self.phases[-1].append(step)
        self.sides = []
        for which, addr in enumerate(engine.addrs):
            self.sides.append(Side(self, which, addr))

    def side_over(self):
        if len(self.sides) == 2 and all(s.over for s in self.sides):
            self.engine.over(self)

    def give_up(self):
        late = [s for s in self.sides if not s.over]
        for s in late:
            s.ended(b"no end within %d s" % self.engine.timeout)
        if len(late) == 1:
            self.engine.late[late[0].which] += 1
            if self.engine.late[late[0].which] == 8:
                raise Dead("%s:%d: eight times no answer in time" % late[0].addr)

    def result(self, coarse=False):
        """The answers of A and of B."""
        return [answers.read(s.conns, self.prefix, self.prefix64, coarse) for s in self.sides]

    def grown(self):
        """Whether all that differs may be what 1.6.18 forgets where an incr needs more room."""
        return self.seq.counts() and not answers.compare(*self.result(True))


class Engine:
    """Runs sequences, so many at once; done(run) is called for each."""

    def __init__(self, addrs, at_once=24, timeout=20, same=False):
        self.addrs, self.at_once, self.timeout = addrs, at_once, timeout
        self.same = same	# A is a memcached, too: it gets what B gets
        # six bytes that no other run uses soon
        self.nonce = b"%06x" % (random.SystemRandom().getrandbits(24))
        self.poll = select.epoll()
        self.by_fd, self.busy, self.runs = {}, set(), set()
        self.finished = []
        self.late = [0, 0]

    def watch(self, side):
        fd = side.sock.fileno()
        self.by_fd[fd] = side
        self.poll.register(fd, select.EPOLLIN)

    def forget(self, side):
        fd = side.sock.fileno()
        self.poll.unregister(fd)
        del self.by_fd[fd]
        self.busy.discard(side)

    def over(self, run):
        self.runs.discard(run)
        self.finished.append(run)

    def turn(self):
        """Each connection's next piece, then what came."""
        for side in list(self.busy):
            if not side.over and not side.pump():
                self.busy.discard(side)
        for fd, _ in self.poll.poll(TICK if self.busy else 0.2):
            if fd in self.by_fd:
                self.by_fd[fd].ready()
        now = time.monotonic()
        for run in [r for r in self.runs if r.ends < now]:
            run.give_up()

    def go(self, sequences, done):
        """Run all of an iterator; done(run) returns True to stop."""
        source = iter(sequences)
        waiting, more = None, True
        while True:
            while more and len(self.runs) < self.at_once:
                seq = waiting or next(source, None)
                waiting = None
                if seq is None:
                    more = False
                    break
                if (seq.alone and self.runs) or any(r.seq.alone for r in self.runs):
                    waiting = seq
                    break
                run = Run(self, seq)
                if not all(s.over for s in run.sides):
                    self.runs.add(run)
                elif run not in self.finished:
                    self.finished.append(run)
            while self.finished:
                if done(self.finished.pop()):
                    more, waiting = False, None
            if not self.runs:
                if not more and waiting is None:
                    return
                continue
            self.turn()

    def one(self, seq):
        """One sequence, on its own."""
        got = []
        self.go([seq], got.append)
        return got[0]

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""TCP addresses, the UNIX socket, UDP. Run by 35-transports.sh, in a guest.

transports.py KO PORT DEV DIR: KO is loaded over and over, DEV a disk that may
be used, DIR a folder of our own.
"""

import array
import contextlib
import ctypes
import errno
import os
import re
import select
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

from slower import SLOWER

KO, PORT, DEV, DIR = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PATH = f"{DIR}/sock"
SYS_FINIT_MODULE, SYS_DELETE_MODULE = 313, 176      # x86-64

libc = ctypes.CDLL(None, use_errno=True)
kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
os.lseek(kmsg, 0, os.SEEK_END)


def result(name, why=""):
    print(f"not ok {name} - {why}" if why else f"ok {name}", flush=True)


def same(name, got, want):
    result(name, "" if got == want else f"got {got!r:.300}, not {want!r:.300}")


def said():
    """The module's lines since the last call."""
    lines = []
    while True:
        try:
            record = os.read(kmsg, 8192).decode(errors="replace")
        except BlockingIOError:
            return lines
        except OSError as e:
            if e.errno != errno.EPIPE:      # some were overwritten
                raise
            continue
        text = record.split(";", 1)[1].split("\n")[0]
        if text.startswith("kfatcache: ") and "taint" not in text:
            lines.append(text[11:])


def insmod(*params):
    """0 or the errno."""
    fd = os.open(KO, os.O_RDONLY | os.O_CLOEXEC)
    words = " ".join((f"port={PORT}", "memory_mb=32") + params).encode()
    rc = libc.syscall(SYS_FINIT_MODULE, fd, words, 0)
    err = ctypes.get_errno()
    os.close(fd)
    return err if rc else 0


def rmmod():
    if libc.syscall(SYS_DELETE_MODULE, b"kfatcache", os.O_NONBLOCK):
        return errno.errorcode[ctypes.get_errno()]
    return ""


@contextlib.contextmanager
def loaded(name, *params):
    said()
    err = insmod(*params)
    lines = said()
    if err:
        result(f"{name}: load", f"{errno.errorcode[err]}: {'; '.join(lines)}")
        raise SystemExit(1)
    lines = [line for line in lines if not line.endswith((": formatted", ": emptied"))]
    same(f"{name}: one line at load", len(lines), 1)
    try:
        yield lines[-1] if lines else ""
    finally:
        same(f"{name}: unload", rmmod(), "")


def refused(name, err, regex, *params):
    said()
    got = insmod(*params)
    lines = said()
    if not got:
        rmmod()
        return result(name, "it was loaded")
    why = []
    if errno.errorcode[got] != err:
        why.append(f"errno {errno.errorcode[got]}")
    if len(lines) != 1 or not re.search(regex, lines[0]):
        why.append("it said " + "; ".join(lines))
    if os.path.exists("/proc/kfatcache") or os.path.exists("/sys/module/kfatcache"):
        why.append("something is left")
    return result(name, ", ".join(why))


def figures(what):
    with open(f"/proc/kfatcache/{what}") as f:
        return dict(line.split(None, 1) for line in f.read().splitlines())


class Client:
    def __init__(self, address, family=None):
        if family is None:
            family = (socket.AF_UNIX if isinstance(address, str) else
                      socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.s = socket.socket(family, socket.SOCK_STREAM)
        self.s.settimeout(20 * SLOWER)
        self.s.connect(address)

    def answer(self, n):
        got = b""
        while len(got) < n:
            part = self.s.recv(n - len(got))
            if not part:
                break
            got += part
        return got

    def says(self, request, want):
        self.s.sendall(request)
        return self.answer(len(want)) == want

    def close(self):
        self.s.close()


def listens(address):
    try:
        Client(address).close()
        return True
    except ConnectionRefusedError:
        return False


def own(what, addresses):
    """Addresses of this machine: add or del."""
    text = "".join(f"address {what} {a} dev lo{' nodad' * (':' in a and what == 'add')}\n"
                   for a in addresses)
    subprocess.run(["ip", "-batch", "-"], input=text.encode(), check=True)


# ------------------------------------------------------------- listen=

def listen():
    many = [f"127.0.0.{i}" for i in range(1, 8)] + ["::1"]
    with loaded("8 addresses", "listen=" + ",".join(many)) as line:
        for a in many:
            text = f"[{a}]:{PORT}" if ":" in a else f"{a}:{PORT}"
            same(f"{a}: in the line at load", text in line.split(), True)
            c = Client((a, PORT))
            same(f"{a}: served", c.says(b"set %s 0 0 2\r\nab\r\n" % a.encode(),
                                        b"STORED\r\n"), True)
            c.close()
        u = Udp()
        u.send(b"version\r\n")
        try:
            same("UDP: off by default", u.message(1), ())
        except ConnectionRefusedError:
            result("UDP: off by default")
        same("inter has them all", figures("settings")["inter"], ",".join(many))
        c = Client(("127.0.0.7", PORT))
        same("one cache behind them", c.says(b"get ::1\r\n", b"VALUE ::1 0 2\r\nab\r\nEND\r\n"),
             True)
        c.close()
    long = [f"fd00:1234:5678:9abc:def0:1234:5678:{i}aaa" for i in range(1, 9)]
    own("add", [f"{a}/128" for a in long])
    with loaded("8 long addresses", "listen=" + ",".join(long)) as line:
        same("8 long addresses: the line is whole",
             [a for a in long if f"[{a}]:{PORT}" not in line], [])
        same("8 long addresses: inter is whole", figures("settings")["inter"], ",".join(long))
    own("del", [f"{a}/128" for a in long])
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::1", PORT))
        s.listen()
        refused("the last address is in use", "EADDRINUSE", rf"cannot listen on \[::1\]:{PORT}",
                "listen=127.0.0.1,127.0.0.2,::1")
    same("nobody listens on the first then", listens(("127.0.0.1", PORT)), False)
    refused("an address twice", "EADDRINUSE", f"cannot listen on 127.0.0.1:{PORT}",
            "listen=127.0.0.1,127.0.0.1")
    refused("a second address is another machine's", "EADDRNOTAVAIL",
            "cannot listen on 192.0.2.1", "listen=127.0.0.1,192.0.2.1")
    refused("a second address is none", "EINVAL", "^listen=127.0.0.1,x: allowed",
            "listen=127.0.0.1,x")


# ------------------------------------------------------------- unix=

def mode_of(path):
    return oct(os.lstat(path).st_mode & 0o7777)


def exists(path):
    return os.path.lexists(path)


def modes_seen(*params):
    """Load, and see which modes the file has from its first moment on."""
    seen, stop = set(), []

    def look():
        while not stop:
            with contextlib.suppress(FileNotFoundError):
                seen.add(os.lstat(PATH).st_mode & 0o777)

    t = threading.Thread(target=look)
    t.start()
    try:
        with loaded(" ".join(params), f"unix={PATH}", *params):
            time.sleep(0.2)
            last = mode_of(PATH)
    finally:
        stop.append(1)
        t.join()
    return seen, last


def unix_file():
    old = os.umask(0)
    seen, last = modes_seen()
    same("umask 0: the default mode", last, "0o700")
    same("umask 0: never another", seen, {0o700})
    seen, last = modes_seen("unix_mode=660")
    same("umask 0, unix_mode=660", (last, seen), ("0o660", {0o660}))
    os.umask(0o77)
    seen, last = modes_seen("unix_mode=0777")
    same("umask 077, unix_mode=0777", last, "0o777")
    same("umask 077: never a bit more", [m for m in seen if m & ~0o777], [])
    os.umask(old)
    same("unload removes it", exists(PATH), False)

    with socket.socket(socket.AF_UNIX) as s:
        s.bind(PATH)
        s.listen()
        refused("a live socket", "EADDRINUSE", f"^unix={PATH}: somebody listens", f"unix={PATH}")
        same("a live socket: stays", stat.S_ISSOCK(os.lstat(PATH).st_mode), True)
    with loaded("a stale socket", f"unix={PATH}"):
        same("a stale socket: replaced", Client(PATH).says(b"mn\r\n", b"MN\r\n"), True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(PATH)
        refused("a live datagram socket", "EADDRINUSE", "somebody listens", f"unix={PATH}")
    os.unlink(PATH)

    def wrong(name, make, unmake=os.unlink):
        make()
        before = os.lstat(PATH)
        refused(name, "ENOTSOCK", f"^unix={PATH}: {name} is there", f"unix={PATH}")
        same(f"{name}: stays", os.lstat(PATH) == before, True)
        unmake(PATH)

    wrong("a file", lambda: os.close(os.open(PATH, os.O_CREAT)))
    wrong("a directory", lambda: os.mkdir(PATH), os.rmdir)
    wrong("a symbolic link", lambda: os.symlink("/nowhere", PATH))
    wrong("no socket", lambda: os.mkfifo(PATH))
    refused("no folder", "ENOENT", "^unix=/no/where: no such folder", "unix=/no/where")
    refused("a port in use", "EADDRNOTAVAIL", "cannot listen on 192.0.2.1", f"unix={PATH}",
            "listen=192.0.2.1")
    same("a port in use: no file is left", exists(PATH), False)

    with loaded("removed meanwhile", f"unix={PATH}"):
        os.unlink(PATH)
        os.close(os.open(PATH, os.O_CREAT))
    same("removed meanwhile: another's file stays", exists(PATH), True)
    os.unlink(PATH)
    with loaded("renamed meanwhile", f"unix={PATH}"):
        os.rename(PATH, f"{PATH}2")
    same("renamed meanwhile: removed all the same", exists(f"{PATH}2"), False)

    said()
    same("another mount namespace: load", insmod(f"unix={PATH}"), 0)
    rc = subprocess.run(["unshare", "-m", "sh", "-c",
                         f"mount -t tmpfs none {DIR} && rmmod kfatcache"]).returncode
    same("another mount namespace: rmmod", rc, 0)
    same("another mount namespace: the file is gone", exists(PATH), False)


def unix_serve():
    with loaded("port=0", "port=0", f"unix={PATH}") as line:
        same("port=0: the line at load", line.split()[-1], PATH)
        same("port=0: no TCP", listens(("127.0.0.1", PORT)), False)
        s = figures("settings")
        same("port=0: settings", (s["tcpport"], s["domain_socket"], s["umask"]),
             ("0", PATH, "700"))
    with loaded("unix beside TCP", f"unix={PATH}", f"device={DEV}") as line:
        same("unix beside TCP: both in the line",
             [w for w in line.split() if w in (PATH, f"127.0.0.1:{PORT}")],
             [f"127.0.0.1:{PORT}", PATH])
        unix_stream()
        leave = [Client(PATH) for _ in range(20)]
        leave[0].s.sendall(b"set half 0 0 100000\r\nx")
        leave[1].s.sendall(b"get big\r\n" * 50)
        time.sleep(0.3)
    same("unload: connections are closed", [c.s.recv(1) for c in leave[2:]], [b""] * 18)
    for c in leave:
        c.close()


def unix_stream():
    c, t = Client(PATH), Client(("127.0.0.1", PORT))
    same("unix: one cache with TCP", c.says(b"set k 7 0 3\r\nabc\r\n", b"STORED\r\n") and
         t.says(b"get k\r\n", b"VALUE k 7 3\r\nabc\r\nEND\r\n"), True)
    big = os.urandom(900000)
    value = b"VALUE big 0 900000\r\n" + big + b"\r\nEND\r\n"
    same("unix: a large set", c.says(b"set big 0 0 900000\r\n" + big + b"\r\n", b"STORED\r\n"),
         True)
    before = int(figures("stats")["rusage_system"].split(".")[0])
    start = time.monotonic()
    c.s.sendall(b"get big\r\n" * 30)
    good = [c.answer(len(value)) == value for _ in range(30)]
    took = time.monotonic() - start
    same("unix: 30 large gets", good, [True] * 30)
    same(f"unix: without waiting for a timer ({took:.1f} s)", took < 12, True)
    c.s.sendall(b"get big\r\n" * 3)
    got = b""
    while len(got) < 3 * len(value):
        part = c.s.recv(30000)
        if not part:
            break
        got += part
        time.sleep(0.002)
    same("unix: a slow reader", got == value * 3, True)
    c.s.sendall(b"get big\r\n" * 5)
    time.sleep(1.2)
    used = int(figures("stats")["rusage_system"].split(".")[0])
    time.sleep(1.5)
    same("unix: one that does not read costs no time",
         int(figures("stats")["rusage_system"].split(".")[0]) - used <= 1, True)
    same("unix: ... and gets its answers later", c.answer(5 * len(value)) == value * 5, True)
    print(f"# CPU before {before} s, after {used} s")

    c.s.sendall(b"get k\r\nget k\r\n")
    c.s.shutdown(socket.SHUT_WR)
    want = b"VALUE k 7 3\r\nabc\r\nEND\r\n" * 2
    same("unix: half closed, still answered", c.answer(len(want) + 1), want)
    c.close()

    c = Client(PATH)
    c.s.sendall(b"get big\r\n" * 20)
    c.close()
    c = Client(PATH)
    c.s.sendall(b"set gone 0 0 1000\r\nabc")
    c.close()
    r, w = os.pipe()
    c = Client(PATH)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w]))]
    want = b"VALUE k 7 3\r\nabc\r\nEND\r\n"
    good = True
    for _ in range(20):
        c.s.sendmsg([b"get "], rights)
        c.s.sendmsg([b"k\r\n"])
        good = good and c.answer(len(want)) == want
    same("unix: descriptors that are passed hold nothing up", good, True)
    os.close(w)
    same("unix: ... and are closed", bool(select.select([r], [], [], 5)[0]) and os.read(r, 1),
         b"")
    os.close(r)
    c.s.sendall(b"stats conns\r\n")
    got = b""
    while not got.endswith(b"END\r\n"):
        got += c.s.recv(4096)
    same("stats conns: where it listens", got.count(b"addr unix:" + PATH.encode() + b"\r\n"), 2)
    c.close()
    t.close()


# ------------------------------------------------------------- UDP

SO_RCVBUFFORCE = 33
NOT_FOR_UDP = b"SERVER_ERROR UDP is for gets\r\n"
COUNTS = ("kfc_udp_requests", "kfc_udp_dropped", "kfc_udp_refused", "kfc_udp_overflows")


class Udp:
    def __init__(self, address=("127.0.0.1", PORT), bind=None):
        self.s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
                               socket.SOCK_DGRAM)
        self.s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        if bind:
            self.s.bind(bind)
        # connected: an answer from another address would not be seen
        self.s.connect(address)
        self.n = 0x1230
        self.parts = {}         # of messages that are not complete

    def send(self, request, seq=0, total=1, reserved=0):
        self.n += 1
        self.s.send(struct.pack(">HHHH", self.n, seq, total, reserved) + request)
        return self.n

    def message(self, seconds=10 * SLOWER):
        """(id, datagrams, bytes) of the next message; () for silence."""
        self.s.settimeout(seconds)
        while True:
            try:
                d = self.s.recv(65536)
            except TimeoutError:
                return ()
            rid, seq, total, zero = struct.unpack(">HHHH", d[:8])
            parts = self.parts.setdefault(rid, {})
            if len(d) > 1400 or zero or seq in parts or seq >= total or \
               (seq + 1 < total and len(d) != 1400) or len(d) == 8:
                return (rid, "a bad datagram", seq, total, zero, len(d))
            parts[seq] = d[8:]
            if len(parts) == total:
                del self.parts[rid]
                return rid, total, b"".join(parts[i] for i in range(total))

    def ask(self, request, **header):
        rid = self.send(request, **header)
        m = self.message()
        return m[2] if len(m) == 3 and m[0] == rid else m


def binary(opcode, key=b"", opaque=5):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0, len(key), opaque, 0) + key


def udp_counts():
    s = figures("stats")
    return [int(s[k]) for k in COUNTS]


def udp():
    port = f"udp_port={PORT}"
    flood = Flood()
    with loaded("UDP", port, "listen=127.0.0.1,::1", f"device={DEV}", "threads=2",
                "format=new", "slab_size=1", "item_max=524288", "memory_mb=4",
                "read_timeout_ms=20000") as line:
        same("UDP: in the line at load", line.endswith(f" udp:{PORT}"), True)
        same("UDP: settings", figures("settings")["udpport"], str(PORT))
        udp_auth()
        t = Client(("127.0.0.1", PORT))
        udp_answers(t)
        udp_refuses(t)
        udp_device(t)
        udp_strange(t)
        udp_burst()
        t.close()
        flood.start()
        time.sleep(0.5)
    flood.end()
    udp_peers()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", PORT))
        refused("UDP: in use", "EADDRINUSE", f"cannot take UDP at 127.0.0.1:{PORT}", port)
    same("UDP: in use: no TCP either", listens(("127.0.0.1", PORT)), False)


class Flood(threading.Thread):
    """Large gets over UDP, without an end, whether somebody listens or not."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = False

    def run(self):
        u = Udp()
        while not self.over:
            try:
                u.send(b"get v300000 v1392 none\r\n")
            except ConnectionRefusedError:
                pass
            time.sleep(0.001)

    def end(self):
        self.over = True
        self.join(10)


def udp_auth():
    with open(f"{DIR}/users", "w") as f:
        f.write("u:p\n")
    said()
    fd = os.open("/sys/module/kfatcache/parameters/auth_file", os.O_WRONLY)
    got = 0
    try:
        os.write(fd, f"{DIR}/users".encode())
    except OSError as e:
        got = e.errno
    os.close(fd)
    same("UDP: no auth_file at run time", (got, len(said())), (errno.EOPNOTSUPP, 1))


def udp_answers(t):
    u = Udp()
    t.says(b"set a 5 0 3\r\nabc\r\n", b"STORED\r\n")
    hit = b"VALUE a 5 3\r\nabc\r\nEND\r\n"
    extras = b"\0\0\0\5"
    t.s.sendall(b"gets a\r\n")
    cas = b""
    while not cas.endswith(b"END\r\n"):
        cas += t.s.recv(100)
    unique = struct.pack(">Q", int(cas.split()[4]))

    def answered(opcode, body, status=0, key=0, ext=0):
        c = unique if ext else b"\0" * 8
        return struct.pack(">BBHBBHII", 0x81, opcode, key, ext, 0, status, len(body), 5) + c + body

    getk, noop = answered(0x0c, extras + b"aabc", key=1, ext=4), answered(0x0a, b"")
    for name, request, want in (
            ("get", b"get a\r\n", hit), ("a bare LF", b"get a\n", hit),
            ("gets", b"gets a\r\n", cas), ("a miss", b"get none\r\n", b"END\r\n"),
            ("several keys", b"get none a none a\r\n", hit[:-5] + hit),
            ("two commands, one message", b"get a\r\nget none\r\n", hit + b"END\r\n"),
            ("mg", b"mg a v f k\r\n", b"VA 3 f5 ka\r\nabc\r\n"),
            ("mg, a miss", b"mg none v\r\n", b"EN\r\n"),
            ("mg that is quiet, and mn", b"mg none v q\r\nmg a v q\r\nmn\r\n",
             b"VA 3\r\nabc\r\nMN\r\n"),
            ("a long key", b"get " + b"k" * 251 + b"\r\n",
             b"CLIENT_ERROR bad command line format\r\n"),
            ("binary get", binary(0, b"a"), answered(0, extras + b"abc", ext=4)),
            ("binary get, a miss", binary(0, b"none"), answered(0, b"Not found", 1)),
            ("binary getkq, getkq, noop", binary(0x0d, b"none") + binary(0x0d, b"a") +
             binary(0x0a), getk.replace(b"\x0c", b"\x0d", 1) + noop)):
        same(f"UDP: {name}", u.ask(request), want)
    same("UDP: header fields that say nothing", u.ask(b"get a\r\n", seq=7, reserved=9), hit)
    same("UDP: version", u.ask(b"version\r\n")[:8], b"VERSION ")
    same("UDP: binary version", u.ask(binary(0x0b))[:4], b"\x81\x0b\0\0")
    u.send(b"stats\r\n")
    m = u.message()
    same("UDP: stats", (m[1] > 1, m[2][:9], m[2][-5:]), (True, b"STAT pid ", b"END\r\n"))
    same("UDP: stats settings", b"STAT udpport %d\r\n" % PORT in u.ask(b"stats settings\r\n"),
         True)
    t.says(b"set w 0 0 200\r\n%s\r\n" % (b"w" * 200), b"STORED\r\n")
    same("UDP: too much that would be copied", u.ask(b"get " + b"w " * 900 + b"\r\n"),
         b"SERVER_ERROR answer too large for UDP\r\n")
    same("UDP: IPv6", Udp(("::1", PORT)).ask(b"get a\r\n"), hit)
    rid = u.send(b"get " + b"a " * 900 + b"\r\n")
    m = u.message()
    same("UDP: 900 keys", m[0] == rid and m[2], (hit[:-5] * 900) + b"END\r\n")


def udp_refuses(t):
    """Nothing is changed by a datagram, whoever sent it."""
    u = Udp()
    t.says(b"set n 0 0 1\r\n5\r\n", b"STORED\r\n")
    t.says(b"set s 0 0 1\r\nx\r\n", b"STORED\r\n")
    t.says(b"md s I T90\r\n", b"HD\r\n")
    for what in ("set a 0 0 1\r\nx", "add new 0 0 1\r\nx", "append a 0 0 1\r\nx", "delete a",
                 "touch a 9", "gat 9 a", "gats 9 a", "incr n 1", "flush_all", "flush_all 9",
                 "verbosity 1", "cache_memlimit 64", "stats reset", "stats detail on",
                 "stats conns", "stats cachedump 1 9", "lru_crawler metadump all", "quit",
                 "shutdown", "mg a v T9", "mg new v N9", "ms a 1\r\nx", "md a", "ma n", "me a",
                 "set a 0 0 9\r\nget n"):
        same(f"UDP: refused: {what!r}", u.ask(what.encode() + b"\r\n"), NOT_FOR_UDP)
    for opcode in (0x04, 0x07, 0x08, 0x21, 0x77):   # delete, quit, flush, SASL AUTH, none
        key = b"a" if opcode == 4 else b"PLAIN" if opcode == 0x21 else b""
        got = u.ask(binary(opcode, key))
        same(f"UDP: refused: binary {opcode:#x}", (got[:2], got[6:8]),
             (bytes((0x81, opcode)), b"\0\x81"))
    stale = b"VA 1 X\r\nx\r\n"
    same("UDP: nobody is told to refresh", [u.ask(b"mg s v\r\n") for _ in range(2)], [stale] * 2)
    same("UDP: ... before who asks over TCP", t.says(b"mg s v\r\n", b"VA 1 X W\r\nx\r\n"), True)
    same("UDP: nothing was changed", t.says(
        b"get a n new\r\n", b"VALUE a 5 3\r\nabc\r\nVALUE n 0 1\r\n5\r\nEND\r\n"), True)


def udp_device(t):
    """Around the border of a datagram, and over many."""
    u = Udp()
    # 27 bytes are around the value
    sizes = [1392 * n - 27 + d for n in (1, 2, 9) for d in (-1, 0, 1)]
    sizes += [1392, 50000, 300000, 500000]
    value = os.urandom(500000)
    for n in sizes:
        t.says(b"set v%d 0 0 %d\r\n%s\r\n" % (n, n, value[:n]), b"STORED\r\n")
    for i in range(10):     # push them out of memory
        t.says(b"set fill%d 0 0 500000\r\n%s\r\n" % (i, value), b"STORED\r\n")
    before = figures("stats")
    bad = []
    for n in sizes:
        want = b"VALUE v%d 0 %d\r\n%s\r\nEND\r\n" % (n, n, value[:n])
        rid = u.send(b"get v%d\r\n" % n)
        m = u.message()
        if m != (rid, -(-len(want) // 1392), want):
            bad.append((n, m[:2]))
    same(f"UDP: {len(sizes)} sizes in datagrams of 1400 bytes", bad, [])
    after = figures("stats")
    same("UDP: they came from the device",
         [int(after[k]) - int(before[k]) for k in ("kfc_device_reads", "kfc_device_hits")],
         [len(sizes)] * 2)
    keys = b"get " + b" ".join(b"v%d" % n for n in sizes[:-3]) + b"\r\n"
    want = b"".join(b"VALUE v%d 0 %d\r\n%s\r\n" % (n, n, value[:n]) for n in sizes[:-3])
    same("UDP: many keys of the device in order", u.ask(keys) == want + b"END\r\n", True)
    same("UDP: too much for one answer", u.ask(b"get " + b"v500000 " * 3 + b"\r\n"),
         b"SERVER_ERROR answer too large for UDP\r\n")


def udp_strange(t):
    """What is no request: counted, and not answered."""
    u = Udp()
    head = b"\0\1\0\0\0\1\0\0"
    value_is_get = head + b"VALUE a 5 3\r\nget a\r\nEND\r\n"
    ours = Udp(bind=("127.0.0.2", PORT))
    for name, datagram, s in (
            ("nothing", b"", u), ("less than a header", b"1234567", u),
            ("a header alone", head, u), ("no end of line", head + b"get a", u),
            ("an end of line too early", head + b"get a\r\nget a", u),
            ("the first of two", b"\0\1\0\0\0\2\0\0get a\r\n", u),
            ("of none", b"\0\1\0\0\0\0\0\0get a\r\n", u),
            ("2048 bytes more", head + b"get " + b"a " * 1021 + b"\r\n", u),
            ("65000 bytes", head + b"get " + b"a " * 32496 + b"\r\n", u),
            ("nonsense", head + b"foo\r\n", u), ("an empty line", head + b"\r\n", u),
            ("get alone", head + b"get\r\n", u),
            ("an answer: ERROR", head + b"ERROR\r\n", u),
            ("an answer: a value that is a command", value_is_get, u),
            ("an answer: refused", head + NOT_FOR_UDP, u),
            ("an answer: binary", head + b"\x81" + binary(0)[1:], u),
            ("an answer: meta", head + b"VA 3\r\nabc\r\n", u),
            ("half a binary header", head + binary(0)[:12], u),
            ("half a binary key", head + binary(0, b"abc")[:-1], u),
            ("from our port", head + b"get a\r\n", ours)):
        before = udp_counts()
        s.s.send(datagram)
        end = time.monotonic() + 10 * SLOWER
        d = [0] * 4
        while not d[1] + d[2] and time.monotonic() < end:
            d = [b - a for a, b in zip(before, udp_counts())]
        same(f"UDP: {name}: counted", d[1:], [0, 1, 0] if s is ours else [1, 0, 0])
    same("UDP: none of them was answered", [u.message(0.3), ours.message(0.01)], [(), ()])
    u.s.send(head + b"set a 0 0 1 noreply\r\nx\r\n")
    same("UDP: noreply: no answer", u.message(0.1), ())
    same("UDP: nothing was stored", t.says(b"get a\r\n", b"VALUE a 5 3\r\nabc\r\nEND\r\n"),
         True)


def udp_burst():
    """More at once than is taken: each is answered or counted, all others go on."""
    clients = [Udp() for _ in range(4)]
    before = udp_counts()
    for _ in range(100):
        for u in clients:
            u.send(b"get a v1392 a none\r\n")
    end = time.monotonic() + 20 * SLOWER
    d = [0] * 4
    while d[0] + d[3] < 400 and time.monotonic() < end:
        d = [b - a for a, b in zip(before, udp_counts())]
        time.sleep(0.05)
    good = answered = 0
    want = None
    while True:
        there = select.select([u.s for u in clients], [], [], 10 * (answered < d[0]))[0]
        if not there:
            break
        for u in clients:
            m = u.s in there and u.message()
            if m:
                want = want or m[2]
                answered += 1
                good += m[2] == want and want.endswith(b"END\r\n")
    same("UDP: a burst: each answer is right", good, answered)
    same("UDP: a burst: all that were taken are answered", (answered, d[1], d[2]), (d[0], 0, 0))
    same("UDP: a burst: the others are counted", d[0] + d[3], 400)
    print(f"# of 400 datagrams {answered} were answered, {d[3]} found no room")


def udp_peers():
    own("add", ["10.9.8.7/32", "10.9.9.7/32", "fd00:9::7/128", "fd00:a::7/128"])
    with loaded("UDP: peers", f"udp_port={PORT}", "listen=0.0.0.0,::",
                "udp_peers=10.9.8.0/24,fd00:9::/64"):
        for name, client in (
                ("in a network", Udp(("10.9.8.7", PORT), ("10.9.8.7", 0))),
                ("asking another of our addresses", Udp(("10.9.9.7", PORT), ("10.9.8.7", 0))),
                ("in an IPv6 network", Udp(("fd00:a::7", PORT), ("fd00:9::7", 0))),
                ("on loopback", Udp()), ("on another loopback address", Udp(("127.0.0.9", PORT))),
                ("on IPv6 loopback", Udp(("::1", PORT)))):
            same(f"UDP: a peer {name}", client.ask(b"get a\r\n"), b"END\r\n")
        for to, who in (("10.9.8.7", "10.9.9.7"), ("fd00:9::7", "fd00:a::7")):
            before = udp_counts()
            u = Udp((to, PORT), (who, 0))
            u.send(b"get a\r\n")
            same(f"UDP: somebody else, {who}: no answer", u.message(0.3), ())
            same(f"UDP: somebody else, {who}: counted",
                 [b - a for a, b in zip(before, udp_counts())], [0, 0, 1, 0])
    own("del", ["10.9.8.7/32", "10.9.9.7/32", "fd00:9::7/128", "fd00:a::7/128"])


def udp_hang():
    """A device that does not answer takes nothing from those who don't need it."""
    name = "kfcudp"

    def dm(*args):
        subprocess.run(["dmsetup", *args], check=True, timeout=30 * SLOWER,
                       env={**os.environ, "DM_DISABLE_UDEV": "1"})

    subprocess.run(["modprobe", "dm-mod"], check=True)
    dm("create", name, "--table", f"0 {256 << 11} linear {DEV} 0")
    try:
        with loaded("UDP: a hang", f"udp_port={PORT}", f"device=/dev/mapper/{name}",
                    "format=force", "threads=1", "slab_size=1", "memory_mb=4",
                    "read_timeout_ms=100"):
            t = Client(("127.0.0.1", PORT))
            for i in range(40):
                t.says(b"set h%d 0 0 3\r\nabc\r\n" % i, b"STORED\r\n")
            for i in range(20):     # push them out of memory
                t.says(b"set fill%d 0 0 250000\r\n%s\r\n" % (i, bytes(250000)), b"STORED\r\n")
            t.says(b"set m 0 0 3\r\nabc\r\n", b"STORED\r\n")
            dm("suspend", "--nolockfs", "--noflush", name)
            try:
                u = Udp()
                for i in range(40):
                    u.send(b"get h%d\r\n" % i)
                same("UDP: a hang: misses, in time", [u.message()[2:] for _ in range(40)],
                     [(b"END\r\n",)] * 40)
                # more than a worker has at work
                same("UDP: a hang: none of them has ended",
                     int(figures("stats")["kfc_reads_in_flight"]), 40)
                same("UDP: a hang: what is in memory", u.ask(b"get m\r\n"),
                     b"VALUE m 0 3\r\nabc\r\nEND\r\n")
            finally:
                dm("resume", name)
            same("UDP: a hang, over", u.ask(b"get h7\r\n"), b"VALUE h7 0 3\r\nabc\r\nEND\r\n")
            t.close()
    finally:
        dm("remove", "--retry", name)


for part in (listen, unix_file, unix_serve, udp, udp_hang):
    print(f"# {part.__name__}", flush=True)
    start = time.monotonic()
    try:
        part()
    except (OSError, subprocess.CalledProcessError, KeyError) as e:
        result(part.__name__, f"{type(e).__name__} {e}")
        rmmod()
    print(f"# {time.monotonic() - start:.1f} s", flush=True)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""TCP addresses and the UNIX socket. Run by 35-transports.sh, in a guest.

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
import subprocess
import sys
import threading
import time

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
    lines = [line for line in lines if not line.endswith(": formatted")]
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
        self.s.settimeout(20)
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


for part in (listen, unix_file, unix_serve):
    print(f"# {part.__name__}", flush=True)
    start = time.monotonic()
    try:
        part()
    except (OSError, subprocess.CalledProcessError, KeyError) as e:
        result(part.__name__, f"{type(e).__name__} {e}")
        rmmod()
    print(f"# {time.monotonic() - start:.1f} s", flush=True)

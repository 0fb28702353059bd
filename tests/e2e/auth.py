#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Clients that have to say who they are.

    auth.py text|sasl|clients|reload... --port PORT --user USER --password PASSWORD [options]

text and sasl: raw bytes, and the bytes that must come back; each answer was seen
from memcached 1.6.18, with -Y and with -S, and what differs on purpose says so.
--memcached is for a memcached that runs with -Y and the same user. clients:
libraries that can log in. reload: --file is auth_file=, with the user in it; it
and files in --folder are written and read again by way of the parameter.
Prints `ok NAME` and `not ok NAME - reason`.
"""
import argparse
import errno
import os
import socket
import struct
import sys
import threading
import time

from slower import SLOWER

TIMEOUT = 20 * SLOWER
PARAMETER = "/sys/module/kfatcache/parameters/auth_file"

NO = b"CLIENT_ERROR unauthenticated\r\n"
FAILURE = b"CLIENT_ERROR authentication failure\r\n"
FORMAT = b"CLIENT_ERROR bad authentication token format\r\n"
TERMINATION = b"CLIENT_ERROR bad command line termination\r\n"
STORED = b"STORED\r\n"
END = b"END\r\n"

FAILED = 0


def is_(name, got, want=True):
    global FAILED
    if got == want:
        print("ok %s" % name, flush=True)
    else:
        FAILED += 1
        print("not ok %s - got %.150r, not %.150r" % (name, got, want), flush=True)


class Conn:
    def __init__(self, a):
        self.s = socket.create_connection((a.host, a.port), TIMEOUT)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""

    def ask(self, data, n):
        """Send, wait for n bytes more (or the end), return what came."""
        self.s.sendall(data)
        start = len(self.got)
        while len(self.got) < start + n and self.more():
            pass
        return self.got[start:]

    def more(self):
        try:
            part = self.s.recv(65536)
        except ConnectionError:
            part = b""
        self.got += part
        return part

    def rest(self):
        """No more is sent: all that came, and the end of it."""
        try:
            self.s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        while self.more():
            pass
        self.s.close()
        return self.got


def talk(a, steps):
    """All answers to (request, answer) steps, each sent when the last is answered."""
    c = Conn(a)
    for request, answer in steps:
        c.ask(request, len(answer))
    return c.rest()


def login(user, password):
    value = b"%s %s" % (user, password)
    return b"set k 0 0 %d\r\n%s\r\n" % (len(value), value)


# ------------------------------------------------------------------ text

def text_cases(user, password):
    good, bad = login(user, password), login(user, password + b"x")
    value = b"%s %s" % (user, password)
    n = len(value)
    get, miss = b"get absent\r\n", END

    def head(line, v=value):
        return line % len(v) + v + b"\r\n"

    yield "nothing but a login", [
        (b"get k\r\n", NO), (b"version\r\n", NO), (b"quit\r\n", NO), (b"mn\r\n", NO),
        (b"mg k v\r\n", NO), (b"stats\r\n", NO), (b"shutdown\r\n", NO),
        (b"flush_all\r\n", NO), (b"\r\n", NO), (b"lru_crawler metadump all\r\n", NO)]
    yield "a login", [(good, STORED), (get, miss), (b"get k\r\n", miss)]
    yield "a login is no set, then it is", [
        (good, STORED), (good, STORED),
        (b"get k\r\n", b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (n, value)),
        (b"delete k\r\n", b"DELETED\r\n")]
    yield "a wrong password", [(bad, FAILURE), (get, NO), (good, STORED), (get, miss)]
    yield "a wrong user", [(login(user + b"x", password), FAILURE), (get, NO)]
    yield "a password too short", [(login(user, password[:-1]), FAILURE)]
    yield "password and user", [(login(password, user), FAILURE)]
    yield "noreply is not known", [(head(b"set k 0 0 %d noreply\r\n"), STORED), (get, miss)]
    yield "more words", [(head(b"set k 0 0 %d 1 2 3 4 5\r\n"), STORED), (get, miss)]
    yield "flags and expiry are nothing", [(head(b"set k x y +0%d\r\n"), STORED)]
    yield "a long key", [(head(b"set " + b"k" * 300 + b" 0 0 %d\r\n"), STORED)]
    yield "spaces", [(head(b"  set  k 0 0  %d \r\n", b" %s  %s x" % (user, password)),
                      STORED), (get, miss)]
    yield "a bare LF", [(head(b"set k 0 0 %d\n"), STORED), (get, miss)]
    yield "a NUL ends the password", [(head(b"set k 0 0 %d\r\n", value + b"\0x"), STORED)]
    yield "a CR does not", [(head(b"set k 0 0 %d\r\n", value + b"\r"), FAILURE)]
    yield "one word", [(b"set k 0 0 1\r\nu\r\n", FORMAT), (b"set k 0 0 0\r\n\r\n", FORMAT)]
    yield "no end of the value", [(b"set k 0 0 %d\r\n%sxx" % (n, value), TERMINATION),
                                  (get, NO), (good, STORED)]
    yield "too few words, no number", [
        (b"set k 0 0\r\n", NO), (b"set k 0 0 x\r\n", NO), (b"set k 0 0 -3\r\n", NO),
        (b"set k 0 0 3x\r\n", NO)]
    yield "other commands with a value", [(b"SET k 0 0 1\r\n", NO), (b"add k 0 0 1\r\n", NO),
                                          (b"ms k 1\r\n", NO), (good, STORED)]
    yield "byte by byte", [(bytes([c]), b"") for c in good[:-1]] + [
        (b"\n", STORED), (get, miss)]
    yield "2000 bytes", [(head(b"set k 0 0 %d\r\n", value.ljust(2000)), STORED), (get, miss)]
    yield "a long line", [(b"get " + b"k" * 2040 + b"\r\n", NO), (good, STORED)]


def text_differs(user, password):
    """Where 1.6.18 is at fault: its answer, ours."""
    good, bad = login(user, password), login(user, password + b"x")

    yield "all refused commands are answered", [(b"get k\r\n" * 3, NO * 3)]
    yield "a failure before a login is answered", [(bad + good, FAILURE + STORED)]
    yield "a long value is swallowed", [
        (b"set k 0 0 20000\r\n" + b"x" * 20000 + b"\r\n", NO), (good, STORED)]
    yield "a number of 33 bits", [(b"set k 0 0 4294967299\r\n", NO)]
    yield "a line without end", [(b"get " + b"k" * 3000, b"")]


def text(a):
    for name, steps in text_cases(a.user, a.password):
        is_("text: %s" % name, talk(a, steps), b"".join(w for _, w in steps))
    for name, steps in () if a.memcached else text_differs(a.user, a.password):
        is_("text: %s" % name, talk(a, steps), b"".join(w for _, w in steps))


# ------------------------------------------------------------------ sasl

LIST, AUTH, STEP, NOOP, GET, VERSION = 0x20, 0x21, 0x22, 0x0a, 0x00, 0x0b


def request(opcode, key=b"", value=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0,
                       len(key) + len(value), 7, 0) + key + value


def answer(opcode, status, body):
    return struct.pack(">BBHBBHIIQ", 0x81, opcode, 0, 0, 0, status, len(body), 7, 0) + body


def sasl_cases(user, password):
    plain = b"\0%s\0%s" % (user, password)

    def auth(message, opcode=AUTH, mech=b"PLAIN"):
        return request(opcode, mech, message)

    def ok(opcode=AUTH):
        return answer(opcode, 0, b"Authenticated")

    def no(opcode=AUTH):
        return answer(opcode, 0x20, b"Auth failure.")

    good, bad = (auth(plain), ok()), (auth(plain + b"x"), no())
    more = (auth(b""), answer(AUTH, 0x21, b""))
    step, late = (auth(plain, STEP), ok(STEP)), (auth(plain, STEP), no(STEP))
    names = (request(LIST), answer(LIST, 0, b"PLAIN"))
    known, unknown = (request(NOOP), answer(NOOP, 0, b"")), (request(NOOP), no(NOOP))

    yield "mechanisms", [names, unknown]
    yield "a login", [good, known]
    yield "a wrong password", [bad, unknown]
    yield "wrong, then right", [bad, good, known]
    yield "for oneself", [(auth(user + plain), ok()), known]
    yield "for another", [(auth(b"z" + plain), no()), unknown]
    yield "no PLAIN message", [
        (auth(plain[1:]), no()), (auth(plain + b"\0"), no()), (auth(plain + b"\0x"), no()),
        (auth(b"\0\0" + password), no()), (auth(b"\0%s\0" % user), no()),
        (auth(user + password), no()), unknown]
    yield "in two steps", [more, step, known]
    yield "in two steps, wrong", [more, (auth(plain + b"x", STEP), no(STEP)), unknown]
    yield "a second step without a first", [late, unknown]
    yield "a second step after a login", [good, late, unknown]
    yield "other mechanisms", [(auth(plain, mech=b"CRAM-MD5"), no()),
                               (auth(plain, mech=b"PLAINX"), no()), unknown]
    yield "its name in small letters", [(auth(plain, mech=b"plain"), ok()), known]
    yield "a list forgets", [good, names, unknown]
    yield "a wrong login forgets", [good, bad, unknown]
    yield "a get", [(request(GET, b"k"), no(GET))]
    yield "an unknown command", [(request(0x40), no(0x40))]
    yield "no mechanism", [(auth(plain, mech=b""),
                            answer(AUTH, 4, b"Invalid arguments"))]
    yield "a long password", [(auth(plain + b"x" * 1000), no()),
                              (auth(plain + b"x" * 100000), no()), good, known]
    yield "byte by byte", [(bytes([c]), b"") for c in good[0][:-1]] + [
        (good[0][-1:], good[1]), known]
    # memcached's library does not do that
    yield "a second login", [good, good, known]


def sasl(a):
    for name, steps in sasl_cases(a.user, a.password):
        is_("sasl: %s" % name, talk(a, steps), b"".join(w for _, w in steps))
    c = Conn(a)
    c.ask(request(VERSION), 24)
    c.ask(request(NOOP), 24 + 13)
    got = c.rest()
    is_("sasl: the version is for everybody", got[:8], b"\x81\x0b\0\0\0\0\0\0")
    is_("sasl: nothing else is", got[-13:], b"Auth failure.")


# ------------------------------------------------------------------ clients

def clients(a):
    import bmemcached
    import pylibmc

    server = "%s:%d" % (a.host, a.port)
    user, password = a.user.decode(), a.password.decode()

    mc = pylibmc.Client([server], binary=True, username=user, password=password)
    is_("pylibmc: set", mc.set("pylibmc", "one"))
    is_("pylibmc: get", mc.get("pylibmc"), "one")
    mc = pylibmc.Client([server], binary=True, username=user, password=password + "x")
    try:
        mc.get("pylibmc")
        is_("pylibmc: a wrong password", "served", "refused")
    except pylibmc.Error as e:
        is_("pylibmc: a wrong password", "AUTH" in repr(e).upper())

    mc = bmemcached.Client((server,), user, password)
    is_("bmemcached: set", mc.set("bmemcached", "two"))
    is_("bmemcached: get", mc.get("bmemcached"), "two")
    mc.disconnect_all()
    mc = bmemcached.Client((server,), user, password + "x")
    try:
        mc.get("bmemcached")
        is_("bmemcached: a wrong password", "served", "refused")
    except bmemcached.exceptions.MemcachedException as e:
        is_("bmemcached: a wrong password", e.code, 0x20)


# ------------------------------------------------------------------ reload

def put(path, data):
    # in its place at once, as an editor or a tool for this does it
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.rename(path + ".new", path)


def set_parameter(path):
    """Name of the errno, or 0."""
    try:
        with open(PARAMETER, "wb", buffering=0) as f:
            f.write(path.encode() + b"\n")
        return 0
    except OSError as e:
        return errno.errorcode[e.errno]


def get_parameter():
    with open(PARAMETER) as f:
        return f.read().rstrip("\n")


class Log:
    """The kernel's, from now on."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        """How many of our lines came since the last call."""
        n = 0
        while True:
            try:
                n += b";kfatcache: " in os.read(self.fd, 8192)
            except BlockingIOError:
                return n


def accepts(a, user, password):
    return talk(a, [(login(user, password), STORED)]) == STORED


def bad_files(a):
    """What a parameter may name that is no such file, and the errno."""
    def file(name, data):
        path = "%s/%s" % (a.folder, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    # whatever is wrong: the user would be let in by it
    good = b"%s:%s\n" % (a.user, a.password)
    os.mkfifo(a.folder + "/fifo")
    yield "that is not there", a.folder + "/none", "ENOENT"
    yield "that is a folder", a.folder, "EINVAL"
    yield "that is a pipe", a.folder + "/fifo", "EINVAL"
    yield "that is a device", "/dev/zero", "EINVAL"
    yield "of /proc", "/proc/kfatcache/stats", "EINVAL"
    yield "of our own parameters", PARAMETER, "EFBIG"
    yield "without a whole path", "folder/file", "EINVAL"
    yield "that is no path but a user", good.decode().strip(), "EINVAL"
    yield "without a name", "", "EINVAL"
    yield "that is empty", file("empty", b""), "EINVAL"
    yield "with an empty line", file("line", good + b"\n"), "EINVAL"
    yield "with a line without colon", file("colon", good + a.password + b"\n"), "EINVAL"
    yield "with no user", file("nouser", good + b":" + a.password), "EINVAL"
    yield "with no password", file("nopass", good + a.user + b":\r\n"), "EINVAL"
    yield "with a NUL", file("nul", good + b"v:" + a.password + b"\0"), "EINVAL"
    yield "with a long line", file("long", good + b"v:" + b"x" * 254), "EINVAL"
    yield "with nine users", file("nine", good + b"v:w\n" * 8), "EFBIG"
    yield "of 1 MiB", file("large", good * (1048576 // len(good))), "EFBIG"


def reload(a):
    old = b"%s:%s\n" % (a.user, a.password)
    new = a.password[::-1] + b"2"
    there, log = Conn(a), Log()
    is_("reload: before", there.ask(login(a.user, a.password), len(STORED)), STORED)
    is_("reload: the parameter", get_parameter(), a.file)

    put(a.file, b"v:w\n%s:%s\r\nz:z" % (a.user, new))
    is_("reload: nothing before the write", accepts(a, a.user, a.password))
    is_("reload: the write", set_parameter(a.file), 0)
    is_("reload: a line says so", log.lines(), 1)
    is_("reload: who was known stays so", there.ask(b"get absent\r\n", len(END)), END)
    is_("reload: the old password", accepts(a, a.user, a.password), False)
    is_("reload: the new one", accepts(a, a.user, new))
    is_("reload: the other users", accepts(a, b"v", b"w") and accepts(a, b"z", b"z"))

    for name, path, want in bad_files(a):
        got = set_parameter(path), log.lines(), get_parameter(), accepts(a, a.user, new)
        is_("reload: a file %s: %s" % (name, want), got, (want, 1, a.file, True))

    other = a.folder + "/other"
    put(other, old)
    is_("reload: another file", set_parameter(other), 0)
    is_("reload: the parameter names it", get_parameter(), other)
    is_("reload: its user", accepts(a, a.user, a.password))
    is_("reload: no user of the first", accepts(a, b"v", b"w"), False)
    is_("reload: who was known is so at the end", there.ask(b"get absent\r\n", len(END)), END)
    there.rest()
    crowd(a, other)


def crowd(a, other):
    """Logins while the file is read over and over: with one user that stays."""
    put(a.file, b"v:w\n%s:%s\n" % (a.user, a.password))
    stop = time.monotonic() + 2 * SLOWER
    wrong, logins, reads = [], [], 0

    def client():
        n = 0
        while time.monotonic() < stop:
            if not accepts(a, a.user, a.password):
                wrong.append("a right password")
            if accepts(a, a.user, a.password + b"x"):
                wrong.append("a wrong password")
            n += 1
        logins.append(n)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for t in threads:
        t.start()
    while time.monotonic() < stop:
        if set_parameter((a.file, other)[reads % 2]):
            wrong.append("a write")
        reads += 1
    for t in threads:
        t.join()
    is_("reload: under logins", wrong, [])
    is_("reload: there were some", reads > 3 and sum(logins) > 3)
    print("# reload: %d logins while it was read %d times" % (2 * sum(logins), reads))
    is_("reload: back to the first file", set_parameter(a.file), 0)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["text", "sasl", "clients", "reload"], nargs="+")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--user", type=os.fsencode, required=True)
    p.add_argument("--password", type=os.fsencode, required=True)
    p.add_argument("--memcached", action="store_true")
    p.add_argument("--file")
    p.add_argument("--folder")
    a = p.parse_args()
    for what in a.what:
        {"text": text, "sasl": sasl, "clients": clients, "reload": reload}[what](a)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

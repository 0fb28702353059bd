# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Answers taken apart: records, CAS uniques on their own, and what may differ masked."""
import base64
import binascii
import re
import struct

from seq import PFX, PFX64

YEARS = 95000000	# seconds; a longer time to live is only "long"
META = (b"HD", b"VA", b"EN", b"NF", b"NS", b"EX", b"OK")
NUMBER = re.compile(rb"\d+\Z")


class Answers:
    """What one server said to one sequence.

    records  lines, or binary packets, with <cas> where a unique was
    cas      the uniques, in their order
    masked   name of what was masked or rounded -> how often
    """

    def __init__(self, coarse=False):
        self.coarse = coarse	# neither times to live, nor fetched, stale and won
        self.records = []
        self.cas = []
        self.masked = {}

    def mask(self, name):
        self.masked[name] = self.masked.get(name, 0) + 1

    def unique(self, v):
        """A unique of 0 is no unique, and stays."""
        if not v:
            return b"0"
        self.cas.append(v)
        return b"<cas>"

    def seconds(self, v):
        if v <= 0:
            return b"%d" % v
        self.mask("seconds")
        return b"long" if v > YEARS else b"%d" % (-(-v // 100) * 100)

    def idle(self, v):
        self.mask("seconds")
        return b"%d" % (0 if v < 60 else v)

    # ------------------------------------------------------------ text

    def bare_key(self, key):
        """Without base64."""
        if key.startswith(PFX64):
            try:
                key = base64.b64decode(key, validate=True)
                self.mask("base64-mark")
            except binascii.Error:
                pass
        return key

    def meta_line(self, words):
        if b"b" in words:
            words.remove(b"b")
        if self.coarse:
            words = [w for w in words if not re.match(rb"(t-?[0-9]+|h[01]|[WXZ])\Z", w)]
        for i in range(1, len(words)):
            w = words[i]
            kind, rest = w[:1], w[1:]
            if kind == b"c" and NUMBER.match(rest):
                words[i] = b"c" + self.unique(int(rest))
            elif kind == b"t" and NUMBER.match(rest):
                words[i] = b"t" + self.seconds(int(rest))
            elif kind == b"l" and NUMBER.match(rest):
                words[i] = b"l" + self.idle(int(rest))
            elif kind == b"k":
                words[i] = b"k" + self.bare_key(rest)
        return b" ".join(words)

    def debug_line(self, words):
        self.mask("me-size")
        if len(words) > 1:
            words[1] = self.bare_key(words[1])
        for i in range(2, len(words)):
            name, _, v = words[i].partition(b"=")
            if self.coarse and name in (b"exp", b"fetch"):
                words[i] = b"*"
            if name == b"cas" and NUMBER.match(v):
                words[i] = b"cas=" + self.unique(int(v))
            elif name == b"exp" and NUMBER.match(v.lstrip(b"-")):
                v = int(v)
                # counted backwards; 1.6.18 has it wrap round beyond 2^31
                words[i] = b"exp=%d" % v if v == -1 else b"exp=" + self.seconds(abs(v))
            elif name in (b"la", b"cls", b"size"):
                words[i] = name + b"=*"
        return b" ".join(words)

    def text(self, data):
        for line in data.split(b"\n"):
            cr = b"\r" if line.endswith(b"\r") else b""
            bare = line[:-1] if cr else line
            head = bare[:2]
            if head == b"VA" and bare.startswith(b"VALUE "):
                words = bare.split(b" ")
                if len(words) == 5 and NUMBER.match(words[4]):
                    words[4] = self.unique(int(words[4]))
                    bare = b" ".join(words)
            elif head in META:
                bare = self.meta_line(bare.split(b" "))
            elif head == b"ME":
                bare = self.debug_line(bare.split(b" "))
            elif bare.startswith(b"VERSION "):
                self.mask("version")
                bare = b"VERSION *"
            elif bare == b"CLIENT_ERROR opaque token too long":
                self.mask("opaque-text")
                bare = b"CLIENT_ERROR bad command line format"
            self.records.append(bare + cr)

    # ------------------------------------------------------------ binary

    def binary(self, data):
        at = 0
        while at + 24 <= len(data):
            (magic, op, klen, ext, _, status, body, opaque, cas) = struct.unpack_from(
                ">BBHBBHIIQ", data, at)
            if magic != 0x81 or body > 1 << 24:
                break
            rest = data[at + 24:at + 24 + body]
            if op == 0x0b and not status:
                self.mask("version")
                body, rest = 0, b"*"
            self.records.append(b"[%02x status %02x key %d ext %d body %d opaque %x cas %s] " % (
                op, status, klen, ext, body, opaque, self.unique(cas)) + rest)
            at += 24 + body if rest != b"*" else 24 + struct.unpack_from(">I", data, at + 8)[0]
        if at < len(data):
            self.records.append(b"<broken> " + data[at:])


def read(conns, prefix, prefix64, coarse=False):
    """conns: (binary, bytes, how it ended) of each connection."""
    a = Answers(coarse)
    for binary, data, ended in conns:
        data = data.replace(prefix, PFX).replace(prefix64, PFX64)
        if binary:
            a.binary(data)
        else:
            a.text(data)
        a.records.append(b"<%s>" % ended)
    return a


def uniques_of(conns):
    """The uniques alone, while the answers still come."""
    a = Answers()
    for binary, data, _ in conns:
        if binary:
            a.binary(bytes(data))
        else:
            a.text(bytes(data))
    return a.cas


PADDED = re.compile(rb"(\[.* body )(\d+)( .*?\] (?:.*?\D)?\d+)( +)", re.S)
HEAD = re.compile(rb"(VALUE \S+ \d+ |VA )(\d+)(.*)", re.S)


def unpad(a):
    """Without the spaces behind numbers, and lengths that go with it (incr-pad)."""
    out = list(a.records)
    for i, r in enumerate(out):
        m = PADDED.fullmatch(r)
        if m:
            out[i] = m[1] + b"%d" % (int(m[2]) - len(m[4])) + m[3]
        m = re.fullmatch(rb"(\d+)( +)\r", r)
        head = i and HEAD.fullmatch(out[i - 1])
        if m and head and int(head[2]) == len(r) - 1:
            out[i - 1] = head[1] + b"%d" % len(m[1]) + head[3]
            out[i] = m[1] + b"\r"
    if out != a.records:
        a.mask("incr-pad")
        a.records = out


def compare(a, b):
    """None, or (number of the first record that differs, why)."""
    if a.records != b.records:
        unpad(a)
        unpad(b)
    for i, (x, y) in enumerate(zip(a.records, b.records)):
        if x != y:
            return i, "they differ"
    if len(a.records) != len(b.records):
        return min(len(a.records), len(b.records)), "one says more"
    if len(a.cas) != len(b.cas):
        return 0, "%d and %d CAS uniques" % (len(a.cas), len(b.cas))
    to_b, to_a = {}, {}
    for n, (x, y) in enumerate(zip(a.cas, b.cas)):
        if to_b.setdefault(x, y) != y:
            return cas_record(a, n), "A's CAS unique %d is two of B's, %d and %d" % (
                x, to_b[x], y)
        if to_a.setdefault(y, x) != x:
            return cas_record(a, n), "B's CAS unique %d is two of A's, %d and %d" % (
                y, to_a[y], x)
    return None


def cas_record(a, n):
    for i, r in enumerate(a.records):
        n -= r.count(b"<cas>")
        if n < 0:
            return i
    return 0


def only_b_non_numeric(a, b):
    """Whether the first that differs is that B takes for no number what A does."""
    i, _ = compare(a, b) or (None, None)
    return i is not None and i < min(len(a.records), len(b.records)) and \
        b"on-numeric" in b.records[i] and b"on-numeric" not in a.records[i] and \
        not re.match(rb"EX|\[.. status 02", a.records[i])

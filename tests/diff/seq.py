# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a sequence of commands is made of.

A key begins with PFX, which is replaced by one of the same length that nobody
else uses when the sequence is sent, and put back in the answers. Base64 of a
key that begins with PFX begins with PFX64. In what is printed they are @ and @64.
"""
import base64

PFX = b"<my-prefix.>"	# a multiple of 3, and no part of it begins it
PFX64 = base64.b64encode(PFX)

LONGEST = PFX + b"l" * (250 - len(PFX))
TOO_LONG = PFX + b"x" * (251 - len(PFX))

# What no answer has by chance: added to a CAS unique that was seen.
FAR = 1 << 60


NO_CAS = 2 ** 63 + 11


class Cas:
    """The place of a CAS unique in a request.

    Each server's own: the one that its answers showed pick-th (counted round),
    the latest for -1; one that none has where they showed none. fmt: "dec" or "be8".
    """
    __slots__ = ("pick", "off", "fmt")

    def __init__(self, pick, off=0, fmt="dec"):
        self.pick, self.off, self.fmt = pick, off, fmt

    def render(self, seen):
        v = seen[self.pick if self.pick < 0 else self.pick % len(seen)] if seen else NO_CAS
        v = (v + self.off) & (2 ** 64 - 1)
        return b"%d" % v if self.fmt == "dec" else v.to_bytes(8, "big")

    def __repr__(self):
        return "<cas %d%s>" % (self.pick, " wrong" if self.off else "")


class Step:
    """One command, with what belongs to it.

    a, b       bytes and Cas for each server; b is None where it gets what A gets
    known      names from known.py, which say why b is not a
    sync       all answers before it must have come (where 1.6.18 would drop
               them, or does something else while they wait)
    reconnect  it is the first on a new connection
    adrift     the servers may take later bytes for something else
    arith      it is an incr or its like
    """
    __slots__ = ("a", "b", "known", "sync", "reconnect", "adrift", "arith")

    def __init__(self, a, b=None, known=(), sync=False, adrift=False):
        self.a = a if isinstance(a, list) else [a]
        self.b = b if isinstance(b, list) or b is None else [b]
        self.known = list(known)
        self.sync, self.adrift = sync, adrift
        self.reconnect = self.arith = False

    def synced(self):
        """A copy that waits for the answers before it."""
        s = Step(self.a, self.b, self.known, True, self.adrift)
        s.reconnect, s.arith = self.reconnect, self.arith
        return s

    def side(self, which):
        return self.a if which == 0 or self.b is None else self.b


def parts_len(parts):
    return sum(len(p) if isinstance(p, bytes) else 8 for p in parts)


def show(data, most=160):
    """Bytes for a reader."""
    if isinstance(data, list):
        return "".join(show(p, most) if isinstance(p, bytes) else repr(p) for p in data)
    text = repr(bytes(data).replace(PFX, b"@").replace(PFX64, b"@64"))[2:-1]
    if len(text) > most:
        text = "%s...(%d bytes)...%s" % (text[:most * 2 // 3], len(data), text[-most // 4:])
    return text


class Sequence:
    """Steps, and how their bytes are cut: cuts is None (one piece a phase), or a
    seed and a kind."""

    def __init__(self, number, protocol, steps, cut=0, cut_seed=0, alone=False):
        self.number, self.protocol, self.steps = number, protocol, steps
        self.cut, self.cut_seed, self.alone = cut, cut_seed, alone

    def counts(self):
        """Whether it has an incr or its like."""
        return any(s.arith for s in self.steps)

# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Sequences of commands, each from a seed and its number alone.

What is wrong with a command is chosen, not met by chance, because both servers must
be given the time that 1.6.18 needs (see Step) and must be known to differ or not.
"""
import random

from binary import BinaryGen
from meta import MetaGen
from seq import LONGEST, PFX, Sequence, TOO_LONG
from text import TextGen

PROTOCOLS = ("text", "meta", "binary", "mixed")
ALONE = 97	# every 97th sequence may flush, and runs alone


class State:
    """What the generators share within one sequence."""

    def __init__(self, rng, alone):
        self.rng = rng
        self.alone = alone	# it may flush
        self.flushed = False
        self.adrift = False
        self.ended = False	# the connection is closed now
        self.held = False	# an answer that waits may hold an item
        self.large = 0

    def chance(self, per_cent):
        return self.rng.random() * 100 < per_cent

    def key(self):
        """A good key."""
        r = self.rng.random()
        if r < 0.94:
            return PFX + self.rng.choice((b"a", b"a", b"a", b"b", b"b", b"c"))
        if r < 0.97:
            return LONGEST
        return PFX + self.rng.choice((b"\x01\x7f\xff", b"\t", b"=", b"noreply", b"a\x0b"))

    def bad_key(self):
        return TOO_LONG + b"x" * self.rng.choice((0, 0, 1, 50))

    def value(self, most=3000):
        rng = self.rng
        if self.adrift:	# it may be taken for a line
            most = 90
        r = rng.random()
        if r < 0.3:
            return b"%d" % rng.choice((0, 1, 9, 10, 99, 100, 12345, rng.randrange(1 << 63),
                                       (1 << 63) - 1, (1 << 64) - rng.randint(1, 3)))
        if r < 0.4:
            return rng.choice((b"", b"1 ", b" 1", b"~1", b"12x", b"18446744073709551616",
                               b"0012", b"1\t", b"1\r\n", b"+3", b"99999999999999999999999",
                               b"\0\0", b"5\0"))
        if r < 0.9 or most < 100:
            n = rng.randint(0, min(30, most))
        elif r < 0.993 or self.large > 1:
            n = rng.randint(30, min(most, 3000))
        elif most > 100000 and r > 0.9985:
            self.large += 1
            n = 1048576 - rng.randint(-20, 120)
        else:
            self.large += 1
            n = rng.randint(3000, max(3000, min(most, 60000)))
        return (rng.choice((b"abc", b"xyz\r\n", b"q\xff\x00z", b"0123456789"))
                * (n // 3 + 1))[:n]


GENERATORS = {"text": TextGen, "meta": MetaGen, "binary": BinaryGen}


def sequence(seed, number, protocol="all"):
    rng = random.Random((seed << 32) + number)
    if protocol == "all":
        protocol = rng.choices(PROTOCOLS, (30, 33, 30, 7))[0]
    alone = number % ALONE == ALONE - 1
    st = State(rng, alone)
    steps = []
    for part in range(rng.randint(2, 3) if protocol == "mixed" else 1):
        name = rng.choice(("text", "meta", "binary")) if protocol == "mixed" else protocol
        gen = GENERATORS[name](st)
        st.adrift = st.ended = st.held = False
        at = len(steps)
        for key in (b"a", b"b"):
            if st.chance(60):
                steps.append(gen.prime(PFX + key))
        for _ in range(rng.choice((1, 2, 3, 4, 5, 6, 8, 12))):
            for step in gen.commands():
                # nobody knows who gets what for a line then
                if st.adrift and (step.sync or step.b is not None):
                    continue
                step.sync = step.sync and len(steps) > at
                if step.sync:
                    st.held = False
                gen.after(step)
                steps.append(step)
            if st.ended:
                break
        if not st.ended:
            steps += gen.last()
        if part and len(steps) > at:
            steps[at].reconnect = True
    return Sequence(number, protocol, steps, rng.choice((0, 0, 1, 1, 2, 3)),
                    rng.getrandbits(32), alone)

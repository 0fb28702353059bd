# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Binary requests, good and broken."""
import struct

from seq import Cas, FAR, LONGEST, parts_len, PFX, Step

GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION = range(12)
GETK, GETKQ, APPEND, PREPEND, STAT = range(12, 17)
TOUCH, GAT, GATQ, SASL_LIST, SASL_AUTH, SASL_STEP, GATK, GATKQ = (
    0x1c, 0x1d, 0x1e, 0x20, 0x21, 0x22, 0x23, 0x24)
QUIET = {SET: 0x11, ADD: 0x12, REPLACE: 0x13, DELETE: 0x14, INCR: 0x15, DECR: 0x16, QUIT: 0x17,
         FLUSH: 0x18, APPEND: 0x19, PREPEND: 0x1a}
TIMES = (0, 0, 0, 0, 1000, 100000, 2592000, 2592001, 2000000000)


class BinaryGen:
    def __init__(self, st):
        self.st, self.rng = st, st.rng
        self.opaque = 0

    def packet(self, op, extras=b"", key=b"", value=b"", cas=0, klen=None, extlen=None, body=None,
               magic=0x80, **more):
        """The lengths are those of the parts, unless said otherwise."""
        rng = self.rng
        self.opaque += 1
        opaque = self.opaque if not self.st.chance(5) else rng.getrandbits(32)
        head = struct.pack(
            ">BBHBBHII", magic, op, len(key) if klen is None else klen,
            len(extras) if extlen is None else extlen,
            rng.getrandbits(8) if self.st.chance(2) else 0,
            rng.getrandbits(16) if self.st.chance(5) else 0,
            len(extras) + len(key) + len(value) if body is None else body, opaque)
        return Step([head, cas if isinstance(cas, Cas) else cas.to_bytes(8, "big"),
                     extras + key + value], **more)

    def key(self):
        r = self.rng.random()
        if r < 0.93:
            return PFX + self.rng.choice((b"a", b"a", b"a", b"b", b"b", b"c"))
        if r < 0.96:
            return LONGEST
        return PFX + self.rng.choice((b"\0\1\2", b" x ", b"\r\n", b"\x80\xff", b"\t"))

    def cas(self):
        """(unique of a request, whether it needs a sync)"""
        st, rng = self.st, self.rng
        r = rng.random()
        if r < 0.8 or st.adrift:
            return 0, False
        if r < 0.85:
            return rng.choice(((1 << 64) - 1, 1 << 62)), False
        if r < 0.9:
            return Cas(-1, FAR, "be8"), True
        return Cas(-1 if r < 0.97 else rng.randrange(8), 0, "be8"), True

    def quiet(self, op):
        return QUIET[op] if self.st.chance(30) else op

    def times(self):
        if self.st.chance(3):
            return self.rng.choice((0x80000000, 0xf0000000, 0xffffffff))
        return self.rng.choice(TIMES)

    # ------------------------------------------------------------ good ones

    def store(self):
        op = self.rng.choice((SET, SET, SET, ADD, REPLACE))
        cas, sync = self.cas()
        value = self.st.value(2000000)
        flags = self.rng.choice((0, 0, 0, 5, 0xffffffff))
        return [self.packet(self.quiet(op), struct.pack(">II", flags, self.times()), self.key(),
                            value, cas, sync=sync)]

    def prime(self, key):
        return self.packet(SET, struct.pack(">II", self.rng.choice((0, 0, 5)), 0), key,
                           self.st.value(90))

    def extend(self):
        op = self.quiet(self.rng.choice((APPEND, PREPEND)))
        cas, sync = self.cas()
        return [self.packet(op, b"", self.key(), self.st.value(), cas, sync=sync)]

    def get(self):
        steps = []
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            steps.append(self.packet(self.rng.choice((GET, GETQ, GETK, GETKQ)), b"", self.key()))
        if self.st.chance(40):
            steps.append(self.packet(NOOP))
        return steps

    def delete(self):
        cas, sync = self.cas()
        return [self.packet(self.quiet(DELETE), b"", self.key(), b"", cas, sync=sync)]

    def arith(self):
        rng = self.rng
        op = self.quiet(rng.choice((INCR, DECR)))
        cas, sync = self.cas()
        extras = struct.pack(">QQI", rng.choice((0, 1, 5, 90, (1 << 64) - 1)),
                             rng.choice((0, 1, 100, (1 << 64) - 1)),
                             rng.choice((0, 0, 1000, 100000, 0xffffffff, 0xffffffff)))
        step = self.packet(op, extras, self.key(), b"", cas, sync=sync or self.st.held)
        step.arith = True
        return [step]

    def touch(self):
        op = self.rng.choice((TOUCH, GAT, GATQ, GATK, GATKQ))
        return [self.packet(op, struct.pack(">I", self.times()), self.key())]

    def other(self):
        rng = self.rng
        op = rng.choice((NOOP, NOOP, VERSION, STAT, SASL_LIST, SASL_AUTH, SASL_STEP))
        if op == STAT:
            return [self.packet(STAT, b"", rng.choice((b"bogus", b"detail bogus", b"x" * 250)))]
        if op == SASL_AUTH:
            return [self.packet(op, b"", rng.choice((b"PLAIN", b"x" * 40)), b"\0user\0password")]
        if op == SASL_STEP:
            return [self.packet(op, b"", b"PLAIN", b"x")]
        return [self.packet(op)]

    def flush(self):
        self.st.flushed = True
        extras = self.rng.choice((b"", b"\0\0\0\0", struct.pack(">I", 100000)))
        return [self.packet(self.quiet(FLUSH), extras, sync=True)]

    # ------------------------------------------------------------ broken ones

    def unknown(self):
        """B's whole body is value, of which it skips no more than that."""
        op = self.rng.choice((0x1b, 0x1f, 0x25, 0x30, 0x40, 0x55, 0x7f, 0x80, 0xff, 0x3f))
        key, value = self.key(), self.st.value(200)
        extras = b"e" * self.rng.choice((0, 0, 4, 8, 20, 21))
        if self.st.chance(40):
            return [self.packet(op, b"", b"", value)]
        step = self.packet(op, extras, key, value)
        body = extras + key + value
        head = bytearray(step.a[0])
        head[2:5] = bytes(3)
        step.b = [bytes(head), step.a[1], body]
        step.known.append("bin-unknown-body")
        return [step]

    def surplus(self):
        """A body longer than the opcode's: B gets what 1.6.18 takes for invalid."""
        self.st.ended = True
        op = self.rng.choice((TOUCH, GAT, GATQ, GATK, GATKQ, STAT))
        extras = b"" if op == STAT else bytes(4)
        key = self.key() if op != STAT else b"bogus"
        step = self.packet(op, extras, key, b"y" * self.rng.choice((1, 2, 24, 100)), sync=True)
        body = step.a[2]
        head = bytearray(step.a[0])
        head[2:4], head[4] = bytes(2), 1	# no key, and extras that fit none of them
        if op == STAT:
            head[2:4] = (len(body) - 1).to_bytes(2, "big")
        step.b = [bytes(head), step.a[1], body]
        step.known.append("bin-surplus")
        return [step]

    def broken(self):
        """Lengths that do not fit: the connection's end."""
        st, rng = self.st, self.rng
        r = rng.random()
        if r < 0.1:
            return self.surplus()
        st.ended = True
        if r < 0.2:
            return [self.packet(rng.choice((QUIT, 0x17)), sync=True)] + (
                [self.packet(NOOP)] if st.chance(50) else [])
        op = rng.choice((GET, SET, ADD, REPLACE, DELETE, INCR, DECR, GETQ, NOOP, VERSION, GETK,
                         APPEND, PREPEND, TOUCH, GAT, SASL_LIST, QUIT, 0x11, 0x14, 0x15, 0x19))
        extras = {SET: bytes(8), ADD: bytes(8), REPLACE: bytes(8), 0x11: bytes(8),
                  INCR: bytes(20), DECR: bytes(20), 0x15: bytes(20), TOUCH: bytes(4),
                  GAT: bytes(4)}.get(op, b"")
        key = b"" if op in (NOOP, VERSION, SASL_LIST, QUIT) else self.key()
        value = b"value" if op in (SET, ADD, REPLACE, 0x11, APPEND, PREPEND, 0x19) else b""
        if r < 0.3:		# the body is shorter than what is in it
            body = rng.randrange(max(1, len(extras) + len(key)))
            step = self.packet(op, extras, key, b"", body=body, sync=True)
            if not extras and not key:
                return [self.packet(op, b"e", b"", b"", body=0, sync=True)]
            return [step]
        if r < 0.45:		# other extras
            return [self.packet(op, b"\0" * rng.choice([n for n in (0, 1, 4, 8, 19, 20, 21, 24, 255)
                                                        if n != len(extras)]),
                                key, value, sync=True)]
        if r < 0.55:		# a key that is too long
            return [self.packet(op, extras, b"k" * rng.choice((251, 252, 300, 2000)), value,
                                sync=True)]
        if r < 0.65:		# no key, or one where none is taken
            return [self.packet(op, extras, b"" if key else b"k", value, sync=True)]
        if r < 0.75 and not value and op not in (TOUCH, GAT):	# a value where none is taken
            return [self.packet(op, extras, key, b"v" * rng.choice((1, 100)), sync=True)]
        if r < 0.85:		# no request at all
            return [self.packet(op, extras, key, value, magic=rng.choice((0, 0x81, 0x7f, 0xff)),
                                sync=True)]
        # cut short
        step = self.packet(op, extras, key, value)
        data = step.a[0] + step.a[1] + step.a[2]
        return [Step(data[:rng.randrange(1, len(data))], sync=True)]

    def commands(self):
        st = self.st
        if st.chance(4):
            return self.broken()
        if st.alone and not st.flushed and st.chance(30):
            return self.flush()
        what = self.rng.choices(
            (self.store, self.extend, self.get, self.delete, self.arith, self.touch, self.other,
             self.unknown), (32, 8, 24, 7, 14, 3, 6, 3))[0]
        return what()

    def after(self, step):
        if parts_len(step.a) >= 24 and step.a[0][1] in (GET, GETQ, GETK, GETKQ, GAT, GATQ, GATK,
                                                        GATKQ):
            self.st.held = True

    def last(self):
        return [self.packet(GETK, b"", PFX + k) for k in (b"a", b"b", b"c")] + [
            self.packet(VERSION)]

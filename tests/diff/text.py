# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Text commands, good and broken."""
from seq import Cas, FAR, PFX, Step, TOO_LONG

FAR_TIMES = (b"1000", b"100000", b"2592000", b"2000000000")
MALFORMED = (b"x", b"1x", b"0x10", b"1.5", b"--1", b"+", b"-", b"1-", b"99999999999999999999",
             b"\xff", b"1,2", b"noreply")


class Number:
    """A number as A and B get it; known: why they differ; good: it is taken for one."""
    __slots__ = ("a", "b", "known", "good")

    def __init__(self, a, b=None, known=None, good=True):
        self.a, self.b, self.known, self.good = a, a if b is None else b, known, good


class TextGen:
    def __init__(self, st):
        self.st, self.rng = st, st.rng

    # ------------------------------------------------------------ numbers

    def one_of(self, *words, good=True):
        return Number(self.rng.choice(words), good=good)

    def malformed(self):
        return self.one_of(*MALFORMED, good=False)

    def cut(self, *words):
        """1.6.18 would cut these: B gets what it refuses."""
        return Number(self.rng.choice(words), b"x", "number-cut", good=False)

    def flags(self):
        r = self.rng.random()
        if r < 0.9:
            return self.one_of(b"0", b"0", b"0", b"1", b"5", b"4294967295", b"+7", b"007")
        if r < 0.95:
            return self.malformed()
        if r < 0.97:
            return self.one_of(b"-1", good=False)
        return self.cut(b"4294967296", b"4294967297", b"18446744073709551615",
                        b"-18446744073709551615")

    def expiry(self):
        r = self.rng.random()
        if r < 0.85:
            return self.one_of(b"0", b"0", b"0", b"0", b"-1", b"2592001", b"-0", b"+1000",
                               *FAR_TIMES)
        if r < 0.93:
            return self.malformed()
        if r < 0.96:
            return self.one_of(b"9223372036854775808", b"-9223372036854775809", good=False)
        if r < 0.98:
            return Number(self.rng.choice((b"2147483648", b"4294967295", b"4294967396",
                                           b"9223372036854775807")), b"2000000000", "expiry-cut")
        return Number(self.rng.choice((b"-2147483649", b"-4294967295", b"-9223372036854775808")),
                      b"-1", "expiry-cut")

    def delta(self):
        r = self.rng.random()
        if r < 0.85:
            return self.one_of(b"1", b"1", b"5", b"0", b"9", b"90", b"+1", b"18446744073709551615")
        if r < 0.95:
            return self.malformed()
        if r < 0.98:
            return self.one_of(b"-1", b"18446744073709551616", good=False)
        return self.cut(b"-18446744073709551615")

    # ------------------------------------------------------------ lines

    def line(self, *words, **more):
        """A step of one line from words, each bytes, a Cas or a Number."""
        st, rng = self.st, self.rng
        a, b, names = [], [], []
        space = b" "
        if st.chance(3):
            space = rng.choice((b"  ", b"   "))
        for i, w in enumerate(words):
            if i:
                a.append(space)
                b.append(space)
            if isinstance(w, Number):
                a.append(w.a)
                b.append(w.b)
                if w.known:
                    names.append(w.known)
            else:
                a.append(w)
                b.append(w)
        end = b"\r\n"
        if st.chance(6):
            end = rng.choice((b"\n", b"\n", b" \r\n", b"\r\r\n", b"\0\r\n", b"\0 x y z\r\n"))
            if words[0] in (b"get", b"gets", b"bget", b"gat", b"gats") and end[0] in b"\r\0":
                end = b"\n"
        return Step(a + [end], b + [end] if names else None, names, **more)

    def noreply(self, words):
        r = self.rng.random()
        if r < 0.15:
            words.append(b"noreply")
        elif r < 0.17:
            words.append(self.rng.choice((b"NOREPLY", b"foo", b"0", b"noreply foo")))
        return words

    def add(self, step, data):
        step.a.append(data)
        if step.b is not None:
            step.b.append(data)

    def data(self, step, value):
        """A value behind a storage line, its end sometimes wrong."""
        if self.st.chance(4):
            end = self.rng.choice((b"\n", b"", b"xx", b"x\r\n", b"\r", b"\r\r\n", b"xxxxxxxx\r\n"))
            self.add(step, value + end)
            step.adrift = True
        else:
            self.add(step, value + b"\r\n")

    def storage(self):
        st, rng = self.st, self.rng
        name = rng.choice((b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend"))
        value = st.value(2000000)
        flags, expiry, length = self.flags(), self.expiry(), Number(b"%d" % len(value))
        key = st.key()
        refused = st.chance(3)
        if refused:
            key = st.bad_key()
        elif st.chance(4):
            # a length that is refused; or one that is not the value's
            r = rng.random()
            if r < 0.3:
                length = self.malformed()
            elif r < 0.5:
                length = self.one_of(b"-1", b"-2147483648", b"2147483647", b"2147483646", good=False)
            elif r < 0.6:
                length = self.cut(b"4294967297", b"-4294967295", b"4294967295")
            else:
                length = Number(b"%d" % max(0, len(value) + rng.choice((-2, -1, 1, 2, 30))))
        words = [name, key, flags, expiry, length]
        if st.chance(1):
            words, refused = words[:rng.randint(1, 4)], True
        else:
            self.noreply(words)
            refused = refused or words[-1] == b"noreply foo"
        step = self.line(*words)
        if refused or not (flags.good and expiry.good and length.good):
            # the value is taken for a line, and a short one it must be
            self.add(step, b"x" * (len(value) % 50) + b"\r\n")
        else:
            self.data(step, value)
            step.adrift = step.adrift or length.a != b"%d" % len(value)
        return [step]

    def prime(self, key):
        value = self.st.value(90)
        return Step(b"set %s %d 0 %d\r\n%s\r\n" % (key, self.rng.choice((0, 0, 5)), len(value), value))

    def broken_cas(self, key, value):
        """Without a unique: B gets what is answered so, and no value."""
        unique = self.rng.choice((b"", b"x", b"-1", b"18446744073709551616", b"1x"))
        end = b" noreply\r\n" if unique and self.st.chance(20) else b"\r\n"
        return [Step(b"cas %s 0 0 %d %s%s%s\r\n" % (key, len(value), unique, end, value),
                     b"delete " + TOO_LONG + end, ["cas-swallow"])]

    def cas(self):
        st, rng = self.st, self.rng
        key, value = st.key(), st.value()
        if st.chance(10):
            return self.broken_cas(key, value)
        flags, expiry = self.flags(), self.expiry()
        if not (flags.good and expiry.good):
            flags = expiry = Number(b"0")
        steps = []
        r = rng.random()
        if r < 0.3:
            unique = Cas(-1, FAR) if r < 0.5 else b"18446744073709551615"
        else:
            unique = Cas(rng.choice((-1, -1, -1, rng.randrange(8))))
            if st.chance(70) and not st.adrift:
                steps.append(self.line(b"gets", key))
        words = self.noreply([b"cas", key, flags, expiry, b"%d" % len(value), unique])
        if words[-1] == b"noreply foo":
            words.pop()
        step = self.line(*words, sync=isinstance(unique, Cas))
        self.data(step, value)
        return steps + [step]

    def get(self):
        st, rng = self.st, self.rng
        name = rng.choice((b"get", b"get", b"gets", b"gets", b"bget"))
        if st.chance(2):
            return [self.line(name)]
        keys = [st.key() for _ in range(rng.choice((1, 1, 1, 2, 3, 6)))]
        if st.chance(1):
            keys = [st.key() for _ in range(rng.randint(20, 60))]
            keys = [k for k in keys if len(k) < 20]
        if st.chance(3):
            keys.insert(rng.randrange(len(keys) + 1), st.bad_key())
            return [self.long_key(name, *keys)]
        return [self.line(name, *keys)]

    def long_key(self, *words):
        """1.6.18 does what it can before it meets the key, and drops answers that wait."""
        step = self.line(*words, sync=True)
        step.b, step.known = [b"get " + TOO_LONG + b"\r\n"], ["get-long-key"]
        return step

    def gat(self):
        st, rng = self.st, self.rng
        name = rng.choice((b"gat", b"gats"))
        if st.chance(3):
            return [self.line(name, *([self.expiry()] if st.chance(50) else []))]
        keys = [st.key() for _ in range(rng.choice((1, 1, 2, 4)))]
        if st.chance(3):
            return [self.long_key(name, Number(b"100"), *keys, st.bad_key())]
        return [self.line(name, self.expiry(), *keys)]

    def touch(self):
        words = [b"touch", self.st.key(), self.expiry()]
        if self.st.chance(4):
            words[1] = self.st.bad_key()
        if self.st.chance(3):
            words.pop()
        return [self.line(*self.noreply(words))]

    def arith(self):
        words = [self.rng.choice((b"incr", b"decr")), self.st.key(), self.delta()]
        if self.st.chance(4):
            words[1] = self.st.bad_key()
        if self.st.chance(3):
            words.pop()
        return self.arith_steps(self.line(*self.noreply(words)))

    def arith_steps(self, step):
        """1.6.18 pads a number in its place, unless an answer holds the item."""
        step.sync = step.sync or self.st.held
        step.arith = True
        return [step]

    def delete(self):
        words = [b"delete", self.st.key()]
        if self.st.chance(4):
            words[1] = self.st.bad_key()
        if self.st.chance(10):
            words.append(self.rng.choice((b"0", b"0", b"1", b"00", b"0 0", b"noreply noreply",
                                          b"0 noreply x", b"-1")))
        if self.st.chance(2):
            words = words[:1]
        return [self.line(*self.noreply(words))]

    def other(self):
        rng = self.rng
        w = rng.choice((
            b"version", b"version", b"verbosity 0", b"verbosity 0 noreply", b"verbosity",
            b"verbosity x", b"verbosity -1", b"verbosity 0 a", b"verbosity 0 a b", b"", b" ",
            b"\r", b"\0", b"x", b"foo bar", b"GET a", b"gets", b"\tversion", b"set", b"cas a 0 0",
            b"incr", b"touch a", b"shutdown", b"shutdown graceful", b"stats bogus",
            b"stats noreply", b"stats a b c d e f g h i", b"slabs", b"slabs reassign",
            b"slabs reassign x y", b"slabs foo bar", b"lru", b"lru foo", b"lru tune 1",
            b"lru mode bogus", b"lru_crawler", b"lru_crawler foo", b"lru_crawler sleep x",
            b"lru_crawler tocrawl x", b"cache_memlimit", b"cache_memlimit x",
            b"cache_memlimit -1", b"flush_all x", b"flush_all foo 0", b"flush_all 0 foo bar",
            b"flush_all x noreply", b"\x80\x01", b"\xff\xfe\xfd", b"m", b"mx a", b"get\ta",
            b"delete" + b" a" * 30, b"a" * 300, b"a " * 700, b"v" * 2000,
            b"verbosity 4294967297"))
        if w == b"verbosity 4294967297":
            return [Step(w + b"\r\n", b"verbosity x\r\n", ["number-cut"])]
        if w == b"\x80\x01":
            w = b"x" + w	# as a connection's first byte it would be binary
        return [Step(w + rng.choice((b"\r\n", b"\r\n", b"\n")))]

    def flush(self):
        """Only in a sequence that runs alone, and once."""
        self.st.flushed = True
        delay = self.rng.choice((b"", b" 0", b" -1", b" 100000", b" 0 foo", b" noreply",
                                 b" 0 noreply"))
        return [Step(b"flush_all" + delay + b"\r\n", sync=True)]

    def closing(self):
        """The connection's end."""
        self.st.ended = True
        rng = self.rng
        r = rng.random()
        if r < 0.4:
            return [Step(rng.choice((b"quit\r\n", b"quit foo\r\n", b"quit\n"))
                         + rng.choice((b"", b"version\r\n")), sync=True)]
        if r < 0.7:
            return [Step(rng.choice((b"a", b"set ", b"\r", b"k ", b"gat 0 ", b"bget ", b"mg "))
                         * rng.choice((2100, 3000)), sync=True)]
        cut = rng.choice((b"set " + self.st.key() + b" 0 0 10\r\nabc", b"get " + self.st.key(),
                          b"version", b"set " + self.st.key() + b" 0 0 1\r\nx",
                          b"set " + self.st.key() + b" 0 0 1\r\nx\r", b"\r", b"get"))
        return [Step(cut, sync=True)]

    # ------------------------------------------------------------ all

    def commands(self):
        st = self.st
        if st.chance(2):
            return self.closing() if not st.adrift else []
        if st.alone and not st.flushed and not st.adrift and st.chance(30):
            return self.flush()
        what = self.rng.choices(
            (self.storage, self.cas, self.get, self.gat, self.touch, self.arith, self.delete,
             self.other), (34, 10, 20, 2, 2, 12, 6, 6))[0]
        return what()

    def after(self, step):
        """Note what was sent."""
        st = self.st
        if step.adrift:
            st.adrift = True
        first = step.a[0] if isinstance(step.a[0], bytes) else b""
        if first[:1] == b"g" or first[:2] in (b"bg", b"mg"):
            st.held = True

    def aground(self):
        """Whatever is waited for comes to its end: 1.6.18 drops answers that wait if the
        connection's end comes within a value."""
        return Step(b"\r\n" * (40 if self.st.adrift else 1))

    def last(self):
        """What there is now."""
        keys = b" ".join(PFX + k for k in (b"a", b"b", b"c"))
        return [self.aground(), Step(b"gets " + keys + b"\r\nversion\r\n")]

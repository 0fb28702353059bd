# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Meta commands, good and broken, among text commands."""
import base64

from seq import Cas, FAR, PFX, Step, TOO_LONG
from text import FAR_TIMES, MALFORMED, Number, TextGen

BAD_TOKENS = tuple(w for w in MALFORMED if w != b"noreply") + (b"",)
OPAQUE_31 = b"1234567890123456789012345678901"


def some_key(rng):
    return rng.choice((b"a", b"a", b"b"))


class MetaGen(TextGen):
    # ------------------------------------------------------------ keys

    def meta_key(self):
        """(word of the line, whether it is base64)"""
        st, rng = self.st, self.rng
        r = rng.random()
        if r < 0.75:
            return st.key(), False
        if r < 0.97:
            k = PFX + rng.choice((b"a", b"b", b"abc", b"\0\1\2", b"~x~", b"\r\t", b"k" * 170))
            return base64.b64encode(k), True
        if r < 0.985:
            return st.bad_key(), False
        return rng.choice((b"YQ", b"!!!!", b"====")), True

    # ------------------------------------------------------------ flags

    def number(self, good):
        r = self.rng.random()
        if r < 0.9:
            return self.one_of(*good)
        return self.one_of(*BAD_TOKENS, b"99999999999999999999999", good=False)

    def times(self):
        if self.st.chance(4):
            return Number(self.rng.choice((b"2147483648", b"4294967396", b"9223372036854775807")),
                          b"2000000000", "expiry-cut")
        return self.number((b"0", b"0", b"-1") + FAR_TIMES)

    def token(self, flag, cmd):
        """What stands behind a flag's letter."""
        if flag in b"NT":
            return self.times()
        if flag in b"R":
            return self.number((b"30", b"1500", b"0", b"-1", b"200000"))
        if flag in b"DJ":
            return self.number((b"1", b"5", b"0", b"100", b"18446744073709551615"))
        if flag in b"F":
            if self.st.chance(5):
                return self.cut(b"4294967296", b"18446744073709551615")
            return self.number((b"0", b"1", b"77", b"4294967295"))
        if flag in b"M" and self.st.chance(80):
            return self.one_of(*((b"I", b"D", b"+", b"-") if cmd == b"ma" else
                                 (b"S", b"E", b"A", b"P", b"R")))
        if flag in b"M":
            return self.one_of(b"S", b"E", b"A", b"P", b"R", b"I", b"D", b"+", b"-", b"e",
                               b"", b"xx", b"x")
        if flag in b"O":
            return self.one_of(b"1", b"abc", b"", OPAQUE_31, b"c12", b"O")
        if flag in b"C":
            return self.number((b"18446744073709551615", b"1152921504606846977"))
        return Number(b"")

    def pick(self, cmd):
        """Letters of flags for a command; left_out: differences not met so."""
        rng, st = self.rng, self.st
        use = {b"mg": b"kfcstlhvqONTR", b"ms": b"kcsqOFTIMMCN", b"md": b"kqOITC",
               b"ma": b"kctqvONJDTMMC", b"me": b"k"}[cmd]
        n = rng.choice((0, 1, 1, 2, 3, 4, 6))
        flags = [use[rng.randrange(len(use))] for _ in range(n)]
        if cmd == b"mg" and st.chance(60):
            flags.append(ord("v"))
        if st.chance(6):
            flags += [rng.choice(b"kfcstlhvqONTRFIMCDJLPuS!zEx\x7f\x80") for _ in range(2)]
        if not st.chance(4):
            flags = list(dict.fromkeys(flags))
        if st.chance(0.7):
            flags += [ord("k")] * rng.randint(10, 25)
        # E and x are added by those who know what they mean
        flags = [f for f in flags if f not in b"Ex"]
        self.left_out = []
        for of, name, flag, when in ((b"ms", "ms-size", "s", True),
                                     (b"ms", "ms-vivify", "N", ord("M") in flags)):
            if cmd == of and when and ord(flag) in flags:
                flags = [f for f in flags if f != ord(flag)]
                self.left_out.append(name)
        rng.shuffle(flags)
        return [bytes((f,)) for f in flags]

    def flag_words(self, cmd):
        """(words, whether a CAS unique of the answers' is among them)"""
        words, wants = [], False
        for f in self.pick(cmd):
            if f == b"C" and not self.st.adrift and self.st.chance(60):
                words.append([b"C", Cas(-1) if self.st.chance(75) else Cas(-1, FAR)])
                wants = True
                continue
            t = self.token(f, cmd)
            words.append(Number(f + t.a, f + t.b, t.known))
        numbers = [w for w in words if isinstance(w, Number)]
        if any(w.a[:2] in (b"T-", b"N-") for w in numbers):
            gone = [w for w in numbers if w.a == b"t" or cmd == b"ma" and w.a[:2] == b"T-"]
            words = [w for w in words if w not in gone]
            self.left_out += ["past-ttl"] * len(gone)
        return words, wants

    def meta_line(self, cmd, words, **more):
        """A step of one line from words: bytes, Number, or a flag's letter with a Cas."""
        known = []
        a, b = [cmd], [cmd]
        for w in words:
            a.append(b" ")
            b.append(b" ")
            if isinstance(w, Number):
                a.append(w.a)
                b.append(w.b)
                if w.known:
                    known.append(w.known)
            else:
                w = w if isinstance(w, list) else [w]
                a += w
                b += w
        end = self.rng.choice((b"\n", b" \r\n", b"\0 v v\r\n")) if self.st.chance(4) else b"\r\n"
        step = Step(a + [end], b + [end] if known else None, known, **more)
        step.known += self.left_out
        return step

    def base64_flag(self, words, base64_key):
        """words, with flag b somewhere among them where the key needs it."""
        if base64_key and not self.st.chance(2):
            words = words + [b"b"]
            self.rng.shuffle(words)
        return words

    def simple(self, cmd):
        """(key, step) of a command that is a key and flags."""
        key, b64 = self.meta_key()
        words, wants = self.flag_words(cmd)
        return self.before_cas(key, wants), self.meta_line(
            cmd, [key] + self.base64_flag(words, b64), sync=wants)

    # ------------------------------------------------------------ commands

    def mg(self):
        before, step = self.simple(b"mg")
        return before + [step]

    def before_cas(self, key, wants):
        """So that there is a unique to see."""
        if wants and self.st.chance(70) and not self.st.adrift and len(key) < 250:
            return [Step([b"mg ", key, b" c b\r\n" if key.endswith(b"=") else b" c\r\n"])]
        return []

    def ms(self):
        st, rng = self.st, self.rng
        key, b64 = self.meta_key()
        words, wants = self.flag_words(b"ms")
        value = st.value(2000000)
        length = Number(b"%d" % len(value))
        refused = len(key) > 250 or len(words) + b64 > 16
        if st.chance(4):
            r = rng.random()
            if r < 0.5:
                length = self.one_of(*BAD_TOKENS[:-1], b"-1", b"2147483646", b"S2", b"T0", good=False)
            elif r < 0.7:
                length = self.cut(b"4294967297")
            else:
                length = Number(b"%d" % max(0, len(value) + rng.choice((-1, 1, 2, 20))))
        if st.chance(1):
            words, length = [], Number(b"", good=False)
        refused = refused or not length.good
        if not refused:
            words = self.base64_flag(words, b64)
        step = self.meta_line(b"ms", [key, length] + words, sync=wants)
        if refused:
            self.add(step, b"x" * (len(value) % 40) + b"\r\n")
        else:
            self.data(step, value)
            step.adrift = step.adrift or length.a != b"%d" % len(value)
        return self.before_cas(key, wants) + [step]

    def md(self):
        before, step = self.simple(b"md")
        return before + [step]

    def ma(self):
        before, step = self.simple(b"ma")
        return before + self.arith_steps(step)

    def me(self):
        st = self.st
        key, b64 = self.meta_key()
        a = [b"me ", key]
        if b64 and st.chance(80):
            a.append(b" b")
        elif st.chance(10):
            a.append(self.rng.choice((b" b", b" k", b" b y", b" x b", b" k" * 25)))
        if st.chance(2):
            a = [b"me"]
        return [Step(a + [b"\r\n"])]

    def mn(self):
        return [Step(self.rng.choice((b"mn\r\n", b"mn\r\n", b"mn\n", b"mn x\r\n", b"mn q k\r\n",
                                      b"mnx\r\n", b"mg\r\n", b"md\r\n", b"ma\r\n", b"ms\r\n",
                                      b"mN\r\n", b"mx a\r\n")))]

    def stale(self):
        """Invalidated, fetched by several, and won by one."""
        rng, key = self.rng, PFX + some_key(self.rng)
        steps = [Step(b"md " + key + rng.choice((b" I", b" I T1000", b" I T-1", b" I q",
                                                 b" q I T2592000")) + b"\r\n")]
        for _ in range(rng.choice((1, 2, 3))):
            steps.append(Step(b"mg " + key + rng.choice((
                b" v", b" v f c t", b" s v k O7", b" t", b" N1000 v", b" R30 v", b" h f")) + b"\r\n"))
        if rng.random() < 0.5:
            steps.append(Step(b"ms " + key + rng.choice((
                b" 2", b" 2 I C1", b" 2 I C18446744073709551615", b" 2 T0 MR", b" 2 MA"))
                + b" c\r\nok\r\n"))
        return steps + [Step(b"mg " + key + b" v c t f\r\n")]

    def later(self):
        """Flags that 1.6.18 does not have, and a token that it looks at late."""
        st, rng = self.st, self.rng
        key = PFX + some_key(rng)
        r = rng.random()
        if r < 0.4:
            long = OPAQUE_31 + b"2" * rng.choice((1, 1, 40))
            cmd = rng.choice((b"mg", b"ms", b"md", b"ma"))
            a = [cmd, b" ", key]
            if cmd == b"ms":
                a.append(b" 3")
            a += [b" k", b" O" + long, b" q" if st.chance(30) else b"", b"\r\n"]
            if cmd == b"ms":
                a.append(b"abc\r\n")
            return [Step(a, b"mg " + TOO_LONG + b"\r\n", ["meta-opaque"])]
        if r < 0.7:
            tail = st.value(90) + b"\r\n"
            new = b" E%d" % rng.randrange(1 << 61, 1 << 62)
            head = b"ms " + key + b" %d" % (len(tail) - 2)
            return [Step([head, new, b" c\r\n", tail], [head, b" c\r\n", tail], ["meta-E"]),
                    Step(b"mg " + key + b" c v\r\n")]
        first = b"ms " + key + b" 3 F5 T1000\r\nabc\r\n"
        return [Step(first + b"md " + key + b" x\r\n", first + b"ms " + key + b" 0\r\n\r\n",
                     ["meta-x"]), Step(b"mg " + key + b" v f t s\r\n")]

    def commands(self):
        st = self.st
        if st.chance(25):
            return TextGen.commands(self)
        what = self.rng.choices((self.mg, self.ms, self.md, self.ma, self.me, self.mn, self.later,
                                 self.stale),
                                (32, 30, 10, 14, 5, 4, 3, 3))[0]
        return what()

    def last(self):
        lines = [b"mg " + PFX + k + b" k f c s t h v\r\n" for k in (b"a", b"b", b"c")]
        return [self.aground(), Step(b"".join(lines) + b"mn\r\n")]

# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where kfatcache deliberately differs from memcached 1.6.18.

Three kinds. "request": the generator knows that a command is one of those; B is then
sent what makes memcached do what kfatcache is to do with A's bytes, so that the
answers, and all that follows, must be equal again. "answer": a place in the
answers whose content is masked, or read in a coarser way, on both sides. "left out":
a flag that both are sent without. All are counted; anything else that differs is a
failure.

A sample is bytes to see a difference by: diff.py --samples sends it as it is to both
servers.
"""

KNOWN = {}


class Known:
    def __init__(self, name, kind, reason, sample=None):
        self.name, self.kind, self.reason, self.sample = name, kind, reason, sample
        KNOWN[name] = self


# request
Known("cas-swallow", "request",
      "a cas without a valid unique is CLIENT_ERROR and its value is swallowed; 1.6.18 "
      "takes the value for commands",
      b"cas @k 0 0 1 x\r\nx\r\nversion\r\n")
Known("number-cut", "request",
      "a number that does not fit is refused with CLIENT_ERROR; 1.6.18 cuts it to 32 bits, "
      "or takes a negative one of 64 bits for a positive one",
      b"set @k 4294967297 0 1\r\nx\r\nget @k\r\n")
Known("expiry-cut", "request",
      "an expiry is taken whole; 1.6.18 cuts it to 32 bits, so that one after 2038 is past",
      b"set @k 0 2147483648 1\r\nx\r\nget @k\r\n")
Known("get-long-key", "request",
      "a get or gat with a key that is too long does nothing but say so; 1.6.18 touches and "
      "fetches the keys before it, and drops the answers that wait",
      b"version\r\nget " + b"x" * 251 + b"\r\n")
Known("meta-opaque", "request",
      "a token of O over 31 bytes is refused before anything is done; 1.6.18 finds out while "
      "it answers, if it answers",
      b"mg @k O" + b"1" * 32 + b"\r\n")
Known("meta-E", "request",
      "flag E, of later 1.6 versions, is taken: the CAS unique that the item gets",
      b"ms @k 1 E99999999999999 c\r\nx\r\nmg @k c\r\n")
Known("meta-x", "request",
      "md with flag x, of later 1.6 versions, is taken: it leaves an empty value",
      b"ms @k 1\r\nx\r\nmd @k x\r\nmg @k v\r\n")
Known("bin-surplus", "request",
      "a body longer than touch, gat or stat may have is EINVAL and closes; 1.6.18 takes the "
      "rest for the next request",
      bytes.fromhex("801c000204000000" "00000009" "00000000" "0000000000000000" "00000000")
      + b"@kyyy")
Known("bin-unknown-body", "request",
      "an unknown opcode's body is skipped; 1.6.18 skips extras and key twice",
      bytes.fromhex("8055000200000000" "00000002" "00000000" "0000000000000000") + b"@k"
      + bytes.fromhex("800a000000000000" "00000000" "00000000" "0000000000000000"))

# left out
Known("ms-size", "left out",
      "ms gives the size with flag s, as later 1.6 versions do",
      b"ms @k 1 s\r\nx\r\n")
Known("ms-vivify", "left out",
      "ms that appends or prepends makes the item where N says so, as later 1.6 versions do",
      b"ms @k 1 MA N0\r\nx\r\n")
Known("past-ttl", "left out",
      "t of what a negative T or N has just let expire is 0; in 1.6.18 it wraps round, and ma may "
      "forget T (incr-grows)",
      b"ms @k 1\r\n1\r\nma @k T-1 t\r\n")

# answer
Known("version", "answer", "each tells its own")
Known("me-size", "answer",
      "me: size, class and last access are those of the store",
      b"set @k 0 0 1\r\nx\r\nme @k\r\n")
Known("base64-mark", "answer",
      "an item that was made with a base64 key stays so; 1.6.18 forgets it in append, prepend and "
      "incr, and ma and mg with N do not note it: such keys are compared without base64",
      b"mg QEBADQo= N30 b k\r\n")
Known("incr-grows", "answer",
      "incr keeps that an item was fetched, or is stale, and ma sets T; 1.6.18 forgets all that where "
      "the number needs more room: in sequences with incr or ma answers may differ in h, t, W, X, Z",
      b"set @k 0 0 1\r\n9\r\nma @k T1000\r\nmg @k t v\r\n")
Known("incr-pad", "answer",
      "a number that incr or decr made shorter keeps its length, with spaces behind it; 1.6.18 does "
      "so only while nothing else holds the item, as a touch just before may: spaces behind a "
      "number are not compared",
      b"set @k 0 0 10\r\n0123456789\r\ngat 0 @k\r\nincr @k 5\r\nget @k\r\n")
Known("seconds", "answer",
      "t, exp, l and la move with the clock: times to live are rounded up to hundreds, those "
      "beyond three years are one, idle times below a minute are 0")
Known("big-number", "answer",
      "1.6.18 looks for a - behind a stored number of 2^63 or more, in memory that is not the "
      "item's, and calls it non-numeric where it finds one: a sequence with such a number "
      "that differs just so, or once and not again, does not count")
Known("opaque-text", "answer",
      "the text of meta-opaque's error: B is sent another line that is wrong")


def table():
    """Markdown, for README."""
    return "\n".join(["| name | what differs, and why |", "| --- | --- |"] + [
        "| %s | %s |" % (k.name, k.reason) for k in KNOWN.values()])

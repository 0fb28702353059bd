#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Raw bytes to a running server, and the bytes that must come back.

    textproto.py HOST PORT               against kfatcache
    textproto.py --memcached HOST PORT   against memcached 1.6.18
    textproto.py --differs               where we deliberately differ

Every expected answer was seen from memcached 1.6.18 (Debian 12); where
kfatcache differs on purpose, the case carries memcached's answer too, and
--memcached expects that one. Each case has its own connection and its own
keys. In the table @K stands for a key of the case, @L for one of 250 bytes,
@X for one of 251, @C for a CAS unique (in an answer: any; later: the last one
seen), @D for another one, VERSION for the whole version line. The last cases
call flush_all: not for a server whose contents matter.
"""

import argparse
import os
import re
import socket
import sys
import time

from slower import SLOWER

TIMEOUT = 10 * SLOWER	# seconds an answer may take
QUIET = 0.15		# seconds in which nothing more must come
PAUSE = 0.06		# between the pieces of one sending

CASES = []
CLOSED = object()	# last in a case: the server closes the connection
WAITS = object()	# last in a case: the server waits for a value, and says
			# at most that it is too large (now or after the value)

ERR = b"ERROR\r\n"
BAD = b"CLIENT_ERROR bad command line format\r\n"
USAGE = (b"CLIENT_ERROR bad command line format.  "
         b"Usage: delete <key> [noreply]\r\n")
EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
NONNUM = (b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
LARGE = b"SERVER_ERROR object too large for cache\r\n"
STORED = b"STORED\r\n"
END = b"END\r\n"
OK = b"OK\r\n"
NOT_FOUND = b"NOT_FOUND\r\n"
VERSION = b"VERSION\r\n"
SET = b"set @K 0 0 1\r\nx\r\n"
X = b"VALUE @K 0 1\r\nx\r\n"	# what get says after SET


class Case:
    """name, steps of (bytes or list of pieces or seconds, answer), last"""

    def __init__(self, name, steps, last=None, differs=None, why=None):
        self.name = name
        self.steps = steps
        self.last = last
        self.differs = differs	# memcached's (steps, last)
        self.why = why


def case(name, send, expect, last=None):
    CASES.append(Case(name, [(send, expect)], last))


def steps(name, *pairs, last=None):
    CASES.append(Case(name, list(pairs), last))


def differs(why, name, send, ours, theirs, last=None, their_last=None):
    CASES.append(Case(name, [(send, ours)], last,
                      ([(send, theirs)], their_last), why))


def table():
    """All cases, in the order in which they run."""
    # lines
    case("CRLF alone", b"\r\n", ERR)
    case("LF alone", b"\n", ERR)
    case("a space alone", b" \r\n", ERR)
    case("CR CR LF", b"\r\r\n", ERR)
    case("one letter", b"x\r\n", ERR)
    case("unknown command", b"foo\r\n", ERR)
    case("unknown command, noreply", b"foo noreply\r\n", ERR)
    case("upper case", b"GET @K\r\n", ERR)
    case("tab before", b"\tversion\r\n", ERR)
    case("CR before", b"\rversion\r\n", ERR)
    case("NUL before", b"\0version\r\n", ERR)
    case("NUL ends the line", b"version\0foo\r\n", VERSION)
    case("bare LF", b"version\n", VERSION)
    case("spaces around", b"  version  \r\n", VERSION)
    case("version with words", b"version foo bar\r\n", VERSION)
    case("version does not know noreply", b"version noreply\r\n", VERSION)
    case("command and CR", b"version\r\r\n", ERR)
    case("pipelined", b"version\r\nversion\r\nfoo\r\nversion\r\n",
         VERSION * 2 + ERR + VERSION)
    case("in pieces", [b"ver", b"si", b"on\r", b"\n"], VERSION)
    case("quit", b"quit\r\nversion\r\n", b"", CLOSED)
    case("quit with a word", b"quit foo\r\n", b"", CLOSED)
    case("quit, LF", b"version\nquit\n", VERSION, CLOSED)
    case("other commands", b"slabs\r\nlru\r\nlru_crawler\r\n", ERR * 3)
    case("watch", b"watch foo\r\n", ERR)

    # get
    case("get without key", b"get\r\n", ERR)
    case("get without key, space", b"get \r\n", ERR)
    case("gets without key", b"gets\r\n", ERR)
    case("get, tab", b"get\t@K\r\n", ERR)
    case("get, CR after the command", b"get\r @K\r\n", ERR)
    case("get, NUL after the command", b"get\0 @K\r\n", ERR)
    case("get, NUL before the key", b"get \0@K\r\n", ERR)
    case("get miss", b"get @K\r\n", END)
    case("get hit", SET + b"get @K\r\n", STORED + X + END)
    case("get, bare LF", SET + b"get @K\n", STORED + X + END)
    case("get, space before", SET + b" get @K\r\n", STORED + X + END)
    case("get, space after", SET + b"get @K  \r\n", STORED + X + END)
    case("bget", SET + b"bget @K\r\n", STORED + X + END)
    case("get, the same key twice", SET + b"get @K @K\r\n",
         STORED + X + X + END)
    case("get, many spaces", SET + b"get  @Kn   @K  @Kn\r\n",
         STORED + X + END)
    case("get, NUL ends the keys", SET + b"get @K\0 @K @X\r\n",
         STORED + X + END)
    case("get, CR belongs to the key",
         b"set @K\r 0 0 1\r\nx\r\nget @K\r\r\n",
         STORED + b"VALUE @K\r 0 1\r\nx\r\n" + END)
    case("get, 30 keys", SET + b"get" + b" @Kn" * 29 + b" @K\r\n",
         STORED + X + END)
    case("get, 3000 keys", SET + b"get" + b" @K" * 3000 + b"\r\n",
         STORED + X * 3000 + END)
    case("get, 20000 keys", SET + b"get" + b" @K @Kn" * 10000 + b"\r\n",
         STORED + X * 10000 + END)
    case("get, 3000 keys in pieces",
         [SET + b"set @Kn 0 0 1\r\ny\r\nget" + b" @K" * 1000,
          b" @K" * 1000, b"n" + b" @K" * 999 + b"\r", b"\n"],
         STORED * 2 + X * 1999 + b"VALUE @Kn 0 1\r\ny\r\n" + X * 999 + END)
    case("get, 3000 spaces", [SET + b"get " + b" " * 3000, b"@K\r\n"],
         STORED + X + END)
    case("get, nothing but 3000 spaces", [b"get " + b" " * 3000, b"\r\n"],
         ERR)
    case("get, 3000 spaces after the key",
         [SET + b"get @K" + b" " * 3000, b"\r\n"], STORED + X + END)
    case("get, 250 bytes",
         b"set @L 0 0 1\r\nx\r\nget @L\r\n",
         STORED + b"VALUE @L 0 1\r\nx\r\n" + END)
    case("get, 251 bytes", b"get @X\r\n", BAD)
    steps("get, 251 bytes among others", (SET, STORED),
          (b"get @K @X @K\r\n", BAD))
    case("get, 251 bytes after 30 others",
         b"get" + b" @Kn" * 30 + b" @X\r\n", BAD)
    case("get, control bytes",
         b"set @K\x01\t\x7f\xff 0 0 1\r\nx\r\nget @K\x01\t\x7f\xff\r\n",
         STORED + b"VALUE @K\x01\t\x7f\xff 0 1\r\nx\r\n" + END)
    case("get, CR inside the key",
         b"set @K\ra 0 0 1\r\nx\r\nget @K\ra\r\n",
         STORED + b"VALUE @K\ra 0 1\r\nx\r\n" + END)
    differs("memcached drops the answers that wait before it",
            "get, 251 bytes, pipelined", b"version\r\nget @X\r\nversion\r\n",
            VERSION + BAD + VERSION, BAD + VERSION)
    differs("keys of a line that has no end within 2048 bytes are answered "
            "as they come",
            "get, 251 bytes in a long line",
            [b"set @K 0 0 1\r\nx\r\n", b"get @K " + b"@Kn " * 5000, b"@X\r\n"],
            STORED + X + BAD, STORED + BAD)

    # gets and cas
    steps("gets and cas", (SET + b"gets @K\r\n",
                           STORED + b"VALUE @K 0 1 @C\r\nx\r\n" + END),
          (b"cas @K 3 0 2 @D\r\nno\r\n", b"EXISTS\r\n"),
          (b"cas @K 3 0 2 @C\r\nyy\r\n", STORED),
          (b"cas @K 3 0 2 @C\r\nno\r\n", b"EXISTS\r\n"),
          (b"get @K\r\n", b"VALUE @K 3 2\r\nyy\r\n" + END))
    steps("cas, noreply", (SET + b"gets @K\r\n",
                           STORED + b"VALUE @K 0 1 @C\r\nx\r\n" + END),
          (b"cas @K 3 0 2 @C noreply\r\nyy\r\n", b""),
          (b"cas @K 3 0 2 @C noreply\r\nno\r\n", b""),
          (b"get @K\r\n", b"VALUE @K 3 2\r\nyy\r\n" + END))
    case("cas miss", b"cas @K 0 0 1 1\r\nx\r\n", NOT_FOUND)
    case("cas, largest unique",
         SET + b"cas @K 0 0 1 18446744073709551615\r\nx\r\n",
         STORED + b"EXISTS\r\n")
    case("cas, a word more", b"cas @K 0 0 1 1 foo\r\nx\r\n", NOT_FOUND)
    case("cas, two words more", b"cas @K 0 0 1 1 foo bar\r\n", ERR)
    case("cas, too few words", b"cas\r\ncas @K\r\ncas @K 0 0\r\n", ERR * 3)
    case("cas, negative length", b"cas @K 0 0 -1 1\r\n", BAD)
    swallow = "the value of a cas with a broken unique is swallowed"
    differs(swallow, "cas without unique",
            SET + b"cas @K 0 0 1\r\nx\r\nget @K\r\n",
            STORED + BAD + X + END, STORED + ERR * 2 + X + END)
    differs(swallow, "cas without unique, space",
            b"cas @K 0 0 1 \r\nx\r\n", BAD, ERR * 2)
    differs(swallow, "cas, malformed unique",
            b"cas @K 0 0 1 x\r\nx\r\n", BAD, BAD + ERR)
    differs(swallow, "cas, negative unique",
            b"cas @K 0 0 1 -1\r\nx\r\n", BAD, BAD + ERR)
    differs(swallow, "cas, unique too large",
            b"cas @K 0 0 1 18446744073709551616\r\nx\r\n", BAD, BAD + ERR)
    differs(swallow, "cas, noreply for a unique",
            b"cas @K 0 0 1 noreply\r\nx\r\n", b"", ERR)

    # set and its like
    case("set, too few words", b"set\r\nset @K\r\nset @K 0\r\nset @K 0 0\r\n",
         ERR * 4)
    case("set, too many words", b"set @K 0 0 1 noreply foo\r\n", ERR)
    case("set, a word more", b"set @K 0 0 1 foo\r\nx\r\n", STORED)
    case("set, NOREPLY", b"set @K 0 0 1 NOREPLY\r\nx\r\n", STORED)
    case("set, noreply", b"set @K 0 0 1 noreply\r\nx\r\nget @K\r\n", X + END)
    case("set, many spaces", b"set  @K  0  0  1  \r\nx\r\nget @K\r\n",
         STORED + X + END)
    case("set, bare LF after the line", b"set @K 0 0 1\nx\r\nget @K\r\n",
         STORED + X + END)
    case("set, CR CR LF", b"set @K 0 0 1\r\r\nx\r\n", STORED)
    case("set, empty value", b"set @K 0 0 0\r\n\r\nget @K\r\n",
         STORED + b"VALUE @K 0 0\r\n\r\n" + END)
    case("set, CRLF in the value", b"set @K 0 0 6\r\n\r\na\r\nb\r\nget @K\r\n",
         STORED + b"VALUE @K 0 6\r\n\r\na\r\nb\r\n" + END)
    case("set, in pieces",
         [b"set @K 0", b" 0 5\r", b"\nab", b"cde\r", b"\nget @K\r\n"],
         STORED + b"VALUE @K 0 5\r\nabcde\r\n" + END)
    case("set, NUL in the key", b"set @K\0b 0 0 1\r\n", ERR)
    case("set, NUL ends the line", b"set @K 0 0 1\0 foo bar\r\nx\r\n", STORED)
    case("set, all flags", b"set @K 4294967295 0 1\r\nx\r\nget @K\r\n",
         STORED + b"VALUE @K 4294967295 1\r\nx\r\n" + END)
    case("set, signs and zeroes", b"set @K +7 -0 01\r\nx\r\nget @K\r\n",
         STORED + b"VALUE @K 7 1\r\nx\r\n" + END)
    case("set, number ends at a tab", b"set @K 7\tfoo 0 1\r\nx\r\nget @K\r\n",
         STORED + b"VALUE @K 7 1\r\nx\r\n" + END)
    case("set, bad flags", b"set @K x 0 1\r\nx\r\n", BAD + ERR)
    case("set, hex flags", b"set @K 0x7 0 1\r\n", BAD)
    case("set, negative flags", b"set @K -1 0 1\r\n", BAD)
    case("set, flags beyond 64 bits",
         b"set @K 99999999999999999999 0 1\r\n", BAD)
    wrap = "a number beyond its field is refused, memcached cuts it off"
    differs(wrap, "set, flags beyond 32 bits",
            b"set @K 4294967297 0 1\r\nx\r\nget @K\r\n",
            BAD + ERR + END, STORED + b"VALUE @K 1 1\r\nx\r\n" + END)
    differs(wrap, "set, flags wrap round",
            b"set @K -18446744073709551615 0 1\r\nx\r\nget @K\r\n",
            BAD + ERR + END, STORED + b"VALUE @K 1 1\r\nx\r\n" + END)
    differs(wrap, "set, length beyond 32 bits",
            b"set @K 0 0 4294967297\r\nx\r\nget @K\r\n",
            BAD + ERR + END, STORED + X + END)
    differs(wrap, "set, expiry beyond 2038",
            b"set @K 0 2147483648 1\r\nx\r\nget @K\r\n",
            STORED + X + END, STORED + END)
    case("set, bad expiry", b"set @K 0 x 1\r\n", BAD)
    case("set, expiry beyond 64 bits",
         b"set @K 0 9223372036854775808 1\r\n", BAD)
    case("set, bad length", b"set @K 0 0 x\r\n", BAD)
    case("set, length and letter", b"set @K 0 0 1x\r\n", BAD)
    case("set, negative length", b"set @K 0 0 -1\r\n", BAD)
    case("set, negative length, noreply", b"set @K 0 0 -1 noreply\r\n", b"")
    case("set, noreply for a length", b"set @K 0 0 noreply\r\n", b"")
    case("set, length INT_MAX - 1", b"set @K 0 0 2147483646\r\n", BAD)
    case("set, length INT_MAX", b"set @K 0 0 2147483647\r\n", BAD)
    case("set, length INT_MAX - 2 waits for the value",
         b"set @K 0 0 2147483645\r\nversion\r\n", b"", WAITS)
    case("set, 250 bytes", b"set @L 0 0 1\r\nx\r\n", STORED)
    case("set, 251 bytes", b"set @X 0 0 1\r\nx\r\n", BAD + ERR)
    case("set, 251 bytes, noreply",
         b"set @X 0 0 7 noreply\r\nversion\r\n", VERSION)
    case("set, value too long by one",
         SET + b"set @K 0 0 1\r\nxy\r\nget @K\r\n",
         STORED + CHUNK + ERR + X + END)
    case("set, value too long",
         b"set @K 0 0 3\r\nabcdefgh\r\nget @K\r\n", CHUNK + ERR + END)
    case("set, value too short",
         b"set @K 0 0 5\r\nab\r\ncd\r\nget @K\r\n", CHUNK + ERR + END)
    case("set, value ends in LF", b"set @K 0 0 1\r\nx\nget @K\r\n",
         CHUNK + ERR)
    case("set, bad value, noreply",
         b"set @K 0 0 1 noreply\r\nxyz\r\nget @K\r\n", ERR + END)
    case("set, too large: the older value goes",
         SET + b"set @K 0 0 2000000\r\n" + b"y" * 2000000 +
         b"\r\nget @K\r\n", STORED + LARGE + END)
    case("set, too large, noreply",
         SET + b"set @K 0 0 2000000 noreply\r\n" + b"y" * 2000000 +
         b"\r\nget @K\r\n", STORED + END)
    case("set, 1 MiB is too large",
         b"set @K 0 0 1048576\r\n" + b"y" * 1048576 + b"\r\nget @K\r\n",
         LARGE + END)
    case("add, too large: the older value stays",
         SET + b"add @K 0 0 2000000\r\n" + b"y" * 2000000 +
         b"\r\nget @K\r\n", STORED + LARGE + X + END)
    case("cas, too large: the older value stays",
         SET + b"cas @K 0 0 2000000 1\r\n" + b"y" * 2000000 +
         b"\r\nget @K\r\n", STORED + LARGE + X + END)
    case("set, a large value",
         b"set @K 5 0 1000000\r\n" + b"0123456789" * 100000 +
         b"\r\nget @K\r\n", STORED + b"VALUE @K 5 1000000\r\n" +
         b"0123456789" * 100000 + b"\r\n" + END)
    case("set, expired at once", SET + b"set @K 0 -1 1\r\ny\r\nget @K\r\n",
         STORED * 2 + END)
    steps("set, expires", (b"set @K 0 1 1\r\nx\r\n", STORED), (3, b""),
          (b"get @K\r\n", END))
    steps("set, expires at a time",
          (b"set @K 0 @T 1\r\nx\r\nget @K\r\n", STORED + X + END))
    case("set, expired at a time",
         b"set @K 0 1000000000 1\r\nx\r\nget @K\r\n", STORED + END)
    case("add", b"add @K 5 0 1\r\nx\r\nadd @K 0 0 1\r\ny\r\nget @K\r\n",
         STORED + b"NOT_STORED\r\nVALUE @K 5 1\r\nx\r\n" + END)
    case("replace", b"replace @K 0 0 1\r\ny\r\n" + SET +
         b"replace @K 5 0 2\r\nyy\r\nget @K\r\n",
         b"NOT_STORED\r\n" + STORED * 2 + b"VALUE @K 5 2\r\nyy\r\n" + END)
    case("append", b"append @K 0 0 1\r\ny\r\n" + SET +
         b"append @K 5 0 2\r\nyy\r\nget @K\r\n",
         b"NOT_STORED\r\n" + STORED * 2 + b"VALUE @K 0 3\r\nxyy\r\n" + END)
    case("prepend", b"prepend @K 0 0 1\r\ny\r\n" + SET +
         b"prepend @K 5 0 2\r\nyy\r\nget @K\r\n",
         b"NOT_STORED\r\n" + STORED * 2 + b"VALUE @K 0 3\r\nyyx\r\n" + END)
    case("all of them, noreply",
         b"add @K 0 0 1 noreply\r\na\r\nadd @K 0 0 1 noreply\r\nn\r\n"
         b"replace @K 0 0 1 noreply\r\nb\r\nappend @K 0 0 1 noreply\r\nc\r\n"
         b"prepend @K 0 0 1 noreply\r\na\r\nget @K\r\n",
         b"VALUE @K 0 3\r\nabc\r\n" + END)
    case("append, too few words", b"append @K 0 0\r\nprepend\r\n", ERR * 2)
    case("add, bad value", b"add @K 0 0 1\r\nxyz\r\nget @K\r\n",
         CHUNK + ERR + END)

    # delete
    case("delete without key", b"delete\r\n", ERR)
    case("delete miss", b"delete @K\r\n", NOT_FOUND)
    case("delete", SET + b"delete @K\r\nget @K\r\ndelete @K\r\n",
         STORED + b"DELETED\r\n" + END + NOT_FOUND)
    case("delete 0", SET + b"delete @K 0\r\n", STORED + b"DELETED\r\n")
    case("delete, noreply", SET + b"delete @K noreply\r\nget @K\r\n",
         STORED + END)
    case("delete 0, noreply", SET + b"delete @K 0 noreply\r\nget @K\r\n",
         STORED + END)
    case("delete 1", SET + b"delete @K 1\r\nget @K\r\n",
         STORED + USAGE + X + END)
    case("delete 00", b"delete @K 00\r\n", USAGE)
    case("delete 0 0", b"delete @K 0 0\r\n", USAGE)
    case("delete 1, noreply", SET + b"delete @K 1 noreply\r\nget @K\r\n",
         STORED + X + END)
    case("delete, noreply twice", b"delete @K noreply noreply\r\n", b"")
    case("delete, too many words", b"delete @K 0 noreply x\r\n", ERR)
    case("delete, many words", b"delete" + b" a" * 30 + b"\r\n", ERR)
    case("delete a key named noreply", b"delete noreply\r\n", NOT_FOUND)
    case("delete, 251 bytes", b"delete @X\r\n", BAD)
    case("delete, 251 bytes, noreply", b"delete @X noreply\r\n", b"")
    case("delete 1, 251 bytes", b"delete @X 1\r\n", USAGE)

    # incr, decr
    num = b"set @K 5 0 2\r\n99\r\n"
    case("incr without delta", b"incr\r\nincr @K\r\ndecr @K\r\n", ERR * 3)
    case("incr miss", b"incr @K 1\r\ndecr @K 1\r\n", NOT_FOUND * 2)
    case("incr", num + b"incr @K 1\r\nget @K\r\n",
         STORED + b"100\r\nVALUE @K 5 3\r\n100\r\n" + END)
    case("incr by 0", num + b"incr @K 0\r\n", STORED + b"99\r\n")
    case("incr wraps", num + b"incr @K 18446744073709551615\r\n",
         STORED + b"98\r\n")
    case("incr, beyond 64 bits", num + b"incr @K 18446744073709551616\r\n",
         STORED + DELTA)
    case("decr", num + b"decr @K 90\r\nincr @K 1\r\n",
         STORED + b"9\r\n10\r\n")
    case("decr keeps the length", num + b"decr @K 90\r\nget @K\r\n",
         STORED + b"9\r\nVALUE @K 5 2\r\n9 \r\n" + END)
    case("decr stops at 0", num + b"decr @K 100\r\n", STORED + b"0\r\n")
    case("incr, noreply", num + b"incr @K 1 noreply\r\nget @K\r\n",
         STORED + b"VALUE @K 5 3\r\n100\r\n" + END)
    case("incr, a word more", num + b"incr @K 1 foo\r\n", STORED + b"100\r\n")
    case("incr, two words more", b"incr @K 1 foo bar\r\n", ERR)
    case("incr, bad delta", b"incr @K x\r\ndecr @K 1x\r\n", DELTA * 2)
    case("incr, negative delta", b"incr @K -1\r\n", DELTA)
    case("incr, signed delta", num + b"incr @K +1\r\nincr @K -0\r\n",
         STORED + b"100\r\n" * 2)
    case("incr, noreply for a delta", b"incr @K noreply\r\n", b"")
    case("decr, bad delta, noreply", b"decr @K x noreply\r\n", b"")
    case("incr, 251 bytes", b"incr @X x\r\n", BAD)
    case("incr of a word", SET + b"incr @K 1\r\ndecr @K 1\r\n",
         STORED + NONNUM * 2)
    case("incr of nothing", b"set @K 0 0 0\r\n\r\nincr @K 1\r\n",
         STORED + NONNUM)
    case("incr of a negative", b"set @K 0 0 2\r\n-1\r\nincr @K 1\r\n",
         STORED + NONNUM)
    case("incr of 1x", b"set @K 0 0 2\r\n1x\r\nincr @K 1\r\n",
         STORED + NONNUM)
    case("incr beyond 64 bits",
         b"set @K 0 0 20\r\n18446744073709551616\r\nincr @K 1\r\n",
         STORED + NONNUM)
    case("incr of the largest",
         b"set @K 0 0 20\r\n18446744073709551615\r\nincr @K 1\r\n",
         STORED + b"0\r\n")
    case("incr of a number and a space",
         b"set @K 0 0 3\r\n12 \r\nincr @K 1\r\n", STORED + b"13\r\n")
    steps("incr changes the unique",
          (num + b"gets @K\r\n",
           STORED + b"VALUE @K 5 2 @C\r\n99\r\n" + END),
          (b"incr @K 1\r\ncas @K 0 0 1 @C\r\nx\r\n", b"100\r\nEXISTS\r\n"))

    # touch, gat
    case("touch, too few words", b"touch\r\ntouch @K\r\n", ERR * 2)
    case("touch miss", b"touch @K 0\r\n", NOT_FOUND)
    case("touch", SET + b"touch @K 100\r\nget @K\r\n",
         STORED + b"TOUCHED\r\n" + X + END)
    case("touch, expired at once", SET + b"touch @K -1\r\nget @K\r\n",
         STORED + b"TOUCHED\r\n" + END)
    case("touch, noreply", SET + b"touch @K -1 noreply\r\nget @K\r\n",
         STORED + END)
    case("touch, a word more", SET + b"touch @K 0 foo\r\n",
         STORED + b"TOUCHED\r\n")
    case("touch, two words more", b"touch @K 0 foo bar\r\n", ERR)
    case("touch, bad expiry", b"touch @K x\r\n", EXPTIME)
    case("touch, noreply for an expiry", b"touch @K noreply\r\n", b"")
    case("touch, 251 bytes", b"touch @X x\r\n", BAD)
    case("gat without expiry", b"gat\r\ngats\r\ngat \r\n", ERR * 3)
    case("gat without key", b"gat 0\r\ngats 0 \r\n", END * 2)
    case("gat miss", b"gat 10 @K @Kn\r\n", END)
    case("gat", SET + b"gat 100 @K\r\ngat +100  @K  @K \r\n",
         STORED + X + END + X + X + END)
    case("gat, expired at once", SET + b"gat -1 @K\r\nget @K\r\n",
         STORED + X + END + END)
    case("gat, bad expiry", b"gat x\r\ngat x @K\r\ngats 1x @K\r\n",
         EXPTIME * 3)
    case("gat, 251 bytes", b"gat 0 @K @X\r\n", BAD)
    case("gat, bad expiry, 251 bytes", b"gat x @X\r\n", EXPTIME)
    case("gat, 300 keys", SET + b"gat 100" + b" @K" * 300 + b"\r\n",
         STORED + X * 300 + END)
    steps("gats", (SET + b"gats 100 @K\r\n",
                   STORED + b"VALUE @K 0 1 @C\r\nx\r\n" + END),
          (b"cas @K 0 0 1 @C\r\ny\r\n", STORED))
    long = "a long gat line is taken in pieces, like get's"
    differs(long, "gat, long, in pieces",
            [SET, b"gat 100" + b" @K" * 1000, b" @K\r\n"],
            STORED + X * 1001 + END, STORED, their_last=CLOSED)
    differs(long, "gat, 3000 keys", [SET, b"gat 100" + b" @K" * 3000 + b"\r\n"],
            STORED + X * 3000 + END, STORED, their_last=CLOSED)

    # the rest
    case("verbosity without level", b"verbosity\r\n", ERR)
    case("verbosity", b"verbosity 0\r\n", OK)
    case("verbosity, a word more", b"verbosity 0 foo\r\n", OK)
    case("verbosity, two words more", b"verbosity 0 foo bar\r\n", ERR)
    case("verbosity, noreply", b"verbosity 0 noreply\r\n", b"")
    case("verbosity, noreply for a level", b"verbosity noreply\r\n", b"")
    case("verbosity, bad level", b"verbosity x\r\nverbosity -1\r\n", BAD * 2)
    case("stats foo", b"stats foo\r\n", ERR)
    case("stats does not know noreply", b"stats noreply\r\n", ERR)
    case("stats reset", b"stats   reset  \r\n", b"RESET\r\n")
    case("stats, many words", b"stats" + b" a" * 40 + b"\r\n", ERR)
    case("cache_memlimit, bad", b"cache_memlimit\r\ncache_memlimit x\r\n"
         b"cache_memlimit -1\r\ncache_memlimit 64 foo bar\r\n", ERR * 4)
    case("cache_memlimit, noreply for a size", b"cache_memlimit noreply\r\n",
         b"")
    case("cache_memlimit", b"cache_memlimit 64\r\n"
         b"cache_memlimit 64 noreply\r\n", OK)
    case("cache_memlimit, too small", b"cache_memlimit 0\r\n"
         b"cache_memlimit 7\r\n",
         b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n" * 2)
    case("cache_memlimit, bytes", b"cache_memlimit 99999999999\r\n",
         b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n")

    # memcached's own machinery, which is not here
    badclass = b"BADCLASS invalid src or dst class id\r\n"
    case("slabs reassign", b"slabs reassign 1 2\r\nslabs reassign 1 1\r\n"
         b"slabs reassign -1 2\r\nslabs reassign 1 99\r\n",
         b"NOSPARE source class has no spare pages\r\n"
         b"SAME src and dst class are identical\r\n" + badclass * 2)
    case("slabs reassign, bad", b"slabs reassign\r\nslabs reassign 1\r\n"
         b"slabs reassign x y\r\nslabs foo bar\r\n", ERR * 2 + BAD + ERR)
    case("slabs automove", b"slabs automove 0\r\nslabs automove 1\r\n"
         b"slabs automove 0 noreply\r\n", OK * 2)
    case("slabs automove, bad", b"slabs automove\r\nslabs automove x\r\n"
         b"slabs automove 7\r\n", ERR + BAD + ERR)
    case("lru", b"lru tune 10 25 0.1 2.0\r\nlru mode flat\r\n"
         b"lru mode segmented\r\nlru temp_ttl 5\r\nlru temp_ttl -1\r\n",
         OK * 5)
    case("lru, bad", b"lru tune\r\nlru tune 10\r\nlru tune a b c d\r\n"
         b"lru mode\r\nlru mode x\r\nlru foo bar\r\n", ERR * 6)
    case("lru_crawler", b"lru_crawler sleep 100\r\nlru_crawler tocrawl 5\r\n"
         b"lru_crawler crawl all\r\n", OK * 3)
    case("lru_crawler, bad", b"lru_crawler sleep x\r\n"
         b"lru_crawler sleep 99999999\r\nlru_crawler tocrawl x\r\n"
         b"lru_crawler crawl\r\nlru_crawler crawl 99\r\n"
         b"lru_crawler crawl x\r\nlru_crawler foo bar\r\n",
         BAD + b"CLIENT_ERROR sleep must be one second or less\r\n" + BAD +
         ERR + b"BADCLASS invalid class id\r\n" * 2 + ERR)

    # groups of stats
    case("stats detail", b"stats detail on\r\nset @K:1 0 0 1\r\nx\r\n"
         b"get @K:1 @K:2 @K\r\ndelete @K:1\r\nstats detail dump\r\n"
         b"stats detail off\r\nstats reset\r\n",
         OK + STORED + b"VALUE @K:1 0 1\r\nx\r\nEND\r\nDELETED\r\n"
         b"PREFIX @K get 2 hit 1 set 1 del 1\r\nEND\r\n" + OK + b"RESET\r\n")
    case("stats detail, bad", b"stats detail\r\nstats detail foo\r\n",
         b"CLIENT_ERROR usage: stats detail on|off|dump\r\n" * 2)
    case("stats sizes", b"stats sizes\r\n",
         b"STAT sizes_status disabled\r\n" + END)
    case("stats extstore", b"stats extstore\r\n", END)
    case("shutdown", b"shutdown\r\nshutdown graceful\r\nshutdown noreply\r\n",
         b"ERROR: shutdown not enabled\r\n" * 3)

    # lines without end
    case("2048 bytes without end, then one",
         [b"a" * 2048, b"\r\n"], ERR)
    case("2049 bytes without end", b"a" * 2049, b"", CLOSED)
    case("3000 bytes of set", b"set " + b"k" * 3000, b"", CLOSED)
    case("3000 bytes of bget", b"bget " + b"k " * 1500, b"", CLOSED)
    case("3000 bytes after 101 spaces", b" " * 101 + b"get " + b"k " * 1500,
         b"", CLOSED)
    case("3000 bytes after 100 spaces",
         [b" " * 100 + b"get " + b"@Kn " * 1000, b"\r\n"], END)
    case("answers before a line without end",
         [b"version\r\n", b"b" * 3000], VERSION, CLOSED)
    case("a key of 2000 bytes", b"delete " + b"k" * 2000 + b"\r\n", BAD)
    case("a long set",
         b"set @K 0 0 1" + b" " * 1500 + b"\r\nx\r\n", STORED)

    case("incr of a number in 510 KiB",
         b"set @K 0 0 522240\r\n5" + b" " * 522239 + b"\r\nincr @K 1\r\n",
         STORED + b"6\r\n")
    case("incr of a number in 513 KiB",
         b"set @K 0 0 525312\r\n5" + b" " * 525311 + b"\r\nincr @K 1\r\n",
         STORED + NONNUM)

    # last: these empty the cache
    case("flush_all, bad delay", b"flush_all x\r\nflush_all foo 0\r\n",
         EXPTIME * 2)
    case("flush_all, too many words",
         b"flush_all 0 foo bar\r\nflush_all 0 foo noreply\r\n", ERR * 2)
    case("flush_all, bad delay, noreply",
         SET + b"flush_all x noreply\r\nflush_all noreply noreply\r\nget @K\r\n",
         STORED + X + END)
    case("flush_all, far delay", SET + b"flush_all 100000\r\nget @K\r\n",
         STORED + OK + X + END)
    case("flush_all", SET + b"flush_all\r\nget @K\r\n" + SET + b"get @K\r\n",
         STORED + OK + END + STORED + X + END)
    case("flush_all 0", SET + b"flush_all 0\r\nget @K\r\n",
         STORED + OK + END)
    case("flush_all, negative delay", SET + b"flush_all -1\r\nget @K\r\n",
         STORED + OK + END)
    case("flush_all, a word more", SET + b"flush_all 0 foo\r\nget @K\r\n",
         STORED + OK + END)
    case("flush_all, noreply", SET + b"flush_all noreply\r\nget @K\r\n",
         STORED + END)
    case("flush_all 0, noreply", SET + b"flush_all 0 noreply\r\nget @K\r\n",
         STORED + END)
    steps("flush_all, delayed", (SET + b"flush_all 2\r\nget @K\r\n",
                                 STORED + OK + X + END),
          (4, b""), (b"get @K\r\n" + SET + b"get @K\r\n",
                     END + STORED + X + END))


class Wrong(Exception):
    """What came was not what was expected."""


class Talk:
    """One connection and what a case has learned on it."""

    def __init__(self, host, port, number):
        self.sock = socket.create_connection((host, port), TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = b"tp%d.%d." % (os.getpid(), number)
        self.words = {
            b"@K": key + b"k",
            b"@L": key + b"l" * (250 - len(key)),
            b"@X": key + b"x" * (251 - len(key)),
            b"@T": b"%d" % (time.time() + 1000),
        }
        self.got = b""

    def fill(self, data):
        return re.sub(rb"@[KLXTCD]",
                      lambda m: self.words.get(m.group(), m.group()), data)

    def send(self, data):
        pieces = data if isinstance(data, list) else [data]
        for i, piece in enumerate(pieces):
            if i:
                time.sleep(PAUSE)
            self.sock.settimeout(TIMEOUT)
            try:
                self.sock.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                return	# closed on us: what came before it counts

    def more(self, seconds):
        """Read once: False at the end of the stream, None if nothing came."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(1 << 20)
        except socket.timeout:
            return None
        except ConnectionResetError:
            return False
        self.got += data
        return bool(data)

    def expect(self, answer):
        """Exactly this, as far as can be seen without waiting for more."""
        till = time.monotonic() + TIMEOUT
        want = 1
        while want:
            flat = self.flat(answer)
            want = len(answer) - len(flat)
            if b"@C" in answer:
                want = answer.count(b"\n") - flat.count(b"\n")
            if b"VERSION" in answer and not flat.endswith(b"\n"):
                want = max(want, 1)
            if want <= 0:
                break
            seconds = till - time.monotonic()
            if seconds <= 0 or not self.more(seconds):
                break
        self.check(answer)

    def flat(self, answer):
        """What came, without the version's number where one is expected."""
        if b"VERSION" not in answer:
            return self.got
        return re.sub(rb"VERSION [^\r\n]*\r\n", b"VERSION\r\n", self.got)

    def check(self, answer):
        flat = self.flat(answer)
        if b"@C" not in answer:
            if flat != answer:
                raise Wrong(answer)
        else:
            pattern = re.escape(answer).replace(b"@C", rb"(\d+)")
            match = re.fullmatch(pattern, flat, re.DOTALL)
            if not match:
                raise Wrong(answer)
            unique = match.group(1)
            self.words[b"@C"] = unique
            self.words[b"@D"] = b"%d" % (int(unique) + 1)
        self.got = b""

    def end(self, answer, last):
        """Nothing may come but what @last says."""
        if last is CLOSED:
            till = time.monotonic() + TIMEOUT
            while self.more(till - time.monotonic()):
                pass
            if self.got:
                raise Wrong(answer)
            self.sock.settimeout(TIMEOUT)
            try:
                if self.sock.recv(1):
                    raise Wrong(answer)
            except ConnectionResetError:
                pass
            except socket.timeout:
                raise Wrong(answer + b"<closed>") from None
        elif last is WAITS:
            self.more(QUIET)
            if self.got not in (b"", LARGE):
                raise Wrong(answer)
        else:
            self.send(b"version\r\n")
            self.expect(VERSION)
            if self.more(0) is False:
                raise Wrong(b"<still open>")
            self.check(b"")


def short(data):
    text = repr(data)[1:] if isinstance(data, bytes) else repr(data)
    if len(text) > 400:
        text = "%s ... %s (%d bytes)" % (text[:250], text[-120:], len(data))
    return text


def run(host, port, number, todo, last):
    """None, or what went wrong."""
    talk = None
    sent = b""
    try:
        talk = Talk(host, port, number)
        for send, answer in todo:
            if isinstance(send, (int, float)):
                time.sleep(send)
                continue
            if isinstance(send, list):
                sent = [talk.fill(piece) for piece in send]
            else:
                sent = talk.fill(send)
            talk.send(sent)
            talk.expect(talk.fill(answer) if b"@C\r" not in answer else
                        keep_unique(talk, answer))
        talk.end(b"", last)
    except Wrong as wrong:
        return "sent      %s\nexpected  %s\ngot       %s" % (
            short(sent), short(wrong.args[0]), short(talk.got))
    except OSError as error:
        return "sent      %s\n%s" % (short(sent), error)
    finally:
        if talk:
            talk.sock.close()
    return None


def keep_unique(talk, answer):
    """Fill in everything but @C, which stands for a unique not yet seen."""
    talk.words.pop(b"@C", None)
    return talk.fill(answer)


def main():
    parser = argparse.ArgumentParser(
        description="Raw text protocol exchanges with a running server.")
    parser.add_argument("host", nargs="?")
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("--memcached", action="store_true",
                        help="expect what memcached 1.6.18 answers")
    parser.add_argument("--differs", action="store_true",
                        help="list where kfatcache deliberately differs")
    parser.add_argument("--only", metavar="TEXT",
                        help="cases whose name has TEXT in it")
    args = parser.parse_args()

    table()
    if args.differs:
        for c in CASES:
            if c.differs:
                print("%s: %s\n  sent       %s\n  kfatcache  %s\n"
                      "  memcached  %s%s" % (
                          c.name, c.why, short(c.steps[0][0]),
                          short(c.steps[0][1]), short(c.differs[0][0][1]),
                          ", closes" if c.differs[1] is CLOSED else ""))
        return 0
    if args.host is None or args.port is None:
        parser.error("HOST and PORT, please")

    passed = failed = in_a_row = 0
    for number, c in enumerate(CASES):
        if args.only and args.only not in c.name:
            continue
        todo, last = c.steps, c.last
        if args.memcached and c.differs:
            todo, last = c.differs
        wrong = run(args.host, args.port, number, todo, last)
        if wrong is None:
            passed += 1
            in_a_row = 0
            continue
        failed += 1
        print("FAILED %s\n    %s" % (c.name, wrong.replace("\n", "\n    ")),
              flush=True)
        in_a_row += 1
        if in_a_row == 10:
            print("10 in a row: giving up")
            break
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

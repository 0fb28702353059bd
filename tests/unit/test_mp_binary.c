// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp: binary requests, that they mean the same however their bytes arrive,
 * and that no lengths in a header get past the parser; and the answers' heads.
 * The expected statuses are what memcached 1.6.18 answered to the same bytes;
 * libmp/binary.c says where it is meant to differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fuzz/mp_talk.h"

#define ITEM_MAX 1048576

/* A request's header, field by field; the opaque is always 01020304. */
#define LEN4(n) (u8)((n) >> 24), (u8)((n) >> 16), (u8)((n) >> 8), (u8)(n)
#define HEAD(op, klen, elen, blen, cas) \
	0x80, op, (u8)((klen) >> 8), (u8)(klen), elen, 0, 0, 0, LEN4(blen), \
	1, 2, 3, 4, 0, 0, 0, 0, LEN4(cas)
#define NOOP HEAD(0x0a, 0, 0, 0, 0)
#define NOOP_OUT "noop #1020304; "
#define Z4 0, 0, 0, 0
#define Z8 Z4, Z4

#define INVALID(op) \
	"ERR 04 op=" op " #1020304 Invalid arguments close; "
#define UNKNOWN(op, n) \
	"ERR 81 op=" op " #1020304 Unknown command" n "; "
#define NO_AUTH(op) "ERR 20 op=" op " #1020304 Auth failure. close; "

static char *talk_in(const void *in, size_t len, size_t first, size_t step,
		     bool sasl, bool authed)
{
	struct feed f;
	size_t at;

	talk_start(&f, in, len, ITEM_MAX);
	f.p.auth = sasl;
	f.p.authed = authed;
	for (at = first; at < len; at += step)
		talk_to(&f, at);
	talk_to(&f, len);
	return f.log.s;
}

/* All at once, byte by byte, and cut in two at every place. */
static void check_as(const void *in, size_t len, bool sasl, bool authed,
		     const char *out)
{
	char *got = talk_in(in, len, len, 1, sasl, authed);
	size_t cut;

	assert_string_equal(got, out);
	free(got);
	got = talk_in(in, len, 1, 1, sasl, authed);
	assert_string_equal(got, out);
	free(got);
	for (cut = 0; cut < len; cut++) {
		got = talk_in(in, len, cut, len, sasl, authed);
		assert_string_equal(got, out);
		free(got);
	}
}

#define SAY(out, ...) do { \
	static const u8 in_[] = { __VA_ARGS__ }; \
	check_as(in_, sizeof(in_), false, false, out); \
} while (0)

#define SAY_SASL(authed, out, ...) do { \
	static const u8 in_[] = { __VA_ARGS__ }; \
	check_as(in_, sizeof(in_), true, authed, out); \
} while (0)

static void test_get(void **state)
{
	(void)state;
	SAY("get k=k #1020304; " NOOP_OUT, HEAD(0, 1, 0, 1, 0), 'k', NOOP);
	SAY("get k=k quiet #1020304; ", HEAD(0x09, 1, 0, 1, 0), 'k');
	SAY("get k=k with_key #1020304; ", HEAD(0x0c, 1, 0, 1, 0), 'k');
	SAY("get k=k quiet with_key #1020304; ", HEAD(0x0d, 1, 0, 1, 0), 'k');
	SAY("touch k=k e=4294967295 #1020304; ", HEAD(0x1c, 1, 4, 5, 0),
	    255, 255, 255, 255, 'k');
	SAY("gat k=k e=1 #1020304; ", HEAD(0x1d, 1, 4, 5, 0), 0, 0, 0, 1, 'k');
	SAY("gat k=k e=256 quiet #1020304; ", HEAD(0x1e, 1, 4, 5, 0),
	    0, 0, 1, 0, 'k');
	SAY("gat k=k e=0 with_key #1020304; ", HEAD(0x23, 1, 4, 5, 0), Z4, 'k');
	SAY("gat k=k e=0 quiet with_key #1020304; ", HEAD(0x24, 1, 4, 5, 0),
	    Z4, 'k');
	/* any byte may be in a key */
	SAY("get k=a\\x20\\x00\\x0a\\xff #1020304; ", HEAD(0, 5, 0, 5, 0),
	    'a', ' ', 0, '\n', 255);
}

static void test_store(void **state)
{
	(void)state;
	SAY("set k=k f=5 e=2 v=3 drops #1020304; " NOOP_OUT,
	    HEAD(0x01, 1, 8, 12, 0), 0, 0, 0, 5, 0, 0, 0, 2, 'k', 0x80, 1, 2,
	    NOOP);
	SAY("set k=k f=0 e=0 v=0 drops #1020304; " NOOP_OUT,
	    HEAD(0x01, 1, 8, 9, 0), Z8, 'k', NOOP);
	SAY("cas k=k f=0 e=0 v=0 c=7 drops #1020304; ",
	    HEAD(0x01, 1, 8, 9, 7), Z8, 'k');
	SAY("add k=k f=0 e=4294967295 v=1 #1020304; ",
	    HEAD(0x02, 1, 8, 10, 0), Z4, 255, 255, 255, 255, 'k', 'v');
	SAY("cas k=k f=0 e=0 v=0 c=7 quiet #1020304; ",
	    HEAD(0x12, 1, 8, 9, 7), Z8, 'k');
	SAY("replace k=k f=0 e=0 v=0 #1020304; ",
	    HEAD(0x03, 1, 8, 9, 0), Z8, 'k');
	SAY("set k=k f=0 e=0 v=0 drops quiet #1020304; ",
	    HEAD(0x11, 1, 8, 9, 0), Z8, 'k');
	SAY("replace k=k f=0 e=0 v=0 quiet #1020304; ",
	    HEAD(0x13, 1, 8, 9, 0), Z8, 'k');
	SAY("append k=k f=0 e=0 v=2 c=3 #1020304; " NOOP_OUT,
	    HEAD(0x0e, 1, 0, 3, 3), 'k', 'v', 'v', NOOP);
	SAY("prepend k=k f=0 e=0 v=0 #1020304; ", HEAD(0x0f, 1, 0, 1, 0), 'k');
	SAY("append k=k f=0 e=0 v=0 quiet #1020304; ",
	    HEAD(0x19, 1, 0, 1, 0), 'k');
	SAY("prepend k=k f=0 e=0 v=0 quiet #1020304; ",
	    HEAD(0x1a, 1, 0, 1, 0), 'k');
}

static void test_others(void **state)
{
	(void)state;
	SAY("delete k=k #1020304; delete k=k c=9 quiet #1020304; ",
	    HEAD(0x04, 1, 0, 1, 0), 'k', HEAD(0x14, 1, 0, 1, 9), 'k');
	SAY("incr k=n d=3 i=7 n=0 #1020304; ", HEAD(0x05, 1, 20, 21, 0),
	    Z4, 0, 0, 0, 3, Z4, 0, 0, 0, 7, Z4, 'n');
	SAY("decr k=n d=18446744073709551615 i=256 n=4294967294 c=1 quiet "
	    "#1020304; ", HEAD(0x16, 1, 20, 21, 1),
	    255, 255, 255, 255, 255, 255, 255, 255, Z4, 0, 0, 1, 0,
	    255, 255, 255, 254, 'n');
	/* an expiry of all ones: nothing is made */
	SAY("decr k=n d=1 #1020304; ", HEAD(0x06, 1, 20, 21, 0),
	    Z4, 0, 0, 0, 1, Z8, 255, 255, 255, 255, 'n');
	SAY("incr k=n d=1 quiet #1020304; ", HEAD(0x15, 1, 20, 21, 0),
	    Z4, 0, 0, 0, 1, Z8, 255, 255, 255, 255, 'n');
	SAY("flush_all e=0 #1020304; flush_all e=0 quiet #1020304; ",
	    HEAD(0x08, 0, 0, 0, 0), HEAD(0x18, 0, 0, 0, 0));
	SAY("flush_all e=5 #1020304; ", HEAD(0x08, 0, 4, 4, 0), 0, 0, 0, 5);
	SAY("quit #1020304; quit quiet #1020304; ", HEAD(0x07, 0, 0, 0, 0),
	    HEAD(0x17, 0, 0, 0, 0));
	SAY("version #1020304; noop c=7 #1020304; ", HEAD(0x0b, 0, 0, 0, 0),
	    HEAD(0x0a, 0, 0, 0, 7));
	SAY("stats #1020304; stats arg=reset #1020304; ",
	    HEAD(0x10, 0, 0, 0, 0), HEAD(0x10, 5, 0, 5, 0),
	    'r', 'e', 's', 'e', 't');
	/* datatype and reserved are not looked at */
	SAY("version #1020304; ", 0x80, 0x0b, 0, 0, 0, 1, 2, 3, Z4,
	    1, 2, 3, 4, Z8);
}

/* What follows is a good request; it must not be reached, or must be. */
static void test_shapes(void **state)
{
	(void)state;
	SAY(INVALID("00"), HEAD(0, 0, 0, 0, 0), NOOP);
	SAY(INVALID("00"), HEAD(0, 1, 4, 5, 0), Z4, 'k', NOOP);
	SAY(INVALID("0d"), HEAD(0x0d, 1, 0, 2, 0), 'k', 'v', NOOP);
	SAY(INVALID("01"), HEAD(0x01, 1, 0, 2, 0), 'k', 'v', NOOP);
	SAY(INVALID("02"), HEAD(0x02, 1, 4, 6, 0), Z4, 'k', 'v', NOOP);
	SAY(INVALID("03"), HEAD(0x03, 1, 9, 11, 0), Z8, 0, 'k', 'v', NOOP);
	SAY(INVALID("11"), HEAD(0x11, 0, 8, 9, 0), Z8, 'v', NOOP);
	SAY(INVALID("0e"), HEAD(0x0e, 1, 8, 10, 0), Z8, 'k', 'v', NOOP);
	SAY(INVALID("1a"), HEAD(0x1a, 0, 0, 1, 0), 'v', NOOP);
	SAY(INVALID("04"), HEAD(0x04, 1, 0, 2, 0), 'k', 'v', NOOP);
	SAY(INVALID("05"), HEAD(0x05, 1, 0, 1, 0), 'k', NOOP);
	SAY(INVALID("15"), HEAD(0x15, 1, 10, 11, 0), Z8, 0, 0, 'k', NOOP);
	SAY(INVALID("06"), HEAD(0x06, 1, 20, 22, 0), Z8, Z8, Z4, 'k', 'v', NOOP);
	SAY(INVALID("16"), HEAD(0x16, 0, 20, 20, 0), Z8, Z8, Z4, NOOP);
	SAY(INVALID("07"), HEAD(0x07, 1, 0, 1, 0), 'k', NOOP);
	SAY(INVALID("17"), HEAD(0x17, 0, 0, 1, 0), 'v', NOOP);
	SAY(INVALID("08"), HEAD(0x08, 0, 8, 8, 0), Z8, NOOP);
	SAY(INVALID("18"), HEAD(0x18, 0, 3, 3, 0), 0, 0, 0, NOOP);
	SAY(INVALID("08"), HEAD(0x08, 0, 0, 1, 0), 'v', NOOP);
	SAY(INVALID("0a"), HEAD(0x0a, 1, 0, 1, 0), 'k', NOOP);
	SAY(INVALID("0b"), HEAD(0x0b, 0, 1, 1, 0), 'e', NOOP);
	SAY(INVALID("10"), HEAD(0x10, 0, 1, 1, 0), 'e', NOOP);
	SAY(INVALID("1c"), HEAD(0x1c, 1, 0, 1, 0), 'k', NOOP);
	SAY(INVALID("1d"), HEAD(0x1d, 1, 8, 9, 0), Z8, 'k', NOOP);
	SAY(INVALID("24"), HEAD(0x24, 0, 4, 4, 0), Z4, NOOP);
	/* 1.6.18 does these, then takes the rest for the next request */
	SAY(INVALID("1d"), HEAD(0x1d, 1, 4, 6, 0), Z4, 'k', 'v', NOOP);
	SAY(INVALID("10"), HEAD(0x10, 1, 0, 2, 0), 'k', 'v', NOOP);
	SAY(UNKNOWN("1b", "") NOOP_OUT, HEAD(0x1b, 0, 0, 0, 0), NOOP);
	SAY(UNKNOWN("1f", " swallow=3") NOOP_OUT, HEAD(0x1f, 0, 0, 3, 0),
	    1, 2, 3, NOOP);
	SAY(UNKNOWN("ff", " swallow=4") NOOP_OUT, HEAD(0xff, 1, 1, 4, 0),
	    1, 2, 3, 4, NOOP);
	SAY(UNKNOWN("25", "") NOOP_OUT, HEAD(0x25, 0, 0, 0, 0), NOOP);
}

/* CVE-2016-8704, -8705, -8706 and the extras of 1.6.0 among them. */
static void test_lengths(void **state)
{
	(void)state;
	/* 8704: append, prepend whose body is shorter than its key */
	SAY(UNKNOWN("0e", " close"), HEAD(0x0e, 250, 0, 0, 0), NOOP);
	SAY(UNKNOWN("1a", " close"), HEAD(0x1a, 1, 0, 0, 0), 'k', NOOP);
	/* 8705: set, add, replace likewise, and bodies that are negative */
	SAY(UNKNOWN("01", " close"), HEAD(0x01, 250, 8, 8, 0), NOOP);
	SAY(UNKNOWN("12", " close"), HEAD(0x12, 1, 8, 8, 0), Z8, 'k', NOOP);
	SAY("ERR 03 op=01 #1020304 Too large. swallow=4294967286 drop=k; ",
	    HEAD(0x01, 1, 8, 0xffffffffu, 0), Z8, 'k', NOOP);
	SAY("ERR 03 op=02 #1020304 Too large. swallow=2147483648; ",
	    HEAD(0x02, 1, 8, 0x80000009u, 0), Z8, 'k', NOOP);
	SAY("ERR 03 op=19 #1020304 Too large. swallow=4294967294; ",
	    HEAD(0x19, 1, 0, 0xffffffffu, 0), 'k', NOOP);
	/* 8706: SASL whose body is shorter than its mechanism, or huge */
	SAY_SASL(false, UNKNOWN("21", " close"), HEAD(0x21, 32, 0, 1, 0), NOOP);
	SAY_SASL(false, "ERR 20 op=21 #1020304 Auth failure. "
		 "swallow=4294967295; ", HEAD(0x21, 5, 0, 0xffffffffu, 0), NOOP);
	SAY_SASL(false, "ERR 20 op=22 #1020304 Auth failure. swallow=1030; ",
		 HEAD(0x22, 5, 0, 1030, 0));
	SAY_SASL(false, "ERR 04 op=21 #1020304 Invalid arguments swallow=33; ",
		 HEAD(0x21, 33, 0, 33, 0));
	/* 1.6.0: extras of any length where there are to be none or few */
	SAY(INVALID("00"), HEAD(0x00, 1, 255, 256, 0), NOOP);
	SAY(INVALID("05"), HEAD(0x05, 1, 255, 256, 0), NOOP);
	SAY(UNKNOWN("40", " swallow=255"), HEAD(0x40, 0, 255, 255, 0));
	SAY(UNKNOWN("0a", " close"), HEAD(0x0a, 0, 4, 2, 0), Z4, NOOP);
	SAY(UNKNOWN("00", " close"), HEAD(0x00, 65535, 255, 65535, 0), NOOP);
	/* keys */
	SAY(INVALID("00"), HEAD(0x00, 251, 0, 251, 0), NOOP);
	SAY(INVALID("40"), HEAD(0x40, 251, 0, 251, 0), NOOP);
	SAY(INVALID("01"), HEAD(0x01, 65535, 8, 0xffffffffu, 0), NOOP);
	SAY("", HEAD(0x00, 250, 0, 250, 0), NOOP);
	/* the largest value, and one byte more */
	SAY("set k=k f=0 e=0 v=1048576 drops #1020304; ",
	    HEAD(0x01, 1, 8, 9 + ITEM_MAX, 0), Z8, 'k', 'v');
	SAY("ERR 03 op=11 #1020304 Too large. swallow=1048577 drop=k; ",
	    HEAD(0x11, 1, 8, 10 + ITEM_MAX, 0), Z8, 'k', 'v');
	SAY("ERR 03 op=01 #1020304 Too large. swallow=1048577 drop=k; ",
	    HEAD(0x01, 1, 8, 10 + ITEM_MAX, 5), Z8, 'k', 'v');
}

/* The first byte says which protocol a connection speaks, once. */
static void test_protocol(void **state)
{
	(void)state;
	SAY(NOOP_OUT "ERR close; ", NOOP, 0x81, 0x0a, 0, 0, Z8, Z8, Z4, NOOP);
	SAY(NOOP_OUT "ERR close; ", NOOP, 'm', 'n', '\r', '\n', Z8, Z8, Z4);
	/* memcached waits for a whole header, too */
	SAY(NOOP_OUT, NOOP, 'm', 'n', '\r', '\n');
	SAY("mn; ERR ERROR; ", 'm', 'n', '\n', 0x80, '\n');
	SAY("ERR ERROR; mn; ", 0x81, '\n', 'm', 'n', '\n');
	SAY("", 0x80);
}

/* Unless the parser is told so, there is no binary protocol. */
static void test_off(void **state)
{
	static const u8 in[] = { NOOP, '\n' };
	struct feed f;

	(void)state;
	feed_start(&f, in, sizeof(in), ITEM_MAX);
	feed_to(&f, sizeof(in));
	/* the header has a 0x0a in it */
	assert_string_equal(f.log.s, "ERR ERROR; ERR ERROR; ");
	feed_end(&f);
}

static void test_sasl(void **state)
{
	(void)state;
	SAY(UNKNOWN("20", "") NOOP_OUT, HEAD(0x20, 0, 0, 0, 0), NOOP);
	SAY(UNKNOWN("21", " swallow=6") NOOP_OUT, HEAD(0x21, 5, 0, 6, 0),
	    'P', 'L', 'A', 'I', 'N', 'x', NOOP);
	SAY(INVALID("20"), HEAD(0x20, 0, 0, 1, 0), 'x', NOOP);
	SAY(INVALID("21"), HEAD(0x21, 0, 0, 1, 0), 'x', NOOP);
	SAY(INVALID("22"), HEAD(0x22, 1, 1, 2, 0), 'x', 'y', NOOP);

	SAY_SASL(false, "sasl_list #1020304; version #1020304; " NO_AUTH("0a"),
		 HEAD(0x20, 0, 0, 0, 0), HEAD(0x0b, 0, 0, 0, 0), NOOP, NOOP);
	SAY_SASL(false, "sasl_auth k=PLAIN arg=\\x00u\\x00p #1020304; "
		 "sasl_step k=P #1020304; " NO_AUTH("0a"),
		 HEAD(0x21, 5, 0, 9, 0), 'P', 'L', 'A', 'I', 'N', 0, 'u', 0, 'p',
		 HEAD(0x22, 1, 0, 1, 0), 'P', NOOP);
	SAY_SASL(false, NO_AUTH("00"), HEAD(0x00, 1, 0, 1, 0), 'k', NOOP);
	SAY_SASL(false, NO_AUTH("01"), HEAD(0x01, 1, 8, 0xffffffffu, 0), NOOP);
	/* lengths come before, all else after */
	SAY_SASL(false, UNKNOWN("00", " close"), HEAD(0x00, 3, 0, 1, 0), NOOP);
	SAY_SASL(false, NO_AUTH("00"), HEAD(0x00, 0, 0, 0, 0), NOOP);
	SAY_SASL(false, NO_AUTH("00"), HEAD(0x00, 251, 0, 251, 0), NOOP);
	SAY_SASL(false, NO_AUTH("40"), HEAD(0x40, 0, 0, 0, 0), NOOP);
	SAY_SASL(false, INVALID("0b"), HEAD(0x0b, 1, 0, 1, 0), 'k', NOOP);
	SAY_SASL(true, "get k=k #1020304; sasl_list #1020304; ",
		 HEAD(0x00, 1, 0, 1, 0), 'k', HEAD(0x20, 0, 0, 0, 0));
	SAY_SASL(true, UNKNOWN("40", ""), HEAD(0x40, 0, 0, 0, 0));
}

static void test_answers(void **state)
{
	static const struct mp_bin_head h = {
		.opcode = 0x0c, .extlen = 4, .klen = 0x101, .status = 0x81,
		.vlen = 0x01020304, .opaque = 0xa1b2c3d4,
		.cas = 0x1122334455667788ULL,
	};
	static const u8 want[MP_BIN_HEAD] = {
		0x81, 0x0c, 1, 1, 4, 0, 0, 0x81, 1, 2, 4, 9,
		0xa1, 0xb2, 0xc3, 0xd4,
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	};
	static const u8 miss[] = {
		0x81, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, Z8,
		'N', 'o', 't', ' ', 'f', 'o', 'u', 'n', 'd',
	};
	static const struct {
		u16 status;
		const char *text;
	} texts[] = {
		{ MP_BIN_OK, "" },
		{ MP_BIN_NOT_FOUND, "Not found" },
		{ MP_BIN_EXISTS, "Data exists for key." },
		{ MP_BIN_TOO_LARGE, "Too large." },
		{ MP_BIN_INVALID, "Invalid arguments" },
		{ MP_BIN_NOT_STORED, "Not stored." },
		{ MP_BIN_NON_NUMERIC,
		  "Non-numeric server-side value for incr or decr" },
		{ MP_BIN_AUTH, "Auth failure." },
		{ MP_BIN_AUTH_CONTINUE, "" },
		{ MP_BIN_UNKNOWN, "Unknown command" },
		{ MP_BIN_NO_MEMORY, "Out of memory" },
	};
	char got[MP_BIN_ERROR_MAX];
	size_t i, n;

	(void)state;
	assert_int_equal(mp_put_bin_head(got, &h), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	n = mp_put_bin_error(got, 0, 0x01020304, MP_BIN_NOT_FOUND);
	assert_int_equal(n, sizeof(miss));
	assert_memory_equal(got, miss, sizeof(miss));
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_string_equal(mp_bin_text(texts[i].status),
				    texts[i].text);
		n = mp_put_bin_error(got, 0, 0, texts[i].status);
		assert_int_equal(n, MP_BIN_HEAD + strlen(texts[i].text));
		assert_true(n <= MP_BIN_ERROR_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_sasl),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp: meta commands, and that they mean the same however their bytes
 * arrive; and the lines that answer them. The expected errors and answers are
 * what memcached 1.6.18 said to the same bytes, but for the flags E and x, which
 * it does not have, and numbers that it cuts off (F over 32 bits, ms lengths).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fuzz/mp_talk.h"

#define ITEM_MAX 1048576

#define CE(text) "ERR CLIENT_ERROR " text "; "
#define BAD CE("bad command line format")
#define BAD_TOKEN CE("bad token in command line format")
#define BAD_KEY CE("error decoding key")
#define BAD_FLAG CE("invalid flag")
#define TWICE CE("duplicate flag")
#define EITHER CE("invalid or duplicate flag")
#define OPAQUE CE("opaque token too long")
#define ERROR "ERR ERROR; "
/* ms, whose value is then thrown away */
#define CS(text) "ERR CLIENT_ERROR " text " swallow=4; "

#define S10 "1111111111"
#define S31 S10 S10 S10 "1"
#define S32 S31 "1"
#define K50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define K250 K50 K50 K50 K50 K50
#define B48 "YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj"
#define B248 B48 B48 B48 B48 B48 "YWJjYWJj"

struct example {
	const char *in;
	size_t len;
	const char *out;
};

#define X(in, out) { in, sizeof(in) - 1, out }

static char *talk_in(const void *in, size_t len, size_t first, size_t step)
{
	struct feed f;
	size_t at;

	talk_start(&f, in, len, ITEM_MAX);
	for (at = first; at < len; at += step)
		talk_to(&f, at);
	talk_to(&f, len);
	return f.log.s;
}

/* All at once, byte by byte, and cut in two at every place. */
static void check_bytes(const void *in, size_t len, const char *out)
{
	char *got = talk_in(in, len, len, 1);
	size_t cut;

	if (strcmp(got, out))
		print_error("sent: %.*s\n", (int)len, (const char *)in);
	assert_string_equal(got, out);
	free(got);
	got = talk_in(in, len, 1, 1);
	assert_string_equal(got, out);
	free(got);
	for (cut = 0; cut < len; cut++) {
		got = talk_in(in, len, cut, len);
		assert_string_equal(got, out);
		free(got);
	}
}

static void check_examples(const struct example *x, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		check_bytes(x[i].in, x[i].len, x[i].out);
}

#define CHECK(x) check_examples(x, sizeof(x) / sizeof((x)[0]))

static void test_lines(void **state)
{
	static const struct example x[] = {
		X("mn\r\n", "mn; "),
		X("mn\n", "mn; "),
		X("mn x\r\n", "mn; "),
		X("mn q k\r\n", "mn; "),
		X("mn\0 x\r\n", "mn; "),
		X("mnx\r\nm\r\nmx a\r\nmG a\r\n", ERROR ERROR ERROR ERROR),
		X("mg\r\nmd\r\nma\r\nms\r\n", ERROR ERROR ERROR ERROR),
		X("me\r\n", BAD),
		X("mg a\r\n", "mg k=a; "),
		X("mg a \r\n", "mg k=a; "),
		X("  mg  a   k  \r\n", "mg k=a [k]; "),
		X("mg a k\0 v\r\n", "mg k=a [k]; "),
		X("mg a\tb k\r\n", "mg k=a\\x09b [k]; "),
		X("mg a v\r\r\n", "mg k=a [v]; "),
		X("mg a v\nget a\nmn\n", "mg k=a [v]; get k=a last; mn; "),
		X("mg " K250 " v\r\n", "mg k=<250,669177e0> [v]; "),
		X("mg " K250 "k v\r\n", BAD),
		X("mg a noreply\r\n", BAD_FLAG),
		X("get mg mn\r\n", "get k=mg; get k=mn last; "),
	};

	(void)state;
	CHECK(x);
}

static void test_flags(void **state)
{
	static const struct example x[] = {
		X("mg a s v\r\n", "mg k=a [sv]; "),
		X("mg a k t s c f v h u q O1 P L I l T1 R1 F1\r\n",
		  "mg k=a [ktscfvhuqOPLIlTRF] O=1 f=1 e=1 r=1; "),
		X("mg a k t s c f v h u q O1 P L I l T1 R1 F1 M1\r\n",
		  CE("options flags are too long")),
		X("mg a k k k k k k k k k k k k k k k k k\r\n", TWICE),
		X("mg a k k k k k k k k k k k k k k k k k k\r\n",
		  CE("options flags are too long")),
		X("md a k k k k k k k k k k k k k k k k k\r\n", EITHER),
		X("md a k k k k k k k k k k k k k k k k k k k k k k k\r\n",
		  CE("options flags too long")),
		X("ma a k k k k k k k k k k k k k k k k k k\r\n",
		  CE("options flags too long")),
		X("mg a v v\r\n", TWICE),
		X("mg a !\r\n", BAD_FLAG),
		X("mg a \x7f\r\nmg a \x80\r\n", TWICE TWICE),
		X("mg a S100\r\nmg a z\r\n", BAD_FLAG BAD_FLAG),
		X("mg a vfoo kbar Ix\r\n", "mg k=a [vkI]; "),
		X("mg a Pfoo Lbar k\r\n", "mg k=a [PLk]; "),
		X("mg a E1 x\r\n", "mg k=a [Ex] E=1; "),
		X("mg a Ex\r\nmg a E\r\n", BAD_TOKEN BAD_TOKEN),
		X("mg a O" S31 "\r\n", "mg k=a [O] O=" S31 "; "),
		X("mg a O" S32 "\r\n", OPAQUE),
		X("mg a q O" S32 "\r\n", OPAQUE),
		X("mg a O\r\n", "mg k=a [O]; "),
		X("mg a Mz\r\n", "mg k=a [M]; "),
		X("mg a M\r\nmg a Mxx\r\n", CE("incorrect length for M token")
		  CE("incorrect length for M token")),
		/* the last error is told, F has no words of its own */
		X("mg a Tx Nx Dx\r\n", CE("invalid numeric delta value")),
		X("mg a Dx Tx\r\nmg a Tx Fx\r\nmg a Fx Tx\r\n",
		  BAD_TOKEN BAD_TOKEN BAD_TOKEN),
		X("mg a Fx v v\r\nmg a Tx !\r\n", TWICE BAD_FLAG),
	};

	(void)state;
	CHECK(x);
}

static void test_numbers(void **state)
{
	static const struct example x[] = {
		X("mg a T\r\nmg a Tx\r\nmg a T1x\r\nmg a T1-\r\nmg a T-\r\n",
		  BAD_TOKEN BAD_TOKEN BAD_TOKEN BAD_TOKEN BAD_TOKEN),
		X("mg a N\r\nmg a Nx\r\nmg a R\r\nmg a R9x\r\n",
		  BAD_TOKEN BAD_TOKEN BAD_TOKEN BAD_TOKEN),
		X("mg a T-1\r\n", "mg k=a [T] e=-1; "),
		X("mg a T+1\r\nmg a T\t1\r\nmg a T1\t\r\nmg a T1\vx\r\n",
		  "mg k=a [T] e=1; mg k=a [T] e=1; mg k=a [T] e=1; "
		  "mg k=a [T] e=1; "),
		X("mg a T 1\r\n", BAD_FLAG),
		X("mg a T9223372036854775807\r\n",
		  "mg k=a [T] e=9223372036854775807; "),
		X("mg a T9223372036854775808\r\n", BAD_TOKEN),
		X("mg a T-9223372036854775809\r\n", BAD_TOKEN),
		X("mg a C\r\nmg a Cx\r\nmg a C-1\r\n",
		  BAD_TOKEN BAD_TOKEN BAD_TOKEN),
		X("mg a C18446744073709551616\r\n", BAD_TOKEN),
		X("mg a C18446744073709551615\r\n",
		  "mg k=a [C] c=18446744073709551615; "),
		X("mg a C0\r\nmg a C-0\r\nmg a C01\r\n",
		  "mg k=a [C] c=0; mg k=a [C] c=0; mg k=a [C] c=1; "),
		X("mg a F\r\nmg a Fx\r\nmg a F-1\r\n", BAD BAD BAD),
		X("mg a F4294967295\r\n", "mg k=a [F] f=4294967295; "),
		X("mg a F4294967296\r\n", BAD),
		X("mg a J\r\nmg a Jx\r\nmg a J-1\r\n",
		  CE("invalid numeric initial value")
		  CE("invalid numeric initial value")
		  CE("invalid numeric initial value")),
		X("mg a D\r\nmg a Dx\r\nmg a D-1\r\n",
		  CE("invalid numeric delta value")
		  CE("invalid numeric delta value")
		  CE("invalid numeric delta value")),
	};

	(void)state;
	CHECK(x);
}

static void test_base64(void **state)
{
	static const struct example x[] = {
		X("mg YWJj k b\r\n", "mg k=abc [kb]; "),
		X("mg YQ== b\r\nmg YWI= b\r\n", "mg k=a [b]; mg k=ab [b]; "),
		X("mg YQ b\r\nmg Y b\r\nmg YWJjZA b\r\nmg YW= b\r\n",
		  BAD_KEY BAD_KEY BAD_KEY BAD_KEY),
		X("mg !!! b\r\nmg -_-_ b\r\nmg YW!J b\r\n",
		  BAD_KEY BAD_KEY BAD_KEY),
		X("mg YW!JZ b\r\nmg Y!!W!!J!!j b\r\nmg YWJj\x80 b\r\n",
		  "mg k=abY [b]; mg k=abc [b]; mg k=abc [b]; "),
		X("mg YWJj\r b\r\n", "mg k=abc [b]; "),
		/* padding: what is before it in its four counts */
		X("mg =YWJ b\r\n", "mg k=\\x01\\x85 [b]; "),
		X("mg YW=J b\r\n", "mg k=a` [b]; "),
		X("mg Y=W= b\r\n", "mg k=` [b]; "),
		X("mg =W=J b\r\n", "mg k=\\x01 [b]; "),
		X("mg ==YW b\r\n", "mg k=\\x00 [b]; "),
		X("mg YQ==YWJj b\r\nmg YW==JjYW b\r\n",
		  "mg k=a [b]; mg k=a [b]; "),
		X("mg YW==J b\r\n", BAD_KEY),
		X("mg Y=== b\r\nmg ==== b\r\nmg YWJjY=== b\r\n",
		  BAD_KEY BAD_KEY BAD_KEY),
		X("mg " B248 " b\r\n", "mg k=<186,01ba7b40> [b]; "),
		X("mg " B248 "== b\r\n", BAD_KEY),
		X("mg " B248 "YWJj b\r\n", BAD),
		X("mg AAAA b\r\nmg ICAg b\r\n",
		  "mg k=\\x00\\x00\\x00 [b]; mg k=\\x20\\x20\\x20 [b]; "),
		X("md YQ b\r\nma YQ b\r\n", EITHER EITHER),
		X("md YQ== b\r\n", "md k=a [b]; "),
		X("me YQ b\r\nme YQ== b\r\n", BAD "me k=a; "),
		X("me YQ== x b\r\nme YQ== bb\r\nme YQ== b y\r\n",
		  "me k=YQ==; me k=YQ==; me k=a; "),
		X("me " K250 "\r\nme " K250 "k\r\n",
		  "me k=<250,669177e0>; " BAD),
		X("me a k k k k k k k k k k k k k k k k k k k k\r\n",
		  "me k=a; "),
	};

	(void)state;
	CHECK(x);
}

static void test_set(void **state)
{
	static const struct example x[] = {
		X("ms a 2\r\nhi\r\nmn\r\n", "ms k=a set v=2; mn; "),
		X("ms a 0\r\n\r\nmn\r\n", "ms k=a set v=0; mn; "),
		X("ms a 2 q O1 k c\r\nmg\n\nmn\r\n",
		  "ms k=a set v=2 [qOkc] O=1; mn; "),
		X("ms a 02\r\nhi\r\nms a +2\r\nhi\r\n",
		  "ms k=a set v=2; ms k=a set v=2; "),
		X("ms a 2 ME\r\nhi\r\nms a 2 MA\r\nhi\r\nms a 2 MP\r\nhi\r\n"
		  "ms a 2 MR\r\nhi\r\nms a 2 MS\r\nhi\r\n",
		  "ms k=a add v=2 [M]; ms k=a append v=2 [M]; "
		  "ms k=a prepend v=2 [M]; ms k=a replace v=2 [M]; "
		  "ms k=a set v=2 [M]; "),
		X("ms a 2 C1\r\nhi\r\nms a 2 C0 MR\r\nhi\r\n"
		  "ms a 2 MS C3 I\r\nhi\r\n",
		  "ms k=a cas v=2 [C] c=1; ms k=a cas v=2 [CM] c=0; "
		  "ms k=a cas v=2 [MCI] c=3; "),
		X("ms a 2 C1 ME\r\nhi\r\nms a 2 C1 MA N30\r\nhi\r\n",
		  "ms k=a add v=2 [CM] c=1; "
		  "ms k=a append v=2 [CMN] c=1 n=30; "),
		X("ms a 2 T30 F5 E77\r\nhi\r\n",
		  "ms k=a set v=2 [TFE] f=5 e=30 E=77; "),
		X("ms YWJj 2 b\r\nhi\r\n", "ms k=abc set v=2 [b]; "),
		/* no value is taken to follow */
		X("ms a\r\n", BAD),
		X("ms a x\r\nhi\r\n", BAD ERROR),
		X("ms a S2\r\nhi\r\n", BAD ERROR),
		X("ms a -1\r\nhi\r\nms a 2x\r\nhi\r\n", BAD ERROR BAD ERROR),
		X("ms a 2147483646\r\nhi\r\n", BAD ERROR),
		X("ms a 99999999999\r\nhi\r\n", BAD ERROR),
		X("ms " K250 "k 2\r\nhi\r\n", BAD ERROR),
		X("ms a 2 k k k k k k k k k k k k k k k k k\r\nhi\r\n",
		  CE("options flags too long") ERROR),
		/* a value is, and thrown away */
		X("ms a 2 k k k k k k k k k k k k k k k k\r\nhi\r\nmn\r\n",
		  CS("duplicate flag") "mn; "),
		X("ms a 2 S2\r\nhi\r\nmn\r\n", CS("invalid flag") "mn; "),
		X("ms a 2 b\r\nhi\r\nmn\r\n", CS("error decoding key") "mn; "),
		X("ms a 2 Tx\r\nhi\r\nms a 2 Cx\r\nhi\r\n",
		  CS("bad token in command line format")
		  CS("bad token in command line format")),
		X("ms a 2 F4294967296\r\nhi\r\n",
		  CS("bad command line format")),
		X("ms a 2 O" S32 "\r\nhi\r\nmn\r\n",
		  CS("opaque token too long") "mn; "),
		X("ms a 2 q Mx\r\nhi\r\nms a 2 O" S32 " MI\r\nhi\r\n"
		  "ms a 2 Me\r\nhi\r\n",
		  CS("invalid mode for ms M token")
		  CS("invalid mode for ms M token")
		  CS("invalid mode for ms M token")),
		X("ms a 2 M\r\nhi\r\nms a 2 Mxx\r\nhi\r\n",
		  CS("incorrect length for M token")
		  CS("incorrect length for M token")),
		X("ms a 1048577 q MA\r\n",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=1048579 drop=a; "),
		X("ms YWJj 2147483645 b\r\n",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=2147483647 drop=abc; "),
		X("ms a 1048577 Mz\r\n",
		  "ERR CLIENT_ERROR invalid mode for ms M token "
		  "swallow=1048579; "),
	};

	(void)state;
	CHECK(x);
}

static void test_change(void **state)
{
	static const struct example x[] = {
		X("md a\r\n", "md k=a; "),
		X("md a q k I T30 C5 O1\r\n",
		  "md k=a [qkITCO] O=1 c=5 e=30; "),
		X("md a x E9 F1\r\n", "md k=a [xEF] f=1 E=9; "),
		X("md a Mx\r\n", "md k=a [M]; "),
		X("md a v v\r\nmd a !\r\nmd a Tx\r\nmd a Fx\r\nmd a M\r\n",
		  EITHER EITHER EITHER EITHER EITHER),
		X("md a O" S32 "\r\nmd a Mx O" S32 "\r\n", OPAQUE OPAQUE),
		X("md a Mxx O" S32 "\r\n", EITHER),
		X("md " K250 "k k k k k k k k k k k k k k k k k k k k\r\n", BAD),
		X("ma a\r\n", "ma k=a incr d=1; "),
		X("ma a MI\r\nma a M+\r\nma a MD\r\nma a M- D5\r\n",
		  "ma k=a incr d=1 [M]; ma k=a incr d=1 [M]; "
		  "ma k=a decr d=1 [M]; ma k=a decr d=5 [MD]; "),
		X("ma a N30 J5 D0 T60 C1 E2 q t c v\r\n",
		  "ma k=a incr d=0 [NJDTCEqtcv] c=1 e=60 n=30 i=5 E=2; "),
		X("ma a D18446744073709551615 J18446744073709551615\r\n",
		  "ma k=a incr d=18446744073709551615 [DJ] "
		  "i=18446744073709551615; "),
		X("ma a Mx\r\nma a Mi\r\nma a Mx q O" S32 "\r\n",
		  CE("invalid mode for ma M token")
		  CE("invalid mode for ma M token")
		  CE("invalid mode for ma M token")),
		X("ma a M\r\nma a Dx\r\nma a Jx\r\nma a Cx\r\n",
		  EITHER EITHER EITHER EITHER),
		X("ma a q O" S32 "\r\n", OPAQUE),
		/* of T and N the later one is for an item that is made */
		X("mg a N30 T60\r\nmg a T60 N30\r\n",
		  "mg k=a [NT] e=60 n=30; mg k=a [TN] e=60 n=30; "),
		X("ms a 0 MA N30 T60\r\n\r\n",
		  "ms k=a append v=0 [MNT] e=60 n=30; "),
	};

	(void)state;
	CHECK(x);
}

/* A line without an end closes, as any but get does. */
static void test_long(void **state)
{
	static char in[3000];

	(void)state;
	memset(in, 'k', sizeof(in));
	memcpy(in, "mg ", 3);
	check_bytes(in, MP_LINE_MAX, "");
	check_bytes(in, sizeof(in), "ERR close; ");
}

/* Unless the parser is told so, there are no meta commands. */
static void test_off(void **state)
{
	static const char in[] = "mn\r\nmg a\r\nget a\r\n\x80\r\n";
	struct feed f;

	(void)state;
	feed_start(&f, (const u8 *)in, sizeof(in) - 1, ITEM_MAX);
	feed_to(&f, sizeof(in) - 1);
	assert_string_equal(f.log.s, ERROR ERROR "get k=a last; " ERROR);
	feed_end(&f);
}

static struct mp_req req_of(const char *line)
{
	struct mp_parser p;
	struct mp_req req;
	struct mp_err err;
	size_t used;

	mp_parser_init(&p, ITEM_MAX);
	p.meta = true;
	assert_int_equal(mp_parse(&p, (const u8 *)line, strlen(line), &used,
				  &req, &err), MP_REQ);
	/* the copy that is returned has a key_buf of its own */
	if (mp_meta_has(&req, 'b'))
		req.key = NULL;
	return req;
}

static void check_head(const char *line, const char *code,
		       const struct mp_meta_item *it, const char *out)
{
	char got[MP_META_HEAD_MAX + 1];
	struct mp_req req = req_of(line);
	size_t n;

	if (!req.key)
		req.key = req.key_buf;
	n = mp_put_meta_head(got, code, &req, it);
	assert_true(n <= MP_META_HEAD_MAX);
	got[n] = 0;
	assert_string_equal(got, out);
}

static void test_heads(void **state)
{
	struct mp_meta_item it = {
		.size = 2, .flags = 5, .cas = 61, .ttl = MP_TTL_NONE,
		.ttl_new = 30, .ttl_made = 30,
	};

	(void)state;
	check_head("mg g\n", "HD", &it, "HD\r\n");
	check_head("mg g v\n", "VA", &it, "VA 2\r\n");
	check_head("mg g v s t f c k O1 h l q\n", "VA", &it,
		   "VA 2 s2 t-1 f5 c61 kg O1 h0 l0\r\n");
	check_head("mg g O k q\n", "EN", NULL, "EN O kg\r\n");
	check_head("mg Zw== k O1 b\n", "EN", NULL, "EN kZw== b O1\r\n");
	check_head("mg Zw== k b\n", "HD", &it, "HD kg\r\n");
	check_head("mg g t T30\n", "HD", &it, "HD t-1\r\n");
	check_head("mg g T30 t\n", "HD", &it, "HD t30\r\n");
	check_head("mg g N30 t\n", "HD", &it, "HD t-1\r\n");
	check_head("mg g M1 P2 L3 F1 D2 J3 u I k\n", "HD", &it, "HD kg\r\n");
	check_head("ms g 2 c k O3 f t s\n", "HD", &it, "HD c61 kg O3 s2\r\n");
	check_head("md g c k t s O1\n", "HD", NULL, "HD kg O1\r\n");
	check_head("ma g k O1 c t v s\n", "NF", NULL, "NF kg O1\r\n");
	check_head("ma g t c k O1 f s h l v\n", "VA", &it,
		   "VA 2 t-1 c61 kg O1\r\n");
	it.base64 = true;
	check_head("mg Zw== b k\n", "HD", &it, "HD kZw== b\r\n");
	check_head("mg g k\n", "HD", &it, "HD kZw== b\r\n");
	it.base64 = false;
	it.fetched = true;
	it.idle = 7;
	it.created = true;
	it.won = true;
	check_head("mg g t h l N30\n", "HD", &it, "HD t-1 h1 l7 W\r\n");
	check_head("mg g N30 t c\n", "HD", &it, "HD t30 c61 W\r\n");
	it.stale = true;
	check_head("mg g\n", "HD", &it, "HD X W\r\n");
	it.won = false;
	it.sent = true;
	check_head("mg g\n", "HD", &it, "HD Z X\r\n");
	check_head("ma g\n", "HD", &it, "HD\r\n");
	it.ttl = 0;
	check_head("mg g t\n", "HD", &it, "HD t0 Z X\r\n");
	it.cas = 0;
	check_head("ms g 1 C1 c k O3\n", "EX", &it, "EX c0 kg O3\r\n");
}

static void check_debug(const char *line, const struct mp_meta_item *it,
			const char *out)
{
	char got[MP_META_DEBUG_MAX + 1];
	struct mp_req req = req_of(line);
	size_t n;

	if (!req.key)
		req.key = req.key_buf;
	n = mp_put_meta_debug(got, &req, it, 1);
	assert_true(n <= MP_META_DEBUG_MAX);
	got[n] = 0;
	assert_string_equal(got, out);
}

static void test_debug(void **state)
{
	struct mp_meta_item it = {
		.size = 61, .cas = 90, .ttl = MP_TTL_NONE,
	};

	(void)state;
	check_debug("me g\n", &it,
		    "ME g exp=-1 la=0 cas=90 fetch=no cls=1 size=61\r\n");
	it.ttl = 100;
	it.fetched = true;
	it.idle = 3;
	check_debug("me Zw== b\n", &it,
		    "ME g exp=-100 la=3 cas=90 fetch=yes cls=1 size=61\r\n");
	it.base64 = true;
	it.ttl = 0;
	check_debug("me g\n", &it,
		    "ME Zw== exp=0 la=3 cas=90 fetch=yes cls=1 size=61\r\n");
}

static void test_order(void **state)
{
	struct mp_req req = req_of("mg a R30 t T60\n");

	(void)state;
	assert_true(mp_meta_before(&req, 'R', 'T'));
	assert_false(mp_meta_before(&req, 'T', 'R'));
	assert_false(mp_meta_before(&req, 'R', 'N'));
	assert_false(mp_meta_before(&req, 'N', 'R'));
	assert_true(mp_meta_has(&req, 't'));
	assert_false(mp_meta_has(&req, 'N'));
}

static void test_base64_both(void **state)
{
	u8 raw[MP_KEY_MAX], back[MP_KEY_MAX + 2];
	char text[MP_BASE64_LEN(MP_KEY_MAX)];
	size_t n, len, i;

	(void)state;
	for (len = 0; len <= MP_KEY_MAX; len++) {
		for (i = 0; i < len; i++)
			raw[i] = (u8)(i * 7 + len);
		n = mp_base64_encode(text, raw, len);
		assert_int_equal(n, MP_BASE64_LEN(len));
		assert_int_equal(mp_base64_decode(back, (u8 *)text, n), len);
		assert_memory_equal(back, raw, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_debug),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_base64_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

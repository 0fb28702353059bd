// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands of the meta and binary protocols, on objects in memory and on the
 * device, and what is told of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "env.h"

static void step(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

/* Put enough behind all keys that they lie on the device alone. */
static void push_out(struct env *e, struct env_client *ec)
{
	static char value[2000];
	static u32 n;
	u32 i;

	memset(value, 'f', sizeof(value));
	for (i = 0; i < 400; i++) {
		char key[32];

		sprintf(key, "fill-%u", n++);
		assert_string_equal(env_set(e, ec, "set", key, 0, 0, value,
					    sizeof(value), ""), "STORED\r\n");
		step(e);
	}
}

struct where {
	struct env e;
	struct env_client ec;
	struct env_client filler;
	bool device;
};

static void begin(struct where *w, bool device)
{
	w->device = device;
	env_start(&w->e, 128 << 10, device ? 4 : 16, device ? 400 : 0,
		  256 << 10);
	env_client_init(&w->e, &w->ec);
	env_client_init(&w->e, &w->filler);
}

static void end(struct where *w)
{
	env_client_exit(&w->e, &w->filler);
	env_client_exit(&w->e, &w->ec);
	env_stop(&w->e);
}

static void out(struct where *w)
{
	if (w->device)
		push_out(&w->e, &w->filler);
}

#define ASK(want, ...) \
	assert_string_equal(env_ask(&w.e, &w.ec, __VA_ARGS__), want)

static void meta_on(bool device)
{
	struct where w;

	begin(&w, device);
	ASK("HD\r\n", "ms a 3 F7 T100\r\nabc\r\n");
	out(&w);
	ASK("VA 3 s3 f7 t100 h0\r\nabc\r\n", "mg a s v f t h\r\n");
	ASK("HD h1 ka Oq1\r\n", "mg a h k Oq1\r\n");
	ASK("EN\r\n", "mg none v\r\n");
	ASK("MN\r\n", "mg none v q\r\nmn\r\n");

	/* The time to live changes, the unique and the use don't. */
	ASK("HD\r\n", "ms c 1 E77\r\nx\r\n");
	out(&w);
	ASK("HD c77 t-1 h0\r\n", "mg c c t T50 h\r\n");
	out(&w);
	ASK("HD c77 t50 h1\r\n", "mg c c t h\r\n");

	/* Made on a miss: one client is to fill it, the others wait. */
	ASK("VA 0 W\r\n\r\n", "mg v N30 v\r\n");
	ASK("VA 0 t30 Z\r\n\r\n", "mg v N30 v t\r\n");
	out(&w);
	ASK("VA 0 t30 Z\r\n\r\n", "mg v v t\r\n");
	ASK("HD\r\n", "ms v 1 T90\r\nx\r\n");
	out(&w);
	ASK("HD W\r\n", "mg v R91\r\n");
	ASK("HD W\r\n", "mg u N30 u\r\n");
	ASK("HD h0 Z\r\n", "mg u h\r\n");
	ASK("HD Z\r\n", "mg v R91\r\n");
	ASK("VA 1 Z\r\nx\r\n", "mg v v\r\n");

	/* Stale: served while one client refreshes it. */
	ASK("HD\r\n", "ms s 1 T90\r\nx\r\n");
	out(&w);
	ASK("HD\r\n", "md s I T30\r\n");
	out(&w);
	ASK("VA 1 t30 X W\r\nx\r\n", "mg s v t\r\n");
	out(&w);
	ASK("VA 1 t30 Z X\r\nx\r\n", "mg s v t\r\n");
	ASK("HD\r\n", "ms s 1 C1 I\r\ny\r\n");
	ASK("VA 1 t30 Z X\r\ny\r\n", "mg s v t\r\n");
	ASK("HD\r\n", "ms s 1\r\nz\r\n");
	ASK("VA 1 t-1\r\nz\r\n", "mg s v t\r\n");
	ASK("EX\r\n", "md s C1\r\n");
	ASK("HD\r\n", "md s x\r\n");
	ASK("VA 0\r\n\r\n", "mg s v\r\n");
	ASK("HD\r\n", "md s\r\n");
	ASK("NF\r\n", "md s\r\n");

	/* Modes. */
	ASK("NS\r\n", "ms m 1 MA\r\nx\r\n");
	ASK("NS\r\n", "ms m 1 MR\r\nx\r\n");
	ASK("HD\r\n", "ms m 1 ME E9\r\nx\r\n");
	out(&w);
	ASK("NS\r\n", "ms m 1 ME\r\nx\r\n");
	ASK("EX\r\n", "ms m 1 MA C8\r\nx\r\n");
	ASK("HD\r\n", "ms m 1 MA C9 E10\r\ny\r\n");
	ASK("HD\r\n", "ms m 1 MP\r\nw\r\n");
	ASK("EX\r\n", "ms m 1 C10\r\nx\r\n");
	ASK("VA 3\r\nwxy\r\n", "mg m v\r\n");
	ASK("NF\r\n", "ms none 1 C1\r\nx\r\n");

	/* Numbers. */
	ASK("NF\r\n", "ma n\r\n");
	ASK("VA 2 t30\r\n13\r\n", "ma n N30 J13 v t\r\n");
	out(&w);
	ASK("VA 2 t30\r\n18\r\n", "ma n D5 v t\r\n");
	ASK("HD\r\n", "ma n MD D100\r\n");
	ASK("MN\r\n", "ma n q\r\nmn\r\n");
	ASK("VA 2\r\n1 \r\n", "mg n v\r\n");
	ASK("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
	    "ma m\r\n");

	/* A key that came in base64 goes out so, whoever asks. */
	ASK("HD\r\n", "ms Zm9v 1 b\r\nx\r\n");
	out(&w);
	ASK("VA 1 kZm9v b\r\nx\r\n", "mg foo k v\r\n");
	ASK("VALUE foo 0 1\r\nx\r\nEND\r\n", "get foo\r\n");

	ASK("EN\r\n", "me none\r\n");
	ASK("HD\r\n", "ms d 2 E5 T60\r\nhi\r\n");
	out(&w);
	env_now += 3;
	ASK("ME d exp=-57 la=3 cas=5 fetch=no cls=1 size=62\r\n",
	    "me d\r\n");
	end(&w);
}

static void test_meta_memory(void **state)
{
	meta_on(false);
}

static void test_meta_device(void **state)
{
	meta_on(true);
}

/* Last access: exact without a device. */
static void test_last_access(void **state)
{
	struct where w;

	begin(&w, false);
	ASK("HD\r\n", "ms a 1\r\nx\r\n");
	env_now += 5;
	ASK("HD l5\r\n", "mg a l u\r\n");
	ASK("HD l5\r\n", "mg a l\r\n");
	ASK("HD l0\r\n", "mg a l\r\n");
	env_now += 2;
	ASK("VALUE a 0 1\r\nx\r\nEND\r\n", "get a\r\n");
	ASK("HD l0\r\n", "mg a l\r\n");
	end(&w);
}

/* A stale object on a device that waits, and a second client. */
static void begin_stale(struct where *w, struct env_client *other)
{
	begin(w, true);
	env_client_init(&w->e, other);
	assert_string_equal(env_ask(&w->e, &w->ec, "ms s 1 T90\r\nx\r\n"),
			    "HD\r\n");
	assert_string_equal(env_ask(&w->e, &w->ec, "md s I\r\n"), "HD\r\n");
	out(w);
	w->e.d.defer = true;
}

/* A stale object wins once, however many ask at once. */
static void test_one_winner(void **state)
{
	struct env_client other;
	struct where w;
	u32 wins = 0, i;

	begin_stale(&w, &other);
	other.len = 0;
	for (i = 0; i < 8; i++)
		env_feed(&w.e, i & 1 ? &other : &w.ec, "mg s v\r\n", 8);
	while (w.e.d.nr)
		env_complete(&w.e, rand() % w.e.d.nr);
	w.ec.len = 0;
	env_events(&other);
	env_events(&w.ec);
	for (i = 0; i < w.ec.len; i++)
		wins += w.ec.answer[i] == 'W';
	for (i = 0; i < other.len; i++)
		wins += other.answer[i] == 'W';
	assert_int_equal(wins, 1);
	assert_true(w.ec.len + other.len >= 8 * strlen("VA 1 X\r\nx\r\n"));
	env_client_exit(&w.e, &other);
	end(&w);
}

/* Who goes before the object is read does not win. */
static void test_none_who_has_gone(void **state)
{
	struct env_client other;
	struct where w;

	begin_stale(&w, &other);
	env_feed(&w.e, &other, "mg s v\r\n", 8);
	assert_int_equal(other.cl.inflight, 1);
	kfc_out_drop(&other.cl.out);
	kfc_client_close(&other.cl);
	while (w.e.d.nr)
		env_complete(&w.e, 0);
	env_events(&other);
	w.e.d.defer = false;
	ASK("VA 1 X W\r\nx\r\n", "mg s v\r\n");
	env_client_exit(&w.e, &other);
	end(&w);
}

/* Of a long value a get reads a part: too little to write it anew. */
static void test_long_and_stale(void **state)
{
	static char value[60000];
	struct where w;
	const char *a;

	begin(&w, true);
	w.e.c.window = 4;
	memset(value, 'v', sizeof(value));
	assert_string_equal(env_set(&w.e, &w.ec, "set", "l", 0, 0, value,
				    sizeof(value), ""), "STORED\r\n");
	ASK("HD\r\n", "md l I\r\n");
	out(&w);
	ASK("HD s60000 X\r\n", "mg l s\r\n");
	a = env_ask(&w.e, &w.ec, "mg l v\r\n");
	assert_memory_equal(a, "VA 60000 X\r\nvvv", 15);
	a = env_ask(&w.e, &w.ec, "mg l v N30\r\n");
	assert_memory_equal(a, "VA 60000 X W\r\nvvv", 17);
	end(&w);
}

/* Who may be somebody else is told nothing that others then are not. */
static void forged_on(bool device)
{
	struct env_client other;
	struct where w;

	begin(&w, device);
	env_client_init(&w.e, &other);
	other.cl.forged = true;
	ASK("HD\r\n", "ms s 1 T90\r\nx\r\n");
	ASK("HD\r\n", "md s I\r\n");
	out(&w);
	assert_string_equal(env_ask(&w.e, &other, "mg s v\r\n"),
			    "VA 1 X\r\nx\r\n");
	assert_string_equal(env_ask(&w.e, &other, "mg s v R99\r\n"),
			    "VA 1 X\r\nx\r\n");
	ASK("VA 1 X W\r\nx\r\n", "mg s v\r\n");
	out(&w);
	assert_string_equal(env_ask(&w.e, &other, "mg s v\r\n"),
			    "VA 1 Z X\r\nx\r\n");
	env_client_exit(&w.e, &other);
	end(&w);
}

static void test_forged(void **state)
{
	forged_on(false);
	forged_on(true);
}

/* Binary: bytes of a request, then its answer's status, key, value. */
static const char *ask_binary(struct where *w, u8 op, const char *key,
			      const void *ext, u8 extlen, const char *val,
			      u64 cas)
{
	static char text[4096];
	u32 klen = strlen(key), vlen = strlen(val), at = 0, n = 0;
	char req[512] = { (char)0x80, (char)op };
	__be64 be = cpu_to_be64(cas);

	req[3] = klen;
	req[4] = extlen;
	req[10] = (extlen + klen + vlen) >> 8;
	req[11] = extlen + klen + vlen;
	memcpy(req + 16, &be, 8);
	memcpy(req + 24, ext, extlen);
	memcpy(req + 24 + extlen, key, klen);
	memcpy(req + 24 + extlen + klen, val, vlen);
	w->ec.len = 0;
	env_feed(&w->e, &w->ec, req, 24 + extlen + klen + vlen);
	while (w->ec.cl.inflight) {
		if (w->e.d.nr)
			env_complete(&w->e, 0);
		env_events(&w->ec);
	}
	text[0] = 0;
	while (at + 24 <= w->ec.len) {
		const u8 *h = (u8 *)w->ec.answer + at;
		u32 body = h[10] << 8 | h[11], k = h[3], x = h[4];

		assert_int_equal(h[0], 0x81);
		n += sprintf(text + n, "%02x/%x k=%.*s v=%.*s;", h[1], h[7],
			     k, h + 24 + x, body - k - x, h + 24 + x + k);
		at += 24 + body;
	}
	assert_int_equal(at, w->ec.len);
	return text;
}

static void binary_on(bool device)
{
	static const u8 store[8] = { 0, 0, 0, 9 };
	static const u8 count[20] = { [7] = 5, [15] = '0' };
	static const u8 no_make[20] = { [7] = 5, [16] = 255, 255, 255, 255 };
	struct where w;

#define BIN(want, ...) assert_string_equal(ask_binary(&w, __VA_ARGS__), want)
	begin(&w, device);
	BIN("01/0 k= v=;", 0x01, "a", store, 8, "val", 0);
	out(&w);
	BIN("00/0 k= v=val;", 0x00, "a", "", 0, "", 0);
	BIN("0c/0 k=a v=val;", 0x0c, "a", "", 0, "", 0);
	BIN("0c/1 k=b v=;", 0x0c, "b", "", 0, "", 0);
	BIN("00/1 k= v=Not found;", 0x00, "b", "", 0, "", 0);
	BIN("", 0x09, "b", "", 0, "", 0);
	BIN("0d/0 k=a v=val;", 0x0d, "a", "", 0, "", 0);
	BIN("02/2 k= v=Data exists for key.;", 0x02, "a", store, 8, "x", 0);
	BIN("03/1 k= v=Not found;", 0x03, "b", store, 8, "x", 0);
	BIN("0e/0 k= v=;", 0x0e, "a", "", 0, "+", 0);
	out(&w);
	BIN("0e/2 k= v=Data exists for key.;", 0x0e, "a", "", 0, "+", 1);
	BIN("0f/5 k= v=Not stored.;", 0x0f, "b", "", 0, "+", 0);
	BIN("", 0x19, "a", "", 0, "+", 0);
	BIN("1d/0 k= v=val++;", 0x1d, "a", "\0\0\0\0", 4, "", 0);
	BIN("1c/0 k= v=;", 0x1c, "a", "\0\0\0\0", 4, "", 0);
	BIN("05/1 k= v=Not found;", 0x05, "n", no_make, 20, "", 0);
	BIN("", 0x15, "n", count, 20, "", 0);
	out(&w);
	BIN("05/6 k= v=Non-numeric server-side value for incr or decr;", 0x05,
	    "a", count, 20, "", 0);
	BIN("", 0x15, "n", count, 20, "", 0);
	BIN("00/0 k= v=53;", 0x00, "n", "", 0, "", 0);
	BIN("04/2 k= v=Data exists for key.;", 0x04, "n", "", 0, "", 1);
	BIN("04/0 k= v=;", 0x04, "n", "", 0, "", 0);
	BIN("04/1 k= v=Not found;", 0x04, "n", "", 0, "", 0);
	BIN("0a/0 k= v=;", 0x0a, "", "", 0, "", 0);
	BIN("55/81 k= v=Unknown command;", 0x55, "", "", 0, "", 0);
	BIN("10/1 k= v=Not found;", 0x10, "nonsense", "", 0, "", 0);
	BIN("10/0 k= v=;", 0x10, "reset", "", 0, "", 0);
	BIN("08/0 k= v=;", 0x08, "", "", 0, "", 0);
	BIN("00/1 k= v=Not found;", 0x00, "a", "", 0, "", 0);
	end(&w);
}

static void test_binary_memory(void **state)
{
	binary_on(false);
}

static void test_binary_device(void **state)
{
	binary_on(true);
}

static u32 kept(struct where *w, u32 n)
{
	u32 i, hits = 0;

	for (i = 0; i < n; i++)
		hits += env_ask(&w->e, &w->ec, "get k%u\r\n", i)[0] == 'V';
	return hits;
}

/* Memory for objects may change while it is in use. */
static void test_resize(void **state)
{
	static char value[1000];
	u32 i, before, slab = 128 << 10;
	struct where w;

	memset(value, 'r', sizeof(value));
	begin(&w, false);
	for (i = 0; i < 1000; i++) {
		char key[32];

		sprintf(key, "k%u", i);
		env_set(&w.e, &w.ec, "set", key, 0, 0, value, sizeof(value),
			"");
		step(&w.e);
	}
	before = kept(&w, 1000);
	assert_int_equal(before, 1000);
	assert_int_equal(kfc_cache_resize(&w.e.c, 3 * slab), -EINVAL);
	assert_int_equal(kfc_cache_resize(&w.e.c, 65 * slab), -EINVAL);
	assert_int_equal(kfc_cache_resize(&w.e.c, 6 * slab), 0);
	step(&w.e);
	assert_int_equal(w.e.c.log.nr_bufs, 6);
	/* The newest stay, and each loss is counted. */
	assert_in_range(kept(&w, 1000), 100, 900);
	assert_int_equal(kept(&w, 1000) + w.e.counters.ev_space, 1000);
	ASK("STORED\r\n", "set small 0 0 1\r\nx\r\n");
	assert_int_equal(kfc_cache_resize(&w.e.c, 40 * slab), 0);
	step(&w.e);
	assert_int_equal(w.e.c.log.nr_bufs, 40);
	for (i = 0; i < 4000; i++) {
		char key[32];

		sprintf(key, "k%u", i);
		env_set(&w.e, &w.ec, "set", key, 0, 0, value, sizeof(value),
			"");
		step(&w.e);
	}
	assert_in_range(kept(&w, 4000), 3500, 4000);
	ASK("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
	    "cache_memlimit 7\r\n");
	ASK("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n",
	    "cache_memlimit 9\r\n");
	ASK("OK\r\n", "cache_memlimit 8\r\n");
	end(&w);
}

static void test_detail(void **state)
{
	struct where w;
	u32 i;

	begin(&w, true);
	ASK("STORED\r\n", "set a:1 0 0 1\r\nx\r\n");
	ASK("END\r\n", "stats detail dump\r\n");
	ASK("OK\r\n", "stats detail on\r\n");
	ASK("STORED\r\n", "set a:2 0 0 1\r\nx\r\n");
	out(&w);
	ASK("VALUE a:1 0 1\r\nx\r\nVALUE a:2 0 1\r\nx\r\nEND\r\n",
	    "get a:1 a:2 a:3\r\n");
	ASK("DELETED\r\n", "delete a:1\r\n");
	ASK("NOT_FOUND\r\n", "delete a:1\r\n");
	ASK("END\r\n", "gat 0 a:1\r\n");
	ASK("END\r\n", "get plain\r\n");
	ASK("PREFIX a get 4 hit 2 set 1 del 2\r\nEND\r\n",
	    "stats detail dump\r\n");
	ASK("RESET\r\n", "stats reset\r\n");
	ASK("END\r\n", "stats detail dump\r\n");
	/* More prefixes than there is room for. */
	for (i = 0; i < 3000; i++)
		ASK("END\r\n", "get p%u:x\r\n", i);
	assert_non_null(strstr(env_ask(&w.e, &w.ec, "stats detail dump\r\n"),
			       "PREFIX ... get 2232 hit 0 set 0 del 0\r\n"));
	ASK("CLIENT_ERROR usage: stats detail on|off|dump\r\n",
	    "stats detail x\r\n");
	ASK("OK\r\n", "stats detail off\r\n");
	end(&w);
}

/* What asks for nothing that is stored. */
static void test_administer(void **state)
{
	static const char *const empty[] = {
		"settings", "items", "slabs", "sizes", "conns",
		"extstore",
	};
	static const char stat[24] = { (char)0x80, 0x10, 0, 8, [11] = 8 };
	static const char quit[24] = { (char)0x80, 0x07 };
	static const char bye[24] = { (char)0x81, 0x07 };
	struct env_client bin;
	struct where w;
	char buf[64];
	u32 i;

	begin(&w, true);
	ASK("STAT curr_items 0\r\nEND\r\n", "stats\r\n");
	for (i = 0; i < ARRAY_SIZE(empty) - 2; i++) {
		const char *a = env_ask(&w.e, &w.ec, "stats %s\r\n", empty[i]);

		assert_string_equal(a + strlen(a) - 5, "END\r\n");
	}
	ASK("END\r\n", "stats conns\r\n");
	ASK("STAT sizes_status disabled\r\nEND\r\n", "stats sizes\r\n");
	ASK("RESET\r\n", "stats reset\r\n");
	ASK("OK\r\n", "verbosity 1\r\n");
	ASK("", "verbosity 1 noreply\r\n");
	ASK("ERROR: shutdown not enabled\r\n", "shutdown\r\n");
	ASK("MN\r\n", "mn\r\n");
	ASK("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
	    "cache_memlimit 1\r\n");
	ASK("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n",
	    "cache_memlimit 1000000000000\r\n");
	env_client_init(&w.e, &bin);
	memcpy(buf, stat, 24);
	memcpy(buf + 24, "settings", 8);
	env_feed(&w.e, &bin, buf, 32);
	/* The end of them is an answer without key and value. */
	assert_int_equal(bin.len, 24);
	bin.len = 0;
	buf[3] = 0;
	buf[11] = 0;
	env_feed(&w.e, &bin, buf, 24);
	assert_int_equal(bin.len, 24 + 10 + 1 + 24);
	assert_memory_equal(bin.answer + 24, "curr_items0", 11);
	bin.len = 0;
	buf[3] = 7;
	buf[11] = 7;
	memcpy(buf + 24, "nothing", 7);
	env_feed(&w.e, &bin, buf, 31);
	assert_int_equal(bin.answer[7], MP_BIN_NOT_FOUND);
	bin.len = 0;
	assert_false(env_feed(&w.e, &bin, quit, 24));
	assert_memory_equal(bin.answer, bye, 24);
	env_client_exit(&w.e, &bin);
	assert_false(env_feed(&w.e, &w.ec, "quit\r\n", 6));
	end(&w);
}

static void flush_binary(struct where *w, u8 opcode, u32 extlen,
			 const char *want, u32 len)
{
	char head[28] = { (char)0x80, opcode, 0, 0, extlen, [11] = extlen };

	w->ec.len = 0;
	env_feed(&w->e, &w->ec, head, 24 + extlen);
	assert_int_equal(w->ec.len, len);
	assert_memory_equal(w->ec.answer, want, len);
}

/* As memcached 1.6.18 answers with -F, word for word and byte for byte. */
static void test_flush_disabled(void **state)
{
	static const char no[] = "CLIENT_ERROR flush_all not allowed\r\n";
	static const char ok[24] = { (char)0x81, 0x08 };
	char refused[37] = { (char)0x81, 0x08, [7] = 0x20, [11] = 13 };
	struct env_client bin;
	struct where w;

	begin(&w, false);
	memcpy(refused + 24, "Auth failure.", 13);
	w.e.c.cfg.flush_enabled = 0;
	ASK("STORED\r\n", "set a 0 0 1\r\nx\r\n");
	ASK(no, "flush_all\r\n");
	ASK(no, "flush_all 0\r\n");
	ASK(no, "flush_all 10\r\n");
	ASK(no, "flush_all -1\r\n");
	ASK(no, "flush_all x\r\n");
	ASK(no, "flush_all 10 foo\r\n");
	ASK("", "flush_all noreply\r\n");
	ASK("", "flush_all x noreply\r\n");
	ASK("", "flush_all 10 noreply\r\n");
	ASK("ERROR\r\n", "flush_all 10 foo bar\r\n");
	assert_int_equal(w.e.counters.cmd_flush, 9);
	env_now += 100;
	ASK("VALUE a 0 1\r\nx\r\nEND\r\n", "get a\r\n");
	bin = w.ec;
	env_client_init(&w.e, &w.ec);
	flush_binary(&w, 0x08, 0, refused, sizeof(refused));
	flush_binary(&w, 0x08, 4, refused, sizeof(refused));
	refused[1] = 0x18;
	flush_binary(&w, 0x18, 0, refused, sizeof(refused));
	flush_binary(&w, 0x18, 4, refused, sizeof(refused));
	assert_int_equal(w.e.counters.cmd_flush, 9);
	w.e.c.cfg.flush_enabled = 1;
	flush_binary(&w, 0x18, 0, "", 0);
	flush_binary(&w, 0x08, 0, ok, sizeof(ok));
	env_client_exit(&w.e, &w.ec);
	w.ec = bin;
	ASK("END\r\n", "get a\r\n");
	ASK("CLIENT_ERROR invalid exptime argument\r\n", "flush_all x\r\n");
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meta_memory),
		cmocka_unit_test(test_meta_device),
		cmocka_unit_test(test_last_access),
		cmocka_unit_test(test_one_winner),
		cmocka_unit_test(test_none_who_has_gone),
		cmocka_unit_test(test_long_and_stale),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_binary_memory),
		cmocka_unit_test(test_binary_device),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_administer),
		cmocka_unit_test(test_flush_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp: what a client gets that has to say who it is first, however its bytes
 * arrive. The answers are memcached 1.6.18's (-Y); libmp/auth.c says where it is
 * meant to differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../fuzz/mp_talk.h"

#define ITEM_MAX 1048576

#define NO "ERR CLIENT_ERROR unauthenticated; "
#define BAD_END "ERR CLIENT_ERROR bad command line termination; "
#define UP "auth arg=u\\x20p user=u pass=p; "

static void check_one(const void *in, size_t len, size_t first, size_t step,
		      bool authed, const char *out)
{
	struct feed f;
	size_t at;

	talk_start(&f, in, len, ITEM_MAX);
	f.p.auth = true;
	f.p.authed = authed;
	for (at = first; at < len; at += step)
		talk_to(&f, at);
	talk_to(&f, len);
	assert_string_equal(f.log.s, out);
	feed_end(&f);
}

/* All at once, byte by byte, and cut in two at every place. */
static void check_as(const void *in, size_t len, bool authed, const char *out)
{
	size_t cut;

	check_one(in, len, len, 1, authed, out);
	check_one(in, len, 1, 1, authed, out);
	for (cut = 0; cut < len; cut++)
		check_one(in, len, cut, len, authed, out);
}

#define SAY(out, in) check_as(in, sizeof(in) - 1, false, out)

static void test_login(void **state)
{
	(void)state;
	SAY(UP, "set k 0 0 3\r\nu p\r\n");
	SAY(UP UP, "set k 0 0 3\r\nu p\r\nset k 0 0 3\r\nu p\r\n");
	SAY(UP, "  set  k 0 0  3 \r\nu p\r\n");
	SAY(UP, "set k 0 0 3\nu p\r\n");
	SAY(UP, "set k x y +03\r\nu p\r\n");
	SAY(UP, "set k 0 0 3 noreply\r\nu p\r\n");
	SAY(UP, "set k 0 0 3 1 2 3 4 5 6 7 8 9\r\nu p\r\n");
	SAY(UP, "set k 0 0 3\0 x\r\nu p\r\n");
	SAY("auth arg=\\x20u\\x20\\x20p\\x20x user=u pass=p; ",
	    "set k 0 0 7\r\n u  p x\r\n");
	SAY("auth arg=u\\x20p\\x00q user=u pass=p; ",
	    "set k 0 0 5\r\nu p\0q\r\n");
	SAY("auth arg=u\\x20p\\x0d user=u pass=p\\x0d; ",
	    "set k 0 0 4\r\nu p\r\r\n");
	/* a value is no line */
	SAY("auth arg=u\\x20\\x0d\\x0ap user=u pass=\\x0d\\x0ap; ",
	    "set k 0 0 5\r\nu \r\np\r\n");
	/* none of these says who it is */
	SAY("auth; auth arg=u; auth arg=u\\x20; auth arg=u\\x00\\x20p; ",
	    "set k 0 0 0\r\n\r\nset k 0 0 1\r\nu\r\nset k 0 0 2\r\nu \r\n"
	    "set k 0 0 4\r\nu\0 p\r\n");
}

static void test_refused(void **state)
{
	(void)state;
	SAY(NO, "\r\n");
	SAY(NO NO, "\n\n");
	SAY(NO NO NO NO, "get k\r\nmn\r\nversion\nquit\r\n");
	SAY(NO NO NO, "SET k 0 0 3\r\nu p\r\nadd k 0 0 3\r\n");
	SAY(NO NO UP, "ms k 3\r\nu p\r\nset k 0 0 3\r\nu p\r\n");
	SAY(NO NO, "set k 0 0\r\nu p\r\n");
	SAY(NO NO NO NO, "set k 0 0 x\r\nset k 0 0 -3\r\nset k 0 0 3x\r\n"
	    "set k\0 0 0 3\r\n");
	SAY(NO NO NO, "set k 0 0 2147483646\r\nset k 0 0 4294967299\r\n"
	    "set k 0 0 18446744073709551619\r\n");
	SAY(BAD_END NO, "set k 0 0 2\r\nu p\r\n");
	SAY(BAD_END NO, "set k 0 0 3\r\nu pxxversion\r\n");
	SAY(BAD_END UP, "set k 0 0 3\r\nu p\n\nset k 0 0 3\r\nu p\r\n");
	/* whoever wants binary has an answer to that */
	SAY("ERR 20 op=0a #0 Auth failure. close; ",
	    "\x80\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

/* A line and its value, of @len bytes in all. */
static void check_long(u32 len, const char *out)
{
	char buf[4 * MP_LINE_MAX];
	int n = snprintf(buf, sizeof(buf), "set k 0 0 %u\r\n", len - 18);

	assert_int_equal(n, 16);
	memset(buf + n, ' ', len);
	memcpy(buf + n + 1, "u p", 3);
	memcpy(buf + len - 2, "\r\nversion\r\n", 11);
	check_as(buf, len + 9, false, out);
}

static void test_long(void **state)
{
	char in[MP_LINE_MAX + 1];

	(void)state;
	check_long(MP_LINE_MAX + 1,
		   "ERR CLIENT_ERROR unauthenticated swallow=2033; " NO);
	check_long(3000, "ERR CLIENT_ERROR unauthenticated swallow=2984; " NO);
	/* the longest line that is waited for */
	memset(in, 'k', sizeof(in));
	in[MP_LINE_MAX] = '\n';
	check_as(in, MP_LINE_MAX, false, "");
	check_as(in, sizeof(in), false, NO);
	in[MP_LINE_MAX] = 'k';
	check_as(in, sizeof(in), false, "ERR close; ");
}

/* The longest that is taken. */
static void test_longest(void **state)
{
	const size_t vlen = MP_LINE_MAX - 18;
	struct feed_log want = { };
	u8 buf[MP_LINE_MAX];
	int n = snprintf((char *)buf, sizeof(buf), "set k 0 0 %zu\r\n", vlen);

	(void)state;
	assert_int_equal(n, 16);
	memset(buf + n, ' ', vlen);
	memcpy(buf + n, "u p", 3);
	memcpy(buf + n + vlen, "\r\n", 2);
	feed_note(&want, "auth");
	feed_word(&want, "arg", buf + n, vlen);
	feed_note(&want, " user=u pass=p; ");
	check_as(buf, sizeof(buf), false, want.s);
	free(want.s);
}

static void test_authed(void **state)
{
	static const char in[] = "set k 0 0 3\r\nu p\r\nget k\r\n";

	(void)state;
	check_as(in, sizeof(in) - 1, true, "set k=k f=0 e=0 v=3; get k=k last; ");
}

static void plain(const char *msg, size_t len, const char *user,
		  const char *pass)
{
	struct mp_login in;
	u8 *copy = malloc(len);
	bool ok;

	if (len)
		memcpy(copy, msg, len);
	ok = mp_login_plain(copy, len, &in);
	assert_int_equal(ok, !!user);
	if (user) {
		assert_int_equal(in.ulen, strlen(user));
		assert_memory_equal(in.user, user, in.ulen);
		assert_int_equal(in.plen, strlen(pass));
		assert_memory_equal(in.pass, pass, in.plen);
	}
	free(copy);
}

#define PLAIN(msg, user, pass) plain(msg, sizeof(msg) - 1, user, pass)

static void test_plain(void **state)
{
	struct mp_login in;

	(void)state;
	assert_false(mp_login_plain(NULL, 0, &in));
	PLAIN("", NULL, NULL);
	PLAIN("\0u\0p", "u", "p");
	PLAIN("\0user\0a pass: word", "user", "a pass: word");
	PLAIN("u\0u\0p", "u", "p");
	PLAIN("\0\0p", "", "p");
	PLAIN("\0u\0", "u", "");
	PLAIN("\0\0", "", "");
	PLAIN("v\0u\0p", NULL, NULL);
	PLAIN("uu\0u\0p", NULL, NULL);
	PLAIN("u\0uu\0p", NULL, NULL);
	PLAIN("up", NULL, NULL);
	PLAIN("u\0p", NULL, NULL);
	PLAIN("\0", NULL, NULL);
	PLAIN("\0u", NULL, NULL);
	PLAIN("\0u\0p\0", NULL, NULL);
	PLAIN("\0u\0p\0x", NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_authed),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

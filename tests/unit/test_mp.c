// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp: what each line of the text protocol means, and that it means the
 * same however its bytes arrive. The expected errors are what memcached
 * 1.6.18 answered to the same bytes (tests/e2e/textproto.py asks it again).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../mp_feed.h"

#define ITEM_MAX 1048576

#define BAD "ERR CLIENT_ERROR bad command line format; "
#define BAD_EXP "ERR CLIENT_ERROR invalid exptime argument; "
#define BAD_DELTA "ERR CLIENT_ERROR invalid numeric delta argument; "
#define BAD_DELETE "ERR CLIENT_ERROR bad command line format.  " \
	"Usage: delete <key> [noreply]; "
#define ERROR "ERR ERROR; "
#define SILENT "ERR; "
#define VER "version; "

struct example {
	const char *in;
	size_t len;
	const char *out;
};

#define X(in, out) { in, sizeof(in) - 1, out }

/* Feed @in in pieces of @step bytes after a first one of @first. */
static char *feed_in(const void *in, size_t len, size_t first, size_t step)
{
	struct feed f;
	size_t at;

	feed_start(&f, in, len, ITEM_MAX);
	for (at = first; at < len; at += step)
		feed_to(&f, at);
	feed_to(&f, len);
	return f.log.s;
}

/* All at once, byte by byte, and cut in two at every place. */
static void check_bytes(const void *in, size_t len, const char *out)
{
	char *got = feed_in(in, len, len, 1);
	size_t cut;

	if (strcmp(got, out))
		print_error("sent: %.*s\n", (int)len, (const char *)in);
	assert_string_equal(got, out);
	free(got);
	got = feed_in(in, len, 1, 1);
	assert_string_equal(got, out);
	free(got);
	for (cut = 0; cut < len; cut++) {
		got = feed_in(in, len, cut, len);
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
		X("", ""),
		X("version", ""),
		X("version\r\n", VER),
		X("version\n", VER),
		X("version\r\r\n", ERROR),
		X("  version  \r\n", VER),
		X("version foo bar\r\n", VER),
		X("version noreply\r\n", VER),
		X("version\0foo\r\nversion\r\n", VER VER),
		X("\r\n", ERROR),
		X("\n", ERROR),
		X(" \r\n", ERROR),
		X("\r\r\n", ERROR),
		X("\n\n\r\n", ERROR ERROR ERROR),
		X("\0\r\n", ERROR),
		X("\0version\r\n", ERROR),
		X("\tversion\r\n", ERROR),
		X("\rversion\r\n", ERROR),
		X("\x80" "abc\r\n", ERROR),
		X("x\r\n", ERROR),
		X("VERSION\r\n", ERROR),
		X("versio\r\nversionx\r\n", ERROR ERROR),
		X("foo noreply\r\n", ERROR),
		X("mn\r\nmg a\r\nms a 1\r\nmd a\r\nma a\r\nme a\r\n",
		  ERROR ERROR ERROR ERROR ERROR ERROR),
		X("lru_crawler metadump all\r\n", "metadump arg=all; "),
		X(" lru_crawler  metadump 1,2 \n", "metadump arg=1,2; "),
		X("lru_crawler metadump noreply\r\n",
		  "metadump arg=noreply; "),
		X("lru_crawler metadump\r\nlru_crawler metadump all x\r\n",
		  ERROR ERROR),
		X("lru_crawler metadump all noreply\r\n", ERROR),
		X("slabs\r\nlru\r\nlru_crawler\r\nwatch x\r\n",
		  ERROR ERROR ERROR ERROR),
		X("quit\r\n", "quit; "),
		X("quit foo\n", "quit; "),
		X("quit noreply\r\n", "quit; "),
		X("shutdown\r\n", "shutdown; "),
		X("shutdown graceful\r\n", "shutdown; "),
		X("shutdown noreply\r\n", "shutdown; "),
	};

	(void)state;
	CHECK(x);
}

static void test_get(void **state)
{
	static const struct example x[] = {
		X("get\r\n", ERROR),
		X("get \r\n", ERROR),
		X("get\n", ERROR),
		X("gets\r\n", ERROR),
		X("GET a\r\n", ERROR),
		X("get\ta\r\n", ERROR),
		X("get\r a\r\n", ERROR),
		X("get\0 a\r\n", ERROR),
		X("get \0a\r\n", ERROR),
		X("get a\r\n", "get k=a last; "),
		X("get a\n", "get k=a last; "),
		X(" get a\r\n", "get k=a last; "),
		X("bget a\r\n", "get k=a last; "),
		X("gets a\r\n", "gets k=a last; "),
		X("get a \r\n", "get k=a last; "),
		X("get a  \r\n", "get k=a last; "),
		X("get a\r\r\n", "get k=a\\x0d last; "),
		X("get a \r\r\n", "get k=a; get k=\\x0d last; "),
		X("get \r\r\n", "get k=\\x0d last; "),
		X("get a\rb \rc\r\n", "get k=a\\x0db; get k=\\x0dc last; "),
		X("get a\tb\x01\x7f\xff\r\n", "get k=a\\x09b\\x01\\x7f\\xff last; "),
		X("get  a   b \r\n", "get k=a; get k=b last; "),
		X("get a b c\r\nget d\r\n",
		  "get k=a; get k=b; get k=c last; get k=d last; "),
		X("get a\0 b\r\nversion\r\n", "get k=a last; " VER),
		X("get a \0 b\r\nversion\r\n", "get k=a last; " VER),
		X("get a b c d e f g h i j k l m n o p q r s t u v w x y z\n",
		  "get k=a; get k=b; get k=c; get k=d; get k=e; get k=f; "
		  "get k=g; get k=h; get k=i; get k=j; get k=k; get k=l; "
		  "get k=m; get k=n; get k=o; get k=p; get k=q; get k=r; "
		  "get k=s; get k=t; get k=u; get k=v; get k=w; get k=x; "
		  "get k=y; get k=z last; "),
		X("get noreply\r\n", "get k=noreply last; "),
	};

	(void)state;
	CHECK(x);
}

static void test_gat(void **state)
{
	static const struct example x[] = {
		X("gat\r\n", ERROR),
		X("gats \r\n", ERROR),
		X("gat 0\r\n", "ERR END; "),
		X("gat 0 \r\nversion\r\n", "ERR END; " VER),
		X("gat 0\0 a\r\n", "ERR END; "),
		X("gat x\r\n", BAD_EXP),
		X("gat x a\r\n", BAD_EXP),
		X("gat 1x a\r\n", BAD_EXP),
		X("gat - a\r\n", BAD_EXP),
		X("gat 9223372036854775808 a\r\n", BAD_EXP),
		X("gat -9223372036854775809 a\r\n", BAD_EXP),
		X("gat 9223372036854775807 a\r\n",
		  "gat k=a e=9223372036854775807 last; "),
		X("gat -9223372036854775808 a\r\n",
		  "gat k=a e=-9223372036854775808 last; "),
		X("gat 60 a\r\n", "gat k=a e=60 last; "),
		X("gats -1 a\r\n", "gats k=a e=-1 last; "),
		X("gat +7 a\r\n", "gat k=a e=7 last; "),
		X("gat  7  a  b \r\n", "gat k=a e=7; gat k=b e=7 last; "),
		X("gats 7 a b c\nget a\n", "gats k=a e=7; gats k=b e=7; "
		  "gats k=c e=7 last; get k=a last; "),
	};

	(void)state;
	CHECK(x);
}

static void test_storage(void **state)
{
	static const struct example x[] = {
		X("set\r\nset a\r\nset a 0\r\nset a 0 0\r\n",
		  ERROR ERROR ERROR ERROR),
		X("set a 0 0 1 noreply foo\r\n", ERROR),
		X("add a 0 0\r\nappend a 0 0\r\nprepend\r\nreplace a\r\n",
		  ERROR ERROR ERROR ERROR),
		X("set a 0 0 1\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a 0 0 1\r\nx\r\nversion\r\n", "set k=a f=0 e=0 v=1; " VER),
		X("set a 0 0 0\r\n\r\nversion\r\n", "set k=a f=0 e=0 v=0; " VER),
		X("set a 0 0 9\r\nversion\r\n\r\nversion\r\n",
		  "set k=a f=0 e=0 v=9; " VER),
		X("set  a  1  2  3 \nxyz\r\n", "set k=a f=1 e=2 v=3; "),
		X("add a 1 2 1\r\nx\r\n", "add k=a f=1 e=2 v=1; "),
		X("replace a 1 2 1\r\nx\r\n", "replace k=a f=1 e=2 v=1; "),
		X("append a 1 2 1\r\nx\r\n", "append k=a f=1 e=2 v=1; "),
		X("prepend a 1 2 1\r\nx\r\n", "prepend k=a f=1 e=2 v=1; "),
		X("set a 0 0 1 noreply\r\nx\r\n", "set k=a f=0 e=0 v=1 noreply; "),
		X("set a 0 0 1 noreply \r\nx\r\n", "set k=a f=0 e=0 v=1 noreply; "),
		X("set a 0 0 1 NOREPLY\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a 0 0 1 noreply\r\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a 0 0 1 foo\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set noreply 0 0 1\r\nx\r\n", "set k=noreply f=0 e=0 v=1; "),
		X("set a 4294967295 0 1\r\nx\r\n", "set k=a f=4294967295 e=0 v=1; "),
		X("set a 0 -1 1\r\nx\r\n", "set k=a f=0 e=-1 v=1; "),
		X("set a 0 2147483648 1\r\nx\r\n",
		  "set k=a f=0 e=2147483648 v=1; "),
		X("set a +7 007 -0\r\n\r\n", "set k=a f=7 e=7 v=0; "),
		X("set a -0 +0 +1\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a \t7 \v8 1\tx\r\nx\r\n", "set k=a f=7 e=8 v=1; "),
		X("set a 0 0 1\r\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a 0 0 1\0 foo bar\r\nx\r\n", "set k=a f=0 e=0 v=1; "),
		X("set a\0b 0 0 1\r\n", ERROR),
		X("set a 0 0 1048576\r\n", "set k=a f=0 e=0 v=1048576; "),
		/* bad numbers; what follows is taken for a command */
		X("set a x 0 1\r\nx\r\n", BAD ERROR),
		X("set a 0x7 0 1\r\nx\r\n", BAD ERROR),
		X("set a -1 0 1\r\nx\r\n", BAD ERROR),
		X("set a 4294967296 0 1\r\nx\r\n", BAD ERROR),
		X("set a -18446744073709551615 0 1\r\nx\r\n", BAD ERROR),
		X("set a 18446744073709551616 0 1\r\nx\r\n", BAD ERROR),
		X("set a 0 x 1\r\nx\r\n", BAD ERROR),
		X("set a 0 9223372036854775808 1\r\nx\r\n", BAD ERROR),
		X("set a 0 0 x\r\nversion\r\n", BAD VER),
		X("set a 0 0 1x\r\nversion\r\n", BAD VER),
		X("set a 0 0 -1\r\nversion\r\n", BAD VER),
		X("set a 0 0 -1 noreply\r\nversion\r\n", SILENT VER),
		X("set a 0 0 noreply\r\nversion\r\n", SILENT VER),
		X("set a 0 0 2147483646\r\nversion\r\n", BAD VER),
		X("set a 0 0 2147483647\r\nversion\r\n", BAD VER),
		X("set a 0 0 2147483648\r\nversion\r\n", BAD VER),
		X("set a 0 0 4294967297\r\nversion\r\n", BAD VER),
		X("set a 0 0 18446744073709551617\r\nversion\r\n", BAD VER),
		/* too large */
		X("set a 0 0 1048577\r\nx",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=1048579 drop=a; "),
		X("set a 0 0 2147483645\r\nx",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=2147483647 drop=a; "),
		X("set a 0 0 1048577 noreply\r\nx", "ERR swallow=1048579 drop=a; "),
		X("add a 0 0 1048577\r\nx",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=1048579; "),
		X("cas a 0 0 1048577 1\r\nx",
		  "ERR SERVER_ERROR object too large for cache "
		  "swallow=1048579; "),
	};

	(void)state;
	CHECK(x);
}

static void test_cas(void **state)
{
	static const struct example x[] = {
		X("cas a 0 0 1 5\r\nx\r\n", "cas k=a f=0 e=0 v=1 c=5; "),
		X("cas a 0 0 1 18446744073709551615\r\nx\r\n",
		  "cas k=a f=0 e=0 v=1 c=18446744073709551615; "),
		X("cas a 0 0 1 5 noreply\r\nx\r\n",
		  "cas k=a f=0 e=0 v=1 c=5 noreply; "),
		X("cas a 0 0 1 5 foo\r\nx\r\n", "cas k=a f=0 e=0 v=1 c=5; "),
		X("cas\r\ncas a\r\ncas a 0 0\r\n", ERROR ERROR ERROR),
		X("cas a 0 0 1 5 foo bar\r\n", ERROR),
		X("cas a 0 0 1 5 foo noreply\r\n", ERROR),
		X("cas a 0 0 -1 1\r\nversion\r\n", BAD VER),
		X("cas a 0 0 -1\r\nversion\r\n", BAD VER),
		X("cas a 0 0 noreply\r\nversion\r\n", BAD VER),
		X("cas a x 0 1 1\r\nversion\r\n", BAD VER),
		/* ours: the value of a broken unique is not taken for commands */
		X("cas a 0 0 1\r\nx\r\nversion\r\n",
		  "ERR CLIENT_ERROR bad command line format swallow=3; " VER),
		X("cas a 0 0 1 \r\nx\r\nversion\r\n",
		  "ERR CLIENT_ERROR bad command line format swallow=3; " VER),
		X("cas a 0 0 1 x\r\nx\r\nversion\r\n",
		  "ERR CLIENT_ERROR bad command line format swallow=3; " VER),
		X("cas a 0 0 9 -1\r\nversion\r\n\r\nversion\r\n",
		  "ERR CLIENT_ERROR bad command line format swallow=11; " VER),
		X("cas a 0 0 1 18446744073709551616\r\nx\r\nversion\r\n",
		  "ERR CLIENT_ERROR bad command line format swallow=3; " VER),
		X("cas a 0 0 1 noreply\r\nx\r\nversion\r\n",
		  "ERR swallow=3; " VER),
		X("cas a 0 0 1 x noreply\r\nx\r\nversion\r\n",
		  "ERR swallow=3; " VER),
		X("cas a 0 0 2000000 x\r\nx",
		  "ERR CLIENT_ERROR bad command line format swallow=2000002; "),
	};

	(void)state;
	CHECK(x);
}

static void test_delete(void **state)
{
	static const struct example x[] = {
		X("delete\r\n", ERROR),
		X("delete a\r\n", "delete k=a; "),
		X("delete a 0\r\n", "delete k=a; "),
		X("delete a noreply\r\n", "delete k=a noreply; "),
		X("delete a 0 noreply\r\n", "delete k=a noreply; "),
		X("delete noreply\r\n", "delete k=noreply; "),
		X("delete noreply noreply\r\n", "delete k=noreply noreply; "),
		X("delete a 1\r\n", BAD_DELETE),
		X("delete a 00\r\n", BAD_DELETE),
		X("delete a 0 0\r\n", BAD_DELETE),
		X("delete a 1 noreply\r\n", SILENT),
		X("delete a noreply noreply\r\n", SILENT),
		X("delete a 0 noreply x\r\n", ERROR),
		X("delete a b c d e f g h i j k l m n o p q r s t u v w x\r\n",
		  ERROR),
	};

	(void)state;
	CHECK(x);
}

static void test_numbers(void **state)
{
	static const struct example x[] = {
		X("incr\r\nincr a\r\ndecr\r\ndecr a\r\n",
		  ERROR ERROR ERROR ERROR),
		X("incr a 1\r\n", "incr k=a d=1; "),
		X("decr a 18446744073709551615\r\n",
		  "decr k=a d=18446744073709551615; "),
		X("incr a 18446744073709551616\r\n", BAD_DELTA),
		X("incr a 99999999999999999999999999\r\n", BAD_DELTA),
		X("incr a -1\r\n", BAD_DELTA),
		X("incr a -18446744073709551615\r\n", BAD_DELTA),
		X("incr a -0\r\n", "incr k=a d=0; "),
		X("incr a +1\r\n", "incr k=a d=1; "),
		X("incr a 1x\r\n", BAD_DELTA),
		X("incr a +\r\n", BAD_DELTA),
		X("incr a +-1\r\n", BAD_DELTA),
		X("incr a 1 foo\r\n", "incr k=a d=1; "),
		X("incr a 1 noreply\r\n", "incr k=a d=1 noreply; "),
		X("decr a 1 foo bar\r\n", ERROR),
		X("incr a noreply\r\n", SILENT),
		X("decr a x noreply\r\n", SILENT),
		X("touch\r\ntouch a\r\n", ERROR ERROR),
		X("touch a 5\r\n", "touch k=a e=5; "),
		X("touch a -5\r\n", "touch k=a e=-5; "),
		X("touch a 5 foo\r\n", "touch k=a e=5; "),
		X("touch a 5 noreply\r\n", "touch k=a e=5 noreply; "),
		X("touch a 5 foo bar\r\n", ERROR),
		X("touch a x\r\n", BAD_EXP),
		X("touch a noreply\r\n", SILENT),
		X("touch a 1\t5\r\n", "touch k=a e=1; "),
	};

	(void)state;
	CHECK(x);
}

static void test_rest(void **state)
{
	static const struct example x[] = {
		X("flush_all\r\n", "flush_all e=0; "),
		X("flush_all 10\r\n", "flush_all e=10; "),
		X("flush_all -10\r\n", "flush_all e=0; "),
		X("flush_all noreply\r\n", "flush_all e=0 noreply; "),
		X("flush_all 10 noreply\r\n", "flush_all e=10 noreply; "),
		X("flush_all 10 foo\r\n", "flush_all e=10; "),
		X("flush_all foo 10\r\n", BAD_EXP),
		X("flush_all x\r\n", BAD_EXP),
		X("flush_all x noreply\r\n", SILENT),
		X("flush_all noreply noreply\r\n", SILENT),
		X("flush_all 10 foo bar\r\n", ERROR),
		X("flush_all 10 foo noreply\r\n", ERROR),
		X("verbosity\r\n", ERROR),
		X("verbosity 1\r\n", "verbosity; "),
		X("verbosity 1 foo\r\n", "verbosity; "),
		X("verbosity 1 noreply\r\n", "verbosity noreply; "),
		X("verbosity noreply\r\n", SILENT),
		X("verbosity x\r\n", BAD),
		X("verbosity -1\r\n", BAD),
		X("verbosity 4294967296\r\n", BAD),
		X("verbosity 1 foo noreply\r\n", ERROR),
		X("cache_memlimit\r\n", ERROR),
		X("cache_memlimit 64\r\n", "cache_memlimit d=64; "),
		X("cache_memlimit 64 noreply\r\n", "cache_memlimit d=64 noreply; "),
		X("cache_memlimit 64 foo\r\n", "cache_memlimit d=64; "),
		X("cache_memlimit x\r\n", ERROR),
		X("cache_memlimit -1\r\n", ERROR),
		X("cache_memlimit 4294967296\r\n",
		  "cache_memlimit d=4294967296; "),
		X("cache_memlimit 18446744073709551616\r\n", ERROR),
		X("cache_memlimit noreply\r\n", SILENT),
		X("cache_memlimit 64 foo bar\r\n", ERROR),
		X("stats\r\n", "stats; "),
		X("stats \r\n", "stats; "),
		X("stats reset\r\n", "stats arg=reset; "),
		X("stats   reset  \r\n", "stats arg=reset; "),
		X("stats reset\0foo\r\n", "stats arg=reset; "),
		X("stats noreply\r\n", "stats arg=noreply; "),
		X("stats cachedump 1 2\r\n", "stats arg=cachedump\\x201\\x202; "),
		X("stats a b c d e f g h i j k l m\r\n",
		  "stats arg=a\\x20b\\x20c\\x20d\\x20e\\x20f\\x20g\\x20h\\x20i\\x20j"
		  "\\x20k\\x20l\\x20m; "),
	};

	(void)state;
	CHECK(x);
}

/* A line with one word of @klen bytes between @before and @after. */
static char *key_line(const char *before, size_t klen, const char *after)
{
	size_t n = strlen(before);
	char *s = malloc(n + klen + strlen(after) + 1);

	assert_non_null(s);
	memcpy(s, before, n);
	memset(s + n, 'k', klen);
	strcpy(s + n + klen, after);
	return s;
}

static void check_key(const char *before, size_t klen, const char *after,
		      const char *out)
{
	char *s = key_line(before, klen, after);

	check_bytes(s, strlen(s), out);
	free(s);
}

/* What is for memcached's own machinery: the words count, nothing is done. */
static void test_admin(void **state)
{
#define OK "ERR OK; "
#define FORMAT "ERR CLIENT_ERROR bad command line format; "
#define MOVE "ERR BADCLASS invalid src or dst class id; "
	static const struct example x[] = {
		X("slabs reassign 1 2\r\n",
		  "ERR NOSPARE source class has no spare pages; "),
		X("slabs reassign 2 2\r\n",
		  "ERR SAME src and dst class are identical; "),
		X("slabs reassign 0 2\r\nslabs reassign 2 64\r\n", MOVE MOVE),
		X("slabs reassign -1 2\r\nslabs reassign a 2\r\n", MOVE FORMAT),
		X("slabs reassign 1\r\n", ERROR),
		X("slabs automove 0\r\nslabs automove 2\r\n", OK OK),
		X("slabs automove 3\r\nslabs automove x\r\n", ERROR FORMAT),
		X("slabs automove 1 noreply\r\n", "ERR; "),
		X("slabs nothing 1\r\n", ERROR),
		X("lru tune 10 20 0.5 2\r\n", OK),
		X("lru tune 10 x 0.5 2\r\nlru tune 10 20 0.5.1 2\r\n",
		  ERROR ERROR),
		X("lru tune 10 20 . 2\r\nlru tune 10 20 a 2\r\n", ERROR ERROR),
		X("lru mode flat\r\nlru mode segmented\r\n", OK OK),
		X("lru mode round\r\nlru x\r\n", ERROR ERROR),
		X("lru temp_ttl -1\r\nlru temp_ttl x\r\n", OK ERROR),
		X("lru_crawler enable\r\nlru_crawler disable\r\n", OK OK),
		X("lru_crawler crawl all\r\nlru_crawler crawl 1,2\r\n", OK OK),
		X("lru_crawler crawl x\r\n",
		  "ERR BADCLASS invalid class id; "),
		X("lru_crawler tocrawl 5\r\nlru_crawler tocrawl x\r\n",
		  OK FORMAT),
		X("lru_crawler sleep 1000000\r\nlru_crawler sleep x\r\n",
		  OK FORMAT),
		X("lru_crawler sleep 1000001\r\n",
		  "ERR CLIENT_ERROR sleep must be one second or less; "),
		X("lru_crawler nothing 1\r\n", ERROR),
	};

	(void)state;
	CHECK(x);
#undef OK
#undef FORMAT
#undef MOVE
}

static void test_key_length(void **state)
{
	static const char *const cmds[][2] = {
		{ "get ", "" }, { "gets ", "" }, { "gat 1 ", "" },
		{ "gats 1 ", "" }, { "set ", " 0 0 0" }, { "add ", " 0 0 0" },
		{ "replace ", " 0 0 0" }, { "append ", " 0 0 0" },
		{ "prepend ", " 0 0 0" }, { "cas ", " 0 0 0 1" },
		{ "delete ", "" }, { "incr ", " 1" }, { "decr ", " 1" },
		{ "touch ", " 1" },
	};
	size_t i, n;
	char *s;

	(void)state;
	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		char after[32];
		char *got;

		snprintf(after, sizeof(after), "%s\r\n", cmds[i][1]);
		s = key_line(cmds[i][0], 250, after);
		got = feed_in(s, strlen(s), 1, 1);
		assert_non_null(strstr(got, " k=<250,"));
		check_bytes(s, strlen(s), got);
		free(got);
		free(s);
		check_key(cmds[i][0], 251, after, BAD);
		check_key(cmds[i][0], 252, after, BAD);
		check_key(cmds[i][0], 1500, after, BAD);
	}
	/* a bare LF, and a CR that is the key's last byte */
	check_key("get ", 251, "\n", BAD);
	check_key("get ", 250, "\r\r\n", BAD);
	/* the order in which memcached looks */
	check_key("set ", 251, " 0 0 5 noreply\r\nversion\r\n", SILENT VER);
	check_key("set ", 251, " x 0 5\r\nversion\r\n", BAD VER);
	check_key("cas ", 251, " 0 0 7 x\r\nversion\r\n", BAD VER);
	check_key("incr ", 251, " x\r\n", BAD);
	check_key("touch ", 251, " x\r\n", BAD);
	check_key("gat x ", 251, "\r\n", BAD_EXP);
	check_key("delete ", 251, " noreply\r\n", SILENT);
	check_key("delete ", 251, " 1\r\n", BAD_DELETE);
	/* none of a line's keys is handed out when one is too long */
	check_key("get a b ", 251, " c\r\nversion\r\n", BAD VER);
	check_key("gat 1 a ", 251, "\r\nversion\r\n", BAD VER);
	s = key_line("get a# ", 251, "\r\nversion\r\n");
	n = strlen(s);
	*strchr(s, '#') = '\0';
	check_bytes(s, n, "get k=a last; " VER);
	free(s);
	check_key("version\r\nget ", 251, "\r\nversion\r\n", VER BAD VER);
}

/* "get k0 k1 ...": n keys in a line, and what must come out. */
static char *many_keys(const char *cmd, int n, char **out)
{
	size_t size = (size_t)n * 16 + 64;
	char *s = malloc(size);
	size_t o = 0, l = 0;
	char name[8];
	int i;

	*out = malloc(size * 4);
	assert_non_null(s);
	assert_non_null(*out);
	sscanf(cmd, "%7s", name);
	l += (size_t)sprintf(s, "%s", cmd);
	for (i = 0; i < n; i++) {
		l += (size_t)sprintf(s + l, " key%d", i);
		o += (size_t)sprintf(*out + o, "%s k=key%d%s%s; ", name, i,
				     name[1] == 'a' ? " e=1" : "",
				     i == n - 1 ? " last" : "");
	}
	sprintf(s + l, "\r\nversion\r\n");
	sprintf(*out + o, VER);
	return s;
}

static void test_many_keys(void **state)
{
	static const char *const cmds[] = {
		"get", "gets", "gat 1", "gats 1", "  get", "gat  1  ",
	};
	static const size_t steps[] = { 1, 2, 7, 100, 1448, 2048, 2049, 2050, 9999 };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		char *out;
		char *s = many_keys(cmds[i], 3000, &out);
		size_t len = strlen(s);
		char *got;

		got = feed_in(s, len, len, 1);
		assert_string_equal(got, out);
		free(got);
		for (j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
			got = feed_in(s, len, steps[j], steps[j]);
			assert_string_equal(got, out);
			free(got);
		}
		free(s);
		free(out);
	}
}

/* @n times @c, with something before and after. */
static char *long_line(const char *before, char c, size_t n, const char *after)
{
	char *s = key_line(before, n, after);

	memset(s + strlen(before), c, n);
	return s;
}

/* As it comes whole and as it comes byte by byte. */
static void check_two(char *s, const char *whole, const char *bytes)
{
	size_t len = strlen(s);
	char *got;

	got = feed_in(s, len, len, 1);
	assert_string_equal(got, whole);
	free(got);
	got = feed_in(s, len, 1, 1);
	assert_string_equal(got, bytes);
	free(got);
	free(s);
}

static void check_long(const char *before, char c, size_t n, const char *after,
		       const char *whole, const char *bytes)
{
	check_two(long_line(before, c, n, after), whole, bytes);
}

static void test_line_limit(void **state)
{
	(void)state;
	check_long("", 'a', 2048, "", "", "");
	check_long("", 'a', 2049, "", "ERR close; ", "ERR close; ");
	check_long("", 'a', 2047, "\r\n", ERROR, ERROR);
	check_long("", 'a', 2048, "\n", ERROR, ERROR);
	check_long("", 'a', 2048, "\r\n", ERROR, "ERR close; ");
	check_long("delete ", 'a', 3000, "\r\n", BAD, "ERR close; ");
	check_long("set a 0 0 1", ' ', 3000, "\r\nx\r\nversion\r\n",
		   "set k=a f=0 e=0 v=1; " VER, "ERR close; ");
	check_long("bget a", ' ', 3000, "b\r\n",
		   "get k=a; get k=b last; ", "ERR close; ");
	check_long("getx ", 'a', 3000, "\r\n", ERROR, "ERR close; ");
	check_long("get", 'a', 3000, "\r\n", ERROR, "ERR close; ");
	/* nothing follows a close */
	check_long("", 'a', 2049, "\r\nversion\r\n", ERROR VER, "ERR close; ");

	/* a get goes on */
	check_long("get ", ' ', 3000, "", "", "");
	check_long("get ", ' ', 3000, "\r\n", ERROR, ERROR);
	check_long("get ", ' ', 3000, "\n", ERROR, ERROR);
	check_long("get ", ' ', 3000, "a\r\n", "get k=a last; ",
		   "get k=a last; ");
	check_long("gat ", ' ', 3000, "\r\n", ERROR, ERROR);
	check_long("gat ", ' ', 3000, "5\r\nversion\r\n", "ERR END; " VER,
		   "ERR END; " VER);
	check_long("gats ", ' ', 3000, "5 a\r\n", "gats k=a e=5 last; ",
		   "gats k=a e=5 last; ");
	check_long("gat 5", ' ', 3000, "a\r\n", "gat k=a e=5 last; ",
		   "gat k=a e=5 last; ");
	check_long("gat 5x", ' ', 3000, "a\r\nversion\r\n", BAD_EXP VER,
		   BAD_EXP VER);
	check_long("gat ", 'x', 3000, " a\r\nversion\r\n", BAD_EXP VER,
		   BAD_EXP VER);
	check_long("gat ", '0', 3000, " a\r\nversion\r\n",
		   "gat k=a e=0 last; " VER, BAD_EXP VER);

	/* spaces before the command: memcached takes 100 */
	check_two(key_line("                    " "                    "
			   "                    " "                    "
			   "                    " "get ", 2000, "\r\n"),
		  BAD, BAD);
	check_two(key_line("                    " "                    "
			   "                    " "                    "
			   "                    " " get ", 2000, "\r\n"),
		  BAD, "ERR close; ");

	/* a key that is too long */
	check_long("get a b ", 'k', 3000, " c d\r\nversion\r\n", BAD VER,
		   "get k=a; get k=b; " BAD VER);
	check_long("get a b ", 'k', 3000, "\nversion\r\n", BAD VER,
		   "get k=a; get k=b; " BAD VER);

	/* spaces after the last key: it is let go, and END comes by itself */
	check_long("get a", ' ', 2046, "\n", "get k=a last; ", "get k=a last; ");
	check_long("get a", ' ', 5000, "\r\nversion\r\n",
		   "get k=a; ERR END; " VER, "get k=a; ERR END; " VER);
	check_long("gats 1 a", ' ', 5000, "b\n", "gats k=a e=1; "
		   "gats k=b e=1 last; ", "gats k=a e=1; gats k=b e=1 last; ");
}

/* What must not differ between the ways a long get can come in. */
static void test_long_get_edges(void **state)
{
	static const char *const tails[][2] = {
		{ "\r\n", "get k=z last; " },
		{ "\n", "get k=z last; " },
		{ " \r\n", "get k=z last; " },
		{ "  \n", "get k=z last; " },
		{ " y\r\n", "get k=z; get k=y last; " },
		{ "\r\r\n", "get k=z\\x0d last; " },
		{ " \r\r\n", "get k=z; get k=\\x0d last; " },
		{ "\r y\r\n", "get k=z\\x0d; get k=y last; " },
	};
	size_t i, cut;

	(void)state;
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct feed f;
		char *s, *out;
		char after[64];
		size_t len;

		snprintf(after, sizeof(after), "z%sversion\r\n", tails[i][0]);
		s = long_line("get ", ' ', 2200, after);
		len = strlen(s);
		out = feed_in(s, len, len, 1);
		assert_int_equal(strncmp(out, tails[i][1], strlen(tails[i][1])),
				 0);
		assert_string_equal(out + strlen(tails[i][1]), VER);
		for (cut = 2100; cut <= len; cut++) {
			feed_start(&f, (u8 *)s, len, ITEM_MAX);
			feed_to(&f, 2060);
			feed_to(&f, cut);
			feed_to(&f, len);
			assert_string_equal(f.log.s, out);
			feed_end(&f);
		}
		free(out);
		free(s);
	}
	/* a NUL ends a long line too */
	{
		char *s = long_line("get ", ' ', 2200, "a#b\r\nversion\r\n");
		size_t len = strlen(s);
		char *got;

		*strchr(s, '#') = '\0';
		got = feed_in(s, len, 1, 1);
		assert_string_equal(got, "get k=a last; " VER);
		free(got);
		*(strchr(s, 'a') + 1) = ' ';
		s[4] = '\0';
		got = feed_in(s, len, 1, 1);
		assert_string_equal(got, ERROR VER);
		free(got);
		free(s);
	}
	/* a full-length key whose CR and LF come one by one */
	{
		char *s = long_line("get ", ' ', 2200, "");
		char *k = key_line(s, 250, "\r\nversion\r\n");
		char *got = feed_in(k, strlen(k), 1, 1);

		assert_non_null(strstr(got, "get k=<250,"));
		assert_non_null(strstr(got, " last; " VER));
		free(got);
		free(k);
		k = key_line(s, 250, "\rx\nversion\r\n");
		got = feed_in(k, strlen(k), 1, 1);
		assert_string_equal(got, BAD VER);
		free(got);
		free(k);
		free(s);
	}
}

static void test_item_max(void **state)
{
	static const u8 line[] = "set a 0 0 5\r\n";
	struct mp_parser p;
	struct mp_req req;
	struct mp_err err;
	size_t used;

	(void)state;
	mp_parser_init(&p, 4);
	assert_int_equal(mp_parse(&p, line, sizeof(line) - 1, &used, &req, &err),
			 MP_ERR);
	assert_string_equal(err.line, MP_TOO_LARGE);
	assert_int_equal(err.swallow, 7);
	assert_true(err.drop_key);
	assert_false(err.close);
	assert_ptr_equal(req.key, line + 4);
	assert_int_equal(req.klen, 1);
	assert_int_equal(used, sizeof(line) - 1);
	mp_parser_init(&p, 5);
	assert_int_equal(mp_parse(&p, line, sizeof(line) - 1, &used, &req, &err),
			 MP_REQ);
	assert_int_equal(req.vlen, 5);
	mp_parser_init(&p, 0);
	assert_int_equal(mp_parse(&p, line, sizeof(line) - 1, &used, &req, &err),
			 MP_ERR);
}

static void test_no_bytes(void **state)
{
	struct mp_parser p;
	struct mp_req req;
	struct mp_err err;
	size_t used = 1;

	(void)state;
	mp_parser_init(&p, ITEM_MAX);
	assert_int_equal(mp_parse(&p, NULL, 0, &used, &req, &err), MP_MORE);
	assert_int_equal(used, 0);
}

static void test_get_u64(void **state)
{
	static const struct {
		const char *s;
		bool good;
		u64 v;
	} x[] = {
		{ "0", true, 0 }, { "9", true, 9 }, { "12 ", true, 12 },
		{ " 12", true, 12 }, { "+12", true, 12 }, { "-0", true, 0 },
		{ "12 abc", true, 12 }, { "12\t", true, 12 },
		{ "1\n2", true, 1 }, { "\t 12", true, 12 },
		{ "000000000000000000000000012", true, 12 },
		{ "18446744073709551615", true, 18446744073709551615ULL },
		{ "18446744073709551616", false, 0 },
		{ "18446744073709551620", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "", false, 0 }, { " ", false, 0 }, { "-1", false, 0 },
		{ "1x", false, 0 }, { "x", false, 0 }, { "+", false, 0 },
		{ "-", false, 0 }, { "--1", false, 0 }, { "+ 1", false, 0 },
		{ "1.", false, 0 }, { "0x10", false, 0 },
	};
	size_t i;
	u64 v;

	(void)state;
	for (i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
		size_t n = strlen(x[i].s);
		u8 *p = malloc(n);

		if (n)
			memcpy(p, x[i].s, n);
		v = 77;
		assert_int_equal(mp_get_u64(p, n, &v), x[i].good);
		assert_true(v == (x[i].good ? x[i].v : 77));
		free(p);
	}
	assert_true(mp_get_u64((const u8 *)"12\0xx", 5, &v) && v == 12);
	assert_true(mp_get_u64((const u8 *)"123456", 3, &v) && v == 123);
}

static void test_get_s64(void **state)
{
	static const struct {
		const char *s;
		bool good;
		s64 v;
	} x[] = {
		{ "0", true, 0 }, { "-0", true, 0 }, { "-5", true, -5 },
		{ "+5", true, 5 },
		{ "9223372036854775807", true, 9223372036854775807LL },
		{ "-9223372036854775808", true, -9223372036854775807LL - 1 },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "18446744073709551615", false, 0 },
		{ "-18446744073709551616", false, 0 },
		{ "", false, 0 }, { "-", false, 0 }, { "5-", false, 0 },
	};
	size_t i;
	s64 v;

	(void)state;
	for (i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
		v = 77;
		assert_int_equal(mp_get_s64((const u8 *)x[i].s, strlen(x[i].s),
					    &v), x[i].good);
		assert_true(v == (x[i].good ? x[i].v : 77));
	}
}

static void test_put_u64(void **state)
{
	char want[32];
	char *got;
	u64 v = 1;
	int i, d;

	(void)state;
	for (i = 0; i < 20; i++, v *= 10) {
		for (d = -1; d <= 1; d++) {
			size_t n = (size_t)sprintf(want, "%llu", v + (u64)(s64)d);

			got = malloc(n);
			assert_non_null(got);
			assert_int_equal(mp_put_u64(got, v + (u64)(s64)d), n);
			assert_memory_equal(got, want, n);
			free(got);
		}
	}
	got = malloc(MP_U64_MAX_LEN);
	assert_non_null(got);
	assert_int_equal(mp_put_u64(got, ~0ULL), 20);
	assert_memory_equal(got, "18446744073709551615", 20);
	assert_int_equal(mp_put_u64(got, 0xffffffffULL), 10);
	assert_memory_equal(got, "4294967295", 10);
	assert_int_equal(mp_put_u64(got, 0x100000000ULL), 10);
	assert_memory_equal(got, "4294967296", 10);
	free(got);
}

static void test_put_value_head(void **state)
{
	char *dst = malloc(MP_VALUE_HEAD_MAX);
	u8 key[MP_KEY_MAX];
	u64 cas = ~0ULL;
	size_t n;

	(void)state;
	assert_non_null(dst);
	n = mp_put_value_head(dst, (const u8 *)"a", 1, 0, 0, NULL);
	assert_int_equal(n, 13);
	assert_memory_equal(dst, "VALUE a 0 0\r\n", 13);
	cas = 7;
	n = mp_put_value_head(dst, (const u8 *)"foo", 3, 5, 1048576, &cas);
	assert_int_equal(n, 23);
	assert_memory_equal(dst, "VALUE foo 5 1048576 7\r\n", 23);
	memset(key, 'k', sizeof(key));
	cas = ~0ULL;
	n = mp_put_value_head(dst, key, MP_KEY_MAX, ~0u, ~0u, &cas);
	assert_int_equal(n, MP_VALUE_HEAD_MAX);
	assert_memory_equal(dst, "VALUE k", 7);
	assert_memory_equal(dst + 256,
			    " 4294967295 4294967295 18446744073709551615\r\n", 45);
	free(dst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_gat),
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_cas),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_admin),
		cmocka_unit_test(test_key_length),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_long_get_edges),
		cmocka_unit_test(test_item_max),
		cmocka_unit_test(test_no_bytes),
		cmocka_unit_test(test_get_u64),
		cmocka_unit_test(test_get_s64),
		cmocka_unit_test(test_put_u64),
		cmocka_unit_test(test_put_value_head),
	};

	return cmocka_run_group_tests_name("libmp", tests, NULL, NULL);
}

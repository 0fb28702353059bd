// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Users, and clients that say who they are: module/auth.c and what the commands
 * make of it. The answers are memcached 1.6.18's with -Y and with -S.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "auth.h"
#include "env.h"

#include <cmocka.h>

#define NO	"CLIENT_ERROR unauthenticated\r\n"
#define FAILURE	"CLIENT_ERROR authentication failure\r\n"
#define LOGIN	"set x 0 0 3\r\nu p\r\n"

static struct kfc_users *users(const char *text)
{
	struct kfc_users *u;
	u32 line;

	u = kfc_users_parse((const u8 *)text, strlen(text), &line);
	assert_false(IS_ERR(u));
	return u;
}

static void refused_len(const char *text, size_t len, int err, u32 line)
{
	struct kfc_users *u;
	u8 *copy = malloc(len);
	u32 at = ~0u;

	if (len)
		memcpy(copy, text, len);
	u = kfc_users_parse(copy, len, &at);
	assert_true(IS_ERR(u));
	assert_int_equal(PTR_ERR(u), err);
	assert_int_equal(at, line);
	free(copy);
}

#define REFUSED(text, err, line) \
	refused_len(text, sizeof(text) - 1, err, line)

static bool known(struct kfc_cache *c, const char *user, const char *pass)
{
	struct mp_login in = {
		.user = (const u8 *)user,
		.ulen = strlen(user),
		.pass = (const u8 *)pass,
		.plen = strlen(pass),
	};

	return kfc_auth_check(c, &in);
}

static void test_file(void **state)
{
	static struct kfc_cache c;

	(void)state;
	assert_false(kfc_auth_required(&c));
	kfc_users_replace(&c, users("u:p\nuser:pass word:\r\nu:second\nw:q"));
	assert_true(kfc_auth_required(&c));
	assert_true(known(&c, "u", "p"));
	assert_true(known(&c, "user", "pass word:"));
	assert_true(known(&c, "u", "second"));
	assert_true(known(&c, "w", "q"));
	assert_false(known(&c, "u", "q"));
	assert_false(known(&c, "w", "p"));
	assert_false(known(&c, "u", "pp"));
	assert_false(known(&c, "uu", "p"));
	assert_false(known(&c, "u", ""));
	assert_false(known(&c, "", "p"));
	assert_false(known(&c, "", ""));
	assert_false(known(&c, "user", "pass word:\r"));

	kfc_users_replace(&c, users("1:1\n2:2\n3:3\n4:4\n5:5\n6:6\n7:7\n8:8\n"));
	assert_false(known(&c, "u", "p"));
	assert_true(known(&c, "1", "1"));
	assert_true(known(&c, "8", "8"));

	REFUSED("", -EINVAL, 0);
	REFUSED("\n", -EINVAL, 1);
	REFUSED("up\n", -EINVAL, 1);
	REFUSED("u:p\n\n", -EINVAL, 2);
	REFUSED("u:p\nv:q\n:p\nw:q\n", -EINVAL, 3);
	REFUSED("u:\n", -EINVAL, 1);
	REFUSED("u:\r\n", -EINVAL, 1);
	REFUSED(":", -EINVAL, 1);
	REFUSED("\r\n", -EINVAL, 1);
	REFUSED("u:p\r\r\n", -EINVAL, 1);
	REFUSED("u:p\rv:q\n", -EINVAL, 1);
	REFUSED("u:p\0\n", -EINVAL, 1);
	REFUSED("1:1\n2:2\n3:3\n4:4\n5:5\n6:6\n7:7\n8:8\n9:9", -EFBIG, 9);
	kfc_users_replace(&c, NULL);
	assert_false(kfc_auth_required(&c));
}

static void test_lengths(void **state)
{
	static struct kfc_cache c;
	char line[300], word[300];

	(void)state;
	memset(line, 'x', sizeof(line));
	memset(word, 'x', sizeof(word));
	line[1] = ':';
	line[KFC_USER_LINE] = 0;
	word[KFC_USER_LINE - 2] = 0;
	kfc_users_replace(&c, users(line));
	assert_true(known(&c, "x", word));
	word[KFC_USER_LINE - 3] = 0;
	assert_false(known(&c, "x", word));
	memset(word, 'x', sizeof(word));
	word[KFC_USER_LINE + 1] = 0;
	assert_false(known(&c, "x", word));
	assert_false(known(&c, word, "x"));
	line[KFC_USER_LINE] = 'x';
	refused_len(line, KFC_USER_LINE + 1, -EINVAL, 1);
	line[KFC_USER_LINE] = '\r';
	line[KFC_USER_LINE + 1] = 0;
	kfc_users_replace(&c, users(line));
	kfc_users_replace(&c, NULL);
}

static void must(struct env *e, struct env_client *ec, const char *ask,
		 const char *want)
{
	assert_string_equal(env_ask(e, ec, "%s", ask), want);
}

static void test_text(void **state)
{
	static struct env e;
	struct env_client ec, other;

	(void)state;
	env_start(&e, 1 << 20, 8, 0, 1 << 20);
	kfc_users_replace(&e.c, users("u:p\n"));
	env_client_init(&e, &ec);
	env_client_init(&e, &other);
	must(&e, &ec, "get a\r\nmn\r\n", NO NO);
	must(&e, &ec, "set x 0 0 3\r\nu q\r\n", FAILURE);
	must(&e, &ec, "set x 0 0 2\r\nup\r\n",
	     "CLIENT_ERROR bad authentication token format\r\n");
	must(&e, &ec, "version\r\n", NO);
	assert_int_equal(e.counters.auth_cmds, 1);
	assert_int_equal(e.counters.auth_errors, 1);
	must(&e, &ec, LOGIN "get x\r\n", "STORED\r\nEND\r\n");
	assert_int_equal(e.counters.auth_cmds, 2);
	assert_int_equal(e.counters.auth_errors, 1);
	assert_int_equal(e.counters.cmd_set, 0);
	/* now it is a set */
	must(&e, &ec, LOGIN "get x\r\n",
	     "STORED\r\nVALUE x 0 3\r\nu p\r\nEND\r\n");
	assert_int_equal(e.counters.auth_cmds, 2);

	/* other users: who was known stays so, the others are asked anew */
	kfc_users_replace(&e.c, users("u:other\n"));
	must(&e, &ec, "get a\r\n", "END\r\n");
	must(&e, &other, LOGIN, FAILURE);
	must(&e, &other, "set x 0 0 7\r\nu other\r\n", "STORED\r\n");
	env_client_exit(&e, &ec);
	env_client_exit(&e, &other);
	env_stop(&e);
}

/* Whatever way a command comes, it does not run for those nobody knows. */
static void test_no_parser(void **state)
{
	static struct env e;
	struct env_client ec;
	struct mp_req req;
	int op;

	(void)state;
	env_start(&e, 1 << 20, 8, 0, 1 << 20);
	env_client_init(&e, &ec);
	assert_true(ec.cl.authed);
	env_client_exit(&e, &ec);
	kfc_users_replace(&e.c, users("u:p\n"));
	env_client_init(&e, &ec);
	memset(&req, 0, sizeof(req));
	req.key = (const u8 *)"k";
	req.klen = 1;
	for (op = 0; op < MP_OP_NR; op++) {
		req.op = op;
		if (!kfc_auth_open(op))
			assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL),
					 KFC_CMD_CLOSE);
	}
	env_events(&ec);
	assert_int_equal(ec.len, 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

#define PLAIN	"PLAIN"
#define AUTH	0x21
#define STEP	0x22

/* One binary request; its answer's status, and *body of @want. */
static void binary(struct env *e, struct env_client *ec, u8 opcode,
		   const char *mech, const char *msg, u32 len, u16 status,
		   const char *want)
{
	u32 klen = strlen(mech);
	char req[MP_BIN_HEAD + 64] = { (char)0x80, (char)opcode, 0, (char)klen };
	const u8 *a;

	req[11] = (char)(klen + len);
	memcpy(req + MP_BIN_HEAD, mech, klen);
	memcpy(req + MP_BIN_HEAD + klen, msg, len);
	ec->len = 0;
	env_feed(e, ec, req, MP_BIN_HEAD + klen + len);
	a = (const u8 *)ec->answer;
	assert_int_equal(ec->len, MP_BIN_HEAD + strlen(want));
	assert_int_equal(a[0], 0x81);
	assert_int_equal(a[1], opcode);
	assert_int_equal(a[6] << 8 | a[7], status);
	assert_memory_equal(a + MP_BIN_HEAD, want, strlen(want));
}

#define ASK(opcode, mech, msg, status, want) \
	binary(&e, &ec, opcode, mech, msg, sizeof(msg) - 1, status, want)
#define GOOD(opcode) \
	ASK(opcode, PLAIN, "\0u\0p", MP_BIN_OK, "Authenticated")
#define BAD(opcode, mech, msg) \
	ASK(opcode, mech, msg, MP_BIN_AUTH, "Auth failure.")
#define NOOP(status, want) ASK(0x0a, "", "", status, want)

/* The last of these closes the connection: a new one. */
#define UNKNOWN() do { \
	NOOP(MP_BIN_AUTH, "Auth failure."); \
	env_client_exit(&e, &ec); \
	env_client_init(&e, &ec); \
} while (0)

static void test_sasl(void **state)
{
	static struct env e;
	struct env_client ec;

	(void)state;
	env_start(&e, 1 << 20, 8, 0, 1 << 20);
	env_client_init(&e, &ec);
	ASK(0x20, "", "", MP_BIN_UNKNOWN, "Unknown command");
	env_client_exit(&e, &ec);
	kfc_users_replace(&e.c, users("u:p\n"));
	env_client_init(&e, &ec);
	ASK(0x20, "", "", MP_BIN_OK, "PLAIN");
	UNKNOWN();

	BAD(AUTH, PLAIN, "\0u\0q");
	BAD(AUTH, PLAIN, "up");
	BAD(AUTH, PLAIN, "v\0u\0p");
	BAD(AUTH, "PLAINX", "\0u\0p");
	BAD(AUTH, "LOGIN", "\0u\0p");
	BAD(AUTH, "LOGIN", "");
	BAD(STEP, PLAIN, "\0u\0p");
	assert_int_equal(e.counters.auth_cmds, 7);
	assert_int_equal(e.counters.auth_errors, 7);
	UNKNOWN();
	GOOD(AUTH);
	NOOP(MP_BIN_OK, "");
	/* from the start again */
	ASK(0x20, "", "", MP_BIN_OK, "PLAIN");
	UNKNOWN();
	GOOD(AUTH);
	BAD(AUTH, PLAIN, "\0u\0q");
	UNKNOWN();
	GOOD(AUTH);
	BAD(STEP, PLAIN, "\0u\0p");
	UNKNOWN();
	ASK(AUTH, "plain", "u\0u\0p", MP_BIN_OK, "Authenticated");
	NOOP(MP_BIN_OK, "");
	assert_int_equal(e.counters.auth_cmds, 13);
	assert_int_equal(e.counters.auth_errors, 9);

	/* in two steps */
	ASK(AUTH, PLAIN, "", MP_BIN_AUTH_CONTINUE, "");
	BAD(STEP, PLAIN, "");
	GOOD(STEP);
	NOOP(MP_BIN_OK, "");
	BAD(STEP, PLAIN, "\0u\0p");
	UNKNOWN();
	ASK(AUTH, PLAIN, "", MP_BIN_AUTH_CONTINUE, "");
	UNKNOWN();
	ASK(AUTH, PLAIN, "", MP_BIN_AUTH_CONTINUE, "");
	BAD(AUTH, "LOGIN", "\0u\0p");
	BAD(STEP, PLAIN, "\0u\0p");
	UNKNOWN();
	env_client_exit(&e, &ec);
	env_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_no_parser),
		cmocka_unit_test(test_sasl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

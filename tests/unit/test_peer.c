// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who may use UDP: lists of networks, good and broken, and who is in them.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <linux/in.h>
#include <linux/socket.h>

#include "peer.h"

#include <cmocka.h>

static struct sockaddr_storage addr(const char *text)
{
	struct sockaddr_storage a = { };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;
	struct sockaddr_in *in = (struct sockaddr_in *)&a;

	if (strchr(text, ':')) {
		a.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	} else {
		a.ss_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	}
	return a;
}

static bool parse(const char *list)
{
	struct kfc_peers p = { };

	return kfc_peers_parse(&p, list);
}

static bool has(const char *list, const char *who)
{
	struct sockaddr_storage a = addr(who);
	struct kfc_peers p = { };

	assert_true(kfc_peers_parse(&p, list));
	return kfc_peers_has(&p, &a);
}

static void test_broken(void **state)
{
	static const char * const bad[] = {
		"", ",", "x", "/", "/8", "10", "10/8", "10.0.0/8", "10.0.0.0.0",
		"256.0.0.1", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\n", "10.0.0.-1",
		"10.0.0.1,", ",10.0.0.1", "10.0.0.1,,10.0.0.2", "10.0.0.1;10.0.0.2",
		"10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "10.0.0.0/ 8",
		"10.0.0.0/8 ", "10.0.0.0/+8", "10.0.0.0/-8", "10.0.0.0/0x8",
		"10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/33",
		"10.0.0.0/256", "10.0.0.0/264", "10.0.0.0/4294967304",
		"10.0.0.0/7", "0.0.0.0/0", "10.0.0.0/0", "localhost",
		":", ":::", "::g", "fd00::/129", "fd00::/256", "fd00::/6",
		"::/0", "fd00::1%eth0", "[fd00::1]", "fd00::1]/64", "1:2:3:4",
		"1:2:3:4:5:6:7:8:9", "fd00::/", "fd00::/x", "10.0.0.1:11211",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i]))
			fail_msg("taken: \"%s\"", bad[i]);
}

static void test_good(void **state)
{
	static const char * const good[] = {
		"10.0.0.0/8", "10.0.0.1", "10.1.2.3/8", "10.0.0.1/32", "fd00::/8",
		"fc00::/7", "::1", "fd00::1/128", "1:2:3:4:5:6:7:8",
		"10.0.0.0/8,fd00::/8,192.168.1.5", "10.0.0.0/08",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		if (!parse(good[i]))
			fail_msg("not taken: \"%s\"", good[i]);
}

/* As many as there may be, and one more; of any of them. */
static void test_count(void **state)
{
	char list[KFC_MAX_PEERS * 16 + 16] = "10.0.0.0";
	unsigned int i;

	for (i = 1; i < KFC_MAX_PEERS; i++)
		sprintf(list + strlen(list), ",10.0.0.%u", i);
	assert_true(has(list, "10.0.0.0"));
	assert_true(has(list, "10.0.0.15"));
	assert_false(has(list, "10.0.0.16"));
	strcat(list, ",::1");
	assert_false(parse(list));
}

static void test_prefix(void **state)
{
	assert_true(has("10.0.0.1", "10.0.0.1"));
	assert_false(has("10.0.0.1", "10.0.0.0"));
	assert_false(has("10.0.0.1", "10.0.0.2"));
	assert_true(has("10.1.2.3/8", "10.255.255.255"));
	assert_false(has("10.1.2.3/8", "11.1.2.3"));
	assert_true(has("172.16.0.0/12", "172.31.255.255"));
	assert_false(has("172.16.0.0/12", "172.32.0.0"));
	assert_true(has("192.168.0.0/31", "192.168.0.1"));
	assert_false(has("192.168.0.0/31", "192.168.0.2"));
	assert_true(has("fc00::/7", "fdff::1"));
	assert_false(has("fc00::/7", "fe00::1"));
	assert_true(has("fd00:9::/65", "fd00:9::7fff:0:0:1"));
	assert_false(has("fd00:9::/65", "fd00:9::8000:0:0:1"));
	assert_true(has("::1", "::1"));
	assert_false(has("::1", "::2"));
	assert_true(has("10.0.0.0/8,fd00::/8,1.2.3.4", "1.2.3.4"));
	assert_false(has("10.0.0.0/8,fd00::/8,1.2.3.4", "1.2.3.5"));
}

/* An address of one family is never in a network of the other. */
static void test_family(void **state)
{
	assert_false(has("::ffff:10.0.0.1", "10.0.0.1"));
	assert_false(has("10.0.0.1", "::ffff:10.0.0.1"));
	/* the same first bytes */
	assert_false(has("10.0.0.0/8", "a00::1"));
	assert_false(has("a00::/8", "10.0.0.1"));
}

/* Every prefix of an address has it, and not its neighbour behind that bit. */
static void one_family(const char *text, unsigned int bytes, unsigned int least)
{
	struct sockaddr_storage a = addr(text);
	u8 *p = bytes == 4 ? (u8 *)&((struct sockaddr_in *)&a)->sin_addr :
			     (u8 *)&((struct sockaddr_in6 *)&a)->sin6_addr;
	unsigned int bits, flip;
	char list[64];

	for (bits = least; bits <= bytes * 8; bits++) {
		struct kfc_peers net = { };

		sprintf(list, "%s/%u", text, bits);
		assert_true(kfc_peers_parse(&net, list));
		for (flip = 0; flip < bytes * 8; flip++) {
			p[flip / 8] ^= 0x80 >> flip % 8;
			assert_int_equal(kfc_peers_has(&net, &a), flip >= bits);
			p[flip / 8] ^= 0x80 >> flip % 8;
		}
		assert_true(kfc_peers_has(&net, &a));
	}
}

static void test_every_bit(void **state)
{
	one_family("10.170.85.3", 4, 8);
	one_family("fd55:aa00:ff:1234::5a5a:1", 16, 7);
}

static void test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} all[] = {
		{ "127.0.0.1", true }, { "127.255.0.9", true },
		{ "126.0.0.1", false }, { "128.0.0.1", false },
		{ "0.0.0.0", false }, { "10.0.0.127", false },
		{ "::1", true }, { "::", false }, { "::2", false },
		{ "::ffff:127.0.0.1", false }, { "fe80::1", false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		struct sockaddr_storage a = addr(all[i].text);

		assert_int_equal(kfc_addr_loopback(&a), all[i].loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

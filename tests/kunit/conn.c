// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Connections and their operations: each ends, whenever its client goes. What
 * one of them leaves behind, or uses too late, the kernel says.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <net/sock.h>

#include "kunit.h"
#include "net.h"
#include "worker.h"

#define NR_OBJECTS	1500
#define VALUE		4000

/* Objects of 4,000 bytes, most of which are on the device alone by then. */
static void fill(struct kunit *test, struct kfc_cache *c)
{
	struct socket *sock = kfc_test_connect(test, c);
	char *text = kunit_kzalloc(test, VALUE + 64, GFP_KERNEL);
	int i, n;

	KUNIT_ASSERT_NOT_NULL(test, text);
	for (i = 0; i < NR_OBJECTS; i++) {
		n = sprintf(text, "set key%d 0 0 %d%s\r\n", i, VALUE,
			    i < NR_OBJECTS - 1 ? " noreply" : "");
		memset(text + n, 'a' + i % 26, VALUE);
		memcpy(text + n + VALUE, "\r\n", 3);
		kfc_test_send(test, sock, text);
	}
	kfc_test_expect(test, sock, "STORED\r\n");
	sock_release(sock);
}

/* Gets of objects that were stored early; nobody reads the answers here. */
static void ask(struct kunit *test, struct socket *sock, int first, int nr)
{
	char *text = kunit_kzalloc(test, nr * 16, GFP_KERNEL);
	int i, n = 0;

	KUNIT_ASSERT_NOT_NULL(test, text);
	for (i = first; i < first + nr; i++)
		n += sprintf(text + n, "get key%d\r\n", i);
	kfc_test_send(test, sock, text);
}

static bool reads_begin(struct kfc_cache *c)
{
	unsigned long end = jiffies + HZ;

	while (!atomic_read(&c->reads) && time_before(jiffies, end))
		usleep_range(50, 100);
	return atomic_read(&c->reads);
}

static void test_serves(struct kunit *test)
{
	struct kfc_cache *c = kfc_test_start(test, NULL);
	struct socket *sock = kfc_test_connect(test, c);

	kfc_test_send(test, sock, "set a 5 0 5\r\nhello\r\nget a\r\n");
	kfc_test_expect(test, sock, "STORED\r\nVALUE a 5 5\r\nhello\r\nEND\r\n");
	/* in pieces, each of which waits in a buffer of its own */
	kfc_test_send(test, sock, "set b 0 0 3\r\nab");
	msleep(20);
	kfc_test_send(test, sock, "c\r\nge");
	msleep(20);
	kfc_test_send(test, sock, "t b\r");
	msleep(20);
	kfc_test_send(test, sock, "\n");
	kfc_test_expect(test, sock, "STORED\r\nVALUE b 0 3\r\nabc\r\nEND\r\n");
	KUNIT_EXPECT_EQ(test, atomic_read(&c->net->conns), 1);
	sock_release(sock);
	KUNIT_EXPECT_TRUE(test, kfc_test_until_zero(&c->net->conns));
	kfc_test_stop(c);
}

/* The client goes while its reads are in flight. */
static void test_client_goes(struct kunit *test)
{
	struct kfc_cache *c = kfc_test_start(test, KFC_TEST_DEVICE);
	struct socket *sock;
	int round, busy = 0;

	fill(test, c);
	for (round = 0; round < 20; round++) {
		sock = kfc_test_connect(test, c);
		ask(test, sock, round * 10, 40);
		busy += reads_begin(c);
		sock_release(sock);
	}
	kunit_info(test, "%d of 20 went with reads in flight", busy);
	KUNIT_EXPECT_GT(test, busy, 5);
	KUNIT_EXPECT_TRUE(test, kfc_test_until_zero(&c->net->conns));
	KUNIT_EXPECT_TRUE(test, kfc_test_until_zero(&c->reads));
	KUNIT_EXPECT_TRUE(test, kfc_test_until_zero(&c->read_pages));
	kfc_test_stop(c);
}

/* The server goes while reads are in flight and answers are not read. */
static void test_server_goes(struct kunit *test)
{
	struct kfc_cache *c = kfc_test_start(test, KFC_TEST_DEVICE);
	struct socket *sock[4];
	char *buf = kunit_kzalloc(test, KFC_PAGE, GFP_KERNEL);
	int i, n;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	fill(test, c);
	for (i = 0; i < 4; i++) {
		sock[i] = kfc_test_connect(test, c);
		ask(test, sock[i], i * 50, 50);
	}
	/* one with half a value on its way in */
	kfc_test_send(test, sock[3], "set half 0 0 100000\r\nabcdef");
	KUNIT_EXPECT_TRUE(test, reads_begin(c));
	kfc_test_stop(c);
	for (i = 0; i < 4; i++) {
		do {
			n = kfc_test_recv(sock[i], buf, KFC_PAGE);
		} while (n > 0);
		KUNIT_EXPECT_TRUE(test, n == 0 || n == -ECONNRESET);
		sock_release(sock[i]);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_serves),
	KUNIT_CASE_SLOW(test_client_goes),
	KUNIT_CASE_SLOW(test_server_goes),
	{}
};

static struct kunit_suite suite = {
	.name = "kfc_conn",
	.test_cases = cases,
};

kunit_test_suite(suite);

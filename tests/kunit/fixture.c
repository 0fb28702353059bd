// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A cache that serves, and clients of it, for the suites.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/in.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "blockdev.h"
#include "bound.h"
#include "clock.h"
#include "command.h"
#include "kunit.h"
#include "net.h"

/**
 * kfc_test_start() - start a cache as main.c does, with the module's parameters
 * @test: fails where that does
 * @device: its device, NULL for memory only
 *
 * Context: a test. Return: the cache, for kfc_test_stop()
 */
struct kfc_cache *kfc_test_start(struct kunit *test, const char *device)
{
	struct kfc_cache *c = kvzalloc(sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->counters = alloc_percpu(struct kfc_counters);
	KUNIT_ASSERT_NOT_NULL(test, c->counters);
	kfc_clock_init(c);
	c->space = kfc_net_wake;
	KUNIT_ASSERT_EQ(test, kfc_params_load(&c->cfg), 0);
	if (device)
		KUNIT_ASSERT_EQ(test, kfc_blockdevs_open(device, c->devs,
							 &c->nr_devs), 0);
	KUNIT_ASSERT_EQ(test, kfc_params_devices(&c->cfg, c->nr_devs,
						 kfc_cache_pages(c) <<
						 KFC_PAGE_SHIFT), 0);
	KUNIT_ASSERT_EQ(test, kfc_bound_check(c), 0);
	KUNIT_ASSERT_EQ(test, kfc_cache_init(c), 0);
	KUNIT_ASSERT_EQ(test, kfc_cmd_init(c), 0);
	KUNIT_ASSERT_EQ(test, kfc_net_start(c), 0);
	return c;
}

/**
 * kfc_test_stop() - end it, as main.c does
 * @c: the cache
 *
 * Context: a test.
 */
void kfc_test_stop(struct kfc_cache *c)
{
	kfc_net_stop(c);
	kfc_cmd_exit(c);
	kfc_cache_exit(c);
	kfc_blockdevs_close(c->devs, &c->nr_devs);
	kfc_params_free(&c->cfg);
	free_percpu(c->counters);
	kvfree(c);
}

/**
 * kfc_test_connect() - a client's socket
 * @test: fails where it cannot be had
 * @c: the cache
 *
 * Receiving waits 5 s at most. Context: a test. Return: for sock_release()
 */
struct socket *kfc_test_connect(struct kunit *test, struct kfc_cache *c)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(c->cfg.port),
	};
	struct socket *sock;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, PF_INET, SOCK_STREAM,
					       IPPROTO_TCP, &sock), 0);
	sock->sk->sk_rcvtimeo = 5 * HZ;
	KUNIT_ASSERT_EQ(test, kernel_connect(sock, (struct sockaddr *)&to,
					     sizeof(to), 0), 0);
	return sock;
}

/**
 * kfc_test_send() - send all of a text
 * @test: fails where that does
 * @sock: where to
 * @text: what
 *
 * Context: a test.
 */
void kfc_test_send(struct kunit *test, struct socket *sock, const char *text)
{
	struct msghdr msg = {};
	struct kvec vec = {
		.iov_base = (void *)text,
		.iov_len = strlen(text),
	};

	KUNIT_ASSERT_EQ(test, kernel_sendmsg(sock, &msg, &vec, 1, vec.iov_len),
			(int)strlen(text));
}

/**
 * kfc_test_recv() - receive what there is, at least a byte
 * @sock: where from
 * @buf: gets it
 * @size: of @buf
 *
 * Context: a test. Return: how much, 0 at the end, or an errno
 */
int kfc_test_recv(struct socket *sock, char *buf, int size)
{
	struct msghdr msg = {};
	struct kvec vec = {
		.iov_base = buf,
		.iov_len = size,
	};

	return kernel_recvmsg(sock, &msg, &vec, 1, size, 0);
}

/**
 * kfc_test_expect() - receive just that answer
 * @test: fails where it is another
 * @sock: where from
 * @answer: shorter than a page
 *
 * Context: a test.
 */
void kfc_test_expect(struct kunit *test, struct socket *sock,
		     const char *answer)
{
	int len = strlen(answer), got = 0, n;
	char *buf = kunit_kzalloc(test, len + 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	while (got < len) {
		n = kfc_test_recv(sock, buf + got, len - got);
		KUNIT_ASSERT_GT(test, n, 0);
		got += n;
	}
	KUNIT_EXPECT_STREQ(test, buf, answer);
}

/**
 * kfc_test_until_zero() - wait for a count to fall to zero
 * @n: the count
 *
 * Context: a test. Return: whether it did in 30 s
 */
bool kfc_test_until_zero(atomic_t *n)
{
	unsigned long end = jiffies + 30 * HZ;

	while (atomic_read(n) && time_before(jiffies, end))
		msleep(20);
	return !atomic_read(n);
}

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("KUnit suites of kfatcache");

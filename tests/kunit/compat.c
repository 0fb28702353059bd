// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What compat.h says of the kernel that this runs on.
 */
#include <linux/bvec.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/in.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "compat.h"
#include "kunit.h"

/* A connection over loopback: [0] connected, [1] was accepted. */
static void pair(struct kunit *test, struct socket *sock[2])
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr *addr = (struct sockaddr *)&at;
	struct socket *l;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, PF_INET, SOCK_STREAM,
					       IPPROTO_TCP, &l), 0);
	KUNIT_ASSERT_EQ(test, kernel_bind(l, addr, sizeof(at)), 0);
	KUNIT_ASSERT_EQ(test, kernel_listen(l, 1), 0);
	KUNIT_ASSERT_GT(test, kernel_getsockname(l, addr), 0);
	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, PF_INET, SOCK_STREAM,
					       IPPROTO_TCP, &sock[0]), 0);
	KUNIT_ASSERT_EQ(test, kernel_connect(sock[0], addr, sizeof(at), 0), 0);
	KUNIT_ASSERT_EQ(test, kernel_accept(l, &sock[1], 0), 0);
	sock_release(l);
}

/*
 * Pages are lent, not copied, until the other side has read them. On one CPU:
 * what another one has sent may wait there to be freed until it has more to do.
 */
static void test_lends_pages(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct bio_vec bv[2];
	struct socket *sock[2];
	char *buf = kunit_kzalloc(test, 6000, GFP_KERNEL);
	int got = 0, n, i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	pair(test, sock);
	memset(page_address(page), 'x', PAGE_SIZE);
	bvec_set_page(&bv[0], page, 4000, 0);
	bvec_set_page(&bv[1], page, 2000, 96);
	KUNIT_EXPECT_EQ(test, kfc_send_pages(sock[0], bv, 2, 6000,
					     MSG_DONTWAIT), 6000);
	KUNIT_EXPECT_GT(test, page_count(page), 1);
	while (got < 6000) {
		n = kfc_test_recv(sock[1], buf, 6000 - got);
		KUNIT_ASSERT_GT(test, n, 0);
		for (i = 0; i < n && buf[i] == 'x'; i++)
			;
		KUNIT_EXPECT_EQ(test, i, n);
		got += n;
	}
	sock_release(sock[0]);
	sock_release(sock[1]);
	for (i = 0; i < 250 && page_count(page) > 1; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	__free_page(page);
}

/* A listener's network namespace stays as long as it does. */
static void test_holds_net(struct kunit *test)
{
	struct socket *sock;
	unsigned int before;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, PF_INET, SOCK_STREAM,
					       IPPROTO_TCP, &sock), 0);
	KUNIT_EXPECT_FALSE(test, sock->sk->sk_net_refcnt);
	before = refcount_read(&init_net.ns.count);
	kfc_sk_hold_net(sock->sk);
	KUNIT_EXPECT_TRUE(test, sock->sk->sk_net_refcnt);
	KUNIT_EXPECT_EQ(test, refcount_read(&init_net.ns.count), before + 1);
	sock_release(sock);
}

/* One holder at a time, and none after it is closed. */
static void test_claims(struct kunit *test)
{
	struct kfc_bdev a, b;
	dev_t dev;

	KUNIT_ASSERT_EQ(test, lookup_bdev(KFC_TEST_DEVICE, &dev), 0);
	KUNIT_ASSERT_EQ(test, kfc_bdev_open(&a, dev, &a), 0);
	KUNIT_EXPECT_EQ(test, kfc_bdev_open(&b, dev, &b), -EBUSY);
	kfc_bdev_close(&a);
	KUNIT_ASSERT_EQ(test, kfc_bdev_open(&b, dev, &b), 0);
	kfc_bdev_close(&b);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_lends_pages),
	KUNIT_CASE(test_holds_net),
	KUNIT_CASE(test_claims),
	{}
};

static struct kunit_suite suite = {
	.name = "kfc_compat",
	.test_cases = cases,
};

kunit_test_suite(suite);

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * blockdev.c on a null_blk device: 16 MiB in memory, 10 ms for each I/O, a
 * queue of 4, KFC_TEST_BAD_PAGE bad.
 */
#include <linux/completion.h>
#include <linux/mm.h>

#include "blockdev.h"
#include "kunit.h"

#define NR_READS	64

struct test_io {
	struct kfc_io io;
	struct page *pages[64];
	atomic_t *left;
	atomic_t done;
};

struct test_blockdev {
	struct kfc_dev *d;
	u32 nr_devs; /* 1 while @d is open */
	struct test_io *ios;
	atomic_t left;
};

static void io_done(struct kfc_io *io)
{
	struct test_io *t = container_of(io, struct test_io, io);

	atomic_inc(&t->done);
	atomic_dec(t->left);
}

static void alloc_io(struct kunit *test, struct test_io *t, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		t->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, t->pages[i]);
	}
	t->io.nr_pages = nr;
	t->io.pages = t->pages;
	t->io.done = io_done;
}

static void start(struct test_blockdev *b, struct test_io *t, bool write,
		  u64 page_no)
{
	t->left = &b->left;
	atomic_set(&t->done, 0);
	t->io.page_no = page_no;
	atomic_inc(&b->left);
	if (write)
		b->d->ops->write(b->d, &t->io);
	else
		b->d->ops->read(b->d, &t->io);
}

static void finish(struct kunit *test, struct test_blockdev *b)
{
	KUNIT_ASSERT_TRUE(test, kfc_test_until_zero(&b->left));
}

static int init(struct kunit *test)
{
	struct test_blockdev *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->ios = kunit_kcalloc(test, NR_READS, sizeof(*b->ios), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->ios);
	KUNIT_ASSERT_EQ(test, kfc_blockdevs_open(KFC_TEST_DEVICE, &b->d,
						 &b->nr_devs), 0);
	test->priv = b;
	return 0;
}

static void finish_all(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	u32 i, n;

	if (!b)
		return;
	kfc_blockdevs_close(&b->d, &b->nr_devs);
	for (n = 0; n < NR_READS; n++)
		for (i = 0; i < b->ios[n].io.nr_pages; i++)
			__free_page(b->ios[n].pages[i]);
}

/* 64 pages go there and come back, each at its place. */
static void test_round(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	struct test_io *w = &b->ios[0], *r = &b->ios[1];
	u32 i;

	alloc_io(test, w, 64);
	alloc_io(test, r, 64);
	for (i = 0; i < 64; i++)
		memset32(page_address(w->pages[i]), 1000 + i, KFC_PAGE / 4);
	start(b, w, true, 100);
	finish(test, b);
	KUNIT_EXPECT_EQ(test, w->io.err, 0);
	start(b, r, false, 100);
	finish(test, b);
	KUNIT_EXPECT_EQ(test, r->io.err, 0);
	for (i = 0; i < 64; i++)
		KUNIT_EXPECT_MEMEQ(test, page_address(w->pages[i]),
				   page_address(r->pages[i]), KFC_PAGE);
	KUNIT_EXPECT_EQ(test, atomic_read(&w->done), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->done), 1);
}

/* More reads at once than the queue has places: those wait elsewhere. */
static void test_nowait(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	u32 n, waited = 0;

	alloc_io(test, &b->ios[0], 1);
	for (n = 0; n < 16; n++) {
		memset32(page_address(b->ios[0].pages[0]), 77 + n,
			 KFC_PAGE / 4);
		start(b, &b->ios[0], true, 200 + n);
		finish(test, b);
	}
	for (n = 1; n < NR_READS; n++)
		alloc_io(test, &b->ios[n], 1);
	for (n = 1; n < NR_READS; n++)
		start(b, &b->ios[n], false, 200 + n % 16);
	finish(test, b);
	for (n = 1; n < NR_READS; n++) {
		struct test_io *t = &b->ios[n];

		KUNIT_EXPECT_EQ(test, t->io.err, 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->done), 1);
		KUNIT_EXPECT_EQ(test, *(u32 *)page_address(t->pages[0]),
				77 + n % 16);
		waited += !t->io.nowait;
	}
	kunit_info(test, "%u of %u reads had to wait", waited, NR_READS - 1);
	KUNIT_EXPECT_GT(test, waited, 0);
	KUNIT_EXPECT_LT(test, waited, NR_READS - 1);
}

/* An error is the I/O's own, told once, and not its neighbours'. */
static void test_bad_page(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	u32 n;

	for (n = 0; n < 3; n++) {
		alloc_io(test, &b->ios[n], 1);
		start(b, &b->ios[n], false, KFC_TEST_BAD_PAGE - 1 + n);
	}
	alloc_io(test, &b->ios[3], 64);
	start(b, &b->ios[3], false, KFC_TEST_BAD_PAGE - 32);
	alloc_io(test, &b->ios[4], 4);
	start(b, &b->ios[4], true, KFC_TEST_BAD_PAGE - 2);
	finish(test, b);
	KUNIT_EXPECT_EQ(test, b->ios[0].io.err, 0);
	KUNIT_EXPECT_EQ(test, b->ios[1].io.err, -EIO);
	KUNIT_EXPECT_EQ(test, b->ios[2].io.err, 0);
	KUNIT_EXPECT_EQ(test, b->ios[3].io.err, -EIO);
	KUNIT_EXPECT_EQ(test, b->ios[4].io.err, -EIO);
	for (n = 0; n < 5; n++)
		KUNIT_EXPECT_EQ(test, atomic_read(&b->ios[n].done), 1);
}

/* Closing waits for what is in flight, in the queue and out of it. */
static void test_close(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	u32 n;

	for (n = 0; n < NR_READS; n++)
		alloc_io(test, &b->ios[n], 4);
	for (n = 0; n < NR_READS; n++)
		start(b, &b->ios[n], false, n * 4);
	KUNIT_EXPECT_GT(test, atomic_read(&b->left), 0);
	kfc_blockdevs_close(&b->d, &b->nr_devs);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->left), 0);
}

/* One holder; and what is no block device is told apart. */
static void test_claim(struct kunit *test)
{
	struct test_blockdev *b = test->priv;
	struct kfc_dev *d;
	u32 nr;

	KUNIT_EXPECT_EQ(test, kfc_blockdevs_open(KFC_TEST_DEVICE, &d, &nr),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, kfc_blockdevs_open("/dev/null", &d, &nr),
			-ENOTBLK);
	KUNIT_EXPECT_EQ(test, kfc_blockdevs_open("/dev/none", &d, &nr),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, nr, 0);
	kfc_blockdevs_close(&b->d, &b->nr_devs);
	KUNIT_ASSERT_EQ(test, kfc_blockdevs_open(KFC_TEST_DEVICE, &b->d,
						 &b->nr_devs), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_round),
	KUNIT_CASE(test_nowait),
	KUNIT_CASE(test_bad_page),
	KUNIT_CASE(test_close),
	KUNIT_CASE(test_claim),
	{}
};

static struct kunit_suite suite = {
	.name = "kfc_blockdev",
	.init = init,
	.exit = finish_all,
	.test_cases = cases,
};

kunit_test_suite(suite);

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The index while it grows: one thread adds and removes, others look without a
 * lock. On processors, with real memory order, as no user-space test has it.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/vmalloc.h>

#include "index.h"
#include "kunit.h"

#define NR_KEYS		8000
#define NR_READERS	3

/**
 * struct test_index - what the threads share
 * @ix: the index; a slot's page is the number of its key
 * @there: by key: it is in the index. Cleared before it leaves, set after it
 *	came; the writing thread alone writes
 * @looks: lookups that found what they had to
 * @wrong: lookups that found another key, or nothing
 */
struct test_index {
	struct kfc_index ix;
	u8 *there;
	atomic_t looks;
	atomic_t wrong;
};

static u64 hash_of(u32 key)
{
	u64 h = (key + 1) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 29;
	return h * 0xbf58476d1ce4e5b9ULL;
}

/* A key that was there before and after is found, and is what was stored. */
static int reader(void *arg)
{
	struct test_index *t = arg;
	struct kfc_ipos pos;
	u32 key = 0;
	u64 *slot, v;

	while (!kthread_should_stop()) {
		key = (key + 7919) % NR_KEYS;
		/* Pairs with the release in add(). */
		if (!smp_load_acquire(&t->there[key])) {
			cond_resched();
			continue;
		}
		kfc_index_locate(&t->ix, hash_of(key), &pos);
		rcu_read_lock();
		v = kfc_index_look(&t->ix, &pos, &slot);
		rcu_read_unlock();
		/* Pairs with the order in which leave() does things. */
		smp_rmb();
		if (v && kfc_slot_page(v) == key)
			atomic_inc(&t->looks);
		else if (READ_ONCE(t->there[key]))
			atomic_inc(&t->wrong);
		cond_resched();
	}
	return 0;
}

static void leave(struct test_index *t, u32 key)
{
	WRITE_ONCE(t->there[key], 0);
	/* Who misses it finds that it is not there. */
	smp_wmb();
}

static void add(struct test_index *t, u32 key)
{
	struct kfc_ipos pos;
	spinlock_t *lock; /* of the key's group */
	u64 *slot;

	kfc_index_locate(&t->ix, hash_of(key), &pos);
	lock = kfc_index_lock(&t->ix, &pos);
	spin_lock(lock);
	slot = kfc_index_find(&t->ix, &pos) ?: kfc_index_place(&t->ix, &pos);
	if (*slot)
		leave(t, kfc_slot_page(*slot));
	/* As kfc_index_place() wants it. */
	smp_store_release(slot, kfc_slot_make(pos.tag, 1, key));
	spin_unlock(lock);
	/* Pairs with the acquire in reader(). */
	smp_store_release(&t->there[key], 1);
	kfc_index_added(&t->ix);
}

static void remove(struct test_index *t, u32 key)
{
	struct kfc_ipos pos;
	spinlock_t *lock; /* of the key's group */
	u64 *slot;

	if (!t->there[key])
		return;
	kfc_index_locate(&t->ix, hash_of(key), &pos);
	lock = kfc_index_lock(&t->ix, &pos);
	spin_lock(lock);
	slot = kfc_index_find(&t->ix, &pos);
	if (slot) {
		leave(t, key);
		kfc_index_clear(&t->ix, &pos, slot);
	}
	spin_unlock(lock);
}

/* Entries by a walk over all groups. */
static u32 walk(struct test_index *t)
{
	u64 at = kfc_place(0), end = kfc_place(t->ix.lines0), *slots;
	u32 n, nr, entries = 0;

	while (at < end) {
		struct kfc_ipos pos = kfc_pos_at(at);
		spinlock_t *lock = kfc_index_lock(&t->ix, &pos);

		spin_lock(lock);
		slots = kfc_index_group(&t->ix, &at, &nr);
		for (n = 0; n < nr; n++)
			entries += !!slots[n];
		spin_unlock(lock);
		cond_resched();
	}
	return entries;
}

static void test_growth(struct kunit *test)
{
	struct test_index *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct task_struct *readers[NR_READERS];
	u32 key, n, there = 0;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->there = vzalloc(NR_KEYS);
	KUNIT_ASSERT_NOT_NULL(test, t->there);
	KUNIT_ASSERT_EQ(test, kfc_index_init(&t->ix, kfc_index_size(1 << 20),
					     0), 0);
	for (n = 0; n < NR_READERS; n++) {
		readers[n] = kthread_run(reader, t, "kfc_test/%u", n);
		KUNIT_ASSERT_FALSE(test, IS_ERR(readers[n]));
	}
	for (key = 0; key < NR_KEYS; key++) {
		add(t, key);
		if (key % 5 == 0)
			remove(t, key / 2);
		if (key % 256 == 0)
			msleep(20);
	}
	for (n = 0; n < 250 && READ_ONCE(t->ix.to); n++)
		msleep(20);
	for (n = 0; n < NR_READERS; n++)
		kthread_stop(readers[n]);

	for (key = 0; key < NR_KEYS; key++)
		there += t->there[key];
	kunit_info(test, "%u keys, %llu growths, %d lookups", there,
		   t->ix.growths, atomic_read(&t->looks));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->looks), NR_KEYS / 10);
	KUNIT_EXPECT_GE(test, t->ix.growths, 4);
	KUNIT_EXPECT_EQ(test, walk(t), there);
	KUNIT_EXPECT_EQ(test, percpu_counter_sum(&t->ix.used), there);
	kfc_index_exit(&t->ix);
	vfree(t->there);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_SLOW(test_growth),
	{}
};

static struct kunit_suite suite = {
	.name = "kfc_index",
	.test_cases = cases,
};

kunit_test_suite(suite);

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The index by itself: filled from its smallest size to its largest. What
 * happens while others look is the simulator's (tests/sim).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "index.h"

#define MIB (1 << 20)

/* An index, and what should be in it: entry n is the page of its slot. */
struct fill {
	struct kfc_index ix;
	u64 seed;
	u32 n;		/* entries put in so far */
	u32 full;	/* of them, those that evicted for want of a slot */
	u32 gone;	/* evicted or replaced */
	u8 *bits;	/* which ones */
};

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static bool is_gone(const struct fill *f, u32 n)
{
	return f->bits[n / 8] >> n % 8 & 1;
}

static void fill_start(struct fill *f, u64 bytes, u32 most, u64 seed)
{
	memset(f, 0, sizeof(*f));
	f->seed = seed;
	f->bits = calloc(most / 8 + 1, 1);
	assert_int_equal(kfc_index_init(&f->ix, kfc_index_size(bytes), 0), 0);
}

static void fill_stop(struct fill *f)
{
	kfc_index_exit(&f->ix);
	free(f->bits);
}

/* As a set does it. */
static void put(struct fill *f)
{
	struct kfc_ipos pos;
	spinlock_t *lock;
	bool added;
	u64 *slot;

	kfc_index_locate(&f->ix, mix(f->seed + f->n), &pos);
	lock = kfc_index_lock(&f->ix, &pos);
	spin_lock(lock);
	slot = kfc_index_find(&f->ix, &pos);
	added = !slot;
	if (added) {
		slot = kfc_index_place(&f->ix, &pos);
		f->full += !!*slot;
	}
	if (*slot) {
		u32 old = kfc_slot_page(*slot);

		assert_false(is_gone(f, old));
		f->bits[old / 8] |= 1 << old % 8;
		f->gone++;
	}
	*slot = kfc_slot_make(pos.tag, 1, f->n++);
	spin_unlock(lock);
	if (added)
		kfc_index_added(&f->ix);
}

/* Each entry is there once, and where lookups find it. */
static void check(struct fill *f, u32 stride)
{
	u64 place = kfc_place(0), end = kfc_place(f->ix.lines0), *slot, v;
	u32 i, nr, n = 0;

	while (place < end) {
		u64 *s = kfc_index_group(&f->ix, &place, &nr);

		for (i = 0; i < nr; i++)
			n += !!s[i];
	}
	assert_int_equal(place, end);
	assert_int_equal(n, f->n - f->gone);
	assert_int_equal(percpu_counter_read(&f->ix.used), n);
	for (n = rand() % stride; n < f->n; n += stride) {
		struct kfc_ipos pos;

		if (is_gone(f, n))
			continue;
		kfc_index_locate(&f->ix, mix(f->seed + n), &pos);
		rcu_read_lock();
		v = kfc_index_look(&f->ix, &pos, &slot);
		rcu_read_unlock();
		assert_int_equal(kfc_slot_page(v), n);
		assert_int_equal(kfc_slot_tag(v), pos.tag);
	}
}

static double per_entry(const struct fill *f)
{
	return (double)f->ix.bytes / (f->n - f->gone);
}

/* Lines that a lookup touches, on the average of so many. */
static double lines_a_lookup(struct fill *f, bool hit, u32 nr, u32 *found)
{
	u64 before = shim_lines, *slot;
	struct kfc_ipos pos;
	u32 i;

	*found = 0;
	for (i = 0; i < nr; i++) {
		kfc_index_locate(&f->ix, mix(hit ? f->seed + mix(i) % f->n :
					     ~f->seed - i), &pos);
		rcu_read_lock();
		*found += !!kfc_index_look(&f->ix, &pos, &slot);
		rcu_read_unlock();
	}
	return (double)(shim_lines - before) / nr;
}

/* The most that one set and its share of growth look at. */
#define MOST_LINES 1200

/*
 * 10 million entries, from a table for 20 thousand. The work item gets a turn
 * each 50 sets, which is rarely.
 */
static void test_fill(void **state)
{
	const u32 want = 10000000;
	/* At 76 % of its slots an index is full. */
	u64 bytes = want / 76 * 100 * 8ULL, bound;
	u32 most = 0, level = 0, found, missed;
	double worst = 0, hit, miss;
	struct fill f;

	srand(11);
	fill_start(&f, bytes, want, 1000);
	bound = kfc_index_bound(kfc_index_size(bytes));
	assert_true(f.ix.bytes < bound / 400);
	shim_works_off = true;
	while (f.n < want) {
		u64 before = shim_lines;

		put(&f);
		most = max(most, (u32)(shim_lines - before));
		if (f.n % 50 == 0 && kfc_index_step(&f.ix) && f.n < 100000)
			check(&f, 1);
		assert_true(f.ix.bytes <= bound);
		if (kfc_index_level(&f.ix) == 8 && f.ix.to == 9 && worst == 0) {
			/* In the middle of the last one. */
			check(&f, 64);
			worst = per_entry(&f);
		}
		if (kfc_index_level(&f.ix) != level) {
			level++;
			assert_int_equal(kfc_index_level(&f.ix), level);
			if (level >= 4)
				worst = max(worst, per_entry(&f));
			check(&f, 1 + f.n / 100000);
			/* All before the last one together. */
			assert_true(f.full <= 2 + f.n / 50000);
		}
	}
	shim_works_off = false;
	check(&f, 32);
	hit = lines_a_lookup(&f, true, 500000, &found);
	miss = lines_a_lookup(&f, false, 2000000, &missed);
	print_message("index: %u entries at level %u, %.2f bytes each, %.2f at the worst point of a growth; %u sets in a million evicted early; %.3f lines a hit, %.3f a miss, %u of them in a million of another's tag; %u lines at most in a set\n",
		      f.n, kfc_index_level(&f.ix), per_entry(&f), worst,
		      (u32)((u64)f.full * 1000000 / f.n), hit, miss,
		      missed / 2, most);
	assert_int_equal(f.ix.growths, KFC_INDEX_GROWTH);
	assert_int_equal(f.ix.put_off, 0);
	assert_true(per_entry(&f) <= 10.7);
	assert_true(f.full <= f.n / 1000);
	assert_true(hit < 1.3 && miss < 2.5);
	assert_true(missed < 2 * 100);
	assert_true(found > 499000);
	assert_true(most <= MOST_LINES);
	fill_stop(&f);
}

/* Any size, some of them odd; filled to the brim and beyond. */
static void test_sizes(void **state)
{
	static const u32 kib[] = { 1, 32, 64, 96, 160, 1024, 1504, 3232 };
	struct fill f;
	u32 i, most;

	for (i = 0; i < ARRAY_SIZE(kib); i++) {
		most = kfc_index_size(kib[i] << 10) / 8;
		srand(i);
		fill_start(&f, kib[i] << 10, most, i);
		while (f.n < most) {
			put(&f);
			assert_true(f.ix.bytes <=
				    kfc_index_bound(most * 8ULL));
			if (rand() % (most / 16) == 0)
				check(&f, 1);
			if (f.n == most * 3 / 4)
				assert_true(f.full <= f.n / 200 + 2);
		}
		check(&f, 1);
		assert_int_equal(kfc_index_slots(&f.ix), most);
		assert_int_equal(kfc_index_most(&f.ix), most);
		assert_int_equal(f.ix.growths, KFC_INDEX_GROWTH);
		assert_true(f.full && f.full < most / 8);
		fill_stop(&f);
	}
}

/* Entries come and go in the middle of growths, level by level. */
static void test_while_growing(void **state)
{
	struct fill f;
	u32 i, nr;

	srand(3);
	fill_start(&f, MIB, 1 << 20, 77);
	shim_works_off = true;
	while (kfc_index_level(&f.ix) < KFC_INDEX_GROWTH) {
		u64 at, *s;

		for (i = rand() % 200; i; i--)
			put(&f);
		at = kfc_place(rand() % f.ix.lines0);
		for (i = rand() % 4; i && at < kfc_place(f.ix.lines0); i--)
			s = kfc_index_group(&f.ix, &at, &nr);
		if (at < kfc_place(f.ix.lines0)) {
			struct kfc_ipos pos = kfc_pos_at(at);
			spinlock_t *lock = kfc_index_lock(&f.ix, &pos);

			spin_lock(lock);
			s = kfc_index_group(&f.ix, &at, &nr);
			for (i = 0; i < nr; i++) {
				u32 n = kfc_slot_page(s[i]);

				if (!s[i] || rand() % 2)
					continue;
				f.bits[n / 8] |= 1 << n % 8;
				f.gone++;
				pos.tag = kfc_slot_tag(s[i]);
				kfc_index_clear(&f.ix, &pos, &s[i]);
			}
			spin_unlock(lock);
		}
		if (rand() % 3 == 0)
			kfc_index_step(&f.ix);
		if (rand() % 8 == 0)
			check(&f, 1);
	}
	check(&f, 1);
	shim_works_off = false;
	fill_stop(&f);
}

/* Without memory it waits, loses nothing but by evictions, and goes on. */
static void test_no_memory(void **state)
{
	u32 seed, failed = 0;
	struct fill f;

	for (seed = 0; seed < 20; seed++) {
		srand(seed);
		fill_start(&f, MIB, MIB / 8, seed);
		while (f.n < MIB / 8 * 7 / 10) {
			if (rand() % 100 == 0)
				shim_fail_alloc = 1 + rand() % 12;
			if (rand() % 50 == 0)
				jiffies += rand() % (2 * HZ);
			put(&f);
			if (rand() % 2000 == 0)
				check(&f, 1);
		}
		shim_fail_alloc = 0;
		failed += f.ix.put_off;
		check(&f, 1);
		jiffies += 2 * HZ;
		kfc_index_added(&f.ix);
		assert_int_equal(kfc_index_level(&f.ix), KFC_INDEX_GROWTH);
		assert_int_equal(f.ix.growths, KFC_INDEX_GROWTH);
		check(&f, 1);
		fill_stop(&f);
	}
	assert_true(failed > 20);
	/* No memory at all: it serves on, full. */
	fill_start(&f, MIB, MIB / 8, 1);
	while (f.n < 10000) {
		shim_fail_alloc = 1;
		put(&f);
		jiffies += f.n % 100 == 0 ? HZ : 0;
	}
	shim_fail_alloc = 0;
	assert_int_equal(kfc_index_level(&f.ix), 0);
	assert_in_range(f.ix.put_off, 50, 101);
	assert_int_equal(f.n - f.gone, kfc_index_slots(&f.ix));
	assert_int_equal(f.full, f.gone);
	check(&f, 1);
	fill_stop(&f);
}

/* A small index starts with as much as was asked for, a large one with its 512th. */
static void test_start(void **state)
{
	static const struct {
		u64 bytes;
		u64 least;
		u32 level;
	} t[] = {
		{ 2 * MIB, 0, 0 },
		{ 2 * MIB, 4 << 10, 0 },
		{ 2 * MIB, (4 << 10) + 1, 1 },
		{ 2 * MIB, 64 << 10, 4 },
		{ MIB, 64 << 10, 5 },
		{ 64 * MIB, 64 << 10, 0 },
		{ 1ULL << 40, 64 << 10, 0 },
		{ 32 << 10, 64 << 10, KFC_INDEX_GROWTH },
	};
	struct kfc_index ix = { 0 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(kfc_index_start(t[i].bytes, t[i].least),
				 t[i].level);
	assert_int_equal(kfc_index_init(&ix, 2 * MIB, 4), 0);
	assert_int_equal(kfc_index_slots(&ix), (64 << 10) / 8);
	kfc_index_exit(&ix);
}

/* An index that can't be made leaves nothing behind. */
static void test_init_fails(void **state)
{
	struct kfc_index ix = { 0 };
	u32 level, n;
	int err;

	for (level = 0; level <= KFC_INDEX_GROWTH; level += 3) {
		for (n = 1, err = -ENOMEM; err; n++) {
			shim_fail_alloc = n;
			err = kfc_index_init(&ix, MIB, level);
			assert_true(!err || err == -ENOMEM);
		}
		shim_fail_alloc = 0;
		assert_true(n > 3);
		assert_int_equal(kfc_index_slots(&ix),
				 MIB / 8 >> (KFC_INDEX_GROWTH - level));
		kfc_index_exit(&ix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_while_growing),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_init_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory pressure: what the kernel's shrinker asks for, and what becomes of it.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"
#include "pressure.h"

#include <cmocka.h>

#define SLAB	(128U << 10)
#define SLABS	32
#define LEN	900
#define KEYS	4000

static char value[LEN];

static const char *bytes_of(u32 key)
{
	memset(value, 'a' + key % 26, LEN);
	memcpy(value, &key, sizeof(key));
	return value;
}

static void step(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

/* All of memory is in use; half of it may be given. */
static void fill(struct env *e, struct env_client *ec, bool device)
{
	char key[16];
	u32 i;

	env_start(e, SLAB, SLABS, device ? 64 : 0, 256 << 10);
	e->c.cfg.memory_min_mb = 2;
	env_client_init(e, ec);
	for (i = 0; i < KEYS; i++) {
		sprintf(key, "k%u", i);
		assert_string_equal(env_set(e, ec, "set", key, 0, 0,
					    bytes_of(i), LEN, ""),
				    "STORED\r\n");
		step(e);
	}
	assert_int_equal(e->c.log.nr_bufs, SLABS);
	assert_true(list_empty(&e->c.log.bufs));
}

static u32 hits(struct env *e, struct env_client *ec)
{
	u32 i, n = 0;

	for (i = 0; i < KEYS; i++) {
		const char *a = env_ask(e, ec, "get k%u\r\n", i);

		if (!strcmp(a, "END\r\n"))
			continue;
		assert_memory_equal(strstr(a, "\r\n") + 2, bytes_of(i), LEN);
		n++;
	}
	return n;
}

static void finish(struct env *e, struct env_client *ec)
{
	env_client_exit(e, ec);
	env_stop(e);
}

static void test_down_to_the_floor(void **state)
{
	u32 slab = SLAB / KFC_PAGE, n;
	struct kfc_log_info info;
	struct env_client ec;
	struct env e;
	u64 writes;
	long pages;

	fill(&e, &ec, true);
	assert_int_equal(kfc_pressure_floor(&e.c), 2 << 20);
	assert_int_equal(kfc_pressure_pages(&e.c), SLABS / 2 * slab);
	pages = shim_pages;
	writes = e.d.writes;
	/* A slab for a wish of less. */
	assert_int_equal(kfc_pressure_give(&e.c, 1), slab);
	assert_int_equal(kfc_pressure_pages(&e.c), (SLABS / 2 - 1) * slab);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 1);
	assert_int_equal(shim_pages, pages - slab);
	assert_int_equal(kfc_pressure_give(&e.c, 3 * slab + 1), 3 * slab);
	for (n = 4; kfc_pressure_give(&e.c, slab); n++)
		step(&e);
	assert_int_equal(n, SLABS / 2);
	assert_int_equal(e.counters.shrinks, n - 2);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS / 2);
	assert_int_equal(shim_pages, pages - SLABS / 2 * slab);
	assert_int_equal(kfc_pressure_pages(&e.c), 0);
	assert_int_equal(e.d.writes, writes);
	kfc_log_info(&e.c, &info);
	assert_int_equal(info.mem_given, SLABS / 2 * SLAB);
	assert_int_equal(info.mem_limit, SLABS / 2 * SLAB);
	/* It is on the device, all of it. */
	assert_int_equal(hits(&e, &ec), KEYS);
	assert_int_equal(e.counters.ev_space + e.counters.ev_device, 0);
	finish(&e, &ec);
}

/* Whatever memory_min_mb says, what the log needs is its own. */
static void test_least(void **state)
{
	struct env_client ec;
	char key[16];
	struct env e;
	u32 i;

	fill(&e, &ec, true);
	e.c.cfg.memory_min_mb = 0;
	while (kfc_pressure_give(&e.c, 1000))
		step(&e);
	assert_int_equal(kfc_pressure_floor(&e.c),
			 kfc_log_least(&e.c.log) * SLAB);
	assert_int_equal(e.c.log.nr_bufs, kfc_log_least(&e.c.log));
	assert_int_equal(hits(&e, &ec), KEYS);
	/* Sets find their place, too. */
	for (i = 0; i < KEYS; i++) {
		sprintf(key, "k%u", i);
		assert_string_equal(env_set(&e, &ec, "set", key, 0, 0,
					    bytes_of(i), LEN, ""),
				    "STORED\r\n");
		if (i % 16 == 0)
			kfc_pressure_give(&e.c, 1000);
	}
	finish(&e, &ec);
}

/* Nor do copies, or what a reclaim carried forward, keep its memory. */
static void test_open_heads(void **state)
{
	struct kfc_log_info info;
	struct env_client ec;
	char key[16];
	struct env e;
	u32 i, n;

	/* All heads are to be open: there is one CPU here. */
	env_threads = 1;
	fill(&e, &ec, true);
	env_threads = 2;
	assert_int_equal(e.c.log.nr_heads, 1);
	e.c.cfg.memory_min_mb = 0;
	e.c.cfg.reinsert_pct = 90;
	/* The oldest are on the device, used, and copied at the second time. */
	for (n = 0; n < 2; n++)
		for (i = 0; i < 100; i++)
			env_ask(&e, &ec, "get k%u\r\n", i);
	for (i = 0; !e.counters.reinserted; i++) {
		assert_in_range(i, 0, 3 * KEYS);
		sprintf(key, "n%u", i);
		env_set(&e, &ec, "set", key, 0, 0, bytes_of(i), LEN, "");
		step(&e);
	}
	for (i = KEYS - 1; i > KEYS - 1500; i--)
		for (n = 0; n < 2; n++)
			env_ask(&e, &ec, "get k%u\r\n", i);
	kfc_log_info(&e.c, &info);
	assert_true(info.copies > 0);
	assert_non_null(kfc_log_head(&e.c.log, KFC_HEAD_COPIES)->slab);
	assert_non_null(kfc_log_head(&e.c.log, KFC_HEAD_KEPT)->slab);
	while (kfc_pressure_give(&e.c, 1000))
		step(&e);
	assert_int_equal(e.c.log.nr_bufs, kfc_log_least(&e.c.log));
	for (i = 0; i < KEYS; i++) {
		sprintf(key, "m%u", i);
		assert_string_equal(env_set(&e, &ec, "set", key, 0, 0,
					    bytes_of(i), LEN, ""),
				    "STORED\r\n");
	}
	step(&e);
	assert_int_equal(e.c.log.nr_copies, 0);
	assert_int_equal(env_slots(&e), env_items(&e));
	finish(&e, &ec);
}

static void test_comes_back(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i;

	fill(&e, &ec, true);
	kfc_pressure_give(&e.c, 10 * SLAB / KFC_PAGE);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 10);
	jiffies += msecs_to_jiffies(9000);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 10);
	/* Somebody asks again: so it begins anew. */
	kfc_pressure_give(&e.c, 1);
	jiffies += msecs_to_jiffies(9000);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 11);
	jiffies += msecs_to_jiffies(1000);
	for (i = 1; i <= 11; i++) {
		step(&e);
		assert_int_equal(e.c.log.nr_bufs, SLABS - 11 + i);
		jiffies += msecs_to_jiffies(1000);
	}
	for (i = 0; i < 20; i++) {
		jiffies += msecs_to_jiffies(1000);
		step(&e);
	}
	assert_int_equal(e.c.log.nr_bufs, SLABS);
	assert_int_equal(e.c.log.want_bufs, SLABS);
	/* The machine has none yet: later, then. */
	kfc_pressure_give(&e.c, 1);
	step(&e);
	jiffies += msecs_to_jiffies(10000);
	shim_fail_alloc = 1;
	step(&e);
	assert_int_equal(shim_fail_alloc, 0);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 1);
	jiffies += msecs_to_jiffies(9000);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 1);
	jiffies += msecs_to_jiffies(1000);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS);
	assert_int_equal(hits(&e, &ec), KEYS);
	finish(&e, &ec);
}

/* Who sets memory_mb gets it, at once, whatever pressure took. */
static void test_resized(void **state)
{
	struct env_client ec;
	struct env e;

	fill(&e, &ec, true);
	kfc_pressure_give(&e.c, 10 * SLAB / KFC_PAGE);
	step(&e);
	assert_int_equal(kfc_cache_resize(&e.c, (SLABS - 2) * SLAB), 0);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 2);
	jiffies += msecs_to_jiffies(60000);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 2);
	/* Less than what is to be kept: then nothing is given. */
	assert_int_equal(kfc_cache_resize(&e.c, 12 * SLAB), 0);
	step(&e);
	assert_int_equal(kfc_pressure_give(&e.c, 1), 0);
	assert_int_equal(kfc_pressure_floor(&e.c), 12 * SLAB);
	finish(&e, &ec);
}

static void test_nothing_to_give(void **state)
{
	struct env_client ec;
	struct env e;

	fill(&e, &ec, true);
	/* Somebody has the lock. */
	spin_lock(&e.c.log.lock);
	assert_int_equal(kfc_pressure_give(&e.c, 1), 0);
	spin_unlock(&e.c.log.lock);
	assert_int_equal(e.c.log.want_bufs, SLABS);
	/* What is in memory is nowhere else. */
	kfc_member_fail(&e.c, 0, "a test");
	assert_int_equal(kfc_pressure_pages(&e.c), 0);
	assert_int_equal(kfc_pressure_give(&e.c, 1), 0);
	assert_int_equal(e.counters.shrinks, 0);
	finish(&e, &ec);
}

/* Without a device only who asks for it loses objects, and they are counted. */
static void test_no_device(void **state)
{
	struct env_client ec;
	struct env e;
	u32 before;

	fill(&e, &ec, false);
	e.c.cfg.memory_min_mb = SLABS * SLAB >> 20;
	assert_int_equal(kfc_pressure_pages(&e.c), 0);
	assert_int_equal(kfc_pressure_give(&e.c, 1), 0);
	e.c.cfg.memory_min_mb = 2;
	before = hits(&e, &ec);
	assert_int_equal(before + e.counters.ev_space, KEYS);
	while (kfc_pressure_give(&e.c, 1))
		step(&e);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS / 2);
	assert_in_range(hits(&e, &ec), before / 3, before - 1);
	assert_int_equal(hits(&e, &ec) + e.counters.ev_space, KEYS);
	finish(&e, &ec);
}

/* A socket keeps the pages that it has; they are counted until it lets go. */
static void test_lent(void **state)
{
	struct page *pages[SLAB / KFC_PAGE];
	struct env_client ec;
	struct kfc_slab *s;
	struct env e;
	long before;
	u32 i;

	fill(&e, &ec, true);
	s = list_first_entry(&e.c.log.resident[0], struct kfc_slab, resident);
	memcpy(pages, s->buf->pages, sizeof(pages));
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		get_page(pages[i]);
	before = shim_pages;
	kfc_pressure_give(&e.c, 1);
	step(&e);
	assert_int_equal(e.c.log.nr_bufs, SLABS - 1);
	assert_int_equal(e.c.log.nr_orphans, ARRAY_SIZE(pages));
	assert_int_equal(shim_pages, before);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		put_page(pages[i]);
	step(&e);
	assert_int_equal(e.c.log.nr_orphans, 0);
	assert_int_equal(shim_pages, before - (long)ARRAY_SIZE(pages));
	assert_int_equal(hits(&e, &ec), KEYS);
	finish(&e, &ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_down_to_the_floor),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_open_heads),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_resized),
		cmocka_unit_test(test_nothing_to_give),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

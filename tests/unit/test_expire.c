// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What dies without being asked for: slabs that are freed without being read,
 * and the sweep that takes the expired out of the others.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"

#include <cmocka.h>

static char value[2000];

static void must(const char *answer, const char *want)
{
	assert_string_equal(answer, want);
}

#define ASK(want, ...) must(env_ask(&e, &ec, __VA_ARGS__), want)

static void step(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

/* Nothing else happens for so long. */
static void idle(struct env *e, u32 ms)
{
	for (; ms >= KFC_EXPIRE_MS; ms -= KFC_EXPIRE_MS) {
		jiffies += msecs_to_jiffies(KFC_EXPIRE_MS);
		step(e);
	}
}

static void store(struct env *e, struct env_client *ec, const char *name,
		  u32 from, u32 n, u32 ttl)
{
	char key[32];

	memset(value, 'v', sizeof(value));
	for (; n--; from++) {
		sprintf(key, "%s-%u", name, from);
		must(env_set(e, ec, "set", key, 0, ttl ? env_now + ttl : 0,
			     value, sizeof(value), ""), "STORED\r\n");
		step(e);
	}
}

static u32 hits(struct env *e, struct env_client *ec, const char *name, u32 n)
{
	u32 there = 0;

	while (n--)
		there += !!strcmp(env_ask(e, ec, "get %s-%u\r\n", name, n),
				  "END\r\n");
	return there;
}

static struct kfc_log_info info(struct env *e)
{
	struct kfc_log_info i;

	kfc_log_info(&e->c, &i);
	return i;
}

static u64 evictions(struct env *e)
{
	return e->counters.ev_space + e->counters.ev_device +
	       e->counters.ev_index + e->counters.ev_tag +
	       e->counters.ext_objects_evicted +
	       e->counters.ext_page_evictions;
}

static void begin(struct env *e, struct env_client *ec, u32 memory, u32 device)
{
	srand(1);
	env_start(e, 128 << 10, memory, device, 256 << 10);
	env_client_init(e, ec);
	idle(e, 1000);
}

static void end(struct env *e, struct env_client *ec)
{
	env_client_exit(e, ec);
	env_stop(e);
}

/* Slabs whose objects were deleted or stored anew, in the midst of others. */
static void test_empty(void **state)
{
	struct env_client ec;
	struct env e;
	u64 free, k;

	begin(&e, &ec, 4, 100);
	store(&e, &ec, "old", 0, 600, 0);
	store(&e, &ec, "gone", 0, 600, 0);
	store(&e, &ec, "new", 0, 600, 0);
	free = info(&e).slabs_free;
	for (k = 0; k < 600; k++)
		ASK("DELETED\r\n", "delete gone-%llu\r\n", k);
	e.d.reads = 0;
	idle(&e, 1000);
	assert_int_equal(e.d.reads, 0);
	assert_in_range(info(&e).slabs_free, free + 8, free + 10);
	assert_in_range(e.counters.ext_page_reclaims, 8, 10);
	assert_int_equal(evictions(&e), 0);
	assert_int_equal(e.counters.reclaimed, 0);
	assert_int_equal(hits(&e, &ec, "old", 600), 600);
	assert_int_equal(hits(&e, &ec, "new", 600), 600);
	end(&e, &ec);
}

/* All that was stored before a time expires, on the device and in memory. */
static void all_expired(u32 memory, u32 device, bool flush)
{
	struct env_client ec;
	struct env e;
	u64 free;
	u32 n;

	begin(&e, &ec, memory, device);
	free = info(&e).slabs_free;
	store(&e, &ec, "a", 0, 600, 100);
	store(&e, &ec, "b", 0, 600, 200);
	if (!flush)
		store(&e, &ec, "keep", 0, 200, 0);
	e.d.reads = 0;
	idle(&e, 20000);
	assert_int_equal(info(&e).items, flush ? 1200 : 1400);
	if (flush)
		ASK("OK\r\n", "flush_all\r\n");
	else
		env_now += 100;
	idle(&e, 2000);
	n = info(&e).items;
	/* Of what shares a slab with others that live the sweep takes care. */
	if (flush)
		assert_int_equal(n, 0);
	else
		assert_int_equal(n, 800);
	assert_int_equal(e.counters.reclaimed, flush ? 1200 : 600);
	env_now += 100;
	idle(&e, 12000);
	assert_int_equal(info(&e).items, flush ? 0 : 200);
	assert_int_equal(e.counters.reclaimed, 1200);
	assert_int_equal(evictions(&e), 0);
	if (flush)
		assert_in_range(info(&e).slabs_free, free - 3, free);
	else
		assert_in_range(info(&e).slabs_free, free - 8, free - 4);
	/* One slab may hold some of each kind. */
	assert_in_range(e.d.reads, 0, 2);
	assert_int_equal(e.d.reads, e.counters.sweep_reads);
	if (!flush)
		assert_int_equal(hits(&e, &ec, "keep", 200), 200);
	end(&e, &ec);
}

static void test_all_expired(void **state)
{
	all_expired(4, 100, false);
	all_expired(64, 0, false);
}

static void test_all_flushed(void **state)
{
	all_expired(4, 100, true);
	all_expired(64, 0, true);
}

/* Slabs of which some objects expire: so many reads in such a time. */
static void test_sweep(void **state)
{
	struct env_client ec;
	struct env e;
	u64 before;
	u32 k;

	begin(&e, &ec, 4, 100);
	for (k = 0; k < 1500; k++) {
		store(&e, &ec, "soon", k, 1, 10);
		store(&e, &ec, "late", k, 1, 10000);
	}
	store(&e, &ec, "never", 0, 200, 0);
	e.d.reads = 0;
	idle(&e, 5000);
	assert_int_equal(e.d.reads, 0);
	env_now += 10;
	for (k = 0; k < 20; k++) {
		before = e.d.reads;
		idle(&e, 1000);
		assert_true(e.d.reads - before <= 1000 / KFC_EXPIRE_MS);
	}
	assert_int_equal(info(&e).items, 1700);
	assert_int_equal(e.counters.reclaimed, 1500);
	assert_int_equal(evictions(&e), 0);
	/* Each slab once, but for those in memory. */
	assert_in_range(e.counters.sweep_reads, 40, 60);
	assert_int_equal(e.d.reads, e.counters.sweep_reads);
	before = e.d.reads;
	env_now += 100;
	idle(&e, 20000);
	assert_int_equal(e.d.reads, before);
	assert_int_equal(hits(&e, &ec, "late", 1500), 1500);
	assert_int_equal(hits(&e, &ec, "never", 200), 200);
	end(&e, &ec);
}

/* With a writer that has something else to do nothing is read. */
static void test_not_idle(void **state)
{
	struct env_client ec;
	u32 k, written = 0;
	struct env e;
	u64 reads;

	begin(&e, &ec, 4, 100);
	for (k = 0; k < 1500; k++) {
		store(&e, &ec, "soon", k, 1, 10);
		store(&e, &ec, "late", k, 1, 10000);
	}
	env_now += 10;
	for (k = 0; k < 2000; k++) {
		must(env_set(&e, &ec, "set", "k", 0, 0, value, sizeof(value),
			     ""), "STORED\r\n");
		if (list_empty(&e.c.log.sealed))
			continue;
		jiffies += KFC_EXPIRE_MS;
		reads = e.d.reads;
		assert_true(kfc_log_step(&e.c));
		assert_int_equal(e.d.reads, reads);
		step(&e);
		written++;
	}
	assert_true(written > 20);
	reads = e.d.reads;
	idle(&e, 1000);
	assert_true(e.d.reads > reads);
	end(&e, &ec);
}

/* Slabs that have a new life before the pass for their old one has ended. */
static void test_reused(void **state)
{
	struct env_client ec;
	struct env e;
	u32 there;

	srand(1);
	env_start(&e, 128 << 10, 4, 20, 4ULL << 30);
	env_client_init(&e, &ec);
	assert_true(e.c.index.lines0 > 65536);
	jiffies += KFC_EXPIRE_MS;
	store(&e, &ec, "old", 0, 900, 10);
	env_now += 10;
	step(&e);
	jiffies += KFC_EXPIRE_MS;
	step(&e);
	assert_true(e.c.log.expire.passing);
	assert_in_range(e.counters.reclaimed, 300, 600);
	/* In no time, as far as the pass is concerned. */
	store(&e, &ec, "new", 0, 1000, 0);
	assert_true(e.c.log.expire.passing);
	idle(&e, 2000);
	there = hits(&e, &ec, "new", 1000);
	assert_in_range(there, 700, 1000);
	assert_int_equal(there, info(&e).items);
	assert_int_equal(e.counters.reclaimed, 900);
	assert_int_equal(e.counters.ev_space, 1000 - there);
	end(&e, &ec);
}

/* A few objects in a slab that is never full, and newer ones in their page. */
static void test_open(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	begin(&e, &ec, 4, 0);
	for (k = 0; k < 10; k++)
		ASK("STORED\r\n", "set k-%u 0 5 1\r\nx\r\n", k);
	ASK("STORED\r\n", "set k-3 0 0 1\r\ny\r\n");
	ASK("STORED\r\n", "set k-4 0 8 1\r\nz\r\n");
	ASK("STORED\r\n", "set past 0 -1 1\r\nz\r\n");
	ASK("STORED\r\n", "set stays 0 0 1\r\nz\r\n");
	idle(&e, 1000);
	assert_int_equal(info(&e).items, 11);
	env_now += 5;
	idle(&e, 1000);
	assert_int_equal(info(&e).items, 11);	/* looked at a moment ago */
	env_now += 5;
	idle(&e, 1000);
	assert_int_equal(info(&e).items, 2);
	assert_int_equal(e.counters.reclaimed, 10);
	ASK("VALUE k-3 0 1\r\ny\r\nEND\r\n", "get k-3\r\n");
	ASK("VALUE stays 0 1\r\nz\r\nEND\r\n", "get stays\r\n");
	ASK("OK\r\n", "flush_all\r\n");
	idle(&e, 1000);
	assert_int_equal(info(&e).items, 0);
	assert_int_equal(e.counters.reclaimed, 12);
	assert_int_equal(evictions(&e), 0);
	end(&e, &ec);
}

/* Two keys of one tag in a page: what expired may not take the other along. */
static void test_same_tag(void **state)
{
	struct env_client ec;
	struct env e;

	shim_hash_mask = 0;
	begin(&e, &ec, 4, 0);
	ASK("STORED\r\n", "set a 0 5 1\r\nx\r\n");
	ASK("STORED\r\n", "set b 0 0 1\r\ny\r\n");
	env_now += 5;
	idle(&e, 1000);
	assert_int_equal(info(&e).items, 1);
	ASK("VALUE b 0 1\r\ny\r\nEND\r\n", "get b\r\n");
	ASK("END\r\n", "get a\r\n");
	end(&e, &ec);
	shim_hash_mask = ~0ULL;
}

/* A summary that is damaged or can't be read costs the sweep, nothing else. */
static void test_bad_summary(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	begin(&e, &ec, 4, 100);
	for (k = 0; k < 300; k++) {
		store(&e, &ec, "soon", k, 1, 10);
		store(&e, &ec, "late", k, 1, 10000);
	}
	store(&e, &ec, "never", 0, 300, 0);
	env_now += 10;
	e.d.fail_reads = 1;
	idle(&e, 200);
	assert_int_equal(e.counters.read_errors, 1);
	e.d.flip_reads = 1;
	idle(&e, 3000);
	assert_int_equal(e.counters.bad_summary, 1);
	k = info(&e).items;
	assert_in_range(k, 600 + 20, 600 + 80);
	/* The one that could not be read is tried once more. */
	env_now += 60;
	idle(&e, 3000);
	assert_in_range(info(&e).items, 600 + 10, k - 10);
	assert_int_equal(hits(&e, &ec, "late", 300), 300);
	assert_int_equal(hits(&e, &ec, "soon", 300), 0);
	assert_int_equal(evictions(&e), 0);
	end(&e, &ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_all_expired),
		cmocka_unit_test(test_all_flushed),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_not_idle),
		cmocka_unit_test(test_reused),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_same_tag),
		cmocka_unit_test(test_bad_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

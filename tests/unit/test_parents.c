// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the parents got wrong, as far as it needs no sockets: fatcache died of
 * a mix of sizes and pipelining and grew with every set; kmemcached's table had
 * the size it was loaded with, and what was in it stayed for ever. The whole
 * list is in tests/README.md.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <malloc.h>

#include "env.h"

#include <cmocka.h>

#define CLIENTS		8
#define KEYS		600
#define DEPTH		40	/* commands in one go */
#define ITEM_MAX	(32 << 10)

static u32 newest[KEYS];	/* generation of each key */
static char value[ITEM_MAX + 64];

/* Each value says whose it is and which. */
static u32 make_value(u32 key, u32 gen)
{
	u32 len = 1 << (key * 7 + gen) % 16, n;

	len = min_t(u32, len + gen % 13, ITEM_MAX - 256);
	n = sprintf(value, "%u.%u;", key, gen);
	for (; n < len; n *= 2)
		memcpy(value + n, value, min(n, len - n));
	return len;
}

/* Of the address sanitizer, where there is one. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	return mallinfo2().uordblks;
}

static u64 live(struct env *e)
{
	struct kfc_log_info info;

	kfc_log_info(&e->c, &info);
	return info.items;
}

static u64 evictions(struct env *e)
{
	return e->counters.ev_space + e->counters.ev_device +
	       e->counters.ev_index + e->counters.ev_tag;
}

/* What each command of a pipeline may be answered: the key of a get. */
struct asked {
	u32 key;
	u32 oldest;	/* generation when it was asked */
	bool set;
};

static const char *check_one(const char *p, const struct asked *a)
{
	u32 key, gen, len;

	if (a->set) {
		assert_memory_equal(p, "STORED\r\n", 8);
		return p + 8;
	}
	if (!strncmp(p, "END\r\n", 5))
		return p + 5;
	assert_int_equal(sscanf(p, "VALUE k%u %u %u", &key, &gen, &len), 3);
	assert_int_equal(key, a->key);
	p = strstr(p, "\r\n") + 2;
	/* Others may have stored it meanwhile. */
	assert_in_range(gen, a->oldest, newest[key]);
	assert_int_equal(len, make_value(key, gen));
	assert_memory_equal(p, value, len);
	assert_memory_equal(p + len, "\r\nEND\r\n", 7);
	return p + len + 7;
}

static size_t put_command(char *p, struct asked *a, bool fresh)
{
	char *from = p;
	u32 len;

	a->key = rand() % KEYS;
	a->set = fresh || rand() % 10 < 3;
	a->oldest = newest[a->key];
	if (!a->set)
		return sprintf(p, "get k%u\r\n", a->key);
	len = make_value(a->key, ++newest[a->key]);
	p += sprintf(p, "set k%u %u 0 %u\r\n", a->key, newest[a->key], len);
	memcpy(p, value, len);
	memcpy(p + len, "\r\n", 2);
	return p + len + 2 - from;
}

/* fatcache: a mix of sizes, many commands on their way, ended the server. */
static void test_fatcache_mixed_sizes_pipelined(void **state)
{
	static char buf[DEPTH * (ITEM_MAX + 64)];
	static struct env_client ec[CLIENTS];
	struct asked asked[DEPTH];
	const char *p;
	struct env e;
	u32 i, n, nr, c;
	size_t len;

	srand(1);
	memset(newest, 0, sizeof(newest));
	env_start(&e, 64 << 10, 16, 64, 1 << 20);
	for (c = 0; c < CLIENTS; c++)
		env_client_init(&e, &ec[c]);
	e.d.defer = true;
	for (n = 0; n < 600; n++) {
		c = rand() % CLIENTS;
		nr = 1 + rand() % DEPTH;
		for (len = 0, i = 0; i < nr; i++)
			len += put_command(buf + len, &asked[i], n < 20);
		ec[c].len = 0;
		assert_true(env_feed(&e, &ec[c], buf, len));
		while (ec[c].cl.inflight) {
			if (e.d.nr)
				env_complete(&e, rand() % e.d.nr);
			env_events(&ec[c]);
		}
		for (p = ec[c].answer, i = 0; i < nr; i++)
			p = check_one(p, &asked[i]);
		assert_ptr_equal(p, ec[c].answer + ec[c].len);
		while (rand() % 3 && kfc_log_step(&e.c))
			;
	}
	assert_true(e.counters.dev_hits > 500);
	assert_true(e.counters.ev_space > 100);
	for (c = 0; c < CLIENTS; c++)
		env_client_exit(&e, &ec[c]);
	env_stop(&e);
}

static void store(struct env *e, struct env_client *ec, u32 key, u32 len,
		  long exptime)
{
	char name[32];

	sprintf(name, "key-%u", key);
	memset(value, 'x', len);
	assert_string_equal(env_set(e, ec, "set", name, 0, exptime, value, len,
				    ""), "STORED\r\n");
	while (kfc_log_step(&e->c))
		;
}

/* fatcache: each set took memory, and none was ever given back. */
static void test_fatcache_memory_under_sets(void **state)
{
	struct env_client ec;
	struct env e;
	u32 device, i;
	u64 bound;
	size_t had;

	for (device = 0; device < 2; device++) {
		srand(2);
		env_start(&e, 64 << 10, 16, device ? 48 : 0, 1 << 20);
		bound = kfc_cache_bound(&e.c) / KFC_PAGE;
		env_client_init(&e, &ec);
		/* Until all that there is has been used once. */
		for (i = 0; i < 3000; i++)
			store(&e, &ec, i, rand() % 4000, 0);
		had = allocated();
		for (; i < 20000; i++) {
			store(&e, &ec, i, rand() % 4000, 0);
			assert_true(shim_pages <= bound);
		}
		/* The index may still grow, to what it was given. */
		assert_true(allocated() < had + (1 << 20));
		assert_int_equal(20000 - live(&e), evictions(&e));
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
}

/* kmemcached: the table had the size that it was loaded with. */
static void test_kmemcached_table_grows(void **state)
{
	struct env_client ec;
	u32 i, lost = 0;
	struct env e;
	u64 slots;

	srand(3);
	env_start(&e, 64 << 10, 64, 0, 1 << 20);
	env_client_init(&e, &ec);
	slots = kfc_index_slots(&e.c.index);
	for (i = 0; i < 30000; i++)
		store(&e, &ec, i, 1, 0);
	for (i = 0; i < 30000; i++)
		lost += !strcmp(env_ask(&e, &ec, "get key-%u\r\n", i),
				"END\r\n");
	assert_true(kfc_index_slots(&e.c.index) > 20 * slots);
	assert_int_equal(lost, evictions(&e));
	assert_int_equal(e.counters.ev_space, 0);
	assert_in_range(lost, 0, 30);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* kmemcached: nothing was evicted, and sets failed when memory was full. */
static void test_kmemcached_evicts(void **state)
{
	struct env_client ec;
	u32 i, hits = 0;
	struct env e;

	srand(4);
	env_start(&e, 64 << 10, 16, 0, 1 << 20);
	env_client_init(&e, &ec);
	for (i = 0; i < 5000; i++)
		store(&e, &ec, i, 1000, 0);
	assert_true(e.counters.ev_space > 3000);
	assert_int_equal(5000 - live(&e), evictions(&e));
	for (i = 4950; i < 5000; i++)
		hits += !!strcmp(env_ask(&e, &ec, "get key-%u\r\n", i),
				 "END\r\n");
	assert_in_range(hits, 49, 50);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* kmemcached: nothing expired, whether it was asked for or not. */
static void test_kmemcached_expires(void **state)
{
	u64 was = env_now;
	struct env_client ec;
	struct env e;
	u32 i;

	srand(5);
	env_start(&e, 64 << 10, 16, 0, 1 << 20);
	env_client_init(&e, &ec);
	for (i = 0; i < 200; i++)
		store(&e, &ec, i, 1000, i % 2 ? 10 : 0);
	env_now += 9;
	assert_string_not_equal(env_ask(&e, &ec, "get key-1\r\n"), "END\r\n");
	env_now += 1;
	assert_string_equal(env_ask(&e, &ec, "get key-1\r\n"), "END\r\n");
	assert_string_not_equal(env_ask(&e, &ec, "get key-2\r\n"), "END\r\n");
	/* Those that nobody asks for. */
	env_now += 60;
	for (i = 0; i < 300; i++) {
		jiffies += HZ;
		while (kfc_log_step(&e.c))
			;
	}
	assert_int_equal(live(&e), 100);
	assert_int_equal(evictions(&e), 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
	env_now = was;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kmemcached_table_grows),
		cmocka_unit_test(test_kmemcached_evicts),
		cmocka_unit_test(test_kmemcached_expires),
		cmocka_unit_test(test_fatcache_mixed_sizes_pipelined),
		cmocka_unit_test(test_fatcache_memory_under_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

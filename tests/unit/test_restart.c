// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Unload and load: what comes back, what must not, and what damage costs. The
 * store, the superblock and the commands are the very files of the module, on
 * a device in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include "area.h"
#include "env.h"
#include "restart.h"

#include <cmocka.h>

#define MIB (1ULL << 20)
#define KEYS 2500
#define NO_KEY 1000000

/* What a key should be: generation 0 is absent. */
struct model {
	u32 gen;
	u32 len;
	u32 flags;
	u64 expires;
	u64 cas;
};

static struct model model[KEYS];
static char value[1 << 20];

static const char *make_value(u32 key, u32 gen, u32 len)
{
	u64 x = (u64)key << 32 | gen;
	u32 i;

	for (i = 0; i < len; i += sizeof(x)) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(value + i, &x, sizeof(x));
	}
	return value;
}

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

static void load_all(struct env *e)
{
	while (kfc_restart_step(&e->c))
		;
}

static void start(struct env *e, u32 device_mib, u64 index_bytes)
{
	memset(model, 0, sizeof(model));
	env_start_on(e, MIB, 4, device_mib * MIB / KFC_PAGE, index_bytes);
	/* What is discarded must not be missed later on. */
	e->c.cfg.discard = 1;
}

static void reload(struct env *e)
{
	env_unload(e);
	assert_int_equal(env_load(e), 0);
}

/* What a crash leaves: the device as it is, and not a write more. */
static void crash(struct env *e)
{
	e->d.dies_at = 1;
	env_unload(e);
	e->d.dies_at = 0;
}

static void store_len(struct env *e, struct env_client *ec, u32 k, u32 len)
{
	struct model *m = &model[k];
	char key[32];

	m->gen = rand() | 1;
	m->len = len;
	m->flags = rand() % 3;
	m->expires = rand() % 10 ? 0 : env_now + 1 + rand() % 50;
	sprintf(key, "key-%u", k);
	must(env_set(e, ec, "set", key, m->flags, m->expires,
		     make_value(k, m->gen, m->len), m->len, ""), "STORED\r\n");
	m->cas = atomic64_read(&e->c.order);
}

static void store_key(struct env *e, struct env_client *ec, u32 k)
{
	u32 max = 1 << rand() % 15;

	store_len(e, ec, k, rand() % 100 ? rand() % max : rand() % 50000);
}

static bool expected(u32 k)
{
	return model[k].gen &&
	       (!model[k].expires || model[k].expires > env_now);
}

/* Returns true for a hit; anything but a miss or the right answer fails. */
static bool check_key(struct env *e, struct env_client *ec, u32 k)
{
	struct model *m = &model[k];
	const char *a = env_ask(e, ec, "gets key-%u\r\n", k);
	char head[80];
	int n;

	if (!strcmp(a, "END\r\n"))
		return false;
	assert_true(expected(k));
	n = sprintf(head, "VALUE key-%u %u %u %llu\r\n", k, m->flags, m->len,
		    m->cas);
	assert_memory_equal(a, head, n);
	assert_memory_equal(a + n, make_value(k, m->gen, m->len), m->len);
	must(a + n + m->len, "\r\nEND\r\n");
	return true;
}

static u32 check_all(struct env *e, struct env_client *ec)
{
	u32 k, hits = 0;

	for (k = 0; k < KEYS; k++)
		hits += check_key(e, ec, k);
	return hits;
}

static u32 all_expected(void)
{
	u32 k, n = 0;

	for (k = 0; k < KEYS; k++)
		n += expected(k);
	return n;
}

static u64 evictions(struct env *e)
{
	return e->counters.ev_space + e->counters.ev_device +
	       e->counters.ev_index + e->counters.ev_tag;
}

static void fill(struct env *e, struct env_client *ec)
{
	u32 k;

	for (k = 0; k < KEYS; k++)
		store_len(e, ec, k, rand() % 2000);
}

/* Everything is back, as it was, and time went on. */
static void test_comes_back(void **state)
{
	struct env_client ec;
	struct env e;
	u32 n;

	srand(1);
	start(&e, 24, 2 * MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	ASK("STORED\r\n", "set number 7 0 2\r\n41\r\n");
	ASK("STORED\r\n", "set soon 0 100 1\r\nx\r\n");
	ASK("STORED\r\n", "set gone 0 0 1\r\nx\r\n");
	ASK("DELETED\r\n", "delete gone\r\n");
	env_client_exit(&e, &ec);
	reload(&e);
	assert_true(e.c.loading);
	load_all(&e);
	env_client_init(&e, &ec);
	assert_int_equal(env_items(&e), env_slots(&e));
	assert_true(env_items(&e) >= all_expected());
	n = all_expected();
	assert_int_equal(check_all(&e, &ec), n);
	assert_true(n > KEYS * 9 / 10);
	assert_int_equal(e.counters.dev_reads, e.counters.dev_hits +
			 e.counters.get_expired + e.counters.false_reads);
	assert_int_equal(evictions(&e), 0);
	ASK("42\r\n", "incr number 1\r\n");
	ASK("VALUE number 7 2\r\n42\r\nEND\r\n", "get number\r\n");
	ASK("END\r\n", "get gone\r\n");
	env_now += 99;
	ASK("VALUE soon 0 1\r\nx\r\nEND\r\n", "get soon\r\n");
	env_now++;
	ASK("END\r\n", "get soon\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

#define COPIES 300

static u32 get_some(struct env *e, struct env_client *ec, u64 *reads)
{
	u32 k, hits = 0;

	*reads = e->counters.dev_reads;
	for (k = 0; k < COPIES; k++)
		hits += check_key(e, ec, k);
	*reads = e->counters.dev_reads - *reads;
	return hits;
}

/* What is read twice is copied to memory; its home is what is kept. */
static void test_copies(void **state)
{
	struct kfc_log_info info;
	struct env_client ec;
	struct env e;
	u64 reads;
	u32 k;

	srand(3);
	memset(model, 0, sizeof(model));
	env_start_on(&e, MIB, 16, 64 * MIB / KFC_PAGE, 2 * MIB);
	env_client_init(&e, &ec);
	for (k = 0; k < KEYS; k++) {
		store_len(&e, &ec, k, k < COPIES ? 100 + k : 14000);
		step(&e);
	}
	assert_int_equal(get_some(&e, &ec, &reads), COPIES);
	assert_int_equal(reads, COPIES);
	assert_int_equal(e.counters.promotions, 0);
	assert_int_equal(get_some(&e, &ec, &reads), COPIES);
	assert_int_equal(reads, COPIES);
	assert_int_equal(e.counters.promotions, COPIES);
	assert_int_equal(get_some(&e, &ec, &reads), COPIES);
	assert_int_equal(reads, 0);
	kfc_log_info(&e.c, &info);
	assert_int_equal(info.copies, COPIES);
	assert_int_equal(info.items, env_slots(&e));
	/* A new version has no copy, a deleted one none either. */
	store_len(&e, &ec, 7, 50);
	ASK("DELETED\r\n", "delete key-8\r\n");
	model[8].gen = 0;
	kfc_log_info(&e.c, &info);
	assert_int_equal(info.copies, COPIES - 2);
	assert_int_equal(get_some(&e, &ec, &reads), COPIES - 1);
	assert_int_equal(reads, 0);
	env_client_exit(&e, &ec);
	reload(&e);
	load_all(&e);
	env_client_init(&e, &ec);
	assert_int_equal(env_items(&e), env_slots(&e));
	assert_int_equal(get_some(&e, &ec, &reads), COPIES - 1);
	assert_int_equal(reads, COPIES - 1);
	/* Fetched before the restart, so once is enough. */
	assert_int_equal(get_some(&e, &ec, &reads), COPIES - 1);
	assert_int_equal(reads, 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void random_op(struct env *e, struct env_client *ec, bool flushes)
{
	u32 k = rand() % KEYS, i;
	struct model *m = &model[k];
	const char *a;

	switch (rand() % 16) {
	case 0 ... 5:
		store_key(e, ec, k);
		break;
	case 6:
		a = env_ask(e, ec, "delete key-%u\r\n", k);
		if (strcmp(a, "NOT_FOUND\r\n"))
			assert_true(m->gen);
		m->gen = 0;
		break;
	case 7:
		if (!strcmp(env_ask(e, ec, "touch key-%u 0\r\n", k),
			    "TOUCHED\r\n"))
			m->expires = 0;
		break;
	case 8:
		env_now += rand() % 3;
		break;
	case 9:
		step(e);
		break;
	case 10:
		kfc_restart_step(&e->c);
		break;
	case 11:
		/* Too large: the older value goes, too. */
		if (rand() % 8)
			break;
		a = env_set(e, ec, "set", "key-1", 0, 0, value, 600000, "");
		must(a, "SERVER_ERROR object too large for cache\r\n");
		model[1].gen = 0;
		break;
	case 12:
		if (!flushes || rand() % 200)
			break;
		must(env_ask(e, ec, "flush_all\r\n"), "OK\r\n");
		for (i = 0; i < KEYS; i++)
			model[i].gen = 0;
		break;
	default:
		check_key(e, ec, k);
		break;
	}
}

/* Rounds of load, commands while it loads and after, unload. */
static void rounds(u32 seed, u32 device_mib, u64 index, u32 nr, bool full)
{
	struct env_client ec;
	struct env e;
	u32 i, j, hits, want;
	u64 lost;

	srand(seed);
	start(&e, device_mib, index);
	for (i = 0; i < nr; i++) {
		env_client_init(&e, &ec);
		e.d.defer = rand() & 1;
		for (j = rand() % 3000; j; j--)
			random_op(&e, &ec, true);
		if (rand() % 4) {
			load_all(&e);
			/* Whatever was evicted in this round is not back. */
			lost = evictions(&e);
			want = all_expected();
			hits = check_all(&e, &ec);
			assert_true(hits <= want);
			if (!full)
				assert_int_equal(hits, want);
			else if (!lost && i)
				assert_true(hits);
			step(&e);
			assert_int_equal(env_slots(&e), env_items(&e));
			/* From here on what is missing is what was evicted. */
			for (j = 0; full && j < KEYS; j++)
				if (expected(j) && !check_key(&e, &ec, j))
					model[j].gen = 0;
			lost = evictions(&e);
			env_client_exit(&e, &ec);
			want = all_expected();
			reload(&e);
			env_client_init(&e, &ec);
			assert_int_equal(check_all(&e, &ec), want);
			assert_int_equal(evictions(&e), 0);
		}
		env_client_exit(&e, &ec);
		reload(&e);
	}
	env_stop(&e);
}

static void test_rounds(void **state)
{
	rounds(10, 64, 2 * MIB, 20, false);
	rounds(11, 64, 32 << 10, 10, false);
}

static void test_rounds_full(void **state)
{
	u32 seed;

	for (seed = 20; seed < 24; seed++)
		rounds(seed, 14, 2 * MIB, 12, true);
}

/* Before its range is there a key can be changed in every way. */
static void test_before_loaded(void **state)
{
	struct env_client ec;
	struct env e;
	char key[32];
	u32 k, want;

	srand(2);
	start(&e, 24, 4 * MIB);
	env_client_init(&e, &ec);
	for (k = 0; k < 20; k++) {
		sprintf(key, "n-%u", k);
		must(env_set(&e, &ec, "set", key, 3, 0, "5", 1, ""),
		     "STORED\r\n");
	}
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	e.d.defer = true;
	ASK("DELETED\r\n", "delete n-0\r\n");
	ASK("STORED\r\n", "set n-1 0 0 1\r\n9\r\n");
	ASK("6\r\n", "incr n-2 1\r\n");
	ASK("STORED\r\n", "append n-3 0 0 1\r\n1\r\n");
	ASK("NOT_STORED\r\n", "add n-4 0 0 1\r\n1\r\n");
	ASK("STORED\r\n", "replace n-5 0 0 1\r\n2\r\n");
	ASK("TOUCHED\r\n", "touch n-6 10\r\n");
	ASK("VALUE n-7 3 1\r\n5\r\nEND\r\n", "gat 20 n-7\r\n");
	ASK("EXISTS\r\n", "cas n-8 0 0 1 1\r\n3\r\n");
	ASK("NOT_FOUND\r\n", "delete nothing\r\n");
	ASK("VALUE n-9 3 1\r\n5\r\nVALUE n-10 3 1\r\n5\r\nEND\r\n",
	    "get n-9 nothing n-10\r\n");
	assert_true(e.c.loading);
	load_all(&e);
	ASK("END\r\n", "get n-0\r\n");
	ASK("VALUE n-1 0 1\r\n9\r\nEND\r\n", "get n-1\r\n");
	ASK("VALUE n-2 3 1\r\n6\r\nEND\r\n", "get n-2\r\n");
	ASK("VALUE n-3 3 2\r\n51\r\nEND\r\n", "get n-3\r\n");
	ASK("VALUE n-4 3 1\r\n5\r\nEND\r\n", "get n-4\r\n");
	ASK("VALUE n-5 0 1\r\n2\r\nEND\r\n", "get n-5\r\n");
	ASK("VALUE n-8 3 1\r\n5\r\nEND\r\n", "get n-8\r\n");
	want = all_expected();
	assert_int_equal(check_all(&e, &ec), want);
	env_now += 10;
	ASK("END\r\n", "get n-6\r\n");
	ASK("VALUE n-7 3 1\r\n5\r\nEND\r\n", "get n-7\r\n");
	env_now += 10;
	ASK("END\r\n", "get n-7\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* What expires after a restart goes though nobody asks for it, but not before. */
static void test_expired_after_load(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i;

	srand(21);
	start(&e, 24, 2 * MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_now += 60;
	jiffies += HZ;
	step(&e);
	assert_int_equal(e.counters.sweep_reads, 0);
	load_all(&e);
	assert_true(env_items(&e) > all_expected() + 100);
	for (i = 0; i < 30; i++) {
		jiffies += KFC_EXPIRE_MS;
		step(&e);
	}
	assert_int_equal(env_items(&e), all_expected());
	assert_int_equal(evictions(&e), 0);
	i = e.counters.sweep_reads;
	assert_in_range(i, 3, 24);
	/* What was not known is known now. */
	env_now += 60;
	jiffies += HZ;
	step(&e);
	assert_int_equal(e.counters.sweep_reads, i);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), all_expected());
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A flush_all while it loads, and one that was to come when it was unloaded. */
static void test_flush(void **state)
{
	struct env_client ec;
	struct env e;

	srand(3);
	start(&e, 24, 2 * MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	kfc_restart_step(&e.c);
	ASK("OK\r\n", "flush_all\r\n");
	ASK("STORED\r\n", "set after 0 0 1\r\nx\r\n");
	memset(model, 0, sizeof(model));
	assert_int_equal(check_all(&e, &ec), 0);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), 0);
	ASK("VALUE after 0 1\r\nx\r\nEND\r\n", "get after\r\n");
	ASK("OK\r\n", "flush_all 10\r\n");
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	ASK("VALUE after 0 1\r\nx\r\nEND\r\n", "get after\r\n");
	env_now += 10;
	ASK("END\r\n", "get after\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Values that are refused before their keys are there, few and many. */
static void test_refused_before_loaded(void **state)
{
	u32 n, k, hits, want;
	struct env_client ec;
	struct env e;

	for (n = 10; n <= 500; n += 490) {
		srand(4);
		start(&e, 24, 4 * MIB);
		env_client_init(&e, &ec);
		fill(&e, &ec);
		env_client_exit(&e, &ec);
		reload(&e);
		env_client_init(&e, &ec);
		for (k = 0; k < n; k++) {
			char key[32];

			sprintf(key, "key-%u", k);
			kfc_cmd_drop_key(&ec.cl, (u8 *)key, strlen(key));
			model[k].gen = 0;
		}
		assert_int_equal(e.counters.dev_reads, 0);
		load_all(&e);
		assert_int_equal(env_items(&e), env_slots(&e));
		want = all_expected();
		hits = check_all(&e, &ec);
		if (n < 64)
			assert_int_equal(hits, want);
		else
			assert_in_range(want - hits, 1, e.counters.ev_device);
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
}

/* No slot points into a slab that has no records. */
static void check_slots(struct env *e)
{
	u64 place = kfc_place(0), *v;
	u32 i, nr;

	while (place < kfc_place(e->c.index.lines0)) {
		v = kfc_index_group(&e->c.index, &place, &nr);
		for (i = 0; i < nr; i++) {
			u8 st = v[i] ? kfc_slab_of(&e->c.log, v[i])->state :
				KFC_SLAB_STORED;

			assert_true(st != KFC_SLAB_FREE &&
				    st != KFC_SLAB_READY &&
				    st != KFC_SLAB_DRAIN);
		}
	}
	assert_int_equal(env_items(e), env_slots(e));
}

/* The log goes round while most is still to be loaded. */
static void reclaim_while_loading(u32 ops)
{
	struct env_client ec;
	u32 k, i, want, had;
	struct env e;

	srand(5);
	start(&e, 20, 8 * MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	had = e.c.saved.items;
	for (i = 0; i < 12000; i++) {
		if (i == ops) {
			load_all(&e);
			check_slots(&e);
		}
		/* The ranges of these keys are loaded, some others not. */
		k = rand() % 200;
		if (i == ops - 1)
			assert_true(e.c.loading);
		store_len(&e, &ec, k, 2000);
		model[k].expires = 0;
		must(env_ask(&e, &ec, "touch key-%u 0\r\n", k), "TOUCHED\r\n");
		step(&e);
	}
	load_all(&e);
	step(&e);
	check_slots(&e);
	check_all(&e, &ec);
	/* None of the old ones can have stayed, each is accounted for. */
	for (k = 0; k < 200; k++)
		assert_true(check_key(&e, &ec, k));
	assert_int_equal(env_items(&e), 200);
	assert_in_range(evictions(&e) + e.counters.reclaimed, had - 200, had);
	for (want = 0, k = 200; k < KEYS; k++)
		want += check_key(&e, &ec, k);
	assert_int_equal(want, 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_reclaim_while_loading(void **state)
{
	u32 ops;

	for (ops = 2000; ops <= 12000; ops += 2000)
		reclaim_while_loading(ops);
}

static u8 *area_page(struct env *e, u64 at)
{
	return e->d.mem + (1 + at) * KFC_PAGE;
}

/*
 * Damage to one page of the area, or to all: it costs what was there, is
 * counted, and nothing wrong comes back.
 */
static void damage(u32 kind, u32 at, u32 nr)
{
	u32 i, want, hits, table = kfc_area_table(23);
	struct env_client ec;
	static u8 older[KFC_PAGE];
	struct env e;

	srand(kind * 100 + at);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	/* All pages of an earlier save are there and look right. */
	memcpy(older, area_page(&e, at), KFC_PAGE);
	env_client_init(&e, &ec);
	for (i = 0; i < KEYS; i += 7) {
		env_ask(&e, &ec, "delete key-%u\r\n", i);
		model[i].gen = 0;
	}
	env_client_exit(&e, &ec);
	env_unload(&e);
	for (i = at; i < at + nr; i++) {
		u8 *p = area_page(&e, i);

		switch (kind) {
		case 0:
			memset(p, 0, KFC_PAGE);
			break;
		case 1:
			p[rand() % KFC_PAGE] ^= 1 << rand() % 8;
			break;
		case 2:
			memcpy(p, older, KFC_PAGE);
			break;
		case 3:
			memcpy(p, area_page(&e, i + 1), KFC_PAGE);
			break;
		case 4:
			e.d.bad_from = 1 + at;
			e.d.bad_to = 1 + at + nr;
			break;
		}
	}
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	load_all(&e);
	e.d.bad_to = 0;
	assert_int_equal(env_items(&e), env_slots(&e));
	assert_int_equal(env_items(&e) + e.counters.ev_device,
			 e.c.saved.items);
	want = all_expected();
	hits = check_all(&e, &ec);
	assert_true(hits < want);
	if (nr == 1 && at >= table)
		assert_true(want - hits <= KFC_AREA_SLOTS);
	if (nr == 1 && at >= table)
		assert_true(hits > want / 2);
	if (nr > 200)
		assert_int_equal(hits, 0);
	store_key(&e, &ec, 0);
	assert_true(check_key(&e, &ec, 0));
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_damage(void **state)
{
	u32 kind, table = kfc_area_table(23);

	for (kind = 0; kind < 5; kind++) {
		damage(kind, table, 1);
		damage(kind, table + 1, 1);
		damage(kind, table + 2 * KFC_RANGE_PAGES + 1, 1);
		damage(kind, table + 2 * KFC_RANGE_PAGES, 3);
		/* The slab table. */
		damage(kind, 0, 1);
		damage(kind, 0, 1 + 4 * KFC_RANGE_PAGES);
	}
}

/* Whatever the pages hold, though their checksums are right. */
static void test_lies(void **state)
{
	u32 round, i, n, table = kfc_area_table(23);
	struct env_client ec;
	struct env e;

	for (round = 0; round < 20; round++) {
		srand(round);
		start(&e, 24, MIB);
		env_client_init(&e, &ec);
		for (i = 0; i < 1500; i++)
			store_len(&e, &ec, i, rand() % 2000);
		env_client_exit(&e, &ec);
		env_unload(&e);
		/* The seed of the checksums is in the superblock. */
		memcpy(&e.c.log.salt, ((struct kfc_super *)e.d.mem)->hash_key,
		       8);
		for (i = 0; i < 4 * KFC_RANGE_PAGES + table; i++) {
			struct kfc_area_hdr *h = (void *)area_page(&e, i);
			u8 *p = (u8 *)h;

			if (!h->magic || rand() % 3)
				continue;
			for (n = 1 + rand() % 20; n; n--) {
				u32 at = rand() % (rand() % 2 ? 512 : 4096);

				if (at < 4 || (at >= 8 && at < 16))
					continue;
				p[at] = rand() % 3 ? rand() : 0xff;
			}
			h->sum = cpu_to_le64(kfc_area_sum(&e.c, h, i));
		}
		e.c.log.salt = 0;
		assert_int_equal(env_load(&e), 0);
		env_client_init(&e, &ec);
		check_all(&e, &ec);
		assert_int_equal(env_items(&e), env_slots(&e));
		for (i = 0; i < 3000; i++)
			store_len(&e, &ec, rand() % KEYS, rand() % 8000);
		check_all(&e, &ec);
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
}

/* With objects that are all on the device. */
static void start_reloaded(struct env *e)
{
	struct env_client ec;

	start(e, 24, MIB);
	env_client_init(e, &ec);
	fill(e, &ec);
	env_client_exit(e, &ec);
	reload(e);
	load_all(e);
}

/* Pages whose first record begins at no place where one can. */
static void test_crooked_pages(void **state)
{
	static const u16 crooked[] = { 9, 12, 1001, 4090, 0xffff };
	struct env_client ec;
	struct env e;
	u32 i, n;

	srand(22);
	start_reloaded(&e);
	env_client_init(&e, &ec);
	for (n = 0; n < e.c.log.nr_slabs; n++) {
		struct kfc_slab *s = &e.c.log.slabs[n];
		u64 seed = kfc_slab_seed(&e.c.log, s->seq);

		for (i = 0; i < DIV_ROUND_UP(s->end, KFC_PAGE); i++) {
			u64 at = e.c.log.members[0].slabs_at + n * 256 + i;
			struct kfc_page_hdr *h = (void *)(e.d.mem +
							  at * KFC_PAGE);

			h->first = crooked[i % ARRAY_SIZE(crooked)];
			h->sum = kfc_page_sum(h, seed, i);
		}
	}
	ASK("END\r\n", "lru_crawler metadump all\r\n");
	n = env_items(&e);
	assert_true(n > KEYS / 2);
	/* Each is dropped by who asks for it, and counted. */
	assert_int_equal(check_all(&e, &ec), 0);
	assert_int_equal(env_items(&e), 0);
	assert_int_equal(e.counters.bad_header, n);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A clock that was set back lets nothing live longer. */
static void test_clock_behind(void **state)
{
	u64 was = env_now, unloaded;
	struct env_client ec;
	struct env e;

	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 100 1\r\nx\r\n");
	ASK("STORED\r\n", "set b 0 0 1\r\nx\r\n");
	env_now += 60;
	unloaded = env_now;
	env_client_exit(&e, &ec);
	env_unload(&e);
	env_now = 1000;
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	assert_int_equal(kfc_now(&e.c), unloaded);
	assert_int_equal(e.c.loaded_at, unloaded);
	env_now += 39;
	ASK("VALUE a 0 1\r\nx\r\nEND\r\n", "get a\r\n");
	env_now += 1;
	ASK("END\r\n", "get a\r\n");
	ASK("VALUE b 0 1\r\nx\r\nEND\r\n", "get b\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
	env_now = was + 200;
}

static int too_large(struct kfc_cache *c)
{
	/* The size that was saved, not the one that is asked for. */
	return c->cfg.index_bytes > MIB ? -ENOMEM : 0;
}

/* An index that comes back may be larger than what was asked for now. */
static void test_does_not_fit(void **state)
{
	struct env_client ec;
	struct env e;

	srand(8);
	start(&e, 24, 2 * MIB);
	env_client_init(&e, &ec);
	store_len(&e, &ec, 1, 3000);
	model[1].expires = 0;
	ASK("TOUCHED\r\n", "touch key-1 0\r\n");
	env_client_exit(&e, &ec);
	env_unload(&e);
	e.c.cfg.index_bytes = MIB;
	e.c.fits = too_large;
	assert_int_equal(env_load(&e), -ENOMEM);
	assert_int_equal(shim_pages, 0);
	/* With more memory all of it is there. */
	e.c.fits = NULL;
	assert_int_equal(env_load(&e), 0);
	load_all(&e);
	env_client_init(&e, &ec);
	assert_true(check_key(&e, &ec, 1));
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* What one read can't have by now, as item_max= was larger, could only stay. */
static void test_too_large_by_now(void **state)
{
	struct env_client ec;
	struct env e;

	srand(7);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	store_len(&e, &ec, 0, 300000);
	store_len(&e, &ec, 1, 3000);
	model[0].expires = model[1].expires = 0;
	ASK("TOUCHED\r\n", "touch key-0 0\r\n");
	ASK("TOUCHED\r\n", "touch key-1 0\r\n");
	env_client_exit(&e, &ec);
	reload(&e);
	e.c.max_read_pages = 64;
	load_all(&e);
	assert_int_equal(e.counters.ev_device, 1);
	assert_int_equal(env_items(&e), 1);
	assert_int_equal(env_slots(&e), 1);
	env_client_init(&e, &ec);
	ASK("NOT_FOUND\r\n", "delete key-0\r\n");
	ASK("DELETED\r\n", "delete key-1\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Empty after a crash, and nothing of before is ever picked up. */
static void test_crash(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i, want;

	srand(6);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	for (i = 0; i < KEYS; i += 2)
		store_len(&e, &ec, i, rand() % 2000);
	want = all_expected();
	assert_int_equal(check_all(&e, &ec), want);
	step(&e);
	env_client_exit(&e, &ec);
	crash(&e);
	assert_int_equal(env_load(&e), 0);
	assert_false(e.c.loading);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), 0);
	assert_int_equal(env_items(&e), 0);
	memset(model, 0, sizeof(model));
	for (i = 0; i < 100; i++)
		store_len(&e, &ec, i, rand() % 2000);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	want = all_expected();
	assert_int_equal(check_all(&e, &ec), want);
	step(&e);
	env_client_exit(&e, &ec);
	crash(&e);
	/* recover=crash finds nothing of before the load that began empty. */
	e.c.cfg.recover_crash = true;
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), all_expected());
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/*
 * After a crash no record begins behind the one that follows it, or its slab's
 * end, whatever the summary says, with a checksum that is right.
 */
static void test_crooked_summary(void **state)
{
	static const u32 crooked[] = { 0xffffff10, MIB + 48, MIB - 4048 };
	struct env_client ec;
	struct env e;
	u32 i, n, bad = 0;

	srand(23);
	start_reloaded(&e);
	for (n = 0; n < e.c.log.nr_slabs; n++) {
		struct kfc_slab *s = &e.c.log.slabs[n];
		u64 at = kfc_slab_at(&e.c.log, s, 255);
		struct kfc_sum_page *sp = (void *)(e.d.mem + at * KFC_PAGE);

		if (s->state != KFC_SLAB_STORED)
			continue;
		for (i = 0; i < ARRAY_SIZE(crooked); i++, bad++)
			sp->e[i * 7].off = cpu_to_le32(crooked[i]);
		sp->hdr.sum = kfc_page_sum(sp, kfc_slab_seed(&e.c.log, s->seq),
					   255);
	}
	assert_true(bad >= 9);
	crash(&e);
	e.c.cfg.recover_crash = true;
	assert_int_equal(env_load(&e), 0);
	for (n = 0; n < e.c.log.nr_slabs; n++) {
		struct kfc_slab *s = &e.c.log.slabs[n];

		assert_true(atomic_read(&s->live) <= s->nr_recs);
	}
	env_client_init(&e, &ec);
	assert_true(check_all(&e, &ec) > KEYS / 4);
	assert_int_equal(env_items(&e), env_slots(&e));
	assert_int_equal(e.counters.bad_header, 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* The tables of an index area say @nr of all slabs. */
static void say_of_area(struct env *e, u32 nr)
{
	u32 i, n, said = 0;

	memcpy(&e->c.log.salt, ((struct kfc_super *)e->d.mem)->hash_key, 8);
	for (i = 0; i < 4 * KFC_RANGE_PAGES + kfc_area_table(23); i++) {
		struct kfc_area_slabs *a = (void *)area_page(e, i);

		if (le32_to_cpu(a->hdr.magic) != KFC_AREA_SLABS_MAGIC)
			continue;
		for (n = 0; n < KFC_AREA_SLABS; n++) {
			said += !!a->slab[n].nr_recs;
			if (a->slab[n].nr_recs)
				a->slab[n].nr_recs = cpu_to_le32(nr);
		}
		a->hdr.sum = cpu_to_le64(kfc_area_sum(&e->c, &a->hdr, i));
	}
	assert_true(said >= 3);
	e->c.log.salt = 0;
}

/* Their summaries say so. */
static void say_of_slabs(struct env *e, u32 nr)
{
	u32 n;

	for (n = 0; n < e->c.log.nr_slabs; n++) {
		struct kfc_slab *s = &e->c.log.slabs[n];
		u64 at = kfc_slab_at(&e->c.log, s, 255);
		struct kfc_sum_page *sp = (void *)(e->d.mem + at * KFC_PAGE);

		if (s->state != KFC_SLAB_STORED)
			continue;
		sp->count = cpu_to_le32(nr);
		sp->hdr.sum = kfc_page_sum(sp, kfc_slab_seed(&e->c.log, s->seq),
					   255);
	}
}

/* A number of records that no slab has room for, or that wraps. */
static void test_too_many_records(void **state)
{
	static const u32 many[] = {
		255 * KFC_SUM_ENTRIES + 1, U32_MAX - KFC_SUM_ENTRIES + 2,
		U32_MAX,
	};
	struct env_client ec;
	struct env e;
	u32 i, n;

	for (i = 0; i < 2 * ARRAY_SIZE(many); i++) {
		srand(24);
		start_reloaded(&e);
		e.c.cfg.recover_crash = true;
		if (i & 1) {
			say_of_slabs(&e, many[i / 2]);
			crash(&e);
		} else {
			env_unload(&e);
			say_of_area(&e, many[i / 2]);
		}
		assert_int_equal(env_load(&e), 0);
		load_all(&e);
		for (n = 0; n < e.c.log.nr_slabs; n++)
			assert_true(e.c.log.slabs[n].nr_recs <
				    255 * KFC_SUM_ENTRIES);
		assert_int_equal(env_items(&e), 0);
		/* They are looked through for what has expired. */
		env_now += 1000;
		jiffies += 100000;
		env_client_init(&e, &ec);
		fill(&e, &ec);
		check_all(&e, &ec);
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
}

/* Power fails at each write of an unload: all is there or nothing. */
static void test_unload_dies(void **state)
{
	u32 i, n, want, hits, empty = 0, whole = 0;
	struct env_client ec;
	struct env e;

	for (n = 1; n < 28; n++) {
		srand(7);
		start(&e, 24, MIB);
		env_client_init(&e, &ec);
		fill(&e, &ec);
		env_client_exit(&e, &ec);
		reload(&e);
		env_client_init(&e, &ec);
		for (i = 0; i < KEYS; i += 3)
			store_len(&e, &ec, i, rand() % 2000);
		step(&e);
		env_client_exit(&e, &ec);
		e.d.dies_at = e.d.writes + n;
		env_unload(&e);
		e.d.dies_at = 0;
		assert_int_equal(env_load(&e), 0);
		env_client_init(&e, &ec);
		want = all_expected();
		hits = check_all(&e, &ec);
		assert_true(!hits || hits == want);
		if (hits)
			whole++;
		else
			empty++;
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
	assert_true(empty > 5 && whole > 5);
}

/* A load that fails for want of memory costs nothing. */
static void test_load_fails(void **state)
{
	struct env_client ec;
	u32 n, want, failed = 0;
	struct env e;

	srand(8);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	env_unload(&e);
	want = all_expected();
	for (n = 1; n < 400; n++) {
		struct kfc_cache was = e.c;

		shim_fail_alloc = n;
		if (!env_load(&e)) {
			shim_fail_alloc = 0;
			env_unload(&e);
		} else {
			failed++;
			e.c = was;
		}
		shim_fail_alloc = 0;
		assert_int_equal(shim_pages, 0);
	}
	assert_true(failed > 10);
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), want);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* index_mb= of a later load: what was saved keeps its size. */
static void test_index_size(void **state)
{
	struct env_client ec;
	struct env e;
	u32 want;
	u64 now;

	srand(9);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	want = all_expected();
	env_client_exit(&e, &ec);
	for (now = MIB / 4; now <= 4 * MIB; now *= 2) {
		env_unload(&e);
		e.c.cfg.index_bytes = now;
		assert_int_equal(env_load(&e), 0);
		assert_int_equal(e.c.index.lines0, MIB / 64 / 512);
		env_client_init(&e, &ec);
		assert_int_equal(check_all(&e, &ec), want);
		env_client_exit(&e, &ec);
	}
	/* Empty, it may be smaller, and as large as the area holds. */
	crash(&e);
	e.c.cfg.index_bytes = 4 * MIB;
	assert_int_equal(env_load(&e), 0);
	assert_in_range(e.c.index.lines0, MIB / 64 / 512, MIB / 64 / 512 + 1);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	want = all_expected();
	assert_int_equal(check_all(&e, &ec), want);
	env_client_exit(&e, &ec);
	crash(&e);
	e.c.cfg.index_bytes = MIB / 4;
	assert_int_equal(env_load(&e), 0);
	assert_int_equal(e.c.index.lines0, MIB / 4 / 64 / 512);
	env_stop(&e);
}

/* What an index has at its start counts when it is empty, not when it was saved. */
static void test_index_start(void **state)
{
	struct env_client ec;
	struct env e;
	u32 want;

	srand(10);
	start(&e, 24, 2 * MIB);
	assert_int_equal(kfc_index_level(&e.c.index), 0);
	crash(&e);
	e.c.cfg.index_start = 64 << 10;
	shim_works_off = true;
	assert_int_equal(env_load(&e), 0);
	assert_int_equal(kfc_index_level(&e.c.index), 4);
	/* Objects come, and its work does not: they have room. */
	env_client_init(&e, &ec);
	fill(&e, &ec);
	want = all_expected();
	assert_true(want > 1000);
	assert_int_equal(e.counters.ev_index, 0);
	env_client_exit(&e, &ec);
	env_unload(&e);
	e.c.cfg.index_start = 0;
	assert_int_equal(env_load(&e), 0);
	assert_int_equal(kfc_index_level(&e.c.index), 4);
	e.c.cfg.index_start = MIB;
	reload(&e);
	assert_int_equal(kfc_index_level(&e.c.index), 4);
	env_client_init(&e, &ec);
	assert_int_equal(check_all(&e, &ec), want);
	env_client_exit(&e, &ec);
	shim_works_off = false;
	env_stop(&e);
}

/* Let the index grow to a level, and stop in the middle of that if @part. */
static void grow_to(struct env *e, u32 level, bool part)
{
	struct kfc_index *ix = &e->c.index;

	while (kfc_index_level(ix) < level) {
		shim_works_off = part && kfc_index_level(ix) == level - 1;
		ix->want = kfc_index_level(ix) + 1;
		while (kfc_index_step(ix))
			if (shim_works_off && (u32)ix->state)
				return;
	}
}

/* An index is saved at each level, and in the middle of its growth. */
static void test_levels(void **state)
{
	u32 level, want, lost;
	struct env_client ec;
	struct env e;

	srand(12);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	for (level = 0; level <= 2 * KFC_INDEX_GROWTH; level++) {
		bool part = level > KFC_INDEX_GROWTH;
		u32 to = part ? level - KFC_INDEX_GROWTH : level, i;

		env_client_exit(&e, &ec);
		e.c.cfg.format = KFC_FORMAT_NEW;
		reload(&e);
		e.c.cfg.format = KFC_FORMAT_ASK;
		memset(model, 0, sizeof(model));
		env_client_init(&e, &ec);
		/* Fewer than would let it grow further. */
		for (i = 0; i < min(KEYS, 20 << to); i++)
			store_len(&e, &ec, i, rand() % 1000);
		grow_to(&e, to, part);
		assert_in_range(kfc_index_level(&e.c.index), to - part, to);
		for (i = 0; i < 300; i++)
			random_op(&e, &ec, false);
		assert_int_equal(env_items(&e), env_slots(&e));
		/* A small table may have been full here and there. */
		for (i = 0, lost = 0; i < KEYS; i++) {
			if (!expected(i) || check_key(&e, &ec, i))
				continue;
			model[i].gen = 0;
			lost++;
		}
		assert_int_equal(lost, e.counters.ev_index);
		assert_true(lost < 20);
		to = kfc_index_reached(&e.c.index);
		env_client_exit(&e, &ec);
		env_unload(&e);
		shim_works_off = false;
		assert_int_equal(env_load(&e), 0);
		env_client_init(&e, &ec);
		assert_int_equal(kfc_index_level(&e.c.index), to);
		want = all_expected();
		assert_int_equal(check_all(&e, &ec), want);
		load_all(&e);
		assert_int_equal(evictions(&e), 0);
		assert_int_equal(env_items(&e), env_slots(&e));
		for (i = 0; i < 1000; i++)
			random_op(&e, &ec, false);
		want = all_expected();
		assert_int_equal(check_all(&e, &ec), want);
	}
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A device that failed is empty at the next load, recover=crash or not. */
static void errors_in_a_row(struct env *e, struct env_client *ec, u32 when)
{
	u32 k;

	e->d.fail_reads = 1000000;
	e->d.fail_writes = 1000000;
	for (k = 0; k < KEYS && when; k++)
		check_key(e, ec, k);
	for (k = 0; k < KEYS && !e->c.log.failed; k++) {
		store_len(e, ec, k, 20000);
		step(e);
	}
	e->d.fail_reads = 0;
	e->d.fail_writes = 0;
}

/* The one before the superblock is written, or between its copies. */
static void failed_flush(struct env *e, struct env_client *ec, u32 when)
{
	e->d.fail_flush_at = 1 + when;
	must(env_ask(e, ec, "flush_all\r\n"), "OK\r\n");
	assert_int_equal(e->d.fail_flush_at, 0);
	assert_int_equal(e->counters.write_errors, 1);
}

/* It is back for the next load, as one whose plug was loose. */
static void removed(struct env *e, struct env_client *ec, u32 when)
{
	e->d.gone = true;
	/* Nobody asks it anything, or the load does and gets errors. */
	if (!when)
		kfc_restart_step(&e->c);
	kfc_log_step(&e->c);
	assert_true(e->c.log.failed);
	jiffies += HZ;
	step(e);
	assert_false(e->c.log.disowned);
	e->d.gone = false;
}

static void fails(u32 when, bool recover,
		  void (*how)(struct env *e, struct env_client *ec, u32 when))
{
	struct env_client ec;
	struct env e;
	u32 k;

	srand(10);
	start(&e, 24, MIB);
	env_client_init(&e, &ec);
	fill(&e, &ec);
	env_client_exit(&e, &ec);
	reload(&e);
	env_client_init(&e, &ec);
	if (when)
		load_all(&e);
	how(&e, &ec, when);
	step(&e);
	assert_true(e.c.log.failed);
	load_all(&e);
	assert_int_equal(env_items(&e), env_slots(&e));
	jiffies += HZ;
	for (k = 0; k < 500; k++)
		store_len(&e, &ec, k, rand() % 2000);
	step(&e);
	assert_true(e.c.log.disowned);
	/* The device works, and stays out. */
	k = e.d.reads + e.d.writes;
	assert_true(check_all(&e, &ec) >= 400);
	assert_int_equal(e.d.reads + e.d.writes, k);
	env_client_exit(&e, &ec);
	if (recover)
		crash(&e);
	else
		env_unload(&e);
	e.c.cfg.recover_crash = recover;
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	assert_false(e.c.loading);
	assert_false(e.c.log.failed);
	assert_int_equal(check_all(&e, &ec), 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_failed_device(void **state)
{
	u32 recover, when;

	for (when = 0; when < 2; when++) {
		for (recover = 0; recover < 2; recover++) {
			fails(when, recover, errors_in_a_row);
			fails(when, recover, failed_flush);
			fails(when, recover, removed);
		}
	}
}

/* The very last flush: all is written, and yet nothing of it counts. */
static void test_unload_flush_fails(void **state)
{
	struct env_client ec;
	struct env e;
	u32 n, recover;

	for (n = 0; n < 3; n++) {
		for (recover = 0; recover < 2; recover++) {
			srand(12);
			start(&e, 24, MIB);
			env_client_init(&e, &ec);
			fill(&e, &ec);
			env_client_exit(&e, &ec);
			e.d.fail_flush_at = n + 1;
			env_unload(&e);
			assert_int_equal(e.d.fail_flush_at, 0);
			e.c.cfg.recover_crash = recover;
			assert_int_equal(env_load(&e), 0);
			env_client_init(&e, &ec);
			assert_int_equal(check_all(&e, &ec), 0);
			env_client_exit(&e, &ec);
			env_stop(&e);
		}
	}
}

/* Writes that fail at unload cost what they held, or all. */
static void test_unload_errors(void **state)
{
	u32 n, want, hits, some = 0;
	struct env_client ec;
	struct env e;

	for (n = 1; n < 14; n++) {
		srand(11);
		start(&e, 24, MIB);
		env_client_init(&e, &ec);
		fill(&e, &ec);
		env_client_exit(&e, &ec);
		e.d.fail_writes = n;
		env_unload(&e);
		e.d.fail_writes = 0;
		assert_int_equal(env_load(&e), 0);
		env_client_init(&e, &ec);
		want = all_expected();
		hits = check_all(&e, &ec);
		assert_true(hits < want);
		assert_int_equal(env_items(&e), env_slots(&e));
		some += hits > 0;
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
	assert_true(some);
}

/* Each value that a key had since the last flush_all. */
#define HISTORY 64
static struct {
	u32 gen[HISTORY];
	u32 len[HISTORY];
	u32 nr;
} history[KEYS];

static bool recovered(struct env *e, struct env_client *ec, u32 k)
{
	const char *a = env_ask(e, ec, "get key-%u\r\n", k);
	char head[64];
	u32 i;
	int n;

	if (!strcmp(a, "END\r\n"))
		return false;
	for (i = 0; i < history[k].nr; i++) {
		u32 len = history[k].len[i];

		n = sprintf(head, "VALUE key-%u 0 %u\r\n", k, len);
		if (!memcmp(a, head, n) &&
		    !memcmp(a + n, make_value(k, history[k].gen[i], len), len))
			return true;
	}
	fail_msg("key-%u has a value that it never had, or before a flush", k);
	return false;
}

/* recover=crash: only values that were acknowledged, none before a flush. */
static void test_recover(void **state)
{
	u32 seed, i, k, round, hits, flushed, all = 0;
	struct env_client ec;
	struct env e;

	for (seed = 30; seed < 40; seed++) {
		srand(seed);
		start(&e, 20, MIB);
		e.c.cfg.recover_crash = true;
		memset(history, 0, sizeof(history));
		for (round = 0; round < 4; round++) {
			env_client_init(&e, &ec);
			flushed = rand() % 3 ? NO_KEY : rand() % 6000;
			for (i = rand() % 6000; i; i--) {
				u32 len = rand() % 3000, h;
				char key[32];

				k = rand() % KEYS;
				if (i == flushed) {
					ASK("OK\r\n", "flush_all\r\n");
					memset(history, 0, sizeof(history));
				}
				h = history[k].nr;
				if (h == HISTORY)
					continue;
				history[k].gen[h] = rand();
				history[k].len[h] = len;
				history[k].nr++;
				sprintf(key, "key-%u", k);
				must(env_set(&e, &ec, "set", key, 0, 0,
					     make_value(k, history[k].gen[h],
							len), len, ""),
				     "STORED\r\n");
				if (rand() % 50)
					step(&e);
				if (rand() % 9 == 0)
					env_ask(&e, &ec, "delete key-%u\r\n",
						rand() % KEYS);
			}
			env_client_exit(&e, &ec);
			if (rand() % 4) {
				/* Torn: the last slab is written in part. */
				if (rand() & 1)
					memset(e.d.mem + (rand() % 15 + 3) *
					       MIB, rand(), MIB / 2);
				crash(&e);
				assert_int_equal(env_load(&e), 0);
			} else {
				reload(&e);
			}
			env_client_init(&e, &ec);
			load_all(&e);
			for (hits = 0, k = 0; k < KEYS; k++)
				hits += recovered(&e, &ec, k);
			assert_int_equal(env_items(&e), env_slots(&e));
			all += hits;
			env_client_exit(&e, &ec);
		}
		env_stop(&e);
	}
	assert_true(all > 1000);
}

/* The newest of a key hides the older ones, though it has expired. */
static void test_expired_then_crash(void **state)
{
	struct env_client ec;
	struct env e;

	srand(42);
	start(&e, 24, MIB);
	e.c.cfg.recover_crash = true;
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 0 3\r\nold\r\n");
	ASK("STORED\r\n", "set b 0 0 3\r\nold\r\n");
	fill(&e, &ec);
	ASK("STORED\r\n", "set a 0 10 3\r\nnew\r\n");
	ASK("TOUCHED\r\n", "touch b 10\r\n");
	fill(&e, &ec);
	fill(&e, &ec);
	step(&e);
	env_client_exit(&e, &ec);
	env_now += 20;
	crash(&e);
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	ASK("END\r\n", "get a\r\n");
	ASK("END\r\n", "get b\r\n");
	assert_int_equal(e.counters.get_expired, 2);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Power fails as soon as a flush_all was answered. */
static void test_flush_then_crash(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i;

	for (i = 0; i < 2; i++) {
		srand(41);
		start(&e, 24, MIB);
		e.c.cfg.recover_crash = true;
		env_client_init(&e, &ec);
		fill(&e, &ec);
		step(&e);
		if (i)
			ASK("OK\r\n", "flush_all\r\n");
		env_client_exit(&e, &ec);
		crash(&e);
		assert_int_equal(env_load(&e), 0);
		env_client_init(&e, &ec);
		if (i)
			assert_int_equal(check_all(&e, &ec), 0);
		else
			assert_true(check_all(&e, &ec) > KEYS / 2);
		env_client_exit(&e, &ec);
		env_stop(&e);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void set_object(struct env *e, struct env_client *ec, u32 n)
{
	struct mp_req req = { .op = MP_SET, .noreply = true, .vlen = 300 };
	struct kfc_value v = { .len = 300, .flat = (u8 *)value };
	char key[32];

	req.key = (u8 *)key;
	req.klen = sprintf(key, "object-%08u", n);
	sprintf(value, "%u is the number of this object", n);
	while (kfc_cmd_run(&ec->cl, &req, &v) == KFC_CMD_BUSY)
		kfc_log_step(&e->c);
	if (n % 1000 == 0)
		step(e);
}

/* What a restart costs: objects of 300 B. */
static void test_figures(void **state)
{
	const u32 n = 200000;
	u64 area, used = 0, wrong = 0, lost;
	struct env_client ec;
	struct env e;
	double t;
	u32 i;

	env_start_on(&e, 1 * MIB, 8, 84 * MIB / KFC_PAGE, 3 * MIB);
	env_client_init(&e, &ec);
	memset(value, 'v', 300);
	for (i = 0; i < n; i++)
		set_object(&e, &ec, i);
	/* A few never were there: a tag of another key, a group that is full. */
	lost = n - env_items(&e);
	assert_in_range(lost, 0, n / 10000);
	env_client_exit(&e, &ec);
	t = seconds();
	env_unload(&e);
	print_message("unload: %.2f s\n", seconds() - t);
	e.d.read_pages = 0;
	t = seconds();
	assert_int_equal(env_load(&e), 0);
	load_all(&e);
	t = seconds() - t;
	area = e.d.read_pages - 2;
	for (i = 0; i < e.c.log.nr_slabs; i++)
		used += e.c.log.slabs[i].end;
	assert_int_equal(env_items(&e), n - lost);
	env_client_init(&e, &ec);
	for (i = 0; i < n; i++) {
		char want[400];
		const char *a = env_ask(&e, &ec, "get object-%08u\r\n", i);

		sprintf(want, "%u is the number of this object", i);
		if (!strcmp(a, "END\r\n"))
			lost--;
		else
			wrong += !strstr(a, want);
	}
	print_message("restart: %u objects in %.2f s, %.0f a second; index area read %llu KiB, %.2f %% of %llu MiB used; lost %llu, stale %llu\n",
		      n, t, n / t, area * 4, area * 409600.0 / used,
		      used >> 20, lost, wrong);
	assert_true(area * 4096.0 / used <= 0.03);
	assert_int_equal(wrong, 0);
	assert_int_equal(lost, 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_before_loaded),
		cmocka_unit_test(test_expired_after_load),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_refused_before_loaded),
		cmocka_unit_test(test_reclaim_while_loading),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_crooked_pages),
		cmocka_unit_test(test_clock_behind),
		cmocka_unit_test(test_does_not_fit),
		cmocka_unit_test(test_too_large_by_now),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_crooked_summary),
		cmocka_unit_test(test_too_many_records),
		cmocka_unit_test(test_unload_dies),
		cmocka_unit_test(test_unload_errors),
		cmocka_unit_test(test_load_fails),
		cmocka_unit_test(test_index_size),
		cmocka_unit_test(test_index_start),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_failed_device),
		cmocka_unit_test(test_unload_flush_fails),
		cmocka_unit_test(test_recover),
		cmocka_unit_test(test_expired_then_crash),
		cmocka_unit_test(test_flush_then_crash),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_rounds_full),
		cmocka_unit_test(test_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

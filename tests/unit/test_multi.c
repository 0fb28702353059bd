// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Several devices: what is where, what a device takes along that fails, who
 * waits for one that hangs, and which sets a load takes.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"
#include "restart.h"

#include <cmocka.h>

#define MIB (1ULL << 20)
#define KEYS 2400
#define DEVS 3

static const u64 sizes[] = { 24 * 256, 30 * 256 + 7, 14 * 256 };

/* The generation of a key: 0 is absent. */
static u32 gens[KEYS];
static struct env e;
static struct env_client ec;

static void step(void)
{
	while (kfc_log_step(&e.c))
		;
}

static void load_all(void)
{
	while (kfc_restart_step(&e.c))
		;
}

static u32 make_value(u32 k, char *buf)
{
	u32 n = sprintf(buf, "%u.%u.", k, gens[k]), len = 1500 + k * 7 % 16000;

	memset(buf + n, 'a' + k % 26, len - n);
	return len;
}

static bool store(u32 k)
{
	char key[32], value[18000];
	u32 len;

	gens[k]++;
	len = make_value(k, value);
	sprintf(key, "key-%u", k);
	return !strcmp(env_set(&e, &ec, "set", key, 0, 0, value, len, ""),
		       "STORED\r\n");
}

/* A hit is the last value, or the test fails. */
static bool hit(u32 k)
{
	const char *a = env_ask(&e, &ec, "get key-%u\r\n", k);
	char value[18000], head[64];
	u32 len = make_value(k, value), n;

	if (!strcmp(a, "END\r\n"))
		return false;
	assert_true(gens[k]);
	n = sprintf(head, "VALUE key-%u 0 %u\r\n", k, len);
	assert_memory_equal(a, head, n);
	assert_memory_equal(a + n, value, len);
	return true;
}

static u32 hits(u32 from, u32 to)
{
	u32 n = 0;

	for (; from < to; from++)
		n += hit(from);
	return n;
}

static void fill(u32 from, u32 to)
{
	for (; from < to; from++)
		assert_true(store(from));
	step();
}

/* The device that a key's record is on, or is to go to; -1 for none. */
static int dev_of(u32 k, bool *memory)
{
	struct kfc_lookup lk;
	struct kfc_slab *s;
	char key[32];
	u64 *slot;
	int dev = -1;

	sprintf(key, "key-%u", k);
	kfc_key_init(&e.c, &lk, (const u8 *)key, strlen(key));
	rcu_read_lock();
	slot = kfc_index_find(&e.c.index, &lk.pos);
	if (slot) {
		s = kfc_slab_of(&e.c.log,
				kfc_slot_home(&e.c, &lk.pos, *slot));
		*memory = s->buf;
		dev = s->dev;
	}
	rcu_read_unlock();
	return dev;
}

static u32 keys_on(u32 dev, bool only_there)
{
	u32 k, n = 0;
	bool memory;

	for (k = 0; k < KEYS; k++)
		n += dev_of(k, &memory) == (int)dev &&
		     !(only_there && memory);
	return n;
}

static void start_with(const u64 *pages, u32 nr, u32 bufs)
{
	memset(gens, 0, sizeof(gens));
	env_start_set(&e, MIB, bufs, pages, nr, 2 * MIB);
	env_client_init(&e, &ec);
}

static void start_on(const u64 *pages, u32 nr)
{
	start_with(pages, nr, 12);
}

static void start(void)
{
	start_on(sizes, DEVS);
}

static void unload(void)
{
	env_client_exit(&e, &ec);
	env_unload(&e);
}

static int load(void)
{
	u32 nr;
	int err;

	e.c.nr_devs = e.nr;
	for (nr = 0; nr < e.nr; nr++)
		e.c.devs[nr] = &env_dev(&e, nr)->dev;
	err = env_load(&e);
	if (!err)
		env_client_init(&e, &ec);
	return err;
}

static void reload(void)
{
	unload();
	assert_int_equal(load(), 0);
	load_all();
}

/* What a crash leaves: the devices as they are. */
static void crash(void)
{
	u32 nr;

	for (nr = 0; nr < e.nr; nr++)
		env_dev(&e, nr)->dies_at = 1;
	unload();
	for (nr = 0; nr < e.nr; nr++)
		env_dev(&e, nr)->dies_at = 0;
}

static void stop(void)
{
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static u64 evictions(void)
{
	return e.counters.ev_space + e.counters.ev_device +
	       e.counters.ev_index + e.counters.ev_tag;
}

/* A device and its contents; its kfc_dev stays where the set has it. */
struct image {
	u8 *mem;
	u64 pages;
};

static struct image image_of(u32 nr)
{
	struct env_dev *d = env_dev(&e, nr);
	struct image im = { malloc(d->dev.pages * KFC_PAGE), d->dev.pages };

	memcpy(im.mem, d->mem, im.pages * KFC_PAGE);
	return im;
}

static void put_image(u32 nr, struct image im)
{
	struct env_dev *d = env_dev(&e, nr);

	free(d->mem);
	d->mem = im.mem;
	d->dev.pages = im.pages;
}

/* In another order. */
static void swap_devs(u32 a, u32 b)
{
	struct image x = image_of(a), y = image_of(b);

	put_image(a, y);
	put_image(b, x);
}

static void blank(u32 nr)
{
	struct env_dev *d = env_dev(&e, nr);

	memset(d->mem, 0, d->dev.pages * KFC_PAGE);
}

static u32 writes(void)
{
	u32 nr, n = 0;

	for (nr = 0; nr < e.nr; nr++)
		n += env_dev(&e, nr)->writes;
	return n;
}

/* In turn, each as long as it has room; and the devices are in use alike. */
static void test_spread(void **state)
{
	u32 i, nr, n[DEVS] = {}, first[DEVS] = {};
	struct kfc_log *l = &e.c.log;

	start();
	for (i = 0; i < l->nr_slabs; i++) {
		struct kfc_slab *s = &l->slabs[i];

		assert_int_equal(s->home, n[s->dev]);
		n[s->dev]++;
		if (i < 30)
			first[s->dev]++;
	}
	for (nr = 0; nr < DEVS; nr++) {
		u64 end = l->members[nr].slabs_at + n[nr] * 256;

		assert_int_equal(n[nr], l->members[nr].nr_slabs);
		assert_int_equal(first[nr], 10);
		assert_true(end < sizes[nr] && end + 2 * 256 > sizes[nr]);
	}
	fill(0, KEYS);
	assert_int_equal(evictions(), 0);
	for (nr = 0; nr < DEVS; nr++)
		assert_true(keys_on(nr, false) > KEYS / 5);
	assert_int_equal(hits(0, KEYS), KEYS);
	for (nr = 0; nr < DEVS; nr++)
		assert_true(env_dev(&e, nr)->reads > KEYS / 10);
	/* Round and round: the oldest make room, on whichever device. */
	for (i = 0; i < 8; i++)
		fill(0, KEYS);
	assert_true(e.counters.ev_space + e.counters.ext_page_reclaims);
	assert_int_equal(e.counters.ev_device, 0);
	for (nr = 0; nr < DEVS; nr++)
		assert_true(keys_on(nr, false) > KEYS / 10);
	assert_int_equal(env_items(&e), env_slots(&e));
	stop();
}

/* All is back, in whatever order the devices are named. */
static void test_order(void **state)
{
	static const u8 swaps[][2] = {
		{ 0, 0 }, { 0, 1 }, { 1, 2 }, { 0, 2 }, { 0, 1 },
	};
	u32 i, k;

	start();
	fill(0, KEYS);
	for (i = 0; i < ARRAY_SIZE(swaps); i++) {
		unload();
		if (swaps[i][0] != swaps[i][1])
			swap_devs(swaps[i][0], swaps[i][1]);
		assert_int_equal(load(), 0);
		assert_true(e.c.loading);
		load_all();
		for (k = i; k < KEYS; k += 20)
			assert_true(store(k));
		assert_int_equal(hits(0, KEYS), KEYS);
		assert_int_equal(evictions(), 0);
		assert_int_equal(e.c.log.members[2].nr_slabs, 12);
	}
	stop();
}

/* Loaded empty, and good from then on. */
static void must_be_empty(void)
{
	assert_int_equal(load(), 0);
	assert_false(e.c.loading);
	assert_int_equal(env_items(&e), 0);
	assert_int_equal(hits(0, KEYS), 0);
	fill(0, 200);
	reload();
	assert_int_equal(hits(0, KEYS), 200);
	memset(gens, 0, sizeof(gens));
}

/* One missing, one too many, one that is blank: empty. */
static void test_not_the_set(void **state)
{
	u32 crashed;

	for (crashed = 0; crashed < 2; crashed++) {
		start();
		e.c.cfg.recover_crash = crashed;
		fill(0, KEYS);
		unload();
		/* The last one is not named, and then it is again. */
		e.nr = 2;
		must_be_empty();
		unload();
		e.nr = 3;
		must_be_empty();
		fill(0, KEYS);
		unload();
		blank(1);
		must_be_empty();
		fill(0, KEYS);
		unload();
		blank(0);
		must_be_empty();
		fill(0, KEYS);
		unload();
		/* One of them alone is not what it was, either. */
		e.nr = 1;
		must_be_empty();
		unload();
		e.nr = 3;
		must_be_empty();
		stop();
	}
}

/* A device as it was some loads ago, with recover=crash or without. */
static void test_older(void **state)
{
	u32 nr, crashed, clean;
	struct image im;

	for (nr = 0; nr < DEVS; nr++) {
		for (clean = 0; clean < 2; clean++) {
			crashed = nr & 1;
			start();
			e.c.cfg.recover_crash = crashed;
			fill(0, KEYS);
			unload();
			im = image_of(nr);
			assert_int_equal(load(), 0);
			load_all();
			fill(0, KEYS);
			if (clean)
				unload();
			else
				crash();
			put_image(nr, im);
			must_be_empty();
			stop();
		}
	}
}

/* Twice the same device, under two names. */
static void test_copy_of_one(void **state)
{
	static const u64 same[] = { 20 * 256, 20 * 256 };

	start_on(same, 2);
	fill(0, 500);
	unload();
	put_image(1, image_of(0));
	must_be_empty();
	stop();
}

/* Nothing is written to any before all are found to be free to use. */
static void test_refused(void **state)
{
	struct kfc_super *sb;
	uuid_t own;
	u32 nr, was;

	start();
	own = e.c.uuid;
	fill(0, KEYS);
	unload();
	for (nr = 0; nr < DEVS; nr++) {
		struct image good = image_of(nr), mine = image_of(!nr);

		was = writes();
		/* Foreign, of another version, of another slab size. */
		blank(nr);
		blank(!nr);
		memset(env_dev(&e, nr)->mem + 5000, 0x55, KFC_PAGE);
		assert_int_equal(load(), -EMEDIUMTYPE);
		put_image(!nr, mine);
		assert_int_equal(load(), -EMEDIUMTYPE);
		put_image(nr, good);
		sb = (void *)env_dev(&e, nr)->mem;
		sb->version = 2;
		sb->crc = 0;
		sb->crc = XXH32(sb, KFC_PAGE, 0);
		assert_int_equal(load(), -EMEDIUMTYPE);
		sb->version = KFC_SB_VERSION;
		sb->crc = 0;
		sb->crc = XXH32(sb, KFC_PAGE, 0);
		e.c.cfg.slab_bytes = 2 * MIB;
		assert_int_equal(load(), -EINVAL);
		e.c.cfg.slab_bytes = MIB;
		e.c.cfg.has_uuid = true;
		e.c.cfg.uuid = own;
		e.c.cfg.uuid.b[3] ^= 1;
		assert_int_equal(load(), -ENODEV);
		e.c.cfg.has_uuid = false;
		assert_int_equal(writes(), was);
	}
	e.c.cfg.has_uuid = true;
	e.c.cfg.uuid = own;
	assert_int_equal(load(), 0);
	load_all();
	assert_int_equal(hits(0, KEYS), KEYS);
	unload();
	blank(2);
	assert_int_equal(load(), -ENODEV);
	e.c.cfg.has_uuid = false;
	must_be_empty();
	assert_memory_equal(&own, &e.c.uuid, sizeof(own));
	stop();
}

/* The first has the index area; the others are alike, and the last stands for them. */
#define FIRST_AND_LAST(nr) for (nr = 0; nr < DEVS; nr += DEVS - 1)

enum how { READS, WRITES, FLUSH, GONE, HOWS };

/* Have a device fail. */
static void break_dev(u32 nr, enum how how)
{
	struct env_dev *d = env_dev(&e, nr);
	u32 i;

	switch (how) {
	case READS:
		d->fail_reads = 1000000;
		for (i = 0; i < KEYS && !e.c.log.members[nr].failed; i++)
			hit(i);
		break;
	case WRITES:
		d->fail_writes = 1000000;
		for (i = 0; i < 10 * KEYS && !e.c.log.members[nr].failed; i++) {
			store(i % KEYS);
			kfc_log_step(&e.c);
		}
		break;
	case FLUSH:
		d->fail_flush_at = 1;
		memset(gens, 0, sizeof(gens));
		assert_string_equal(env_ask(&e, &ec, "flush_all\r\n"),
				    "OK\r\n");
		break;
	default:
		d->gone = true;
		break;
	}
	step();
	assert_true(e.c.log.members[nr].failed);
	step();
}

static void heal(u32 nr)
{
	struct env_dev *d = env_dev(&e, nr);

	d->fail_reads = d->fail_writes = d->fail_flush_at = 0;
	d->gone = false;
}

/* Only what lay there is gone, and the others go on. */
static void one_fails(u32 nr, enum how how, bool clean, bool crash_after)
{
	u32 on[DEVS], i, k, n, there;
	/* The index is saved on the first. */
	bool indexed = clean && nr;
	struct kfc_log_info info;
	bool memory;

	start();
	e.c.cfg.recover_crash = true;
	fill(0, KEYS);
	for (i = 0; i < DEVS; i++)
		on[i] = keys_on(i, true);
	assert_true(on[nr] > KEYS / 8);
	break_dev(nr, how);
	assert_false(e.c.log.failed);
	if (how == READS || how == GONE) {
		/* Counted, once each, and under that name. */
		assert_int_equal(e.counters.ev_device, on[nr]);
		assert_int_equal(env_items(&e), KEYS - on[nr]);
		assert_int_equal(hits(0, KEYS), KEYS - on[nr]);
	}
	assert_int_equal(keys_on(nr, true), 0);
	assert_int_equal(env_items(&e), env_slots(&e));
	kfc_log_info(&e.c, &info);
	assert_int_equal(info.devs_failed, 1);
	/* Deleted and overwritten where that device does not hear of it. */
	for (k = 0; k < 80; k++) {
		env_ask(&e, &ec, "delete key-%u\r\n", k);
		gens[k] = 0;
	}
	n = env_dev(&e, nr)->writes;
	fill(80, 320);
	fill(500, 1900);
	assert_true(hits(80, 320) > 230);
	assert_int_equal(keys_on(nr, false), 0);
	assert_int_equal(env_dev(&e, nr)->writes, n);
	assert_int_equal(env_items(&e), env_slots(&e));
	/* The flush_all that a failing flush belongs to is kept elsewhere. */
	assert_true(e.c.kept_from == e.c.valid_from);
	there = hits(0, KEYS);
	if (clean) {
		heal(nr);
		unload();
	} else {
		crash();
		heal(nr);
	}
	assert_int_equal(load(), 0);
	load_all();
	assert_int_equal(env_items(&e), env_slots(&e));
	n = 0;
	for (k = 0; k < KEYS; k++) {
		if (dev_of(k, &memory) == (int)nr)
			fail_msg("key-%u came back from a failed device", k);
		/* A crash may bring back what was deleted, but not from there. */
		if (indexed)
			n += hit(k);
	}
	if (indexed)
		assert_int_equal(n, there);
	else
		assert_int_equal(e.c.saved.found, KFC_FOUND_CRASHED);
	/* It is one of the set again. */
	assert_int_equal(e.c.log.members[nr].failed, false);
	if (crash_after) {
		/* And what it holds from before does not come back later. */
		crash();
		assert_int_equal(load(), 0);
		load_all();
		for (k = 0; k < KEYS; k++)
			if (dev_of(k, &memory) == (int)nr)
				fail_msg("key-%u came back later", k);
	}
	memset(gens, 0, sizeof(gens));
	env_ask(&e, &ec, "flush_all\r\n");
	n = env_dev(&e, nr)->writes;
	for (i = 0; i < 3; i++)
		fill(0, KEYS);
	assert_true(env_dev(&e, nr)->writes - n > 5);
	assert_true(hits(0, KEYS) > KEYS * 9 / 10);
	stop();
}

static void test_one_fails(void **state)
{
	u32 nr, how;

	FIRST_AND_LAST(nr)
		for (how = 0; how < HOWS; how++)
			one_fails(nr, how, true, (nr + how) & 1);
}

static void test_one_fails_and_a_crash(void **state)
{
	u32 nr, how;

	FIRST_AND_LAST(nr)
		for (how = 0; how < HOWS; how++)
			one_fails(nr, how, false, (nr + how) & 1);
}

/* One after the other: in the end there is memory. */
static void test_all_fail(void **state)
{
	u32 nr, how;

	for (how = 0; how < HOWS; how++) {
		start();
		e.c.cfg.recover_crash = true;
		fill(0, KEYS);
		for (nr = 0; nr < DEVS; nr++) {
			assert_false(e.c.log.failed);
			break_dev((nr + how) % DEVS, how);
			fill(0, 200);
			assert_true(hits(0, 200) > 40);
			assert_int_equal(env_items(&e), env_slots(&e));
		}
		assert_true(e.c.log.failed);
		assert_int_equal(e.c.log.nr_out, 0);
		fill(300, KEYS);
		assert_true(hits(0, KEYS) > 300);
		for (nr = 0; nr < DEVS; nr++)
			heal(nr);
		unload();
		memset(gens, 0, sizeof(gens));
		assert_int_equal(load(), 0);
		load_all();
		assert_int_equal(env_items(&e), 0);
		assert_int_equal(hits(0, KEYS), 0);
		stop();
	}
}

/* Copies have their share of memory, and a device that hangs has not theirs. */
static void test_hangs_beside_copies(void **state)
{
	u32 nr, i, n, round;
	struct env_dev *d;

	for (nr = 0; nr < 2; nr++) {
		start_with(sizes, 2, 24);
		fill(0, KEYS);
		for (round = 0; round < 4; round++) {
			fill(KEYS * 3 / 4, KEYS);
			for (i = 0; i < 3; i++) {
				hits(0, KEYS * 3 / 4);
				step();
			}
		}
		assert_true(e.c.log.nr_copies + 2 >
			    kfc_copies_max(&e.c.log));
		d = env_dev(&e, nr);
		d->hangs = d->defer = shim_hangs = true;
		for (i = n = 0; i < 2 * KEYS; i++) {
			n += store(i % KEYS);
			kfc_log_step(&e.c);
		}
		assert_int_equal(n, 2 * KEYS);
		d->hangs = d->defer = shim_hangs = false;
		while (d->nr)
			env_complete_of(d, 0);
		jiffies += 5000;
		step();
		stop();
	}
}

/* One hangs: what is on the others is served, and sets go on. */
static void test_one_hangs(void **state)
{
	u32 nr, i, k, n, before;
	struct env_dev *d;
	bool memory;

	FIRST_AND_LAST(nr) {
		start();
		fill(0, KEYS);
		d = env_dev(&e, nr);
		d->hangs = d->defer = shim_hangs = true;
		before = e.counters.ext_page_reclaims;
		/* Not even before that is noticed, for no time passes. */
		for (i = n = 0; i < KEYS; i++) {
			n += store(i);
			kfc_log_step(&e.c);
		}
		assert_int_equal(n, KEYS);
		n = 0;
		for (i = 0; i < 10 * KEYS; i++) {
			n += store(i % KEYS);
			jiffies += 2;
			kfc_log_step(&e.c);
		}
		/* None was refused, over more than all slabs. */
		assert_int_equal(n, 10 * KEYS);
		assert_true(e.counters.ext_page_reclaims > before + 60);
		assert_true(d->nr <= KFC_WRITES + 1);
		assert_false(e.c.log.members[nr].failed);
		n = 0;
		for (k = 0; k < KEYS; k++)
			if (dev_of(k, &memory) != (int)nr || memory)
				n += hit(k);
		assert_true(n > KEYS / 3);
		/* It goes on, and so it is filled again. */
		d->hangs = d->defer = shim_hangs = false;
		while (d->nr)
			env_complete_of(d, 0);
		jiffies += 5000;
		step();
		i = d->writes;
		for (k = 0; k < 6; k++)
			fill(0, KEYS);
		assert_true(d->writes - i > 5);
		assert_int_equal(env_items(&e), env_slots(&e));
		n = hits(0, KEYS);
		assert_true(n > KEYS / 2);
		reload();
		assert_int_equal(hits(0, KEYS), n);
		stop();
	}
}

/* A slab that reads hold which do not end keeps no other from making room. */
static void test_reads_hang(void **state)
{
	struct env_client other;
	struct env_dev *d;
	u32 i, k, n = 0;
	bool memory;

	start();
	fill(0, KEYS);
	d = env_dev(&e, 1);
	d->hangs = d->defer = shim_hangs = true;
	env_client_init(&e, &other);
	for (k = 0; k < KEYS && n < 20; k++) {
		char line[32];

		if (dev_of(k, &memory) != 1 || memory)
			continue;
		env_feed(&e, &other, line, sprintf(line, "get key-%u\r\n", k));
		n++;
	}
	assert_int_equal(other.cl.inflight, 20);
	n = 0;
	for (i = 0; i < 10 * KEYS; i++) {
		n += store(i % KEYS);
		jiffies += 2;
		kfc_log_step(&e.c);
	}
	assert_int_equal(n, 10 * KEYS);
	d->hangs = d->defer = shim_hangs = false;
	while (d->nr)
		env_complete_of(d, 0);
	env_events(&other);
	assert_int_equal(other.cl.inflight, 0);
	env_client_exit(&e, &other);
	jiffies += 5000;
	step();
	assert_true(list_empty(&e.c.log.held));
	fill(0, KEYS);
	n = hits(0, KEYS);
	reload();
	assert_int_equal(hits(0, KEYS), n);
	stop();
}

/* Nothing is lost by one device of which the last flush fails but what it has. */
static void test_flush_at_unload(void **state)
{
	u32 nr, k, n, there;
	static bool on[KEYS];
	bool memory;

	for (nr = 0; nr < DEVS; nr++) {
		start();
		e.c.cfg.recover_crash = true;
		fill(0, KEYS);
		for (k = there = 0; k < KEYS; k++) {
			on[k] = dev_of(k, &memory) == (int)nr;
			there += !on[k];
		}
		env_dev(&e, nr)->fail_flush_at = 1;
		unload();
		assert_int_equal(load(), 0);
		/* The index is on the first. */
		assert_int_equal(e.c.saved.found, nr ? KFC_FOUND_CLEAN :
						       KFC_FOUND_CRASHED);
		load_all();
		for (k = n = 0; k < KEYS; k++)
			n += hit(k) && !on[k];
		assert_int_equal(n, there);
		assert_int_equal(env_items(&e), there);
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_not_the_set),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_copy_of_one),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_one_fails),
		cmocka_unit_test(test_one_fails_and_a_crash),
		cmocka_unit_test(test_all_fail),
		cmocka_unit_test(test_one_hangs),
		cmocka_unit_test(test_hangs_beside_copies),
		cmocka_unit_test(test_reads_hang),
		cmocka_unit_test(test_flush_at_unload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Address reuse: a slab's space has got another life while a read, a slot, a
 * promoted copy, a note of what is to go, or a recovery still means the one
 * before.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"
#include "restart.h"

#include <cmocka.h>

#define MIB (1ULL << 20)
#define LEN 1500
#define SLABS 18
/* As many as the device holds. */
#define ROUND ((u32)(SLABS * MIB / LEN))

static void step(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

/* The bytes of @key's value, the @gen-th: no other has them. */
static const char *bytes_of(const char *key, u32 gen)
{
	static char value[LEN];
	int n = sprintf(value, "%s %u ", key, gen);

	memset(value + n, 'a' + gen % 26, LEN - n);
	return value;
}

static bool stored(struct env *e, struct env_client *ec, const char *key,
		   u32 gen)
{
	bool ok = !strcmp(env_set(e, ec, "set", key, 0, 0, bytes_of(key, gen),
				  LEN, ""), "STORED\r\n");

	step(e);
	return ok;
}

static void put(struct env *e, struct env_client *ec, const char *key, u32 gen)
{
	assert_true(stored(e, ec, key, gen));
}

/* Is it an answer with a value of that key, as a whole? Which one, 0 for none? */
static u32 gen_in(const char *answer, const char *key)
{
	char head[80];
	int n = sprintf(head, "VALUE %s 0 %u\r\n", key, LEN);
	u32 gen;

	if (!strcmp(answer, "END\r\n"))
		return 0;
	assert_memory_equal(answer, head, n);
	assert_int_equal(sscanf(answer + n, "%*s %u", &gen), 1);
	assert_memory_equal(answer + n, bytes_of(key, gen), LEN);
	assert_string_equal(answer + n + LEN, "\r\nEND\r\n");
	return gen;
}

static u32 get(struct env *e, struct env_client *ec, const char *key)
{
	return gen_in(env_ask(e, ec, "get %s\r\n", key), key);
}

static enum kfc_where find(struct env *e, struct kfc_lookup *lk,
			   const char *key)
{
	enum kfc_where where;

	kfc_key_init(&e->c, lk, (const u8 *)key, strlen(key));
	rcu_read_lock();
	where = kfc_store_find(&e->c, lk);
	rcu_read_unlock();
	return where;
}

/* Something else. */
static bool other_stored(struct env *e, struct env_client *ec)
{
	static u32 nr;
	char key[32];

	sprintf(key, "other-%u", nr++);
	return stored(e, ec, key, 1);
}

static void wear(struct env *e, struct env_client *ec, u32 times)
{
	while (times--)
		assert_true(other_stored(e, ec));
}

static void put_out(struct env *e, struct env_client *ec, const char *key,
		    u32 gen, struct kfc_lookup *lk)
{
	u32 n;

	put(e, ec, key, gen);
	for (n = 0; find(e, lk, key) != KFC_ON_DEVICE; n++) {
		assert_in_range(n, 0, 10000);
		wear(e, ec, 1);
	}
}

/* Until the key is in memory, in another life of its slab, where it was. */
static u32 put_again(struct env *e, struct env_client *ec, const char *key,
		     u32 gen, const struct kfc_lookup *was, u64 seq)
{
	struct kfc_lookup now;

	do {
		assert_in_range(++gen, 0, 3 * ROUND);
		put(e, ec, key, gen);
	} while (find(e, &now, key) != KFC_IN_MEMORY ||
		 !kfc_slot_same(now.slot, was->slot));
	assert_true(kfc_slab_of(&e->c.log, now.slot)->seq > seq);
	return gen;
}

/* Until it has left memory, and is where it was. */
static void push_out(struct env *e, struct env_client *ec, const char *key,
		     const struct kfc_lookup *was)
{
	struct kfc_lookup now;

	while (find(e, &now, key) == KFC_IN_MEMORY)
		wear(e, ec, 1);
	assert_int_equal(find(e, &now, key), KFC_ON_DEVICE);
	assert_true(kfc_slot_same(now.slot, was->slot));
}

static u64 life_of(struct env *e, const struct kfc_lookup *lk)
{
	return kfc_slab_of(&e->c.log, lk->slot)->seq;
}

/* Where page @nr of a slab lies. */
static u8 *on_device(struct env *e, const struct kfc_slab *s, u32 nr)
{
	return e->d.mem + kfc_slab_at(&e->c.log, s, nr) * KFC_PAGE;
}

static void start(struct env *e, struct env_client *ec)
{
	env_start_on(e, MIB, 12, (SLABS + 3) * MIB / KFC_PAGE, MIB);
	assert_int_equal(e->c.log.nr_slabs, SLABS);
	e->c.cfg.reinsert_pct = 0;
	e->c.cfg.recover_crash = true;
	env_client_init(e, ec);
}

static void stop(struct env *e, struct env_client *ec)
{
	step(e);
	assert_int_equal(env_slots(e), env_items(e));
	env_client_exit(e, ec);
	env_stop(e);
}

/* A read under way: of an only device the log waits for it with that slab. */
static void test_read(void **state)
{
	struct env_client ec, reader;
	struct kfc_lookup was;
	struct kfc_slab *s;
	struct env e;
	u64 seq;
	u32 n;

	start(&e, &ec);
	env_client_init(&e, &reader);
	put_out(&e, &ec, "key", 1, &was);
	s = kfc_slab_of(&e.c.log, was.slot);
	seq = s->seq;
	e.d.defer = true;
	reader.len = 0;
	env_feed(&e, &reader, "get key\r\n", 9);
	assert_int_equal(e.d.nr, 1);
	e.d.defer = false;
	e.d.hangs = true;
	for (n = 0; other_stored(&e, &ec); n++)
		assert_in_range(n, 0, 2 * ROUND);
	assert_int_equal(s->state, KFC_SLAB_DRAIN);
	assert_int_equal(s->seq, seq);
	assert_int_equal(get(&e, &ec, "key"), 0);
	env_complete(&e, 0);
	env_events(&reader);
	assert_int_equal(gen_in(reader.answer, "key"), 1);
	wear(&e, &ec, ROUND);
	assert_true(s->seq > seq);
	env_client_exit(&e, &reader);
	stop(&e, &ec);
}

static struct {
	struct env *e;
	struct env_client *ec;
} unpinned;

void __real_kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd);
void __wrap_kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd);

/* What a read had pinned gets its next life at once, if a test wants that. */
void __wrap_kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd)
{
	struct kfc_slab *s = rd->slab;
	struct env *e = unpinned.e;
	u64 seq;

	__real_kfc_read_unpin(c, rd);
	if (!s || !e)
		return;
	unpinned.e = NULL;
	for (seq = s->seq; s->seq == seq || !s->buf; )
		wear(e, unpinned.ec, 1);
}

/*
 * The first part of a long value was read, and its slab let go: the rest is in
 * memory, so says the slab, but in another life of it.
 */
static void test_rest(void **state)
{
	struct env_client ec, reader;
	static char big[64 << 10];
	struct kfc_lookup lk;
	struct env e;

	start(&e, &ec);
	env_client_init(&e, &reader);
	e.c.window = 2;
	memset(big, 'x', sizeof(big));
	assert_string_equal(env_set(&e, &ec, "set", "key", 0, 0, big,
				    sizeof(big), ""), "STORED\r\n");
	while (find(&e, &lk, "key") != KFC_ON_DEVICE)
		wear(&e, &ec, 1);
	unpinned.e = &e;
	unpinned.ec = &ec;
	reader.len = 0;
	env_feed(&e, &reader, "get key\r\n", 9);
	env_events(&reader);
	assert_null(unpinned.e);
	/* A part of it, and then the end of the connection. */
	assert_true(reader.cl.out.failed);
	assert_int_equal(e.counters.answers_cut, 1);
	assert_in_range(reader.len, KFC_PAGE, 2 * KFC_PAGE);
	assert_memory_equal(strchr(reader.answer, '\n') + 1, big, KFC_PAGE);
	env_client_exit(&e, &reader);
	stop(&e, &ec);
}

/*
 * Between a look and the read the slab has got another life, with the key
 * where it was: the slot is the same, and does not lead to the device.
 */
static void test_same_slot(void **state)
{
	struct kfc_lookup was;
	struct env_client ec;
	struct kfc_read rd;
	struct env e;

	start(&e, &ec);
	put_out(&e, &ec, "key", 1, &was);
	put_again(&e, &ec, "key", 1, &was, life_of(&e, &was));
	memset(&rd, 0, sizeof(rd));
	assert_int_equal(kfc_read_prepare(&e.c, &was, 1, &rd), -EAGAIN);
	assert_false(was.pinned);
	assert_int_equal(kfc_slab_of(&e.c.log, was.slot)->pins.v, 0);
	assert_int_equal(e.c.reads.v, 0);
	stop(&e, &ec);
}

/* The device has what was in the slab's life before, at the very place. */
static void test_write_never_made(void **state)
{
	struct kfc_lookup was;
	struct env_client ec;
	struct env e;

	start(&e, &ec);
	put_out(&e, &ec, "key", 1, &was);
	put_again(&e, &ec, "key", 1, &was, life_of(&e, &was));
	e.d.drop_writes = 1000000;
	push_out(&e, &ec, "key", &was);
	e.d.drop_writes = 0;
	assert_int_equal(e.counters.bad_page, 0);
	assert_int_equal(get(&e, &ec, "key"), 0);
	assert_int_equal(e.counters.bad_page, 1);
	stop(&e, &ec);
}

static u64 copies(struct env *e)
{
	struct kfc_log_info info;

	kfc_log_info(&e->c, &info);
	return info.copies;
}

/* A copy in memory goes with its home, and is not taken for what follows. */
static void test_copy(void **state)
{
	struct kfc_lookup was, now;
	struct env_client ec;
	struct env e;
	u64 seq;
	u32 gen;

	start(&e, &ec);
	put_out(&e, &ec, "key", 1, &was);
	seq = life_of(&e, &was);
	assert_int_equal(get(&e, &ec, "key"), 1);
	assert_int_equal(get(&e, &ec, "key"), 1);
	assert_int_equal(e.counters.promotions, 1);
	assert_int_equal(copies(&e), 1);
	assert_int_equal(find(&e, &now, "key"), KFC_IN_MEMORY);
	assert_false(kfc_slot_same(now.slot, was.slot));
	while (life_of(&e, &was) == seq)
		wear(&e, &ec, 1);
	assert_int_equal(copies(&e), 0);
	assert_int_equal(get(&e, &ec, "key"), 0);
	/* The same home again, of another value. */
	gen = put_again(&e, &ec, "key", 1, &was, seq);
	push_out(&e, &ec, "key", &was);
	assert_int_equal(get(&e, &ec, "key"), gen);
	assert_int_equal(get(&e, &ec, "key"), gen);
	assert_int_equal(e.counters.promotions, 2);
	assert_int_equal(get(&e, &ec, "key"), gen);
	stop(&e, &ec);
}

/*
 * Before an index is loaded some of its keys are to go (a value was refused),
 * some are stored again, and each of its slabs is used again.
 */
static void test_tombstone(void **state)
{
	struct env_client ec;
	u64 seq[SLABS];
	struct env e;
	char key[32];
	u32 i, n = 0;

	start(&e, &ec);
	for (i = 0; i < 20; i++) {
		sprintf(key, "key-%u", i);
		put(&e, &ec, key, 1);
		wear(&e, &ec, ROUND / 40);
	}
	env_client_exit(&e, &ec);
	env_unload(&e);
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	for (i = 0; i < SLABS; i++)
		seq[i] = e.c.log.slabs[i].seq;
	for (i = 0; i < 15; i++) {
		sprintf(key, "key-%u", i);
		kfc_cmd_drop_key(&ec.cl, (u8 *)key, strlen(key));
	}
	for (i = 0; i < SLABS; i++) {
		while (seq[i] && e.c.log.slabs[i].seq == seq[i]) {
			assert_in_range(n, 0, 3 * ROUND);
			sprintf(key, "key-%u", n % 10);
			put(&e, &ec, key, 2 + n++);
		}
	}
	assert_true(e.c.loading);
	while (kfc_restart_step(&e.c))
		;
	assert_int_equal(env_slots(&e), 10);
	for (i = 0; i < 20; i++) {
		sprintf(key, "key-%u", i);
		assert_int_equal(get(&e, &ec, key),
				 i < 10 ? 2 + (n - 1 - i) / 10 * 10 + i : 0);
	}
	stop(&e, &ec);
}

/*
 * The power went while a slab was written for another life: its first half is
 * new, what it says of itself is old.
 */
static void test_recovery(void **state)
{
	u32 i, half, nr, old = 0;
	struct kfc_lookup was;
	struct env_client ec;
	struct kfc_slab *s;
	struct env e;
	char key[32];
	u8 *before;
	u64 seq;

	start(&e, &ec);
	half = e.c.log.slab_pages / 2;
	put(&e, &ec, "key", 1);
	for (nr = 0; find(&e, &was, "key") != KFC_ON_DEVICE; nr++) {
		sprintf(key, "once-%u", nr);
		put(&e, &ec, key, 1);
	}
	s = kfc_slab_of(&e.c.log, was.slot);
	seq = s->seq;
	before = malloc(half * KFC_PAGE);
	memcpy(before, on_device(&e, s, half), half * KFC_PAGE);
	while (s->seq == seq || s->state != KFC_SLAB_STORED)
		wear(&e, &ec, 1);
	put_out(&e, &ec, "key", 2, &was);
	assert_ptr_not_equal(kfc_slab_of(&e.c.log, was.slot), s);
	memcpy(on_device(&e, s, half), before, half * KFC_PAGE);
	free(before);
	/* The oldest would go at once: nothing is known of the others. */
	for (i = 0; i < SLABS; i++)
		if (&e.c.log.slabs[i] != s &&
		    &e.c.log.slabs[i] != kfc_slab_of(&e.c.log, was.slot))
			memset(on_device(&e, &e.c.log.slabs[i], 2 * half - 1),
			       0, KFC_PAGE);
	env_client_exit(&e, &ec);
	e.d.dies_at = 1;
	env_unload(&e);
	e.d.dies_at = 0;
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	assert_int_equal(get(&e, &ec, "key"), 2);
	assert_int_equal(e.counters.bad_page, 0);
	for (i = 0; i < nr; i++) {
		u32 gen;

		sprintf(key, "once-%u", i);
		gen = get(&e, &ec, key);
		assert_in_range(gen, 0, 1);
		old += gen;
	}
	/* Half of what it says is there, and half is found out. */
	assert_in_range(old, half * KFC_PAGE / LEN * 9 / 10,
			half * KFC_PAGE / LEN);
	assert_in_range(e.counters.bad_page, half * KFC_PAGE / LEN * 9 / 10,
			half * KFC_PAGE / LEN);
	stop(&e, &ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_same_slot),
		cmocka_unit_test(test_write_never_made),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_tombstone),
		cmocka_unit_test(test_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

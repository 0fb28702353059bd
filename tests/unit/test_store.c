// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The store and the commands on it, the very files of the module, against a
 * plain model: on a device whose I/O ends in any order, fails or lies.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"

#include <cmocka.h>

#define KEYS 4000
#define MAXLEN 9000

/* What a key should be: generation 0 is absent. */
struct model {
	u32 gen;
	u32 len;
	u32 flags;
	u64 expires;
};

static struct model model[KEYS];
static char value[1 << 21];

static const char *make_value(u32 key, u32 gen, u32 len)
{
	u64 x = (u64)key << 32 | gen;
	u32 i;

	for (i = 0; i < len; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		value[i] = 'a' + (x >> 33) % 26;
	}
	return value;
}

static u32 random_len(void)
{
	u32 max = 1 << rand() % 14;

	return rand() % (rand() % 100 ? min(max, 2000u) : MAXLEN);
}

static void step(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

static void must(const char *answer, const char *want)
{
	assert_string_equal(answer, want);
}

static void store_key(struct env *e, struct env_client *ec, u32 k)
{
	struct model *m = &model[k];
	char key[32];

	m->gen = rand() | 1;
	m->len = random_len();
	m->flags = rand() % 3;
	m->expires = rand() % 10 ? 0 : env_now + 1 + rand() % 50;
	sprintf(key, "key-%u", k);
	must(env_set(e, ec, "set", key, m->flags, m->expires,
		     make_value(k, m->gen, m->len), m->len, ""), "STORED\r\n");
}

/* Returns true for a hit; anything but a miss or the right answer fails. */
static bool check_key(struct env *e, struct env_client *ec, u32 k)
{
	struct model *m = &model[k];
	char head[64];
	const char *a = env_ask(e, ec, "get key-%u\r\n", k);
	int n;

	if (!strcmp(a, "END\r\n"))
		return false;
	assert_true(m->gen);
	assert_true(!m->expires || m->expires > env_now);
	n = sprintf(head, "VALUE key-%u %u %u\r\n", k, m->flags, m->len);
	assert_memory_equal(a, head, n);
	assert_memory_equal(a + n, make_value(k, m->gen, m->len), m->len);
	must(a + n + m->len, "\r\nEND\r\n");
	return true;
}

static void random_ops(struct env *e, struct env_client *ec, u32 nr_clients,
		       u32 ops)
{
	while (ops--) {
		struct env_client *c = &ec[rand() % nr_clients];
		u32 k = rand() % KEYS;
		struct model *m = &model[k];
		const char *a;

		switch (rand() % 16) {
		case 0 ... 5:
			store_key(e, c, k);
			break;
		case 6:
			a = env_ask(e, c, "delete key-%u\r\n", k);
			if (strcmp(a, "NOT_FOUND\r\n")) {
				must(a, "DELETED\r\n");
				assert_true(m->gen);
			}
			m->gen = 0;
			break;
		case 7:
			a = env_ask(e, c, "add key-%u 7 0 3\r\nxyz\r\n", k);
			if (!strcmp(a, "STORED\r\n"))
				must(env_ask(e, c, "delete key-%u\r\n", k),
				     "DELETED\r\n");
			else
				must(a, "NOT_STORED\r\n");
			if (!strcmp(c->answer, "DELETED\r\n"))
				m->gen = 0;
			break;
		case 8:
			a = env_ask(e, c, "touch key-%u 0\r\n", k);
			if (!strcmp(a, "TOUCHED\r\n"))
				m->expires = 0;
			else
				must(a, "NOT_FOUND\r\n");
			break;
		case 9:
			env_now += rand() % 3;
			break;
		case 10:
			step(e);
			break;
		case 11:
			if (e->d.nr)
				env_complete(e, rand() % e->d.nr);
			break;
		default:
			check_key(e, c, k);
			break;
		}
	}
}

static void check_all(struct env *e, struct env_client *ec)
{
	u32 k, hits = 0, slots;

	step(e);
	while (e->d.nr)
		env_complete(e, 0);
	step(e);
	for (k = 0; k < KEYS; k++)
		hits += check_key(e, ec, k);
	slots = env_slots(e);
	assert_int_equal(slots, env_items(e));
	/* What is left are the hits; everything dead was met and dropped. */
	assert_int_equal(hits, slots);
	assert_true(hits > 0);
}

static void run_random(u32 seed, u32 memory, u32 device, u32 index, bool defer,
		       u32 faults)
{
	struct env_client ec[3];
	struct env e;
	u32 i;

	srand(seed);
	memset(model, 0, sizeof(model));
	env_start(&e, 128 << 10, memory, device, index);
	e.d.defer = defer;
	e.c.cfg.discard = device && seed & 2;
	for (i = 0; i < ARRAY_SIZE(ec); i++)
		env_client_init(&e, &ec[i]);
	for (i = 0; i < 20; i++) {
		random_ops(&e, ec, ARRAY_SIZE(ec), 1000);
		if (faults & 1)
			e.d.fail_reads = rand() % 3;
		if (faults & 2)
			e.d.fail_writes = rand() % 2;
		if (faults & 4)
			e.d.flip_reads = rand() % 20;
		if (faults & 8)
			e.d.drop_writes = rand() % 2;
	}
	assert_int_equal(e.d.discards,
			 e.counters.discards + e.counters.discard_errors);
	e.d.flip_reads = e.d.fail_reads = e.d.fail_writes = 0;
	e.d.drop_writes = 0;
	check_all(&e, &ec[0]);
	for (i = 0; i < ARRAY_SIZE(ec); i++)
		env_client_exit(&e, &ec[i]);
	env_stop(&e);
}

static void test_random_memory(void **state)
{
	run_random(1, 64, 0, 256 << 10, false, 0);
	run_random(2, 8, 0, 256 << 10, false, 0);
}

static void test_random_device(void **state)
{
	u32 seed;

	for (seed = 10; seed < 14; seed++) {
		run_random(seed, 8, 200, 256 << 10, seed & 1, 0);
		run_random(seed, 4, 12, 256 << 10, seed & 1, 0);
	}
}

static void test_random_small_index(void **state)
{
	run_random(20, 8, 100, 32 << 10, true, 0);
}

static void test_random_faults(void **state)
{
	u32 seed;

	for (seed = 30; seed < 46; seed++)
		run_random(seed, 6, 40, 256 << 10, seed & 1, seed & 15);
}

/* Put enough behind a key that it lies on the device alone. */
static void push_out(struct env *e, struct env_client *ec)
{
	static u32 n;
	u32 i;

	for (i = 0; i < 400; i++) {
		char key[32];

		sprintf(key, "fill-%u", n++);
		must(env_set(e, ec, "set", key, 0, 0,
			     make_value(n, 1, 2000), 2000, ""), "STORED\r\n");
		step(e);
	}
}

/* A device that can't, one that does, and one that fails to. */
static void test_discard(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	srand(7);
	memset(model, 0, sizeof(model));
	env_start(&e, 128 << 10, 4, 10, 256 << 10);
	e.c.cfg.discard = 1;
	e.d.no_discard = true;
	env_unload(&e);
	assert_int_equal(env_load(&e), 0);
	assert_int_equal(e.c.cfg.discard, 0);
	env_unload(&e);
	e.c.cfg.discard = 1;
	e.d.no_discard = false;
	assert_int_equal(env_load(&e), 0);
	env_client_init(&e, &ec);
	for (k = 0; k < 3 * KEYS; k++) {
		store_key(&e, &ec, k % KEYS);
		step(&e);
	}
	assert_true(e.counters.ext_page_reclaims > 5);
	assert_int_equal(e.counters.discards, e.counters.ext_page_reclaims);
	assert_int_equal(e.d.discards, e.counters.discards);
	for (k = KEYS - 500; k < KEYS; k++)
		assert_true(check_key(&e, &ec, k) || model[k].expires);
	e.d.fail_discards = 3;
	for (k = 0; k < 3 * KEYS; k++) {
		store_key(&e, &ec, k % KEYS);
		step(&e);
	}
	assert_int_equal(e.counters.discard_errors, 3);
	assert_int_equal(e.d.discards, e.counters.discards + 3);
	assert_int_equal(e.d.discards, e.counters.ext_page_reclaims);
	assert_false(e.c.log.failed);
	assert_int_equal(e.counters.read_errors + e.counters.write_errors, 0);
	for (k = KEYS - 500; k < KEYS; k++)
		assert_true(check_key(&e, &ec, k) || model[k].expires);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Very many slabs at once: writes go on in between. */
static void test_discard_many(void **state)
{
	struct env_client ec;
	struct env e;
	u32 n;

	env_start(&e, 128 << 10, 4, 60, 256 << 10);
	e.c.cfg.discard = 1;
	env_client_init(&e, &ec);
	push_out(&e, &ec);
	push_out(&e, &ec);
	push_out(&e, &ec);
	must(env_ask(&e, &ec, "flush_all\r\n"), "OK\r\n");
	for (n = 0; n < 4; n++) {
		u32 before = e.d.discards;

		jiffies += KFC_EXPIRE_MS;
		while (kfc_log_step(&e.c)) {
			assert_in_range(e.d.discards - before, 0, 4);
			before = e.d.discards;
		}
	}
	assert_in_range(e.d.discards, 15, 25);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Nothing may be lost while everything fits. */
static void test_no_loss(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	srand(5);
	memset(model, 0, sizeof(model));
	env_start(&e, 128 << 10, 4, 200, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < KEYS; k++) {
		store_key(&e, &ec, k);
		model[k].expires = 0;
		env_ask(&e, &ec, "touch key-%u 0\r\n", k);
	}
	step(&e);
	for (k = 0; k < KEYS; k++)
		assert_true(check_key(&e, &ec, k));
	assert_int_equal(e.counters.dev_reads, e.counters.dev_hits +
			 e.counters.rmw_reads + e.counters.false_reads);
	assert_true(e.counters.dev_hits > KEYS / 2);
	assert_int_equal(env_items(&e), KEYS);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_misses_read_nothing(void **state)
{
	struct env_client ec;
	struct env e;
	u64 before;
	u32 k;

	srand(6);
	env_start(&e, 128 << 10, 4, 100, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < KEYS; k++)
		store_key(&e, &ec, k);
	step(&e);
	before = e.d.reads;
	for (k = 0; k < 20000; k++)
		must(env_ask(&e, &ec, "get no-%u\r\n", k), "END\r\n");
	assert_int_equal(e.d.reads - before, e.counters.false_reads);
	assert_true(e.counters.false_reads <= 2);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void commands_on(bool device)
{
	struct env_client ec;
	struct env e;
	unsigned long long cas, cas2;

#define OUT() do { if (device) push_out(&e, &ec); } while (0)
#define ASK(want, ...) must(env_ask(&e, &ec, __VA_ARGS__), want)
	env_start(&e, 128 << 10, device ? 4 : 16, device ? 400 : 0, 256 << 10);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 3 0 2\r\nbb\r\n");
	OUT();
	ASK("NOT_STORED\r\n", "add a 0 0 1\r\nx\r\n");
	ASK("STORED\r\n", "append a 0 0 2\r\ncc\r\n");
	OUT();
	ASK("STORED\r\n", "prepend a 0 0 2\r\naa\r\n");
	OUT();
	ASK("VALUE a 3 6\r\naabbcc\r\nEND\r\n", "get a\r\n");
	ASK("STORED\r\n", "replace a 1 0 2\r\n18\r\n");
	OUT();
	ASK("20\r\n", "incr a 2\r\n");
	OUT();
	ASK("5\r\n", "decr a 15\r\n");
	ASK("VALUE a 1 2\r\n5 \r\nEND\r\n", "get a\r\n");
	OUT();
	sscanf(env_ask(&e, &ec, "gets a\r\n"), "VALUE a 1 2 %llu", &cas);
	ASK("EXISTS\r\n", "cas a 0 0 1 %llu\r\nz\r\n", cas - 1);
	ASK("STORED\r\n", "cas a 0 0 1 %llu\r\nz\r\n", cas);
	OUT();
	ASK("EXISTS\r\n", "cas a 0 0 1 %llu\r\ny\r\n", cas);
	sscanf(env_ask(&e, &ec, "gats 100 a\r\n"), "VALUE a 0 1 %llu", &cas);
	sscanf(env_ask(&e, &ec, "gets a\r\n"), "VALUE a 0 1 %llu", &cas2);
	assert_true(cas == cas2);
	OUT();
	env_now += 101;
	ASK("END\r\n", "get a\r\n");
	ASK("NOT_FOUND\r\n", "touch a 0\r\n");
	ASK("STORED\r\n", "add a 0 0 1\r\nq\r\n");
	OUT();
	ASK("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
	    "incr a 1\r\n");
	ASK("DELETED\r\n", "delete a\r\n");
	ASK("NOT_FOUND\r\n", "delete a\r\n");
	ASK("NOT_FOUND\r\n", "cas a 0 0 1 1\r\nx\r\n");
	ASK("NOT_STORED\r\n", "replace a 0 0 1\r\nx\r\n");
	ASK("END\r\n", "get a\r\n");
	ASK("STORED\r\n", "set b 0 0 1\r\nx\r\n");
	OUT();
	ASK("OK\r\n", "flush_all\r\n");
	ASK("END\r\n", "get b\r\n");
	ASK("STORED\r\n", "set b 0 0 1\r\ny\r\n");
	ASK("VALUE b 0 1\r\ny\r\nEND\r\n", "get b\r\n");
	ASK("OK\r\n", "flush_all 10\r\n");
	ASK("VALUE b 0 1\r\ny\r\nEND\r\n", "get b\r\n");
	OUT();
	env_now += 10;
	ASK("END\r\n", "get b\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_commands_memory(void **state)
{
	commands_on(false);
}

static void test_commands_device(void **state)
{
	commands_on(true);
}

/* Gets overlap, end in any order and are answered in theirs. */
static void test_answers_in_order(void **state)
{
	static const char get[] = "get a b c no d\r\nget b\r\nversion\r\n";
	struct env_client ec;
	struct env e;
	const char *p;

	srand(3);
	env_start(&e, 128 << 10, 4, 400, 256 << 10);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 0 1\r\n1\r\n");
	ASK("STORED\r\n", "set b 0 0 1\r\n2\r\n");
	ASK("STORED\r\n", "set d 0 0 1\r\n4\r\n");
	push_out(&e, &ec);
	ASK("STORED\r\n", "set c 0 0 1\r\n3\r\n");
	e.d.defer = true;
	ec.len = 0;
	ec.answer[0] = 0;
	env_feed(&e, &ec, get, strlen(get));
	assert_int_equal(ec.len, 0);
	assert_int_equal(ec.cl.inflight, 4);
	assert_int_equal(e.d.nr, 4);
	env_complete(&e, 3);
	env_complete(&e, 1);
	env_events(&ec);
	assert_int_equal(ec.len, 0);
	env_complete(&e, 0);
	env_events(&ec);
	p = "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nVALUE c 0 1\r\n3\r\n";
	must(ec.answer, p);
	env_complete(&e, 0);
	env_events(&ec);
	assert_memory_equal(ec.answer + strlen(p),
			    "VALUE d 0 1\r\n4\r\nEND\r\nVALUE b 0 1\r\n2\r\nEND\r\nVERSION",
			    49);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A read that takes too long is a miss; a modification goes on without it. */
static void test_read_timeout(void **state)
{
	struct env_client ec;
	struct env e;

	env_start(&e, 128 << 10, 4, 400, 256 << 10);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 0 1\r\n1\r\n");
	push_out(&e, &ec);
	e.d.defer = true;
	ec.len = 0;
	ec.answer[0] = 0;
	env_feed(&e, &ec, "get a\r\n", 7);
	assert_int_equal(ec.len, 0);
	jiffies += 999;
	kfc_cmd_tick(&ec.cl);
	env_events(&ec);
	assert_int_equal(ec.len, 0);
	jiffies += 2;
	kfc_cmd_tick(&ec.cl);
	env_events(&ec);
	must(ec.answer, "END\r\n");
	assert_int_equal(e.counters.read_timeouts, 1);
	assert_int_equal(ec.cl.inflight, 1);
	/* The client may be gone by the time the read ends. */
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A device that does not answer: each get has its answer all the same. */
static void test_device_hangs(void **state)
{
	struct env_client ec;
	char key[32];
	struct env e;
	u32 k;

	env_start(&e, 128 << 10, 4, 400, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < 400; k++) {
		sprintf(key, "k%u", k);
		must(env_set(&e, &ec, "set", key, 0, 0, "v", 1, ""),
		     "STORED\r\n");
	}
	push_out(&e, &ec);
	e.d.defer = true;
	for (k = 0; k < 400; k++) {
		struct mp_req req = { .op = k % 40 ? MP_GET : MP_DELETE,
			.last = true, .key = (u8 *)key };
		enum kfc_cmd_ret ret;
		int tries = 0;

		req.klen = sprintf(key, "k%u", k);
		for (;;) {
			ret = kfc_cmd_run(&ec.cl, &req, NULL);
			if (ret == KFC_CMD_DONE)
				break;
			jiffies += 100;
			kfc_cmd_tick(&ec.cl);
			env_events(&ec);
			assert_true(++tries < 40);
		}
	}
	/* All that went out were given up on; the others cost nothing. */
	assert_in_range(e.counters.dev_reads, 33, e.c.cfg.io_depth);
	jiffies += 2000;
	kfc_cmd_tick(&ec.cl);
	assert_int_equal(atomic_read(&e.c.overdue), e.d.nr);
	e.d.defer = false;
	while (e.d.nr)
		env_complete(&e, 0);
	env_events(&ec);
	assert_int_equal(atomic_read(&e.c.overdue), 0);
	ASK("VALUE k399 0 1\r\nv\r\nEND\r\n", "get k399\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A read does not end: its slab waits, and sets have the others. */
static void test_read_hangs(void **state)
{
	struct env_client ec;
	struct kfc_slab *s;
	char key[32];
	struct env e;
	u32 k;

	env_start(&e, 128 << 10, 4, 40, 256 << 10);
	e.c.cfg.set_wait_ms = 2 * e.c.cfg.read_timeout_ms;
	env_client_init(&e, &ec);
	push_out(&e, &ec);
	s = list_first_entry(&e.c.log.stored, struct kfc_slab, list);
	atomic_inc(&s->pins);
	/* Three a slab: the log goes round, some times. */
	for (k = 0; k < 500; k++) {
		jiffies += 10;
		sprintf(key, "k%u", k);
		must(env_set(&e, &ec, "set", key, 0, 0,
			     make_value(k, 1, 40000), 40000, ""), "STORED\r\n");
		step(&e);
	}
	assert_int_equal(s->state, KFC_SLAB_DRAIN);
	atomic_dec(&s->pins);
	step(&e);
	assert_int_equal(s->state, KFC_SLAB_FREE);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* What can't be written has its turn again when all others had theirs. */
static void test_bad_place(void **state)
{
	struct env_client ec;
	struct kfc_slab *s = NULL;
	struct env e;
	u32 i;

	env_start(&e, 128 << 10, 4, 40, 256 << 10);
	env_client_init(&e, &ec);
	push_out(&e, &ec);
	e.d.fail_writes = 1;
	push_out(&e, &ec);
	assert_int_equal(e.counters.write_errors, 1);
	for (i = 0; i < e.c.log.nr_slabs; i++)
		if (e.c.log.slabs[i].write_failed)
			s = &e.c.log.slabs[i];
	assert_non_null(s);
	for (i = 0; i < 100; i++) {
		jiffies += 100;
		step(&e);
	}
	assert_int_equal(s->state, KFC_SLAB_STORED);
	for (i = 0; i < 10 && s->write_failed; i++)
		push_out(&e, &ec);
	assert_false(s->write_failed);
	assert_in_range(i, 3, 9);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A value as large as may be, and one byte more. */
static void test_largest(void **state)
{
	u32 len = (1 << 20) - 48 - 8 - 3 - 1;
	struct env_client ec;
	struct env e;
	char head[64];
	const char *a;
	int n, i;

	env_start(&e, 4 << 20, 4, 12, 64 << 10);
	e.c.cfg.reinsert_pct = 0;
	env_client_init(&e, &ec);
	for (i = 0; i < 40; i++) {
		char key[8];

		sprintf(key, "%c", 'a' + i % 26);
		must(env_set(&e, &ec, "set", key, 0, 0,
			     make_value(i, 2, len), len, ""), "STORED\r\n");
		step(&e);
		a = env_ask(&e, &ec, "get %s\r\n", key);
		n = sprintf(head, "VALUE %s 0 %u\r\n", key, len);
		assert_memory_equal(a, head, n);
		assert_memory_equal(a + n, make_value(i, 2, len), len);
	}
	a = env_ask(&e, &ec, "get %c\r\n", 'a' + 20);
	n = sprintf(head, "VALUE %c 0 %u\r\n", 'a' + 20, len);
	assert_memory_equal(a, head, n);
	assert_memory_equal(a + n, make_value(20, 2, len), len);
	assert_true(e.counters.dev_hits > 0);
	must(env_set(&e, &ec, "set", "a", 0, 0, value, len + 1, ""),
	     "SERVER_ERROR object too large for cache\r\n");
	ASK("END\r\n", "get a\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

#define HOT 60

static void hot_key(char *key, u32 k)
{
	sprintf(key, "hot-%u", k);
}

/* Objects that are used, and so much behind them that a small device is full. */
static void heat(struct env *e, struct env_client *ec, u64 cas[HOT], bool use)
{
	char key[32];
	u32 k;

	for (k = 0; k < HOT; k++) {
		hot_key(key, k);
		must(env_set(e, ec, "set", key, k, k % 3 ? 0 : env_now + 100,
			     make_value(k, 7, 200 * k), 200 * k, ""),
		     "STORED\r\n");
		/* Something beside it that nobody wants. */
		env_set(e, ec, "set", "cold", 0, 0, value, 200 * k, "");
		if (use)
			sscanf(env_ask(e, ec, "gets %s\r\n", key),
			       "VALUE %*s %*u %*u %llu", &cas[k]);
	}
}

/* Rounds of the log: as many bytes as 30 slabs have. */
static void wear(struct env *e, struct env_client *ec)
{
	u32 i;

	for (i = 0; i < 5; i++)
		push_out(e, ec);
}

static u32 hot_left(struct env *e, struct env_client *ec, const u64 cas[HOT])
{
	u32 k, n = 0;

	for (k = 0; k < HOT; k++) {
		char key[32], head[80];
		const char *a;
		int len;

		hot_key(key, k);
		a = env_ask(e, ec, "gets %s\r\n", key);
		if (!strcmp(a, "END\r\n"))
			continue;
		len = sprintf(head, "VALUE %s %u %u %llu\r\n", key, k, 200 * k,
			      cas[k]);
		assert_memory_equal(a, head, len);
		assert_memory_equal(a + len, make_value(k, 7, 200 * k),
				    200 * k);
		n++;
	}
	return n;
}

static u64 reinserted(u32 pct, bool device, bool use, u32 *left)
{
	struct env_client ec;
	u64 n, cas[HOT];
	struct env e;

	srand(12);
	env_start(&e, 128 << 10, device ? 6 : 30, device ? 30 : 0, 256 << 10);
	e.c.cfg.reinsert_pct = pct;
	env_client_init(&e, &ec);
	heat(&e, &ec, cas, use);
	wear(&e, &ec);
	*left = hot_left(&e, &ec, cas);
	n = e.counters.reinserted;
	assert_true(!n || e.counters.reinserted_bytes > n * 34);
	assert_int_equal(env_slots(&e), env_items(&e));
	env_client_exit(&e, &ec);
	env_stop(&e);
	return n;
}

/* What was used since it was written is carried forward, within the bound. */
static void test_reinsert(void **state)
{
	int device;
	u64 n;
	u32 left;

	for (device = 0; device < 2; device++) {
		assert_int_equal(reinserted(0, device, true, &left), 0);
		assert_int_equal(left, 0);
		assert_int_equal(reinserted(90, device, false, &left), 0);
		assert_int_equal(left, 0);
		assert_int_equal(reinserted(90, device, true, &left), HOT);
		assert_int_equal(left, HOT);
		n = reinserted(10, device, true, &left);
		assert_in_range(n, 1, HOT / 2);
		assert_int_equal(left, n);
	}
}

/* Once more only if it was used once more; the read is none of a client's. */
static void test_reinsert_once(void **state)
{
	struct env_client ec;
	u64 cas[HOT], reads, slabs;
	struct env e;

	srand(13);
	env_start(&e, 128 << 10, 6, 30, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	heat(&e, &ec, cas, true);
	wear(&e, &ec);
	assert_int_equal(e.counters.reinserted, HOT);
	assert_true(e.counters.reclaim_reads > 0);
	assert_int_equal(e.counters.dev_reads, 0);
	reads = e.counters.reclaim_reads;
	slabs = e.counters.ext_page_evictions;
	wear(&e, &ec);
	assert_int_equal(e.counters.reinserted, HOT);
	/* Nothing but the summaries, and each of the device's is counted. */
	assert_int_equal(e.counters.reclaim_reads - reads,
			 e.counters.ext_page_evictions - slabs);
	assert_int_equal(e.counters.reclaim_reads + e.counters.sweep_reads,
			 e.d.reads);
	/* The last of them lie where reclaim would go on. */
	assert_true(hot_left(&e, &ec, cas) < HOT / 2);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Neither what has expired nor what was flushed, whatever was used. */
static void test_reinsert_dead(void **state)
{
	struct env_client ec;
	u64 cas[HOT];
	struct env e;

	srand(14);
	env_start(&e, 128 << 10, 6, 30, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	heat(&e, &ec, cas, true);
	env_now += 100;
	wear(&e, &ec);
	assert_int_equal(e.counters.reinserted, HOT - HOT / 3);
	assert_int_equal(e.counters.reclaimed, HOT / 3);
	assert_int_equal(hot_left(&e, &ec, cas), HOT - HOT / 3);
	ASK("OK\r\n", "flush_all\r\n");
	wear(&e, &ec);
	assert_int_equal(e.counters.reinserted, HOT - HOT / 3);
	assert_int_equal(hot_left(&e, &ec, cas), 0);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Pages that come back otherwise than they were written are left behind. */
static void test_reinsert_flipped(void **state)
{
	struct env_client ec;
	u64 cas[HOT];
	struct env e;
	u32 i;

	srand(16);
	env_start(&e, 128 << 10, 6, 30, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	heat(&e, &ec, cas, true);
	push_out(&e, &ec);
	/* A bit in every other page of the first slab. */
	for (i = 1; i < 31; i += 2)
		e.d.mem[i * KFC_PAGE + 100] ^= 4;
	wear(&e, &ec);
	assert_true(e.counters.bad_page > 0);
	assert_in_range(e.counters.reinserted, 1, HOT - 1);
	assert_int_equal(hot_left(&e, &ec, cas), e.counters.reinserted);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* What can't be read is not carried forward. */
static void test_reinsert_faults(void **state)
{
	struct env_client ec;
	u64 cas[HOT];
	struct env e;

	srand(15);
	env_start(&e, 128 << 10, 6, 30, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	heat(&e, &ec, cas, true);
	push_out(&e, &ec);
	/* The first slab's first half. */
	e.d.bad_from = 1;
	e.d.bad_to = 17;
	wear(&e, &ec);
	assert_in_range(e.counters.reinserted, 0, HOT - 1);
	assert_true(e.counters.read_errors > 0);
	assert_int_equal(e.counters.reinserted + e.counters.reinsert_dropped,
			 HOT);
	e.d.bad_to = 0;
	assert_int_equal(hot_left(&e, &ec, cas), e.counters.reinserted);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* One set and, where it is to count as used, one get; its slab otherwise. */
static void put_key(struct env *e, struct env_client *ec, const char *key,
		    bool use)
{
	must(env_set(e, ec, "set", key, 0, 0, make_value(1, 1, 500), 500, ""),
	     "STORED\r\n");
	if (use)
		assert_memory_equal(env_ask(e, ec, "get %s\r\n", key),
				    "VALUE", 5);
	step(e);
}

static bool is_kept(struct env *e, const char *key)
{
	struct kfc_lookup lk;
	u64 *slot;
	bool kept;

	kfc_key_init(&e->c, &lk, (const u8 *)key, strlen(key));
	rcu_read_lock();
	slot = kfc_index_find(&e->c.index, &lk.pos);
	kept = slot && kfc_slab_of(&e->c.log, *slot)->kept;
	rcu_read_unlock();
	return kept;
}

/* Keys that come once cost none that was used its place. */
static void test_scan(void **state)
{
	struct env_client ec;
	char key[32];
	struct env e;
	u32 i, hits = 0;

	srand(17);
	env_start(&e, 64 << 10, 64, 0, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	for (i = 0; i < 3000; i++) {
		sprintf(key, "used-%u", i);
		put_key(&e, &ec, key, true);
	}
	for (i = 0; i < 30000; i++) {
		sprintf(key, "once-%u", i);
		put_key(&e, &ec, key, false);
	}
	for (i = 0; i < 3000; i++)
		hits += !!strncmp(env_ask(&e, &ec, "get used-%u\r\n", i),
				  "END", 3);
	assert_in_range(hits, 3000 * 90 / 100, 3000);
	assert_int_equal(env_slots(&e), env_items(&e));
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* What was evicted unused and comes again is kept, and what replaces it. */
static void test_ghost(void **state)
{
	struct env_client ec;
	char key[32];
	struct env e;
	u32 i;

	srand(18);
	env_start(&e, 64 << 10, 64, 0, 256 << 10);
	e.c.cfg.reinsert_pct = 90;
	env_client_init(&e, &ec);
	put_key(&e, &ec, "again", false);
	assert_false(is_kept(&e, "again"));
	/* Something has to be kept, or what is new has all of memory. */
	for (i = 0; i < 3000; i++) {
		sprintf(key, "used-%u", i);
		put_key(&e, &ec, key, true);
	}
	for (i = 0; i < 6000; i++) {
		sprintf(key, "once-%u", i);
		put_key(&e, &ec, key, false);
	}
	ASK("END\r\n", "get again\r\n");
	put_key(&e, &ec, "again", false);
	assert_true(is_kept(&e, "again"));
	put_key(&e, &ec, "again", false);
	assert_true(is_kept(&e, "again"));
	put_key(&e, &ec, "never", false);
	assert_false(is_kept(&e, "never"));
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Sixteen errors in a row: from then on the cache is one in memory. */
static void test_device_fails(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	srand(8);
	memset(model, 0, sizeof(model));
	env_start(&e, 128 << 10, 8, 100, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < KEYS; k++)
		store_key(&e, &ec, k);
	step(&e);
	e.d.fail_reads = e.d.fail_writes = 1000000;
	for (k = 0; k < KEYS; k++)
		check_key(&e, &ec, k);
	step(&e);
	assert_true(e.c.log.failed);
	for (k = 0; k < KEYS; k++)
		store_key(&e, &ec, k);
	step(&e);
	assert_int_equal(env_slots(&e), env_items(&e));
	for (k = KEYS - 50; k < KEYS; k++)
		assert_true(check_key(&e, &ec, k) || model[k].expires);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A socket that keeps pages keeps them, whatever the cache does meanwhile. */
static void test_lent_pages(void **state)
{
	struct env_client ec;
	struct kfc_out_node *n;
	struct env e;

	env_start(&e, 128 << 10, 4, 0, 256 << 10);
	env_client_init(&e, &ec);
	must(env_set(&e, &ec, "set", "a", 0, 0, make_value(1, 1, 5000), 5000,
		     ""), "STORED\r\n");
	/* As if the socket took nothing: the answer stays queued. */
	ec.len = 0;
	{
		struct mp_req req = { .op = MP_GET, .last = true, .klen = 1,
				      .key = (const u8 *)"a" };
		u32 i;

		assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_DONE);
		for (i = 0; i < 500; i++) {
			struct kfc_value v = { .len = 2000,
				.flat = (const u8 *)make_value(i, 3, 2000) };
			struct mp_req set = { .op = MP_SET, .klen = 1,
				.key = (const u8 *)"b", .vlen = 2000,
				.noreply = true };

			while (kfc_cmd_run(&ec.cl, &set, &v) == KFC_CMD_BUSY)
				step(&e);
			step(&e);
		}
	}
	assert_true(e.counters.pages_replaced > 0);
	n = list_first_entry(&ec.cl.out.nodes, struct kfc_out_node, list);
	assert_memory_equal(n->head, "VALUE a 0 5000", 14);
	env_events(&ec);
	assert_memory_equal(strstr(ec.answer, "\r\n") + 2,
			    make_value(1, 1, 5000), 5000);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* So many pages are with sockets that values are copied, long ones in parts. */
static void test_lent_out(void **state)
{
	struct env_client ec;
	const char *a;
	struct env e;
	u64 misses, hits;

	env_start(&e, 128 << 10, 4, 0, 256 << 10);
	env_client_init(&e, &ec);
	env_set(&e, &ec, "set", "a", 0, 0, make_value(1, 1, 5000), 5000, "");
	env_set(&e, &ec, "set", "b", 0, 0, make_value(1, 1, 9000), 9000, "");
	e.c.log.nr_orphans = e.c.log.max_orphans;
	a = env_ask(&e, &ec, "get a b\r\n");
	assert_memory_equal(a, "VALUE a 0 5000\r\n", 16);
	assert_memory_equal(a + 16, make_value(1, 1, 5000), 5000);
	assert_memory_equal(a + 5016, "\r\nVALUE b 0 9000\r\n", 18);
	assert_memory_equal(a + 5034, make_value(1, 1, 9000), 9000);
	must(a + 14034, "\r\nEND\r\n");
	/* It has no pages to be copied. */
	must(env_ask(&e, &ec, "mg none N30 v\r\n"), "VA 0 W\r\n\r\n");
	/* Over UDP an answer is there as a whole before it leaves. */
	ec.cl.whole = true;
	misses = e.counters.get_misses;
	hits = e.counters.get_hits;
	must(env_ask(&e, &ec, "get b\r\n"), "END\r\n");
	assert_int_equal(e.counters.get_misses, misses + 1);
	must(env_ask(&e, &ec, "mg b v\r\n"), MP_NO_MEMORY_READ);
	must(env_ask(&e, &ec, "gat 0 b\r\n"), "END\r\n");
	must(env_ask(&e, &ec, "mg b v T0\r\n"), MP_NO_MEMORY_READ);
	assert_int_equal(e.counters.get_misses, misses + 2);
	assert_int_equal(e.counters.get_hits, hits);
	assert_int_equal(e.counters.mem_hits, hits);
	assert_int_equal(e.counters.touch_hits, 2);
	e.c.log.nr_orphans = 0;
	a = env_ask(&e, &ec, "get b\r\n");
	assert_memory_equal(a, "VALUE b 0 9000\r\n", 16);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_alloc_failures(void **state)
{
	struct env_client ec;
	struct env e;
	u32 k;

	srand(9);
	memset(model, 0, sizeof(model));
	env_start(&e, 128 << 10, 4, 100, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < 1000; k++)
		store_key(&e, &ec, k);
	step(&e);
	for (k = 0; k < 1000; k++) {
		shim_fail_alloc = 1 + rand() % 8;
		check_key(&e, &ec, k);
	}
	shim_fail_alloc = 0;
	for (k = 0; k < 1000; k++)
		assert_true(check_key(&e, &ec, k) || model[k].expires);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* SipHash-2-4's own test vector, and keys of one tag are told apart. */
static void test_siphash(void **state)
{
	siphash_key_t k = { { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL } };
	u8 in[15];
	int i;

	for (i = 0; i < 15; i++)
		in[i] = i;
	assert_true(siphash(in, 15, &k) == 0xa129ca6149be45e5ULL);
}

static void test_class_pages(void **state)
{
	u32 n;

	for (n = 1; n <= 4200; n++) {
		u32 class = kfc_class_of(n);

		assert_in_range(class, 1, 63);
		assert_true(kfc_class_pages(class) >= n);
		assert_true(kfc_class_pages(class) <= n + n / 4);
		if (n <= 32)
			assert_int_equal(kfc_class_pages(class), n);
	}
}

/* Fill a device of 26 MB with small objects. Return: how many */
static u32 fill_device(struct env *e, u32 index_bytes)
{
	struct env_client ec;
	char key[32];
	u32 n;

	env_start(e, 128 << 10, 4, 200, index_bytes);
	env_client_init(e, &ec);
	shim_warnings = 0;
	for (n = 0; !e->counters.ext_page_reclaims; n++) {
		sprintf(key, "key-%u", n);
		must(env_set(e, &ec, "set", key, 0, 0, value, 150, ""),
		     "STORED\r\n");
		step(e);
		jiffies++;
	}
	env_client_exit(e, &ec);
	return n;
}

/* An index that is full before the device is: counted, said, and what would do. */
static void test_index_full(void **state)
{
	unsigned long long objects, mb = 0;
	const char *what;
	struct env e;
	u64 evicted;
	u32 n;

	memset(value, 'v', 200);
	n = fill_device(&e, 256 << 10);
	evicted = e.counters.ev_index;
	/* All slots are in use, and the rest of the objects had to go. */
	assert_in_range(evicted, n - 33000, n - 32000);
	/* The slab that showed that the device is full. */
	assert_in_range(e.counters.ev_space, 0, 700);
	assert_int_equal(shim_warnings, 1);
	what = strstr(shim_warning, "index full at ");
	assert_non_null(what);
	assert_int_equal(sscanf(what, "index full at %llu objects, evicting for want of slots; index_mb=%llu would do",
				&objects, &mb), 2);
	assert_in_range(objects, 10000, 26000);
	env_stop(&e);
	assert_in_range(mb, 1, 2);
	assert_int_equal(fill_device(&e, mb << 20), n);
	assert_in_range(e.counters.ev_index, 0, n / 1000);
	assert_int_equal(shim_warnings, 0);
	env_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_class_pages),
		cmocka_unit_test(test_index_full),
		cmocka_unit_test(test_commands_memory),
		cmocka_unit_test(test_commands_device),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_many),
		cmocka_unit_test(test_no_loss),
		cmocka_unit_test(test_misses_read_nothing),
		cmocka_unit_test(test_answers_in_order),
		cmocka_unit_test(test_read_timeout),
		cmocka_unit_test(test_device_hangs),
		cmocka_unit_test(test_read_hangs),
		cmocka_unit_test(test_bad_place),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_reinsert),
		cmocka_unit_test(test_reinsert_once),
		cmocka_unit_test(test_reinsert_dead),
		cmocka_unit_test(test_reinsert_faults),
		cmocka_unit_test(test_reinsert_flipped),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_ghost),
		cmocka_unit_test(test_device_fails),
		cmocka_unit_test(test_lent_pages),
		cmocka_unit_test(test_lent_out),
		cmocka_unit_test(test_alloc_failures),
		cmocka_unit_test(test_random_memory),
		cmocka_unit_test(test_random_device),
		cmocka_unit_test(test_random_small_index),
		cmocka_unit_test(test_random_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

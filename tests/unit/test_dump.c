// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * lru_crawler metadump and stats cachedump against a plain model: what is
 * listed is what is there, each once, whatever happens meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"
#include "walk.h"

#include <cmocka.h>

#define KEYS 3000

#define ASK(want, ...) \
	assert_string_equal(env_ask(&e, &ec, __VA_ARGS__), want)

struct model {
	bool there;
	bool listed;
	bool touched;	/* somebody changed it while the dump was on */
	u32 len;
	u32 flags;
	u64 expires;
	u64 time;
};

static struct model model[KEYS];
static char value[20000];
static u64 began;

static void store(struct env *e, struct env_client *ec, u32 k)
{
	struct model *m = &model[k];
	char key[16];

	sprintf(key, "key-%u", k);
	m->there = true;
	m->touched = true;
	m->len = rand() % 20 ? rand() % 300 : rand() % sizeof(value);
	m->flags = rand() % 2;
	m->expires = rand() % 4 ? 0 : env_now + 1 + rand() % 100;
	m->time = env_now;
	assert_string_equal(env_set(e, ec, "set", key, m->flags, m->expires,
				    value, m->len, ""), "STORED\r\n");
}

static void delete(struct env *e, struct env_client *ec, u32 k)
{
	const char *a = env_ask(e, ec, "delete key-%u\r\n", k);

	assert_true(!strcmp(a, "DELETED\r\n") || !strcmp(a, "NOT_FOUND\r\n"));
	model[k].there = false;
	model[k].touched = true;
}

static void settle(struct env *e)
{
	while (kfc_log_step(&e->c) || e->d.nr)
		while (e->d.nr)
			env_complete(e, rand() % e->d.nr);
}

static void fill(struct env *e, struct env_client *ec, u32 ops)
{
	memset(model, 0, sizeof(model));
	while (ops--) {
		u32 k = rand() % KEYS;

		if (rand() % 5)
			store(e, ec, k);
		else
			delete(e, ec, k);
		env_now += !(rand() % 100);
		kfc_log_step(&e->c);
	}
	settle(e);
}

static void fresh(void)
{
	u32 k;

	began = env_now;
	for (k = 0; k < KEYS; k++)
		model[k].listed = model[k].touched = false;
}

static bool alive(const struct model *m, u64 then)
{
	return m->there && (!m->expires || m->expires > then);
}

/* Every line of a metadump is right; returns how many there are. */
static u32 check_lines(struct env *e, const char *a, bool ended)
{
	u32 n = 0;

	for (; *a == 'k'; n++) {
		unsigned long long la, cas, size;
		struct model *m;
		char fetch[4];
		long long exp;
		int len = 0;
		u32 k;

		sscanf(a, "key=key-%u exp=%lld la=%llu cas=%llu fetch=%3s cls=1 size=%llu\n%n",
		       &k, &exp, &la, &cas, fetch, &size, &len);
		assert_true(len > 0 && k < KEYS);
		m = &model[k];
		assert_false(m->listed);
		m->listed = true;
		assert_true(cas <= (u64)atomic64_read(&e->c.order));
		if (!m->touched) {
			assert_true(alive(m, began));
			assert_true(exp == (m->expires ? (s64)m->expires : -1));
			assert_true(la == m->time);
			sprintf(value, "key-%u", k);
			assert_int_equal(size, 48 + 8 + 3 + strlen(value) +
					 m->len + (m->flags ? 4 : 0));
		}
		a += len;
	}
	assert_string_equal(a, ended ? "END\r\n" : "");
	return n;
}

static void all_listed(void)
{
	u32 k;

	for (k = 0; k < KEYS; k++)
		if (alive(&model[k], env_now) && !model[k].touched)
			assert_true(model[k].listed);
}

/* A piece of a dump; true when it has come to its end. */
static bool piece(struct env *e, struct env_client *ec)
{
	struct mp_req req = { .op = MP_METADUMP, .arg = (const u8 *)"all",
			      .arg_len = 3 };
	enum kfc_cmd_ret ret;

	if (ec->cl.waiting) {
		if (e->d.nr)
			env_complete(e, rand() % e->d.nr);
		env_events(ec);
		return false;
	}
	ret = kfc_cmd_run(&ec->cl, &req, NULL);
	assert_true(ret != KFC_CMD_CLOSE);
	if (ret == KFC_CMD_BUSY)
		jiffies += 10;
	env_events(ec);
	return ret == KFC_CMD_DONE;
}

static void dump_all(u32 memory, u32 device, bool defer)
{
	struct env_client ec;
	struct env e;
	u64 reads;
	u32 n;

	env_start(&e, 128 << 10, memory, device, 256 << 10);
	env_client_init(&e, &ec);
	e.d.defer = defer;
	fill(&e, &ec, 6000);
	fresh();
	reads = e.counters.dump_reads;
	n = check_lines(&e, env_ask(&e, &ec, "lru_crawler metadump all\r\n"),
			true);
	assert_true(n > KEYS / 2);
	all_listed();
	assert_true(!device == (e.counters.dump_reads == reads));
	assert_false(ec.cl.dump || ec.cl.held);
	/* Nothing that is flushed is listed, nor are its pages read. */
	reads = e.counters.dump_reads;
	ASK("OK\r\n", "flush_all\r\n");
	ASK("END\r\n", "lru_crawler metadump hash\r\n");
	assert_true(e.counters.dump_reads == reads);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_all(void **state)
{
	u32 seed;

	for (seed = 1; seed < 5; seed++) {
		srand(seed);
		dump_all(64, 0, false);
		dump_all(4, 100, seed & 1);
		dump_all(12, 100, seed & 1);
	}
}

/* Only what has live records is read of a slab. */
static void test_summary(void **state)
{
	struct env_client ec;
	char key[16];
	struct env e;
	u64 reads;
	u32 k;

	env_start(&e, 1 << 20, 4, 16, 256 << 10);
	env_client_init(&e, &ec);
	for (k = 0; k < 8000; k++) {
		sprintf(key, "key-%u", k);
		env_set(&e, &ec, "set", key, 0, 0, value, 1000, "");
		if (k % 1000)
			env_ask(&e, &ec, "delete key-%u\r\n", k);
		settle(&e);
	}
	reads = e.counters.dev_read_bytes;
	memset(model, 0, sizeof(model));
	for (k = 0; k < KEYS; k++)
		model[k].touched = true;
	env_ask(&e, &ec, "lru_crawler metadump all\r\n");
	for (k = 0; k < 8000; k += 1000) {
		sprintf(key, "key=key-%u ", k);
		assert_non_null(strstr(ec.answer, key));
	}
	reads = e.counters.dev_read_bytes - reads;
	assert_in_range(reads, 5 * KFC_PAGE, 60 * KFC_PAGE);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Others set, delete and fill slab after slab while a dump is on. */
static void dump_under_load(u32 memory, u32 device, bool defer, u32 faults)
{
	struct env_client ec, other;
	struct env e;
	u32 i, n;

	env_start(&e, 128 << 10, memory, device, 256 << 10);
	env_client_init(&e, &ec);
	env_client_init(&e, &other);
	e.d.defer = defer;
	fill(&e, &other, 6000);
	fresh();
	ec.len = 0;
	ec.answer[0] = 0;
	for (n = 0; !piece(&e, &ec); n++) {
		assert_true(n < 100000);
		for (i = rand() % 8; i; i--) {
			u32 k = rand() % (KEYS / 2);

			if (rand() % 3)
				store(&e, &other, k);
			else
				delete(&e, &other, k);
		}
		if (faults & 1)
			e.d.fail_reads = rand() % 2;
		if (faults & 2)
			e.d.flip_reads = rand() % 2;
		kfc_log_step(&e.c);
		env_now += !(rand() % 50);
	}
	n = check_lines(&e, ec.answer, true);
	assert_true(n > 0);
	/* Of a device that lies, or whose slabs went round, not all comes. */
	if (!faults && !(e.counters.ev_space + e.counters.ev_tag))
		all_listed();
	else
		assert_true(faults || memory + device < 100);
	e.d.fail_reads = e.d.flip_reads = 0;
	env_client_exit(&e, &ec);
	env_client_exit(&e, &other);
	env_stop(&e);
}

static void test_load(void **state)
{
	u32 seed;

	for (seed = 20; seed < 28; seed++) {
		srand(seed);
		dump_under_load(64, 0, false, 0);
		dump_under_load(6, 400, seed & 1, 0);
		/* The slabs are handed on while the dump is at them. */
		dump_under_load(6, 14, seed & 1, 0);
		dump_under_load(6, 0, false, 0);
		dump_under_load(6, 100, seed & 1, 1 + seed % 3);
	}
}

/* The client goes in the middle, at every point; one dump at a time. */
static void test_client_goes(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 stop, i;

	srand(40);
	env_start(&e, 128 << 10, 4, 100, 256 << 10);
	env_client_init(&e, &other);
	e.d.defer = true;
	fill(&e, &other, 6000);
	for (stop = 1; stop < 60; stop += 3) {
		env_client_init(&e, &ec);
		for (i = 0; i < stop; i++)
			assert_false(piece(&e, &ec));
		/* Also with a read under way. */
		while (!ec.cl.waiting && stop & 1) {
			struct mp_req req = { .op = MP_METADUMP,
				.arg = (const u8 *)"all", .arg_len = 3 };

			if (kfc_cmd_run(&ec.cl, &req, NULL) == KFC_CMD_BUSY)
				jiffies += 10;
			env_events(&ec);
		}
		assert_string_equal(env_ask(&e, &other,
					    "lru_crawler metadump all\r\n"),
				    "BUSY currently processing crawler request\r\n");
		assert_string_equal(env_ask(&e, &other,
					    "lru_crawler metadump 2\r\n"),
				    "END\r\n");
		fresh();
		for (i = 0; i < 5; i++)
			store(&e, &other, rand() % KEYS);
		env_client_exit(&e, &ec);
	}
	fresh();
	check_lines(&e, env_ask(&e, &other, "lru_crawler metadump all\r\n"),
		    true);
	all_listed();
	env_client_exit(&e, &other);
	env_stop(&e);
}

/* No slab waits for a dump whose client takes its time. */
static void test_holds_nothing(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 i, k;

	srand(50);
	env_start(&e, 128 << 10, 4, 12, 256 << 10);
	env_client_init(&e, &ec);
	env_client_init(&e, &other);
	fill(&e, &other, 6000);
	for (i = 0; i < 10; i++) {
		assert_false(piece(&e, &ec));
		for (k = 0; k < e.c.log.nr_slabs; k++)
			assert_int_equal(atomic_read(&e.c.log.slabs[k].pins),
					 0);
	}
	for (i = 0; i < 20000; i++)
		store(&e, &other, rand() % KEYS);
	env_client_exit(&e, &ec);
	env_client_exit(&e, &other);
	env_stop(&e);
}

/* A device that does not answer: what is in memory is listed. */
static void test_device_hangs(void **state)
{
	struct env_client ec;
	struct env e;
	u32 n;

	srand(60);
	env_start(&e, 128 << 10, 4, 100, 256 << 10);
	env_client_init(&e, &ec);
	fill(&e, &ec, 6000);
	fresh();
	e.d.defer = true;
	ec.len = 0;
	ec.answer[0] = 0;
	for (n = 0; n < 10000; n++) {
		struct mp_req req = { .op = MP_METADUMP,
			.arg = (const u8 *)"all", .arg_len = 3 };

		if (!ec.cl.waiting &&
		    kfc_cmd_run(&ec.cl, &req, NULL) == KFC_CMD_DONE)
			break;
		env_events(&ec);
		jiffies += 100;
		kfc_cmd_tick(&ec.cl);
	}
	assert_true(n < 10000);
	env_events(&ec);
	n = check_lines(&e, ec.answer, true);
	assert_in_range(n, 1, KEYS / 2);
	assert_int_equal(e.counters.read_timeouts, 1);
	assert_int_equal(ec.cl.inflight, 1);
	e.d.defer = false;
	env_complete(&e, 0);
	env_events(&ec);
	assert_false(ec.cl.held);
	fresh();
	check_lines(&e, env_ask(&e, &ec, "lru_crawler metadump all\r\n"), true);
	all_listed();
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A read that fails costs the objects on its pages, or none. */
static void test_bad_reads(void **state)
{
	struct env_client ec;
	u32 all, n, i, lost = 0;
	struct env e;

	srand(65);
	env_start(&e, 1 << 20, 4, 12, 256 << 10);
	env_client_init(&e, &ec);
	fill(&e, &ec, 6000);
	fresh();
	all = check_lines(&e, env_ask(&e, &ec, "lru_crawler metadump all\r\n"),
			  true);
	for (i = 0; i < 4; i++) {
		fresh();
		if (i & 1)
			e.d.fail_reads = 1;
		else
			e.d.flip_reads = 1;
		n = check_lines(&e, env_ask(&e, &ec,
					    "lru_crawler metadump all\r\n"),
				true);
		assert_in_range(n, all - all / 5, all);
		lost += all - n;
	}
	assert_int_equal(e.counters.read_errors, 2);
	print_message("4 bad reads: %u of %u objects not listed\n", lost,
		      4 * all);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

static void test_no_memory(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i;

	srand(70);
	env_start(&e, 128 << 10, 4, 100, 256 << 10);
	env_client_init(&e, &ec);
	fill(&e, &ec, 6000);
	for (i = 1; i < 100; i += 7) {
		fresh();
		shim_fail_alloc = i;
		check_lines(&e, env_ask(&e, &ec, "lru_crawler metadump all\r\n"),
			    true);
		shim_fail_alloc = 0;
		all_listed();
	}
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* As memcached 1.6.18 answered, but for what README lists. */
static void test_words(void **state)
{
	static const char *const lines[][2] = {
		{ "lru_crawler metadump", "ERROR" },
		{ "lru_crawler metadump all extra", "ERROR" },
		{ "lru_crawler metadump all noreply", "ERROR" },
		{ "lru_crawler metadump 1 2", "ERROR" },
		{ "lru_crawler metadumpx all", "ERROR" },
		{ "lru_crawler mgdump all", "ERROR" },
		{ "lru_crawler metadump 0", "BADCLASS invalid class id" },
		{ "lru_crawler metadump 64", "BADCLASS invalid class id" },
		{ "lru_crawler metadump -1", "BADCLASS invalid class id" },
		{ "lru_crawler metadump 1x", "BADCLASS invalid class id" },
		{ "lru_crawler metadump foo", "BADCLASS invalid class id" },
		{ "lru_crawler metadump ALL", "BADCLASS invalid class id" },
		{ "lru_crawler metadump 2,x", "BADCLASS invalid class id" },
		{ "lru_crawler metadump 1,300", "BADCLASS invalid class id" },
		{ "lru_crawler metadump noreply", "BADCLASS invalid class id" },
		{ "lru_crawler metadump ,", "NOTSTARTED no items to crawl" },
		{ "lru_crawler metadump 63", "END" },
		{ "lru_crawler metadump 2,3", "END" },
		{ "stats cachedump", "CLIENT_ERROR bad command line" },
		{ "stats cachedump 1", "CLIENT_ERROR bad command line" },
		{ "stats cachedump x 2", "CLIENT_ERROR bad command line format" },
		{ "stats cachedump 1 x", "CLIENT_ERROR bad command line format" },
		{ "stats cachedump 1 -1", "CLIENT_ERROR bad command line format" },
		{ "stats cachedump -1 0", "CLIENT_ERROR bad command line format" },
		{ "stats cachedump 64 0", "CLIENT_ERROR Illegal slab id" },
		{ "stats cachedump 63 0", "END" },
		{ "stats cachedump 0 0", "END" },
		{ "stats cachedumpx 1 1", "ERROR" },
	};
	struct env_client ec;
	struct env e;
	char want[80];
	u32 i;

	env_start(&e, 128 << 10, 4, 0, 64 << 10);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 0 1\r\nx\r\n");
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		sprintf(want, "%s\r\n", lines[i][1]);
		ASK(want, "%s\r\n", lines[i][0]);
	}
	e.c.cfg.dump_enabled = 0;
	ASK("ERROR metadump not allowed\r\n", "lru_crawler metadump all\r\n");
	ASK("ERROR metadump not allowed\r\n", "lru_crawler metadump foo\r\n");
	ASK("ERROR\r\n", "lru_crawler metadump\r\n");
	ASK("CLIENT_ERROR stats cachedump not allowed\r\n",
	    "stats cachedump\r\n");
	ASK("CLIENT_ERROR stats cachedump not allowed\r\n",
	    "stats cachedump 1 0\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Lines as memcached 1.6.18 wrote them for the same commands. */
static void test_format(void **state)
{
	struct env_client ec;
	char want[400];
	struct env e;
	u64 first;
	int n;

	env_start(&e, 128 << 10, 4, 0, 64 << 10);
	env_client_init(&e, &ec);
	first = atomic64_read(&e.c.order) + 1;
#define LINE(key, exp, fetch, size) \
	"key=" key " exp=" exp " la=1700000000 cas=%llu fetch=" fetch \
	" cls=1 size=" size "\n"
	env_now = 1700000000;
	ASK("HD\r\n", "ms c3BhY2UgaW4gaXQ= 3 b\r\nabc\r\n");
	ASK("STORED\r\n", "set \001\002\177\200\377 0 0 3\r\nabc\r\n");
	ASK("STORED\r\n", "set tilde~-_.!*'() 0 0 3\r\nabc\r\n");
	ASK("STORED\r\n", "set exp 5 1000 10\r\n0123456789\r\n");
	ASK("VALUE exp 5 10\r\n0123456789\r\nEND\r\n", "get exp\r\n");
	/* A dump and what comes behind it on the same connection. */
	n = sprintf(want, LINE("space%%20in%%20it", "-1", "no", "73")
		    LINE("%%01%%02%%7F%%80%%FF", "-1", "no", "67")
		    LINE("tilde~-_.%%21%%2A%%27%%28%%29", "-1", "no", "76")
		    LINE("exp", "1700001000", "yes", "76") "END\r\n",
		    first, first + 1, first + 2, first + 3);
	sprintf(want + n, "VERSION ");
	env_ask(&e, &ec, "lru_crawler   metadump  all \r\nversion\r\n");
	assert_memory_equal(ec.answer, want, strlen(want));
	ASK("ITEM \001\002\177\200\377 [3 b; 0 s]\r\n"
	    "ITEM tilde~-_.!*'() [3 b; 0 s]\r\n"
	    "ITEM exp [10 b; 1700001000 s]\r\nEND\r\n",
	    "stats cachedump 1 0\r\n");
	ASK("ITEM \001\002\177\200\377 [3 b; 0 s]\r\nEND\r\n",
	    "stats  cachedump 01 1 2 3 4 5 6\r\n");
	ASK("ITEM \001\002\177\200\377 [3 b; 0 s]\r\n"
	    "ITEM tilde~-_.!*'() [3 b; 0 s]\r\n"
	    "ITEM exp [10 b; 1700001000 s]\r\nEND\r\n",
	    "stats cachedump 1 5000000000\r\n");
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A cachedump has an end; a second one waits its turn. */
static void test_cachedump(void **state)
{
	struct mp_req req = { .op = MP_STATS,
		.arg = (const u8 *)"cachedump 1 0", .arg_len = 13 };
	struct env_client ec, other;
	char key[251];
	struct env e;
	u32 i;

	env_start(&e, 1 << 20, 16, 0, 1 << 20);
	env_client_init(&e, &ec);
	env_client_init(&e, &other);
	memset(key, 'k', 250);
	for (i = 0; i < 10000; i++) {
		sprintf(key + 244, "%06u", i);
		env_set(&e, &ec, "set", key, 0, 0, "v", 1, "");
		kfc_log_step(&e.c);
	}
	env_ask(&e, &ec, "stats cachedump 1 0\r\n");
	assert_in_range(ec.len, (2 << 20) - 300, 2 << 20);
	assert_string_equal(ec.answer + ec.len - 10, " 0 s]\r\nEND\r\n" + 2);
	env_ask(&e, &ec, "stats cachedump 1 7000\r\n");
	assert_int_equal(ec.len, 7000 * (5 + 250 + 13) + 5);
	assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_MORE);
	assert_string_equal(env_ask(&e, &other, "stats cachedump 1 1\r\n"),
			    "SERVER_ERROR out of memory writing stats\r\n");
	env_ask(&e, &other, "lru_crawler metadump 1\r\n");
	assert_true(other.len > 10000 * 300);
	env_client_exit(&e, &ec);
	env_ask(&e, &other, "stats cachedump 1 1\r\n");
	assert_int_equal(other.len, 5 + 250 + 13 + 5);
	env_client_exit(&e, &other);
	env_stop(&e);
}

/*
 * A slab that is given up, while its dump is under way: its buffer may go with
 * no grace period after that, so nobody looks at it any more.
 */
static void test_given_up(void **state)
{
	struct kfc_object o;
	struct env_client ec;
	struct kfc_slab *s;
	struct kfc_walk w;
	struct env e;
	u32 i, at;

	env_start(&e, 128 << 10, 8, 0, 256 << 10);
	env_client_init(&e, &ec);
	for (i = 0; i < 100; i++)
		store(&e, &ec, i);
	kfc_walk_init(&e.c, &w);
	while (kfc_walk_step(&e.c, &w, NULL, &o) != KFC_WALK_OBJECT)
		;
	at = w.slab;
	s = &e.c.log.slabs[at];
	assert_int_equal(s->seq, w.seq);
	assert_non_null(s->buf);
	assert_int_equal(s->state, KFC_SLAB_OPEN);
	s->state = KFC_SLAB_DRAIN;
	assert_int_equal(kfc_walk_step(&e.c, &w, NULL, &o), KFC_WALK_ON);
	assert_int_not_equal(w.slab, at);
	s->state = KFC_SLAB_OPEN;
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* Neither line is longer than mp.h says. */
static void test_longest(void **state)
{
	u8 key[MP_KEY_MAX];
	struct mp_dump_item it = { .key = key, .klen = MP_KEY_MAX,
		.fetched = true, .exptime = ~0u, .time = ~0u, .vlen = ~0u,
		.cls = ~0u, .cas = ~0ULL, .size = ~0ULL };
	char *p = malloc(MP_METADUMP_MAX), *q = malloc(MP_CACHEDUMP_MAX);

	memset(key, 0xff, sizeof(key));
	assert_int_equal(mp_put_metadump(p, &it), MP_METADUMP_MAX);
	assert_int_equal(mp_put_cachedump(q, &it), MP_CACHEDUMP_MAX);
	free(p);
	free(q);
}

/* How much a dump looks at in a time is bounded. */
static void test_rate(void **state)
{
	struct env_client ec;
	struct env e;
	u32 i, busy = 0;

	srand(80);
	env_start(&e, 128 << 10, 64, 0, 256 << 10);
	env_client_init(&e, &ec);
	fill(&e, &ec, 6000);
	ec.len = 0;
	for (i = 0; i < 1000; i++) {
		struct mp_req req = { .op = MP_METADUMP,
			.arg = (const u8 *)"all", .arg_len = 3 };

		busy += kfc_cmd_run(&ec.cl, &req, NULL) == KFC_CMD_BUSY;
		env_events(&ec);
	}
	/* jiffies stood still: it got no further than its first share. */
	assert_true(busy > 900);
	assert_true(ec.cl.dump);
	assert_in_range(ec.len, 1, 2000 * 80);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

/* A dump begins when all entries of the last load are there. */
static void test_loading(void **state)
{
	struct mp_req req = { .op = MP_METADUMP, .arg = (const u8 *)"all",
			      .arg_len = 3 };
	struct env_client ec;
	struct env e;

	env_start(&e, 128 << 10, 4, 12, 64 << 10);
	env_client_init(&e, &ec);
	ASK("STORED\r\n", "set a 0 0 1\r\nx\r\n");
	e.c.loading = true;
	assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_BUSY);
	assert_false(ec.cl.dump);
	e.c.loading = false;
	env_ask(&e, &ec, "lru_crawler metadump all\r\n");
	assert_memory_equal(ec.answer, "key=a ", 6);
	env_client_exit(&e, &ec);
	env_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_cachedump),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_loading),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_client_goes),
		cmocka_unit_test(test_holds_nothing),
		cmocka_unit_test(test_device_hangs),
		cmocka_unit_test(test_bad_reads),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

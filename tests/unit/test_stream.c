// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Values that leave in parts, and pages that are taken back from who does not
 * take them.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"

#include <cmocka.h>

#define must(answer, text) assert_string_equal(answer, text)

#define WINDOW	4
#define LEN	50000
/* Pages of such a record, wherever it starts in its first. */
#define PAGES	13

static char value[LEN];

static const char *bytes_of(u32 n)
{
	u32 i;

	for (i = 0; i < LEN; i++)
		value[i] = 'a' + (i / 7 + i / 4096 + n) % 26;
	return value;
}

static void begin(struct env *e, struct env_client *ec, u32 device_slabs)
{
	env_start(e, 128 << 10, 4, device_slabs, 256 << 10);
	e->c.window = WINDOW;
	env_client_init(e, ec);
}

static void end(struct env *e, struct env_client *ec)
{
	env_client_exit(e, ec);
	assert_int_equal(ec->cl.reading, 0);
	assert_int_equal(atomic_read(&e->c.read_pages), 0);
	env_stop(e);
}

static void put(struct env *e, struct env_client *ec, const char *key, u32 n)
{
	must(env_set(e, ec, "set", key, 0, 0, bytes_of(n), LEN, ""),
	     "STORED\r\n");
	while (kfc_log_step(&e->c))
		;
}

/* Whatever was stored is on the device alone. */
static void push_out(struct env *e, struct env_client *ec, u32 slabs)
{
	char key[20];
	u32 i;

	for (i = 0; i < slabs * 2; i++) {
		sprintf(key, "filler%u", i);
		put(e, ec, key, i);
	}
}

/* "a" is on the device alone. */
static void begin_on_device(struct env *e, struct env_client *ec)
{
	begin(e, ec, 64);
	put(e, ec, "a", 1);
	push_out(e, ec, 8);
}

static void is_value(const char *answer, u32 n, const char *more)
{
	const char *p = strstr(answer, "\r\n");

	assert_non_null(p);
	assert_memory_equal(answer, "VALUE ", 6);
	assert_memory_equal(p + 2, bytes_of(n), LEN);
	assert_memory_equal(p + 2 + LEN, more, strlen(more));
}

/* Ask, and let the client take nothing. */
static struct kfc_out_node *ask_only(struct env *e, struct env_client *ec,
				     const char *key)
{
	struct mp_req req = { .op = MP_GET, .last = true, .klen = strlen(key),
			      .key = (const u8 *)key };
	struct kfc_event *ev;

	ec->len = 0;
	assert_int_equal(kfc_cmd_run(&ec->cl, &req, NULL), KFC_CMD_DONE);
	while (ec->nr_events) {
		ev = ec->events[--ec->nr_events];
		ev->fn(ev);
	}
	return list_first_entry(&ec->cl.out.nodes, struct kfc_out_node, list);
}

/* It takes the part that is there. */
static void take(struct env_client *ec, struct kfc_out_node *n)
{
	static u8 piece[LEN];
	u32 i, len = 0;

	assert_true(n->ready);
	assert_true(n->parts);
	for (i = 0; i < n->nr_bv; i++) {
		memcpy(piece + len, page_address(n->bv[i].bv_page) +
		       n->bv[i].bv_offset, n->bv[i].bv_len);
		len += n->bv[i].bv_len;
	}
	assert_in_range(len, 1, WINDOW * KFC_PAGE);
	if (ec->size < 2 * LEN)
		ec->answer = realloc(ec->answer, ec->size = 2 * LEN);
	memcpy(ec->answer + ec->len, piece, len);
	ec->len += len;
	n->ready = false;
	n->more(n);
}

static void test_memory(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;
	u32 i;

	begin(&e, &ec, 0);
	put(&e, &ec, "a", 1);
	is_value(env_ask(&e, &ec, "get a\r\n"), 1, "\r\nEND\r\n");
	is_value(env_ask(&e, &ec, "get a b a\r\n"), 1,
		 "\r\nVALUE a 0 50000\r\n");
	/* No more is held than one part. */
	n = ask_only(&e, &ec, "a");
	assert_true(n->ready && n->parts);
	assert_in_range(n->nr_bv, 1, WINDOW);
	for (i = 1; i < 8; i++)
		ask_only(&e, &ec, "a");
	assert_int_equal(e.counters.mem_hits, 11);
	env_events(&ec);
	assert_int_equal(ec.len, 8 * (LEN + 17 + 2 + 5));
	is_value(ec.answer + 7 * (LEN + 17 + 2 + 5), 1, "\r\nEND\r\n");
	/* Short ones are as they were. */
	must(env_set(&e, &ec, "set", "s", 0, 0, value, 8000, ""), "STORED\r\n");
	n = ask_only(&e, &ec, "s");
	while (!n->nr_bv)
		n = list_entry(n->list.next, struct kfc_out_node, list);
	assert_false(n->parts);
	env_events(&ec);
	assert_int_equal(e.counters.answers_cut, 0);
	end(&e, &ec);
}

/* Sockets hold too many pages: some are copied at a time. */
static void test_copied(void **state)
{
	struct mp_req req = { .op = MP_GET, .last = true, .klen = 1,
			      .key = (const u8 *)"a" };
	struct env_client ec, other;
	struct kfc_out_node *n;
	struct env e;
	u32 i;

	begin(&e, &ec, 0);
	env_client_init(&e, &other);
	put(&e, &ec, "a", 1);
	for (i = 0; i < 2; i++) {
		e.c.log.nr_orphans = i ? 0 : e.c.log.max_orphans;
		n = ask_only(&e, &ec, "a");
		assert_true(n->ready && n->parts);
		take(&ec, n);
		e.c.log.nr_orphans = i ? e.c.log.max_orphans : 0;
		assert_int_equal(kfc_stream_next(&ec.cl), 1);
		assert_int_equal(atomic_read(&e.c.read_pages), i ? WINDOW : 0);
		assert_int_equal(kfc_stream_dry(&ec.cl), i);
		env_events(&ec);
		assert_memory_equal(ec.answer, bytes_of(1), LEN);
		must(ec.answer + LEN, "\r\nEND\r\n");
	}
	/* Copies, too, are held against what may be read: who asks waits. */
	n = ask_only(&e, &ec, "a");
	assert_true(n->ready && n->parts);
	i = atomic_read(&e.c.read_pages);
	e.c.max_read_pages = i + 1;
	assert_int_equal(kfc_cmd_run(&other.cl, &req, NULL), KFC_CMD_BUSY);
	take(&ec, n);
	e.c.max_read_pages = 1;
	assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	e.c.max_read_pages = 100;
	assert_int_equal(kfc_cmd_run(&other.cl, &req, NULL), KFC_CMD_DONE);
	env_client_exit(&e, &other);
	env_events(&ec);
	assert_memory_equal(ec.answer, bytes_of(1), LEN);
	/* There is no page to copy it to. */
	shim_fail_alloc = 2;
	must(env_ask(&e, &ec, "get a\r\n"), "END\r\n");
	e.c.log.nr_orphans = 0;
	assert_int_equal(e.counters.answers_cut, 0);
	end(&e, &ec);
}

static void test_device(void **state)
{
	struct env_client ec;
	struct env e;
	u64 pages;

	begin_on_device(&e, &ec);
	is_value(env_ask(&e, &ec, "get a\r\n"), 1, "\r\nEND\r\n");
	assert_int_equal(e.counters.dev_hits, 1);
	assert_int_equal(e.counters.dev_reads, DIV_ROUND_UP(PAGES, WINDOW));
	pages = e.d.read_pages;
	assert_in_range(pages, PAGES, PAGES + 1);
	is_value(env_ask(&e, &ec, "get nothing a\r\n"), 1, "\r\nEND\r\n");
	/* Nobody copies what was not there as a whole. */
	assert_int_equal(e.counters.promotions, 0);
	/* What is there as a whole before it leaves is read at once. */
	ec.cl.whole = true;
	is_value(env_ask(&e, &ec, "get a\r\n"), 1, "\r\nEND\r\n");
	assert_int_equal(e.counters.dev_reads,
			 2 * DIV_ROUND_UP(PAGES, WINDOW) + 1);
	ec.cl.whole = false;
	/* So is what is to be changed. */
	must(env_ask(&e, &ec, "touch a 0\r\n"), "TOUCHED\r\n");
	is_value(env_ask(&e, &ec, "gat 0 a\r\n"), 1, "\r\nEND\r\n");
	end(&e, &ec);
}

/* Ask with a gat, whose read the command waits for. */
static struct kfc_out_node *gat_only(struct env *e, struct env_client *ec)
{
	struct mp_req req = { .op = MP_GAT, .last = true, .klen = 1,
			      .key = (const u8 *)"a" };

	ec->len = 0;
	assert_int_equal(kfc_cmd_run(&ec->cl, &req, NULL), KFC_CMD_WAIT);
	assert_int_equal(ec->nr_events, 1);
	ec->events[--ec->nr_events]->fn(ec->events[0]);
	assert_int_equal(kfc_cmd_run(&ec->cl, &req, NULL), KFC_CMD_DONE);
	return list_first_entry(&ec->cl.out.nodes, struct kfc_out_node, list);
}

/* A gat of what is on the device: its answer is the old record's. */
static void test_gat(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;
	u32 pages;

	begin_on_device(&e, &ec);
	is_value(env_ask(&e, &ec, "gat 0 a\r\n"), 1, "\r\nEND\r\n");
	assert_int_equal(e.counters.dev_reads, 1);
	/* As in memcached it is no get. */
	assert_int_equal(e.counters.touch_hits, 1);
	assert_int_equal(e.counters.get_hits, 0);
	is_value(env_ask(&e, &ec, "get a\r\n"), 1, "\r\nEND\r\n");
	assert_int_equal(e.counters.dev_reads, 1);
	end(&e, &ec);

	/* What was read for it is counted until it is sent. */
	begin_on_device(&e, &ec);
	n = gat_only(&e, &ec);
	assert_true(n->ready && !n->parts);
	pages = atomic_read(&e.c.read_pages);
	assert_in_range(pages, PAGES, PAGES + 1);
	assert_int_equal(ec.cl.reading, pages);
	env_events(&ec);
	assert_memory_equal(ec.answer + 17, bytes_of(1), LEN);
	must(ec.answer + 17 + LEN, "\r\nEND\r\n");
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	/* It is taken back as a get's is, and read again in parts. */
	push_out(&e, &ec, 8);
	n = gat_only(&e, &ec);
	assert_true(kfc_stream_dry(&ec.cl));
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	assert_int_equal(ec.cl.reading, 0);
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_memory_equal(ec.answer + 17, bytes_of(1), LEN);
	must(ec.answer + 17 + LEN, "\r\nEND\r\n");
	assert_int_equal(e.counters.answers_cut, 0);
	end(&e, &ec);
}

/*
 * What was taken of a gat's answer is more than a part has: the rest comes from
 * there on, wherever that is.
 */
static void test_gat_stops(void **state)
{
	static const u32 stops[] = {
		1, 16, 17, 18, 3000, 2 * KFC_PAGE, WINDOW * KFC_PAGE + 100,
		LEN + 16, LEN + 17, LEN + 18,
	};
	struct env_client ec;
	struct env e;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(stops); i++) {
		begin_on_device(&e, &ec);
		gat_only(&e, &ec);
		ec.most = stops[i];
		env_events(&ec);
		assert_true(ec.stalled);
		assert_int_equal(ec.len, stops[i]);
		assert_true(kfc_stream_dry(&ec.cl));
		assert_int_equal(atomic_read(&e.c.read_pages), 0);
		assert_int_equal(ec.cl.reading, 0);
		assert_false(kfc_stream_dry(&ec.cl));
		ec.stalled = false;
		while (!list_empty(&ec.cl.out.nodes))
			env_events(&ec);
		assert_memory_equal(ec.answer, "VALUE a 0 50000\r\n", 17);
		assert_memory_equal(ec.answer + 17, bytes_of(1), LEN);
		must(ec.answer + 17 + LEN, "\r\nEND\r\n");
		end(&e, &ec);
	}
}

/* No page for a part, and then the client goes. */
static void test_no_page(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;
	u32 fail;

	/* The array, and each page behind the first part's. */
	for (fail = 1; fail <= 1 + PAGES - 2 * WINDOW; fail++) {
		begin_on_device(&e, &ec);
		e.c.window = 2 * WINDOW;
		n = ask_only(&e, &ec, "a");
		n->ready = false;
		n->more(n);
		shim_fail_alloc = fail;
		assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
		assert_int_equal(shim_fail_alloc, 0);
		kfc_out_drop(&ec.cl.out);
		end(&e, &ec);
	}
}

/* One part at a time is read, and held. */
static void test_bound(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;
	u32 parts = 1;

	begin_on_device(&e, &ec);
	n = ask_only(&e, &ec, "a");
	for (; n->parts; parts++) {
		assert_int_equal(ec.cl.reading, WINDOW);
		assert_int_equal(atomic_read(&e.c.read_pages), WINDOW);
		assert_int_equal(kfc_stream_next(&ec.cl), 0);
		take(&ec, n);
		assert_int_equal(ec.cl.reading, 0);
		assert_int_equal(atomic_read(&e.c.read_pages), 0);
		assert_int_equal(kfc_stream_next(&ec.cl), 0);
		assert_int_equal(ec.nr_events, 1);
		ec.events[--ec.nr_events]->fn(ec.events[0]);
	}
	assert_int_equal(parts, DIV_ROUND_UP(PAGES, WINDOW));
	assert_memory_equal(ec.answer, bytes_of(1), ec.len);
	env_events(&ec);
	assert_memory_equal(ec.answer, bytes_of(1), LEN);
	must(ec.answer + LEN, "\r\nEND\r\n");
	end(&e, &ec);
}

/* What was begun is ended, whatever becomes of the key. */
static void test_changed(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 i;

	for (i = 0; i < 4; i++) {
		begin(&e, &ec, i % 2 ? 64 : 0);
		env_client_init(&e, &other);
		put(&e, &ec, "a", 1);
		if (i % 2)
			push_out(&e, &ec, 8);
		take(&ec, ask_only(&e, &ec, "a"));
		if (i < 2)
			put(&e, &other, "a", 2);
		else
			must(env_ask(&e, &other, "delete a\r\n"),
			     "DELETED\r\n");
		while (!list_empty(&ec.cl.out.nodes))
			env_events(&ec);
		assert_memory_equal(ec.answer, bytes_of(1), LEN);
		assert_false(ec.cl.out.failed);
		env_client_exit(&e, &other);
		end(&e, &ec);
	}
}

/* The slab has gone, and come back as another. */
static void test_gone(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 i;

	for (i = 0; i < 2; i++) {
		begin(&e, &ec, i ? 12 : 0);
		env_client_init(&e, &other);
		put(&e, &ec, "a", 1);
		if (i)
			push_out(&e, &ec, 6);
		take(&ec, ask_only(&e, &ec, "a"));
		push_out(&e, &other, 40);
		env_events(&ec);
		assert_true(ec.cl.out.failed);
		assert_int_equal(e.counters.answers_cut, 1);
		env_client_exit(&e, &other);
		end(&e, &ec);
	}
}

/* The rest can't be read: the object is not found any more. */
static void test_broken(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 i;

	for (i = 0; i < 3; i++) {
		begin(&e, &ec, 64);
		env_client_init(&e, &other);
		put(&e, &ec, "a", 1);
		push_out(&e, &ec, 8);
		take(&ec, ask_only(&e, &ec, "a"));
		e.d.fail_reads = i == 0;
		e.d.flip_reads = i == 1;
		e.d.skip_reads = i == 2;
		while (!ec.cl.out.failed)
			env_events(&ec);
		assert_int_equal(e.counters.read_errors, i == 0);
		assert_int_equal(e.counters.bad_body, i != 0);
		assert_int_equal(e.counters.answers_cut, 1);
		assert_int_equal(e.counters.ev_device, 1);
		must(env_ask(&e, &other, "get a\r\n"), "END\r\n");
		env_client_exit(&e, &other);
		end(&e, &ec);
	}
}

/* The device takes too long, or there is no place for one more read. */
static void test_late(void **state)
{
	struct env_client ec;
	u32 depth, taken;
	struct env e;

	/* A part that is behind the first, or what was not taken of that. */
	for (taken = 0; taken <= 3000; taken += 3000) {
		begin_on_device(&e, &ec);
		if (taken) {
			ask_only(&e, &ec, "a");
			ec.most = taken;
			env_events(&ec);
			assert_true(kfc_stream_dry(&ec.cl));
			ec.stalled = false;
		} else {
			take(&ec, ask_only(&e, &ec, "a"));
		}
		e.d.defer = true;
		env_events(&ec);
		assert_int_equal(e.d.nr, 1);
		jiffies += e.c.cfg.read_timeout_ms + 1;
		kfc_cmd_tick(&ec.cl);
		assert_true(ec.cl.out.failed);
		assert_int_equal(e.counters.answers_cut, 1);
		assert_int_equal(e.counters.read_timeouts, 1);
		/* Nothing that is under way is taken from it. */
		assert_false(kfc_stream_dry(&ec.cl));
		end(&e, &ec);
	}

	begin_on_device(&e, &ec);
	take(&ec, ask_only(&e, &ec, "a"));
	depth = e.c.cfg.io_depth;
	e.c.cfg.io_depth = 0;
	assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
	jiffies += KFC_PART_MS - 1;
	assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
	e.c.cfg.io_depth = depth;
	assert_int_equal(kfc_stream_next(&ec.cl), 0);
	assert_int_equal(ec.nr_events, 1);
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_memory_equal(ec.answer, bytes_of(1), LEN);
	/* The time is that of what is wanted in vain. */
	take(&ec, ask_only(&e, &ec, "a"));
	e.c.cfg.io_depth = 0;
	jiffies += KFC_PART_MS + 1;
	assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
	jiffies += KFC_PART_MS + 1;
	assert_int_equal(kfc_stream_next(&ec.cl), 0);
	assert_true(ec.cl.out.failed);
	e.c.cfg.io_depth = depth;
	end(&e, &ec);
}

/* An answer without the value has no use for its pages. */
static void test_text_only(void **state)
{
	struct env_client ec;
	struct env e;

	begin_on_device(&e, &ec);
	ec.stalled = true;
	ec.len = 0;
	env_feed(&e, &ec, "mg a s\r\n", 8);
	env_events(&ec);
	assert_int_equal(e.counters.dev_reads, 1);
	assert_false(list_empty(&ec.cl.out.nodes));
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	assert_int_equal(ec.cl.reading, 0);
	ec.stalled = false;
	env_events(&ec);
	must(ec.answer, "HD s50000\r\n");
	end(&e, &ec);
}

/* The pages that a part waits for are those of the answers behind it. */
static void test_own_pages(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;

	begin(&e, &ec, 64);
	put(&e, &ec, "a", 1);
	put(&e, &ec, "b", 2);
	push_out(&e, &ec, 8);
	n = ask_only(&e, &ec, "a");
	ask_only(&e, &ec, "b");
	e.c.max_read_pages = 2 * WINDOW;
	take(&ec, n);
	e.c.max_read_pages = WINDOW + 1;
	assert_int_equal(atomic_read(&e.c.read_pages), WINDOW);
	assert_int_equal(kfc_stream_next(&ec.cl), -EBUSY);
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_memory_equal(ec.answer, bytes_of(1), LEN);
	assert_memory_equal(ec.answer + LEN, "\r\nEND\r\n", 7);
	is_value(ec.answer + LEN + 7, 2, "\r\nEND\r\n");
	end(&e, &ec);
}

/* Each answer has an operation: of its own, and of what all share. */
static void test_full(void **state)
{
	struct env_client ec, other;
	struct env e;
	u32 i;

	begin(&e, &ec, 64);
	env_client_init(&e, &other);
	put(&e, &ec, "a", 1);
	push_out(&e, &ec, 8);
	e.c.cfg.io_depth = 4;
	e.c.max_read_pages = 100 * WINDOW;
	/* Four, and then a quarter of what the 8 shared ones leave. */
	for (i = 0; i < 5; i++) {
		assert_false(kfc_cmd_full(&ec.cl));
		ask_only(&e, &ec, "a");
	}
	assert_int_equal(ec.cl.answers, i);
	assert_true(kfc_cmd_full(&ec.cl));
	for (i = 0; i < KFC_CLIENT_ANSWERS; i++) {
		assert_false(kfc_cmd_full(&other.cl));
		ask_only(&e, &other, "a");
	}
	assert_true(kfc_cmd_full(&other.cl));
	assert_int_equal(atomic_read(&e.c.answers), 5 + i);
	/* They go, sent or not. */
	env_client_exit(&e, &other);
	assert_int_equal(atomic_read(&e.c.answers), 5);
	env_events(&ec);
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_int_equal(ec.cl.answers, 0);
	assert_int_equal(atomic_read(&e.c.answers), 0);
	end(&e, &ec);
}

/* A command lets go of what it has read when that is not the key's any more. */
static void test_let_go(void **state)
{
	struct mp_req req = { .op = MP_TOUCH, .last = true, .klen = 1,
			      .key = (const u8 *)"a" };
	struct env_client ec, other;
	struct kfc_value v = { .len = LEN, .flat = (const u8 *)bytes_of(3) };
	struct mp_req set = { .op = MP_SET, .vlen = LEN, .klen = 1,
			      .noreply = true, .key = (const u8 *)"a" };
	struct env e;
	u32 n = 0;

	begin_on_device(&e, &ec);
	env_client_init(&e, &other);
	assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_WAIT);
	assert_int_equal(ec.nr_events, 1);
	ec.events[--ec.nr_events]->fn(ec.events[0]);
	assert_true(kfc_cmd_pins(&ec.cl));
	/* Nothing is written any more, so there is no place at last. */
	e.d.defer = true;
	while (kfc_cmd_run(&other.cl, &set, &v) == KFC_CMD_DONE) {
		assert_in_range(n++, 0, 100);
		kfc_log_step(&e.c);
	}
	assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_BUSY);
	assert_false(kfc_cmd_pins(&ec.cl));
	e.d.defer = false;
	env_client_exit(&e, &other);
	end(&e, &ec);
}

/* What was given up on does not keep a client from reading. */
static void test_given_up(void **state)
{
	struct env_client ec;
	struct env e;

	begin_on_device(&e, &ec);
	e.d.defer = true;
	ask_only(&e, &ec, "a");
	assert_int_equal(ec.cl.reading, WINDOW);
	jiffies += e.c.cfg.read_timeout_ms + 1;
	kfc_cmd_tick(&ec.cl);
	assert_int_equal(ec.cl.reading, 0);
	assert_int_equal(atomic_read(&e.c.read_pages), WINDOW);
	env_complete(&e, 0);
	env_events(&ec);
	assert_int_equal(ec.cl.reading, 0);
	end(&e, &ec);
}

/* The connection goes while a part is on its way, or is to be got. */
static void test_hung_up(void **state)
{
	struct env_client ec, gone;
	struct env e;

	begin_on_device(&e, &ec);
	take(&ec, ask_only(&e, &ec, "a"));
	env_client_exit(&e, &ec);
	env_client_init(&e, &gone);
	env_client_init(&e, &ec);
	take(&ec, ask_only(&e, &ec, "a"));
	e.d.defer = true;
	env_events(&ec);
	assert_int_equal(e.d.nr, 1);
	env_client_exit(&e, &ec);
	e.d.defer = false;
	/* Nobody is cut off who has gone, where the read fails, too. */
	env_client_init(&e, &ec);
	take(&ec, ask_only(&e, &ec, "a"));
	e.d.defer = true;
	env_events(&ec);
	e.d.fail_reads = 1;
	env_client_exit(&e, &ec);
	assert_int_equal(e.counters.read_errors, 1);
	assert_int_equal(e.counters.answers_cut, 0);
	e.d.defer = false;
	put(&e, &gone, "a", 1);
	push_out(&e, &gone, 8);
	env_client_exit(&e, &gone);
	env_client_init(&e, &ec);
	is_value(env_ask(&e, &ec, "get a\r\n"), 1, "\r\nEND\r\n");
	end(&e, &ec);
}

/* What nobody takes is taken back, and read again when its turn comes. */
static void test_dry(void **state)
{
	struct kfc_out_node *n;
	struct env_client ec;
	struct env e;
	u64 reads;

	begin(&e, &ec, 64);
	put(&e, &ec, "a", 1);
	must(env_set(&e, &ec, "set", "s", 0, 0, "short", 5, ""), "STORED\r\n");
	push_out(&e, &ec, 8);
	assert_false(kfc_stream_dry(&ec.cl));
	assert_false(kfc_reads_short(&e.c));
	n = ask_only(&e, &ec, "s");
	ask_only(&e, &ec, "a");
	ask_only(&e, &ec, "s");
	ask_only(&e, &ec, "a");
	reads = e.counters.dev_reads;
	assert_int_equal(reads, 4);
	assert_int_equal(atomic_read(&e.c.read_pages), 2 * WINDOW + 2);
	assert_int_equal(ec.cl.reading, 2 * WINDOW + 2);
	kfc_stream_blocked(&ec.cl);
	assert_true(n->ready);
	e.c.max_read_pages = 3 * WINDOW;
	kfc_stream_blocked(&ec.cl);
	assert_int_equal(atomic_read(&e.c.read_pages), 0);
	assert_int_equal(ec.cl.reading, 0);
	assert_false(n->ready);
	assert_false(kfc_stream_dry(&ec.cl));
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_memory_equal(ec.answer, "VALUE s 0 5\r\nshort\r\nEND\r\n", 25);
	is_value(ec.answer + 25, 1, "\r\nEND\r\nVALUE s 0 5\r\nshort\r\n");
	assert_int_equal(e.counters.dev_reads,
			 reads + 2 + 2 * DIV_ROUND_UP(PAGES, WINDOW));
	/* In the middle of a value, too. */
	n = ask_only(&e, &ec, "a");
	take(&ec, n);
	assert_int_equal(kfc_stream_next(&ec.cl), 0);
	ec.events[--ec.nr_events]->fn(ec.events[0]);
	assert_true(n->ready);
	assert_true(kfc_stream_dry(&ec.cl));
	while (!list_empty(&ec.cl.out.nodes))
		env_events(&ec);
	assert_memory_equal(ec.answer, bytes_of(1), LEN);
	assert_int_equal(e.counters.answers_cut, 0);
	end(&e, &ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_copied),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_gat),
		cmocka_unit_test(test_gat_stops),
		cmocka_unit_test(test_no_page),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_text_only),
		cmocka_unit_test(test_own_pages),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_let_go),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_dry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

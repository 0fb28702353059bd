// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pages of device reads that a thread keeps for its next ones.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "env.h"
#include "pages.h"

#include <cmocka.h>

/* A few of these share a page, so keys beside each other may. */
#define LEN 900
#define KEYS 600

static char value[LEN];

static const char *bytes_of(u32 key)
{
	memset(value, 'a' + key % 26, LEN);
	return value;
}

/* Keys k0 to k599, all of them on the device alone. */
static void fill(struct env *e, struct env_client *ec)
{
	char key[16];
	u32 i;

	env_start(e, 128 << 10, 4, 64, 256 << 10);
	env_client_init(e, ec);
	for (i = 0; i < 3 * KEYS; i++) {
		sprintf(key, i < KEYS ? "k%u" : "filler%u", i);
		assert_string_equal(env_set(e, ec, "set", key, 0, 0,
					    bytes_of(i), LEN, ""),
				    "STORED\r\n");
		while (kfc_log_step(&e->c))
			;
	}
}

static bool get(struct env *e, struct env_client *ec, u32 key)
{
	u64 reads = e->counters.dev_reads;
	const char *a = env_ask(e, ec, "get k%u\r\n", key);

	assert_int_equal(e->counters.dev_reads, reads + 1);
	if (!strcmp(a, "END\r\n"))
		return false;
	assert_memory_equal(strstr(a, "\r\n") + 2, bytes_of(key), LEN);
	return true;
}

static void finish(struct env *e, struct env_client *ec, struct kfc_pages *kept)
{
	env_client_exit(e, ec);
	kfc_pages_trim(kept, 0);
	assert_null(kept->first);
	/* It sees that no page is left. */
	env_stop(e);
}

static void test_used_again(void **state)
{
	struct kfc_pages kept = { };
	struct env_client ec;
	struct page *page;
	struct env e;
	u32 i;

	fill(&e, &ec);
	ec.cl.kept = &kept;
	assert_true(get(&e, &ec, 0));
	assert_int_equal(kept.nr, 1);
	page = kept.first;
	for (i = 1; i < KEYS; i++) {
		assert_true(get(&e, &ec, i));
		assert_int_equal(kept.nr, 1);
		assert_ptr_equal(kept.first, page);
	}
	finish(&e, &ec, &kept);
}

/* At no time more than there may be, and nothing of what others hold. */
static void test_bound(void **state)
{
	struct kfc_pages kept = { };
	struct page *pages[10];
	struct kfc_config cfg = { .io_depth = 7, .threads = 2 };
	u32 i;

	assert_int_equal(kfc_pages_max(&cfg), 4);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = kfc_pages_get(&kept);
	get_page(pages[1]);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		kfc_pages_put(&kept, pages[i], 4);
		assert_int_equal(kept.nr, i < 1 ? 1 : min(i, 4u));
	}
	assert_int_equal(shim_pages, 5);
	put_page(pages[1]);
	assert_int_equal(shim_pages, 4);
	/* The last comes first: it may still be in a cache. */
	assert_ptr_equal(kfc_pages_get(&kept), pages[4]);
	assert_ptr_equal(kfc_pages_get(&kept), pages[3]);
	assert_int_equal(kept.nr, 2);
	kfc_pages_put(&kept, pages[3], 4);
	kfc_pages_put(&kept, pages[4], 4);
	cfg.io_depth = 1;
	kfc_pages_trim(&kept, kfc_pages_max(&cfg));
	assert_int_equal(kept.nr, 1);
	assert_ptr_equal(kept.first, pages[0]);
	kfc_pages_trim(&kept, 0);
	assert_int_equal(shim_pages, 0);
}

/* A device says that it has read and has not: no old page passes for it. */
static void test_not_read(void **state)
{
	struct kfc_pages kept = { };
	struct env_client ec;
	struct env e;

	fill(&e, &ec);
	ec.cl.kept = &kept;
	assert_true(get(&e, &ec, 10));
	assert_int_equal(kept.nr, 1);
	/* The page held another key's. */
	e.d.skip_reads = 1;
	assert_false(get(&e, &ec, 20));
	assert_int_equal(e.counters.bad_page, 1);
	assert_int_equal(e.counters.ev_device, 1);
	/* It held this very one's. */
	assert_true(get(&e, &ec, 30));
	e.d.skip_reads = 1;
	assert_false(get(&e, &ec, 30));
	assert_int_equal(e.counters.bad_page, 2);
	finish(&e, &ec, &kept);
}

/* An answer that a socket still holds keeps its page. */
static void test_lent(void **state)
{
	struct kfc_pages kept = { };
	struct kfc_out_node *n;
	struct mp_req req = { .op = MP_GET, .last = true, .klen = 2,
			      .key = (const u8 *)"k5" };
	struct env_client ec;
	struct page *page;
	struct env e;
	long before;
	u32 off;

	fill(&e, &ec);
	before = shim_pages;
	ec.cl.kept = &kept;
	assert_int_equal(kfc_cmd_run(&ec.cl, &req, NULL), KFC_CMD_DONE);
	n = list_first_entry(&ec.cl.out.nodes, struct kfc_out_node, list);
	assert_int_equal(ec.nr_events, 1);
	ec.nr_events = 0;
	ec.events[0]->fn(ec.events[0]);
	assert_true(n->ready);
	page = n->bv[0].bv_page;
	off = n->bv[0].bv_offset;
	get_page(page);
	env_events(&ec);
	assert_int_equal(kept.nr, 0);
	assert_true(get(&e, &ec, 60));
	assert_ptr_not_equal(kept.first, page);
	assert_memory_equal(page_address(page) + off, bytes_of(5), LEN);
	put_page(page);
	kfc_pages_trim(&kept, 0);
	assert_int_equal(shim_pages, before);
	finish(&e, &ec, &kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used_again),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_not_read),
		cmocka_unit_test(test_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

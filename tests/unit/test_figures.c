// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Figures that are exact, small: what the device reads and writes for commands.
 * tests/bench has them at their size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "env.h"

#include <cmocka.h>

#define SLAB (1U << 20)
#define OBJECTS 20000

static char value[2000];

static void put(struct env *e, struct env_client *ec, u32 n, u32 len)
{
	struct mp_req req = { .op = MP_SET, .noreply = true, .vlen = len };
	struct kfc_value v = { .len = len, .flat = (u8 *)value };
	char key[32];

	req.key = (u8 *)key;
	req.klen = sprintf(key, "object-%013u", n);
	while (kfc_cmd_run(&ec->cl, &req, &v) == KFC_CMD_BUSY)
		kfc_log_step(&e->c);
	if (n % 100 == 0)
		while (kfc_log_step(&e->c))
			;
}

static void start(struct env *e, struct env_client *ec, u32 slabs, u64 index)
{
	srand(1);
	env_start(e, SLAB, 4, slabs, index);
	env_client_init(e, ec);
}

static void stop(struct env *e, struct env_client *ec)
{
	env_client_exit(e, ec);
	env_stop(e);
}

/* One read a device hit, none a set; a miss but for another key's tag. */
static void test_reads(void **state)
{
	struct kfc_counters *n;
	struct env_client ec;
	struct env e;
	u64 reads;
	u32 i;

	/* The index is full, and the device makes room all the time. */
	start(&e, &ec, 10, OBJECTS * 8);
	n = &e.counters;
	for (i = 0; i < OBJECTS * 2; i++)
		put(&e, &ec, i % 3 ? i : i / 2, 300);
	assert_int_equal(kfc_index_level(&e.c.index), KFC_INDEX_GROWTH);
	assert_true(n->ext_page_evictions > 4);
	assert_int_equal(n->dev_reads, 0);
	for (i = 0; i < OBJECTS * 2; i++)
		env_ask(&e, &ec, "get object-%013u\r\n", i);
	assert_true(n->dev_hits > OBJECTS / 10);
	assert_int_equal(n->dev_reads, n->dev_hits + n->false_reads);
	reads = n->dev_reads;
	for (i = 0; i < OBJECTS; i++)
		env_ask(&e, &ec, "get nothing-%u\r\n", i);
	assert_true(n->dev_reads - reads <= OBJECTS / 10000);
	assert_int_equal(n->dev_reads + n->reclaim_reads + n->sweep_reads,
			 e.d.reads);
	stop(&e, &ec);
}

/* Device bytes a record byte, without reinsertion. */
static void written(u32 len, u32 percent)
{
	u64 device, records;
	struct env_client ec;
	struct env e;
	u32 i;

	start(&e, &ec, 16, 1 << 20);
	e.c.cfg.reinsert_pct = 0;
	for (i = 0; e.d.writes < 24; i++)
		put(&e, &ec, i, len);
	device = (u64)e.d.writes * SLAB;
	records = e.counters.ext_objects_written * (KFC_REC_HDR + 20 + len);
	print_message("%u B: %.4f device bytes a record byte\n", len,
		      (double)device / records);
	assert_int_equal(e.counters.ext_bytes_written, device);
	assert_true(device * 100 <= records * percent);
	stop(&e, &ec);
}

static void test_writes(void **state)
{
	written(300, 115);
	written(1000, 105);
	written(2000, 105);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * DRAM an object: the index grows from its smallest size until it is full, and
 * all that the store has allocated is counted, not only what it says.
 */
#include <malloc.h>

#include "figure.h"
#include "restart.h"

#define OBJECTS 10000000
#define LEN 300
/* At 0.76 of its slots an index is full. */
#define INDEX_MB 101
#define SLAB (4 * MIB)
#define SLABS 1000
#define BUFS 16

/* A growth to a level: where it began, and its worst point. */
static struct growth {
	u64 from;
	u64 at;
	double worst;
} growth[KFC_INDEX_GROWTH + 1];

static struct env e;
static struct env_client ec;
static u64 sets;

static u64 objects(void)
{
	return percpu_counter_read(&e.c.index.used);
}

/* The first doublings are done in one step: what is left is seen. */
static void look(void)
{
	struct kfc_index *ix = &e.c.index;
	struct growth *g = &growth[ix->to ?: kfc_index_level(ix)];
	double bytes = (double)ix->bytes / objects();

	if (!g->from)
		g->from = objects();
	if (bytes > g->worst) {
		g->worst = bytes;
		g->at = objects();
	}
}

/* As the work item would, the index grows a step at a time. */
static void put(void)
{
	fig_set(&e, &ec, sets++, 0, LEN);
	look();
	if (sets % FIG_TURN)
		return;
	kfc_index_step(&e.c.index);
	look();
	fig_writer(&e);
}

/* All that malloc() gave but the test's own. */
static u64 heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd - malloc_usable_size(e.d.mem);
}

/* What malloc() has for a page of the shim. */
static u64 page_bytes(void)
{
	struct page *p = e.c.log.members[0].window.pages[0];

	return malloc_usable_size(p) + malloc_usable_size(p->mem) + 16;
}

static double lines(bool hit, u64 nr, u64 *found)
{
	u64 before = shim_lines, i, *slot;
	struct kfc_lookup lk;
	char key[32];

	for (*found = 0, i = 0; i < nr; i++) {
		fig_key(key, hit ? fig_mix(i) % sets : sets + i);
		kfc_key_init(&e.c, &lk, (u8 *)key, FIG_KLEN);
		rcu_read_lock();
		*found += !!kfc_index_look(&e.c.index, &lk.pos, &slot);
		rcu_read_unlock();
	}
	return (double)(shim_lines - before) / nr;
}

static double early(void)
{
	return 100.0 * e.counters.ev_index / sets;
}

static void print_growth(void)
{
	u32 i;

	printf("# DRAM while the index grows: the worst point of each doubling, index_mb=%u\n",
	       INDEX_MB);
	printf("to_level,begins_at_objects,worst_at_objects,bytes_an_object\n");
	for (i = 1; i <= KFC_INDEX_GROWTH; i++)
		printf("%u,%llu,%llu,%.2f\n", i, growth[i].from, growth[i].at,
		       growth[i].worst);
}

/* Return: bytes an object, all included */
static double print_parts(u64 start)
{
	const struct kfc_log *l = &e.c.log;
	u64 bufs = (u64)l->nr_bufs * l->slab_pages * page_bytes();
	u64 all = heap() - start - bufs, index = e.c.index.bytes;
	u64 table = l->nr_slabs * sizeof(*l->slabs) +
		    kfc_expire_bound(l->nr_slabs);
	/* The heap has no page tables of vmalloc(); the index counts them. */
	u64 ptes = index / KFC_PAGE * 16, rest = all + ptes - index - table;
	double n = objects();

	printf("# DRAM an object: %u MiB index, %u slabs of 4 MiB, objects of %u B, slab buffers (memory_mb) left out\n",
	       INDEX_MB, SLABS, LEN);
	printf("objects,sets,evicted_early_pct,index,slab_table,all_else,bytes_an_object\n");
	printf("%.0f,%llu,%.4f,%.3f,%.3f,%.3f,%.3f\n", n, sets, early(),
	       index / n, table / n, rest / n, (all + ptes) / n);
	return (all + ptes) / n;
}

static void print_lines(void)
{
	u64 found, tag;
	double hit = lines(true, 1000000, &found);
	double miss = lines(false, 2000000, &tag);

	printf("# Lines of 64 bytes that a lookup touches in the full index (beside them, on a miss in the home line, a byte of a table of 1/512 of its size)\n");
	printf("lookup,lines,found_in_a_million\n");
	printf("hit,%.3f,%llu\n", hit, found);
	printf("miss,%.3f,%llu\n", miss, tag / 2);
}

int main(void)
{
	double bytes, then;
	u64 start;

	srand(1);
	start = heap();
	env_start_on(&e, SLAB, BUFS, 1 + SLABS * SLAB / KFC_PAGE,
		     INDEX_MB * MIB);
	start += sizeof(struct env);
	/* Nobody reads what lies on the device. */
	e.d.drop_writes = U32_MAX;
	env_client_init(&e, &ec);
	shim_works_off = true;
	while (sets < OBJECTS)
		put();
	bytes = print_parts(start);
	then = early();
	print_lines();
	while (early() <= 0.1)
		put();
	print_parts(start);
	print_growth();
	fig_bar(bytes <= 11 && then <= 0.1,
		"dram: %.2f bytes an object at 10 million, %.4f %% of sets evicted early (at most 11, 0.1 %%; 10 is the aim)",
		bytes, then);
	shim_works_off = false;
	env_client_exit(&e, &ec);
	env_stop(&e);
	return fig_end();
}

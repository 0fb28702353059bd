// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Device reads on the request path, with the index at its full growth and full,
 * where tags have the fewest bits left: by what each command came to.
 */
#include "figure.h"

#define OBJECTS 1000000
#define LEN 300
/* That fills 0.76 of the slots. */
#define INDEX (OBJECTS / 76 * 100 * 8ULL)
#define SLAB MIB
/* All objects, and little else: sets make slabs give way. */
#define SLABS 385

static struct env e;
static struct env_client ec;

struct tally {
	u64 nr[3];	/* device hits, memory hits, misses */
	u64 reads[3];
};

enum { DEVICE, MEMORY, MISS };

static void get(struct tally *t, u64 n)
{
	u64 reads = e.counters.dev_reads, hits = e.counters.dev_hits;
	bool right, hit = fig_get(&e, &ec, n, 0, LEN, &right);
	u32 what = !hit ? MISS : e.counters.dev_hits > hits ? DEVICE : MEMORY;

	assert(!hit || right);
	t->nr[what]++;
	t->reads[what] += e.counters.dev_reads - reads;
}

static double of(u64 reads, u64 nr)
{
	return nr ? (double)reads / nr : 0;
}

static void print_gets(const char *name, const struct tally *t)
{
	u64 all = t->nr[DEVICE] + t->nr[MEMORY] + t->nr[MISS];

	assert(!t->reads[MEMORY]);
	printf("%s,%llu,%llu,%llu,%.7f,%llu,%.7f\n", name, t->nr[DEVICE],
	       t->nr[MEMORY], t->nr[MISS], of(t->reads[DEVICE], t->nr[DEVICE]),
	       t->reads[MISS], of(t->reads[MISS], all));
}

static u64 stored;

static void put(u64 n)
{
	fig_set(&e, &ec, n, 0, LEN);
	if (++stored % FIG_TURN == 0)
		fig_writer(&e);
}

/* New keys and old ones in turn. Return: device reads a set */
static double sets(u64 nr)
{
	u64 reads = e.counters.dev_reads, i;

	for (i = 0; i < nr; i++)
		put(i & 1 ? fig_mix(i) % OBJECTS : OBJECTS + i / 2);
	return of(e.counters.dev_reads - reads, nr);
}

int main(void)
{
	struct tally old = { }, none = { }, later = { };
	u64 i, all, gets, false_reads;
	double set, fill;

	srand(2);
	env_start(&e, SLAB, 8, SLABS, INDEX);
	env_client_init(&e, &ec);
	for (i = 0; i < OBJECTS; i++)
		put(i);
	fig_writer(&e);
	assert(kfc_index_level(&e.c.index) == KFC_INDEX_GROWTH);
	assert(!e.counters.dev_reads);
	fill = 100.0 * percpu_counter_read(&e.c.index.used) /
	       kfc_index_slots(&e.c.index);
	for (i = 0; i < OBJECTS; i++)
		get(&old, fig_mix(i) % OBJECTS);
	for (i = 0; i < 2 * OBJECTS; i++)
		get(&none, 9ULL * OBJECTS + i);
	set = sets(OBJECTS);
	for (i = 0; i < OBJECTS; i++)
		get(&later, fig_mix(i) % (OBJECTS * 3 / 2));
	all = e.counters.dev_reads + e.counters.reclaim_reads +
	      e.counters.sweep_reads;

	printf("# Device reads of gets, index at level %u with %.1f %% of its slots in use, reinsert_pct=50\n",
	       KFC_INDEX_GROWTH, fill);
	printf("gets,device_hits,memory_hits,misses,reads_a_device_hit,reads_of_misses,these_a_get\n");
	print_gets("of objects that were stored", &old);
	print_gets("of keys that never were", &none);
	print_gets("of both after the sets", &later);
	printf("# Device reads of sets: %u on a full device, half of them of new keys\n",
	       OBJECTS);
	printf("reads_a_set,in_the_background_a_set,all_reads_of_the_device,of_them_counted\n");
	printf("%.7f,%.4f,%llu,%llu\n", set,
	       of(e.counters.reclaim_reads + e.counters.sweep_reads, OBJECTS),
	       e.d.reads, all);

	fig_bar(old.reads[DEVICE] == old.nr[DEVICE] &&
		later.reads[DEVICE] == later.nr[DEVICE] && old.nr[DEVICE],
		"reads: %.7f a device hit (1.0)",
		of(old.reads[DEVICE] + later.reads[DEVICE],
		   old.nr[DEVICE] + later.nr[DEVICE]));
	fig_bar(of(none.reads[MISS], none.nr[MISS]) < 0.0001,
		"reads: %.7f a miss of a key that never was (below 0.0001)",
		of(none.reads[MISS], none.nr[MISS]));
	gets = e.counters.cmd_get;
	false_reads = old.reads[MISS] + none.reads[MISS] + later.reads[MISS];
	fig_bar(of(false_reads, gets) < 0.0001 &&
		false_reads == e.counters.false_reads,
		"reads: %llu of %llu gets read another key's record, %.7f a get (below 0.0001)",
		false_reads, gets, of(false_reads, gets));
	fig_bar(set < 0.0001, "reads: %.7f a set (below 0.0001)", set);
	fig_bar(all == e.d.reads, "reads: each of the device's is in a counter");
	env_client_exit(&e, &ec);
	env_stop(&e);
	return fig_end();
}

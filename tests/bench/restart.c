// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A restart of a million objects: what is read, how long it takes, what comes
 * back. Some were stored twice and some deleted, before the unload and in the
 * load before it: nothing of that may come back.
 */
#include "area.h"
#include "figure.h"
#include "restart.h"

/* Some are deleted: a million is left. */
#define KEYS 1070000
#define LEN 300
#define SLAB (4 * MIB)
#define DEVICE (600 * MIB)
#define INDEX (11 * MIB)

static struct env e;
static struct env_client ec;
/* What the last answer before the unload was: generation, 0 for a miss. */
static u8 was[KEYS];

static void put(u64 n, u32 gen)
{
	fig_set(&e, &ec, n, gen, LEN);
	was[n] = gen;
	if (n % FIG_TURN == 0)
		fig_writer(&e);
}

static void load_all(void)
{
	while (kfc_restart_step(&e.c))
		;
}

static void change(u32 gen, u64 step)
{
	u64 n;

	for (n = 0; n < KEYS; n += step)
		put(n, gen);
	for (n = step / 2; n < KEYS; n += step) {
		fig_delete(&e, &ec, n);
		was[n] = 0;
	}
}

/* Before the unload: a few lost their place to another key's tag. */
static u32 settle(void)
{
	u32 n, missing = 0;
	bool right;

	for (n = 0; n < KEYS; n++) {
		if (!was[n])
			continue;
		if (!fig_get(&e, &ec, n, was[n], LEN, &right)) {
			was[n] = 0;
			missing++;
		} else {
			assert(right);
		}
	}
	return missing;
}

static void check(u32 *there, u32 *lost, u32 *stale)
{
	u32 n;

	*there = *lost = *stale = 0;
	for (n = 0; n < KEYS; n++) {
		bool right = false;
		bool hit = fig_get(&e, &ec, n, was[n], LEN, &right);

		*there += hit;
		*lost += was[n] && !hit;
		*stale += hit && (!was[n] || !right);
	}
}

static void unload(void)
{
	env_client_exit(&e, &ec);
	env_unload(&e);
}

static void load(void)
{
	int err = env_load(&e);

	assert(!err);
	env_client_init(&e, &ec);
}

int main(void)
{
	u32 n, missing, there, lost, stale;
	double saving, loading;
	u64 area, used;

	srand(5);
	env_start_on(&e, SLAB, 8, DEVICE / KFC_PAGE, INDEX);
	env_client_init(&e, &ec);
	for (n = 0; n < KEYS; n++)
		put(n, 1);
	unload();
	load();
	load_all();
	change(2, 10);
	change(3, 16);
	/* Of the deleted ones some are back, and new. */
	for (n = 5; n < KEYS; n += 10)
		put(n, 4);
	missing = settle();
	saving = fig_seconds();
	unload();
	saving = fig_seconds() - saving;

	e.d.read_pages = 0;
	loading = fig_seconds();
	load();
	load_all();
	loading = fig_seconds() - loading;
	/* But for both copies of the superblock. */
	area = (e.d.read_pages - 2) * KFC_PAGE;
	check(&there, &lost, &stale);
	/* Dead records and summaries not counted. */
	used = (u64)there * (KFC_REC_HDR + FIG_KLEN + LEN);
	printf("# Restart: objects of %u B, unload and load of the whole index in user space (times are this machine's)\n",
	       LEN);
	printf("objects,not_there_before,unload_s,load_s,objects_a_second,area_read_kib,live_mib,area_pct,lost,stale\n");
	printf("%u,%u,%.2f,%.3f,%.0f,%llu,%llu,%.2f,%u,%u\n", there, missing,
	       saving, loading, there / loading, area >> 10, used >> 20,
	       100.0 * area / used, lost, stale);
	fig_bar(100 * area <= 3 * used,
		"restart: index area read is %.2f %% of the bytes of live records (at most 3)",
		100.0 * area / used);
	fig_bar(!lost && !stale && there >= 1000000,
		"restart: %u lost, %u stale of %u", lost, stale, there);
	env_client_exit(&e, &ec);
	env_stop(&e);
	return fig_end();
}

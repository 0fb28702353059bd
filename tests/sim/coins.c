// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The marked places: which of them are in use in a run, and what was reached.
 */
#include "sim.h"

extern struct sim_coin *__start_sim_coins[], *__stop_sim_coins[];

#define for_each_coin(p) \
	for (p = __start_sim_coins; p < __stop_sim_coins; p++)

/* A name may be in several places; its first coin stands for all. */
static struct sim_coin *first_of(struct sim_coin *coin)
{
	struct sim_coin **p;

	for_each_coin(p)
		if (!strcmp((*p)->name, coin->name) &&
		    (*p)->kind == coin->kind)
			return *p;
	return coin;
}

/* By name, not by place: builds differ in the order of their places. */
static u64 name_hash(const char *name)
{
	u64 h = 0;

	while (*name)
		h = sim_mix(h ^ (u8)*name++);
	return h;
}

void sim_coins_start(u64 seed, bool faults)
{
	struct sim_coin **p;

	for_each_coin(p) {
		u64 h = sim_mix(seed ^ name_hash((*p)->name));

		(*p)->hits = 0;
		(*p)->one_in = 0;
		if ((*p)->kind >= SIM_CAUSE || h % 4 ||
		    ((*p)->kind == SIM_FAULT && !faults))
			continue;
		(*p)->one_in = 2 << (h >> 8) % 9;
	}
}

bool sim_flip(struct sim_coin *coin)
{
	if (sim_calm || !coin->one_in || !sim_one_in(coin->one_in))
		return false;
	coin->hits++;
	return true;
}

void sim_coins_end(void)
{
	struct sim_coin **p;

	for_each_coin(p) {
		struct sim_coin *f = first_of(*p);

		f->total += (*p)->hits;
		f->runs += !!(*p)->hits;
	}
}

u64 sim_coin_hits(const char *name)
{
	struct sim_coin **p;
	u64 n = 0;

	for_each_coin(p)
		if (!strcmp((*p)->name, name))
			n += (*p)->hits;
	return n;
}

bool sim_coins_print(u64 runs)
{
	static const char *const what[SIM_KINDS] = {
		"fault", "rare branch", "cause of a miss", "move",
		"answer",
	};
	struct sim_coin **p;
	bool all = true;
	int kind;

	for (kind = 0; kind < SIM_KINDS; kind++)
		for_each_coin(p) {
			if ((*p)->kind != kind || first_of(*p) != *p)
				continue;
			printf("%-16s %-24s %10llu times in %llu of %llu runs\n",
			       what[kind], (*p)->name, (*p)->total,
			       (*p)->runs, runs);
			if (!(*p)->total) {
				printf("not ok %s never reached: %s\n",
				       what[kind], (*p)->name);
				all = false;
			}
		}
	return all;
}

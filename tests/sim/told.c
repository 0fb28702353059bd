// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Hits and misses as the answers tell them, against the counters. What was not
 * answered, or was refused, may count as either.
 */
#include "sim.h"

enum { GET, TOUCH, INCR, DECR, KINDS };

static struct told {
	u64 hits, misses, unknown;
} told[KINDS];

/* The counters are as new as the cache. */
void told_start(void)
{
	memset(told, 0, sizeof(told));
}

/* As memcached has it mg with T is a touch when it hits, and a get when not. */
static bool is_both(const struct sim_op *op)
{
	return op->op == MP_GAT && op->is_meta;
}

static struct told *told_of(const struct sim_op *op)
{
	switch (op->op) {
	case MP_GET:
	case MP_GETS:
		return &told[GET];
	case MP_GAT:
	case MP_TOUCH:
		return &told[TOUCH];
	case MP_INCR:
		return &told[INCR];
	case MP_DECR:
		return &told[DECR];
	default:
		return NULL;
	}
}

/* Nobody knows what it came to. */
void told_nothing(const struct sim_op *op)
{
	struct told *t = told_of(op);

	if (t)
		t->unknown++;
	if (is_both(op))
		told[GET].unknown++;
}

void told_answer(const struct sim_op *op, const char *line, bool value)
{
	struct told *t = told_of(op);
	bool miss = !op->hit && !value &&
		    (!strcmp(line, MP_END) || !strcmp(line, MP_NOT_FOUND));

	/* A number that was made is neither, as in memcached. */
	if (!t || (op->made && sim_counts(op)))
		return;
	if (miss && is_both(op))
		t = &told[GET];
	if (op->hit || value || !strcmp(line, MP_TOUCHED) ||
		 (sim_counts(op) && (!strcmp(line, MP_STORED) ||
				     (*line >= '0' && *line <= '9'))))
		t->hits++;
	else if (miss && (op->op != MP_GAT || op->is_meta || op->opcode))
		t->misses++;
	else
		told_nothing(op);	/* a text gat can't say that it was refused */
}

static void check(const char *what, u64 counted, u64 least, u64 unknown)
{
	if (counted < least || counted > least + unknown)
		sim_fail("%s: %llu, but %llu were told, and %llu nobody knows",
			 what, counted, least, unknown);
}

void told_check(const struct kfc_counters *n)
{
	const u64 hits[KINDS] = { n->get_hits, n->touch_hits, n->incr_hits,
				  n->decr_hits };
	const u64 misses[KINDS] = { n->get_misses, n->touch_misses,
				    n->incr_misses, n->decr_misses };
	static const char *const names[KINDS] = { "get", "touch", "incr",
						  "decr" };
	char what[32];
	u32 i;

	for (i = 0; i < KINDS; i++) {
		const struct told *t = &told[i];

		sprintf(what, "%s_hits", names[i]);
		check(what, hits[i], t->hits, t->unknown);
		sprintf(what, "%s_misses", names[i]);
		check(what, misses[i], t->misses, t->unknown);
		check(names[i], hits[i] + misses[i], t->hits + t->misses,
		      t->unknown);
	}
}

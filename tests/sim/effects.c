// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a command makes of its key: the commands' meaning, without a store.
 */
#include "sim.h"

static struct sim_blob *joined(const struct sim_blob *a,
			       const struct sim_blob *b)
{
	struct sim_blob *j = blob_new(a->len + b->len);

	memcpy(j->bytes, a->bytes, a->len);
	memcpy(j->bytes + a->len, b->bytes, b->len);
	return j;
}

static struct sim_blob *number(u64 v, u32 width)
{
	char num[MP_U64_MAX_LEN + 1];
	u32 len = sprintf(num, "%llu", v);
	struct sim_blob *b = blob_new(max(len, width));

	memset(b->bytes, ' ', b->len);
	memcpy(b->bytes, num, len);
	return b;
}

bool sim_is_number(const struct sim_blob *b, u64 *v)
{
	return mp_get_u64((const u8 *)b->bytes, min(b->len, 48u), v);
}

static struct sim_blob *counted(struct sim_op *op, const struct sim_blob *was)
{
	u64 v;

	if (!sim_is_number(was, &v))
		model_wrong(op, "counted what is no number");
	if (op->op == MP_INCR)
		v += op->delta;
	else
		v = v > op->delta ? v - op->delta : 0;
	op->delta = v;	/* what the answer has to be */
	return number(v, was->len);
}

static void set_expiry(const struct sim_op *op, struct sim_state *st,
		       s64 exptime)
{
	if (exptime < 0) {
		st->exp_lo = st->exp_hi = 1;
	} else if (!exptime || exptime > 60 * 60 * 24 * 30) {
		st->exp_lo = st->exp_hi = exptime;
	} else {
		st->exp_lo = op->now + exptime;
		st->exp_hi = sim_now() + exptime;
	}
}

bool sim_counts(const struct sim_op *op)
{
	return op->op == MP_INCR || op->op == MP_DECR;
}

/* How early, and how late, it may have to expire for R to make it a win. */
static bool short_of_life(const struct sim_op *op, const struct sim_state *st,
			  bool surely)
{
	struct sim_state as = *st;

	if (op->recache_late)
		set_expiry(op, &as, op->exptime);
	if (!op->recache || !as.exp_hi)
		return false;
	if (surely)
		return as.exp_hi < op->now + op->recache;
	return as.exp_lo < sim_now() + op->recache;
}

/* Has the one who asks to be told to refresh it, with @surely; or may it? */
bool sim_wins(const struct sim_op *op, const struct sim_state *st, bool surely)
{
	return op->is_meta && (op->op == MP_GET || op->op == MP_GAT) &&
	       !st->won && (st->stale || short_of_life(op, st, surely));
}

/* Refreshed too late: it stays stale. */
bool sim_stores_stale(const struct sim_op *op, const struct sim_state *was)
{
	return op->op == MP_CAS && op->invalidates && op->cas < was->cas;
}

static void store(struct sim_op *op, struct sim_state *st)
{
	bool late = op->op == MP_CAS && st->cas != op->cas;

	if (late && !sim_stores_stale(op, st))
		model_wrong(op, "stored over another unique");
	if (late)
		sim_told("stored, and stale");
	else
		set_expiry(op, st, op->exptime);
	st->won = late && st->won;
	st->stale = late;
	st->val = blob_get(op->val);
	st->flags = op->flags;
	st->born = sim_steps;
}

/* Nothing was there: N, or a number to begin with. */
static void make(struct sim_op *op, struct sim_state *st)
{
	*st = (struct sim_state){ .born = sim_steps };
	if (sim_counts(op)) {
		op->delta = op->initial;
		st->val = number(op->initial, 0);
		sim_told("a number was made");
	} else if (op->val) {
		st->val = blob_get(op->val);
		st->flags = op->flags;
		sim_told("made of what was to be joined");
	} else {
		st->val = blob_new(0);
		st->won = true;
		sim_told("made by the first who asked");
	}
	set_expiry(op, st, op->made_exptime);
	op->made = true;
	op->won = st->won;
}

/* md with I, x or both */
static void mark(struct sim_op *op, struct sim_state *st)
{
	if (!op->invalidates && !op->empties)
		model_wrong(op, "stored by a delete");
	if (op->invalidates) {
		st->stale = true;
		st->won = false;
		sim_told("marked stale");
	}
	if (op->empties) {
		st->val = blob_new(0);
		st->flags = 0;
		sim_told("emptied");
	} else {
		blob_get(st->val);
	}
	if (op->empties || op->expires)
		set_expiry(op, st, op->exptime);
}

/* touch, gat, a win: the unique stays */
static void keep(struct sim_op *op, struct sim_state *st, u64 cas, bool took)
{
	op->won = sim_wins(op, st, true) || (took && sim_wins(op, st, false));
	if (op->op == MP_GET && !op->won)
		model_wrong(op, "a get stored, and won nothing");
	blob_get(st->val);
	st->cas = cas;
	st->won |= op->won;
	if (op->op != MP_GET)
		set_expiry(op, st, op->exptime);
}

/*
 * What the key has to be after a command that stored. @found, @won: what the
 * module took it for. They count where time went on and either is right.
 */
struct sim_state sim_apply(struct sim_op *op, const struct sim_state *was,
			   u64 order, bool found, bool won)
{
	bool live = model_may_live(op, was), gone = model_may_be_gone(was);
	bool needs = op->op != MP_SET && op->op != MP_ADD;
	struct sim_state st = *was;

	op->line = "(a record)\r\n";
	if (op->op == MP_ADD && !gone)
		model_wrong(op, "added to what was there");
	if (op->vivifies && gone && (!live || !found)) {
		make(op, &st);
		st.cas = order;
		needs = false;
	} else if (needs && !live) {
		model_wrong(op, "changed what was not there");
	} else if (op->compares && was->cas != op->cas) {
		model_wrong(op, "stored over another unique");
	} else if (op->op == MP_APPEND || op->op == MP_PREPEND) {
		st.val = op->op == MP_APPEND ? joined(was->val, op->val) :
					       joined(op->val, was->val);
		st.stale = st.won = false;
		st.cas = order;
	} else if (op->val) {
		store(op, &st);
		st.cas = order;
	} else if (sim_counts(op)) {
		st.val = counted(op, was->val);
		st.cas = order;
		if (op->expires)
			set_expiry(op, &st, op->exptime);
	} else if (op->op == MP_DELETE) {
		mark(op, &st);
		st.cas = order;
	} else {
		keep(op, &st, was->cas, won);
	}
	st.there = true;
	st.order = order;
	if (op->chooses)
		st.cas = op->new_cas;
	op->stored_cas = st.cas;
	return st;
}

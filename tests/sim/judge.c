// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The judge of every answer: right where the key was what it says at some time
 * between the command's start and its answer.
 */
#include "sim.h"

static void free_op(struct sim_op *op)
{
	u32 i;

	for (i = 0; i < op->nr_seen; i++)
		blob_put(op->seen[i].val);
	free(op->seen);
	blob_put(op->val);
	blob_put(op->got.val);
	free(op);
}

static void see(struct sim_op *op, const struct sim_state *st)
{
	if (op->nr_seen == op->max_seen) {
		op->max_seen = op->max_seen * 2 + 2;
		op->seen = realloc(op->seen,
				   op->max_seen * sizeof(*op->seen));
	}
	op->seen[op->nr_seen] = *st;
	blob_get(st->val);
	op->nr_seen++;
}

/* Where it is refused, does the older value go? */
bool model_takes_old(const struct sim_op *op)
{
	return op->op == MP_SET || op->drops || (op->is_meta && op->val);
}

void model_begin(struct sim_op *op)
{
	op->step = sim_steps;
	op->now = sim_now();
	op->at = jiffies;
	op->order = sim_env.c.order.v;
	op->valid_from = sim_env.c.valid_from;
	INIT_LIST_HEAD(&op->on_key);
	if (!op->key)
		return;
	if (model_takes_old(op) && sim_env.c.loading) {
		op->key->set_early = true;
		sim_early_sets++;
	}
	see(op, &op->key->cur);
	list_add_tail(&op->on_key, &op->key->ops);
}

/* Was it there for the command, at the latest at its start? */
bool model_may_live(const struct sim_op *op, const struct sim_state *st)
{
	return st->there && st->order >= op->valid_from &&
	       !(st->exp_hi && st->exp_hi <= op->now);
}

/* Why it may have been gone at the end, or NULL. */
const char *model_may_be_gone(const struct sim_state *st)
{
	if (!st->there)
		return st->cause;
	if (st->order < sim_env.c.valid_from)
		return "flushed";
	if (st->exp_lo && st->exp_lo <= sim_now())
		return "expired";
	return NULL;
}

static void name_cause(const char *cause)
{
#define CAUSE(name) do { if (!strcmp(cause, name)) sim_cause(name); } while (0)
	CAUSE("never stored");
	CAUSE("deleted");
	CAUSE("expired");
	CAUSE("flushed");
	CAUSE("evicted for space");
	CAUSE("evicted, index full");
	CAUSE("tag collision");
	CAUSE("tag collision, unseen");
	CAUSE("device error");
	CAUSE("refused by budget");
	CAUSE("fault");
	CAUSE("lost at a restart");
	CAUSE("started empty");
	CAUSE("lost in a crash");
#undef CAUSE
}

/* A miss: by what the key was, else by a fault that this client met. */
static bool explain_miss(struct sim_op *op)
{
	u32 i;

	for (i = op->nr_seen; i--; ) {
		const char *cause = model_may_be_gone(&op->seen[i]);

		if (cause) {
			name_cause(cause);
			return true;
		}
	}
	if (!op->cl->tokens)
		return false;
	op->cl->tokens--;
	name_cause("fault");
	return true;
}

static bool same_value(const struct sim_state *a, const struct sim_state *b)
{
	return a->val->len == b->val->len && a->flags == b->flags &&
	       !memcmp(a->val->bytes, b->val->bytes, a->val->len);
}

/* Is a time to live, in seconds, one that it had meanwhile? */
static bool had_ttl(const struct sim_op *op, const struct sim_state *st)
{
	if (!st->exp_hi)
		return op->got_ttl == -1;
	if (st->exp_hi <= sim_now())
		return true;
	return op->got_ttl >= 0 && op->now + op->got_ttl <= st->exp_hi &&
	       sim_now() + op->got_ttl >= st->exp_lo;
}

/* Is what a meta command shows of an item what it was? */
static bool shows(const struct sim_op *op, const struct sim_state *st)
{
	u32 asks = op->asks;

	/* A number is judged as such. */
	if (asks & SIM_SHOWS_VALUE && op->got.val &&
	    (op->got.val->len != st->val->len ||
	     memcmp(op->got.val->bytes, st->val->bytes, st->val->len)))
		return false;
	return (!(asks & SIM_SHOWS_FLAGS) || op->got.flags == st->flags) &&
	       (!(asks & SIM_SHOWS_SIZE) || op->got_size == st->val->len) &&
	       (!(asks & SIM_SHOWS_CAS) || op->got.cas == st->cas) &&
	       (!(asks & SIM_SHOWS_TTL) || had_ttl(op, st));
}

/* mg tells who is to refresh it: nobody, this one (W) or another one (Z). */
static bool marked(const struct sim_op *op, const struct sim_state *st)
{
	if (!op->is_meta || (op->op != MP_GET && op->op != MP_GAT))
		return true;
	if (op->got.stale != st->stale)
		return false;
	if (op->got_win)
		return !op->got.won;
	/*
	 * What was stored has shown whether it wins; and a get alone goes on
	 * where there is no place for the mark.
	 */
	return op->got.won == st->won &&
	       (op->put || !op->vivifies || !sim_wins(op, st, true));
}

/* Does one state of the key make the answer right? */
static bool fits(struct sim_op *op, const struct sim_state *st)
{
	bool live = model_may_live(op, st);
	u64 v;

	/* What it stored itself may be dead at once. */
	if (op->hit)
		return (live || (op->put && st->order > op->order)) &&
		       shows(op, st) && marked(op, st);
	if (op->got.val)
		return live && same_value(&op->got, st) &&
		       (op->op != MP_GETS || op->got.cas == st->cas);
	if (!strcmp(op->line, MP_NOT_STORED) && op->op == MP_ADD)
		return live;
	if (!strcmp(op->line, MP_NOT_STORED))	/* joined, it is too long */
		return live && st->val->len + op->val->len + 400 >
		       min(sim_env.c.cfg.item_max,
			   kfc_log_max_value(&sim_env.c.log, op->key->len));
	if (!strcmp(op->line, MP_EXISTS))
		return live && st->cas != op->cas &&
		       !sim_stores_stale(op, st);
	if (!strcmp(op->line, MP_NON_NUMERIC))
		return live && !sim_is_number(st->val, &v);
	return false;
}

static bool any_fits(struct sim_op *op)
{
	u32 i;

	for (i = op->nr_seen; i--; )
		if (fits(op, &op->seen[i]))
			return true;
	return false;
}

void model_show(const char *what, const struct sim_state *st)
{
	fprintf(stderr, "  %s: ", what);
	if (st->val && st->there)
		fprintf(stderr, "%u bytes \"%.24s\", flags %u, expires %llu, order %llx, cas %llx, page %llu%s%s\n",
			st->val->len, st->val->bytes, st->flags, st->exp_hi,
			st->order, st->cas, st->page,
			st->stale ? ", stale" : "", st->won ? ", won" : "");
	else
		fprintf(stderr, "absent: %s\n", st->cause);
}

void model_wrong(struct sim_op *op, const char *why)
{
	u32 i;

	fprintf(stderr, "operation %d of client %u on key %.24s, since step %llu; now %llu then %llu, valid from %llx then %llx\n",
		op->op, op->cl->id, op->key ? op->key->name : "-", op->step,
		sim_now(), op->now, sim_env.c.valid_from, op->valid_from);
	if (op->got.val) {
		op->got.there = true;
		model_show("answered", &op->got);
	} else {
		fprintf(stderr, "  answered:%s%s%s %s", op->got_win ? " W" : "",
			op->got.stale ? " X" : "", op->got.won ? " Z" : "",
			op->line);
	}
	for (i = 0; i < op->nr_seen; i++)
		model_show("it was", &op->seen[i]);
	sim_fail("%s", why);
}

static bool is_miss(const struct sim_op *op)
{
	return !op->got.val && !op->hit && (!strcmp(op->line, MP_END) ||
				!strcmp(op->line, MP_NOT_FOUND) ||
				(!strcmp(op->line, MP_NOT_STORED) &&
				 op->op != MP_ADD));
}

static bool waited(const struct sim_op *op, u32 ms)
{
	return jiffies - op->at >= ms;
}

/* A get stores where it wins, and then only; what touches always. */
static bool hit_stores(const struct sim_op *op)
{
	if (op->got_win != op->won)
		return false;
	return op->put == (op->op != MP_GET || op->got_win);
}

/* What only says that the command was carried out, or was refused. */
static bool judge_done(struct sim_op *op)
{
	const char *line = op->line;

	if (!strcmp(line, MP_STORED) || !strcmp(line, MP_TOUCHED)) {
		if (!op->put)
			model_wrong(op, "stored, but no record was published");
		return true;
	}
	if (!strcmp(line, MP_DELETED)) {
		if (op->invalidates || op->empties ? !op->put : !op->removed)
			model_wrong(op, "deleted, but nothing was");
		return true;
	}
	/* A gat's record is there by then. */
	if (!strcmp(line, MP_NO_MEMORY_READ))
		return true;
	if (op->put)
		model_wrong(op, "refused, but a record was published");
	if (!strcmp(line, MP_NO_MEMORY)) {
		if (!waited(op, sim_env.c.cfg.set_wait_ms))
			model_wrong(op, "refused before its time");
		return true;
	}
	if (!strcmp(line, MP_TOO_LARGE)) {
		if (op->val && op->val->len + 400 <
		    min(sim_env.c.cfg.item_max,
			kfc_log_max_value(&sim_env.c.log, op->key->len)))
			model_wrong(op, "not too large at all");
		return true;
	}
	return false;
}

/* Is every object older than a step flushed, and what was made of it? */
static void none_older(u64 step)
{
	u32 i;

	for (i = 0; i < sim_cfg.keys; i++) {
		struct sim_state *st = &sim_keys[i].cur;

		if (!st->there || st->born >= step ||
		    st->order < sim_env.c.valid_from)
			continue;
		model_show("it is", st);
		sim_fail("key %u outlives flush_all", i);
	}
}

static void judge_flush(struct sim_op *op)
{
	if (op->exptime) {
		sim_flush_due = sim_now() + op->exptime;
		sim_flush_set = op->step;
		return;
	}
	sim_flush_due = 0;
	none_older(op->step);
	lives_flushed(op);
}

/* At the end: a delayed flush_all fires with the next command. */
void model_flush_due(void)
{
	if (!sim_flush_due)
		return;
	if (sim_now() < sim_flush_due)
		env_now += sim_flush_due - sim_now();
	kfc_store_check_flush(&sim_env.c);
	none_older(sim_flush_set);
}

void model_drop(struct sim_op *op)
{
	/* Nobody knows whether it took the place of a delayed one. */
	if (op->op == MP_FLUSH_ALL)
		sim_flush_due = 0;
	list_del_init(&op->on_key);
	free_op(op);
}

void model_answer(struct sim_op *op, const char *line,
		  const struct sim_state *got)
{
	bool ok;

	op->line = line;
	op->got = *got;
	told_answer(op, line, got->val);
	hash_log("answer", got->val ? XXH64(got->val->bytes, got->val->len,
		 got->flags) : XXH64(line, strlen(line), 0));
	if (!op->key) {
		judge_flush(op);
		free_op(op);
		return;
	}
	if (op->hit && (!hit_stores(op) || !any_fits(op))) {
		ok = false;
	} else if (sim_counts(op) && !op->got.val && line[0] >= '0' &&
	    line[0] <= '9') {
		u64 v = 0;

		if (!op->put || !mp_get_u64((const u8 *)line,
					    strlen(line) - 2, &v) ||
		    v != op->delta)
			model_wrong(op, "counted wrong");
		ok = true;
	} else if (is_miss(op)) {
		/* A gat's record is there before its answer can be refused. */
		bool may = !op->put || (op->won && !op->made) ||
			   (op->op == MP_GAT && !op->is_meta);

		ok = (!strcmp(line, MP_NOT_STORED) && any_fits(op)) ||
		     (may && explain_miss(op));
	} else if (op->hit) {
		ok = true;
	} else if (op->got.val || !strcmp(line, MP_NOT_STORED) ||
		   !strcmp(line, MP_EXISTS) || !strcmp(line, MP_NON_NUMERIC)) {
		ok = any_fits(op);
	} else {
		ok = judge_done(op);
	}
	if (ok) {
		model_drop(op);
		return;
	}
	/*
	 * A record may be seen between its commit and its publication, where it
	 * shares a page with what the slot meant before: the next thing to come
	 * to this key has to be that publication, of its own new record or of
	 * one of another key with its tag.
	 */
	op->answered = true;
}

/* The key is something else from now on; @early: that could be seen before. */
void model_become(struct sim_key *k, const struct sim_state *st, bool early)
{
	struct sim_op *op, *next;

	list_for_each_entry_safe(op, next, &k->ops, on_key) {
		if (!op->answered) {
			see(op, st);
			continue;
		}
		if (!early || !((is_miss(op) && model_may_be_gone(st)) ||
				fits(op, st)))
			model_wrong(op, is_miss(op) ? "a miss without a cause" :
			      "an answer that was never true");
		model_drop(op);
	}
	blob_put(k->cur.val);
	k->cur = *st;
}

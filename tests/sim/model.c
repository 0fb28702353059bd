// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A plain model of a cache.
 *
 * The store tells when it has published a record and when a slot was emptied
 * (module/observe.h). So at every step it is known what each key should be: a
 * command takes effect at such an instant, and an answer is right where the
 * key was what it says at some time between the command's start and its
 * answer. That is linearizability with the effects' order given. What the
 * bytes of a record should be comes from the commands alone.
 *
 * An entry that leaves is explained by the counter that moves next in the same
 * coroutine; so every eviction is counted once, and nothing else is.
 */
#include "sim.h"

struct sim_key *sim_keys, **sim_entries;
u32 sim_nr_entries;

/* What a coroutine has dropped and not counted yet. */
struct drop {
	struct sim_key *key;
	struct sim_state was;
	u64 slot;
	bool full;		/* overwritten for want of a slot */
	bool bad;		/* a client dropped what it could not read */
};

static struct drop drops[SIM_CPUS];
static struct sim_client *clients_of[SIM_CPUS];
static u64 seen_stores, seen_moves, seen_copies, seen_early;
static u64 hung_at;	/* the last step at which reads were given up at once */
u64 sim_flush_due, sim_flush_set;	/* a delayed flush_all, and its step */

struct sim_blob *blob_new(u32 len)
{
	struct sim_blob *b = malloc(sizeof(*b) + len + 1);

	b->refs = 1;
	b->len = len;
	b->bytes[len] = 0;
	return b;
}

struct sim_blob *blob_get(struct sim_blob *b)
{
	if (b)
		b->refs++;
	return b;
}

void blob_put(struct sim_blob *b)
{
	if (b && !--b->refs)
		free(b);
}

struct sim_client *model_client(void)
{
	return clients_of[sim_cpu()];
}

void model_set_client(struct sim_client *cl)
{
	clients_of[sim_cpu()] = cl;
}

void model_start(void)
{
	u32 i;

	sim_keys = calloc(sim_cfg.keys, sizeof(*sim_keys));
	sim_entries = calloc(sim_cfg.keys, sizeof(*sim_entries));
	sim_nr_entries = sim_cfg.keys;
	for (i = 0; i < sim_cfg.keys; i++) {
		struct sim_key *k = &sim_keys[i];

		k->len = sprintf(k->name, "%u", i);
		if (sim_one_in(4))
			while (k->len < 249 && !sim_one_in(60))
				k->name[k->len++] = '-';
		sim_entries[i] = k;
		k->cur.cause = "never stored";
		INIT_LIST_HEAD(&k->ops);
	}
	memset(drops, 0, sizeof(drops));
	memset(clients_of, 0, sizeof(clients_of));
	sim_flush_due = sim_flush_set = hung_at = seen_early = 0;
	lives_start();
	model_new_life();
}

/* The counters are as new as the cache. */
void model_new_life(void)
{
	memset(sim_counters, 0, sizeof(sim_counters));
	memset(drops, 0, sizeof(drops));
	seen_stores = seen_moves = seen_copies = 0;
	told_start();
}

void model_end(void)
{
	u32 i;

	for (i = 0; i < sim_cfg.keys; i++) {
		if (!list_empty(&sim_keys[i].ops))
			model_wrong(list_first_entry(&sim_keys[i].ops, struct sim_op,
					       on_key),
			      "an answer that nothing explains");
	}
	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		blob_put(k->cur.val);
		while (k->nr_versions)
			blob_put(k->versions[--k->nr_versions].val);
		free(k->versions);
		if (i >= sim_cfg.keys)
			free(k);
	}
	free(sim_entries);
	free(sim_keys);
}

/* Is an entry of @pos's group, with a tag, the key's? */
bool model_same_place(const struct sim_key *k, const struct kfc_ipos *pos,
		      u32 tag)
{
	struct kfc_lookup lk;

	if (!k->len)
		return k->stray.tag == tag && k->stray.line0 == pos->line0;
	kfc_key_init(&sim_env.c, &lk, (const u8 *)k->name, k->len);
	return lk.pos.tag == tag && lk.pos.line0 == pos->line0;
}

/* Whose entry a slot of @pos's group is. */
static struct sim_key *occupant(const struct kfc_ipos *pos, u64 slot)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		if (k->cur.there && !k->pending &&
		    k->cur.page == kfc_slot_page(slot) &&
		    model_same_place(k, pos, kfc_slot_tag(slot)))
			return k;
	}
	sim_fail("an entry leaves that was not there");
}

/* An entry whose record can't be told. */
struct sim_key *model_stray(const struct kfc_ipos *pos, u64 slot)
{
	struct sim_key *k = calloc(1, sizeof(*k));

	INIT_LIST_HEAD(&k->ops);
	k->stray.line0 = pos->line0;
	k->stray.tag = kfc_slot_tag(slot);
	k->cur.there = true;
	k->cur.page = kfc_slot_page(slot);
	k->cut.cause = "lost in a crash";
	sim_entries = realloc(sim_entries, (sim_nr_entries + 1) *
			      sizeof(*sim_entries));
	sim_entries[sim_nr_entries++] = k;
	return k;
}

static void absent(struct sim_key *k, const char *cause, bool early)
{
	struct sim_state st = { .cause = cause };

	model_become(k, &st, early);
}

void model_absent(struct sim_key *k, const char *cause)
{
	absent(k, cause, false);
}

/* A get that wins when it is read: whose answer it is its token tells. */
static struct sim_op *asker(struct sim_client *cl, const struct kfc_lookup *lk)
{
	const struct kfc_op *read = container_of(lk, struct kfc_op, lk);
	char token[MP_META_OPAQUE_MAX + 1] = { 0 };
	struct sim_op *op;

	if (lk->key.p != read->key || !mp_from_meta(&read->req))
		return NULL;
	memcpy(token, read->req.meta.opaque, read->req.meta.opaque_len);
	list_for_each_entry(op, &cl->fifo, fifo)
		if (op->is_meta && op->opaque == strtoul(token, NULL, 10))
			return op;
	return NULL;
}

/* Not what is written anew for its expiry, a mark, or a number in its old place. */
static bool stores(const struct sim_op *op, const struct kfc_lookup *lk,
		   const struct kfc_rsv *r)
{
	bool counts = op->op == MP_INCR || op->op == MP_DECR;

	return op->val || !lk->order || lk->dead ||
	       (counts && r->vlen > lk->rec.vlen);
}

void kfc_saw_put(const struct kfc_lookup *lk, const struct kfc_rsv *r, u64 old,
		 u64 value, u64 order)
{
	struct sim_client *cl = model_client();
	bool early = old && kfc_slot_page(old) == kfc_slot_page(value);
	struct sim_op *op = cl ? cl->now : NULL;
	struct sim_key *k, *was = NULL;
	struct sim_state st;

	hash_log("put", order ^ value ^ old << 1);
	if (cl && !op)
		op = asker(cl, lk);
	if (!op || !op->key || op->put)
		sim_fail("a record that nobody asked for");
	k = op->key;
	if (lk->key.len != k->len || memcmp(lk->key.p, k->name, k->len))
		model_wrong(op, "a record of another key");
	if (order <= k->last_order || order <= op->order)
		model_wrong(op, "order numbers are not in the order of operations");
	if (old)
		was = occupant(&lk->pos, old);
	if (was && !was->len && kfc_slot_tag(old) == lk->pos.tag) {
		absent(was, "lost in a crash", false);
	} else if (was && was != k) {
		if (kfc_slot_tag(old) != lk->pos.tag) {
			drops[sim_cpu()].key = was;
			drops[sim_cpu()].full = true;
			drops[sim_cpu()].bad = false;
			absent(was, "evicted, index full", false);
		} else if (cl->evicts_tag) {
			absent(was, "tag collision", early);
		} else if (kfc_slab_of(&sim_env.c.log, old)->buf) {
			sim_fail("an eviction for its tag was not counted");
		} else {
			absent(was, "tag collision, unseen", false);
		}
	}
	cl->evicts_tag = false;
	if (k->cur.there && was != k)
		model_wrong(op, "the key's older entry stays");
	st = sim_apply(op, &k->cur, order, lk->order && !lk->dead,
		       r->attr.marks & KFC_REC_WON);
	st.page = kfc_slot_page(value);
	st.home = 0;
	op->put = true;
	k->last_order = order;
	seen_stores += stores(op, lk, r);
	model_become(k, &st, early);
	lives_put(k);
}

static bool is_writer(void)
{
	return !model_client();
}

/* The slot means the record on the device again. */
static void moved_home(struct sim_key *k, u64 value)
{
	if (value != (k->cur.home | KFC_SLOT_FETCHED))
		sim_fail("a copy of key %.24s has another home", k->name);
	k->cur.page = kfc_slot_page(value);
	k->cur.home = 0;
	sim_move("from a copy to its home");
}

static void moved_to_copy(struct sim_key *k, u64 old)
{
	if (!(old & KFC_SLOT_FETCHED))
		sim_fail("copied, but not used since");
	if (k->cur.home) {
		sim_move("from copy to copy");
	} else {
		k->cur.home = old & ~KFC_SLOT_FETCHED;
		sim_move("from the device to a copy");
	}
	seen_copies++;
}

static void moved_forward(struct sim_key *k, u64 old)
{
	if (k->cur.home)
		sim_move("from a copy to the log");
	else if (old & KFC_SLOT_FETCHED)
		sim_move("forward in the log");
	else
		sim_fail("carried forward, but not used since");
	k->cur.home = 0;
	seen_moves++;
}

/* The key stays what it is; only where it lies is another place. */
void kfc_saw_move(const struct kfc_lookup *lk, u64 old, u64 value, u64 now)
{
	struct kfc_log *l = &sim_env.c.log;
	struct sim_key *k = occupant(&lk->pos, old);

	hash_log("move", lk->order ^ value ^ old << 1);
	if (lk->key.len != k->len || memcmp(lk->key.p, k->name, k->len))
		sim_fail("moved under another key's name");
	if (lk->order != k->cur.order)
		sim_fail("another version of key %.24s was moved", k->name);
	if (k->cur.exp_hi && k->cur.exp_hi <= now)
		sim_fail("an expired object was moved");
	if (k->cur.home && kfc_slot_same(value, k->cur.home)) {
		moved_home(k, value);
		return;
	}
	if (value & KFC_SLOT_FETCHED)
		sim_fail("moved, and still counts as used");
	if (kfc_slab_copies(l, kfc_slab_of(l, value)))
		moved_to_copy(k, old);
	else
		moved_forward(k, old);
	k->cur.page = kfc_slot_page(value);
}

/* The last drop was not counted: a refused set, or flushed with its slab. */
static void settle(struct drop *d)
{
	struct sim_client *cl = model_client();
	struct sim_key *k = d->key;

	if (!k)
		return;
	d->key = NULL;
	if (!is_writer() && cl->now && model_takes_old(cl->now))
		return;
	if (!is_writer() && d->was.order < sim_env.c.valid_from)
		return;
	model_show("it was", &d->was);
	sim_fail("an entry of key %.24s left uncounted", k->name);
}

/* At the end of a command: nothing is to be counted any more. */
void model_settle(void)
{
	settle(&drops[sim_cpu()]);
}

/*
 * What makes room lies in the oldest slab of its device, by the time that it was
 * written: so of those with a buffer at a time any may be next.
 */
static void check_oldest(u64 slot)
{
	const struct kfc_log *l = &sim_env.c.log;
	const struct kfc_slab *s = kfc_slab_of(l, slot);
	u32 i, older = 0;

	if (!l->nr_members || l->failed || kfc_slab_copies(l, s))
		return;
	for (i = 0; i < l->nr_slabs; i++)
		older += l->slabs[i].dev == s->dev &&
			 l->slabs[i].state == KFC_SLAB_STORED &&
			 l->slabs[i].seq < s->seq;
	if (older > l->max_bufs)
		sim_fail("%u slabs are older than the one that goes", older);
}

void kfc_saw_clear(const struct kfc_ipos *pos, u64 old)
{
	struct drop *d = &drops[sim_cpu()];
	struct sim_client *cl = model_client();
	struct sim_key *k = occupant(pos, old);

	settle(d);
	hash_log("clear", old);
	d->key = k;
	d->full = d->bad = false;
	d->slot = old;
	d->was = k->cur;	/* its value is not looked at */
	d->was.val = NULL;
	if (is_writer() && lives_forgets(pos, old)) {
		absent(k, "refused by budget", false);
		d->key = NULL;
	} else if (is_writer()) {
		absent(k, model_may_be_gone(&k->cur) ?:
		       sim_env.c.log.failed ? "device error" :
		       "evicted for space", false);
	} else if (cl->now && model_takes_old(cl->now)) {
		absent(k, "refused by budget", false);
	} else if (model_may_be_gone(&k->cur)) {
		absent(k, model_may_be_gone(&k->cur), false);
	} else if (cl->now && cl->now->op == MP_DELETE && cl->now->key == k) {
		absent(k, "deleted", false);
	} else {
		absent(k, "device error", false);
		d->bad = true;
	}
}

#define COUNTER(name) (offsetof(struct kfc_counters, name) / sizeof(u64))

static void counts_drop(struct drop *d, u32 which, u64 n)
{
	struct sim_client *cl = model_client();

	if (!d->key && is_writer() && lives_counted(which, n))
		return;
	if (!d->key)
		sim_fail("an eviction was counted that was none");
	if (d->bad && which != COUNTER(ev_device))
		sim_fail("a client dropped key %.24s, and not for an error",
			 d->key->name);
	if (which == COUNTER(ev_index) && !d->full)
		sim_fail("counted as evicted by a full index");
	if (which == COUNTER(ev_space) && !is_writer())
		sim_fail("counted as evicted for space");
	if (which == COUNTER(ev_space))
		check_oldest(d->slot);
	if (which == COUNTER(reclaimed) && !model_may_be_gone(&d->was))
		sim_fail("counted as reclaimed, but it was alive");
	if (which == COUNTER(ev_device) && !sim_read_errors &&
	    !sim_write_errors && !sim_meta_errors && !sim_bad_pages &&
	    !sim_gone &&
	    !(cl && cl->tokens))
		sim_fail("evicted for a device error, but there was none");
	if (which == COUNTER(delete_hits)) {
		if (cl->now->key != d->key)
			model_wrong(cl->now, "deleted another key");
		if (cl->now->compares && cl->now->cas != d->was.cas)
			model_wrong(cl->now, "deleted what has another unique");
		cl->now->removed = true;
	}
	d->key = NULL;
}

/* Where reads are given up at once, for a device that does not answer. */
void model_yields(void)
{
	if (sim_env.c.overdue.v * 2 > sim_env.c.cfg.io_depth)
		hung_at = sim_steps;
}

/* The read that takes too long is for one that waits, the first one longest. */
static void check_timeout(const struct sim_client *cl)
{
	u32 most = sim_env.c.cfg.read_timeout_ms;
	const struct sim_op *op;

	op = list_first_entry_or_null(&cl->fifo, struct sim_op, fifo);
	model_yields();
	if (op && op->step > hung_at && jiffies - op->at < most)
		sim_fail("a read was given up before its time");
}

/* A slab with objects is about to be reclaimed: are free ones short? */
static void check_reclaim(void)
{
	const struct kfc_cache *c = &sim_env.c;
	const struct kfc_log *l = &c->log;
	u64 early = sim_coin_hits("reclaim_early");

	if (early != seen_early || l->failed || l->nr_members > 1) {
		seen_early = early;
		return;
	}
	if (l->nr_free + l->nr_ready > l->nr_heads + !!c->cfg.reinsert_pct)
		sim_fail("reclaimed with %u slabs free and %u ready",
			 l->nr_free, l->nr_ready);
}

void sim_count(u64 *counter, u64 n)
{
	u32 which = counter - (u64 *)sim_env.c.counters;
	struct sim_client *cl = model_client();

	((u64 *)&sim_counters[sim_cpu()])[which] += n;
	switch (which) {
	case COUNTER(ev_tag):
		cl->evicts_tag = true;
		break;
	case COUNTER(ev_space):
	case COUNTER(ev_index):
	case COUNTER(ev_device):
	case COUNTER(reclaimed):
	case COUNTER(delete_hits):
		counts_drop(&drops[sim_cpu()], which, n);
		break;
	case COUNTER(store_no_memory):
		/* Refused, which a gat can't say. */
		if (cl && cl->now && cl->now->op == MP_GAT)
			cl->tokens++;
		break;
	case COUNTER(ext_page_evictions):
		check_reclaim();
		break;
	case COUNTER(read_timeouts):
		if (cl)
			check_timeout(cl);
		fallthrough;
	case COUNTER(read_errors):
	case COUNTER(bad_page):
	case COUNTER(bad_header):
	case COUNTER(bad_body):
		if (cl)
			cl->tokens++;
		break;
	}
}

void model_sum(struct kfc_counters *sum)
{
	u64 *to = (u64 *)sum;
	u32 cpu, i;

	memset(sum, 0, sizeof(*sum));
	for (cpu = 0; cpu < SIM_CPUS; cpu++)
		for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
			to[i] += ((u64 *)&sim_counters[cpu])[i];
}

#define EQUAL(what, a, b) do { u64 a_ = (a), b_ = (b); if (a_ != b_) \
	sim_fail("%s: %llu, should be %llu", what, a_, b_); } while (0)

/* Entries that are to count for a slab. */
static u64 model_live(u32 nr)
{
	u64 i, slab_pages = sim_env.c.log.slab_pages, live = 0;

	for (i = 0; i < sim_nr_entries; i++) {
		const struct sim_state *st = &sim_entries[i]->cur;

		live += st->there && st->page / slab_pages == nr;
		live += st->home &&
			kfc_slot_page(st->home) / slab_pages == nr;
	}
	return live;
}

void model_check_counters(void)
{
	struct kfc_cache *c = &sim_env.c;
	struct kfc_log_info info;
	struct kfc_counters n;
	u64 there = 0, slots = 0, dead = 0, place = kfc_place(0), *v;
	u32 i, nr;

	model_sum(&n);
	kfc_log_info(c, &info);
	lives_check();
	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_state *st = &sim_entries[i]->cur;

		there += st->there;
		dead += st->there && (st->order < c->valid_from ||
				      (st->exp_hi && st->exp_hi <= sim_now()));
	}
	/*
	 * There was time enough to find them, where all can be read. Of several
	 * devices none is waited for longer than read_timeout_ms.
	 */
	if (!sim_bad_pages && !n.read_errors &&
	    !(c->nr_devs > 1 && n.read_timeouts))
		EQUAL("the dead in curr_items", dead, 0);
	while (place < kfc_place(c->index.lines0)) {
		v = kfc_index_group(&c->index, &place, &nr);
		for (i = 0; i < nr; i++)
			slots += !!v[i];
	}
	EQUAL("curr_items", info.items, there);
	EQUAL("entries that the index counts", c->index.used.count, there);
	EQUAL("used slots", slots, there);
	EQUAL("total_items", n.total_items, seen_stores);
	EQUAL("reinserted", n.reinserted, seen_moves);
	EQUAL("promotions", n.promotions, seen_copies);
	EQUAL("get_hits + get_misses", n.get_hits + n.get_misses, n.cmd_get);
	told_check(&n);
	/* Of what a load or a superblock met not all has a number of its own. */
	if (!sim_meta_errors) {
		EQUAL("read errors", n.read_errors, sim_read_errors);
		EQUAL("write errors", n.write_errors, sim_write_errors);
	} else if (n.read_errors < sim_read_errors ||
		   n.write_errors < sim_write_errors) {
		sim_fail("errors of the device were not counted");
	}
	/*
	 * By a last page that is not what was written a load takes the slab
	 * for what it was in another life: all that is in it is bad then.
	 */
	if (!sim_bad_lasts && n.bad_page + n.bad_header + n.bad_body +
	    n.bad_summary > sim_bad_pages)
		sim_fail("more pages found bad than were");
	EQUAL("reads in flight", c->reads.v, 0);
	EQUAL("pages of reads", c->read_pages.v, 0);
	EQUAL("reads overdue", c->overdue.v, 0);
	for (i = 0; i < c->log.nr_all; i++) {
		struct kfc_slab *s = &c->log.slabs[i];

		EQUAL("live", s->live.v, model_live(i));
		EQUAL("pins", s->pins.v, 0);
		EQUAL("holds", s->holds.v, s->state == KFC_SLAB_OPEN);
	}
}

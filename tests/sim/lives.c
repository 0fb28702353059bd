// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The model from one load to the next: what may come back, and what has to.
 *
 * After a clean unload all that was there is to be there again, each as it was,
 * and is so for the model from the start: no command may look before its range
 * is read. What does not come back by then has to be explained by a slab that
 * was reclaimed meanwhile, or a fault.
 *
 * After a power cut nothing is there, or, with recover=crash, for each entry a
 * record that was once published for its key and that no flush_all which was
 * answered, format or empty start came after. Which one, the device is asked.
 */
#include "sim.h"

/* As restart.c has it. */
#define KFC_FORGETS 64

/* Order numbers below are gone for good: flushed, formatted, started empty. */
static u64 floor_order;
static u64 last_order;		/* of all so far */
static u64 flush_due_cut, flush_set_cut;
static u64 nr_entered, nr_lost, nr_counted, nr_forgotten;
u64 sim_early_sets;		/* before all was loaded */
static bool failed;		/* a device, in the life before */
static bool unclean;		/* the last life ended with a power cut */
static u64 unloaded_from;	/* when the last unload began */
static u64 unloaded_to;		/* the latest that one ended, as some superblock may say */
static u64 load_from;		/* the machine's clock, when a load began */
/* What sim_meta_faults was when this load began, and when the last one did. */
static u64 faults_now, faults_then;

void lives_start(void)
{
	floor_order = last_order = 0;
	nr_entered = nr_lost = nr_counted = nr_forgotten = 0;
	failed = unclean = false;
	faults_now = faults_then = 0;
	unloaded_from = unloaded_to = load_from = 0;
}

/* No object lives longer because the clock was set back. */
static void check_clock(void)
{
	u64 now = sim_now();

	if (sim_env.c.saved.found == KFC_FOUND_CLEAN && now < unloaded_from)
		sim_fail("time goes on from %llu, and was %llu", now,
			 unloaded_from);
	if (now < env_now ||
	    (now > env_now && now - env_now + load_from > unloaded_to))
		sim_fail("time goes on from %llu, and is %llu", now, env_now);
	if (now > env_now)
		sim_move("of a load: from an older clock");
}

/* A load is to begin. */
void lives_next(void)
{
	faults_then = faults_now;
	faults_now = sim_meta_faults;
}

/* On other devices order numbers begin anew, and nothing comes back. */
void lives_replaced(void)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		while (k->nr_versions)
			blob_put(k->versions[--k->nr_versions].val);
		k->last_order = 0;
	}
	last_order = floor_order = 0;
}

/* Before each attempt to load. */
void lives_load(void)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];
		struct sim_state *st = &k->cur;

		/* Copies are no more. */
		if (st->there && st->home)
			st->page = kfc_slot_page(st->home);
		st->home = 0;
		k->pending = st->there;
		k->set_early = false;
	}
	nr_entered = nr_lost = nr_counted = nr_forgotten = 0;
	load_from = env_now;
	sim_early_sets = 0;
}

static void all_lost(const char *cause)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		if (!k->pending)
			continue;
		k->pending = false;
		model_absent(k, cause);
	}
	sim_flush_due = 0;
}

static bool excused(void)
{
	return sim_meta_faults > faults_then || failed || unclean;
}

static u64 nr_pending(void)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < sim_nr_entries; i++)
		n += sim_entries[i]->pending;
	return n;
}

/* kfc_cache_init() went well; nobody was served yet. */
void lives_loaded(void)
{
	const struct kfc_cache *c = &sim_env.c;

	if ((u64)c->order.v < last_order)
		sim_fail("order numbers are used again");
	check_clock();
	switch (c->saved.found) {
	case KFC_FOUND_NOTHING:
		if (last_order && !excused() &&
		    c->cfg.format != KFC_FORMAT_NEW)
			sim_fail("a clean unload was not taken");
		if (last_order)
			sim_move("of a load: nothing");
		all_lost("started empty");
		if (c->valid_from < last_order)
			sim_fail("empty, and old records are valid");
		floor_order = max(floor_order, c->valid_from);
		break;
	case KFC_FOUND_CRASHED:
		sim_move("of a load: after a crash");
		if (last_order && !excused())
			sim_fail("a clean unload was taken for a crash");
		all_lost("lost in a crash");
		break;
	case KFC_FOUND_CLEAN:
		sim_move("of a load: all");
		break;
	}
	unclean = false;
}

/* The cache is about to end. */
void lives_unload(void)
{
	if (!sim_cut)
		unloaded_from = sim_now();
}

/* The cache has ended; only its structure is there. */
void lives_unloaded(void)
{
	u32 nr;

	if (!sim_cut)
		unloaded_to = max(unloaded_to, sim_now());
	/* What a life that was cut found is there once more for the next. */
	failed &= sim_cut;
	for (nr = 0; nr < sim_env.c.nr_devs; nr++)
		failed |= sim_env.c.log.members[nr].failed;
}

/* What is aside for the next load is all that counts from now on. */
void model_cut(void)
{
	u32 i;

	SIM_NOTE(SIM_FAULT, "power cut, in all");
	/* It may have been the end of an unload. */
	unloaded_to = max(unloaded_to, sim_now());
	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		k->cut = k->cur;
		blob_get(k->cut.val);
		k->cut_pending = k->pending;
	}
	flush_due_cut = sim_flush_due;
	flush_set_cut = sim_flush_set;
}

void lives_power_on(void)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		blob_put(k->cur.val);
		k->cur = k->cut;
		k->pending = k->cut_pending;
		memset(&k->cut, 0, sizeof(k->cut));
		k->cut.cause = "lost in a crash";
	}
	sim_flush_due = flush_due_cut;
	sim_flush_set = flush_set_cut;
	unclean = true;
	faults_now = faults_then;
}

/* A record of a key was published. */
void lives_put(struct sim_key *k)
{
	last_order = max(last_order, k->cur.order);
	if (sim_cfg.lives == 1)
		return;
	if (k->nr_versions == k->max_versions) {
		k->max_versions = k->max_versions * 2 + 4;
		k->versions = realloc(k->versions, k->max_versions *
				      sizeof(*k->versions));
	}
	k->versions[k->nr_versions] = k->cur;
	blob_get(k->cur.val);
	k->nr_versions++;
}

/*
 * What is answered holds after a crash, too, while there are devices, unless
 * they took too long. A crash right then is what may show it.
 */
void lives_flushed(const struct sim_op *op)
{
	if (sim_cut || sim_env.c.log.failed ||
	    jiffies - op->at >= sim_env.c.cfg.set_wait_ms)
		return;
	floor_order = max(floor_order, op->order + 1);
	if (sim_one_in(4))
		sim_dev_cut();
}

static const struct sim_state *version(const struct sim_key *k, u64 order)
{
	u32 i = k->nr_versions;

	while (i--)
		if (k->versions[i].order == order)
			return &k->versions[i];
	return NULL;
}

static struct sim_key *named(const void *name, u32 len)
{
	u32 i;

	for (i = 0; i < sim_cfg.keys; i++)
		if (sim_keys[i].len == len && !memcmp(sim_keys[i].name, name,
						      len))
			return &sim_keys[i];
	sim_fail("a key that nobody stored came back");
}

/* After a crash a slot means what its page on the device has. */
static void recovered(const struct kfc_ipos *pos, u64 slot)
{
	struct kfc_cache *c = &sim_env.c;
	struct kfc_slab *s = kfc_slab_of(&c->log, slot);
	u32 in = kfc_slot_page(slot) % c->log.slab_pages;
	struct kfc_ipos at = { pos->line0, kfc_slot_tag(slot) };
	struct page page = { .refs = 1 }, *pages = &page;
	const struct kfc_rec_hdr *h;
	const struct sim_state *was;
	struct sim_state st;
	struct kfc_rec rec;
	struct sim_key *k;

	page.mem = sim_dev_page(c->devs[s->dev],
				kfc_slab_at(&c->log, s, in));
	if (!kfc_page_ok(page.mem, kfc_slab_seed(&c->log, s->seq), in) ||
	    !kfc_page_meant(&pages, &c->index, &at, &c->hkey, &rec)) {
		model_stray(pos, slot);
		return;
	}
	h = page.mem + rec.off;
	k = named(h + 1, le32_to_cpu(h->lens) & 0xff);
	was = version(k, rec.order);
	if (!was)
		sim_fail("key %.24s came back as it never was", k->name);
	if (rec.order < floor_order)
		sim_fail("key %.24s came back, but was flushed", k->name);
	if (k->cur.there && !k->pending)
		sim_fail("key %.24s came back twice", k->name);
	sim_move("from a crash: a record");
	st = *was;
	blob_get(st.val);
	st.page = kfc_slot_page(slot);
	st.home = 0;
	k->pending = false;
	model_become(k, &st, false);
}

void kfc_saw_enter(const struct kfc_ipos *pos, u64 value)
{
	u32 i;

	hash_log("enter", value);
	nr_entered++;
	if (sim_env.c.saved.found == KFC_FOUND_CRASHED) {
		recovered(pos, value);
		return;
	}
	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];

		if (!k->pending || k->cur.page != kfc_slot_page(value) ||
		    !model_same_place(k, pos, kfc_slot_tag(value)))
			continue;
		k->pending = false;
		sim_move("from the load before");
		return;
	}
	sim_fail("an entry came back that was not there");
}

static void lost(struct sim_key *k)
{
	const struct kfc_cache *c = &sim_env.c;
	const struct kfc_slab *s;

	s = &c->log.slabs[k->cur.page / c->log.slab_pages];
	k->pending = false;
	nr_lost++;
	if (!kfc_slab_lost(&c->log, s) && s->seq &&
	    (s->state != KFC_SLAB_STORED ||
	     s->seq >> KFC_EPOCH_SHIFT == kfc_super_epoch(c))) {
		sim_move("reclaimed before it came back");
		model_absent(k, "evicted for space");
		return;
	}
	/* Its device may have failed since, or the one with the index area. */
	if (!excused() && !kfc_slab_lost(&c->log, s) &&
	    !kfc_member_failed(&c->log, 0))
		sim_fail("key %.24s did not come back", k->name);
	model_absent(k, "lost at a restart");
}

void kfc_saw_range(u32 from, u32 to)
{
	u32 i;

	for (i = 0; i < sim_nr_entries; i++) {
		struct sim_key *k = sim_entries[i];
		struct kfc_lookup lk = { .pos = k->stray };

		if (!k->pending)
			continue;
		if (k->len)
			kfc_key_init(&sim_env.c, &lk, (const u8 *)k->name,
				     k->len);
		if (lk.pos.line0 >= from && lk.pos.line0 < to)
			lost(k);
	}
}

/* May an entry go at once that came back, since a set was refused before? */
bool lives_forgets(const struct kfc_ipos *pos, u64 slot)
{
	u32 i;

	if (!sim_env.c.loading || !strcmp(sim_co_name(), "writer"))
		return false;
	for (i = 0; i < sim_cfg.keys; i++)
		if (sim_keys[i].set_early &&
		    model_same_place(&sim_keys[i], pos, kfc_slot_tag(slot))) {
			sim_move("forgotten before it came back");
			nr_forgotten++;
			return true;
		}
	/* Where there were too many of those all of a range goes. */
	if (sim_early_sets < KFC_FORGETS)
		return false;
	nr_forgotten++;
	return true;
}

/* Counted without an entry that went: one that did not come back. */
bool lives_counted(u32 which, u64 n)
{
	if (!sim_env.c.loading && !sim_loading)
		return false;
	nr_counted += n;
	return true;
}

void lives_check(void)
{
	const struct kfc_cache *c = &sim_env.c;

	if (c->loading)
		sim_fail("the load does not end");
	if (c->saved.found != KFC_FOUND_CLEAN)
		return;
	if (nr_pending())
		sim_fail("entries are on their way, and the load has ended");
	/* Of those that were forgotten some may be, with their range. */
	if (nr_counted < c->saved.items - nr_entered ||
	    nr_counted > c->saved.items - nr_entered + nr_forgotten)
		sim_fail("%llu entries of %llu came back, and %llu were counted as lost",
			 nr_entered, c->saved.items, nr_counted);
	if (!excused() && nr_lost != c->saved.items - nr_entered)
		sim_fail("%llu entries were lost, and %llu of %llu came back",
			 nr_lost, nr_entered, c->saved.items);
}

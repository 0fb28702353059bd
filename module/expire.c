// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What dies without anybody asking for it: objects expire, flush_all kills
 * them, and all of a slab's may have been overwritten.
 *
 * A slab without entries is freed ahead of its turn. One of which every object
 * is dead loses its entries in a pass over the index, many slabs in one pass,
 * and nothing is read from it. What is dead in the others is found by their
 * records in memory or a summary on the device, one slab in KFC_EXPIRE_MS and
 * only while there is nothing else to do.
 *
 * Nothing here is needed for a right answer, so all of it waits for a load that
 * is still under way.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "kfc.h"
#include "observe.h"
#include "store.h"

/* Slabs looked at in a step: so many, or that part of all of them. */
#define KFC_EXPIRE_SLABS	4096
#define KFC_EXPIRE_PART		16
/* Lines of the index, 4 MiB, that a pass goes on by in a step. */
#define KFC_EXPIRE_LINES	65536U
/* The same slab's summary is gone through so often at most, s. */
#define KFC_SWEEP_AGAIN		10
/* ... and not at all where all of it will be dead so soon, s. */
#define KFC_SWEEP_SOON		60

/**
 * kfc_expire_bound() - the memory that looking for the dead takes
 * @nr_slabs: slabs of the log
 *
 * Return: bytes
 */
u64 kfc_expire_bound(u64 nr_slabs)
{
	return (nr_slabs + 63) / 64 * sizeof(u64);
}

/**
 * kfc_expire_init() - get ready
 * @l: the log, nr_slabs known
 *
 * Context: may sleep. Return: 0 or -ENOMEM
 */
int kfc_expire_init(struct kfc_log *l)
{
	struct kfc_expire *x = &l->expire;

	x->at = jiffies;
	x->dead = kvzalloc(kfc_expire_bound(l->nr_slabs), GFP_KERNEL);
	return x->dead ? 0 : -ENOMEM;
}

/**
 * kfc_expire_exit() - free what kfc_expire_init() made
 * @l: the log, its writer thread ended
 *
 * Context: may sleep.
 */
void kfc_expire_exit(struct kfc_log *l)
{
	kvfree(l->expire.dead);
	l->expire.dead = NULL;
}

/**
 * kfc_expire_open() - a slab begins a life
 * @s: the slab
 * @order: all of its records will have a higher order number
 *
 * Context: nobody appends to it yet.
 */
void kfc_expire_open(struct kfc_slab *s, u64 order)
{
	WRITE_ONCE(s->last_expiry, 1);
	WRITE_ONCE(s->next_expiry, U32_MAX);
	WRITE_ONCE(s->min_order, order);
}

static void look_at(struct kfc_slab *s, u32 when)
{
	u32 was = READ_ONCE(s->next_expiry), now;

	for (; when < was; was = now) {
		now = cmpxchg(&s->next_expiry, was, when);
		if (now == was)
			break;
	}
}

/**
 * kfc_expire_note() - a slab has got a record
 * @s: the slab, OPEN
 * @exptime: the record's
 *
 * Context: any, any number at once; the record is in the summary, and the
 * reservation not given up.
 */
void kfc_expire_note(struct kfc_slab *s, u32 exptime)
{
	u32 was, now;

	if (!exptime) {
		WRITE_ONCE(s->last_expiry, 0);
		return;
	}
	for (was = READ_ONCE(s->last_expiry); was && was < exptime; was = now) {
		now = cmpxchg(&s->last_expiry, was, exptime);
		if (now == was)
			break;
	}
	/* Pairs with xchg() in sweep_slab(): one sees what the other did. */
	smp_mb();
	look_at(s, exptime);
}

/**
 * kfc_expire_keep() - a slab has got a record that is older than the slab
 * @s: the slab, OPEN
 * @order: the record's order number
 *
 * Context: the writer thread.
 */
void kfc_expire_keep(struct kfc_slab *s, u64 order)
{
	if (order <= s->min_order)
		WRITE_ONCE(s->min_order, order - 1);
}

/* Is nothing in a STORED slab alive? */
static bool all_dead(struct kfc_cache *c, struct kfc_slab *s)
{
	u32 last = READ_ONCE(s->last_expiry);

	return (last && last <= kfc_now(c)) ||
	       (u64)atomic64_read(&s->max_order) < READ_ONCE(c->valid_from);
}

static u64 bit_of(struct kfc_log *l, struct kfc_slab *s, u64 **word)
{
	u32 nr = s - l->slabs;

	*word = &l->expire.dead[nr / 64];
	return BIT_ULL(nr % 64);
}

/* Return: it was freed */
static bool look_at_slab(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	u64 bit, *word;

	/* What is STORED stays so but for us, and gets no more entries. */
	if (READ_ONCE(s->state) != KFC_SLAB_STORED)
		return false;
	if (!atomic_read(&s->live)) {
		/*
		 * Slabs that wait for readers keep others from being drained. And
		 * bad places that are handed on at once would get all that comes.
		 */
		if (atomic_read(&s->pins) ||
		    (READ_ONCE(s->write_failed) && !kfc_slab_lost(l, s)))
			return false;
		kfc_slab_free(c, s);
		return true;
	}
	if (l->expire.passing || !all_dead(c, s))
		return false;
	bit = bit_of(l, s, &word);
	l->expire.nr_dead += !(*word & bit);
	*word |= bit;
	return false;
}

static bool look(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_expire *x = &l->expire;
	u32 n = max_t(u32, KFC_EXPIRE_SLABS, l->nr_slabs / KFC_EXPIRE_PART);
	bool did = false;

	while (n--) {
		did |= look_at_slab(c, &l->slabs[x->slab]);
		if (++x->slab < l->nr_slabs)
			continue;
		x->slab = 0;
		if (!x->passing && x->nr_dead) {
			x->passing = true;
			x->line = 0;
		}
		break;
	}
	return did;
}

/* It may have had its turn meanwhile, and be another one by now. */
static bool is_dead(struct kfc_cache *c, struct kfc_slab *s,
		    struct kfc_slab *unused)
{
	u64 bit, *word;

	bit = bit_of(&c->log, s, &word);
	return (*word & bit) && READ_ONCE(s->state) == KFC_SLAB_STORED &&
	       all_dead(c, s);
}

static void pass(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_expire *x = &l->expire;
	u32 n = max(KFC_EXPIRE_LINES >> kfc_index_reached(&c->index), 1U);
	u32 end;

	if (kfc_rare("short_pass"))
		n = 1;
	end = min(x->line + n, c->index.lines0);
	kfc_sweep_lines(c, x->line, end, KFC_EVICT_DEAD, is_dead, NULL);
	x->line = end;
	if (end < c->index.lines0)
		return;
	x->passing = false;
	x->nr_dead = 0;
	memset(x->dead, 0, kfc_expire_bound(l->nr_slabs));
}

/**
 * struct kfc_sweep - a slab that is gone through
 * @c: the cache
 * @s: the slab; it stays as it is, but for records that are added
 * @b: its buffer, NULL where it has none
 * @sum: else its summary
 * @last: the last second in which anything of it expires, 0 for never
 */
struct kfc_sweep {
	struct kfc_cache *c;
	struct kfc_slab *s;
	struct kfc_buf *b;
	struct kfc_summary sum;
	u32 last;
};

static void drop_dead(const struct kfc_sweep *sw, const struct kfc_sum_entry *e,
		      u32 nr)
{
	struct kfc_cache *c = sw->c;
	u64 first = (u64)(sw->s - c->log.slabs) * c->log.slab_pages;
	u64 old, *slot;
	struct kfc_ipos pos;
	spinlock_t *lock; /* of the key's group */
	bool hit = false;

	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &pos);
	lock = kfc_index_lock(&c->index, &pos);
	spin_lock(lock);
	/* What may come before it is committed under the same lock. */
	old = kfc_index_look(&c->index, &pos, &slot);
	if (old && kfc_slot_page(kfc_slot_home(c, &pos, old)) ==
	    first + kfc_sum_page_of(e) &&
	    kfc_summary_meant(c, sw->b ? NULL : &sw->sum, nr, e, &pos, old)) {
		kfc_index_clear(&c->index, &pos, slot);
		kfc_slot_gone(c, &pos, old);
		hit = true;
	}
	spin_unlock(lock);
	if (hit)
		kfc_count(c, reclaimed);
}

static void sweep_entry(struct kfc_sweep *sw, const struct kfc_sum_entry *e,
			u32 nr)
{
	u64 now = kfc_now(sw->c), order = le64_to_cpu(e->order);
	u32 exptime = le32_to_cpu(e->exptime);

	if (!order)
		return;
	if (kfc_store_dead(sw->c, order, exptime))
		drop_dead(sw, e, nr);
	else if (exptime)
		look_at(sw->s, max_t(u64, exptime, now + KFC_SWEEP_AGAIN));
	if (sw->last)
		sw->last = exptime ? max(sw->last, exptime) : 0;
}

static void sweep_memory(struct kfc_sweep *sw)
{
	struct kfc_cache *c = sw->c;
	struct kfc_sum_entry *e = page_address(c->log.scratch);
	u32 i, n, page, end = DIV_ROUND_UP(READ_ONCE(sw->s->end), KFC_PAGE);

	for (page = 0; page < end; page++) {
		n = kfc_page_entries(page_address(sw->b->pages[page]), page,
				     &c->hkey, e);
		for (i = 0; i < n; i++)
			sweep_entry(sw, &e[i], 0);
		cond_resched();
	}
}

static bool summary_ok(struct kfc_sweep *sw, u32 nr_pages)
{
	struct kfc_log *l = &sw->c->log;
	u64 seed = kfc_slab_seed(l, sw->s->seq);
	u32 i;

	for (i = 1; i <= nr_pages; i++) {
		struct kfc_sum_page *sp = page_address(*(sw->sum.end - i));

		if (!kfc_page_ok(sp, seed, l->slab_pages - i) ||
		    le32_to_cpu(sp->magic) != KFC_SUM_MAGIC) {
			kfc_count(sw->c, bad_summary);
			return false;
		}
	}
	return true;
}

static void sweep_summary(struct kfc_sweep *sw)
{
	struct kfc_slab *s = sw->s;
	u32 i;

	for (i = 0; i < sw->sum.nr_recs; i++) {
		sweep_entry(sw, kfc_summary_entry(&sw->sum, i), i);
		if (i % 1024 == 0)
			cond_resched();
	}
	/* After a restart it is not known. */
	if (!s->last_expiry)
		WRITE_ONCE(s->last_expiry, sw->last);
}

static void sweep_device(struct kfc_sweep *sw)
{
	u32 i, nr = DIV_ROUND_UP(sw->sum.nr_recs, KFC_SUM_ENTRIES);
	struct page **pages;

	kfc_count(sw->c, sweep_reads);
	pages = kfc_slab_summary(sw->c, sw->s, nr);
	if (!pages) {
		look_at(sw->s, kfc_now(sw->c) + KFC_SWEEP_SOON);
		return;
	}
	sw->sum.end = pages + nr;
	if (summary_ok(sw, nr))
		sweep_summary(sw);
	for (i = 0; i < nr; i++)
		put_page(pages[i]);
	kvfree(pages);
}

static void sweep_slab(struct kfc_cache *c, struct kfc_slab *s, u32 nr_recs)
{
	struct kfc_sweep sw = {
		.c = c,
		.s = s,
		.b = rcu_dereference_protected(s->buf, 1),
		.sum.nr_recs = nr_recs,
		.last = 1,
	};

	/* First: records that come meanwhile have a say, too. */
	WRITE_ONCE(s->min_order, READ_ONCE(c->valid_from));
	xchg(&s->next_expiry, U32_MAX);
	if (sw.b)
		sweep_memory(&sw);
	else if (c->nr_devs && !kfc_slab_lost(&c->log, s))
		sweep_device(&sw);
}

/* Return: records of a slab that may have dead ones among them, else 0 */
static u32 to_sweep(struct kfc_cache *c, struct kfc_slab *s)
{
	u64 from = READ_ONCE(c->valid_from), now = kfc_now(c);
	u32 last = READ_ONCE(s->last_expiry);
	u8 state = READ_ONCE(s->state);

	if (!atomic_read(&s->live) || state < KFC_SLAB_OPEN ||
	    state > KFC_SLAB_STORED)
		return 0;
	/* Of what is all dead, or will be soon, nothing need be read. */
	if (state == KFC_SLAB_STORED &&
	    ((u64)atomic64_read(&s->max_order) < from ||
	     (last && last <= now + KFC_SWEEP_SOON)))
		return 0;
	if (READ_ONCE(s->min_order) >= from && READ_ONCE(s->next_expiry) > now)
		return 0;
	return READ_ONCE(s->nr_recs);
}

/* Return: a slab was gone through */
static bool sweep(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_expire *x = &l->expire;
	u32 n = max_t(u32, KFC_EXPIRE_SLABS, l->nr_slabs / KFC_EXPIRE_PART);

	for (n = min(n, l->nr_slabs); n--; ) {
		struct kfc_slab *s = &l->slabs[x->swept];
		u32 recs = to_sweep(c, s);

		x->swept = (x->swept + 1) % l->nr_slabs;
		if (!recs)
			continue;
		sweep_slab(c, s, recs);
		return true;
	}
	return false;
}

/**
 * kfc_expire_step() - do a little of what there is to do about the dead
 * @c: the cache
 * @idle: there is nothing else to do
 *
 * Context: the writer thread; sleeps.
 * Return: true where a slab was freed, and is to be drained
 */
bool kfc_expire_step(struct kfc_cache *c, bool idle)
{
	struct kfc_expire *x = &c->log.expire;
	bool did;

	if (time_before(jiffies, x->at) || READ_ONCE(c->loading))
		return false;
	x->at = jiffies + msecs_to_jiffies(KFC_EXPIRE_MS);
	did = look(c);
	x->busy = did;
	if (x->passing) {
		pass(c);
		x->busy = true;
	}
	if (idle)
		x->busy |= sweep(c);
	return did;
}

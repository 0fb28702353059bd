// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reclaim: take the slots that point into a slab out of the index, so that its
 * space can go to somebody else.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kfc.h"
#include "memtier.h"
#include "observe.h"

static void count_eviction(struct kfc_cache *c, struct kfc_slab *s,
			   enum kfc_evict why, bool dead)
{
	if (dead) {
		kfc_count(c, reclaimed);
		return;
	}
	if (c->nr_devs) {
		kfc_count(c, ext_objects_evicted);
		kfc_count_add(c, ext_bytes_evicted, s->end / s->nr_recs);
	}
	if (why == KFC_EVICT_SPACE)
		kfc_count(c, ev_space);
	else
		kfc_count(c, ev_device);
}

/**
 * kfc_summary_entry() - an entry of a summary
 * @sm: the summary
 * @nr: the entry's number
 *
 * Any context. Return: the entry, NULL where its page is not there
 */
const struct kfc_sum_entry *kfc_summary_entry(const struct kfc_summary *sm,
					      u32 nr)
{
	struct page *page = *(sm->end - 1 - nr / KFC_SUM_ENTRIES);
	const struct kfc_sum_page *sp = page ? page_address(page) : NULL;

	return sp ? &sp->e[nr % KFC_SUM_ENTRIES] : NULL;
}

/* Does a slot mean @other and not @e, if it means one of them? */
static bool hides(struct kfc_cache *c, const struct kfc_sum_entry *other,
		  const struct kfc_sum_entry *e, const struct kfc_ipos *pos)
{
	struct kfc_ipos at;

	if (le64_to_cpu(other->order) <= le64_to_cpu(e->order))
		return false;
	kfc_index_locate(&c->index, le64_to_cpu(other->hash), &at);
	return at.tag == pos->tag && at.line0 == pos->line0;
}

/*
 * Is entry @nr hidden by one of those to one side of it, which begin in the
 * same page as long as any do? What is not known hides it, too.
 */
static bool hidden_by(struct kfc_cache *c, const struct kfc_summary *sm, u32 nr,
		      int step, const struct kfc_ipos *pos)
{
	const struct kfc_sum_entry *e = kfc_summary_entry(sm, nr), *other;
	u32 most = KFC_PAGE_RECS;

	/* Below 0 it is more than there are. */
	for (nr += step; nr < sm->nr_recs && most--; nr += step) {
		other = kfc_summary_entry(sm, nr);
		if (!other)
			return true;
		if (kfc_sum_page_of(other) != kfc_sum_page_of(e))
			break;
		if (hides(c, other, e, pos))
			return true;
	}
	return false;
}

/**
 * kfc_summary_hidden() - does a slot mean another record of an entry's page?
 * @c: the cache
 * @sm: a summary
 * @nr: the entry's number in it; its own page of the summary is there
 * @pos: its place in the index
 *
 * Any context in which the summary stays. Return: true, too, where a part of it
 * that would tell is not there
 */
bool kfc_summary_hidden(struct kfc_cache *c, const struct kfc_summary *sm,
			u32 nr, const struct kfc_ipos *pos)
{
	return hidden_by(c, sm, nr, -1, pos) || hidden_by(c, sm, nr, 1, pos);
}

/**
 * kfc_summary_meant() - is an entry the one that a slot means?
 * @c: the cache
 * @sm: a summary, NULL where the entry's slab is in memory
 * @nr: the entry's number in it
 * @e: the entry
 * @pos: its place in the index
 * @slot: what is there, and leads to the entry's page or to a copy from there
 *
 * Records are in a summary as they were reserved. Of those in a page that
 * share a tag a slot means the one committed last: see kfc_page_search().
 *
 * Context: the writer thread, under the lock of the group. Return: false, too,
 * where a part of the summary that would tell is not there
 */
bool kfc_summary_meant(struct kfc_cache *c, const struct kfc_summary *sm,
		       u32 nr, const struct kfc_sum_entry *e,
		       const struct kfc_ipos *pos, u64 slot)
{
	struct kfc_slab *s = kfc_slab_of(&c->log, slot);
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);
	struct kfc_rec rec;

	/* What the slot means is in memory, there or as a copy. */
	if (b)
		return kfc_page_meant(kfc_buf_pages(&c->log, b, slot),
				      &c->index, pos, &c->hkey, &rec) &&
		       rec.order == le64_to_cpu(e->order);
	return sm && !kfc_summary_hidden(c, sm, nr, pos);
}

/* @sm, @nr: as for kfc_summary_meant() */
static void drop_entry(struct kfc_cache *c, struct kfc_slab *s,
		       const struct kfc_summary *sm, u32 nr,
		       const struct kfc_sum_entry *e, enum kfc_evict why)
{
	u64 order = le64_to_cpu(e->order), now = kfc_now(c);
	u32 exptime = le32_to_cpu(e->exptime);
	struct kfc_log *l = &c->log;
	struct kfc_ipos pos;
	u64 page, old, *slot;
	bool hit = false, dead;
	spinlock_t *lock; /* of the key's group */

	if (!order)
		return;
	page = (u64)(s - l->slabs) * l->slab_pages + kfc_sum_page_of(e);
	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &pos);
	lock = kfc_index_lock(&c->index, &pos);
	spin_lock(lock);
	old = kfc_index_look(&c->index, &pos, &slot);
	if (old && kfc_slot_page(kfc_slot_home(c, &pos, old)) == page &&
	    kfc_summary_meant(c, sm, nr, e, &pos, old)) {
		kfc_index_clear(&c->index, &pos, slot);
		kfc_slot_gone(c, &pos, old);
		hit = true;
	}
	spin_unlock(lock);
	if (!hit)
		return;
	dead = (exptime && exptime <= now) || order < READ_ONCE(c->valid_from);
	if (!dead && !s->kept)
		kfc_ghost_add(c, le64_to_cpu(e->hash));
	count_eviction(c, s, why, dead);
}

/**
 * kfc_sweep_lines() - empty slots in a stretch of the index
 * @c: the cache
 * @from: its first line at level 0
 * @to: the line behind it
 * @why: for the counters
 * @match: says of a slot's slab whether it is to be emptied
 * @arg: for @match
 *
 * Context: the writer thread; sleeps.
 */
void kfc_sweep_lines(struct kfc_cache *c, u32 from, u32 to, enum kfc_evict why,
		     bool (*match)(struct kfc_cache *c, struct kfc_slab *s,
				   struct kfc_slab *arg), struct kfc_slab *arg)
{
	u64 *v, at = kfc_place(from), end = kfc_place(to);
	u32 i, nr, groups = 0;

	while (at < end) {
		struct kfc_ipos pos = kfc_pos_at(at);
		spinlock_t *lock = kfc_index_lock(&c->index, &pos);

		spin_lock(lock);
		v = kfc_index_group(&c->index, &at, &nr);
		for (i = 0; i < nr; i++) {
			u64 old = READ_ONCE(v[i]);
			struct kfc_slab *s;

			if (!old)
				continue;
			pos.tag = kfc_slot_tag(old);
			s = kfc_slab_of(&c->log,
					kfc_slot_home(c, &pos, old));
			if (!match(c, s, arg))
				continue;
			kfc_index_clear(&c->index, &pos, &v[i]);
			kfc_slot_gone(c, &pos, old);
			count_eviction(c, s, why, why == KFC_EVICT_DEAD);
		}
		spin_unlock(lock);
		if (++groups % 128 == 0)
			cond_resched();
	}
}

/* Every slot for which @match says so; a full pass, for what is broken. */
static void sweep(struct kfc_cache *c, enum kfc_evict why,
		  bool (*match)(struct kfc_cache *c, struct kfc_slab *s,
				struct kfc_slab *arg), struct kfc_slab *arg)
{
	kfc_sweep_lines(c, 0, c->index.lines0, why, match, arg);
}

static bool is_slab(struct kfc_cache *c, struct kfc_slab *s,
		    struct kfc_slab *arg)
{
	return s == arg;
}

static bool is_unreadable(struct kfc_cache *c, struct kfc_slab *s,
			  struct kfc_slab *arg)
{
	return kfc_slab_lost(&c->log, s) && !rcu_access_pointer(s->buf);
}

/**
 * kfc_sweep_unreadable() - drop all entries of devices that have failed
 * @c: the cache
 *
 * But for those whose slab is in memory yet. Context: the writer thread; sleeps.
 */
void kfc_sweep_unreadable(struct kfc_cache *c)
{
	sweep(c, KFC_EVICT_DEVICE, is_unreadable, NULL);
}

/**
 * kfc_slab_summary() - read the summary of a slab that is only on the device
 * @c: the cache
 * @s: the slab
 * @n: pages of the summary
 *
 * Context: the writer thread; sleeps on the device.
 * Return: its pages, the last one first and not checked yet, or NULL; to be
 * freed with put_page() each and kvfree()
 */
struct page **kfc_slab_summary(struct kfc_cache *c, struct kfc_slab *s, u32 n)
{
	struct page **pages;
	int err;
	u32 i;

	pages = kvcalloc(n, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return NULL;
	for (i = 0; i < n; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_NORETRY |
				      __GFP_NOWARN);
		if (!pages[i])
			goto free;
	}
	err = kfc_member_read(c, s, c->log.slab_pages - n, pages, n, true);
	if (!err)
		return pages;
	if (err == -ETIMEDOUT)
		return NULL;
free:
	for (i = 0; i < n && pages[i]; i++)
		put_page(pages[i]);
	kvfree(pages);
	return NULL;
}

/* @cy: what may be carried forward, NULL for nothing. */
static void drop_entries(struct kfc_cache *c, struct kfc_slab *s,
			 const struct kfc_summary *sm, u32 page,
			 struct kfc_carry *cy, enum kfc_evict why)
{
	u32 first = page * KFC_SUM_ENTRIES;
	u32 i = min(sm->nr_recs - first, KFC_SUM_ENTRIES);
	const struct kfc_sum_entry *e = kfc_summary_entry(sm, first);

	/* What is newer is more likely to be there yet. */
	while (i--)
		if (!cy || !kfc_carry(c, cy, s, &e[i], i))
			drop_entry(c, s, sm, first + i, &e[i], why);
}

static void empty_by_records(struct kfc_cache *c, struct kfc_slab *s,
			     struct kfc_buf *b, struct kfc_carry *cy,
			     enum kfc_evict why)
{
	struct kfc_sum_entry *e = page_address(c->log.scratch);
	u32 i, page = DIV_ROUND_UP(s->end, KFC_PAGE);

	while (page--) {
		i = kfc_page_entries(page_address(b->pages[page]), page,
				     &c->hkey, e);
		while (i--)
			if (!cy || !kfc_carry(c, cy, s, &e[i], i))
				drop_entry(c, s, NULL, 0, &e[i], why);
		cond_resched();
	}
}

static bool empty_by_device(struct kfc_cache *c, struct kfc_slab *s, u32 n,
			    struct kfc_carry *cy, enum kfc_evict why)
{
	struct kfc_summary sm = { .nr_recs = s->nr_recs };
	u64 seed = kfc_slab_seed(&c->log, s->seq);
	struct page **pages;
	bool ok = true;
	u32 i;

	if (kfc_slab_lost(&c->log, s) || kfc_rare("no_summary"))
		return false;
	kfc_count(c, reclaim_reads);
	kfc_count_add(c, reclaim_read_bytes, (u64)n * KFC_PAGE);
	pages = kfc_slab_summary(c, s, n);
	if (!pages)
		return false;
	sm.end = pages + n;
	for (i = n; i--; ) {
		struct page **page = &pages[n - 1 - i];
		struct kfc_sum_page *sp = page_address(*page);

		if (!kfc_page_ok(sp, seed, c->log.slab_pages - 1 - i) ||
		    le32_to_cpu(sp->magic) != KFC_SUM_MAGIC) {
			kfc_count(c, bad_summary);
			put_page(*page);
			*page = NULL;
			ok = false;
		}
	}
	for (i = n; i--; ) {
		if (pages[n - 1 - i])
			drop_entries(c, s, &sm, i, cy, why);
		cond_resched();
	}
	for (i = 0; i < n; i++)
		if (pages[i])
			put_page(pages[i]);
	kvfree(pages);
	return ok;
}

/**
 * kfc_slab_empty() - take every slot that points into a slab from the index
 * @c: the cache
 * @s: a slab that nobody appends to; counted are what it loses
 * @why: for the counters
 *
 * By the slab's summary, from memory or from the device; where that can't be
 * had, by a pass over the whole index. What makes room for others leaves
 * behind what was used since it was written, see carry.c.
 * Context: the writer thread; sleeps.
 */
void kfc_slab_empty(struct kfc_cache *c, struct kfc_slab *s,
		    enum kfc_evict why)
{
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);
	u32 i, n = DIV_ROUND_UP(s->nr_recs, KFC_SUM_ENTRIES);
	struct kfc_summary sm = { .nr_recs = s->nr_recs };
	struct kfc_carry carry, *cy = NULL;

	if (!atomic_read(&s->live))
		return;
	if (why == KFC_EVICT_SPACE) {
		kfc_carry_begin(c, s, &carry);
		cy = &carry;
	}
	if (b && !kfc_slab_sums(&c->log, s)) {
		empty_by_records(c, s, b, cy, why);
	} else if (b) {
		sm.end = b->pages + c->log.slab_pages;
		for (i = n; i--; ) {
			drop_entries(c, s, &sm, i, cy, why);
			cond_resched();
		}
	} else if (c->nr_devs) {
		empty_by_device(c, s, n, cy, why);
	}
	if (atomic_read(&s->live))
		sweep(c, why, is_slab, s);
	WARN_ON_ONCE(atomic_read(&s->live));
}

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

static void drop_entry(struct kfc_cache *c, struct kfc_slab *s,
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
	page = (u64)(s - l->slabs) * l->slab_pages +
	       le32_to_cpu(e->off) / KFC_PAGE;
	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &pos);
	lock = kfc_index_lock(&c->index, &pos);
	spin_lock(lock);
	slot = kfc_index_find(&c->index, &pos);
	old = slot ? *slot : 0;
	if (old && kfc_slot_page(kfc_slot_home(c, &pos, old)) == page) {
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
			struct kfc_slab *s;

			u64 old = v[i];

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
			 const struct kfc_sum_page *sp, u32 nr,
			 struct kfc_carry *cy, enum kfc_evict why)
{
	u32 i = min(s->nr_recs - nr * KFC_SUM_ENTRIES, KFC_SUM_ENTRIES);

	/* Newest first: it is the one that a slot means. */
	while (i--)
		if (!cy || !kfc_carry(c, cy, s, &sp->e[i], i))
			drop_entry(c, s, &sp->e[i], why);
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
				drop_entry(c, s, &e[i], why);
		cond_resched();
	}
}

static bool empty_by_device(struct kfc_cache *c, struct kfc_slab *s, u32 n,
			    struct kfc_carry *cy, enum kfc_evict why)
{
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
	for (i = n; i--; ) {
		struct kfc_sum_page *sp = page_address(pages[n - 1 - i]);

		if (!kfc_page_ok(sp, seed, c->log.slab_pages - 1 - i) ||
		    le32_to_cpu(sp->magic) != KFC_SUM_MAGIC) {
			kfc_count(c, bad_summary);
			ok = false;
		} else {
			drop_entries(c, s, sp, i, cy, why);
		}
		put_page(pages[n - 1 - i]);
		cond_resched();
	}
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
		for (i = n; i--; ) {
			drop_entries(c, s, kfc_log_summary(&c->log, b, i), i,
				     cy, why);
			cond_resched();
		}
	} else if (c->nr_devs) {
		empty_by_device(c, s, n, cy, why);
	}
	if (atomic_read(&s->live))
		sweep(c, why, is_slab, s);
	WARN_ON_ONCE(atomic_read(&s->live));
}

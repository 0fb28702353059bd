// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reinsertion: when a slab makes room, the objects in it that were used since
 * they were written are carried forward to a head of their own, as they are.
 *
 * A record keeps its order number, so it stays what it was for flush_all, for
 * a client's unique and for whoever modifies it meanwhile. It takes another
 * use for it to be carried again.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "kfc.h"
#include "observe.h"
#include "store.h"

/* Pages that are read at once, or as many as the largest object has. */
#define KFC_CARRY_READ	64
/* Pages that nobody wants and that are read all the same, for one I/O less. */
#define KFC_CARRY_GAP	8
/* Slabs in a row that may be carried from while sets wait for a free one. */
#define KFC_CARRY_TRIES	16

/**
 * kfc_carry_max() - pages that reclaim keeps for what it reads
 * @cfg: the parameters
 *
 * Return: pages
 */
u32 kfc_carry_max(const struct kfc_config *cfg)
{
	u32 head = kfc_rec_head(250, KFC_REC_CAS);
	u32 n = kfc_rec_pages(KFC_PAGE - head, head + cfg->item_max);

	n = max_t(u32, kfc_class_pages(kfc_class_of(n)), KFC_CARRY_READ);
	return min_t(u32, n, cfg->slab_bytes / KFC_PAGE);
}

/**
 * kfc_carry_init() - get the memory to read what reclaim wants of a device
 * @c: the cache
 * @m: the device
 *
 * Context: may sleep. Return: 0 or -ENOMEM; kfc_carry_exit() is due anyway
 */
int kfc_carry_init(struct kfc_cache *c, struct kfc_member *m)
{
	struct kfc_window *w = &m->window;
	u32 i;

	w->max = kfc_carry_max(&c->cfg);
	w->pages = kvcalloc(w->max, sizeof(*w->pages), GFP_KERNEL);
	w->ok = kvcalloc(w->max, sizeof(*w->ok), GFP_KERNEL);
	if (!w->pages || !w->ok)
		return -ENOMEM;
	for (i = 0; i < w->max; i++) {
		w->pages[i] = alloc_page(GFP_KERNEL | __GFP_NORETRY |
					 __GFP_NOWARN | __GFP_ZERO);
		if (!w->pages[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * kfc_carry_exit() - give it back
 * @m: the device
 *
 * Context: may sleep.
 */
void kfc_carry_exit(struct kfc_member *m)
{
	struct kfc_window *w = &m->window;
	u32 i;

	for (i = 0; w->pages && i < w->max && w->pages[i]; i++)
		put_page(w->pages[i]);
	kvfree(w->pages);
	kvfree(w->ok);
	memset(w, 0, sizeof(*w));
}

/**
 * kfc_carry_reserve() - READY slabs that sets leave to reclaim
 * @c: the cache
 *
 * Any context. Return: how many
 */
u32 kfc_carry_reserve(const struct kfc_cache *c)
{
	return READ_ONCE(c->cfg.reinsert_pct) ? 1 : 0;
}

/**
 * kfc_carry_begin() - a slab is about to be emptied
 * @c: the cache
 * @s: the slab
 * @cy: filled in
 *
 * Context: the writer thread.
 */
void kfc_carry_begin(struct kfc_cache *c, struct kfc_slab *s,
		     struct kfc_carry *cy)
{
	cy->left = (u64)s->end * READ_ONCE(c->cfg.reinsert_pct) / 100;
	/* Whatever is used how often, sets get their place in the end. */
	if (c->log.in_vain >= KFC_CARRY_TRIES || kfc_rare("carry_nothing"))
		cy->left = 0;
	kfc_slab_member(&c->log, s)->window.nr = 0;
}

/* Does the slot of an entry mean a record here that was used since? */
static bool was_used(struct kfc_cache *c, struct kfc_slab *s,
		     const struct kfc_sum_entry *e, struct kfc_lookup *lk)
{
	struct kfc_log *l = &c->log;
	u64 *unused, home, page;

	if (!e->order || kfc_store_dead(c, le64_to_cpu(e->order),
					le32_to_cpu(e->exptime)))
		return false;
	page = (u64)(s - l->slabs) * l->slab_pages +
	       le32_to_cpu(e->off) / KFC_PAGE;
	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &lk->pos);
	rcu_read_lock();
	lk->slot = kfc_index_look(&c->index, &lk->pos, &unused);
	home = kfc_slot_home(c, &lk->pos, lk->slot);
	rcu_read_unlock();
	return home & KFC_SLOT_FETCHED && kfc_slot_page(home) == page;
}

static void read_window(struct kfc_cache *c, struct kfc_slab *s, u32 first,
			u32 nr)
{
	struct kfc_window *w = &kfc_slab_member(&c->log, s)->window;
	u64 seed = kfc_slab_seed(&c->log, s->seq);
	int err;
	u32 i;

	w->first = first;
	w->nr = nr;
	kfc_count(c, reclaim_reads);
	kfc_count_add(c, reclaim_read_bytes, (u64)nr * KFC_PAGE);
	err = kfc_member_read(c, s, first, w->pages, nr, false);
	for (i = 0; i < nr; i++) {
		w->ok[i] = !err && kfc_page_ok(page_address(w->pages[i]), seed,
					       first + i);
		if (!err && !w->ok[i])
			kfc_count(c, bad_page);
	}
	/* The slabs that are to be written have waited long enough. */
	kfc_log_writes(c);
}

/*
 * The page that an entry's slot means, read if need be together with what the
 * entries in front of it will want.
 */
static struct page **read_pages(struct kfc_cache *c, struct kfc_slab *s,
				const struct kfc_sum_entry *e, u32 before,
				u64 slot)
{
	struct kfc_window *w = &kfc_slab_member(&c->log, s)->window;
	u32 first = kfc_slot_page(slot) % c->log.slab_pages, end, page;
	struct kfc_lookup lk;

	end = first + kfc_class_pages(kfc_slot_class(slot));
	end = min(end, c->log.slab_pages);
	if (w->nr && first >= w->first && end <= w->first + w->nr)
		return w->pages + (first - w->first);
	if (end - first > w->max || kfc_slab_lost(&c->log, s))
		return NULL;
	for (page = first; before--; ) {
		u32 at = le32_to_cpu((--e)->off) / KFC_PAGE;

		if (at > first || first - at > KFC_CARRY_GAP ||
		    end - at > w->max)
			break;
		if (was_used(c, s, e, &lk) &&
		    kfc_slab_of(&c->log, lk.slot) == s)
			first = at;
	}
	read_window(c, s, first, end - first);
	return w->pages + (page - first);
}

/* Are the pages of a record what was written? Those in memory always are. */
static bool pages_ok(const struct kfc_window *w, struct page **pages, u32 nr)
{
	u32 at = pages - w->pages;

	for (; nr--; at++)
		if (at >= w->nr || !w->ok[at])
			return false;
	return true;
}

/**
 * kfc_carry() - carry an entry's object forward, if it was used
 * @c: the cache
 * @cy: from kfc_carry_begin(); what is left of it
 * @s: the slab that is being emptied
 * @e: an entry of its summary
 * @before: so many entries in front of it come next
 *
 * Context: the writer thread; sleeps.
 * Return: true where the entry's slot points here no more
 */
bool kfc_carry(struct kfc_cache *c, struct kfc_carry *cy, struct kfc_slab *s,
	       const struct kfc_sum_entry *e, u32 before)
{
	const struct kfc_window *w = &kfc_slab_member(&c->log, s)->window;
	struct kfc_lookup lk;
	struct page **pages;
	struct kfc_buf *b;
	u32 bytes;
	int err;

	if (!READ_ONCE(c->cfg.reinsert_pct) || !was_used(c, s, e, &lk))
		return false;
	if (!cy->left)
		goto dropped;
	/* There or as a copy it may be in memory. */
	b = rcu_dereference_protected(kfc_slab_of(&c->log, lk.slot)->buf, 1);
	if (b)
		pages = kfc_buf_pages(&c->log, b, lk.slot);
	else
		pages = read_pages(c, s, e, before, lk.slot);
	if (!pages || (!b && !pages_ok(w, pages, 1)) ||
	    !kfc_store_meant(c, pages, &lk))
		goto dropped;
	/* Another entry's record: it has its turn with that one. */
	if (lk.order != le64_to_cpu(e->order))
		return false;
	bytes = lk.rec.head + lk.rec.vlen;
	if (bytes > cy->left ||
	    (!b && !pages_ok(w, pages,
			     kfc_rec_pages(lk.rec.off, bytes))))
		goto dropped;
	err = kfc_store_rewrite(c, &lk, 0);
	if (err == -ENOSPC)
		goto dropped;
	if (err)
		return false;
	cy->left -= bytes;
	kfc_count(c, reinserted);
	kfc_count_add(c, reinserted_bytes, bytes);
	return true;
dropped:
	kfc_count(c, reinsert_dropped);
	return false;
}

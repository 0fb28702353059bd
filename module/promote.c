// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Copies in memory of objects that lie on the device.
 *
 * An object that is read from the device for the second time since it was
 * written, or that was used by the time its slab leaves memory, is copied to a
 * slab of copies, and its slot means the copy. The copy knows its home: when
 * the memory is needed the slot means that again, and nothing is written. With
 * its home a copy goes: reclaim of a slab finds those whose home is there.
 *
 * Slabs of copies are the main queue of S3-FIFO (see memtier.c): when the
 * oldest makes room what was used since it came there is copied once more.
 */
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "kfc.h"
#include "observe.h"
#include "store.h"

/* Of a slab, the largest object of which a copy is made. */
#define KFC_COPY_PART	16

/**
 * kfc_slot_home() - what a slot would be without the copy that it means
 * @c: the cache
 * @pos: of the entry
 * @slot: its slot's value
 *
 * Context: the group's lock, or rcu_read_lock(); in the latter case a slot that
 * has changed meanwhile may come back as it is.
 * Return: the slot that means the record on the device, which was fetched;
 * @slot, where it means no copy
 */
u64 kfc_slot_home(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot)
{
	struct kfc_slab *s = kfc_slab_of(&c->log, slot);
	struct kfc_rec rec;
	struct kfc_buf *b;

	if (!kfc_slab_copies(&c->log, s))
		return slot;
	b = rcu_dereference_check(s->buf, 1);
	if (!b || !kfc_page_meant(kfc_buf_pages(&c->log, b, slot), &c->index,
				  pos, &c->hkey, &rec))
		return slot;
	return rec.home | KFC_SLOT_FETCHED;
}

/**
 * kfc_slot_fetched() - was an object used since it was stored?
 * @l: the log
 * @slot: its slot's value
 *
 * Any context.
 */
bool kfc_slot_fetched(const struct kfc_log *l, u64 slot)
{
	return slot & KFC_SLOT_FETCHED ||
	       kfc_slab_copies(l, kfc_slab_of(l, slot));
}

static void count_entry(struct kfc_cache *c, const struct kfc_ipos *pos,
			u64 slot, int n)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s = kfc_slab_of(l, slot);
	struct kfc_ipos at = { .line0 = pos->line0, .tag = kfc_slot_tag(slot) };
	u64 home;

	lockdep_assert_held(kfc_index_lock(&c->index, pos));
	if (kfc_slab_copies(l, s)) {
		home = kfc_slot_home(c, &at, slot);
		if (!WARN_ON_ONCE(home == slot))
			atomic_add(n, &kfc_slab_of(l, home)->live);
	}
	atomic_add(n, &s->live);
}

/**
 * kfc_slot_come() - count an entry where its slot leads to
 * @c: the cache
 * @pos: of the entry, or of another one of its line
 * @slot: the value that its slot is to get
 *
 * A slab where anything counts is not handed on. Context: the group's lock.
 */
void kfc_slot_come(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot)
{
	count_entry(c, pos, slot, 1);
}

/**
 * kfc_slot_gone() - the opposite
 * @c: the cache
 * @pos: of the entry, or of another one of its line
 * @slot: the value that its slot had
 *
 * Context: the group's lock, under which the slot was changed.
 */
void kfc_slot_gone(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot)
{
	count_entry(c, pos, slot, -1);
}

static bool copy_record(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	const struct kfc_rec *rec = &lk->rec;
	u64 home = rec->home ?: lk->slot & ~KFC_SLOT_FETCHED;

	if (rec->head + rec->vlen > c->log.geo.slab_bytes / KFC_COPY_PART ||
	    lk->dead || kfc_store_rewrite(c, lk, home))
		return false;
	kfc_count(c, promotions);
	return true;
}

/**
 * kfc_promote() - copy an object that was read from the device to memory
 * @c: the cache
 * @lk: the lookup that found it, its record valid
 *
 * Where there is no room it stays where it is. Context: takes spinlocks, does
 * not sleep.
 */
void kfc_promote(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	if (lk->rec.home || !kfc_copies_max(&c->log))
		return;
	copy_record(c, lk);
}

/* Copy what an entry's slot means, if it means a record of this page. */
static bool copy_up(struct kfc_cache *c, struct page **pages, u64 page,
		    const struct kfc_sum_entry *e)
{
	struct kfc_lookup lk = { };
	u64 *unused;

	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &lk.pos);
	rcu_read_lock();
	lk.slot = kfc_index_look(&c->index, &lk.pos, &unused);
	rcu_read_unlock();
	return lk.slot & KFC_SLOT_FETCHED && kfc_slot_page(lk.slot) == page &&
	       kfc_store_meant(c, pages, &lk) && copy_record(c, &lk);
}

/* The slot means the home again, or nothing where that is dead. */
static void demote(struct kfc_cache *c, struct page **pages, u64 page,
		   const struct kfc_sum_entry *e)
{
	struct kfc_lookup lk = { };
	u64 *slot, old, home, now;
	bool dead = false;
	spinlock_t *lock; /* of the entry's group */

	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &lk.pos);
	lock = kfc_index_lock(&c->index, &lk.pos);
	spin_lock(lock);
	old = kfc_index_look(&c->index, &lk.pos, &slot);
	if (!old || kfc_slot_page(old) != page ||
	    WARN_ON_ONCE(!kfc_store_meant(c, pages, &lk)))
		goto unlock;
	now = kfc_now(c);
	dead = kfc_store_dead(c, lk.order, lk.rec.exptime);
	if (dead) {
		kfc_index_clear(&c->index, &lk.pos, slot);
	} else {
		home = kfc_slot_home(c, &lk.pos, old);
		kfc_slot_come(c, &lk.pos, home);
		/* As in kfc_store_put(). */
		smp_store_release(slot, home);
		kfc_saw_move(&lk, old, home, now);
	}
	kfc_slot_gone(c, &lk.pos, old);
unlock:
	spin_unlock(lock);
	if (dead)
		kfc_count(c, reclaimed);
}

/**
 * kfc_promote_used() - copy what was used of a slab that is to leave memory
 * @c: the cache
 * @s: a slab on the device, its buffer still there; or one of copies, of which
 *	the rest is no longer copied afterwards
 *
 * Context: the writer thread; sleeps.
 */
void kfc_promote_used(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	struct kfc_sum_entry *e = page_address(l->scratch);
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);
	u64 first = (u64)(s - l->slabs) * l->slab_pages;
	u32 page = DIV_ROUND_UP(s->end, KFC_PAGE), n;
	bool copies = kfc_slab_copies(l, s), up;

	if (!atomic_read(&s->live) || (!copies && !kfc_copies_max(l)))
		return;
	while (page--) {
		struct page **pages = &b->pages[page];

		n = kfc_page_entries(page_address(*pages), page, &c->hkey, e);
		while (n--) {
			up = copy_up(c, pages, first + page, &e[n]);
			if (copies && !up)
				demote(c, pages, first + page, &e[n]);
		}
		cond_resched();
	}
}

/**
 * kfc_copies_max() - slabs of copies that there may be
 * @l: the log
 *
 * What the log does not need is theirs, but for a quarter: what is new is to
 * have its time in memory.
 *
 * Any context. Return: how many, 0 where it is not worth it
 */
u32 kfc_copies_max(const struct kfc_log *l)
{
	u32 all = READ_ONCE(l->want_bufs);
	u32 log = max(kfc_log_least(l) + 1, DIV_ROUND_UP(all, 4));

	if (l->nr_all == l->nr_slabs || READ_ONCE(l->failed) || all < log + 2)
		return 0;
	return min(all - log, l->nr_all - l->nr_slabs);
}

/**
 * kfc_copies_spare() - have the oldest slab of copies make room
 * @c: the cache
 *
 * Context: the writer thread; sleeps. Return: false where there is none
 */
bool kfc_copies_spare(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s;

	spin_lock(&l->lock);
	s = list_first_entry_or_null(&l->copies, struct kfc_slab, list);
	if (s) {
		list_move_tail(&s->list, &l->drain);
		WRITE_ONCE(s->state, KFC_SLAB_DRAIN);
	}
	spin_unlock(&l->lock);
	if (!s)
		return false;
	kfc_promote_used(c, s);
	WARN_ON_ONCE(atomic_read(&s->live));
	l->nr_copies--;
	return true;
}

/*
 * There is no memory for copies any more: none is open, none is ready, so that
 * kfc_copies_spare() gets at all of them.
 */
static bool leave_copies(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_head *h = kfc_log_head(l, KFC_HEAD_COPIES);
	struct kfc_slab *s, *open;

	if (!l->nr_copies)
		return false;
	spin_lock(&l->lock);
	s = list_first_entry_or_null(&l->copy_ready, struct kfc_slab, list);
	if (s) {
		struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);

		/* Nothing was written to it, and no slot leads here. */
		rcu_assign_pointer(s->buf, NULL);
		WRITE_ONCE(s->state, KFC_SLAB_FREE);
		list_add_tail(&b->list, &l->bufs);
		list_move_tail(&s->list, &l->copy_free);
		l->nr_copies--;
	}
	spin_unlock(&l->lock);
	spin_lock(&h->lock);
	open = h->slab;
	h->slab = NULL;
	spin_unlock(&h->lock);
	if (open)
		kfc_slab_put_hold(c, open);
	return s || open;
}

/**
 * kfc_copies_step() - have a slab ready for copies, where there may be any
 * @c: the cache
 *
 * Context: the writer thread; sleeps. Return: whether anything was done
 */
bool kfc_copies_step(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 max = kfc_copies_max(l);
	struct kfc_slab *s;

	if (!max)
		return leave_copies(c);
	if (!list_empty(&l->drain) || !list_empty(&l->dirty))
		return false;
	if (kfc_rare("copies_early") && kfc_copies_spare(c))
		return true;
	if (!list_empty(&l->copy_ready))
		return false;
	if (l->nr_copies >= max)
		return kfc_copies_spare(c);
	if (list_empty(&l->bufs))
		return kfc_spare_buf(c);
	s = list_first_entry_or_null(&l->copy_free, struct kfc_slab, list);
	if (!s)
		return false;
	spin_lock(&l->lock);
	kfc_buf_give(l, s, &l->copy_ready);
	spin_unlock(&l->lock);
	l->nr_copies++;
	return true;
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The store as commands see it: find a key, put a record, remove one.
 *
 * Modifications are optimistic. A command looks a key up, decides, and hands
 * the lookup back: under the lock of the key's group it is looked up again,
 * and where anything else is found than before the command starts over.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "kfc.h"
#include "observe.h"
#include "restart.h"
#include "store.h"

/**
 * kfc_key_init() - hash a key and find its place in the index
 * @c: the cache
 * @lk: filled in
 * @key: the key; stays the caller's
 * @len: 1 to 250
 *
 * Any context.
 */
void kfc_key_init(struct kfc_cache *c, struct kfc_lookup *lk, const u8 *key,
		  u32 len)
{
	memset(lk, 0, sizeof(*lk));
	lk->key.p = key;
	lk->key.len = len;
	lk->key.hash = siphash(key, len, &c->hkey);
	kfc_index_locate(&c->index, lk->key.hash, &lk->pos);
}

/**
 * kfc_store_dead() - is a record expired or flushed?
 * @c: the cache
 * @order: its order number
 * @exptime: its expiry
 *
 * Any context.
 */
bool kfc_store_dead(struct kfc_cache *c, u64 order, u32 exptime)
{
	return order < READ_ONCE(c->valid_from) ||
	       (exptime && exptime <= kfc_now(c));
}

/* Find the record in memory that a slot means. RCU or the group's lock. */
static enum kfc_search search_memory(struct kfc_cache *c, struct kfc_buf *b,
				     const struct kfc_lookup *lk, u64 slot,
				     struct kfc_rec *rec)
{
	return kfc_page_search(kfc_buf_pages(&c->log, b, slot), &lk->key,
			       &c->index, &lk->pos, &c->hkey, rec);
}

/**
 * kfc_store_find() - look a key up
 * @c: the cache
 * @lk: from kfc_key_init(); slot, order, dead and rec are filled in
 *
 * Context: rcu_read_lock() is held, and stays held while lk->rec is used.
 * Return: where it is; KFC_NOWHERE with lk->slot set where the slot is another
 * key's
 */
enum kfc_where kfc_store_find(struct kfc_cache *c, struct kfc_lookup *lk)
{
	enum kfc_search res;
	struct kfc_slab *s;
	struct kfc_buf *b;
	u64 *slot;

again:
	lk->slot = 0;
	lk->order = 0;
	lk->dead = false;
	lk->slot = kfc_index_look(&c->index, &lk->pos, &slot);
	if (!slot)
		return KFC_NOWHERE;
	s = kfc_slab_of(&c->log, lk->slot);
	b = rcu_dereference(s->buf);
	if (!b)
		return KFC_ON_DEVICE;
	res = search_memory(c, b, lk, lk->slot, &lk->rec);
	/* Where an old slot led to, there may be records not published yet. */
	if (!kfc_slot_same(READ_ONCE(*slot), lk->slot))
		goto again;
	if (res != KFC_FOUND)
		return KFC_NOWHERE;
	lk->order = lk->rec.order;
	lk->dead = kfc_store_dead(c, lk->order, lk->rec.exptime);
	return KFC_IN_MEMORY;
}

/**
 * kfc_store_used() - note that an object was used
 * @c: the cache
 * @lk: of the lookup that found it, its record valid
 *
 * Any context. A lost race with a change or a move of the slot costs the note.
 */
void kfc_store_used(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	u64 *slot;

	/* With a device, what is in memory waits for its checksum. */
	if (!c->nr_devs)
		kfc_rec_used(&lk->rec, kfc_now(c));
	if (lk->slot & KFC_SLOT_FETCHED)
		return;
	rcu_read_lock();
	slot = kfc_index_find(&c->index, &lk->pos);
	if (slot)
		cmpxchg64(slot, lk->slot, lk->slot | KFC_SLOT_FETCHED);
	rcu_read_unlock();
}

/*
 * Is the key what @lk says it is? Two versions of a key may lie in one page
 * and have the same slot, so a record in memory is told by its order number.
 * On the device a page does not change while the slab is pinned.
 */
static bool unchanged(struct kfc_cache *c, const struct kfc_lookup *lk,
		      u64 slot)
{
	struct kfc_rec rec;
	struct kfc_buf *b;
	bool same;

	if (!slot)
		return !lk->order && !lk->pinned;
	rcu_read_lock();
	b = rcu_dereference(kfc_slab_of(&c->log, slot)->buf);
	if (!b)
		same = lk->pinned && kfc_slot_same(slot, lk->slot);
	else if (search_memory(c, b, lk, slot, &rec) == KFC_FOUND)
		same = rec.order == lk->order;
	else
		same = !lk->order;
	rcu_read_unlock();
	return same;
}

/* Is the slot another key's? Only a look at a record in memory is free. */
static bool takes_place(struct kfc_cache *c, const struct kfc_lookup *lk,
			u64 slot)
{
	struct kfc_rec rec;
	struct kfc_buf *b;
	bool other;

	rcu_read_lock();
	b = rcu_dereference(kfc_slab_of(&c->log, slot)->buf);
	other = b && search_memory(c, b, lk, slot, &rec) == KFC_OTHER_KEY;
	rcu_read_unlock();
	return other;
}

/* Say once that the index, not the space for objects, is what is short. */
static void index_full(struct kfc_cache *c)
{
	unsigned long at = READ_ONCE(c->index_look);
	struct kfc_log_info info;
	u64 objects, mb;

	/* Where it may grow yet it will, or has said why not. */
	if (kfc_index_level(&c->index) < KFC_INDEX_GROWTH)
		return;
	if (READ_ONCE(c->index_full) || time_before(jiffies, at) ||
	    cmpxchg(&c->index_look, at, jiffies + 10 * HZ) != at)
		return;
	kfc_log_info(c, &info);
	objects = div64_u64(info.items * info.slabs_total,
			    max_t(u64, info.slabs_used, 1));
	mb = (objects * KFC_INDEX_ENTRY >> 20) + 1;
	/* In one that is large enough, too, a group is full now and then. */
	if (mb <= c->cfg.index_bytes >> 20)
		return;
	WRITE_ONCE(c->index_full, true);
	pr_warn("kfatcache: index full at %llu objects, evicting for want of slots; index_mb=%llu would do\n",
		info.items, mb);
}

/**
 * kfc_store_put() - make a filled reservation the key's record
 * @c: the cache
 * @lk: the key, and what the command found
 * @r: the reservation; used up on success only
 * @only_if: only if the key still is what @lk says
 * @order: set to the order number
 *
 * Context: takes spinlocks, does not sleep.
 * Return: 0, or -EAGAIN where @only_if did not hold
 */
int kfc_store_put(struct kfc_cache *c, const struct kfc_lookup *lk,
		  struct kfc_rsv *r, bool only_if, u64 *order)
{
	spinlock_t *lock = kfc_index_lock(&c->index, &lk->pos);
	u32 pages = kfc_rec_pages(r->off, r->head + r->vlen);
	u64 *slot, old, value;
	bool added;

	value = kfc_slot_make(lk->pos.tag, kfc_class_of(pages),
			      kfc_log_page(&c->log, r));
	if (r->attr.fetched)
		value |= KFC_SLOT_FETCHED;
	spin_lock(lock);
	old = kfc_index_look(&c->index, &lk->pos, &slot);
	if (only_if && (kfc_rare("put_again") || !unchanged(c, lk, old))) {
		spin_unlock(lock);
		return -EAGAIN;
	}
	*order = atomic64_inc_return(&c->order);
	/* After the number was drawn: see kfc_store_flush(). */
	if (only_if && lk->order && !lk->dead &&
	    lk->order < READ_ONCE(c->valid_from)) {
		spin_unlock(lock);
		return -EAGAIN;
	}
	/* Before the new record is there: it would hide the other one. */
	if (slot && takes_place(c, lk, old))
		kfc_count(c, ev_tag);
	kfc_log_commit(c, r, lk->key.hash, *order);
	added = !slot;
	if (added)
		slot = kfc_index_place(&c->index, &lk->pos);
	/* kfc_slot_come() for what is no copy. */
	atomic_inc(&r->slab->live);
	old = READ_ONCE(*slot);
	/* The record is whole before a lookup can follow the slot. */
	smp_store_release(slot, value);
	kfc_saw_put(lk, r, old, value, *order);
	/* Only now: a slab that nothing points to may be handed on. */
	if (old)
		kfc_slot_gone(c, &lk->pos, old);
	spin_unlock(lock);
	if (added)
		kfc_index_added(&c->index);
	kfc_slab_put_hold(c, r->slab);
	/* Another one's place, as its group was full. */
	if (unlikely(added && old)) {
		kfc_count(c, ev_index);
		index_full(c);
	}
	return 0;
}

/**
 * kfc_store_move() - make a filled reservation the place of the same record
 * @c: the cache
 * @lk: the key, the slot that was followed and the record's order number
 * @r: the reservation; used up on success only
 *
 * The number stays, so that what was flushed stays flushed and a client's
 * unique good. In no page does it hide a newer record or an older one hide it:
 * the record that a slot means has the highest number of its tag so far.
 *
 * Context: the writer thread, but for copies. Takes spinlocks, does not sleep.
 * Return: 0, or -EAGAIN where the key is something else by now, or dead, or the
 * note that it was used is lost, see kfc_store_used()
 */
int kfc_store_move(struct kfc_cache *c, const struct kfc_lookup *lk,
		   struct kfc_rsv *r)
{
	spinlock_t *lock = kfc_index_lock(&c->index, &lk->pos);
	u32 pages = kfc_rec_pages(r->off, r->head + r->vlen);
	u64 *slot, old, value, now;

	value = kfc_slot_make(lk->pos.tag, kfc_class_of(pages),
			      kfc_log_page(&c->log, r));
	spin_lock(lock);
	now = kfc_now(c);
	old = kfc_index_look(&c->index, &lk->pos, &slot);
	if (!slot || !kfc_slot_same(old, lk->slot) ||
	    !kfc_slot_fetched(&c->log, old) ||
	    lk->order < READ_ONCE(c->valid_from) ||
	    (r->attr.exptime && r->attr.exptime <= now)) {
		spin_unlock(lock);
		return -EAGAIN;
	}
	kfc_log_commit(c, r, lk->key.hash, lk->order);
	if (!r->attr.home)
		kfc_expire_keep(r->slab, lk->order);
	kfc_slot_come(c, &lk->pos, value);
	old = READ_ONCE(*slot);
	/* As in kfc_store_put(). */
	smp_store_release(slot, value);
	kfc_saw_move(lk, old, value, now);
	kfc_slot_gone(c, &lk->pos, old);
	spin_unlock(lock);
	kfc_slab_put_hold(c, r->slab);
	return 0;
}

/**
 * kfc_store_meant() - the record that a slot means, whosever it is
 * @c: the cache
 * @pages: the page that the slot names, and those behind it
 * @lk: with the place in the index; key, rec and order are filled in
 *
 * Context: the pages stay as long as @lk is used. Return: whether there is one
 */
bool kfc_store_meant(struct kfc_cache *c, struct page **pages,
		     struct kfc_lookup *lk)
{
	const struct kfc_rec_hdr *h;

	if (!kfc_page_meant(pages, &c->index, &lk->pos, &c->hkey, &lk->rec))
		return false;
	h = page_address(pages[0]) + lk->rec.off;
	lk->key.p = (const u8 *)(h + 1);
	lk->key.len = le32_to_cpu(h->lens) & 0xff;
	lk->key.hash = siphash(lk->key.p, lk->key.len, &c->hkey);
	lk->order = lk->rec.order;
	return true;
}

/**
 * kfc_store_rewrite() - write a record once more, elsewhere, as it is
 * @c: the cache
 * @lk: the key, the slot that was followed and the record, in memory
 * @home: 0 to have it written with what is kept; to make a copy the slot that
 *	means it on the device
 *
 * Context: as kfc_store_move(); the record stays.
 * Return: 0, -ENOSPC without a place, or -EAGAIN as kfc_store_move()
 */
int kfc_store_rewrite(struct kfc_cache *c, const struct kfc_lookup *lk,
		      u64 home)
{
	const struct kfc_rec *rec = &lk->rec;
	struct kfc_attr attr = {
		.flags = rec->flags,
		.exptime = rec->exptime,
		.cas = rec->cas,
		.time = rec->time,
		.marks = rec->marks,
		.home = home,
		.kept = !home,
	};
	struct kfc_rsv r;
	int err;

	if (kfc_log_reserve(c, &lk->key, rec->vlen, lk->pos.tag, &attr, &r))
		return -ENOSPC;
	kfc_rec_copy_value(r.pages, r.off, r.head, rec);
	err = kfc_store_move(c, lk, &r);
	if (err)
		kfc_log_abort(c, &r);
	return err;
}

/**
 * kfc_store_remove() - take a key out of the index
 * @c: the cache
 * @lk: the key, and what was found: its record by order number, or, pinned,
 *	whatever the slot on the device holds
 *
 * Context: takes spinlocks, does not sleep.
 * Return: 0, or -EAGAIN where something else is there now
 */
int kfc_store_remove(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	spinlock_t *lock = kfc_index_lock(&c->index, &lk->pos);
	int err = -EAGAIN;
	u64 *slot, old;

	spin_lock(lock);
	old = kfc_index_look(&c->index, &lk->pos, &slot);
	/* Without a number it is the slot that was meant, no later one. */
	if (slot && (lk->order || kfc_slot_same(old, lk->slot)) &&
	    unchanged(c, lk, old)) {
		kfc_index_clear(&c->index, &lk->pos, slot);
		kfc_slot_gone(c, &lk->pos, old);
		err = 0;
	}
	spin_unlock(lock);
	return err;
}

/**
 * kfc_store_enter() - put an entry of an earlier load into the index
 * @c: the cache
 * @pos: where it lives there
 * @value: the slot; what it points to is on a device
 *
 * Context: takes a spinlock, does not sleep.
 * Return: 0; -EEXIST where the tag has an entry; -ENOSPC where there is no place
 */
int kfc_store_enter(struct kfc_cache *c, const struct kfc_ipos *pos, u64 value)
{
	spinlock_t *lock = kfc_index_lock(&c->index, pos);
	int err = -EEXIST;
	u64 *slot;

	spin_lock(lock);
	if (kfc_index_find(&c->index, pos))
		goto unlock;
	err = -ENOSPC;
	slot = kfc_index_place(&c->index, pos);
	if (READ_ONCE(*slot))
		goto unlock;
	kfc_slot_come(c, pos, value);
	/* Pairs with the acquire in find_at(). */
	smp_store_release(slot, value);
	kfc_saw_enter(pos, value);
	err = 0;
unlock:
	spin_unlock(lock);
	return err;
}

/**
 * kfc_store_forget() - take a key out of the index without a look at the device
 * @c: the cache
 * @lk: the key
 *
 * For a set that was refused: as with a set that is taken, an entry on the
 * device that has the key's tag goes unseen. Context: takes spinlocks.
 * Return: whether an entry went
 */
bool kfc_store_forget(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	spinlock_t *lock = kfc_index_lock(&c->index, &lk->pos);
	struct kfc_rec rec;
	struct kfc_buf *b;
	bool gone = false;
	u64 *slot, old;

	if (kfc_restart_forget(c, &lk->pos))
		return false;
	rcu_read_lock();
	spin_lock(lock);
	old = kfc_index_look(&c->index, &lk->pos, &slot);
	if (slot) {
		b = rcu_dereference(kfc_slab_of(&c->log, old)->buf);
		if (!b || search_memory(c, b, lk, old, &rec) == KFC_FOUND) {
			kfc_index_clear(&c->index, &lk->pos, slot);
			kfc_slot_gone(c, &lk->pos, old);
			gone = true;
		}
	}
	spin_unlock(lock);
	rcu_read_unlock();
	return gone;
}

/**
 * kfc_store_flush() - all that is stored so far is gone
 * @c: the cache
 *
 * One number: records with a lower order number are dead. Any context.
 */
void kfc_store_flush(struct kfc_cache *c)
{
	int i;

	/*
	 * Twice: an append, say, to what is flushed now may draw its number
	 * after ours and look at valid_from before it is raised. One that looks
	 * later gives up; one that did not has a number below the second.
	 */
	for (i = 0; i < 2; i++) {
		u64 now = atomic64_inc_return(&c->order);
		u64 old = READ_ONCE(c->valid_from);

		while (old < now && !try_cmpxchg64(&c->valid_from, &old, now))
			;
	}
	if (c->nr_devs)
		kfc_log_kick(&c->log);
}

/**
 * kfc_store_flushed() - does what was flushed stay so after a crash?
 * @c: the cache
 *
 * Any context. Return: false while the superblock is still to be written;
 * c->space is called once it is
 */
bool kfc_store_flushed(const struct kfc_cache *c)
{
	return !c->nr_devs || READ_ONCE(c->log.failed) ||
	       READ_ONCE(c->kept_from) == READ_ONCE(c->valid_from);
}

/**
 * kfc_store_check_flush() - carry out a delayed flush_all that is due
 * @c: the cache
 *
 * Context: any, before every command.
 */
void kfc_store_check_flush(struct kfc_cache *c)
{
	u64 at = READ_ONCE(c->flush_at);

	if (unlikely(at) && kfc_now(c) >= at &&
	    try_cmpxchg64(&c->flush_at, &at, 0ULL))
		kfc_store_flush(c);
}

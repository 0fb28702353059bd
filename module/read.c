// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Device reads of what slots point to: budgets, pins, checks.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "kfc.h"
#include "observe.h"
#include "pages.h"
#include "read.h"
#include "store.h"

/**
 * kfc_read_max_pages() - the most pages that one read takes
 * @c: the cache
 *
 * Return: pages
 */
u32 kfc_read_max_pages(const struct kfc_cache *c)
{
	u32 head = kfc_rec_head(250, KFC_REC_CAS);
	u32 n = kfc_rec_pages(KFC_PAGE - head, head + c->cfg.item_max);

	return min(kfc_class_pages(kfc_class_of(n)), c->log.slab_pages);
}

/**
 * kfc_reads_short() - are so many pages read and not sent that others may wait?
 * @c: the cache
 *
 * Any context.
 */
bool kfc_reads_short(const struct kfc_cache *c)
{
	return atomic_read(&c->read_pages) + c->window >
	       READ_ONCE(c->max_read_pages);
}

/**
 * kfc_read_may_copy() - is there room for what kfc_read_copy() takes?
 * @c: the cache
 *
 * Any context.
 */
bool kfc_read_may_copy(const struct kfc_cache *c)
{
	u32 most = ARRAY_SIZE(((struct kfc_read *)0)->inline_pages);

	return atomic_read(&c->read_pages) + most <=
	       READ_ONCE(c->max_read_pages);
}

static bool take_pages(struct kfc_cache *c, u32 pages)
{
	if (atomic_add_return(pages, &c->read_pages) <=
	    READ_ONCE(c->max_read_pages))
		return true;
	atomic_sub(pages, &c->read_pages);
	return false;
}

static bool take_read_budget(struct kfc_cache *c, u32 pages)
{
	if (atomic_inc_return(&c->reads) <= READ_ONCE(c->cfg.io_depth) &&
	    take_pages(c, pages))
		return true;
	atomic_dec(&c->reads);
	return false;
}

static int alloc_read_pages(struct kfc_cache *c, struct kfc_read *rd, u32 n)
{
	u32 i;

	rd->pages = rd->inline_pages;
	if (n > ARRAY_SIZE(rd->inline_pages)) {
		rd->pages = kmalloc_array(n, sizeof(*rd->pages),
					  GFP_NOWAIT | __GFP_NOWARN);
		if (!rd->pages)
			goto nomem;
	}
	for (i = 0; i < n; i++) {
		rd->pages[i] = kfc_pages_get(rd->kept);
		if (!rd->pages[i])
			goto free;
	}
	rd->nr_pages = n;
	return 0;
free:
	while (i--)
		put_page(rd->pages[i]);
	if (rd->pages != rd->inline_pages)
		kfree(rd->pages);
	/* Of a part of an answer the read is not new, and is freed once more. */
	rd->pages = rd->inline_pages;
nomem:
	atomic_sub(n, &c->read_pages);
	atomic_dec(&c->reads);
	return -ENOMEM;
}

/**
 * kfc_read_pages() - get ready to read pages of a slab
 * @c: the cache
 * @s: the slab, pinned; on success the pin is the read's
 * @page: first page, counted from the slab's
 * @nr: how many
 * @rd: io.done and kept are set by the caller, the rest is filled in, but for
 *	slot
 *
 * Context: does not sleep.
 * Return: 0, and a read is counted; -EBUSY at the bounds of reads; -ENOMEM
 */
int kfc_read_pages(struct kfc_cache *c, struct kfc_slab *s, u32 page, u32 nr,
		   struct kfc_read *rd)
{
	int err;

	if (kfc_rare("no_read_budget") || !take_read_budget(c, nr))
		return -EBUSY;
	err = alloc_read_pages(c, rd, nr);
	if (err)
		return err;
	rd->slab = s;
	rd->seq = s->seq;
	rd->page = page;
	rd->most = nr;
	rd->io.pages = rd->pages;
	rd->io.nr_pages = nr;
	rd->io.page_no = kfc_slab_at(&c->log, s, page);
	return 0;
}

/**
 * kfc_read_prepare() - get ready to read what a slot points to
 * @c: the cache
 * @lk: kfc_store_find() said KFC_ON_DEVICE
 * @most: pages to read at the most; of a longer record the first ones
 * @rd: io.done and kept are set by the caller, the rest is filled in
 *
 * Context: does not sleep.
 * Return: 0, and the slab is pinned and a read counted; -EAGAIN when the slot
 * has changed, or leads to memory by now, look it up again; -ENOENT when the
 * object can't be had any more (flushed with its whole slab, or the device has
 * failed): it was dropped; -EBUSY at the bounds of reads; -ENOMEM
 */
int kfc_read_prepare(struct kfc_cache *c, struct kfc_lookup *lk, u32 most,
		     struct kfc_read *rd)
{
	struct kfc_slab *s = kfc_slab_of(&c->log, lk->slot);
	u32 in = kfc_slot_page(lk->slot) % c->log.slab_pages, n;
	bool same, lost;
	u64 *unused;
	int err;

	rcu_read_lock();
	atomic_inc(&s->pins);
	/* Under RCU: the pins are looked at a grace period after the slots. */
	smp_mb__after_atomic();
	same = kfc_slot_same(kfc_index_look(&c->index, &lk->pos, &unused),
			     lk->slot);
	/*
	 * The slab may be open again, with the same key where it was, and so
	 * the same slot. Its buffer was there before that slot.
	 */
	smp_rmb();
	same = same && !rcu_access_pointer(s->buf);
	rcu_read_unlock();
	err = -EAGAIN;
	if (!same)
		goto unpin;
	lk->pinned = true;
	lost = kfc_slab_lost(&c->log, s);
	if (lost ||
	    (u64)atomic64_read(&s->max_order) < READ_ONCE(c->valid_from)) {
		/* What has come meanwhile is another matter. */
		err = kfc_store_remove(c, lk) ?: -ENOENT;
		if (lost && err == -ENOENT)
			kfc_count(c, ev_device);
		goto unpin;
	}
	n = min(kfc_class_pages(kfc_slot_class(lk->slot)),
		c->log.slab_pages - in);
	err = kfc_read_pages(c, s, in, min(n, most), rd);
	if (err)
		goto unpin;
	rd->most = n;
	rd->slot = lk->slot;
	return 0;
unpin:
	lk->pinned = false;
	atomic_dec(&s->pins);
	return err;
}

/**
 * kfc_read_start() - start a prepared read
 * @c: the cache
 * @rd: the read; io.done may run before this returns
 *
 * Context: sleeps only where the device's driver does; so not under RCU.
 */
void kfc_read_start(struct kfc_cache *c, struct kfc_read *rd)
{
	struct kfc_dev *d = kfc_slab_member(&c->log, rd->slab)->dev;

	RCU_LOCKDEP_WARN(rcu_read_lock_held(), "a read is started under RCU");
	kfc_count(c, dev_reads);
	kfc_count_add(c, dev_read_bytes, (u64)rd->nr_pages * KFC_PAGE);
	d->ops->read(d, &rd->io);
}

static bool check_pages(struct kfc_cache *c, struct kfc_read *rd, u32 from,
			u32 to)
{
	for (; from < to; from++)
		if (!kfc_page_ok(page_address(rd->pages[from]),
				 kfc_slab_seed(&c->log, rd->seq),
				 rd->page + from))
			return false;
	return true;
}

/**
 * kfc_read_ended() - a read is not in flight any more
 * @c: the cache
 * @rd: the read; io.done was called. The slab stays pinned
 *
 * Context: any but hardirq. Return: whether the device made it
 */
bool kfc_read_ended(struct kfc_cache *c, struct kfc_read *rd)
{
	atomic_dec(&c->reads);
	kfc_member_result(c, rd->slab->dev, rd->io.err);
	if (rd->io.err)
		kfc_count(c, read_errors);
	return !rd->io.err;
}

/**
 * kfc_read_part() - check a read of pages in the middle of a value
 * @c: the cache
 * @rd: the read; io.done was called. The slab stays pinned
 *
 * Context: any but hardirq. Return: whether they are what was written there
 */
bool kfc_read_part(struct kfc_cache *c, struct kfc_read *rd)
{
	if (!kfc_read_ended(c, rd))
		return false;
	if (check_pages(c, rd, 0, rd->nr_pages))
		return true;
	kfc_count(c, bad_body);
	return false;
}

static bool check_read(struct kfc_cache *c, struct kfc_lookup *lk,
		       struct kfc_read *rd)
{
	struct kfc_rec *rec = &lk->rec;
	u32 n;

	if (!kfc_read_ended(c, rd))
		return false;
	if (!check_pages(c, rd, 0, 1)) {
		kfc_count(c, bad_page);
		return false;
	}
	switch (kfc_page_search(rd->pages, &lk->key, &c->index, &lk->pos,
				&c->hkey, rec)) {
	case KFC_FOUND:
		break;
	case KFC_OTHER_KEY:
		kfc_count(c, false_reads);
		return true;
	default:
		kfc_count(c, bad_header);
		return false;
	}
	n = kfc_rec_pages(rec->off, rec->head + rec->vlen);
	if (n > rd->most ||
	    rec->vlen > kfc_log_max_value(&c->log, lk->key.len) ||
	    !check_pages(c, rd, 1, min(n, rd->nr_pages))) {
		kfc_count(c, bad_body);
		return false;
	}
	lk->order = rec->order;
	lk->dead = kfc_store_dead(c, rec->order, rec->exptime);
	return true;
}

/**
 * kfc_read_finish() - check what was read and find the record
 * @c: the cache
 * @lk: as it was for kfc_read_prepare(); order, dead and rec are filled in
 * @rd: the read; io.done was called
 *
 * What fails a check is dropped from the index, and @lk's slot is 0. The slab
 * stays pinned. Of a record longer than the read, the pages that were read are
 * checked.
 * Context: any but hardirq.
 * Return: true where the key's record is there, dead or not
 */
bool kfc_read_finish(struct kfc_cache *c, struct kfc_lookup *lk,
		     struct kfc_read *rd)
{
	lk->slot = rd->slot;
	lk->order = 0;
	lk->dead = false;
	lk->pinned = true;
	if (!check_read(c, lk, rd)) {
		if (!kfc_store_remove(c, lk))
			kfc_count(c, ev_device);
		/* Where it was moved, and comes back there, it is read again. */
		lk->slot = 0;
	}
	return lk->order;
}

/**
 * kfc_read_copy() - have pages as if they had been read, from memory
 * @c: the cache
 * @rd: without pages; kept is set
 * @pages: what to copy
 * @nr: how many; so many as inline_pages has are enough
 *
 * Context: does not sleep. Return: how many there are now, 0 without memory or at
 * the bound of pages
 */
u32 kfc_read_copy(struct kfc_cache *c, struct kfc_read *rd,
		  struct page **pages, u32 nr)
{
	struct page *page;
	u32 i;

	nr = min_t(u32, nr, ARRAY_SIZE(rd->inline_pages));
	if (!take_pages(c, nr))
		return 0;
	rd->pages = rd->inline_pages;
	for (i = 0; i < nr; i++) {
		page = kfc_pages_get(rd->kept);
		if (!page)
			break;
		memcpy(page_address(page), page_address(pages[i]), KFC_PAGE);
		rd->pages[i] = page;
	}
	rd->nr_pages = i;
	atomic_sub(nr - i, &c->read_pages);
	return i;
}

/**
 * kfc_read_unpin() - the slab of a read is not relied on any more
 * @c: the cache
 * @rd: the read; its pages stay
 *
 * Any context.
 */
void kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd)
{
	if (!rd->slab)
		return;
	/* What was done under the pin comes before its end. */
	smp_mb__before_atomic();
	atomic_dec(&rd->slab->pins);
	rd->slab = NULL;
}

/**
 * kfc_read_free() - give back the pages of a read
 * @c: the cache
 * @rd: the read, not under way
 *
 * Context: the thread that the kept ones belong to, any where there are none.
 */
void kfc_read_free(struct kfc_cache *c, struct kfc_read *rd)
{
	u32 max = kfc_pages_max(&c->cfg), i;

	kfc_read_unpin(c, rd);
	for (i = 0; i < rd->nr_pages; i++)
		kfc_pages_put(rd->kept, rd->pages[i], max);
	if (rd->pages != rd->inline_pages)
		kfree(rd->pages);
	atomic_sub(rd->nr_pages, &c->read_pages);
	rd->nr_pages = 0;
}

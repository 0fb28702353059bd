// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * After a crash, with recover=crash: the index is made anew from the summaries
 * of the slabs, before anybody is served.
 *
 * Promised is that each value was once acknowledged for its key, and is not
 * older than the last flush_all or format: valid_from is on the device before a
 * flush_all is answered. What was deleted, overwritten or touched may be there as
 * it was: a delete is nowhere on the device, the newest record of a key may not
 * be yet, and of two slabs that were open at a time the one that was opened
 * later counts as the newer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "read.h"
#include "restart.h"
#include "store.h"

/**
 * struct kfc_recovery - an index that is being rebuilt
 * @c: the cache
 * @pages: a slab's summary, as it lies on the device
 * @good: those of @pages that are what was written, the others NULL
 * @nr_pages: how many there are so far
 * @epoch_end: order numbers from here on are of this load
 * @objects: entries so far
 * @slabs: slabs that came back
 */
struct kfc_recovery {
	struct kfc_cache *c;
	struct page **pages;
	struct page **good;
	u32 nr_pages;
	u64 epoch_end;
	u64 objects;
	u32 slabs;
};

static int kfc_read_summary(struct kfc_recovery *rc, struct kfc_slab *s, u32 n)
{
	struct kfc_cache *c = rc->c;
	struct kfc_log *l = &c->log;
	int err;

	if (kfc_slab_lost(l, s))
		return -EIO;
	for (; rc->nr_pages < n; rc->nr_pages++) {
		rc->pages[rc->nr_pages] = alloc_page(GFP_KERNEL);
		if (!rc->pages[rc->nr_pages])
			return -ENOMEM;
	}
	err = kfc_super_rw(c->devs[s->dev], false,
			   kfc_slab_at(l, s, l->slab_pages - n), rc->pages, n);
	if (err)
		kfc_count(c, read_errors);
	kfc_member_result(c, s->dev, err);
	return err;
}

/* Page @nr of a summary of @n pages, NULL where it is not what was written. */
static struct kfc_sum_page *kfc_sum_page(struct kfc_recovery *rc, u32 n,
					 u32 nr, u64 seq)
{
	struct kfc_sum_page *sp = page_address(rc->pages[n - 1 - nr]);
	struct kfc_log *l = &rc->c->log;

	if (le32_to_cpu(sp->magic) != KFC_SUM_MAGIC ||
	    le32_to_cpu(sp->nr) != nr || le64_to_cpu(sp->seq) != seq ||
	    !kfc_page_ok(sp, kfc_slab_seed(l, seq), l->slab_pages - 1 - nr))
		return NULL;
	return sp;
}

/* What does the last page of a slab say of it? */
static void kfc_find_slab(struct kfc_recovery *rc, struct kfc_slab *s)
{
	struct kfc_log *l = &rc->c->log;
	struct kfc_sum_page *sp;
	u64 seq, order;
	u32 nr, n;

	if (kfc_read_summary(rc, s, 1))
		return;
	sp = page_address(rc->pages[0]);
	seq = le64_to_cpu(sp->seq);
	order = le64_to_cpu(sp->max_order);
	nr = le32_to_cpu(sp->count);
	n = DIV_ROUND_UP(nr, KFC_SUM_ENTRIES);
	if (!kfc_sum_page(rc, 1, 0, seq))
		return;
	if (!seq || seq < kfc_slab_member(l, s)->seq_from ||
	    !kfc_slab_holds(l, nr) || seq >= rc->epoch_end ||
	    order >= rc->epoch_end || order < rc->c->valid_from)
		return;
	s->seq = seq;
	atomic64_set(&s->max_order, order);
	s->nr_recs = nr;
	s->end = (l->slab_pages - n) * KFC_PAGE;
	WRITE_ONCE(s->state, KFC_SLAB_STORED);
	rc->slabs++;
}

/* Pages of the record at @off that ends before @end. */
static u32 kfc_pages_between(u32 off, u32 end)
{
	u32 last = end / KFC_PAGE;

	/* Nothing of it lies in a page that begins with another record. */
	if (end % KFC_PAGE <= KFC_PAGE_HDR)
		last--;
	return last - off / KFC_PAGE + 1;
}

/*
 * The newest of a tag comes first and stays. In a page that is the one that a
 * slot would mean: it may be longer than one that was reserved after it.
 */
static void kfc_recover_entry(struct kfc_recovery *rc, struct kfc_slab *s,
			      const struct kfc_summary *sm, u32 nr, u32 pages)
{
	const struct kfc_sum_entry *e = kfc_summary_entry(sm, nr);
	u64 order = le64_to_cpu(e->order), page;
	struct kfc_cache *c = rc->c;
	struct kfc_ipos pos;
	int err;

	/* What has expired still hides what is older. */
	if (!order || order >= rc->epoch_end ||
	    order < READ_ONCE(c->valid_from))
		return;
	page = (u64)(s - c->log.slabs) * c->log.slab_pages +
	       kfc_sum_page_of(e);
	pages = min(pages, kfc_read_max_pages(c));
	kfc_index_locate(&c->index, le64_to_cpu(e->hash), &pos);
	if (kfc_summary_hidden(c, sm, nr, &pos))
		return;
	err = kfc_store_enter(c, &pos,
			      kfc_slot_make(pos.tag, kfc_class_of(pages), page));
	if (err == -ENOSPC)
		kfc_count(c, ev_index);
	if (err)
		return;
	rc->objects++;
	while (kfc_index_step(&c->index))
		cond_resched();
}

static void kfc_recover_slab(struct kfc_recovery *rc, struct kfc_slab *s)
{
	u32 n = DIV_ROUND_UP(s->nr_recs, KFC_SUM_ENTRIES);
	struct kfc_summary sm = {
		.end = rc->good + n,
		.nr_recs = s->nr_recs,
	};
	u32 nr, i, count, good = 0, end = s->end;

	if (kfc_read_summary(rc, s, n))
		return;
	for (nr = n; nr--; ) {
		bool ok = kfc_sum_page(rc, n, nr, s->seq);

		rc->good[n - 1 - nr] = ok ? rc->pages[n - 1 - nr] : NULL;
		good += ok;
	}
	/* It was taken for another life by one page that was read wrong. */
	if (!good) {
		kfc_count(rc->c, bad_summary);
		return;
	}
	for (nr = n; nr--; ) {
		u32 first = nr * KFC_SUM_ENTRIES;

		if (!rc->good[n - 1 - nr]) {
			/* How long the record before is nobody knows. */
			kfc_count(rc->c, bad_summary);
			end = s->end;
			continue;
		}
		count = min(s->nr_recs - first, KFC_SUM_ENTRIES);
		for (i = first + count; i-- > first; ) {
			u32 off = le32_to_cpu(kfc_summary_entry(&sm, i)->off);

			if (off % KFC_PAGE < KFC_PAGE_HDR || off >= end)
				continue;
			kfc_recover_entry(rc, s, &sm, i,
					  kfc_pages_between(off, end));
			end = off;
		}
	}
}

/**
 * kfc_recover() - fill index and log with what a crash left on the device
 * @c: the cache; index and log are new, nobody uses them yet
 *
 * Context: a process; sleeps on the device. Return: 0 or -ENOMEM
 */
int kfc_recover(struct kfc_cache *c)
{
	struct kfc_recovery rc = { .c = c };
	struct kfc_log *l = &c->log;
	unsigned long since = jiffies;
	struct kfc_slab *s;
	u32 i;

	rc.epoch_end = kfc_super_epoch(c) << KFC_EPOCH_SHIFT;
	rc.pages = kvcalloc(2 * l->slab_pages, sizeof(*rc.pages), GFP_KERNEL);
	if (!rc.pages)
		return -ENOMEM;
	rc.good = rc.pages + l->slab_pages;
	for (i = 0; i < l->nr_slabs; i++) {
		kfc_find_slab(&rc, &l->slabs[i]);
		cond_resched();
	}
	kfc_restart_link(c);
	list_for_each_entry_reverse(s, &l->stored, list) {
		kfc_recover_slab(&rc, s);
		cond_resched();
	}
	pr_info("%s: recovered %llu objects of %u slabs in %u ms\n",
		c->devs[0]->name, rc.objects, rc.slabs,
		jiffies_to_msecs(jiffies - since));
	while (rc.nr_pages)
		put_page(rc.pages[--rc.nr_pages]);
	kvfree(rc.pages);
	return 0;
}

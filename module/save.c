// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A clean unload: the slab table and the slots go to the index area.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/xxhash.h>

#include "area.h"
#include "restart.h"

/**
 * kfc_area_sum() - checksum of a page of the index area
 * @c: the cache
 * @h: the page
 * @at: its place in the area
 *
 * Any context.
 */
u64 kfc_area_sum(struct kfc_cache *c, struct kfc_area_hdr *h, u64 at)
{
	u64 seed = c->log.salt ^ le64_to_cpu(h->epoch) << 32 ^ at;
	__le64 was = h->sum;
	u64 sum;

	h->sum = 0;
	sum = xxh64(h, KFC_PAGE, seed);
	h->sum = was;
	return sum;
}

/**
 * struct kfc_saving - an index area that is being written
 * @c: the cache
 * @pages: KFC_RANGE_PAGES of them
 * @epoch: of this load
 * @lost: entries in pages that could not be written
 */
struct kfc_saving {
	struct kfc_cache *c;
	struct page **pages;
	u64 epoch;
	u64 lost;
};

/* Page @nr of those that are written next, empty. */
static void *kfc_new_page(struct kfc_saving *sv, u32 nr, u32 magic, u64 first)
{
	struct kfc_area_hdr *h = page_address(sv->pages[nr]);

	memset(h, 0, KFC_PAGE);
	h->magic = cpu_to_le32(magic);
	h->epoch = cpu_to_le64(sv->epoch);
	h->first = cpu_to_le64(first);
	return h;
}

/* A page that can't be written costs its entries at the next load. */
static int kfc_write_pages(struct kfc_saving *sv, u64 at, u32 nr)
{
	struct kfc_cache *c = sv->c;
	int err;
	u32 i;

	for (i = 0; i < nr; i++) {
		struct kfc_area_hdr *h = page_address(sv->pages[i]);

		h->pages = cpu_to_le16(nr);
		h->sum = cpu_to_le64(kfc_area_sum(c, h, at + i));
	}
	err = kfc_super_rw(c->devs[0], true, c->log.geo.index_at + at, sv->pages,
			   nr);
	if (err)
		kfc_count(c, write_errors);
	kfc_member_result(c, 0, err);
	return err;
}

static void kfc_save_slab(const struct kfc_log *l, const struct kfc_slab *s,
			  struct kfc_area_slab *e)
{
	if (s->state != KFC_SLAB_STORED || kfc_slab_lost(l, s))
		return;
	e->seq = cpu_to_le64(s->seq);
	e->max_order = cpu_to_le64(atomic64_read(&s->max_order));
	e->nr_recs = cpu_to_le32(s->nr_recs);
	e->end = cpu_to_le32(s->end);
}

static bool kfc_save_table(struct kfc_saving *sv)
{
	struct kfc_log *l = &sv->c->log;
	u32 at, pages = kfc_area_table(l->nr_slabs);

	for (at = 0; at < pages; at++) {
		u32 i, first = at * KFC_AREA_SLABS;
		u32 n = min_t(u32, l->nr_slabs - first, KFC_AREA_SLABS);
		struct kfc_area_slabs *a;

		a = kfc_new_page(sv, 0, KFC_AREA_SLABS_MAGIC, first);
		a->hdr.nr = cpu_to_le16(n);
		for (i = 0; i < n; i++)
			kfc_save_slab(l, &l->slabs[first + i], &a->slab[i]);
		/* All of its slabs would be lost. */
		if (kfc_write_pages(sv, at, 1))
			return false;
	}
	return true;
}

/* Return: entries of the range, whose pages are written. */
static u64 kfc_save_range(struct kfc_saving *sv, u32 range)
{
	struct kfc_cache *c = sv->c;
	u32 first = range * KFC_RANGE_LINES, pages = 1, n = 0, nr, i;
	u32 end = min(first + KFC_RANGE_LINES, c->index.lines0);
	u64 at = kfc_area_table(c->log.nr_slabs) +
		 (u64)range * KFC_RANGE_PAGES;
	struct kfc_area_slots *a;
	u32 line0, last = first;
	u64 place, home, items = 0;
	bool other;

	a = kfc_new_page(sv, 0, KFC_AREA_SLOTS_MAGIC, first);
	for (place = kfc_place(first); place < kfc_place(end); ) {
		const u64 *v;

		line0 = kfc_pos_at(place).line0;
		v = kfc_index_group(&c->index, &place, &nr);
		for (i = 0; i < nr; i++) {
			struct kfc_ipos pos = {
				.line0 = line0,
				.tag = kfc_slot_tag(v[i]),
			};

			if (!v[i])
				continue;
			home = kfc_slot_home(c, &pos, v[i]);
			/* Its slab is in memory, and has no place to go. */
			if (kfc_slab_lost(&c->log, kfc_slab_of(&c->log, home)))
				continue;
			other = line0 != last;
			/* With the line before it. */
			if (n + other >= KFC_AREA_SLOTS) {
				if (WARN_ON_ONCE(pages == KFC_RANGE_PAGES))
					break;
				a = kfc_new_page(sv, pages++,
						 KFC_AREA_SLOTS_MAGIC, line0);
				n = 0;
			} else if (other) {
				a->slot[n++] =
					cpu_to_le64(kfc_area_line(line0));
			}
			a->slot[n++] = cpu_to_le64(home);
			a->hdr.nr = cpu_to_le16(n);
			last = line0;
			items++;
		}
	}
	if (kfc_write_pages(sv, at, pages))
		sv->lost += items;
	return items;
}

/**
 * kfc_save() - write the slab table and the index to the index area
 * @c: the cache; nobody uses it and its slabs are on the device
 * @pages: KFC_RANGE_PAGES of them to write from
 * @items: gets the number of entries
 *
 * Context: a process; sleeps on the device.
 * Return: false where the next load can't use it
 */
bool kfc_save(struct kfc_cache *c, struct page **pages, u64 *items)
{
	struct kfc_saving sv = { .c = c, .pages = pages };
	unsigned long since = jiffies;
	u32 line0;

	sv.epoch = kfc_super_epoch(c);
	*items = 0;
	if (kfc_member_failed(&c->log, 0))
		return false;
	if (kfc_area_pages(c->index.lines0, c->log.nr_slabs) >
	    c->log.geo.index_pages)
		return false;
	if (!kfc_save_table(&sv))
		return false;
	for (line0 = 0; line0 < c->index.lines0; line0 += KFC_RANGE_LINES) {
		*items += kfc_save_range(&sv, line0 / KFC_RANGE_LINES);
		if (kfc_member_failed(&c->log, 0))
			return false;
		cond_resched();
	}
	pr_info("%s: %llu objects are kept for the next load, written in %u ms\n",
		c->devs[0]->name, *items - sv.lost,
		jiffies_to_msecs(jiffies - since));
	return true;
}

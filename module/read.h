/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_READ_H
#define KFC_READ_H

#include <linux/types.h>

#include "dev.h"
#include "log.h"

struct kfc_cache;
struct kfc_lookup;
struct kfc_pages;

/**
 * struct kfc_read - a device read of one record
 * @io: the I/O; the caller sets io.done
 * @kept: where pages come from first, and go back to; NULL: the page allocator
 * @slab: pinned until kfc_read_unpin(), NULL afterwards
 * @seq: of its life
 * @slot: the slot that was followed
 * @page: the first page, counted from the slab's
 * @most: pages that the record may have, @nr_pages or more
 * @nr_pages: pages allocated, our references
 * @pages: the pages
 * @inline_pages: @pages of small records
 */
struct kfc_read {
	struct kfc_io io;
	struct kfc_pages *kept;
	struct kfc_slab *slab;
	u64 seq;
	u64 slot;
	u32 page;
	u32 most;
	u32 nr_pages;
	struct page **pages;
	struct page *inline_pages[4];
};

int kfc_read_pages(struct kfc_cache *c, struct kfc_slab *s, u32 page, u32 nr,
		   struct kfc_read *rd);
int kfc_read_prepare(struct kfc_cache *c, struct kfc_lookup *lk, u32 most,
		     struct kfc_read *rd);
bool kfc_read_ended(struct kfc_cache *c, struct kfc_read *rd);
bool kfc_read_part(struct kfc_cache *c, struct kfc_read *rd);
void kfc_read_start(struct kfc_cache *c, struct kfc_read *rd);
bool kfc_read_finish(struct kfc_cache *c, struct kfc_lookup *lk,
		     struct kfc_read *rd);
void kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd);
void kfc_read_free(struct kfc_cache *c, struct kfc_read *rd);
bool kfc_read_may_copy(const struct kfc_cache *c);
u32 kfc_read_copy(struct kfc_cache *c, struct kfc_read *rd,
		  struct page **pages, u32 nr);
u32 kfc_read_max_pages(const struct kfc_cache *c);
bool kfc_reads_short(const struct kfc_cache *c);

#endif /* KFC_READ_H */

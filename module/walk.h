/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_WALK_H
#define KFC_WALK_H

#include <linux/types.h>

#include "../libmp/mp.h"
#include "read.h"
#include "store.h"

struct kfc_cache;

/* Most pages that a walk reads at once. */
#define KFC_WALK_READ	16
/* Pages of the largest slab. */
#define KFC_WALK_PAGES	((64U << 20) / KFC_PAGE)

/**
 * struct kfc_object - a copy of what is known of an object, its value left out
 * @key: the key
 * @klen: its length
 * @fetched: it was fetched since it was stored
 * @marks: KFC_REC_STALE and so on
 * @flags: the client's
 * @exptime: UNIX seconds, 0 for never
 * @time: UNIX seconds when it was written; without a device, last used
 * @vlen: length of the value
 * @cas: the unique
 */
struct kfc_object {
	u8 key[MP_KEY_MAX];
	u8 klen;
	bool fetched;
	u8 marks;
	u32 flags;
	u32 exptime;
	u32 time;
	u32 vlen;
	u64 cas;
};

/**
 * struct kfc_walk - how far a walk over all objects has come
 * @until: the last order number before it began: later records are passed over
 * @until_seq: slabs from this one on were opened since: what is in them is later
 *	or was carried there, maybe from where it was walked already
 * @left: slabs to go, the present one included
 * @slab: the present one
 * @seq: the life of it that is walked, 0 before it is begun with
 * @page: the page of it that is next
 * @off: offset in that page of the record that is next, 0 for the first
 * @good: its checksum was right
 * @picked: @want tells which pages are worth a read
 * @sums: pages of the summary that were gone through
 * @no_device: only what is in memory is walked any more
 * @io_page: first page of the slab that is to be read or was
 * @io_nr: how many, 0 for none
 * @want: a bit a page
 *
 * All fields belong to the caller's thread.
 */
struct kfc_walk {
	u64 until;
	u64 until_seq;
	u32 left;
	u32 slab;
	u64 seq;
	u32 page;
	u32 off;
	bool good;
	bool picked;
	u32 sums;
	bool no_device;
	u32 io_page;
	u32 io_nr;
	u64 want[KFC_WALK_PAGES / 64];
};

/* What a step of a walk came to. */
enum kfc_step_ret {
	KFC_WALK_OBJECT,	/* an object */
	KFC_WALK_ON,		/* nothing, take another step */
	KFC_WALK_PAGES_NEEDED,	/* pages are to be read: kfc_walk_pin() */
	KFC_WALK_END,		/* that was all */
};

void kfc_walk_init(struct kfc_cache *c, struct kfc_walk *w);
enum kfc_step_ret kfc_walk_step(struct kfc_cache *c, struct kfc_walk *w,
				const struct kfc_read *rd,
				struct kfc_object *o);
struct kfc_slab *kfc_walk_pin(struct kfc_cache *c, struct kfc_walk *w);
void kfc_walk_unpin(struct kfc_slab *s);
void kfc_walk_skip(struct kfc_cache *c, struct kfc_walk *w);
void kfc_walk_failed(struct kfc_walk *w);

#endif /* KFC_WALK_H */

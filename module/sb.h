/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_SB_H
#define KFC_SB_H

/* For super.c: the superblock of one device, whatever it says. */
#include <linux/bits.h>

#include "index.h"
#include "super.h"

/* Page numbers have to fit an index slot. */
#define KFC_PAGES_MAX	BIT_ULL(KFC_SLOT_PAGE_BITS)
/* One less, so that an order number never wraps. */
#define KFC_EPOCH_MAX	((1ULL << (64 - KFC_EPOCH_SHIFT)) - 2)
/* Pages of a MiB. */
#define KFC_MIB_PAGES	(1U << (20 - KFC_PAGE_SHIFT))
#define KFC_MIB_SHIFT	(20 - KFC_PAGE_SHIFT)
/* The least that a slab can have; tests have smaller ones. */
#ifndef KFC_SLAB_BYTES_MIN
#define KFC_SLAB_BYTES_MIN	BIT(20)
#endif

/* What a superblock copy came to. */
enum kfc_copy {
	KFC_COPY_NONE,		/* zeros */
	KFC_COPY_FOREIGN,	/* somebody else's */
	KFC_COPY_DAMAGED,
	KFC_COPY_SIZE,		/* formatted when the device had another size */
	KFC_COPY_GOOD,
	KFC_COPY_VERSION,	/* of another version, so no other is believed */
};

/**
 * struct kfc_super_state - what is known of the superblock of a device
 * @sb: the present one
 * @copy: enum kfc_copy of the first and of the last one
 * @did: what was done to the device, in a word, NULL for nothing
 * @unflushed: a flush has failed
 * @wipe: it was not ours, so what others have at its ends is to go
 * @marked: a bit for each of its first pages that has somebody else's mark
 * @page: for reading and writing them
 */
struct kfc_super_state {
	struct kfc_super sb;
	const char *did;
	bool unflushed;
	bool wipe;
	u32 marked;
	u8 copy[2];
	struct page *page;
};

/* What the device is, by both copies. */
static inline enum kfc_copy kfc_sb_is(const struct kfc_super_state *st)
{
	return st->copy[0] > st->copy[1] ? st->copy[0] : st->copy[1];
}

/* Did somebody else write where one of them was? */
static inline bool kfc_sb_overwritten(const struct kfc_super_state *st)
{
	return st->copy[0] == KFC_COPY_FOREIGN ||
	       st->copy[1] == KFC_COPY_FOREIGN;
}

int kfc_sb_read(struct kfc_dev *d, struct kfc_super_state *st);
int kfc_sb_write(struct kfc_dev *d, struct kfc_super_state *st);
int kfc_sb_wipe(struct kfc_dev *d, const struct kfc_super_state *st);
int kfc_sb_behind(struct kfc_dev *d, struct kfc_super_state *st, bool force);
int kfc_sb_refuse(struct kfc_dev *d, const struct kfc_super_state *st);

#endif /* KFC_SB_H */

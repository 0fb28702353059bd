/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What lies in the index area after a clean unload: the slab table, then the
 * slots of the index in ranges of neighbouring lines.
 *
 * Each page says what it holds and has a checksum of its own, so that a bad
 * one costs what it held and nothing else. A range has its fixed place, large
 * enough for all of its slots, and fills the first pages of it.
 */
#ifndef KFC_AREA_H
#define KFC_AREA_H

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/types.h>

#include "dev.h"
#include "index.h"

#define KFC_AREA_SLOTS_MAGIC	0x544f4c53U	/* "SLOT" */
#define KFC_AREA_SLABS_MAGIC	0x42414c53U	/* "SLAB" */

/**
 * struct kfc_area_hdr - start of each page of the index area, little-endian
 * @magic: KFC_AREA_*_MAGIC
 * @nr: slots or slabs in this page
 * @pages: pages of this range or table
 * @epoch: of the load that wrote it; pages of another are of no use
 * @first: line of the first slot, or number of the first slab
 * @sum: xxh64 of the page with this field zero, seeded with the format, the
 *	epoch and the page's place in the area
 */
struct kfc_area_hdr {
	__le32 magic;
	__le16 nr;
	__le16 pages;
	__le64 epoch;
	__le64 first;
	__le64 sum;
};

static_assert(sizeof(struct kfc_area_hdr) == 32);

#define KFC_AREA_SLOTS \
	((KFC_PAGE - sizeof(struct kfc_area_hdr)) / sizeof(__le64))

/**
 * struct kfc_area_slots - a page of slots, in the order of their lines
 * @hdr: with the line of the first, at level 0
 * @slot: as in the index; or, where it has no class, the line at level 0 of
 *	those behind it, kfc_area_line()
 *
 * Which level they were at does not matter: line and tag tell where they go.
 */
struct kfc_area_slots {
	struct kfc_area_hdr hdr;
	__le64 slot[KFC_AREA_SLOTS];
};

static_assert(sizeof(struct kfc_area_slots) == KFC_PAGE);

/* An entry of a page of slots that tells the line of those behind it. */
static inline u64 kfc_area_line(u32 line0)
{
	return line0;
}

static_assert(U32_MAX >> KFC_INDEX_GROWTH <= KFC_SLOT_PAGE);

/**
 * struct kfc_area_slab - one slab
 * @seq: of its life, 0 for a slab without records
 * @max_order: highest order number in it
 * @nr_recs: records, dead ones included
 * @end: where the last one ends
 */
struct kfc_area_slab {
	__le64 seq;
	__le64 max_order;
	__le32 nr_recs;
	__le32 end;
};

static_assert(sizeof(struct kfc_area_slab) == 24);

#define KFC_AREA_SLABS \
	((KFC_PAGE - sizeof(struct kfc_area_hdr)) / \
	 sizeof(struct kfc_area_slab))

/**
 * struct kfc_area_slabs - a page of the slab table
 * @hdr: with the number of the first
 * @slab: the slabs
 * @reserved: 0
 */
struct kfc_area_slabs {
	struct kfc_area_hdr hdr;
	struct kfc_area_slab slab[KFC_AREA_SLABS];
	__le64 reserved;
};

static_assert(sizeof(struct kfc_area_slabs) == KFC_PAGE);

/* Lines at level 0 of a range, and the pages of its place. */
#define KFC_RANGE_LINES		8U
#define KFC_RANGE_PAGES		65U
/* Slots that a line may become, and what tells their line. */
#define KFC_AREA_LINE_SLOTS	((KFC_LINE_SLOTS << KFC_INDEX_GROWTH) + 1U)
static_assert(KFC_RANGE_LINES * KFC_AREA_LINE_SLOTS <=
	      KFC_RANGE_PAGES * KFC_AREA_SLOTS);

struct kfc_cache;

u64 kfc_area_sum(struct kfc_cache *c, struct kfc_area_hdr *h, u64 at);

/* Pages of the slab table. */
static inline u32 kfc_area_table(u32 nr_slabs)
{
	return DIV_ROUND_UP(nr_slabs, (u32)KFC_AREA_SLABS);
}

/* Pages of the place of @lines0 lines, KFC_RANGE_LINES at most. */
static inline u32 kfc_area_range(u32 lines0)
{
	return DIV_ROUND_UP(lines0 * KFC_AREA_LINE_SLOTS, (u32)KFC_AREA_SLOTS);
}

/* Pages that an index of @lines0 lines and @nr_slabs slabs take. */
static inline u64 kfc_area_pages(u64 lines0, u32 nr_slabs)
{
	u32 rest;
	u64 full = div_u64_rem(lines0, KFC_RANGE_LINES, &rest);

	return kfc_area_table(nr_slabs) + full * KFC_RANGE_PAGES +
	       kfc_area_range(rest);
}

/* Lines of the largest index that @pages pages hold beside @nr_slabs slabs. */
static inline u64 kfc_area_fits(u64 pages, u32 nr_slabs)
{
	u32 table = kfc_area_table(nr_slabs), rest;
	u64 full;

	if (pages <= table)
		return 0;
	full = div_u64_rem(pages - table, KFC_RANGE_PAGES, &rest);
	return full * KFC_RANGE_LINES +
	       rest * (u32)KFC_AREA_SLOTS / KFC_AREA_LINE_SLOTS;
}

#endif /* KFC_AREA_H */

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_INDEX_H
#define KFC_INDEX_H

#include <linux/bits.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * A slot: 0 is an empty one.
 *
 *   63        38  37       36....31  30      29......0
 *   tag (26 bits) fetched  class (6) memory  page (30)
 *
 * The class is never 0. The memory bit is for copies of the memory tier.
 */
#define KFC_SLOT_PAGE_BITS	30
#define KFC_SLOT_PAGE		((1ULL << KFC_SLOT_PAGE_BITS) - 1)
#define KFC_SLOT_CLASS_SHIFT	31
#define KFC_SLOT_CLASS		0x3fULL
#define KFC_SLOT_FETCHED	BIT_ULL(37)
#define KFC_SLOT_TAG_SHIFT	38
#define KFC_SLOT_TAG_BITS	26

#define KFC_LINE_SLOTS		8
#define KFC_GROUP_LINES		8
#define KFC_GROUP_SLOTS		(KFC_LINE_SLOTS * KFC_GROUP_LINES)
#define KFC_CHUNK_BYTES		(2U << 20)
#define KFC_CHUNK_LINES		(KFC_CHUNK_BYTES / 64)
/* Bytes that the index is to have for each object, all included. */
#define KFC_INDEX_ENTRY		11
/* The table may double this often; each time takes a bit of the tag. */
#define KFC_INDEX_GROWTH	9
static_assert(KFC_SLOT_TAG_BITS - KFC_INDEX_GROWTH >= 17);

/**
 * struct kfc_index - the table
 * @chunks: directory of vmalloc chunks of KFC_CHUNK_LINES lines each;
 *	constant after init. Slots are read without a lock and written under
 *	the lock of their group
 * @over: a byte a group: bit n says that an entry whose home is line n lies in
 *	another line of the group. Written under the group's lock
 * @nr_chunks: size of @chunks
 * @lines0: lines before any growth
 * @lines: lines now, @lines0 << KFC_INDEX_GROWTH
 * @locks: striped locks, innermost but for a log head's
 * @lock_mask: how many, less one
 * @bytes: memory of it all
 */
struct kfc_index {
	u64 **chunks;
	u8 *over;
	u32 nr_chunks;
	u32 lines0;
	u32 lines;
	spinlock_t *locks;	/* see above */
	u32 lock_mask;
	u64 bytes;
};

/**
 * struct kfc_ipos - where a hash lives
 * @line: home line
 * @tag: what its slot carries
 */
struct kfc_ipos {
	u32 line;
	u32 tag;
};

u64 kfc_index_size(u64 want);
int kfc_index_init(struct kfc_index *ix, u64 bytes);
void kfc_index_exit(struct kfc_index *ix);
void kfc_index_locate(const struct kfc_index *ix, u64 hash,
		      struct kfc_ipos *pos);
spinlock_t *kfc_index_lock(struct kfc_index *ix, const struct kfc_ipos *pos);
u64 *kfc_index_find(const struct kfc_index *ix, const struct kfc_ipos *pos);
u64 *kfc_index_place(struct kfc_index *ix, const struct kfc_ipos *pos);
void kfc_index_clear(struct kfc_index *ix, const struct kfc_ipos *pos,
		     u64 *slot);
u64 kfc_index_slots(const struct kfc_index *ix);
u64 *kfc_index_line(const struct kfc_index *ix, u32 line);

u32 kfc_class_of(u32 pages);
u32 kfc_class_pages(u32 class);

static inline u64 kfc_slot_make(u32 tag, u32 class, u64 page)
{
	return (u64)tag << KFC_SLOT_TAG_SHIFT |
	       (u64)class << KFC_SLOT_CLASS_SHIFT | page;
}

static inline u32 kfc_slot_tag(u64 slot)
{
	return slot >> KFC_SLOT_TAG_SHIFT;
}

static inline u64 kfc_slot_page(u64 slot)
{
	return slot & KFC_SLOT_PAGE;
}

static inline u32 kfc_slot_class(u64 slot)
{
	return slot >> KFC_SLOT_CLASS_SHIFT & KFC_SLOT_CLASS;
}

/* Two slots that differ only in "fetched" say the same. */
static inline bool kfc_slot_same(u64 a, u64 b)
{
	return !((a ^ b) & ~KFC_SLOT_FETCHED);
}

#endif /* KFC_INDEX_H */

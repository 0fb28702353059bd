/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_INDEX_H
#define KFC_INDEX_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/percpu_counter.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/*
 * A slot: 0 is an empty one.
 *
 *   63        38  37       36....31  30      29......0
 *   tag (26 bits) fetched  class (6) 0       page (30)
 *
 * The class is never 0. A page behind the device's is one of copies.
 */
#define KFC_SLOT_PAGE_BITS	30
#define KFC_SLOT_PAGE		((1ULL << KFC_SLOT_PAGE_BITS) - 1)
#define KFC_SLOT_CLASS_SHIFT	31
#define KFC_SLOT_CLASS		0x3fULL
#define KFC_SLOT_FETCHED	BIT_ULL(37)
#define KFC_SLOT_TAG_SHIFT	38
#define KFC_SLOT_TAG_BITS	26

#define KFC_LINE_SLOTS		8
/* log2 of the lines of a group, but where there are fewer */
#define KFC_GROUP_SHIFT		3
/* Bytes that the index is to have for each object, all included. */
#define KFC_INDEX_ENTRY		11
/* The table may double this often; each time takes a bit of the tag. */
#define KFC_INDEX_GROWTH	9
static_assert(KFC_SLOT_TAG_BITS - KFC_INDEX_GROWTH >= 17);

/**
 * struct kfc_itable - the lines of one level
 * @chunks: directory of vmalloc chunks of lines. Slots are read without a lock
 *	and written under the lock of their group
 * @over: a byte a group: bit n says that an entry whose home is line n lies in
 *	another line of the group. Written under the group's lock
 *
 * Both NULL where there is no such level now.
 */
struct kfc_itable {
	u64 **chunks;
	u8 *over;
};

/**
 * struct kfc_index - the table, two of them while it grows
 * @lines0: lines at level 0; constant
 * @chunk_shift: log2 of the lines of a chunk; constant
 * @lock_mask: how many locks, less one; constant
 * @locks: striped locks, innermost but for a log head's
 * @tab: by level; there are that of @state and, while it grows, the next.
 *	Pointers are written by who calls kfc_index_step(), before @state leads
 *	to them and a grace period after it does no more
 * @state: level in the high half, below it how many groups of that level were
 *	moved to the next one, in their order. Only goes up; under @move and
 *	the lock of the group that moves, read without either
 * @move: held by who moves a group
 * @ready: groups of the level of @state whose new lines are there; under @move
 * @to: level that it grows to, 0 while it does not. This and what follows:
 *	written by kfc_index_step() unless it says otherwise
 * @want: level that it is to grow to; written by anybody
 * @nr_new: chunks of level @to that are there
 * @nr_freed: chunks of the level before that are gone
 * @waiting: there was no memory; until @retry_at, in jiffies, nothing is done
 * @asleep: the work item has to be queued for anything to be done; by anybody
 * @retry_at: see @waiting
 * @used: entries
 * @batch: of @used
 * @limit: entries from which on it grows
 * @bytes: memory of it all now
 * @growths: how often it has grown
 * @put_off: how often it had to wait for memory
 * @work: grows it
 */
struct kfc_index {
	u32 lines0;
	u32 chunk_shift;
	u32 lock_mask;
	spinlock_t *locks;	/* see above */
	struct kfc_itable tab[KFC_INDEX_GROWTH + 1];
	u64 state;
	spinlock_t move;	/* see above */
	u32 ready;
	u32 to;
	u32 want;
	u32 nr_new;
	u32 nr_freed;
	bool waiting;
	bool asleep;
	unsigned long retry_at;
	struct percpu_counter used;
	s32 batch;
	s64 limit;
	u64 bytes;
	u64 growths;
	u64 put_off;
	struct work_struct work;
};

/**
 * struct kfc_ipos - where a hash lives, at whatever level
 * @line0: its line at level 0, which all of its lines come from
 * @tag: what its slot carries; the high bits tell the line
 */
struct kfc_ipos {
	u32 line0;
	u32 tag;
};

/* index.c */
void kfc_index_locate(const struct kfc_index *ix, u64 hash,
		      struct kfc_ipos *pos);
spinlock_t *kfc_index_lock(const struct kfc_index *ix,
			   const struct kfc_ipos *pos);
u64 kfc_index_look(const struct kfc_index *ix, const struct kfc_ipos *pos,
		   u64 **slot);
u64 *kfc_index_find(const struct kfc_index *ix, const struct kfc_ipos *pos);
u64 *kfc_index_place(struct kfc_index *ix, const struct kfc_ipos *pos);
void kfc_index_clear(struct kfc_index *ix, const struct kfc_ipos *pos,
		     u64 *slot);
u64 *kfc_index_group(const struct kfc_index *ix, u64 *at, u32 *nr);
bool kfc_index_move(struct kfc_index *ix);

/* grow.c */
u64 kfc_index_size(u64 want);
u64 kfc_index_bound(u64 bytes);
u32 kfc_index_start(u64 bytes, u64 least);
int kfc_index_init(struct kfc_index *ix, u64 bytes, u32 level);
void kfc_index_stop(struct kfc_index *ix);
void kfc_index_exit(struct kfc_index *ix);
void kfc_index_added(struct kfc_index *ix);
bool kfc_index_step(struct kfc_index *ix);
u64 kfc_index_slots(const struct kfc_index *ix);

/* The level that most of it is at. */
static inline u32 kfc_index_level(const struct kfc_index *ix)
{
	return READ_ONCE(ix->state) >> 32;
}

/* The highest level that any of it is at. */
static inline u32 kfc_index_reached(const struct kfc_index *ix)
{
	u64 state = READ_ONCE(ix->state);

	return (state >> 32) + !!(u32)state;
}

/* Groups are smaller where a line of level 0 has become fewer lines. */
static inline u32 kfc_group_shift(u32 level)
{
	return min_t(u32, level, KFC_GROUP_SHIFT);
}

static inline u32 kfc_index_groups(const struct kfc_index *ix, u32 level)
{
	return ix->lines0 << (level - kfc_group_shift(level));
}

/* Slots that there may become. */
static inline u64 kfc_index_most(const struct kfc_index *ix)
{
	return ((u64)ix->lines0 << KFC_INDEX_GROWTH) * KFC_LINE_SLOTS;
}

/*
 * A walk over all groups: from kfc_place(0) on, with kfc_index_group(), up to
 * kfc_place(ix->lines0).
 */
static inline u64 kfc_place(u32 line0)
{
	return (u64)line0 << KFC_SLOT_TAG_BITS;
}

static inline struct kfc_ipos kfc_pos_at(u64 place)
{
	struct kfc_ipos pos = {
		.line0 = place >> KFC_SLOT_TAG_BITS,
		.tag = place & (BIT(KFC_SLOT_TAG_BITS) - 1),
	};

	return pos;
}

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

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The index: 64-byte lines of eight slots, lines in groups of eight.
 *
 * An entry lies in its home line or, when that is full, in any other line of
 * its group, so that eight lines share their slack: at 0.78 of all slots used
 * about one set in a thousand finds its group full. A byte a group tells which
 * home lines have entries elsewhere, so that most lookups touch one line.
 *
 * Lookups take no lock: a slot is one 64-bit word, an entry is replaced where
 * it lies and never moves while it lives.
 */
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "index.h"
#include "observe.h"

#define KFC_INDEX_LOCKS 1024
#define KFC_INDEX_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_ZERO)

/**
 * kfc_index_size() - the size that an index of about @want bytes has
 * @want: bytes
 *
 * Return: bytes of lines, a multiple of the smallest table, not above @want
 * but where that is less than the smallest
 */
u64 kfc_index_size(u64 want)
{
	u64 unit = 64ULL << KFC_INDEX_GROWTH;
	u64 lines0 = div64_u64(want, unit);

	return clamp_t(u64, lines0, 1, U32_MAX >> KFC_INDEX_GROWTH) * unit;
}

/**
 * kfc_index_init() - make an empty index
 * @ix: zeroed
 * @bytes: size of its lines, from kfc_index_size()
 *
 * Context: may sleep. Return: 0 or -ENOMEM with nothing left behind.
 */
int kfc_index_init(struct kfc_index *ix, u64 bytes)
{
	u32 i;

	ix->lines0 = div64_u64(bytes, 64ULL << KFC_INDEX_GROWTH);
	ix->lines = ix->lines0 << KFC_INDEX_GROWTH;
	ix->nr_chunks = DIV_ROUND_UP(ix->lines, KFC_CHUNK_LINES);
	ix->lock_mask = KFC_INDEX_LOCKS - 1;
	ix->chunks = kvcalloc(ix->nr_chunks, sizeof(*ix->chunks), GFP_KERNEL);
	ix->locks = kvcalloc(KFC_INDEX_LOCKS, sizeof(*ix->locks), GFP_KERNEL);
	ix->over = __vmalloc(ix->lines / KFC_GROUP_LINES, KFC_INDEX_GFP);
	if (!ix->chunks || !ix->locks || !ix->over)
		goto nomem;
	for (i = 0; i <= ix->lock_mask; i++)
		spin_lock_init(&ix->locks[i]);
	for (i = 0; i < ix->nr_chunks; i++) {
		u32 n = min(ix->lines - i * KFC_CHUNK_LINES, KFC_CHUNK_LINES);

		ix->chunks[i] = __vmalloc(n * 64UL, KFC_INDEX_GFP);
		if (!ix->chunks[i])
			goto nomem;
	}
	ix->bytes = ix->lines * 64ULL + ix->lines / KFC_GROUP_LINES +
		    ix->nr_chunks * sizeof(*ix->chunks) +
		    KFC_INDEX_LOCKS * sizeof(*ix->locks);
	return 0;
nomem:
	kfc_index_exit(ix);
	return -ENOMEM;
}

/**
 * kfc_index_exit() - free what kfc_index_init() made
 * @ix: the index; nobody uses it any more
 *
 * Context: may sleep.
 */
void kfc_index_exit(struct kfc_index *ix)
{
	u32 i;

	for (i = 0; ix->chunks && i < ix->nr_chunks; i++)
		vfree(ix->chunks[i]);
	vfree(ix->over);
	kvfree(ix->locks);
	kvfree(ix->chunks);
	memset(ix, 0, sizeof(*ix));
}

/**
 * kfc_index_locate() - home line and tag of a hash
 * @ix: the index
 * @hash: of a key
 * @pos: where to put them
 *
 * The line grows with the hash, so that neighbouring lines hold neighbouring
 * hashes; a doubling of the table only moves the border between line and tag.
 * Any context.
 */
void kfc_index_locate(const struct kfc_index *ix, u64 hash,
		      struct kfc_ipos *pos)
{
	u64 line0 = mul_u64_u64_shr(hash, ix->lines0, 64);
	u64 rest = hash * ix->lines0;

	pos->tag = rest >> (64 - KFC_SLOT_TAG_BITS);
	pos->line = line0 << KFC_INDEX_GROWTH |
		    pos->tag >> (KFC_SLOT_TAG_BITS - KFC_INDEX_GROWTH);
}

/**
 * kfc_index_lock() - the lock of a position's group
 * @ix: the index
 * @pos: from kfc_index_locate()
 *
 * Return: the lock, not taken
 */
spinlock_t *kfc_index_lock(struct kfc_index *ix, const struct kfc_ipos *pos)
{
	return &ix->locks[pos->line / KFC_GROUP_LINES & ix->lock_mask];
}

/**
 * kfc_index_line() - a line's eight slots
 * @ix: the index
 * @line: below ix->lines
 *
 * Return: the first slot
 */
u64 *kfc_index_line(const struct kfc_index *ix, u32 line)
{
	return ix->chunks[line / KFC_CHUNK_LINES] +
	       (size_t)(line % KFC_CHUNK_LINES) * KFC_LINE_SLOTS;
}

static u64 *find_in_line(u64 *s, u32 tag)
{
	int i;

	for (i = 0; i < KFC_LINE_SLOTS; i++) {
		u64 v = READ_ONCE(s[i]);

		if (v && kfc_slot_tag(v) == tag)
			return &s[i];
	}
	return NULL;
}

static u64 *find_empty(u64 *s)
{
	int i;

	for (i = 0; i < KFC_LINE_SLOTS; i++)
		if (!s[i])
			return &s[i];
	return NULL;
}

static u32 sibling(u32 line, u32 n)
{
	return (line & ~(KFC_GROUP_LINES - 1)) |
	       ((line + n) & (KFC_GROUP_LINES - 1));
}

/**
 * kfc_index_find() - the slot that carries a tag
 * @ix: the index
 * @pos: whose
 *
 * Context: any, without a lock; the slot may change or be emptied at once
 * unless the group's lock is held.
 * Return: the slot or NULL
 */
u64 *kfc_index_find(const struct kfc_index *ix, const struct kfc_ipos *pos)
{
	u64 *s = find_in_line(kfc_index_line(ix, pos->line), pos->tag);
	u32 n;

	if (s)
		return s;
	/* Pairs with the release in the store that publishes a slot. */
	if (!(smp_load_acquire(&ix->over[pos->line / KFC_GROUP_LINES]) >>
	      pos->line % KFC_GROUP_LINES & 1))
		return NULL;
	for (n = 1; n < KFC_GROUP_LINES && !s; n++)
		s = find_in_line(kfc_index_line(ix, sibling(pos->line, n)),
				 pos->tag);
	return s;
}

/**
 * kfc_index_place() - a slot for a tag that has none
 * @ix: the index
 * @pos: whose
 *
 * Context: the group's lock is held. The caller stores into the slot with
 * smp_store_release() before it lets go of the lock.
 * Return: an empty slot; where the group is full one in use, which the caller
 * evicts by overwriting it: one of the home line that was not fetched, or
 * else, by chance, any of that line
 */
u64 *kfc_index_place(struct kfc_index *ix, const struct kfc_ipos *pos)
{
	u64 *home = kfc_index_line(ix, pos->line);
	u64 *s = find_empty(home);
	u32 n, start = pos->tag % KFC_LINE_SLOTS;

	if (s && !kfc_rare("home_full"))
		return s;
	for (n = 1; n < KFC_GROUP_LINES; n++) {
		s = find_empty(kfc_index_line(ix, sibling(pos->line, n)));
		if (s) {
			u8 *over = &ix->over[pos->line / KFC_GROUP_LINES];

			WRITE_ONCE(*over, *over |
				   1 << pos->line % KFC_GROUP_LINES);
			return s;
		}
	}
	for (n = 0; n < KFC_LINE_SLOTS; n++) {
		s = &home[(start + n) % KFC_LINE_SLOTS];
		if (!(*s & KFC_SLOT_FETCHED))
			return s;
	}
	return &home[start];
}

/**
 * kfc_index_clear() - empty a slot
 * @ix: the index
 * @pos: of the entry it holds
 * @slot: the slot
 *
 * Context: the group's lock is held.
 */
void kfc_index_clear(struct kfc_index *ix, const struct kfc_ipos *pos,
		     u64 *slot)
{
	u64 *home = kfc_index_line(ix, pos->line);
	u32 bits = KFC_SLOT_TAG_BITS - KFC_INDEX_GROWTH;
	u8 *over = &ix->over[pos->line / KFC_GROUP_LINES];
	u64 old = *slot;
	u32 n, i;

	WRITE_ONCE(*slot, 0);
	kfc_saw_clear(pos, old);
	if (slot >= home && slot < home + KFC_LINE_SLOTS)
		return;
	/* The last one away from home lets lookups stop at the home line. */
	for (n = 1; n < KFC_GROUP_LINES; n++) {
		u64 *s = kfc_index_line(ix, sibling(pos->line, n));

		for (i = 0; i < KFC_LINE_SLOTS; i++)
			if (s[i] && ((kfc_slot_tag(s[i]) >> bits) ^ pos->line) %
				    KFC_GROUP_LINES == 0)
				return;
	}
	WRITE_ONCE(*over, *over & ~(1 << pos->line % KFC_GROUP_LINES));
}

/**
 * kfc_index_slots() - how many slots there are
 * @ix: the index
 *
 * Return: slots, used or not
 */
u64 kfc_index_slots(const struct kfc_index *ix)
{
	return (u64)ix->lines * KFC_LINE_SLOTS;
}

/**
 * kfc_class_of() - size class of a record
 * @pages: how many pages hold it
 *
 * Up to 32 pages a class a count; above, four classes an octave.
 * Return: 1 to 63
 */
u32 kfc_class_of(u32 pages)
{
	u32 class = 32;

	if (pages <= 32)
		return pages;
	while (kfc_class_pages(class) < pages)
		class++;
	return class;
}

/**
 * kfc_class_pages() - pages that a read of a class takes
 * @class: 1 to 63
 *
 * Return: the most pages that a record of that class lies in
 */
u32 kfc_class_pages(u32 class)
{
	u32 n = class - 32;

	if (class <= 32)
		return class;
	return (32 + 8 * (n % 4)) << (n / 4);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The index: 64-byte lines of eight slots, lines in groups of eight.
 *
 * An entry lies in its home line or, when that is full, in any other line of
 * its group, so that eight lines share their slack: at 0.77 of all slots used
 * about one set in a thousand has found its group full. A byte a group tells
 * which home lines have entries elsewhere, so that most lookups touch one line.
 *
 * The table doubles while it is in use, see grow.c. A line becomes two; which
 * of them an entry goes to is the next bit of its tag, so that slots move as
 * they are. A group comes from one group, or a half, of the level before, and
 * has the room for all that lay there. Where each line of level 0 has become
 * fewer than eight, these are the group: an entry away from home is always
 * known by its tag. One lock covers what comes from a line of level 0, at all
 * levels.
 *
 * Lookups take no lock: a slot is one 64-bit word, an entry is replaced where
 * it lies, and it moves in this order: it is copied; ix->state says that its
 * group has moved; the old slot is emptied; the lock is released. So who finds
 * nothing looks whether the group has moved meanwhile, and who finds a slot
 * unchanged knows that nothing has become of the entry since. Without the
 * lock, in an RCU section, a slot is changed by cmpxchg alone: one that has
 * been moved can't be taken for what it was. So "fetched" may change under the
 * lock, too, and nothing else: slots are read with READ_ONCE there as well.
 */
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/rcupdate.h>

#include "index.h"
#include "observe.h"

/**
 * kfc_index_locate() - home and tag of a hash
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
	u64 rest = hash * ix->lines0;

	pos->line0 = mul_u64_u64_shr(hash, ix->lines0, 64);
	pos->tag = rest >> (64 - KFC_SLOT_TAG_BITS);
}

/**
 * kfc_index_lock() - the lock of a position's group
 * @ix: the index
 * @pos: from kfc_index_locate()
 *
 * Return: the lock, not taken
 */
spinlock_t *kfc_index_lock(const struct kfc_index *ix,
			   const struct kfc_ipos *pos)
{
	return &ix->locks[pos->line0 & ix->lock_mask];
}

static u32 line_at(const struct kfc_ipos *pos, u32 level)
{
	return pos->line0 << level | pos->tag >> (KFC_SLOT_TAG_BITS - level);
}

/* At which level a position lies now. It stays so under its lock. */
static u32 level_of(const struct kfc_index *ix, const struct kfc_ipos *pos)
{
	/* Pairs with the release in kfc_index_move(): the copies are there. */
	u64 state = smp_load_acquire(&ix->state);
	u32 level = state >> 32;
	u32 group = line_at(pos, level) >> kfc_group_shift(level);

	return level + (group < (u32)state);
}

static u64 *line_slots(const struct kfc_index *ix, u32 level, u32 line)
{
	u32 in = line & (BIT(ix->chunk_shift) - 1);

	return ix->tab[level].chunks[line >> ix->chunk_shift] +
	       (size_t)in * KFC_LINE_SLOTS;
}

static u8 *over_of(const struct kfc_index *ix, u32 level, u32 line)
{
	return &ix->tab[level].over[line >> kfc_group_shift(level)];
}

/* The bit of a line in the byte of its group. */
static u8 over_bit(u32 level, u32 line)
{
	return 1 << (line & (BIT(kfc_group_shift(level)) - 1));
}

static u32 sibling(u32 level, u32 line, u32 n)
{
	u32 mask = BIT(kfc_group_shift(level)) - 1;

	return (line & ~mask) | ((line + n) & mask);
}

static u64 *find_in_line(u64 *s, u32 tag, u64 *value)
{
	int i;

	kfc_saw_lines(1);
	for (i = 0; i < KFC_LINE_SLOTS; i++) {
		u64 v = READ_ONCE(s[i]);

		if (v && kfc_slot_tag(v) == tag) {
			*value = v;
			return &s[i];
		}
	}
	return NULL;
}

static u64 *find_at(const struct kfc_index *ix, u32 level,
		    const struct kfc_ipos *pos, u64 *value)
{
	u32 n, line = line_at(pos, level);
	u64 *s = find_in_line(line_slots(ix, level, line), pos->tag, value);

	if (s)
		return s;
	/* Pairs with the release in the store that publishes a slot. */
	if (!(smp_load_acquire(over_of(ix, level, line)) &
	      over_bit(level, line)))
		return NULL;
	for (n = 1; n < BIT(kfc_group_shift(level)) && !s; n++)
		s = find_in_line(line_slots(ix, level, sibling(level, line, n)),
				 pos->tag, value);
	return s;
}

/**
 * kfc_index_look() - the entry that carries a tag
 * @ix: the index
 * @pos: whose
 * @slot: gets its slot, or NULL
 *
 * Context: rcu_read_lock() or the group's lock is held. Without the lock the
 * slot may change, be emptied, or move, at once: then it reads zero.
 * Return: what the slot held when it was looked at, 0 for none
 */
u64 kfc_index_look(const struct kfc_index *ix, const struct kfc_ipos *pos,
		   u64 **slot)
{
	u32 now, level = level_of(ix, pos);
	u64 value = 0;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held() &&
			 !lockdep_is_held(kfc_index_lock(ix, pos)),
			 "slots looked at with neither their lock nor RCU");
	for (;;) {
		*slot = find_at(ix, level, pos, &value);
		if (*slot)
			return value;
		/* Pairs with the one in kfc_index_move(). */
		smp_rmb();
		now = level_of(ix, pos);
		if (now == level)
			return 0;
		level = now;
	}
}

/**
 * kfc_index_find() - the slot that carries a tag
 * @ix: the index
 * @pos: whose
 *
 * Context: as kfc_index_look(). Return: the slot or NULL
 */
u64 *kfc_index_find(const struct kfc_index *ix, const struct kfc_ipos *pos)
{
	u64 *slot;

	kfc_index_look(ix, pos, &slot);
	return slot;
}

static u64 *find_empty(u64 *s)
{
	int i;

	kfc_saw_lines(1);
	for (i = 0; i < KFC_LINE_SLOTS; i++)
		if (!READ_ONCE(s[i]))
			return &s[i];
	return NULL;
}

/* An empty slot for a tag that has none, or NULL. */
static u64 *empty_at(struct kfc_index *ix, u32 level,
		     const struct kfc_ipos *pos)
{
	u32 n, line = line_at(pos, level);
	u64 *home = find_empty(line_slots(ix, level, line));

	if (home && !kfc_rare("home_full"))
		return home;
	for (n = 1; n < BIT(kfc_group_shift(level)); n++) {
		u64 *s = find_empty(line_slots(ix, level,
					       sibling(level, line, n)));

		if (s) {
			u8 *over = over_of(ix, level, line);

			WRITE_ONCE(*over, *over | over_bit(level, line));
			return s;
		}
	}
	return home;
}

/**
 * kfc_index_place() - a slot for a tag that has none
 * @ix: the index
 * @pos: whose
 *
 * Context: the group's lock is held. The caller stores into the slot with
 * smp_store_release() before it lets go of the lock, and calls
 * kfc_index_added() afterwards.
 * Return: an empty slot, counted as used; where the group is full one in use,
 * which the caller evicts by overwriting it: one of the home line that was not
 * fetched, or else, by chance, any of that line
 */
u64 *kfc_index_place(struct kfc_index *ix, const struct kfc_ipos *pos)
{
	u32 n, start = pos->tag % KFC_LINE_SLOTS, level = level_of(ix, pos);
	u64 *home, *s;

	lockdep_assert_held(kfc_index_lock(ix, pos));
	s = empty_at(ix, level, pos);
	if (s) {
		percpu_counter_add_batch(&ix->used, 1,
					 READ_ONCE(ix->batch));
		return s;
	}
	home = line_slots(ix, level, line_at(pos, level));
	for (n = 0; n < KFC_LINE_SLOTS; n++) {
		s = &home[(start + n) % KFC_LINE_SLOTS];
		if (!(READ_ONCE(*s) & KFC_SLOT_FETCHED))
			return s;
	}
	return &home[start];
}

/* Is there an entry whose home is @line in another line of its group? */
static bool lies_elsewhere(struct kfc_index *ix, u32 level, u32 line)
{
	u32 n, i, lines = BIT(kfc_group_shift(level));
	u32 bits = KFC_SLOT_TAG_BITS - level;

	for (n = 1; n < lines; n++) {
		u64 *s = line_slots(ix, level, sibling(level, line, n));

		kfc_saw_lines(1);
		for (i = 0; i < KFC_LINE_SLOTS; i++) {
			u64 v = READ_ONCE(s[i]);

			if (v && ((kfc_slot_tag(v) >> bits) ^ line) %
				 lines == 0)
				return true;
		}
	}
	return false;
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
	u32 level = level_of(ix, pos), line = line_at(pos, level);
	u64 *home = line_slots(ix, level, line);
	u8 *over = over_of(ix, level, line);
	u64 old = READ_ONCE(*slot);

	lockdep_assert_held(kfc_index_lock(ix, pos));
	WRITE_ONCE(*slot, 0);
	kfc_saw_clear(pos, old);
	percpu_counter_add_batch(&ix->used, -1,
				 READ_ONCE(ix->batch));
	if (slot >= home && slot < home + KFC_LINE_SLOTS)
		return;
	/* The last one away from home lets lookups stop at the home line. */
	if (!lies_elsewhere(ix, level, line))
		WRITE_ONCE(*over, *over & ~over_bit(level, line));
}

/**
 * kfc_index_group() - the group at a place, and the place of the next one
 * @ix: the index
 * @at: a place, where a group begins; set to where the next one does
 * @nr: gets the number of slots
 *
 * Groups may be smaller when they are met than they were before, never larger:
 * each entry comes once. Context: the lock of kfc_pos_at(@at) is held.
 * Return: the first slot
 */
u64 *kfc_index_group(const struct kfc_index *ix, u64 *at, u32 *nr)
{
	struct kfc_ipos pos = kfc_pos_at(*at);
	u32 level = level_of(ix, &pos), shift = kfc_group_shift(level);
	u32 line = line_at(&pos, level);

	*nr = KFC_LINE_SLOTS << shift;
	*at += 1ULL << (KFC_SLOT_TAG_BITS - level + shift);
	return line_slots(ix, level, line);
}

/**
 * kfc_index_move() - move the next group to the next level
 * @ix: the index
 *
 * Context: @ix->move is held; takes the group's lock.
 * Return: false where there is none, or its new lines are not there yet
 */
bool kfc_index_move(struct kfc_index *ix)
{
	u32 level = ix->state >> 32, group = ix->state, i, nr;
	u32 shift = kfc_group_shift(level);
	struct kfc_ipos pos = { .line0 = group >> (level - shift) };
	spinlock_t *lock = kfc_index_lock(ix, &pos);
	u64 next = ix->state + 1, *from, *to;

	lockdep_assert_held(&ix->move);
	if (group >= ix->ready)
		return false;
	from = line_slots(ix, level, group << shift);
	nr = KFC_LINE_SLOTS << shift;
	if (group + 1 == kfc_index_groups(ix, level)) {
		next = (u64)(level + 1) << 32;
		WRITE_ONCE(ix->ready, 0);
	}
	spin_lock(lock);
	for (i = 0; i < nr; i++) {
		u64 v = READ_ONCE(from[i]);

		if (!v)
			continue;
		pos.tag = kfc_slot_tag(v);
		to = empty_at(ix, level + 1, &pos);
		if (!WARN_ON_ONCE(!to))
			WRITE_ONCE(*to, v);
	}
	/* Pairs with the acquire in level_of(). */
	smp_store_release(&ix->state, next);
	/* Who finds an old slot empty finds this state. */
	smp_wmb();
	for (i = 0; i < nr; i++)
		WRITE_ONCE(from[i], 0);
	kfc_saw_lines(nr / KFC_LINE_SLOTS);
	spin_unlock(lock);
	return true;
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

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the simulator (tests/sim) is told by the store and may force on it.
 * In the kernel all of this is nothing.
 */
#ifndef KFC_OBSERVE_H
#define KFC_OBSERVE_H

#include <linux/types.h>

struct kfc_ipos;
struct kfc_lookup;
struct kfc_rsv;

/**
 * kfc_saw_lines() - lines of the index were looked at or written
 * @n: how many
 *
 * For tests, which count them. Any context.
 */
#ifndef kfc_saw_lines
#define kfc_saw_lines(n) ((void)(n))
#endif

#ifdef KFC_SIM

#include "observe_sim.h"

#else

/**
 * kfc_rare() - is a rare branch to be taken this time?
 * @name: of the branch
 *
 * Any context. Return: false; in the simulator by chance true
 */
static inline bool kfc_rare(const char *name)
{
	return false;
}

/**
 * kfc_saw_put() - a key's new record was published
 * @lk: the key, and what the command found
 * @r: the record's place, and what the command made of it
 * @old: the slot's value until then, 0 for an empty one
 * @value: the slot's value now
 * @order: the record's order number
 *
 * Called under the lock of the key's group, right behind the store.
 */
static inline void kfc_saw_put(const struct kfc_lookup *lk,
			       const struct kfc_rsv *r, u64 old, u64 value,
			       u64 order)
{
}

/**
 * kfc_saw_move() - a key's record was carried forward to another place
 * @lk: the key, and the record's order number
 * @old: the slot's value until then
 * @value: the slot's value now
 * @now: the time at which it had not expired
 *
 * Called under the lock of the key's group, right behind the store.
 */
static inline void kfc_saw_move(const struct kfc_lookup *lk, u64 old, u64 value,
				u64 now)
{
}

/**
 * kfc_saw_clear() - a slot was emptied
 * @pos: of the entry that it held
 * @old: its value until then
 *
 * Called under the lock of the entry's group, right behind the store.
 */
static inline void kfc_saw_clear(const struct kfc_ipos *pos, u64 old)
{
}

/**
 * kfc_saw_enter() - an entry of an earlier load came back
 * @pos: of the entry
 * @value: the slot's value now
 *
 * Called under the lock of the entry's group, right behind the store.
 */
static inline void kfc_saw_enter(const struct kfc_ipos *pos, u64 value)
{
}

/**
 * kfc_saw_range() - all entries of some lines came back that will
 * @from: the first line at level 0
 * @to: the line behind the last
 *
 * Called before anybody may look for others.
 */
static inline void kfc_saw_range(u32 from, u32 to)
{
}

#endif

#endif /* KFC_OBSERVE_H */

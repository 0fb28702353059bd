/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_EXPIRE_H
#define KFC_EXPIRE_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_log;
struct kfc_slab;

/* So often at most there is something to do here. */
#define KFC_EXPIRE_MS	100

/**
 * struct kfc_expire - what is dead, and how far the search for it is
 * @at: jiffies from which on to go on
 * @slab: the next slab to look at
 * @swept: the next slab whose expired objects may be taken out
 * @dead: a bit a slab: nothing in it was alive when it was looked at
 * @nr_dead: how many
 * @line: the next line, at level 0, in a pass that empties their slots
 * @passing: there is such a pass, and @dead stays as it is
 * @busy: the last step found something
 *
 * The writer thread's alone.
 */
struct kfc_expire {
	unsigned long at;
	u32 slab;
	u32 swept;
	u64 *dead;
	u32 nr_dead;
	u32 line;
	bool passing;
	bool busy;
};

int kfc_expire_init(struct kfc_log *l);
void kfc_expire_exit(struct kfc_log *l);
u64 kfc_expire_bound(u64 nr_slabs);
void kfc_expire_open(struct kfc_slab *s, u64 order);
void kfc_expire_note(struct kfc_slab *s, u32 exptime);
void kfc_expire_keep(struct kfc_slab *s, u64 order);
bool kfc_expire_step(struct kfc_cache *c, bool idle);

#endif /* KFC_EXPIRE_H */

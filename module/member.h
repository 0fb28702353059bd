/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The devices that the log is on. Slabs are dealt out to them in turn, and a
 * slab stays where it is; so a device that fails takes its own slabs along and
 * nothing else, and one that hangs keeps nobody from the others.
 */
#ifndef KFC_MEMBER_H
#define KFC_MEMBER_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "dev.h"

struct kfc_cache;
struct kfc_log;
struct kfc_slab;

/* Slabs that may be on their way to one device at once. */
#define KFC_WRITES	2
/* I/O errors in a row that make a device a failed one. */
#define KFC_MAX_ERRORS	16

/**
 * struct kfc_write - a slab on its way to the device
 * @io: the I/O
 * @slab: which, NULL while this one is idle; the writer thread alone
 * @log: whose
 * @since: jiffies when it was started
 * @done: set when @io has ended
 */
struct kfc_write {
	struct kfc_io io;
	struct kfc_slab *slab;
	struct kfc_log *log;
	unsigned long since;
	bool done;
};

/**
 * struct kfc_window - pages of a slab on the device that reclaim has read
 * @pages: room for them
 * @ok: which of them passed their checksum
 * @max: how many there may be
 * @first: the first, counted from the slab's
 * @nr: how many there are
 */
struct kfc_window {
	struct page **pages;
	bool *ok;
	u32 max;
	u32 first;
	u32 nr;
};

/**
 * struct kfc_await - a read that the writer thread waits for
 * @io: the I/O
 * @done: it has ended
 * @slab: pinned until then
 * @pages: to be freed then, if nobody waits for them any more; or NULL
 * @late: that is so
 */
struct kfc_await {
	struct kfc_io io;
	struct completion done;
	struct kfc_slab *slab;
	struct page **pages;
	bool late;
};

/**
 * struct kfc_member - a device of the log
 * @dev: the device, constant, as is the rest of this paragraph
 * @log: whose
 * @nr: its number in the set
 * @slabs_at: page of its first slab
 * @seq_from: slabs that an earlier load left there with a lower sequence are
 *	of no use
 * @nr_slabs: how many it has
 * @no_discard: it can't be told what is of no use any more
 * @errors: I/O errors in a row
 * @failed: it is given up; set once, READ_ONCE elsewhere
 * @left: none of its slabs is in use any more; writer thread alone, as is the
 *	rest of this paragraph
 * @out: its slabs, FREE, once it has failed
 * @unwritten: its slabs that have a buffer and are not STORED
 * @writes: slabs on their way
 * @await: the writer thread's read
 * @pinned: jiffies since when reads pin slabs that are to be handed on, 0 where
 *	none do
 * @window: what reclaim reads of it
 * @note: writes its superblock
 * @noting: @note is under way
 * @note_at: jiffies before which @note is not tried again, 0 for at once
 * @kept_from: valid_from as it is in its superblock; written by @note
 * @kept_lost: and which devices have failed
 */
struct kfc_member {
	struct kfc_dev *dev;
	struct kfc_log *log;
	u32 nr;
	u64 slabs_at;
	u64 seq_from;
	u32 nr_slabs;
	bool no_discard;

	atomic_t errors;
	bool failed;

	bool left;
	struct list_head out;
	u32 unwritten;
	struct kfc_write writes[KFC_WRITES];
	struct kfc_await await;
	unsigned long pinned;
	struct kfc_window window;

	struct work_struct note;
	bool noting;
	unsigned long note_at;
	u64 kept_from;
	u32 kept_lost;
};

int kfc_members_init(struct kfc_cache *c);
void kfc_members_stop(struct kfc_cache *c);
void kfc_members_exit(struct kfc_log *l);
void kfc_member_fail(struct kfc_cache *c, u32 nr, const char *why);
void kfc_member_result(struct kfc_cache *c, u32 nr, int err);
void kfc_members_gone(struct kfc_cache *c);
bool kfc_member_late(const struct kfc_cache *c, const struct kfc_member *m);
bool kfc_member_takes(const struct kfc_cache *c, const struct kfc_slab *s);
void kfc_members_reap(struct kfc_cache *c);
void kfc_members_pinned(struct kfc_log *l, u32 mask);
bool kfc_members_awaited(const struct kfc_log *l);
int kfc_member_read(struct kfc_cache *c, struct kfc_slab *s, u32 page,
		    struct page **pages, u32 nr, bool owned);
bool kfc_members_to_note(const struct kfc_cache *c);
bool kfc_members_note(struct kfc_cache *c);

#endif /* KFC_MEMBER_H */

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_LOG_H
#define KFC_LOG_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "dev.h"
#include "expire.h"
#include "index.h"
#include "member.h"
#include "record.h"
#include "super.h"

struct kfc_cache;
struct kfc_config;
struct kfc_lookup;
struct task_struct;

/*
 * The life of a slab, in this order and round again:
 *
 * FREE	    no record, no buffer; on log->free
 * READY    has a zeroed buffer; on log->ready
 * OPEN	    a head appends to it
 * SEALED   full, every reservation committed or dead; on log->sealed
 * WRITING  the writer has it
 * STORED   on the device (or, without one, only in memory); on log->stored,
 *	    oldest first. Its buffer stays until it is wanted elsewhere
 * DRAIN    no slot points here any more; waits for reads and a grace period
 */
enum kfc_slab_state {
	KFC_SLAB_FREE,
	KFC_SLAB_READY,
	KFC_SLAB_OPEN,
	KFC_SLAB_SEALED,
	KFC_SLAB_WRITING,
	KFC_SLAB_STORED,
	KFC_SLAB_DRAIN,
};

/**
 * struct kfc_buf - memory of one slab
 * @list: in log->bufs while nobody has it
 * @pages: order-0 pages, each may be lent to a socket by reference
 */
struct kfc_buf {
	struct list_head list;
	struct page *pages[];
};

/**
 * struct kfc_slab - what is known of one slab
 * @list: the list of its state; log->lock
 * @resident: in log->resident while it is STORED and has a buffer; log->lock
 * @seq: of this life; written before a slot can point here, 0 before the first
 * @max_order: highest order number in it, grows while it is OPEN
 * @buf: its memory, NULL once it is only on the device. RCU: written by the
 *	writer thread, freed for reuse after a grace period
 * @pins: device reads and modifications that rely on this life of the slab
 * @live: entries whose record is here, and of a slab of copies those whose copy
 *	is; changes under the locks of their groups, see kfc_slot_come()
 * @holds: reservations that are not committed, and one of the head while OPEN
 * @min_order: its records have higher order numbers, or were gone through for
 *	what this one flushed; 0 where that is not known
 * @last_expiry: second in which the last of its records expires, 0 for never or
 *	not known. Grows while it is OPEN
 * @next_expiry: second from which on it is to be looked through for records
 *	that have expired; falls while it is OPEN, the writer thread's later on
 * @opened: kfc_now() when it was opened in this life, 0 in an earlier load;
 *	written under the head's lock
 * @nr_recs: records; written under the head's lock while OPEN, READ_ONCE then
 * @end: where the last record ends; likewise
 * @home: its number among the slabs of its device; constant
 * @state: enum kfc_slab_state; log->lock
 * @kept: opened for what is kept; log->lock, READ_ONCE
 * @write_failed: in this life, so its place may be a bad one; written by the
 *	writer thread, and by who opens it, under log->lock
 * @dev: number of its device; constant. 0 where it has none
 */
struct kfc_slab {
	struct list_head list;
	struct list_head resident;
	u64 seq;
	atomic64_t max_order;
	struct kfc_buf __rcu *buf;
	atomic_t pins;
	atomic_t live;
	atomic_t holds;
	u32 home;
	u64 min_order;
	u32 last_expiry;
	u32 next_expiry;
	u32 opened;
	u32 nr_recs;
	u32 end;
	u8 state;
	bool kept;
	bool write_failed;
	u8 dev;
};

/**
 * struct kfc_head - where sets append
 * @lock: held for the few instructions of a reservation
 * @slab: the OPEN slab or NULL; under @lock
 */
struct kfc_head {
	spinlock_t lock;	/* @slab and its nr_recs and end */
	struct kfc_slab *slab;
} ____cacheline_aligned_in_smp;

/* What a head is for. */
enum kfc_head_kind {
	KFC_HEAD_NEW,		/* what clients store; there may be some */
	KFC_HEAD_KEPT,		/* what reclaim carries forward */
	KFC_HEAD_COPIES,	/* copies of what is on the device */
	KFC_HEAD_KINDS
};

#define KFC_MAX_HEADS	64
/* So many times the memory of the load may become of it at run time. */
#define KFC_LOG_GROWTH	4
/**
 * struct kfc_log - the log
 * @geo: where things lie on the devices; constant
 * @members: the devices
 * @nr_members: how many; constant
 * @slabs: all slabs; constant
 * @nr_slabs: how many
 * @nr_all: with those behind them, which copies of what is on the device lie in
 * @slab_pages: pages of a slab
 * @salt: goes into the seed of all checksums, so that a page of an earlier
 *	format is never taken for one of this; constant
 * @next_seq: of the next slab to open; @lock
 * @nr_bufs: buffers in all; writer thread, READ_ONCE elsewhere
 * @want_bufs: how many there are to be; @lock, READ_ONCE elsewhere
 * @given_bufs: by how many that is less than memory_mb because memory is short;
 *	likewise
 * @ease_at: jiffies from which on it may be one less; likewise
 * @max_bufs: how many there may be; constant
 * @lock: the lists and states of slabs and buffers
 * @free: FREE slabs, ring order
 * @ready: READY slabs
 * @sealed: SEALED slabs, to be written
 * @stored: STORED slabs, oldest first
 * @resident: those of them that have a buffer, and of what is kept
 * @drain: DRAIN slabs
 * @held: those of them that reads pin on a device that takes its time
 * @bufs: buffers without a slab, zeroed
 * @nr_free: length of @free; @lock, READ_ONCE elsewhere, as the next ones
 * @nr_ready: length of @ready
 * @nr_out: slabs that left with a device that has failed
 * @nr_new: buffers that hold what is new, and not what is kept
 * @copy_free: slabs of copies without a buffer
 * @copy_ready: READY ones
 * @copies: full ones, oldest first
 * @nr_copies: how many have a buffer; writer thread alone
 * @nr_heads: how many heads sets have
 * @heads: the heads; behind them one for what reclaim carries forward, and one
 *	for copies
 * @scratch: a page where entries of what lies in memory are gathered; writer
 *	thread alone
 * @in_vain: slabs reclaimed since sets got one; writer thread alone
 * @failed: the last device has failed; set once, READ_ONCE elsewhere
 * @starved: a set found no place since the last READY slab
 * @kicked: there may be work for the writer thread
 * @swept: and the entries are out of the index
 * @disowned: the superblock of one of the failed devices says so
 * @disown_at: jiffies from which on to try again; writer thread alone
 * @dirty: buffers that wait to be zeroed; writer thread alone
 * @orphans: pages that a socket still held when their buffer was reused, with
 *	our reference; writer thread alone
 * @nr_orphans: how many; READ_ONCE elsewhere
 * @max_orphans: how many there may be; likewise
 * @expire: expire.c's own; writer thread alone
 * @wait: where the writer thread sleeps
 * @task: the writer thread
 */
struct kfc_log {
	struct kfc_geometry geo;
	struct kfc_member members[KFC_DEVICES_MAX];
	u32 nr_members;
	struct kfc_slab *slabs;
	u32 nr_slabs;
	u32 nr_all;
	u32 slab_pages;
	u64 salt;
	u64 next_seq;
	u32 nr_bufs;
	u32 want_bufs;
	u32 given_bufs;
	unsigned long ease_at;
	u32 max_bufs;
	spinlock_t lock;	/* lists and states */
	struct list_head free;
	struct list_head ready;
	struct list_head sealed;
	struct list_head stored;
	struct list_head resident[2];
	struct list_head drain;
	struct list_head held;
	struct list_head bufs;
	u32 nr_free;
	u32 nr_ready;
	u32 nr_out;
	u32 nr_new;
	struct list_head copy_free;
	struct list_head copy_ready;
	struct list_head copies;
	u32 nr_copies;
	u32 nr_heads;
	struct kfc_head *heads;
	struct page *scratch;
	u32 in_vain;
	bool failed;
	bool starved;
	bool kicked;
	bool swept;
	bool disowned;
	unsigned long disown_at;
	struct list_head dirty;
	struct page **orphans;
	u32 nr_orphans;
	u32 max_orphans;
	struct kfc_expire expire;
	wait_queue_head_t wait;
	struct task_struct *task;
};

/**
 * struct kfc_rsv - a place in the log that is being filled
 * @slab: where
 * @pages: the page it starts in and those behind it
 * @off: offset of the record in the first
 * @slab_off: offset of the record in the slab
 * @nr: its number in the summary
 * @klen: length of the key
 * @head: bytes before the value
 * @vlen: length of the value
 * @tag: of the index
 * @attr: what else the record will have
 */
struct kfc_rsv {
	struct kfc_slab *slab;
	struct page **pages;
	u32 off;
	u32 slab_off;
	u32 nr;
	u32 klen;
	u32 head;
	u32 vlen;
	u32 tag;
	struct kfc_attr attr;
};

/* Gauges of the store, for stats. */
struct kfc_log_info {
	u64 items;
	u64 mem_bytes;
	u64 mem_limit;
	u64 mem_given;
	u64 mem_held;
	u64 copies;
	u64 copy_bytes;
	u64 dev_bytes_used;
	u64 dev_items;
	u64 oldest;
	u64 dev_slabs;
	u64 dev_limit;
	u64 slabs_total;
	u64 slabs_free;
	u64 slabs_used;
	u64 index_slots;
	u64 index_most;
	u64 index_used;
	u64 index_bytes;
	u64 index_level;
	u64 index_growths;
	u64 index_put_off;
	u64 io_queue;
	u32 devs_failed;
};

/* log.c */
u32 kfc_log_max_value(const struct kfc_log *l, u32 klen);
int kfc_log_reserve(struct kfc_cache *c, const struct kfc_key *key, u32 vlen,
		    u32 tag, const struct kfc_attr *attr, struct kfc_rsv *r);
void kfc_log_commit(struct kfc_cache *c, struct kfc_rsv *r, u64 hash,
		    u64 order);
void kfc_log_abort(struct kfc_cache *c, struct kfc_rsv *r);
u64 kfc_log_page(const struct kfc_log *l, const struct kfc_rsv *r);
struct kfc_sum_page *kfc_log_summary(struct kfc_log *l, struct kfc_buf *b,
				     u32 nr);

/* slab.c */
int kfc_log_init(struct kfc_cache *c, const struct kfc_geometry *geo,
		 u64 first_seq);
void kfc_log_exit(struct kfc_cache *c);
struct kfc_slab *kfc_slab_open(struct kfc_cache *c, enum kfc_head_kind kind,
			       bool last);
void kfc_slab_put_hold(struct kfc_cache *c, struct kfc_slab *s);
int kfc_log_resize(struct kfc_cache *c, u64 bytes);
int kfc_buf_add(struct kfc_log *l);
void kfc_buf_remove(struct kfc_log *l, struct kfc_buf *b);
void kfc_log_kick(struct kfc_log *l);
void kfc_log_info(struct kfc_cache *c, struct kfc_log_info *info);
u64 kfc_log_bound(const struct kfc_config *cfg, u64 nr_slabs, u32 nr_devs);

static inline struct kfc_slab *kfc_slab_of(const struct kfc_log *l, u64 slot)
{
	return &l->slabs[kfc_slot_page(slot) / l->slab_pages];
}

/* The pages of a slab in memory, from the one on that a slot names. */
static inline struct page **kfc_buf_pages(const struct kfc_log *l,
					  struct kfc_buf *b, u64 slot)
{
	return &b->pages[kfc_slot_page(slot) % l->slab_pages];
}

/* Do copies lie there, and not what is written? */
static inline bool kfc_slab_copies(const struct kfc_log *l,
				   const struct kfc_slab *s)
{
	return s >= l->slabs + l->nr_slabs;
}

/* Has it a summary? What never leaves memory has records to look at. */
static inline bool kfc_slab_sums(const struct kfc_log *l,
				 const struct kfc_slab *s)
{
	return l->geo.nr_slabs && !kfc_slab_copies(l, s);
}

/* Where page @page of a slab lies on its device. */
static inline u64 kfc_slab_at(const struct kfc_log *l,
			      const struct kfc_slab *s, u32 page)
{
	return l->members[s->dev].slabs_at + (u64)s->home * l->slab_pages +
	       page;
}

/* Has the device of a slab failed? Of memory alone it never has. */
static inline bool kfc_slab_lost(const struct kfc_log *l,
				 const struct kfc_slab *s)
{
	return READ_ONCE(l->members[s->dev].failed) && !kfc_slab_copies(l, s);
}

static inline struct kfc_member *kfc_slab_member(struct kfc_log *l,
						 const struct kfc_slab *s)
{
	return &l->members[s->dev];
}

/* Has a device failed? */
static inline bool kfc_member_failed(const struct kfc_log *l, u32 nr)
{
	return READ_ONCE(l->members[nr].failed);
}

/* A bit for each device that has failed. */
static inline u32 kfc_log_lost(const struct kfc_log *l)
{
	u32 nr, lost = 0;

	for (nr = 0; nr < l->nr_members; nr++)
		lost |= (u32)kfc_member_failed(l, nr) << nr;
	return lost;
}

/* Of those beside the ones that sets have. */
static inline struct kfc_head *kfc_log_head(const struct kfc_log *l,
					    enum kfc_head_kind kind)
{
	return &l->heads[l->nr_heads + kind - 1];
}

static inline u32 kfc_log_heads(const struct kfc_log *l)
{
	return l->nr_heads + KFC_HEAD_KINDS - 1;
}

/*
 * Buffers that it takes to go on: each head has one open, one follows it. A
 * device that hangs can have no more than leaves as many to each of the others.
 */
static inline u32 kfc_log_least(const struct kfc_log *l)
{
	return max_t(u32, 4, 2 * l->nr_heads + 2) *
	       max_t(u32, 1, l->nr_members);
}

/* What ties the pages of a slab to this life of it. */
static inline u64 kfc_slab_seed(const struct kfc_log *l, u64 seq)
{
	return seq ^ l->salt;
}

/*
 * Is a slab in the middle of a life? Under RCU one that is keeps its buffer, if
 * it has one, and its sequence number; DRAIN comes before the grace period.
 */
static inline bool kfc_slab_lives(const struct kfc_slab *s)
{
	/* Pairs with the release in kfc_slab_open(). */
	u8 state = smp_load_acquire(&s->state);

	return state >= KFC_SLAB_OPEN && state <= KFC_SLAB_STORED;
}

/* Has a slab room for so many records' summary? A device may say any number. */
static inline bool kfc_slab_holds(const struct kfc_log *l, u32 nr_recs)
{
	return nr_recs &&
	       nr_recs <= (l->slab_pages - 1) * (u64)KFC_SUM_ENTRIES;
}

/* True while so many pages are with sockets that answers are to be copied. */
static inline bool kfc_log_lent_out(const struct kfc_log *l)
{
	return READ_ONCE(l->nr_orphans) > READ_ONCE(l->max_orphans) / 2;
}

/* True while so many are that buffers wait for them, and sets for buffers. */
static inline bool kfc_log_lent_all(const struct kfc_log *l)
{
	return READ_ONCE(l->nr_orphans) >= READ_ONCE(l->max_orphans);
}

/* writer.c */
bool kfc_log_step(struct kfc_cache *c);
int kfc_log_start(struct kfc_cache *c);
void kfc_log_stop(struct kfc_cache *c);
void kfc_log_settle(struct kfc_cache *c);
void kfc_slab_free(struct kfc_cache *c, struct kfc_slab *s);

bool kfc_log_writes(struct kfc_cache *c);
void kfc_buf_give(struct kfc_log *l, struct kfc_slab *s, struct list_head *to);
bool kfc_spare_buf(struct kfc_cache *c);

/**
 * struct kfc_carry - what may still be carried forward from a slab
 * @left: bytes of records
 */
struct kfc_carry {
	u32 left;
};

/* carry.c */
u32 kfc_carry_max(const struct kfc_config *cfg);
int kfc_carry_init(struct kfc_cache *c, struct kfc_member *m);
void kfc_carry_exit(struct kfc_member *m);
u32 kfc_carry_reserve(const struct kfc_cache *c);
void kfc_carry_begin(struct kfc_cache *c, struct kfc_slab *s,
		     struct kfc_carry *cy);
bool kfc_carry(struct kfc_cache *c, struct kfc_carry *cy, struct kfc_slab *s,
	       const struct kfc_sum_entry *e, u32 before);

/* promote.c */
u64 kfc_slot_home(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot);
bool kfc_slot_fetched(const struct kfc_log *l, u64 slot);
void kfc_slot_come(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot);
void kfc_slot_gone(struct kfc_cache *c, const struct kfc_ipos *pos, u64 slot);
void kfc_promote(struct kfc_cache *c, const struct kfc_lookup *lk);
void kfc_promote_used(struct kfc_cache *c, struct kfc_slab *s);
u32 kfc_copies_max(const struct kfc_log *l);
bool kfc_copies_spare(struct kfc_cache *c);
bool kfc_copies_step(struct kfc_cache *c);

/* reclaim.c */
enum kfc_evict {
	KFC_EVICT_SPACE,	/* the oldest slab makes room */
	KFC_EVICT_DEVICE,	/* it could not be written, or read any more */
	KFC_EVICT_DEAD,		/* all of it is expired or flushed */
};

/**
 * struct kfc_summary - the summary of a slab, in memory
 * @end: behind the last of its pages, in which it begins; NULL for one that is
 *	not what was written
 * @nr_recs: entries
 */
struct kfc_summary {
	struct page **end;
	u32 nr_recs;
};

const struct kfc_sum_entry *kfc_summary_entry(const struct kfc_summary *sm,
					      u32 nr);
bool kfc_summary_hidden(struct kfc_cache *c, const struct kfc_summary *sm,
			u32 nr, const struct kfc_ipos *pos);
bool kfc_summary_meant(struct kfc_cache *c, const struct kfc_summary *sm,
		       u32 nr, const struct kfc_sum_entry *e,
		       const struct kfc_ipos *pos, u64 slot);
void kfc_slab_empty(struct kfc_cache *c, struct kfc_slab *s,
		    enum kfc_evict why);
void kfc_sweep_unreadable(struct kfc_cache *c);
void kfc_sweep_lines(struct kfc_cache *c, u32 from, u32 to, enum kfc_evict why,
		     bool (*match)(struct kfc_cache *c, struct kfc_slab *s,
				   struct kfc_slab *arg), struct kfc_slab *arg);
struct page **kfc_slab_summary(struct kfc_cache *c, struct kfc_slab *s, u32 n);

#endif /* KFC_LOG_H */

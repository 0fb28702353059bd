// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Warm restart: what a clean unload wrote to the index area comes back.
 *
 * The slab table is read before anybody is served, the slots afterwards by a
 * thread, range by range. An operation on a range that is not there yet waits,
 * and that range is read next. So nothing in a range changes before all of its
 * entries are there, and what is deleted, overwritten or flushed stays so.
 *
 * What can't be read is lost and counted, the rest comes back.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "area.h"
#include "observe.h"
#include "restart.h"
#include "store.h"

/* Keys that may be dropped ahead of the ranges that they are in. */
#define KFC_FORGETS 64

enum kfc_range_state {
	KFC_RANGE_TO_LOAD,
	KFC_RANGE_LOST,		/* of no use any more */
	KFC_RANGE_READY,
};

/**
 * struct kfc_restart - a load that is under way, and what unload will need
 * @pages: where pages of the index area are read to and written from; the
 *	loader, and who loads or saves when it has ended
 * @ok: of @pages, those that were read and are what was saved
 * @state: enum kfc_range_state of each range; READY is set with release, by the
 *	loader. Written under @lock
 * @nr_ranges: how many
 * @next: loader: the next one in order
 * @want: number of a range, plus one, that an operation waits for, or 0
 * @first_seq: slabs from this sequence on are of this load
 * @seen: entries that were read so far
 * @restored: of them those that are in the index
 * @since: jiffies at the start
 * @apply: held while entries are put in and while slabs lose theirs
 * @lock: @forget and @state
 * @forget: where an entry is to be dropped once it is there
 * @nr_forget: how many
 * @task: the loader; we hold a reference
 */
struct kfc_restart {
	struct page *pages[KFC_RANGE_PAGES];
	bool ok[KFC_RANGE_PAGES];
	u8 *state;
	u32 nr_ranges;
	u32 next;
	u32 want;
	u64 first_seq;
	u64 seen;
	u64 restored;
	unsigned long since;
	struct mutex apply;	/* see above */
	spinlock_t lock;	/* see above */
	struct kfc_ipos forget[KFC_FORGETS];
	u32 nr_forget;
	struct task_struct *task;
};

/**
 * kfc_restart_bound() - memory for loading and saving
 * @c: the cache; its configuration is complete
 *
 * Return: bytes
 */
u64 kfc_restart_bound(const struct kfc_cache *c)
{
	if (!c->nr_devs)
		return 0;
	return sizeof(struct kfc_restart) + KFC_RANGE_PAGES * KFC_PAGE +
	       div_u64(c->cfg.index_bytes,
		       KFC_RANGE_LINES * (64U << KFC_INDEX_GROWTH));
}

static bool kfc_page_saved(struct kfc_cache *c, struct page *page, u64 at,
			   u32 magic)
{
	struct kfc_area_hdr *h = page_address(page);

	return le32_to_cpu(h->magic) == magic &&
	       le64_to_cpu(h->epoch) == c->saved.epoch &&
	       le64_to_cpu(h->sum) == kfc_area_sum(c, h, at);
}

/* Pages @from to @to of those that lie at page @at of the area. */
static void kfc_read_some(struct kfc_cache *c, u64 at, u32 from, u32 to,
			  u32 magic)
{
	struct kfc_restart *rs = c->restart;
	u64 page_no = c->log.geo.index_at + at;
	bool all, got;
	u32 i;

	if (from == to)
		return;
	all = !kfc_super_rw(c->devs[0], false, page_no + from,
			    rs->pages + from, to - from);
	for (i = from; i < to; i++) {
		got = all;
		/* One bad sector does not cost the others. */
		if (!all && to - from > 1 && !kfc_member_failed(&c->log, 0))
			got = !kfc_super_rw(c->devs[0], false, page_no + i,
					    &rs->pages[i], 1);
		if (!got)
			kfc_count(c, read_errors);
		rs->ok[i] = got &&
			    kfc_page_saved(c, rs->pages[i], at + i, magic);
	}
}

static bool kfc_slab_sane(const struct kfc_log *l, u64 first_seq,
			  const struct kfc_area_slab *e)
{
	u64 seq = le64_to_cpu(e->seq);

	return seq && seq < first_seq &&
	       kfc_slab_holds(l, le32_to_cpu(e->nr_recs)) &&
	       le64_to_cpu(e->max_order) < first_seq &&
	       le32_to_cpu(e->end) <= l->geo.slab_bytes;
}

static void kfc_restore_slabs(struct kfc_cache *c, struct page *page, u32 first)
{
	struct kfc_restart *rs = c->restart;
	struct kfc_area_slabs *a = page_address(page);
	struct kfc_log *l = &c->log;
	u32 i, n = min_t(u32, l->nr_slabs - first, KFC_AREA_SLABS);

	for (i = 0; i < n; i++) {
		struct kfc_area_slab *e = &a->slab[i];
		struct kfc_slab *s = &l->slabs[first + i];

		if (!kfc_slab_sane(l, rs->first_seq, e) ||
		    le64_to_cpu(e->seq) < kfc_slab_member(l, s)->seq_from)
			continue;
		s->seq = le64_to_cpu(e->seq);
		atomic64_set(&s->max_order, le64_to_cpu(e->max_order));
		s->nr_recs = le32_to_cpu(e->nr_recs);
		s->end = le32_to_cpu(e->end);
		WRITE_ONCE(s->state, KFC_SLAB_STORED);
	}
}

static void kfc_restore_table(struct kfc_cache *c)
{
	struct kfc_restart *rs = c->restart;
	u32 i, n, at, pages = kfc_area_table(c->log.nr_slabs);

	for (at = 0; at < pages; at += n) {
		n = min(pages - at, KFC_RANGE_PAGES);
		kfc_read_some(c, at, 0, n, KFC_AREA_SLABS_MAGIC);
		for (i = 0; i < n; i++)
			if (rs->ok[i])
				kfc_restore_slabs(c, rs->pages[i],
						  (at + i) * KFC_AREA_SLABS);
	}
}

static int kfc_by_seq(const void *a, const void *b)
{
	const struct kfc_slab *s = *(const struct kfc_slab **)a;
	const struct kfc_slab *t = *(const struct kfc_slab **)b;

	return s->seq < t->seq ? -1 : s->seq > t->seq;
}

/* Order matters little: without memory to sort, it is that of the device. */
static struct kfc_slab **kfc_sorted(struct kfc_log *l, u32 *nr)
{
	struct kfc_slab **by_age;
	u32 i;

	*nr = 0;
	by_age = kvcalloc(l->nr_slabs, sizeof(*by_age), GFP_KERNEL);
	if (!by_age)
		return NULL;
	for (i = 0; i < l->nr_slabs; i++)
		if (l->slabs[i].state == KFC_SLAB_STORED)
			by_age[(*nr)++] = &l->slabs[i];
	sort(by_age, *nr, sizeof(*by_age), kfc_by_seq, NULL);
	return by_age;
}

/**
 * kfc_restart_link() - put slabs that came back into their lists
 * @c: the cache; its log is new but for slabs that were made STORED
 *
 * The oldest is first to be reclaimed, and new slabs go on behind the newest.
 * Context: a process, nobody else knows the log yet.
 */
void kfc_restart_link(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab **by_age, *s;
	u32 i, nr, at = 0;
	bool sorted;

	by_age = kfc_sorted(l, &nr);
	sorted = by_age;
	for (i = 0; i < nr; i++)
		list_move_tail(&by_age[i]->list, &l->stored);
	if (nr)
		at = by_age[nr - 1] - l->slabs;
	kvfree(by_age);
	for (i = 1; i <= l->nr_slabs; i++) {
		s = &l->slabs[(at + i) % l->nr_slabs];
		if (s->state == KFC_SLAB_FREE) {
			list_move_tail(&s->list, &l->free);
		} else if (!sorted) {
			list_move_tail(&s->list, &l->stored);
			nr++;
		}
	}
	l->nr_free = l->nr_slabs - nr;
}

/**
 * kfc_restart_init() - begin to load what the last unload saved
 * @c: the cache; index and log are new, nobody uses them yet
 *
 * Context: a process; sleeps on the device. Return: 0 or -ENOMEM with nothing
 * left behind
 */
int kfc_restart_init(struct kfc_cache *c)
{
	struct kfc_restart *rs;
	int err = 0;
	u32 i;

	if (!c->nr_devs)
		return 0;
	rs = kvzalloc(sizeof(*rs), GFP_KERNEL);
	if (!rs)
		return -ENOMEM;
	c->restart = rs;
	mutex_init(&rs->apply);
	spin_lock_init(&rs->lock);
	rs->since = jiffies;
	rs->first_seq = c->log.next_seq;
	rs->nr_ranges = DIV_ROUND_UP(c->index.lines0, KFC_RANGE_LINES);
	rs->state = kvzalloc(rs->nr_ranges, GFP_KERNEL);
	if (!rs->state)
		goto nomem;
	for (i = 0; i < KFC_RANGE_PAGES; i++) {
		rs->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!rs->pages[i])
			goto nomem;
	}
	if (c->saved.found == KFC_FOUND_CRASHED)
		err = kfc_recover(c);
	if (err)
		goto fail;
	if (c->saved.found == KFC_FOUND_CLEAN) {
		kfc_restore_table(c);
		kfc_restart_link(c);
		c->loading = true;
	}
	return 0;
nomem:
	err = -ENOMEM;
fail:
	kfc_restart_exit(c);
	return err;
}

/* Has the slab of an entry its records still? Else, why the entry is gone. */
static bool kfc_slab_came_back(struct kfc_cache *c, struct kfc_slab *s)
{
	u64 seq = READ_ONCE(s->seq);

	if (kfc_slab_lost(&c->log, s) || !seq) {
		kfc_count(c, ev_device);
		return false;
	}
	if (READ_ONCE(s->state) == KFC_SLAB_STORED &&
	    seq < c->restart->first_seq)
		return true;
	kfc_count(c, ev_space);
	return false;
}

static void kfc_restore_slot(struct kfc_cache *c, u32 line0, u64 v)
{
	struct kfc_ipos pos = { .line0 = line0, .tag = kfc_slot_tag(v) };
	int err;

	/* What was stored with a larger item_max may be more than can be read. */
	if (kfc_slot_page(v) >= (u64)c->log.nr_slabs * c->log.slab_pages ||
	    kfc_class_pages(kfc_slot_class(v)) > c->max_read_pages) {
		kfc_count(c, ev_device);
		return;
	}
	if (!kfc_slab_came_back(c, kfc_slab_of(&c->log, v)))
		return;
	err = kfc_store_enter(c, &pos, v);
	kfc_index_added(&c->index);
	if (err)
		kfc_count(c, ev_device);
	else
		c->restart->restored++;
}

static void kfc_restore_page(struct kfc_cache *c, u32 range, struct page *page)
{
	struct kfc_area_slots *a = page_address(page);
	u32 first = range * KFC_RANGE_LINES;
	u32 end = min(first + KFC_RANGE_LINES, c->index.lines0);
	u64 line0 = le64_to_cpu(a->hdr.first);
	u32 i, nr = le16_to_cpu(a->hdr.nr);

	if (nr > KFC_AREA_SLOTS)
		return;
	for (i = 0; i < nr; i++) {
		u64 v = le64_to_cpu(a->slot[i]);

		if (!kfc_slot_class(v)) {
			line0 = v;
			continue;
		}
		if (line0 < first || line0 >= end)
			return;
		c->restart->seen++;
		kfc_restore_slot(c, line0, v);
	}
}

static void kfc_drop_at(struct kfc_cache *c, const struct kfc_ipos *pos)
{
	spinlock_t *lock = kfc_index_lock(&c->index, pos);
	u64 *slot, old;

	spin_lock(lock);
	old = kfc_index_look(&c->index, pos, &slot);
	if (slot) {
		kfc_index_clear(&c->index, pos, slot);
		kfc_slot_gone(c, pos, old);
		c->restart->restored--;
	}
	spin_unlock(lock);
}

/* Too much was dropped in a range that was not there. */
static void kfc_drop_range(struct kfc_cache *c, u32 range)
{
	u32 first = range * KFC_RANGE_LINES, i, nr;
	u32 last = min(first + KFC_RANGE_LINES, c->index.lines0);
	u64 *v, at = kfc_place(first), end = kfc_place(last);

	while (at < end) {
		struct kfc_ipos pos = kfc_pos_at(at);
		spinlock_t *lock = kfc_index_lock(&c->index, &pos);

		spin_lock(lock);
		v = kfc_index_group(&c->index, &at, &nr);
		for (i = 0; i < nr; i++) {
			u64 old = READ_ONCE(v[i]);

			if (!old)
				continue;
			pos.tag = kfc_slot_tag(old);
			kfc_index_clear(&c->index, &pos, &v[i]);
			kfc_slot_gone(c, &pos, old);
			c->restart->restored--;
			kfc_count(c, ev_device);
		}
		spin_unlock(lock);
	}
}

/* From here on the range is like any other. */
static void kfc_range_done(struct kfc_cache *c, u32 range)
{
	struct kfc_restart *rs = c->restart;
	u32 i, left = 0;

	spin_lock(&rs->lock);
	if (rs->state[range] == KFC_RANGE_LOST)
		kfc_drop_range(c, range);
	for (i = 0; i < rs->nr_forget; i++) {
		if (rs->forget[i].line0 / KFC_RANGE_LINES == range)
			kfc_drop_at(c, &rs->forget[i]);
		else
			rs->forget[left++] = rs->forget[i];
	}
	rs->nr_forget = left;
	kfc_saw_range(range * KFC_RANGE_LINES, (range + 1) * KFC_RANGE_LINES);
	/* Pairs with the acquire in kfc_restart_range_ready(). */
	smp_store_release(&rs->state[range], KFC_RANGE_READY);
	spin_unlock(&rs->lock);
}

static void kfc_load_range(struct kfc_cache *c, u32 range)
{
	struct kfc_restart *rs = c->restart;
	u32 lines = min(c->index.lines0 - range * KFC_RANGE_LINES,
			KFC_RANGE_LINES);
	u32 i, n = 0, most = kfc_area_range(lines);
	u64 at = kfc_area_table(c->log.nr_slabs) +
		 (u64)range * KFC_RANGE_PAGES;

	if (!kfc_member_failed(&c->log, 0)) {
		struct kfc_area_hdr *h = page_address(rs->pages[0]);

		/* The first says how many there are; without it try them all. */
		kfc_read_some(c, at, 0, 1, KFC_AREA_SLOTS_MAGIC);
		n = rs->ok[0] ? min_t(u32, le16_to_cpu(h->pages), most) : most;
		n = max(n, 1U);
		kfc_read_some(c, at, 1, n, KFC_AREA_SLOTS_MAGIC);
	}
	mutex_lock(&rs->apply);
	for (i = 0; i < n; i++)
		if (rs->ok[i])
			kfc_restore_page(c, range, rs->pages[i]);
	kfc_range_done(c, range);
	mutex_unlock(&rs->apply);
}

static void kfc_loaded(struct kfc_cache *c)
{
	struct kfc_restart *rs = c->restart;
	u64 lost = c->saved.items - min(rs->seen, c->saved.items);
	u32 ms = jiffies_to_msecs(jiffies - rs->since);

	kfc_count_add(c, ev_device, lost);
	if (lost)
		pr_warn("%s: %llu objects are back after %u ms, %llu are lost: parts of the index area cannot be read\n",
			c->devs[0]->name, rs->restored, ms, lost);
	else
		pr_info("%s: %llu objects are back after %u ms\n",
			c->devs[0]->name, rs->restored, ms);
	/* Pairs with the acquire in kfc_restart_ready(). */
	smp_store_release(&c->loading, false);
}

/**
 * kfc_restart_step() - load one range, the one that is waited for before others
 * @c: the cache
 *
 * Context: the loader, or the only one who calls it; sleeps on the device.
 * Return: false when all is loaded
 */
bool kfc_restart_step(struct kfc_cache *c)
{
	struct kfc_restart *rs = c->restart;
	u32 want;

	if (!READ_ONCE(c->loading))
		return false;
	want = xchg(&rs->want, 0);
	if (want && READ_ONCE(rs->state[want - 1]) != KFC_RANGE_READY) {
		kfc_load_range(c, want - 1);
	} else {
		while (rs->next < rs->nr_ranges &&
		       READ_ONCE(rs->state[rs->next]) == KFC_RANGE_READY)
			rs->next++;
		if (rs->next < rs->nr_ranges)
			kfc_load_range(c, rs->next);
		else
			kfc_loaded(c);
	}
	if (c->space)
		c->space(c);
	return c->loading;
}

static int kfc_loader(void *arg)
{
	struct kfc_cache *c = arg;

	while (!kthread_should_stop() && kfc_restart_step(c))
		cond_resched();
	return 0;
}

/**
 * kfc_restart_start() - start the loader, where there is something to load
 * @c: the cache
 *
 * Context: a process; sleeps on the device where no thread is to be had.
 */
void kfc_restart_start(struct kfc_cache *c)
{
	struct task_struct *t;

	if (!c->loading)
		return;
	t = kthread_create(kfc_loader, c, "kfatcache-load");
	if (IS_ERR(t)) {
		while (kfc_restart_step(c))
			cond_resched();
		return;
	}
	/* Before it runs: it ends by itself, and may be through at once. */
	get_task_struct(t);
	c->restart->task = t;
	wake_up_process(t);
}

/**
 * kfc_restart_finish() - load what is not loaded yet
 * @c: the cache
 *
 * Context: a process; sleeps on the device.
 */
void kfc_restart_finish(struct kfc_cache *c)
{
	struct kfc_restart *rs = c->restart;

	if (!rs)
		return;
	if (rs->task) {
		kthread_stop(rs->task);
		put_task_struct(rs->task);
		rs->task = NULL;
	}
	while (kfc_restart_step(c))
		cond_resched();
}

/**
 * kfc_restart_save() - write what the next load is to find
 * @c: the cache; nobody uses it, its slabs are on the device, all is loaded
 * @items: gets the number of entries
 *
 * Context: a process; sleeps on the device.
 * Return: true where the superblock may say that the device is clean
 */
bool kfc_restart_save(struct kfc_cache *c, u64 *items)
{
	return c->restart && kfc_save(c, c->restart->pages, items);
}

/**
 * kfc_restart_exit() - free what kfc_restart_init() made
 * @c: the cache; the loader has ended
 *
 * Context: may sleep.
 */
void kfc_restart_exit(struct kfc_cache *c)
{
	struct kfc_restart *rs = c->restart;
	u32 i;

	if (!rs)
		return;
	for (i = 0; i < KFC_RANGE_PAGES; i++)
		if (rs->pages[i])
			put_page(rs->pages[i]);
	kvfree(rs->state);
	kvfree(rs);
	c->restart = NULL;
	c->loading = false;
}

/**
 * kfc_restart_range_ready() - kfc_restart_ready() while a load is under way
 * @c: the cache
 * @pos: of a key
 *
 * Any context. Return: as there
 */
bool kfc_restart_range_ready(struct kfc_cache *c, const struct kfc_ipos *pos)
{
	struct kfc_restart *rs = c->restart;
	u32 range = pos->line0 / KFC_RANGE_LINES;

	/* Pairs with the release in kfc_range_done(). */
	if (smp_load_acquire(&rs->state[range]) == KFC_RANGE_READY)
		return true;
	WRITE_ONCE(rs->want, range + 1);
	return false;
}

/**
 * kfc_restart_forget() - drop an entry that may not be there yet
 * @c: the cache
 * @pos: its place
 *
 * For who can't wait. Where there are too many of those, the range is given
 * up. Context: any that may take a spinlock.
 * Return: false where the entry is there already, or none is
 */
bool kfc_restart_forget(struct kfc_cache *c, const struct kfc_ipos *pos)
{
	struct kfc_restart *rs = c->restart;
	u32 range = pos->line0 / KFC_RANGE_LINES;
	bool later;

	if (kfc_restart_ready(c, pos))
		return false;
	spin_lock(&rs->lock);
	later = rs->state[range] != KFC_RANGE_READY;
	if (later && rs->nr_forget < KFC_FORGETS)
		rs->forget[rs->nr_forget++] = *pos;
	else if (later)
		WRITE_ONCE(rs->state[range], KFC_RANGE_LOST);
	spin_unlock(&rs->lock);
	return later;
}

/**
 * kfc_restart_lock() - no entry comes back until kfc_restart_unlock()
 * @c: the cache
 *
 * Taken by who makes slabs unusable: an entry that comes back later finds that
 * its slab is. Context: may sleep.
 */
void kfc_restart_lock(struct kfc_cache *c)
{
	if (c->restart)
		mutex_lock(&c->restart->apply);
}

/**
 * kfc_restart_unlock() - the end of kfc_restart_lock()
 * @c: the cache
 *
 * Context: who took it.
 */
void kfc_restart_unlock(struct kfc_cache *c)
{
	if (c->restart)
		mutex_unlock(&c->restart->apply);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The devices of the log: which have failed, which take their time, and what
 * their superblocks have yet to say.
 *
 * With several devices the writer thread waits for none of them longer than
 * read_timeout_ms. A read that is not done by then is left to itself, and until
 * it ends, or as long as a write has been under way for longer, no slab of that
 * device is filled or reclaimed. What may sleep on a device is done by work
 * items, one a device.
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/stringify.h>

#include "kfc.h"
#include "observe.h"

/**
 * kfc_member_fail() - give a device up
 * @c: the cache
 * @nr: number of the device
 * @why: after what, for the message
 *
 * Nothing is read from it or written to it any more, until the next load, and
 * the cache goes on with the others, or in memory. Context: any but hardirq;
 * any number of times.
 */
void kfc_member_fail(struct kfc_cache *c, u32 nr, const char *why)
{
	struct kfc_log *l = &c->log;
	struct kfc_member *m = &l->members[nr];
	bool last;

	if (cmpxchg(&m->failed, false, true))
		return;
	last = kfc_log_lost(l) == (1U << l->nr_members) - 1;
	pr_err("kfatcache: %s: failed after %s, going on %s\n", m->dev->name,
	       why, last ? "in memory only" : "without it");
	if (last)
		WRITE_ONCE(l->failed, true);
	kfc_log_kick(l);
}

/* Return: the device is not there any more, and given up */
static bool check_gone(struct kfc_cache *c, u32 nr)
{
	struct kfc_dev *d = c->log.members[nr].dev;

	if (!d->ops->gone || !d->ops->gone(d))
		return false;
	kfc_member_fail(c, nr, "its removal");
	return true;
}

/**
 * kfc_members_gone() - look for devices that were taken away
 * @c: the cache
 *
 * Context: any but hardirq.
 */
void kfc_members_gone(struct kfc_cache *c)
{
	u32 nr;

	for (nr = 0; nr < c->log.nr_members; nr++)
		check_gone(c, nr);
}

/**
 * kfc_member_result() - note how an I/O ended
 * @c: the cache
 * @nr: number of its device
 * @err: 0 or a negative errno
 *
 * KFC_MAX_ERRORS errors in a row, or one of a device that was taken away, make
 * it a failed one. Context: any but hardirq.
 */
void kfc_member_result(struct kfc_cache *c, u32 nr, int err)
{
	struct kfc_member *m = &c->log.members[nr];

	if (!err) {
		if (atomic_read(&m->errors))
			atomic_set(&m->errors, 0);
		return;
	}
	pr_err_ratelimited("kfatcache: %s: I/O error %d\n", m->dev->name, err);
	if (check_gone(c, nr))
		return;
	if (atomic_inc_return(&m->errors) >= KFC_MAX_ERRORS)
		kfc_member_fail(c, nr,
				__stringify(KFC_MAX_ERRORS) " errors in a row");
}

/**
 * kfc_member_late() - does a device keep the writer thread waiting?
 * @c: the cache
 * @m: the device
 *
 * Context: the writer thread. Return: where there is no other, only whether slabs
 * of it wait for reads that do not end
 */
bool kfc_member_late(const struct kfc_cache *c, const struct kfc_member *m)
{
	unsigned long most;
	u32 i;

	most = msecs_to_jiffies(READ_ONCE(c->cfg.read_timeout_ms));
	if (m->pinned && time_after(jiffies, m->pinned + most))
		return true;
	if (c->log.nr_members == 1)
		return false;
	for (i = 0; i < KFC_WRITES; i++)
		if (m->writes[i].slab && !READ_ONCE(m->writes[i].done) &&
		    time_after(jiffies, m->writes[i].since + most))
			return true;
	return m->await.late;
}

/**
 * kfc_members_pinned() - note whose slabs can't be handed on yet
 * @l: the log
 * @mask: a bit for each device that has a slab which only reads still need
 *
 * Such reads were begun before, and no others are: they end, or the device
 * takes its time. Context: the writer thread.
 */
void kfc_members_pinned(struct kfc_log *l, u32 mask)
{
	u32 nr;

	for (nr = 0; nr < l->nr_members; nr++) {
		struct kfc_member *m = &l->members[nr];

		if (!(mask & 1U << nr))
			m->pinned = 0;
		else if (!m->pinned)
			m->pinned = jiffies ?: 1;
	}
}

/**
 * kfc_member_takes() - may a slab be filled, or make room for that?
 * @c: the cache, with a device that has not failed
 * @s: a slab
 *
 * Context: the writer thread. Return: false where its device has failed, takes
 * its time, or has its share of the buffers
 */
bool kfc_member_takes(const struct kfc_cache *c, const struct kfc_slab *s)
{
	const struct kfc_log *l = &c->log;
	const struct kfc_member *m = &l->members[s->dev];
	u32 n = l->nr_members, bufs;

	if (n <= 1)
		return true;
	bufs = min(l->nr_bufs, READ_ONCE(l->want_bufs));
	/* Those of copies are not handed on for what a device keeps waiting. */
	bufs -= min(l->nr_copies, bufs - kfc_log_least(l));
	return !READ_ONCE(m->failed) && !kfc_member_late(c, m) &&
	       m->unwritten < (bufs - kfc_log_least(l) / n) / (n - 1);
}

static void await_done(struct kfc_io *io)
{
	complete(&container_of(io, struct kfc_await, io)->done);
}

/**
 * kfc_member_read() - read pages of a slab and wait for it
 * @c: the cache
 * @s: the slab
 * @page: the first page, counted from the slab's
 * @pages: order-0 pages
 * @nr: how many
 * @owned: @pages were made by kvcalloc() and alloc_page(), and may be kept
 *
 * Context: the writer thread; sleeps on the device.
 * Return: 0, what the device says, or -EBUSY while an earlier read is under
 * way; -ETIMEDOUT: this one is, and @pages, if @owned, are not the caller's
 * any more
 */
int kfc_member_read(struct kfc_cache *c, struct kfc_slab *s, u32 page,
		    struct page **pages, u32 nr, bool owned)
{
	struct kfc_member *m = kfc_slab_member(&c->log, s);
	struct kfc_await *a = &m->await;
	unsigned long most = MAX_SCHEDULE_TIMEOUT;

	if (a->late)
		return -EBUSY;
	init_completion(&a->done);
	a->io.pages = pages;
	a->io.nr_pages = nr;
	a->io.page_no = kfc_slab_at(&c->log, s, page);
	a->io.done = await_done;
	m->dev->ops->read(m->dev, &a->io);
	if (c->log.nr_members > 1)
		most = msecs_to_jiffies(READ_ONCE(c->cfg.read_timeout_ms));
	if (!wait_for_completion_timeout(&a->done, most)) {
		kfc_count(c, read_timeouts);
		a->late = true;
		a->pages = owned ? pages : NULL;
		a->slab = s;
		atomic_inc(&s->pins);
		return -ETIMEDOUT;
	}
	kfc_member_result(c, m->nr, a->io.err);
	if (a->io.err)
		kfc_count(c, read_errors);
	return a->io.err;
}

static void await_end(struct kfc_cache *c, struct kfc_member *m)
{
	struct kfc_await *a = &m->await;
	u32 i;

	kfc_member_result(c, m->nr, a->io.err);
	if (a->io.err)
		kfc_count(c, read_errors);
	for (i = 0; a->pages && i < a->io.nr_pages; i++)
		put_page(a->pages[i]);
	kvfree(a->pages);
	a->pages = NULL;
	a->late = false;
	atomic_dec(&a->slab->pins);
}

/**
 * kfc_members_reap() - see whether reads have ended that were left to themselves
 * @c: the cache
 *
 * Context: the writer thread.
 */
void kfc_members_reap(struct kfc_cache *c)
{
	u32 nr;

	for (nr = 0; nr < c->log.nr_members; nr++) {
		struct kfc_member *m = &c->log.members[nr];

		if (m->await.late && try_wait_for_completion(&m->await.done))
			await_end(c, m);
	}
}

/**
 * kfc_members_awaited() - is there such a read?
 * @l: the log
 *
 * Context: the writer thread. Return: whether there is
 */
bool kfc_members_awaited(const struct kfc_log *l)
{
	u32 nr;

	for (nr = 0; nr < l->nr_members; nr++)
		if (l->members[nr].await.late)
			return true;
	return false;
}

/* Does the superblock of a device that is left lack anything? */
static bool to_note(const struct kfc_cache *c, const struct kfc_member *m)
{
	unsigned long at = READ_ONCE(m->note_at);

	return !READ_ONCE(m->failed) && (!at || time_after_eq(jiffies, at)) &&
	       (READ_ONCE(m->kept_from) != READ_ONCE(c->valid_from) ||
		READ_ONCE(m->kept_lost) != kfc_log_lost(&c->log));
}

/*
 * A flush_all is to hold after a crash, too; and the next load is to know which
 * devices have failed.
 */
static void note_work(struct work_struct *work)
{
	struct kfc_member *m = container_of(work, struct kfc_member, note);
	struct kfc_log *l = m->log;
	struct kfc_cache *c = container_of(l, struct kfc_cache, log);
	u64 from = READ_ONCE(c->valid_from);
	u32 lost = kfc_log_lost(l);
	int err;

	if (READ_ONCE(l->failed)) {
		if (!kfc_super_give_up(c, m->nr))
			WRITE_ONCE(l->disowned, true);
	} else if (!READ_ONCE(m->failed)) {
		err = kfc_super_store(c, m->nr);
		kfc_member_result(c, m->nr, err);
		WRITE_ONCE(m->note_at, err ? (jiffies + HZ) | 1 : 0);
		if (err) {
			kfc_count(c, write_errors);
		} else {
			WRITE_ONCE(m->kept_lost, lost);
			WRITE_ONCE(m->kept_from, from);
		}
	}
	/* Only now may it be started again. */
	smp_store_release(&m->noting, false);
	kfc_log_kick(l);
}

static void start_note(struct kfc_member *m)
{
	/* Pairs with the release in note_work(). */
	if (smp_load_acquire(&m->noting))
		return;
	m->noting = true;
	queue_work(system_unbound_wq, &m->note);
}

/**
 * kfc_members_to_note() - is a superblock to be written?
 * @c: the cache
 *
 * Context: the writer thread. Return: whether kfc_members_note() is due
 */
bool kfc_members_to_note(const struct kfc_cache *c)
{
	const struct kfc_log *l = &c->log;
	u32 nr;

	for (nr = 0; nr < l->nr_members && !READ_ONCE(l->failed); nr++)
		if (!READ_ONCE(l->members[nr].noting) &&
		    to_note(c, &l->members[nr]))
			return true;
	return false;
}

/*
 * The next load is to know that nothing counts any more, and the devices may
 * take it some time. They may hang, too: the writer has the memory to look
 * after.
 */
static void disown(struct kfc_log *l)
{
	u32 nr;

	if (READ_ONCE(l->disowned) || time_before(jiffies, l->disown_at))
		return;
	l->disown_at = jiffies + HZ;
	for (nr = 0; nr < l->nr_members; nr++)
		start_note(&l->members[nr]);
}

/**
 * kfc_members_note() - have superblocks written that lack something
 * @c: the cache
 *
 * What one of them says counts for all. Context: the writer thread.
 * Return: true where a flush_all is on a device from now on
 */
bool kfc_members_note(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u64 from = READ_ONCE(c->valid_from);
	bool kept = false;
	u32 nr;

	if (l->swept)
		disown(l);
	if (READ_ONCE(l->failed))
		return false;
	for (nr = 0; nr < l->nr_members; nr++) {
		struct kfc_member *m = &l->members[nr];

		if (to_note(c, m))
			start_note(m);
		kept |= READ_ONCE(m->kept_from) == from;
	}
	if (!kept || c->kept_from == from)
		return false;
	WRITE_ONCE(c->kept_from, from);
	if (c->space)
		c->space(c);
	return true;
}

/**
 * kfc_members_init() - make the devices of a log
 * @c: the cache; its log has its geometry and nothing else
 *
 * Context: may sleep. Return: 0 or -ENOMEM; kfc_members_exit() is due anyway
 */
int kfc_members_init(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	int err = 0;
	u32 nr;

	memset(l->members, 0, sizeof(l->members));
	l->nr_members = l->geo.nr_devs;
	for (nr = 0; nr < l->nr_members && !err; nr++) {
		const struct kfc_place *p = &l->geo.place[nr];
		struct kfc_member *m = &l->members[nr];

		m->dev = c->devs[nr];
		m->log = l;
		m->nr = nr;
		m->slabs_at = p->slabs_at;
		m->seq_from = p->seq_from;
		m->nr_slabs = p->nr_slabs;
		m->kept_from = c->kept_from;
		INIT_LIST_HEAD(&m->out);
		INIT_WORK(&m->note, note_work);
		err = kfc_carry_init(c, m);
	}
	return err;
}

/**
 * kfc_members_stop() - wait for what is under way
 * @c: the cache; its writer thread has ended
 *
 * Context: sleeps.
 */
void kfc_members_stop(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 nr;

	for (nr = 0; nr < l->nr_members; nr++) {
		struct kfc_member *m = &l->members[nr];

		flush_work(&m->note);
		if (!m->await.late)
			continue;
		wait_for_completion(&m->await.done);
		await_end(c, m);
	}
}

/**
 * kfc_members_exit() - free what kfc_members_init() made
 * @l: the log
 *
 * Context: may sleep.
 */
void kfc_members_exit(struct kfc_log *l)
{
	u32 nr;

	for (nr = 0; nr < l->nr_members; nr++)
		kfc_carry_exit(&l->members[nr]);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The writer: one thread a cache that writes sealed slabs, takes buffers back
 * from slabs that are on the device, and keeps slabs ready for the heads.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/stringify.h>
#include <linux/workqueue.h>

#include "kfc.h"
#include "memtier.h"
#include "observe.h"
#include "pressure.h"
#include "restart.h"

/* While reads pin a slab or sockets hold too many pages, look again so often. */
#define KFC_RETRY_MS 5
/* Slabs that are discarded before something else has its turn. */
#define KFC_DISCARDS 4
/* What nobody tells is looked for so often: has the device gone, what expired? */
#define KFC_LOOK_MS 1000

/**
 * kfc_log_fail() - give the device up
 * @c: the cache, with one
 * @why: after what, for the message
 *
 * Nothing is read from it or written to it any more, until the next load, and
 * the cache goes on in memory. Context: any but hardirq; any number of times.
 */
void kfc_log_fail(struct kfc_cache *c, const char *why)
{
	struct kfc_log *l = &c->log;

	if (cmpxchg(&l->failed, false, true))
		return;
	pr_err("kfatcache: %s: failed after %s, going on in memory only\n",
	       c->dev->name, why);
	kfc_log_kick(l);
}

/* Return: the device is not there any more, and given up */
static bool check_gone(struct kfc_cache *c)
{
	if (!c->dev || !c->dev->ops->gone || !c->dev->ops->gone(c->dev))
		return false;
	kfc_log_fail(c, "its removal");
	return true;
}

/**
 * kfc_log_io_result() - note how an I/O ended
 * @c: the cache
 * @err: 0 or a negative errno
 *
 * KFC_MAX_ERRORS errors in a row, or one of a device that was taken away, make
 * it a failed one. Context: any but hardirq.
 */
void kfc_log_io_result(struct kfc_cache *c, int err)
{
	struct kfc_log *l = &c->log;

	if (!err) {
		if (atomic_read(&l->errors))
			atomic_set(&l->errors, 0);
		return;
	}
	pr_err_ratelimited("kfatcache: %s: I/O error %d\n", c->dev->name, err);
	if (check_gone(c))
		return;
	if (atomic_inc_return(&l->errors) >= KFC_MAX_ERRORS)
		kfc_log_fail(c, __stringify(KFC_MAX_ERRORS) " errors in a row");
}

static void write_done(struct kfc_io *io)
{
	struct kfc_write *w = container_of(io, struct kfc_write, io);
	struct kfc_log *l = w->log;

	/* Once @done is seen the thread may end: the wake must not come after. */
	smp_store_release(&w->done, true);
	kfc_log_kick(l);
}

static void finish_summary(struct kfc_log *l, struct kfc_slab *s,
			   struct kfc_buf *b)
{
	u32 i, n = DIV_ROUND_UP(s->nr_recs, KFC_SUM_ENTRIES);
	u64 seed = kfc_slab_seed(l, s->seq);

	for (i = 0; i < n; i++) {
		struct kfc_sum_page *sp = kfc_log_summary(l, b, i);

		sp->seq = cpu_to_le64(s->seq);
		sp->max_order = cpu_to_le64(atomic64_read(&s->max_order));
		sp->magic = cpu_to_le32(KFC_SUM_MAGIC);
		sp->count = cpu_to_le32(s->nr_recs);
		sp->nr = cpu_to_le32(i);
	}
	for (i = 0; i < l->slab_pages; i++) {
		struct kfc_page_hdr *h = page_address(b->pages[i]);

		h->sum = cpu_to_le32(kfc_page_sum(h, seed, i));
	}
}

static void make_stored(struct kfc_log *l, struct kfc_slab *s)
{
	spin_lock(&l->lock);
	s->state = KFC_SLAB_STORED;
	if (kfc_slab_copies(l, s)) {
		list_add_tail(&s->list, &l->copies);
	} else {
		list_add_tail(&s->list, &l->stored);
		list_add_tail(&s->resident, &l->resident[s->kept]);
		l->nr_stored++;
	}
	spin_unlock(&l->lock);
}

static void start_write(struct kfc_cache *c, struct kfc_write *w,
			struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);

	finish_summary(l, s, b);
	s->state = KFC_SLAB_WRITING;
	w->slab = s;
	w->log = l;
	w->done = false;
	w->io.pages = b->pages;
	w->io.nr_pages = l->slab_pages;
	w->io.page_no = l->geo.slabs_at + (u64)(s - l->slabs) * l->slab_pages;
	w->io.done = write_done;
	c->dev->ops->write(c->dev, &w->io);
}

static void finish_write(struct kfc_cache *c, struct kfc_write *w)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s = w->slab;

	w->slab = NULL;
	kfc_log_io_result(c, w->io.err);
	if (w->io.err) {
		kfc_count(c, write_errors);
		/* In memory it is as good as before, when that is all we have. */
		if (!READ_ONCE(l->failed))
			kfc_slab_empty(c, s, KFC_EVICT_DEVICE);
	} else {
		kfc_count_add(c, ext_bytes_written, l->geo.slab_bytes);
		kfc_count_add(c, ext_objects_written, s->nr_recs);
	}
	make_stored(l, s);
}

/**
 * kfc_log_writes() - go on with writing sealed slabs
 * @c: the cache
 *
 * Context: the writer thread; what takes it long calls this in between.
 * Return: whether there was something to do
 */
bool kfc_log_writes(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	bool did = false;
	int i;

	for (i = 0; i < KFC_WRITES; i++) {
		struct kfc_write *w = &l->writes[i];
		struct kfc_slab *s;

		/* Pairs with the release in write_done(). */
		if (w->slab && smp_load_acquire(&w->done)) {
			finish_write(c, w);
			did = true;
		}
		if (w->slab)
			continue;
		spin_lock(&l->lock);
		s = list_first_entry_or_null(&l->sealed, struct kfc_slab, list);
		if (s)
			list_del_init(&s->list);
		spin_unlock(&l->lock);
		if (!s)
			continue;
		if (c->dev && !READ_ONCE(l->failed) && !kfc_slab_copies(l, s))
			start_write(c, w, s);
		else
			make_stored(l, s);
		did = true;
	}
	return did;
}

static bool take_buf(struct kfc_log *l, struct kfc_slab *s)
{
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);

	if (!b)
		return false;
	rcu_assign_pointer(s->buf, NULL);
	spin_lock(&l->lock);
	l->nr_new -= !s->kept;
	spin_unlock(&l->lock);
	list_add_tail(&b->list, &l->dirty);
	return true;
}

static bool reap_orphans(struct kfc_log *l)
{
	u32 i, n = 0;

	for (i = 0; i < l->nr_orphans; i++) {
		if (page_count(l->orphans[i]) == 1)
			put_page(l->orphans[i]);
		else
			l->orphans[n++] = l->orphans[i];
	}
	if (n == l->nr_orphans)
		return false;
	WRITE_ONCE(l->nr_orphans, n);
	return true;
}

/*
 * Zero a buffer, unless it is given back; a page that a socket still holds is
 * left to it.
 */
static bool clean_buf(struct kfc_cache *c, struct kfc_buf *b, bool give)
{
	struct kfc_log *l = &c->log;
	u32 i;

	for (i = 0; i < l->slab_pages; i++) {
		struct page *old = b->pages[i], *p = NULL;

		if (old && page_count(old) == 1) {
			if (!give)
				memset(page_address(old), 0, KFC_PAGE);
			continue;
		}
		if (old && l->nr_orphans >= l->max_orphans)
			return false;
		if (!give) {
			p = alloc_page(GFP_KERNEL | __GFP_NORETRY |
				       __GFP_NOWARN | __GFP_ZERO);
			if (!p)
				return false;
		}
		b->pages[i] = p;
		if (!old)
			continue;
		l->orphans[l->nr_orphans] = old;
		WRITE_ONCE(l->nr_orphans, l->nr_orphans + 1);
		kfc_count(c, pages_replaced);
	}
	return true;
}

static bool clean_bufs(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_buf *b, *next;
	bool did = reap_orphans(l);

	list_for_each_entry_safe(b, next, &l->dirty, list) {
		bool give = l->nr_bufs > READ_ONCE(l->want_bufs);

		if (!clean_buf(c, b, give))
			break;
		did = true;
		if (give) {
			kfc_buf_remove(l, b);
			continue;
		}
		spin_lock(&l->lock);
		list_move_tail(&b->list, &l->bufs);
		spin_unlock(&l->lock);
	}
	return did;
}

/*
 * Nobody reads what lies there any more. The slab is not free yet, so nothing
 * new is written there meanwhile.
 */
static void discard_slab(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	u64 at = l->geo.slabs_at + (u64)(s - l->slabs) * l->slab_pages;
	int err = c->dev->ops->discard(c->dev, at, l->slab_pages);

	if (!err) {
		kfc_count(c, discards);
		return;
	}
	/* It works as well without, so the device is none the worse for it. */
	kfc_count(c, discard_errors);
	pr_err_ratelimited("kfatcache: %s: discard error %d\n", c->dev->name,
			   err);
}

static bool drain(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s, *next;
	bool did = false, copies;
	u32 discards = 0;

	list_for_each_entry_safe(s, next, &l->drain, list) {
		if (atomic_read(&s->pins))
			continue;
		copies = kfc_slab_copies(l, s);
		if (c->cfg.discard && !copies && !READ_ONCE(l->failed)) {
			/* Each takes time, and writes are to go on. */
			if (discards++ == KFC_DISCARDS)
				return true;
			discard_slab(c, s);
		}
		take_buf(l, s);
		spin_lock(&l->lock);
		s->state = KFC_SLAB_FREE;
		list_move_tail(&s->list, copies ? &l->copy_free : &l->free);
		l->nr_free += !copies;
		spin_unlock(&l->lock);
		did = true;
	}
	return did;
}

/**
 * kfc_slab_free() - a slab that nothing points to goes the way to a new life
 * @c: the cache
 * @s: the slab, STORED; or its slots are emptied next, before kfc_log_step()
 *	is called again
 *
 * Context: the writer thread; may sleep.
 */
void kfc_slab_free(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;

	/* What the last load had here must not come back from now on. */
	kfc_restart_lock(c);
	spin_lock(&l->lock);
	list_del_init(&s->resident);
	list_move_tail(&s->list, &l->drain);
	s->state = KFC_SLAB_DRAIN;
	l->nr_stored--;
	spin_unlock(&l->lock);
	kfc_restart_unlock(c);
	if (c->dev)
		kfc_count(c, ext_page_reclaims);
}

static bool reclaim_slab(struct kfc_cache *c, struct kfc_slab *s)
{
	if (!s)
		return false;
	if (c->dev && atomic_read(&s->live))
		kfc_count(c, ext_page_evictions);
	kfc_slab_free(c, s);
	kfc_slab_empty(c, s, KFC_EVICT_SPACE);
	c->log.in_vain++;
	return true;
}

static struct kfc_slab *oldest_stored(struct kfc_log *l)
{
	return list_first_entry_or_null(&l->stored, struct kfc_slab, list);
}

static struct kfc_slab *oldest_resident(struct kfc_log *l)
{
	struct kfc_slab *a, *b;

	a = list_first_entry_or_null(&l->resident[0], struct kfc_slab, resident);
	b = list_first_entry_or_null(&l->resident[1], struct kfc_slab, resident);
	if (!a || !b)
		return a ?: b;
	return a->seq < b->seq ? a : b;
}

/**
 * kfc_spare_buf() - take a buffer from those who can do without
 * @c: the cache
 *
 * Context: the writer thread; sleeps.
 * Return: whether one was taken; none is while others are on their way
 */
bool kfc_spare_buf(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s;

	if (!list_empty(&l->dirty) || !list_empty(&l->drain))
		return false;
	if (l->nr_copies > kfc_copies_max(l) && kfc_copies_spare(c))
		return true;
	if (!c->dev || READ_ONCE(l->failed))
		return reclaim_slab(c, kfc_tier_victim(c));
	s = oldest_resident(l);
	if (!s)
		return false;
	kfc_promote_used(c, s);
	spin_lock(&l->lock);
	list_del_init(&s->resident);
	spin_unlock(&l->lock);
	return take_buf(l, s);
}

/**
 * kfc_buf_give() - a slab gets a buffer, and is READY
 * @l: the log; there is a buffer that nobody has
 * @s: the slab, FREE
 * @to: the list that it goes to
 *
 * Context: the writer thread, under @l->lock.
 */
void kfc_buf_give(struct kfc_log *l, struct kfc_slab *s, struct list_head *to)
{
	struct kfc_buf *b = list_first_entry(&l->bufs, struct kfc_buf, list);

	list_del_init(&b->list);
	rcu_assign_pointer(s->buf, b);
	s->state = KFC_SLAB_READY;
	list_move_tail(&s->list, to);
}

static bool make_ready(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s;
	bool starved = false;

	if (list_empty(&l->free))
		return list_empty(&l->drain) &&
		       reclaim_slab(c, oldest_stored(l));
	if (list_empty(&l->bufs))
		return kfc_spare_buf(c);
	spin_lock(&l->lock);
	s = list_first_entry(&l->free, struct kfc_slab, list);
	kfc_buf_give(l, s, &l->ready);
	l->nr_free--;
	l->nr_ready++;
	if (l->nr_ready > kfc_carry_reserve(c)) {
		starved = l->starved;
		l->starved = false;
		l->in_vain = 0;
	}
	spin_unlock(&l->lock);
	if (c->dev)
		kfc_count(c, ext_page_allocs);
	if (starved && c->space)
		c->space(c);
	return true;
}

/* Towards as many buffers as are wanted, one at a time. */
static bool adjust_bufs(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 want = READ_ONCE(l->want_bufs);

	if (l->nr_bufs == want)
		return false;
	if (l->nr_bufs < want) {
		if (!kfc_buf_add(l))
			return true;
		/* The machine has no more: so that is what we have, for now. */
		spin_lock(&l->lock);
		if (l->want_bufs > l->nr_bufs) {
			kfc_pressure_note(l, l->want_bufs - l->nr_bufs);
			WRITE_ONCE(l->want_bufs, l->nr_bufs);
		}
		spin_unlock(&l->lock);
		return false;
	}
	if (list_empty(&l->bufs))
		return kfc_spare_buf(c);
	kfc_buf_remove(l, list_first_entry(&l->bufs, struct kfc_buf, list));
	return true;
}

/* One for each head, and one for what a reclaim carries forward. */
static u32 want_ready(const struct kfc_cache *c)
{
	return c->log.nr_heads + kfc_carry_reserve(c);
}

static void keep_free(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;

	/* Free slabs ahead of need, so that no set waits for a reclaim. */
	if (c->dev && !READ_ONCE(l->failed) && list_empty(&l->drain) &&
	    (kfc_rare("reclaim_early") ||
	     l->nr_free + l->nr_ready <= want_ready(c)))
		reclaim_slab(c, oldest_stored(l));
}

static bool flush_to_keep(struct kfc_cache *c)
{
	return c->dev && c->kept_from != READ_ONCE(c->valid_from) &&
	       !READ_ONCE(c->log.failed);
}

/* A flush_all is to hold after a crash, too. */
static bool keep_flush(struct kfc_cache *c)
{
	u64 from = READ_ONCE(c->valid_from);
	int err;

	if (!flush_to_keep(c))
		return false;
	err = kfc_super_store(c);
	kfc_log_io_result(c, err);
	if (err) {
		kfc_count(c, write_errors);
		return false;
	}
	WRITE_ONCE(c->kept_from, from);
	if (c->space)
		c->space(c);
	return true;
}

static void disown_work(struct work_struct *work)
{
	struct kfc_log *l = container_of(work, struct kfc_log, disown);

	if (!kfc_super_give_up(container_of(l, struct kfc_cache, log)))
		WRITE_ONCE(l->disowned, true);
}

/*
 * The next load is to know, and the device may take it some time. It may hang,
 * too: the writer has the memory to look after.
 */
static void disown(struct kfc_log *l)
{
	if (READ_ONCE(l->disowned) || time_before(jiffies, l->disown_at))
		return;
	l->disown_at = jiffies + HZ;
	queue_work(system_unbound_wq, &l->disown);
}

/* From here on the cache is one in memory. */
static void give_up(struct kfc_cache *c)
{
	c->log.swept = true;
	c->log.disown_at = jiffies;
	kfc_restart_lock(c);
	kfc_sweep_unreadable(c);
	kfc_restart_unlock(c);
	/* Nobody needs to wait for the device any more. */
	if (c->space)
		c->space(c);
}

/**
 * kfc_log_step() - do what there is to do in the background
 * @c: the cache
 *
 * Context: the writer thread alone (or a test that has none); sleeps.
 * Return: true where something was done and there may be more
 */
bool kfc_log_step(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	bool did = kfc_log_writes(c);

	check_gone(c);
	if (READ_ONCE(l->failed) && !l->swept)
		give_up(c);
	if (l->swept)
		disown(l);
	did |= keep_flush(c);
	/*
	 * Readers follow a slot to its slab, pin it, copy from its buffer and
	 * take its pages in one RCU section. Those that saw a slot that was
	 * cleared, or a buffer that was taken, are gone after this.
	 */
	if (!list_empty(&l->drain) || !list_empty(&l->dirty))
		synchronize_rcu();
	did |= drain(c);
	did |= clean_bufs(c);
	did |= kfc_pressure_ease(c);
	did |= adjust_bufs(c);
	if (l->nr_ready < want_ready(c))
		did |= make_ready(c);
	else
		keep_free(c);
	did |= kfc_copies_step(c);
	did |= kfc_expire_step(c, !did);
	return did;
}

static bool writes_out(struct kfc_log *l)
{
	int i;

	for (i = 0; i < KFC_WRITES; i++)
		if (l->writes[i].slab && !READ_ONCE(l->writes[i].done))
			return true;
	return false;
}

static int writer(void *arg)
{
	struct kfc_cache *c = arg;
	struct kfc_log *l = &c->log;

	while (!kthread_should_stop()) {
		bool wait = !list_empty(&l->drain) || !list_empty(&l->dirty) ||
			    l->nr_orphans || flush_to_keep(c);

		wait_event_idle_timeout(l->wait, READ_ONCE(l->kicked) ||
					kthread_should_stop(),
					msecs_to_jiffies(wait ? KFC_RETRY_MS :
							 l->expire.busy ?
							 KFC_EXPIRE_MS :
							 KFC_LOOK_MS));
		WRITE_ONCE(l->kicked, false);
		while (!kthread_should_stop() && kfc_log_step(c))
			cond_resched();
	}
	wait_event_idle(l->wait, !writes_out(l));
	return 0;
}

/**
 * kfc_log_start() - make slabs ready and start the writer thread
 * @c: the cache
 *
 * Context: may sleep. Return: 0 or a negative errno
 */
int kfc_log_start(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct task_struct *t;

	INIT_WORK(&l->disown, disown_work);
	if (c->cfg.discard && (!c->dev->ops->discard ||
			       c->dev->ops->discard(c->dev, 0, 0))) {
		pr_notice("kfatcache: discard=1: %s cannot discard, so nothing is\n",
			  c->dev->name);
		c->cfg.discard = 0;
	}
	while (kfc_log_step(c))
		;
	t = kthread_run(writer, c, "kfatcache-log");
	if (IS_ERR(t)) {
		flush_work(&l->disown);
		return PTR_ERR(t);
	}
	l->task = t;
	return 0;
}

/**
 * kfc_log_stop() - end the writer thread
 * @c: the cache; nobody reserves or reads any more
 *
 * Waits for the writes that are under way. Context: sleeps.
 */
void kfc_log_stop(struct kfc_cache *c)
{
	if (c->log.task)
		kthread_stop(c->log.task);
	c->log.task = NULL;
	flush_work(&c->log.disown);
}

static void seal_heads(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 i;

	for (i = 0; i < kfc_log_heads(l); i++) {
		struct kfc_head *h = &l->heads[i];
		struct kfc_slab *s;

		spin_lock(&h->lock);
		s = h->slab;
		h->slab = NULL;
		spin_unlock(&h->lock);
		if (s)
			kfc_slab_put_hold(c, s);
	}
}

/**
 * kfc_log_settle() - write all that is not on the device yet
 * @c: the cache, with a device; nobody reserves any more and the writer thread
 *	has ended
 *
 * Context: sleeps on the device.
 */
void kfc_log_settle(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;

	seal_heads(c);
	for (;;) {
		WRITE_ONCE(l->kicked, false);
		if (kfc_log_writes(c))
			continue;
		if (!writes_out(l))
			return;
		wait_event_idle(l->wait, READ_ONCE(l->kicked));
	}
}

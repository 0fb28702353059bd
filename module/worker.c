// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The threads that own connections.
 *
 * Other contexts only push to a worker's two lock-free lists (connections that
 * something happened to, events of operations) and wake it. Everything else is
 * the thread's own and takes no lock.
 *
 * A pass: events first, then the connections that were pushed, then some of
 * those that are ready, each with a budget. So neither a busy connection nor
 * many of them keep a finished read from its client.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "blockdev.h"
#include "conn.h"
#include "kfc.h"
#include "udp.h"
#include "worker.h"

/* Connections that get a turn in one pass. */
#define KFC_PASS_TURNS	16

#define KFC_RETRY_MS	10
#define KFC_FLY_MS	50
#define KFC_SHED_MS	100

/**
 * kfc_worker_wake() - have a worker look at its lists
 * @w: the worker
 *
 * Context: any, hardirq included. The caller keeps @w from going.
 */
void kfc_worker_wake(struct kfc_worker *w)
{
	wake_up_process(w->task);
}

/**
 * kfc_worker_post() - struct kfc_client's post
 * @cl: a client with operations in flight
 * @ev: what its owner is to do
 *
 * Context: any, hardirq included.
 */
void kfc_worker_post(struct kfc_client *cl, struct kfc_event *ev)
{
	struct kfc_conn *c = container_of(cl, struct kfc_conn, client);
	struct kfc_worker *w;

	/* The event may be the last that keeps the worker: see kfc_net_stop() */
	rcu_read_lock();
	w = c->worker;
	if (llist_add(&ev->node, &w->events))
		kfc_worker_wake(w);
	rcu_read_unlock();
}

static void kfc_worker_refill(struct work_struct *work)
{
	struct kfc_worker *w = container_of(work, struct kfc_worker, refill);
	unsigned int i;
	u8 *buf;

	for (i = 0; i < KFC_SPARES; i++) {
		if (READ_ONCE(w->spare[i]))
			continue;
		buf = kmalloc(KFC_RBUF, GFP_KERNEL);
		if (buf && cmpxchg(&w->spare[i], NULL, buf))
			kfree(buf);
	}
}

/**
 * kfc_worker_rbuf() - memory for bytes that are not parsed yet
 * @w: the worker
 * @size: how much, KFC_RBUF at most
 * @cap: how much was taken
 *
 * Context: the worker. Does not sleep.
 * Return: memory for kfree(), or NULL.
 */
u8 *kfc_worker_rbuf(struct kfc_worker *w, u32 size, u32 *cap)
{
	unsigned int i;
	u8 *buf;

	/* All of what the allocator gives: it is not asked for afterwards. */
	size = kmalloc_size_roundup(size);
	buf = kmalloc(size, GFP_NOWAIT | __GFP_NOWARN);
	if (buf) {
		*cap = size;
		return buf;
	}
	for (i = 0; i < KFC_SPARES; i++) {
		buf = xchg(&w->spare[i], NULL);
		if (!buf)
			continue;
		*cap = KFC_RBUF;
		queue_work(w->net->wq, &w->refill);
		return buf;
	}
	return NULL;
}

/* Closed, and nobody refers to it any more. */
static void kfc_worker_reap(struct kfc_worker *w, struct kfc_conn *c)
{
	if (c->client.inflight || test_bit(KFC_CONN_SCHEDULED, &c->flags))
		return;
	list_del(&c->fly);
	list_del(&c->all);
	kfc_conn_free(c);
}

/* Up to @nr connections that starve, the longest first, get a turn, by @to. */
static void kfc_worker_unstarve(struct kfc_worker *w, unsigned int nr,
				struct list_head *to)
{
	struct kfc_conn *c, *next;

	list_for_each_entry_safe(c, next, &w->starved, run) {
		if (!nr--)
			break;
		c->starved = false;
		list_move_tail(&c->run, to);
	}
	WRITE_ONCE(w->starving, !list_empty(&w->starved));
}

static void kfc_worker_close(struct kfc_worker *w, struct kfc_conn *c)
{
	list_del_init(&c->run);
	WRITE_ONCE(w->starving, !list_empty(&w->starved));
	kfc_conn_close(c);
	list_move_tail(&c->all, &w->zombies);
	kfc_worker_reap(w, c);
}

/* Keep w->fly true after anything that may have begun or ended operations. */
static void kfc_worker_fly(struct kfc_worker *w, struct kfc_conn *c)
{
	if (!c->client.inflight)
		list_del_init(&c->fly);
	else if (list_empty(&c->fly))
		list_add_tail(&c->fly, &w->fly);
}

static void kfc_worker_ready(struct kfc_worker *w, struct kfc_conn *c)
{
	if (list_empty(&c->run))
		list_add_tail(&c->run, &w->ready);
}

static void kfc_worker_turn(struct kfc_worker *w, struct kfc_conn *c)
{
	list_del_init(&c->run);
	switch (kfc_conn_turn(c)) {
	case KFC_TURN_REST:
		break;
	case KFC_TURN_AGAIN:
		kfc_count(w->net->cache, conn_yields);
		list_add_tail(&c->run, &w->ready);
		break;
	case KFC_TURN_STARVED:
		if (list_empty(&w->starved))
			w->retry_at = jiffies + msecs_to_jiffies(KFC_RETRY_MS);
		c->starved = true;
		list_add_tail(&c->run, &w->starved);
		WRITE_ONCE(w->starving, true);
		break;
	case KFC_TURN_CLOSE:
		kfc_worker_fly(w, c);
		kfc_worker_close(w, c);
		return;
	}
	kfc_worker_fly(w, c);
}

/* What operations have to say; their connections go on. */
static void kfc_worker_events(struct kfc_worker *w)
{
	struct llist_node *list = llist_del_all(&w->events);
	struct kfc_event *ev, *next;
	LIST_HEAD(first);
	unsigned int nr = 0;
	struct kfc_conn *c;

	if (!list)
		return;
	list = llist_reverse_order(list);
	/*
	 * What ended made room for as many others. They come before whoever had
	 * it and before those who came later, and would lose their place.
	 */
	llist_for_each_entry(ev, list, node)
		nr++;
	kfc_worker_unstarve(w, nr, &first);
	list_splice(&first, &w->ready);
	llist_for_each_entry_safe(ev, next, list, node) {
		c = container_of(ev->client, struct kfc_conn, client);
		ev->fn(ev);
		kfc_worker_fly(w, c);
		if (c->state == KFC_CONN_CLOSED) {
			kfc_worker_reap(w, c);
			continue;
		}
		/* It may have starved for want of its own reads' places. */
		if (c->starved) {
			c->starved = false;
			list_del_init(&c->run);
		}
		kfc_worker_ready(w, c);
	}
}

/* Connections that were pushed. Those that starve keep waiting. */
static void kfc_worker_sched(struct kfc_worker *w)
{
	struct llist_node *list = llist_del_all(&w->sched);
	struct kfc_conn *c, *next;

	if (!list)
		return;
	list = llist_reverse_order(list);
	llist_for_each_entry_safe(c, next, list, sched) {
		clear_bit(KFC_CONN_SCHEDULED, &c->flags);
		/* Before its socket is looked at: see kfc_conn_schedule(). */
		smp_mb__after_atomic();
		c->drained = false;
		if (list_empty(&c->all))
			list_add_tail(&c->all, &w->conns);
		if (c->state == KFC_CONN_CLOSED)
			kfc_worker_reap(w, c);
		else if (w->stopping)
			kfc_worker_close(w, c);
		else
			kfc_worker_ready(w, c);
	}
}

/* Once a second: what may be closed, and what may have been forgotten. */
static void kfc_worker_tick(struct kfc_worker *w)
{
	struct kfc_conn *c, *next;

	list_for_each_entry_safe(c, next, &w->conns, all) {
		switch (kfc_conn_tick(c)) {
		case KFC_TURN_CLOSE:
			kfc_worker_close(w, c);
			break;
		case KFC_TURN_AGAIN:
			kfc_worker_ready(w, c);
			break;
		default:
			break;
		}
		cond_resched();
	}
	/* io_depth may have been lowered, or nobody be left to read. */
	kfc_pages_trim(&w->kept, list_empty(&w->conns) ? 0 :
		       kfc_pages_max(&w->net->cache->cfg));
	/* max_conns may have been raised. */
	if (!READ_ONCE(w->net->accepting))
		kfc_listener_kick(w->net);
}

static void kfc_worker_fly_tick(struct kfc_worker *w)
{
	struct kfc_conn *c, *next;

	list_for_each_entry_safe(c, next, &w->fly, fly) {
		kfc_cmd_tick(&c->client);
		kfc_worker_fly(w, c);
		if (c->state == KFC_CONN_CLOSED)
			kfc_worker_reap(w, c);
		else
			kfc_worker_ready(w, c);
	}
}

/* What was read for those who take nothing is let go if others want to read. */
static void kfc_worker_dry(struct kfc_worker *w)
{
	struct kfc_conn *c;

	list_for_each_entry(c, &w->conns, all)
		if (c->blocked)
			kfc_stream_blocked(&c->client);
}

static bool kfc_worker_due(unsigned long *at, unsigned int ms)
{
	if (time_before(jiffies, *at))
		return false;
	*at = jiffies + msecs_to_jiffies(ms);
	return true;
}

static void kfc_worker_timers(struct kfc_worker *w)
{
	if (!list_empty(&w->starved) &&
	    (test_and_clear_bit(KFC_WORKER_RETRY, &w->flags) ||
	     kfc_worker_due(&w->retry_at, KFC_RETRY_MS)))
		kfc_worker_unstarve(w, UINT_MAX, &w->ready);
	if (!list_empty(&w->fly) && kfc_worker_due(&w->fly_at, KFC_FLY_MS))
		kfc_worker_fly_tick(w);
	if (w->nr_upwaits && kfc_worker_due(&w->shed_at, KFC_SHED_MS))
		kfc_upload_shed(w->net);
	if (kfc_stream_tight(w->net->cache) &&
	    kfc_worker_due(&w->dry_at, KFC_SHED_MS))
		kfc_worker_dry(w);
	if ((!list_empty(&w->conns) || w->kept.nr) &&
	    kfc_worker_due(&w->tick_at, MSEC_PER_SEC))
		kfc_worker_tick(w);
}

static bool kfc_worker_idle(struct kfc_worker *w)
{
	return llist_empty(&w->events) && llist_empty(&w->sched) &&
	       list_empty(&w->ready) && !kfc_udp_worker_pending(w) &&
	       (list_empty(&w->starved) ||
		!test_bit(KFC_WORKER_RETRY, &w->flags));
}

/* How long its connections let it sleep. */
static long kfc_worker_conns_nap(struct kfc_worker *w)
{
	if (!list_empty(&w->starved))
		return msecs_to_jiffies(KFC_RETRY_MS);
	if (!list_empty(&w->fly))
		return msecs_to_jiffies(KFC_FLY_MS);
	if (w->nr_upwaits ||
	    (!list_empty(&w->conns) && kfc_stream_tight(w->net->cache)))
		return msecs_to_jiffies(KFC_SHED_MS);
	if (!list_empty(&w->conns) || w->kept.nr)
		return HZ;
	return MAX_SCHEDULE_TIMEOUT;
}

static void kfc_worker_close_all(struct kfc_worker *w)
{
	struct kfc_conn *c, *next;

	w->stopping = true;
	kfc_udp_worker_drop(w);
	list_for_each_entry_safe(c, next, &w->conns, all)
		kfc_worker_close(w, c);
}

/* The reads of some turns are submitted together. */
static void kfc_worker_turns(struct kfc_worker *w)
{
	struct kfc_cache *cache = w->net->cache;
	struct blk_plug plug;
	struct kfc_conn *c;
	bool gathered;
	unsigned int n;

	gathered = kfc_blockdevs_gather(cache->devs, cache->nr_devs, &plug);
	kfc_udp_worker_turn(w);
	for (n = 0; n < KFC_PASS_TURNS; n++) {
		c = list_first_entry_or_null(&w->ready, struct kfc_conn, run);
		if (!c)
			break;
		kfc_worker_turn(w, c);
		/* What was gathered does not wait for whoever wants the CPU. */
		if (need_resched())
			break;
	}
	if (gathered)
		kfc_blockdevs_let_go(&plug);
}

static int kfc_worker_main(void *arg)
{
	struct kfc_worker *w = arg;

	complete(&w->up);
	for (;;) {
		kfc_worker_events(w);
		kfc_worker_sched(w);
		kfc_worker_timers(w);
		kfc_worker_turns(w);
		if (kthread_should_stop() && !w->stopping)
			kfc_worker_close_all(w);
		if (w->stopping && list_empty(&w->zombies) &&
		    llist_empty(&w->sched) && !kfc_udp_worker_busy(w))
			return 0;
		/* Who never sleeps holds up who waits for all tasks to have. */
		cond_resched_tasks_rcu_qs();

		set_current_state(TASK_IDLE);
		if (kfc_worker_idle(w) &&
		    (w->stopping || !kthread_should_stop()))
			schedule_timeout(min(kfc_worker_conns_nap(w),
					     kfc_udp_worker_nap(w)));
		__set_current_state(TASK_RUNNING);
	}
}

/**
 * kfc_worker_start() - a worker and its thread
 * @net: whose
 * @nr: its number
 * @cpu: where it is to run
 *
 * Context: may sleep.
 * Return: the worker or an ERR_PTR().
 */
struct kfc_worker *kfc_worker_start(struct kfc_net *net, unsigned int nr,
				    int cpu)
{
	int node = cpu_to_node(cpu);
	struct kfc_worker *w;
	int ret = -ENOMEM;

	w = kzalloc_node(sizeof(*w), GFP_KERNEL, node);
	if (!w)
		return ERR_PTR(-ENOMEM);
	w->net = net;
	w->cpu = cpu;
	init_llist_head(&w->sched);
	init_llist_head(&w->events);
	INIT_LIST_HEAD(&w->conns);
	INIT_LIST_HEAD(&w->zombies);
	INIT_LIST_HEAD(&w->ready);
	INIT_LIST_HEAD(&w->starved);
	INIT_LIST_HEAD(&w->fly);
	INIT_WORK(&w->refill, kfc_worker_refill);
	init_completion(&w->up);
	w->scratch = kmalloc_node(KFC_RBUF, GFP_KERNEL, node);
	if (!w->scratch || kfc_out_pool_init(&w->pool, node) ||
	    kfc_udp_worker_init(w))
		goto err;
	kfc_worker_refill(&w->refill);

	w->task = kthread_create_on_node(kfc_worker_main, w, node,
					 KBUILD_MODNAME "/%u", nr);
	if (IS_ERR(w->task)) {
		ret = PTR_ERR(w->task);
		w->task = NULL;
		goto err;
	}
	get_task_struct(w->task);
	/* It may have gone offline: then the thread runs anywhere. */
	if (set_cpus_allowed_ptr(w->task, cpumask_of(cpu)))
		pr_debug("worker %u is not on CPU %d\n", nr, cpu);
	wake_up_process(w->task);
	/* A thread that is stopped first never runs, nor closes what it was given. */
	wait_for_completion(&w->up);
	return w;
err:
	kfc_worker_free(w);
	return ERR_PTR(ret);
}

/**
 * kfc_worker_stop() - close a worker's connections and end its thread
 * @w: the worker; no new connections come
 *
 * Waits for the operations of its connections.
 *
 * Context: may sleep.
 */
void kfc_worker_stop(struct kfc_worker *w)
{
	kthread_stop(w->task);
	cancel_work_sync(&w->refill);
}

/**
 * kfc_worker_free() - a stopped worker's memory
 * @w: the worker, whose last event was posted a grace period ago
 *
 * Context: may sleep.
 */
void kfc_worker_free(struct kfc_worker *w)
{
	unsigned int i;

	if (w->task)
		put_task_struct(w->task);
	kfc_udp_worker_exit(w);
	kfc_out_pool_exit(&w->pool);
	kfc_pages_trim(&w->kept, 0);
	for (i = 0; i < KFC_SPARES; i++)
		kfree(w->spare[i]);
	kfree(w->scratch);
	kfree(w);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A reboot, a poweroff or a kexec is an unload, so that a kernel update does
 * not empty the cache. A device that hangs holds it up for KFC_REBOOT_SECONDS.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "kfc.h"
#include "reboot.h"

#define KFC_REBOOT_SECONDS 10

/**
 * struct kfc_reboot - what is to happen when the machine goes down
 * @nb: who tells us
 * @work: unloads
 * @done: it has
 * @c: the cache
 * @stop: ends it
 * @down: @work was queued; the notifier's chain is its lock
 */
struct kfc_reboot {
	struct notifier_block nb;
	struct work_struct work;
	struct completion done;
	struct kfc_cache *c;
	void (*stop)(struct kfc_cache *c);
	bool down;
};

static void kfc_reboot_work(struct work_struct *work)
{
	struct kfc_reboot *rb = container_of(work, struct kfc_reboot, work);

	rb->stop(rb->c);
	complete_all(&rb->done);
}

static int kfc_reboot_notify(struct notifier_block *nb, unsigned long event,
			     void *arg)
{
	struct kfc_reboot *rb = container_of(nb, struct kfc_reboot, nb);

	if (!rb->down) {
		rb->down = true;
		queue_work(system_unbound_wq, &rb->work);
	}
	if (!wait_for_completion_timeout(&rb->done, KFC_REBOOT_SECONDS * HZ))
		pr_warn("not unloaded within %d s, going down all the same: the next load starts empty\n",
			KFC_REBOOT_SECONDS);
	return NOTIFY_DONE;
}

/**
 * kfc_reboot_init() - unload when the machine goes down
 * @c: the cache, serving
 * @stop: unloads it, may sleep
 *
 * Context: a process. Return: 0 or a negative errno with nothing left behind
 */
int kfc_reboot_init(struct kfc_cache *c, void (*stop)(struct kfc_cache *c))
{
	struct kfc_reboot *rb = kzalloc(sizeof(*rb), GFP_KERNEL);
	int err;

	if (!rb)
		return -ENOMEM;
	rb->c = c;
	rb->stop = stop;
	rb->nb.notifier_call = kfc_reboot_notify;
	/* Early: others may take devices and networks away. */
	rb->nb.priority = INT_MAX;
	INIT_WORK(&rb->work, kfc_reboot_work);
	init_completion(&rb->done);
	err = register_reboot_notifier(&rb->nb);
	if (err) {
		kfree(rb);
		return err;
	}
	c->reboot = rb;
	return 0;
}

/**
 * kfc_reboot_exit() - the opposite
 * @c: the cache
 *
 * Context: a process; sleeps.
 * Return: true where the cache was unloaded already
 */
bool kfc_reboot_exit(struct kfc_cache *c)
{
	struct kfc_reboot *rb = c->reboot;
	bool down;

	unregister_reboot_notifier(&rb->nb);
	down = rb->down;
	flush_work(&rb->work);
	kfree(rb);
	c->reboot = NULL;
	return down;
}

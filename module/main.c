// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * kfatcache: memcached on SSD inside the kernel. Load order and nothing else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "authfile.h"
#include "blockdev.h"
#include "bound.h"
#include "clock.h"
#include "command.h"
#include "kfc.h"
#include "net.h"
#include "proc.h"
#include "reboot.h"
#include "shrinker.h"
#include "version.h"

static struct kfc_cache *kfc;

/* What else went wrong has been said where it did. */
static int kfc_failed(int err)
{
	if (err == -ENOMEM)
		pr_err("an allocation failed at load; lower memory_mb or index_mb\n");
	return err;
}

/* Set by kfc_fits(), which has said why. */
static bool kfc_too_large;

static int kfc_fits(struct kfc_cache *c)
{
	int err = kfc_bound_check(c);

	kfc_too_large = err;
	return err;
}

static int kfc_open_devices(struct kfc_cache *c)
{
	if (!c->cfg.device)
		return 0;
	return kfc_blockdevs_open(c->cfg.device, c->devs, &c->nr_devs);
}

static void kfc_stop(struct kfc_cache *c)
{
	kfc_shrinker_stop(c);
	kfc_params_live(NULL);
	kfc_proc_exit(c);
	kfc_net_stop(c);
	kfc_cmd_exit(c);
	kfc_cache_exit(c);
	kfc_blockdevs_close(c->devs, &c->nr_devs);
	kfc_authfile_stop(c);
	kfc_params_free(&c->cfg);
}

static int kfc_start(struct kfc_cache *c)
{
	int err;

	kfc_clock_init(c);
	c->space = kfc_net_wake;
	c->fits = kfc_fits;
	err = kfc_params_load(&c->cfg);
	if (err)
		return err;
	err = kfc_authfile_start(c);
	if (err)
		goto params;
	err = kfc_failed(kfc_open_devices(c));
	if (err)
		goto auth;
	err = kfc_params_devices(&c->cfg, c->nr_devs,
				 kfc_cache_pages(c) << KFC_PAGE_SHIFT) ?:
	      kfc_bound_check(c);
	if (err)
		goto device;
	err = kfc_cache_init(c);
	if (!kfc_too_large)
		kfc_failed(err);
	if (err)
		goto device;
	err = kfc_failed(kfc_cmd_init(c));
	if (err)
		goto cache;
	err = kfc_net_start(c);
	if (err)
		goto cmd;
	err = kfc_failed(kfc_proc_init(c));
	if (err)
		goto net;
	kfc_params_live(c);
	err = kfc_failed(kfc_shrinker_start(c));
	if (err)
		goto live;
	kfc_stats_announce(c);
	/* Last: from here on a reboot may end it at any moment. */
	err = kfc_failed(kfc_reboot_init(c, kfc_stop));
	if (err)
		goto shrinker;
	return 0;
shrinker:
	kfc_shrinker_stop(c);
live:
	kfc_params_live(NULL);
	kfc_proc_exit(c);
net:
	kfc_net_stop(c);
cmd:
	kfc_cmd_exit(c);
cache:
	kfc_cache_exit(c);
device:
	kfc_blockdevs_close(c->devs, &c->nr_devs);
auth:
	kfc_authfile_stop(c);
params:
	kfc_params_free(&c->cfg);
	return err;
}

static void kfc_free(struct kfc_cache *c)
{
	if (c)
		free_percpu(c->counters);
	kvfree(c);
}

static int __init kfc_module_init(void)
{
	int err = -ENOMEM;

	kfc = kvzalloc(sizeof(*kfc), GFP_KERNEL);
	if (kfc)
		kfc->counters = alloc_percpu(struct kfc_counters);
	if (kfc && kfc->counters)
		err = kfc_start(kfc);
	if (err)
		kfc_free(kfc);
	return err;
}

static void __exit kfc_module_exit(void)
{
	if (!kfc_reboot_exit(kfc))
		kfc_stop(kfc);
	kfc_free(kfc);
}

module_init(kfc_module_init);
module_exit(kfc_module_exit);

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("memcached on SSD, served from inside the kernel");
MODULE_AUTHOR("kfatcache developers");
MODULE_VERSION(KFC_VERSION);

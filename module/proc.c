// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * /proc/kfatcache: what `stats` and `stats settings` tell, without a client.
 */
#include <linux/errno.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "kfc.h"
#include "proc.h"

#define KFC_PROC_DIR "kfatcache"

static bool kfc_proc_line(struct kfc_emit *e, const char *name,
			  const char *value)
{
	seq_printf(e->arg, "%s %s\n", name, value);
	return true;
}

static int kfc_proc_stats(struct seq_file *m, void *v)
{
	struct kfc_emit e = { .line = kfc_proc_line, .arg = m };

	kfc_stats_print(m->private, &e);
	return 0;
}

static int kfc_proc_settings(struct seq_file *m, void *v)
{
	struct kfc_emit e = { .line = kfc_proc_line, .arg = m };

	kfc_stats_settings(m->private, &e);
	return 0;
}

/**
 * kfc_proc_init() - make /proc/kfatcache
 * @c: the cache, serving
 *
 * Context: a process; sleeps.
 * Return: 0 or -ENOMEM with nothing left behind.
 */
int kfc_proc_init(struct kfc_cache *c)
{
	struct proc_dir_entry *dir = proc_mkdir(KFC_PROC_DIR, NULL);

	if (!dir)
		return -ENOMEM;
	if (proc_create_single_data("stats", 0444, dir, kfc_proc_stats, c) &&
	    proc_create_single_data("settings", 0444, dir, kfc_proc_settings,
				    c))
		return 0;
	kfc_proc_exit(c);
	return -ENOMEM;
}

/**
 * kfc_proc_exit() - remove /proc/kfatcache
 * @c: the cache
 *
 * Waits for its readers. Context: a process; sleeps.
 */
void kfc_proc_exit(struct kfc_cache *c)
{
	remove_proc_subtree(KFC_PROC_DIR, NULL);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The parameter auth_file= and the file that it names: read at load, and again
 * at each write to the parameter.
 *
 * Messages have the path in them and never anything of the file; a parameter
 * that is no path may be a password by mistake and is not repeated either.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "auth.h"
#include "authfile.h"
#include "kfc.h"

/* Its lines with CRLF; more is no such file. */
#define KFC_AUTHFILE_MAX (KFC_USERS * (KFC_USER_LINE + 2))

/* The parameter; kernel_param_lock(). */
static char *kfc_authfile_path;
/* The loaded cache; kernel_param_lock(). */
static struct kfc_cache *kfc_authfile_cache;

static int kfc_authfile_failed(const char *path, int err, u32 line)
{
	if (err == -EFBIG)
		pr_err("auth_file=%s: too large; allowed are up to %d lines of up to %d bytes\n",
		       path, KFC_USERS, KFC_USER_LINE);
	else if (err == -EINVAL && line)
		pr_err("auth_file=%s: line %u is not user:password, of up to %d bytes\n",
		       path, line, KFC_USER_LINE);
	else if (err == -EINVAL)
		pr_err("auth_file=%s: not a file with user:password lines\n",
		       path);
	else
		pr_err("auth_file=%s: can't be read: error %d\n", path, err);
	return err;
}

/*
 * Reading a parameter takes the lock that is held here: files of sysfs, which
 * say that they are a page long, must not be read.
 */
static_assert(KFC_AUTHFILE_MAX < PAGE_SIZE);

static ssize_t kfc_authfile_read(struct file *f, void *text)
{
	struct inode *inode = file_inode(f);
	loff_t size = i_size_read(inode);
	loff_t pos = 0;
	ssize_t n;

	if (!S_ISREG(inode->i_mode) || size <= 0)
		return -EINVAL;
	if (size > KFC_AUTHFILE_MAX)
		return -EFBIG;
	n = kernel_read(f, text, size, &pos);
	return n < 0 || n == size ? n : -EIO;
}

static int kfc_authfile_load(struct kfc_cache *c, const char *path)
{
	struct kfc_users *u;
	struct file *f;
	u32 line = 0;
	void *text;
	ssize_t n;

	if (path[0] != '/') {
		pr_err("auth_file=: not the whole path of a file, from / on\n");
		return -EINVAL;
	}
	/* That it does not wait is for those that are no files. */
	f = filp_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (IS_ERR(f))
		return kfc_authfile_failed(path, PTR_ERR(f), 0);
	text = kmalloc(KFC_AUTHFILE_MAX, GFP_KERNEL);
	n = text ? kfc_authfile_read(f, text) : -ENOMEM;
	fput(f);
	u = n < 0 ? ERR_PTR(n) : kfc_users_parse(text, n, &line);
	kfree_sensitive(text);
	if (IS_ERR(u))
		return kfc_authfile_failed(path, PTR_ERR(u), line);
	kfc_users_replace(c, u);
	return 0;
}

static int kfc_authfile_again(struct kfc_cache *c, const char *path)
{
	int err;

	if (!kfc_auth_required(c)) {
		pr_err("auth_file=: was not given at load: nobody has to authenticate\n");
		return -EOPNOTSUPP;
	}
	err = kfc_authfile_load(c, path);
	if (!err)
		pr_info("auth_file=%s: read again\n", path);
	return err;
}

static int kfc_authfile_set(const char *val, const struct kernel_param *kp)
{
	char *path = kstrdup(val, GFP_KERNEL);
	size_t len;
	int err = 0;

	if (!path)
		return -ENOMEM;
	len = strlen(path);
	if (len && path[len - 1] == '\n')
		path[len - 1] = 0;
	if (kfc_authfile_cache)
		err = kfc_authfile_again(kfc_authfile_cache, path);
	if (!err)
		swap(path, kfc_authfile_path);
	kfree(path);
	return err;
}

static int kfc_authfile_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", kfc_authfile_path ?: "");
}

static void kfc_authfile_free(void *arg)
{
	kfree(kfc_authfile_path);
	kfc_authfile_path = NULL;
}

static const struct kernel_param_ops kfc_authfile_ops = {
	.set = kfc_authfile_set,
	.get = kfc_authfile_get,
	.free = kfc_authfile_free,
};

module_param_cb(auth_file, &kfc_authfile_ops, NULL, 0644);
__MODULE_PARM_TYPE(auth_file, "charp");
MODULE_PARM_DESC(auth_file, "File of user:password lines: clients have to authenticate; a write reads it again (default: nobody has to)");

/**
 * kfc_authfile_start() - read the users, where there is a file of them
 * @c: the cache; it has no clients yet
 *
 * From now on writes to the parameter are obeyed, too.
 *
 * Context: a process, whose rights to the file count; sleeps.
 * Return: 0; or an errno with a line and nothing left behind
 */
int kfc_authfile_start(struct kfc_cache *c)
{
	int err = 0;

	kernel_param_lock(THIS_MODULE);
	if (kfc_authfile_path && c->cfg.udp_port) {
		pr_err("udp_port=%u: nobody can authenticate over UDP: not together with auth_file=\n",
		       c->cfg.udp_port);
		err = -EINVAL;
	} else if (kfc_authfile_path) {
		err = kfc_authfile_load(c, kfc_authfile_path);
	}
	if (!err)
		kfc_authfile_cache = c;
	kernel_param_unlock(THIS_MODULE);
	return err;
}

/**
 * kfc_authfile_stop() - forget the users
 * @c: the cache; it has no clients any more
 *
 * Context: a process; sleeps.
 */
void kfc_authfile_stop(struct kfc_cache *c)
{
	kernel_param_lock(THIS_MODULE);
	kfc_authfile_cache = NULL;
	kernel_param_unlock(THIS_MODULE);
	kfc_users_replace(c, NULL);
}

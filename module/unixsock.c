// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The file of a UNIX socket: made, taken over from one that has died, removed.
 *
 * A file is removed by its dentry, never by its name: rmmod may come from
 * another mount namespace, and the name may be another file's by then.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/un.h>
#include <net/af_unix.h>
#include <net/sock.h>

#include "compat.h"
#include "unixsock.h"

static const char *kfc_unix_name(const struct sockaddr_storage *addr)
{
	return ((const struct sockaddr_un *)addr)->sun_path;
}

static int kfc_unix_len(const struct sockaddr_storage *addr)
{
	return offsetof(struct sockaddr_un, sun_path) +
	       strlen(kfc_unix_name(addr));
}

/* Remove a file, if it still is where it was found. */
static int kfc_unix_remove(const struct path *path)
{
	struct dentry *dir = dget_parent(path->dentry);
	int ret;

	ret = mnt_want_write(path->mnt);
	if (ret)
		goto out;
	inode_lock_nested(d_inode(dir), I_MUTEX_PARENT);
	if (path->dentry->d_parent == dir && !d_unhashed(path->dentry))
		ret = vfs_unlink(kfc_mnt_idmap(path->mnt), d_inode(dir),
				 path->dentry, NULL);
	inode_unlock(d_inode(dir));
	mnt_drop_write(path->mnt);
out:
	dput(dir);
	return ret;
}

/* The file was made with the caller's umask: give it what that took away. */
static int kfc_unix_chmod(const struct path *path, umode_t mode)
{
	struct inode *inode = d_inode(path->dentry);
	struct iattr attr = { .ia_valid = ATTR_MODE | ATTR_CTIME };
	int ret;

	if ((inode->i_mode & 0777) == mode)
		return 0;
	ret = mnt_want_write(path->mnt);
	if (ret)
		return ret;
	inode_lock(inode);
	attr.ia_mode = (inode->i_mode & ~0777) | mode;
	ret = notify_change(kfc_mnt_idmap(path->mnt), path->dentry, &attr,
			    NULL);
	inode_unlock(inode);
	mnt_drop_write(path->mnt);
	return ret;
}

/* Whether anybody listens: 0, -ECONNREFUSED for nobody, or what else is wrong. */
static int kfc_unix_knock(struct sockaddr_storage *addr)
{
	struct socket *sock;
	int ret;

	ret = sock_create_kern(current->nsproxy->net_ns, AF_UNIX, SOCK_STREAM,
			       0, &sock);
	if (ret)
		return ret;
	ret = kernel_connect(sock, (struct sockaddr *)addr, kfc_unix_len(addr),
			     O_NONBLOCK);
	sock_release(sock);
	/* A full backlog, or a socket of another type: somebody is there. */
	return ret == -EAGAIN || ret == -EPROTOTYPE ? 0 : ret;
}

static const char *kfc_unix_kind(umode_t mode)
{
	if (S_ISREG(mode))
		return "a file";
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISLNK(mode))
		return "a symbolic link";
	return "no socket";
}

/* What has the name: remove it where it is a socket that nobody listens on. */
static int kfc_unix_replace(struct sockaddr_storage *addr)
{
	const char *name = kfc_unix_name(addr);
	struct path path;
	umode_t mode;
	int ret;

	ret = kern_path(name, 0, &path);
	if (ret)	/* It went by itself. */
		return ret == -ENOENT ? 0 : ret;
	mode = d_inode(path.dentry)->i_mode;
	if (!S_ISSOCK(mode)) {
		pr_err("unix=%s: %s is there; only a socket that nobody listens on is replaced\n",
		       name, kfc_unix_kind(mode));
		ret = -ENOTSOCK;
		goto out;
	}
	ret = kfc_unix_knock(addr);
	if (ret == -ECONNREFUSED) {
		ret = kfc_unix_remove(&path);
		if (ret)
			pr_err("unix=%s: cannot remove the socket that nobody listens on (%d)\n",
			       name, ret);
	} else if (ret) {
		pr_err("unix=%s: cannot find out whether anybody listens there (%d)\n",
		       name, ret);
	} else {
		pr_err("unix=%s: somebody listens there\n", name);
		ret = -EADDRINUSE;
	}
out:
	path_put(&path);
	return ret;
}

/**
 * kfc_unix_bind() - give a UNIX socket its file
 * @sock: the socket
 * @addr: a struct sockaddr_un with an absolute path
 * @mode: of the file, to the bit, whatever the caller's umask
 *
 * The file is never wider open than @mode. A socket of that name that nobody
 * listens on is replaced.
 *
 * Context: a process; sleeps.
 * Return: 0, or an errno after a line in the log with no file left behind.
 */
int kfc_unix_bind(struct socket *sock, struct sockaddr_storage *addr,
		  umode_t mode)
{
	int ret;

	SOCK_INODE(sock)->i_mode = S_IFSOCK | mode;
	ret = kernel_bind(sock, (struct sockaddr *)addr, kfc_unix_len(addr));
	if (ret == -EADDRINUSE) {
		ret = kfc_unix_replace(addr);
		if (ret)
			return ret;
		ret = kernel_bind(sock, (struct sockaddr *)addr,
				  kfc_unix_len(addr));
	}
	if (ret == -ENOENT)
		pr_err("unix=%s: no such folder\n", kfc_unix_name(addr));
	else if (ret)
		pr_err("unix=%s: cannot make a socket there (%d)\n",
		       kfc_unix_name(addr), ret);
	if (ret)
		return ret;
	ret = kfc_unix_chmod(&unix_sk(sock->sk)->path, mode);
	if (ret) {
		pr_err("unix=%s: cannot give it mode %04o (%d)\n",
		       kfc_unix_name(addr), mode, ret);
		kfc_unix_unlink(sock, current_cred());
	}
	return ret;
}

/**
 * kfc_unix_unlink() - remove the file of a UNIX socket
 * @sock: the socket, which may still listen: so nobody can take the file for
 *	one that nobody listens on
 * @cred: of whoever made it
 *
 * A file that was removed already, or has another's name now, is nobody's
 * business here.
 *
 * Context: a process; sleeps.
 */
void kfc_unix_unlink(struct socket *sock, const struct cred *cred)
{
	const struct path *path = &unix_sk(sock->sk)->path;
	const struct cred *old = override_creds(cred);
	int ret = kfc_unix_remove(path);

	revert_creds(old);
	if (ret)
		pr_warn("cannot remove the socket %pd (%d)\n", path->dentry,
			ret);
}

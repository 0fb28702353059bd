// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* 6.3: what maps a mount's ids has a type of its own. */
#include <linux/fs.h>
#include <linux/mount.h>

int kfc_probe(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry);
int kfc_probe(struct vfsmount *mnt, struct inode *dir, struct dentry *dentry)
{
	return vfs_unlink(mnt_idmap(mnt), dir, dentry, NULL);
}

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * All differences between kernels. compat-config.h is generated: each
 * compat/foo.c that compiles against this kernel defines KFC_HAVE_FOO there.
 */
#ifndef KFC_COMPAT_H
#define KFC_COMPAT_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/net.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "compat-config.h"

#ifdef KFC_HAVE_TRACE_SK_DATA_READY
#include <trace/events/sock.h>
#endif

/* block layer */

/**
 * struct kfc_bdev - an exclusively opened block device
 * @bdev: the device
 * @file: what holds it open (6.9 and later)
 */
struct kfc_bdev {
	struct block_device *bdev;
#ifdef KFC_HAVE_BDEV_FILE_OPEN_BY_DEV
	struct file *file;
#endif
};

#ifdef KFC_HAVE_BDEV_FILE_OPEN_BY_DEV

/* Claims the device; nobody else may write to it where the kernel can say so. */
static inline int kfc_bdev_open(struct kfc_bdev *b, dev_t dev, void *holder)
{
	b->file = bdev_file_open_by_dev(dev, BLK_OPEN_READ | BLK_OPEN_WRITE |
					BLK_OPEN_RESTRICT_WRITES, holder, NULL);
	if (IS_ERR(b->file))
		return PTR_ERR(b->file);
	b->bdev = file_bdev(b->file);
	return 0;
}

/* The claim is gone on return, unlike after a plain fput(). */
static inline void kfc_bdev_close(struct kfc_bdev *b)
{
	bdev_fput(b->file);
}

#else

#define KFC_BDEV_MODE	(FMODE_READ | FMODE_WRITE | FMODE_EXCL)

static inline int kfc_bdev_open(struct kfc_bdev *b, dev_t dev, void *holder)
{
	b->bdev = blkdev_get_by_dev(dev, KFC_BDEV_MODE, holder);
	return PTR_ERR_OR_ZERO(b->bdev);
}

static inline void kfc_bdev_close(struct kfc_bdev *b)
{
	blkdev_put(b->bdev, KFC_BDEV_MODE);
}

#endif

/* files */

/* What vfs_unlink() and notify_change() want to know of a mount. */
#ifdef KFC_HAVE_MNT_IDMAP
#define kfc_mnt_idmap(mnt)	mnt_idmap(mnt)
#else
#define kfc_mnt_idmap(mnt)	mnt_user_ns(mnt)
#endif

/* memory */

#ifdef KFC_HAVE_SHRINKER_ALLOC

/* Return: a shrinker for kfc_shrinker_register() or kfc_shrinker_free(). */
static inline struct shrinker *kfc_shrinker_alloc(void *data)
{
	struct shrinker *s = shrinker_alloc(0, KBUILD_MODNAME);

	if (s)
		s->private_data = data;
	return s;
}

/* Where it fails the shrinker is freed. */
static inline int kfc_shrinker_register(struct shrinker *s)
{
	shrinker_register(s);
	return 0;
}

static inline void *kfc_shrinker_data(const struct shrinker *s)
{
	return s->private_data;
}

static inline void kfc_shrinker_free(struct shrinker *s)
{
	shrinker_free(s);
}

#else

/**
 * struct kfc_shrinker - what has no place in an older kernel's own
 * @s: the kernel's
 * @data: whose it is
 */
struct kfc_shrinker {
	struct shrinker s;
	void *data;
};

static inline struct shrinker *kfc_shrinker_alloc(void *data)
{
	struct kfc_shrinker *k = kzalloc(sizeof(*k), GFP_KERNEL);

	if (!k)
		return NULL;
	k->data = data;
	return &k->s;
}

static inline int kfc_shrinker_register(struct shrinker *s)
{
	int err = register_shrinker(s, KBUILD_MODNAME);

	if (err)
		kfree(container_of(s, struct kfc_shrinker, s));
	return err;
}

static inline void *kfc_shrinker_data(struct shrinker *s)
{
	return container_of(s, struct kfc_shrinker, s)->data;
}

static inline void kfc_shrinker_free(struct shrinker *s)
{
	unregister_shrinker(s);
	kfree(container_of(s, struct kfc_shrinker, s));
}

#endif

/* network */

static inline void kfc_trace_sk_data_ready(const struct sock *sk)
{
#ifdef KFC_HAVE_TRACE_SK_DATA_READY
	trace_sk_data_ready(sk);
#endif
}

/* Workers are kthreads like any other: current->task_frag is not theirs. */
static inline void kfc_sk_no_task_frag(struct sock *sk)
{
#ifdef KFC_HAVE_SK_USE_TASK_FRAG
	sk->sk_use_task_frag = false;
#endif
}

/* Let a kernel socket hold its network namespace; before it listens. */
static inline void kfc_sk_hold_net(struct sock *sk)
{
#ifdef KFC_HAVE_SK_NET_REFCNT_UPGRADE
	sk_net_refcnt_upgrade(sk);
#else
	sk->sk_net_refcnt = 1;
	get_net_track(sock_net(sk), &sk->ns_tracker, GFP_KERNEL);
	sock_inuse_add(sock_net(sk), 1);
#endif
}

/*
 * Send pieces of pages by reference, on 6.1 to a UNIX socket by copy. Return:
 * bytes taken, or an errno where there were none.
 */
static inline int kfc_send_pages(struct socket *sock, struct bio_vec *bv,
				 unsigned int nr, size_t len, int flags)
{
#ifdef KFC_HAVE_SKB_SPLICE_FROM_ITER
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bv, nr, len);
	return sock_sendmsg(sock, &msg);
#else
	unsigned int i;
	int sent = 0;
	int ret = 0;

	/*
	 * There unix_stream_sendpage() takes the lock that the peer holds while
	 * it reads, and reading may fault for as long as the peer likes.
	 */
	if (sock->sk->sk_family == AF_UNIX) {
		struct msghdr msg = { .msg_flags = flags };

		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bv, nr, len);
		return sock_sendmsg(sock, &msg);
	}
	for (i = 0; i < nr; i++) {
		int f = flags;

		if (i + 1 < nr)
			f |= MSG_MORE | MSG_SENDPAGE_NOTLAST;
		ret = kernel_sendpage(sock, bv[i].bv_page, bv[i].bv_offset,
				      bv[i].bv_len, f);
		if (ret > 0)
			sent += ret;
		if (ret != (int)bv[i].bv_len)
			break;
	}
	return sent ?: ret;
#endif
}

#endif /* KFC_COMPAT_H */

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The block device: claimed for us alone, reached by bios only. Nobody else
 * submits bios.
 *
 * Reads are submitted without sleeping where the device can do that; what
 * would have had to wait is submitted once more, as a whole, from a work item.
 * Writes always are: their submission may wait for the device, and who asks for
 * them has others to look after.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/percpu-refcount.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "blockdev.h"
#include "compat.h"

#define KFC_SECTORS	(KFC_PAGE_SHIFT - SECTOR_SHIFT)

/**
 * struct kfc_blockdev - a claimed block device
 * @dev: what the store sees
 * @b: the open device; constant
 * @bios: bios of our own, so that writing them never waits for others
 * @may_sleep: its driver may, in submission
 * @wq: submits what had to wait
 * @ios: one reference an I/O in flight
 * @idle: the last I/O has ended after close began
 */
struct kfc_blockdev {
	struct kfc_dev dev;
	struct kfc_bdev b;
	struct bio_set bios;
	bool may_sleep;
	struct workqueue_struct *wq;
	struct percpu_ref ios;
	struct completion idle;
};

static struct kfc_blockdev *to_blockdev(struct kfc_dev *d)
{
	return container_of(d, struct kfc_blockdev, dev);
}

/* One bio, or the submission itself, is through with the I/O. */
static void kfc_bio_put(struct kfc_io *io)
{
	struct kfc_blockdev *bd = to_blockdev(io->dev);

	if (!atomic_dec_and_test(&io->left))
		return;
	if (io->err == -EAGAIN && io->nowait) {
		io->nowait = false;
		queue_work(bd->wq, &io->work);
		return;
	}
	if (io->err == -EAGAIN)
		io->err = -EIO;
	io->done(io);
	percpu_ref_put(&bd->ios);
}

/* The first error wins, but for "again" that any other error replaces. */
static void kfc_bio_error(struct kfc_io *io, int err)
{
	if (cmpxchg(&io->err, 0, err) == -EAGAIN && err != -EAGAIN)
		cmpxchg(&io->err, -EAGAIN, err);
}

static void kfc_bio_end(struct bio *bio)
{
	struct kfc_io *io = bio->bi_private;
	int err = blk_status_to_errno(bio->bi_status);

	/* A stacked device may not know NOWAIT any more. */
	if (err == -EOPNOTSUPP && io->nowait)
		err = -EAGAIN;
	if (err)
		kfc_bio_error(io, err);
	bio_put(bio);
	kfc_bio_put(io);
}

/* Pages that one bio may hold; one that is too large for NOWAIT ends in EAGAIN. */
static u32 kfc_bio_pages(struct kfc_blockdev *bd, bool nowait)
{
	struct request_queue *q = bdev_get_queue(bd->b.bdev);
	u32 n = BIO_MAX_VECS;

	if (nowait) {
		n = min(n, queue_max_sectors(q) >> KFC_SECTORS);
		n = min_t(u32, n, queue_max_segments(q));
	}
	return max(n, 1U);
}

static void kfc_io_submit(struct kfc_io *io)
{
	struct kfc_blockdev *bd = to_blockdev(io->dev);
	gfp_t gfp = io->nowait ? GFP_NOWAIT | __GFP_NOWARN : GFP_NOIO;
	blk_opf_t opf = io->write ? REQ_OP_WRITE : REQ_OP_READ;
	u32 most = kfc_bio_pages(bd, io->nowait);
	bool plugged = !io->nowait;
	struct blk_plug plug;
	u32 from, n, i;

	if (io->nowait)
		opf |= REQ_NOWAIT;
	io->err = 0;
	atomic_set(&io->left, 1);
	/* A read is the worker's to gather, see kfc_blockdevs_gather(). */
	if (plugged)
		blk_start_plug(&plug);
	for (from = 0; from < io->nr_pages; from += n) {
		struct bio *bio;

		n = min(io->nr_pages - from, most);
		bio = bio_alloc_bioset(bd->b.bdev, n, opf, gfp, &bd->bios);
		if (!bio) {
			kfc_bio_error(io, -EAGAIN);
			break;
		}
		bio->bi_iter.bi_sector = (io->page_no + from) << KFC_SECTORS;
		bio->bi_private = io;
		bio->bi_end_io = kfc_bio_end;
		for (i = 0; i < n; i++)
			__bio_add_page(bio, io->pages[from + i], KFC_PAGE, 0);
		atomic_inc(&io->left);
		submit_bio(bio);
	}
	if (plugged)
		blk_finish_plug(&plug);
	kfc_bio_put(io);
}

static void kfc_io_work(struct work_struct *work)
{
	kfc_io_submit(container_of(work, struct kfc_io, work));
}

static void kfc_io_start(struct kfc_dev *d, struct kfc_io *io)
{
	struct kfc_blockdev *bd = to_blockdev(d);

	io->dev = d;
	percpu_ref_get(&bd->ios);
	if (io->on_stack)
		INIT_WORK_ONSTACK(&io->work, kfc_io_work);
	else
		INIT_WORK(&io->work, kfc_io_work);
	if (!io->nowait)
		queue_work(bd->wq, &io->work);
	else
		kfc_io_submit(io);
}

static void kfc_blockdev_read(struct kfc_dev *d, struct kfc_io *io)
{
	io->write = false;
	io->nowait = bdev_nowait(to_blockdev(d)->b.bdev);
	kfc_io_start(d, io);
}

static void kfc_blockdev_write(struct kfc_dev *d, struct kfc_io *io)
{
	io->write = true;
	io->nowait = false;
	kfc_io_start(d, io);
}

static int kfc_blockdev_flush(struct kfc_dev *d)
{
	return blkdev_issue_flush(to_blockdev(d)->b.bdev);
}

static int kfc_blockdev_discard(struct kfc_dev *d, u64 page_no, u64 nr)
{
	struct block_device *bdev = to_blockdev(d)->b.bdev;

	if (!bdev_max_discard_sectors(bdev))
		return -EOPNOTSUPP;
	if (!nr)
		return 0;
	return blkdev_issue_discard(bdev, page_no << KFC_SECTORS,
				    nr << KFC_SECTORS, GFP_NOIO);
}

/* The driver has let go of it: pulled out, or its driver unloaded. */
static bool kfc_blockdev_gone(struct kfc_dev *d)
{
	return test_bit(GD_DEAD, &to_blockdev(d)->b.bdev->bd_disk->state);
}

static const struct kfc_dev_ops kfc_blockdev_ops = {
	.read = kfc_blockdev_read,
	.write = kfc_blockdev_write,
	.flush = kfc_blockdev_flush,
	.discard = kfc_blockdev_discard,
	.gone = kfc_blockdev_gone,
};

static void kfc_blockdev_idle(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct kfc_blockdev, ios)->idle);
}

/* Text from a file of the disk in sysfs; "" where there is none. */
static void kfc_sysfs_text(char *buf, size_t size, struct gendisk *disk,
			   const char *file, int skip)
{
	char name[DISK_NAME_LEN], path[96], raw[64], *p;
	struct file *f;
	loff_t pos = 0;
	ssize_t n;

	buf[0] = 0;
	strscpy(name, disk->disk_name, sizeof(name));
	strreplace(name, '/', '!');
	snprintf(path, sizeof(path), "/sys/block/%s/%s", name, file);
	f = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(f))
		return;
	n = kernel_read(f, raw, sizeof(raw) - 1, &pos);
	filp_close(f, NULL);
	if (n <= skip)
		return;
	raw[n] = 0;
	for (p = raw + skip; *p; p++)
		if (!isascii(*p) || !isprint(*p))
			*p = ' ';
	strscpy(buf, strim(raw + skip), size);
}

/* "MODEL, serial SERIAL, 2048 MiB", as much of it as the disk tells. */
static void kfc_blockdev_describe(struct kfc_blockdev *bd)
{
	struct gendisk *disk = bd->b.bdev->bd_disk;
	char model[48], serial[48];

	kfc_sysfs_text(model, sizeof(model), disk, "device/model", 0);
	if (!model[0])
		kfc_sysfs_text(model, sizeof(model), disk, "device/name", 0);
	kfc_sysfs_text(serial, sizeof(serial), disk, "device/serial", 0);
	if (!serial[0])
		kfc_sysfs_text(serial, sizeof(serial), disk, "serial", 0);
	if (!serial[0])
		kfc_sysfs_text(serial, sizeof(serial), disk,
			       "device/vpd_pg80", 4);
	snprintf(bd->dev.name, sizeof(bd->dev.name), "%pg", bd->b.bdev);
	snprintf(bd->dev.what, sizeof(bd->dev.what), "%s, serial %s, %llu MiB",
		 model[0] ? model : "no model", serial[0] ? serial : "unknown",
		 bd->dev.pages >> (20 - KFC_PAGE_SHIFT));
}

static int kfc_not_a_blockdev(const char *name)
{
	struct path path;
	umode_t mode = 0;

	if (!kern_path(name, LOOKUP_FOLLOW, &path)) {
		mode = d_backing_inode(path.dentry)->i_mode;
		path_put(&path);
	}
	if (S_ISREG(mode))
		pr_err("device=%s: a file, not a block device; losetup -f --show FILE makes one of a file\n",
		       name);
	else if (S_ISDIR(mode))
		pr_err("device=%s: a directory, not a block device; losetup -f --show FILE makes one of a file in it\n",
		       name);
	else if (S_ISCHR(mode))
		pr_err("device=%s: a character device, not a block device; of NVMe name the namespace, as nvme0n1\n",
		       name);
	else
		pr_err("device=%s: not a block device\n", name);
	return -ENOTBLK;
}

static int kfc_blockdev_find(const char *path, dev_t *dev)
{
	int err = lookup_bdev(path, dev);

	if (!err)
		return 0;
	switch (err) {
	case -ENOENT:
		pr_err("device=%s: no such path; ls -l /dev/disk/by-id lists what there is\n",
		       path);
		break;
	case -ENOTBLK:
		return kfc_not_a_blockdev(path);
	case -EACCES:
		pr_err("device=%s: the file system it is on is mounted nodev\n",
		       path);
		break;
	default:
		pr_err("device=%s: cannot be looked up: error %d\n", path, err);
	}
	return err;
}

static int kfc_blockdev_claim(struct kfc_blockdev *bd, const char *path,
			      dev_t dev)
{
	int err = kfc_bdev_open(&bd->b, dev, bd);

	switch (err) {
	case 0:
		if (!bdev_read_only(bd->b.bdev))
			return 0;
		kfc_bdev_close(&bd->b);
		fallthrough;
	case -EROFS:
	case -EACCES:
		pr_err("device=%s: read-only\n", path);
		return -EROFS;
	case -EBUSY:
		pr_err("device=%s: in use: mounted, swap, part of RAID or LVM, or open elsewhere; lsblk shows by what\n",
		       path);
		return err;
	default:
		pr_err("device=%s: cannot be opened: error %d\n", path, err);
		return err;
	}
}

/* Looked at now: the tag set may go before the device is closed. */
static bool kfc_blockdev_may_sleep(struct block_device *bdev)
{
	struct blk_mq_tag_set *tags = bdev_get_queue(bdev)->tag_set;

	return tags && tags->flags & BLK_MQ_F_BLOCKING;
}

static int kfc_blockdev_fits(struct kfc_blockdev *bd, const char *path)
{
	struct block_device *bdev = bd->b.bdev;

	if (bdev_is_zoned(bdev)) {
		pr_err("device=%s: a zoned device; these are not supported\n",
		       path);
		return -EOPNOTSUPP;
	}
	if (bdev_logical_block_size(bdev) > KFC_PAGE) {
		pr_err("device=%s: logical blocks of %u bytes; at most %u are supported\n",
		       path, bdev_logical_block_size(bdev), KFC_PAGE);
		return -EINVAL;
	}
	if (!bdev_nonrot(bdev))
		pr_notice("device=%s: a rotational disk; reads will be slow\n",
			  path);
	return 0;
}

static struct kfc_dev *kfc_blockdev_open(const char *path)
{
	struct kfc_blockdev *bd;
	dev_t dev;
	int err;

	err = kfc_blockdev_find(path, &dev);
	if (err)
		return ERR_PTR(err);
	bd = kzalloc(sizeof(*bd), GFP_KERNEL);
	if (!bd)
		return ERR_PTR(-ENOMEM);
	init_completion(&bd->idle);
	err = kfc_blockdev_claim(bd, path, dev);
	if (err)
		goto free;
	err = kfc_blockdev_fits(bd, path);
	if (err)
		goto release;
	err = bioset_init(&bd->bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	if (err)
		goto release;
	err = percpu_ref_init(&bd->ios, kfc_blockdev_idle, 0, GFP_KERNEL);
	if (err)
		goto bios;
	bd->wq = alloc_workqueue("kfatcache_io", WQ_MEM_RECLAIM | WQ_UNBOUND,
				 0);
	if (!bd->wq) {
		err = -ENOMEM;
		goto ref;
	}
	/* What others wrote through the page cache is to be seen by bios. */
	sync_blockdev(bd->b.bdev);
	invalidate_bdev(bd->b.bdev);
	bd->may_sleep = kfc_blockdev_may_sleep(bd->b.bdev);
	bd->dev.ops = &kfc_blockdev_ops;
	bd->dev.pages = bdev_nr_bytes(bd->b.bdev) >> KFC_PAGE_SHIFT;
	kfc_blockdev_describe(bd);
	return &bd->dev;
ref:
	percpu_ref_exit(&bd->ios);
bios:
	bioset_exit(&bd->bios);
release:
	kfc_bdev_close(&bd->b);
free:
	kfree(bd);
	return ERR_PTR(err);
}

static void kfc_blockdev_close(struct kfc_dev *d)
{
	struct kfc_blockdev *bd = to_blockdev(d);

	percpu_ref_kill(&bd->ios);
	wait_for_completion(&bd->idle);
	destroy_workqueue(bd->wq);
	/* The end of a bio may still be on its way out of kfc_bio_put(). */
	synchronize_rcu();
	percpu_ref_exit(&bd->ios);
	bioset_exit(&bd->bios);
	/* What others read before us is stale. */
	invalidate_bdev(bd->b.bdev);
	kfc_bdev_close(&bd->b);
	kfree(bd);
}

/* What is wrong with the paths of device= themselves? @copy is cut up. */
static int kfc_blockdevs_check(const char *paths, char *copy)
{
	char *path[KFC_DEVICES_MAX];
	u32 i, nr = 0;

	while (copy) {
		if (nr == KFC_DEVICES_MAX) {
			pr_err("device=%s: allowed are up to %u devices\n",
			       paths, KFC_DEVICES_MAX);
			return -EINVAL;
		}
		path[nr] = strsep(&copy, ",");
		if (!*path[nr]) {
			pr_err("device=%s: no path before or behind a comma\n",
			       paths);
			return -EINVAL;
		}
		for (i = 0; i < nr; i++) {
			if (strcmp(path[i], path[nr]))
				continue;
			pr_err("device=%s: one device named twice\n", paths);
			return -EINVAL;
		}
		nr++;
	}
	return 0;
}

/* One of the paths of device=; *@next is the rest of them, NULL behind the last. */
static int kfc_blockdevs_next(char **next, struct kfc_dev **devs, u32 *nr)
{
	const char *path = strsep(next, ",");
	struct kfc_dev *d;
	dev_t dev;
	u32 i;

	for (i = 0; i < *nr && !lookup_bdev(path, &dev); i++) {
		if (to_blockdev(devs[i])->b.bdev->bd_dev != dev)
			continue;
		pr_err("device=%s: one device named twice\n", path);
		return -EINVAL;
	}
	d = kfc_blockdev_open(path);
	if (IS_ERR(d))
		return PTR_ERR(d);
	devs[(*nr)++] = d;
	return 0;
}

/**
 * kfc_blockdevs_open() - claim block devices for reading and writing
 * @paths: their paths, separated by commas; or one path that has a comma
 * @devs: gets the devices
 * @nr: gets how many there are
 *
 * Whatever is wrong with one is said in one line of the log. Nothing is
 * written.
 *
 * Context: a process, whose view of the file system counts; sleeps.
 * Return: 0, or with nothing left behind -ENOENT, -ENOTBLK, -EBUSY, -EROFS,
 * -EOPNOTSUPP (zoned), -EINVAL (blocks too large, too many, named twice),
 * -ENOMEM and what the driver says.
 */
int kfc_blockdevs_open(const char *paths, struct kfc_dev **devs, u32 *nr)
{
	char *copy = kstrdup(paths, GFP_KERNEL), *next = copy;
	dev_t dev;
	int err;

	*nr = 0;
	if (!copy)
		return -ENOMEM;
	if (strchr(paths, ',') && !lookup_bdev(paths, &dev)) {
		devs[0] = kfc_blockdev_open(paths);
		err = PTR_ERR_OR_ZERO(devs[0]);
		*nr = !err;
		goto free;
	}
	err = kfc_blockdevs_check(paths, copy);
	memcpy(copy, paths, strlen(paths));
	while (!err && next)
		err = kfc_blockdevs_next(&next, devs, nr);
free:
	kfree(copy);
	if (err)
		kfc_blockdevs_close(devs, nr);
	return err;
}

/**
 * kfc_blockdevs_close() - let go of devices
 * @devs: from kfc_blockdevs_open()
 * @nr: how many; 0 afterwards
 *
 * Waits for all I/O. Context: a process; sleeps. Nobody starts I/O any more.
 */
void kfc_blockdevs_close(struct kfc_dev **devs, u32 *nr)
{
	while (*nr)
		kfc_blockdev_close(devs[--*nr]);
}

/**
 * kfc_blockdevs_gather() - reads from now on may be submitted together
 * @devs: from kfc_blockdevs_open()
 * @nr: how many, or 0
 * @plug: where they are gathered, on the stack
 *
 * It takes one ring of a device's bell for all of them, and where there is a
 * scheduler no thread to run it for each. They go when there are some dozens, or
 * by kfc_blockdevs_let_go(), which the caller does not keep them waiting for.
 * A plug is emptied without regard to NOWAIT, so none is for a driver that may
 * sleep.
 *
 * Context: the thread that reads. Return: whether they are gathered
 */
bool kfc_blockdevs_gather(struct kfc_dev **devs, u32 nr, struct blk_plug *plug)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (to_blockdev(devs[i])->may_sleep)
			return false;
	if (nr)
		blk_start_plug(plug);
	return nr;
}

/**
 * kfc_blockdevs_let_go() - submit what was gathered
 * @plug: of kfc_blockdevs_gather() that returned true
 *
 * Context: the same thread; does not sleep.
 */
void kfc_blockdevs_let_go(struct blk_plug *plug)
{
	blk_finish_plug(plug);
}

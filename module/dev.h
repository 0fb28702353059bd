/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_DEV_H
#define KFC_DEV_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct page;
struct kfc_dev;

/* A page of the device, whatever the machine's PAGE_SIZE is. */
#define KFC_PAGE_SHIFT	12
#define KFC_PAGE	4096U
/* Devices of one cache; a superblock has a bit for each. */
#define KFC_DEVICES_MAX	8

/**
 * struct kfc_io - one read or write of whole pages
 * @pages: order-0 pages, @nr_pages of them; the I/O holds no references, the
 *	caller keeps them until @done
 * @nr_pages: how many
 * @page_no: first page on the device
 * @err: 0 or a negative errno, valid from @done on
 * @done: called once, in any context (hardirq included), or from within the
 *	call that submits
 * @on_stack: it lies on the caller's stack, who waits and then calls
 *	destroy_work_on_stack() for @work
 * @left: this and all below: the device layer's own
 * @dev: where it goes
 * @work: goes on with what could not be submitted without sleeping
 * @write: a write
 * @nowait: no sleeping in this attempt
 */
struct kfc_io {
	struct page **pages;
	u32 nr_pages;
	u64 page_no;
	int err;
	void (*done)(struct kfc_io *io);
	bool on_stack;
	atomic_t left;
	struct kfc_dev *dev;
	struct work_struct work;
	bool write;
	bool nowait;
};

/**
 * struct kfc_dev_ops - all that the store knows of a device
 * @read: start a read; what cannot be submitted at once goes on from a work
 *	item. Does not wait for the device, but a driver may sleep to take a
 *	request: not under a spinlock or RCU. Completes through io->done
 * @write: start a write; likewise
 * @flush: make all completed writes durable; sleeps
 * @discard: tell the device that pages are of no use; with none of them only
 *	asks whether it can be told: -EOPNOTSUPP. Sleeps; may be NULL
 * @gone: was it taken away? Any context; may be NULL
 */
struct kfc_dev_ops {
	void (*read)(struct kfc_dev *d, struct kfc_io *io);
	void (*write)(struct kfc_dev *d, struct kfc_io *io);
	int (*flush)(struct kfc_dev *d);
	int (*discard)(struct kfc_dev *d, u64 page_no, u64 nr);
	bool (*gone)(struct kfc_dev *d);
};

/**
 * struct kfc_dev - a device as the store sees it
 * @ops: how to reach it
 * @pages: its size in pages of KFC_PAGE bytes
 * @name: for messages ("nvme0n1")
 * @what: for messages: model, serial and size; may be empty
 */
struct kfc_dev {
	const struct kfc_dev_ops *ops;
	u64 pages;
	char name[32];
	char what[128];
};

#endif /* KFC_DEV_H */

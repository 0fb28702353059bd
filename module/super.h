/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_SUPER_H
#define KFC_SUPER_H

#include <linux/build_bug.h>
#include <linux/types.h>

#include "dev.h"

struct kfc_cache;

#define KFC_SB_MAGIC	"KFATCACH"
#define KFC_SB_VERSION	2
#define KFC_SB_CLEAN	0x1	/* the index area is whole and matches the log */

/**
 * struct kfc_super - a superblock copy as it lies in the first and in the last
 * 4 KiB of a device, little-endian; the rest of its page is zero
 * @magic: KFC_SB_MAGIC
 * @version: of the format
 * @crc: xxh32 (seed 0) of the 4 KiB with this field zero
 * @generation: the copy with the higher one counts
 * @uuid: drawn at format
 * @hash_key: of SipHash, drawn at format
 * @pages: of the device, as formatted
 * @slab_bytes: size of a slab
 * @nr_slabs: how many
 * @slabs_at: page of the first slab (a multiple of the slab size in pages
 *	where that costs no slab, else of 256)
 * @index_at: page of the index area
 * @index_pages: its size
 * @epoch: loads so far
 * @valid_from: records with a lower order number are gone
 * @flags: KFC_SB_*
 * @saved_lines0: lines of the index that was saved, before any growth
 * @unloaded_at: UNIX seconds of the last unload
 * @saved_epoch: @epoch when the index area was written
 * @saved_items: entries in it
 * @saved_flush_at: UNIX seconds of a flush_all that was to come, 0 for none
 * @saved_level: how often the index that was saved had doubled
 * @reserved: 0
 *
 * The five of them that begin with saved hold while KFC_SB_CLEAN is set.
 */
struct kfc_super {
	u8 magic[8];
	__le32 version;
	__le32 crc;
	__le64 generation;
	u8 uuid[16];
	u8 hash_key[16];
	__le64 pages;
	__le32 slab_bytes;
	__le32 nr_slabs;
	__le64 slabs_at;
	__le64 index_at;
	__le64 index_pages;
	__le64 epoch;
	__le64 valid_from;
	__le32 flags;
	__le32 saved_lines0;
	__le64 unloaded_at;
	__le64 saved_epoch;
	__le64 saved_items;
	__le64 saved_flush_at;
	__le32 saved_level;
	__le32 reserved;
};

static_assert(sizeof(struct kfc_super) == 160);

/* How a load begins. */
enum kfc_found {
	KFC_FOUND_NOTHING,	/* empty: formatted, or not unloaded cleanly */
	KFC_FOUND_CLEAN,	/* the index area is to be read */
	KFC_FOUND_CRASHED,	/* ... not whole, and recover=crash */
};

/**
 * struct kfc_saved - what the superblock says of the last unload
 * @found: how this load begins
 * @epoch: of the load that wrote the index area
 * @items: entries in it
 * @level: that the index starts at; 0 where nothing was saved
 *
 * Constant after load. @epoch and @items hold for KFC_FOUND_CLEAN.
 */
struct kfc_saved {
	enum kfc_found found;
	u64 epoch;
	u64 items;
	u32 level;
};

/* The geometry that the log works with, from the superblock. */
struct kfc_geometry {
	u32 slab_bytes;
	u32 nr_slabs;
	u64 slabs_at;
	u64 index_at;
	u64 index_pages;
};

/* A device too small for this many slabs is refused. */
#define KFC_SLABS_MIN	8
/* Order numbers start at the load epoch, shifted by this. */
#define KFC_EPOCH_SHIFT	40

u64 kfc_super_index_auto(u64 device_bytes);
int kfc_super_load(struct kfc_cache *c, struct kfc_geometry *geo);
int kfc_super_store(struct kfc_cache *c);
int kfc_super_unload(struct kfc_cache *c, bool clean, u64 items);
int kfc_super_give_up(struct kfc_cache *c);
void kfc_super_undo(struct kfc_cache *c);
u64 kfc_super_epoch(const struct kfc_cache *c);
int kfc_super_rw(struct kfc_dev *d, bool write, u64 page_no,
		 struct page **pages, u32 nr);
void kfc_super_free(struct kfc_cache *c);

#endif /* KFC_SUPER_H */

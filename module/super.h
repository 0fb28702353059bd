/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_SUPER_H
#define KFC_SUPER_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "dev.h"

struct kfc_cache;

#define KFC_SB_MAGIC	"KFATCACH"
#define KFC_SB_VERSION	3
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
 * @member: number of this device in its set, from 0
 * @members: devices of the set
 * @lost: a bit for each of them that failed since the last load: nothing that
 *	lies there counts
 * @reserved: 0
 * @seq_from: slabs of a lower sequence on this device are of no use
 *
 * The five of them that begin with saved hold while KFC_SB_CLEAN is set. The
 * index area is on device 0 of the set, the others have one of no pages. What
 * the devices of a set say of @valid_from and @lost adds up: it is enough that
 * one of them says it.
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
	u8 member;
	u8 members;
	u8 lost;
	u8 reserved;
	__le64 seq_from;
};

static_assert(sizeof(struct kfc_super) == 168);
static_assert(KFC_DEVICES_MAX <= 8 * sizeof_field(struct kfc_super, lost));

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

/**
 * struct kfc_place - where the slabs of one device of the set lie
 * @slabs_at: page of the first
 * @seq_from: those of a lower sequence are of no use
 * @nr_slabs: how many
 */
struct kfc_place {
	u64 slabs_at;
	u64 seq_from;
	u32 nr_slabs;
};

/**
 * struct kfc_geometry - what the log works with, from the superblocks
 * @slab_bytes: size of a slab
 * @nr_slabs: of all devices
 * @index_at: page of the index area, on device 0
 * @index_pages: its size
 * @nr_devs: devices of the set, 0 in memory-only mode
 * @place: of the slabs of each
 */
struct kfc_geometry {
	u32 slab_bytes;
	u32 nr_slabs;
	u64 index_at;
	u64 index_pages;
	u32 nr_devs;
	struct kfc_place place[KFC_DEVICES_MAX];
};

/* A device too small for this many slabs is refused. */
#define KFC_SLABS_MIN	8
/*
 * Order numbers start at the load epoch, shifted by this: two years of a million
 * a second in one load, and 262,142 loads of a device.
 */
#define KFC_EPOCH_SHIFT	46

u64 kfc_super_index_auto(u64 device_bytes);
int kfc_super_load(struct kfc_cache *c, struct kfc_geometry *geo);
int kfc_super_store(struct kfc_cache *c, u32 nr);
int kfc_super_unload(struct kfc_cache *c, bool clean, u64 items);
int kfc_super_give_up(struct kfc_cache *c, u32 nr);
void kfc_super_undo(struct kfc_cache *c);
u64 kfc_super_epoch(const struct kfc_cache *c);
int kfc_super_rw(struct kfc_dev *d, bool write, u64 page_no,
		 struct page **pages, u32 nr);
void kfc_super_free(struct kfc_cache *c);

#endif /* KFC_SUPER_H */

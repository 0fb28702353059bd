/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_SUPER_H
#define KFC_SUPER_H

#include <linux/build_bug.h>
#include <linux/types.h>

#include "dev.h"

struct kfc_cache;

#define KFC_SB_MAGIC	"KFATCACH"
#define KFC_SB_VERSION	1
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
 * @reserved: 0
 * @unloaded_at: UNIX seconds of the last clean unload
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
	__le32 reserved;
	__le64 unloaded_at;
};

static_assert(sizeof(struct kfc_super) == 128);

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
void kfc_super_free(struct kfc_cache *c);

#endif /* KFC_SUPER_H */

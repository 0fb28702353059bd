/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What lies in a slab: pages with a small header each, records in them, and a
 * summary of the records in the last pages.
 */
#ifndef KFC_RECORD_H
#define KFC_RECORD_H

#include <linux/build_bug.h>
#include <linux/bvec.h>
#include <linux/compiler.h>
#include <linux/siphash.h>
#include <linux/types.h>

#include "dev.h"
#include "index.h"

/**
 * struct kfc_page_hdr - start of every page of a slab
 * @first: offset in the page of the first record that starts here, 0 for none
 * @reserved: 0
 * @sum: of the page behind this header, seeded with the slab's sequence, the
 *	page's place in the slab and @first; set when the slab is written
 *
 * One checksum a page covers every byte that comes back from a device, the
 * chain of records that a search follows included, and lets a value of many
 * pages be checked piece by piece.
 */
struct kfc_page_hdr {
	__le16 first;
	__le16 reserved;
	__le32 sum;
};

static_assert(sizeof(struct kfc_page_hdr) == 8);

#define KFC_PAGE_HDR	((u32)sizeof(struct kfc_page_hdr))
#define KFC_PAGE_DATA	(KFC_PAGE - KFC_PAGE_HDR)

enum kfc_rec_state {
	KFC_REC_RESERVED,	/* lengths are there, the rest is being written */
	KFC_REC_LIVE,
	KFC_REC_DEAD,		/* its reservation was given up */
};

/* What else is true of a record, beside its state. */
#define KFC_REC_STATE	0x07
#define KFC_REC_HOME	0x08	/* a copy in memory, see struct kfc_rec */
#define KFC_REC_STALE	0x10	/* meta: a client said so */
#define KFC_REC_WON	0x20	/* meta: a client was told to refresh it */
#define KFC_REC_CAS	0x40	/* a client chose its unique, see KFC_REC_EXT */
#define KFC_REC_BASE64	0x80	/* meta: its key came in base64 and leaves so */

/**
 * struct kfc_rec_hdr - header of a record; key and value follow
 * @order: order number, the CAS value
 * @flags: the client's
 * @exptime: UNIX seconds from which on the record is expired, 0 for never
 * @lens: length of the value (high 24 bits) and of the key (low 8)
 * @meta: low 24 bits of the index tag (high 24), and enum kfc_rec_state with
 *	the marks above (low 8)
 * @time: UNIX seconds when it was written; without a device, when it was last
 *	used
 *
 * Header, key and what belongs to the key (KFC_REC_EXT) never cross a page;
 * records of up to KFC_REC_SMALL bytes do not cross one at all. A value goes on
 * behind the next page's header.
 */
struct kfc_rec_hdr {
	__le64 order;
	__le32 flags;
	__le32 exptime;
	__le32 lens;
	__le32 meta;
	__le32 time;
} __packed __aligned(4);

static_assert(sizeof(struct kfc_rec_hdr) == 28);

#define KFC_REC_HDR	((u32)sizeof(struct kfc_rec_hdr))
/*
 * Bytes behind the key of a record with KFC_REC_CAS: its unique. Behind these
 * one with KFC_REC_HOME, never on a device, has as many: a slot.
 */
#define KFC_REC_EXT	((u32)sizeof(__le64))
#define KFC_REC_ALIGN	8
#define KFC_REC_SMALL	1024
#define KFC_VLEN_MAX	0xffffff
#define KFC_REC_TAG	0xffffff

/**
 * struct kfc_sum_entry - one record in a slab's summary
 * @hash: SipHash of the key
 * @order: order number; 0 for a dead record
 * @off: offset of the record in the slab
 * @exptime: as in the record
 */
struct kfc_sum_entry {
	__le64 hash;
	__le64 order;
	__le32 off;
	__le32 exptime;
};

static_assert(sizeof(struct kfc_sum_entry) == 24);

/* The page of the slab that an entry's record begins in. */
static inline u32 kfc_sum_page_of(const struct kfc_sum_entry *e)
{
	return le32_to_cpu(e->off) / KFC_PAGE;
}

#define KFC_SUM_ENTRIES 168
#define KFC_SUM_MAGIC	0x4d55534bU	/* "KSUM" */

/**
 * struct kfc_sum_page - one page of the summary; the first one is the last
 * page of the slab, further ones lie in front of it
 * @hdr: as in every page; first is 0
 * @seq: the slab's sequence
 * @max_order: highest order number in the slab
 * @magic: KFC_SUM_MAGIC
 * @count: records in the slab
 * @nr: number of this page, from 0
 * @reserved: 0
 * @e: records number @nr * KFC_SUM_ENTRIES and on
 */
struct kfc_sum_page {
	struct kfc_page_hdr hdr;
	__le64 seq;
	__le64 max_order;
	__le32 magic;
	__le32 count;
	__le32 nr;
	u8 reserved[28];
	struct kfc_sum_entry e[KFC_SUM_ENTRIES];
};

static_assert(sizeof(struct kfc_sum_page) == KFC_PAGE);

/* As many records of a key of one byte as begin in a page. */
#define KFC_PAGE_RECS \
	(KFC_PAGE_DATA / round_up(KFC_REC_HDR + 1, KFC_REC_ALIGN))
static_assert(KFC_PAGE_RECS * sizeof(struct kfc_sum_entry) <= KFC_PAGE);

/* A key and what its hash says, see kfc_key_init(). */
struct kfc_key {
	const u8 *p;
	u32 len;
	u64 hash;
};

/**
 * struct kfc_attr - what a record has beside key and value
 * @flags: the client's
 * @exptime: UNIX seconds, 0 for never
 * @cas: the unique that the client chose, with KFC_REC_CAS in @marks
 * @time: UNIX seconds when it was written, 0 for now
 * @marks: KFC_REC_STALE and so on
 * @home: of a copy: the slot that means the record on the device, else 0
 * @fetched: the object counts as used already
 * @kept: it goes where reclaim's go, not with what is new
 */
struct kfc_attr {
	u32 flags;
	u32 exptime;
	u64 cas;
	u64 home;
	u32 time;
	u8 marks;
	bool fetched;
	bool kept;
};

/**
 * struct kfc_rec - a record that was found
 * @pages: the page it starts in and those behind it
 * @off: offset of the record in its first page
 * @head: bytes before the value, the header's included
 * @vlen: length of the value
 * @flags: the client's
 * @exptime: UNIX seconds, 0 for never
 * @time: see struct kfc_rec_hdr
 * @marks: KFC_REC_STALE and so on
 * @order: order number
 * @cas: the unique: the order number, if the client did not choose it
 * @home: of a copy: the slot that means the record on the device, else 0
 *
 * Valid as long as the pages are: within the RCU section for a record in
 * memory, until the read is dropped for one from the device.
 */
struct kfc_rec {
	struct page **pages;
	u32 off;
	u32 head;
	u32 vlen;
	u32 flags;
	u32 exptime;
	u32 time;
	u8 marks;
	u64 order;
	u64 cas;
	u64 home;
};

/* What a search of a page came to. */
enum kfc_search {
	KFC_FOUND,
	KFC_ABSENT,		/* nothing of that tag here */
	KFC_OTHER_KEY,		/* the tag belongs to another key */
};

/**
 * struct kfc_piece - a stretch of a record within one page
 * @page: index of the page, counted from the record's first
 * @off: offset in it
 * @len: bytes
 */
struct kfc_piece {
	u32 page;
	u32 off;
	u32 len;
};

u32 kfc_rec_place(u32 off, u32 head, u32 vlen, u32 *start);
u32 kfc_rec_pages(u32 off, u32 bytes);
struct kfc_piece kfc_rec_piece(u32 off, u32 from, u32 len);
u32 kfc_rec_pieces(u32 off, u32 from, u32 len, struct page **pages, u32 first,
		   u32 nr, struct bio_vec *bv);
void kfc_rec_copy_in(struct page **pages, u32 off, u32 from, const void *src,
		     u32 len);
u32 kfc_rec_copy_value(struct page **pages, u32 off, u32 at,
		       const struct kfc_rec *from);
void kfc_rec_copy_out(void *dst, const struct kfc_rec *r, u32 from, u32 len);
void kfc_rec_used(const struct kfc_rec *r, u32 now);

/* Bytes of a record before its value. */
static inline u32 kfc_rec_head(u32 klen, u8 marks)
{
	return KFC_REC_HDR + klen + (marks & KFC_REC_CAS ? KFC_REC_EXT : 0) +
	       (marks & KFC_REC_HOME ? KFC_REC_EXT : 0);
}

/* Where the first record of a page starts, 0 where none can. */
static inline u32 kfc_page_first(const void *page)
{
	const struct kfc_page_hdr *h = page;
	u32 off = le16_to_cpu(READ_ONCE(h->first));

	/* A checksum does not make it true, and some CPUs would fault. */
	return off % KFC_REC_ALIGN ? 0 : off;
}

u32 kfc_page_sum(const void *page, u64 seed, u32 page_no);
bool kfc_page_ok(const void *page, u64 seed, u32 page_no);
enum kfc_search kfc_page_search(struct page **pages, const struct kfc_key *key,
				const struct kfc_index *ix,
				const struct kfc_ipos *pos,
				const siphash_key_t *hkey, struct kfc_rec *rec);
bool kfc_page_meant(struct page **pages, const struct kfc_index *ix,
		    const struct kfc_ipos *pos, const siphash_key_t *hkey,
		    struct kfc_rec *rec);
u32 kfc_page_entries(const void *p, u32 page, const siphash_key_t *hkey,
		     struct kfc_sum_entry *e);

#endif /* KFC_RECORD_H */

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records in pages: where one is placed, its pieces, and the search of a page.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/xxhash.h>

#include "record.h"

/**
 * kfc_rec_piece() - the first stretch of a part of a record
 * @off: offset of the record in its first page
 * @from: where the part starts, in bytes of the record (0 is its header)
 * @len: length of the part
 *
 * Return: where in which page, and how much of @len lies there
 */
struct kfc_piece kfc_rec_piece(u32 off, u32 from, u32 len)
{
	struct kfc_piece pc;
	u32 at = off - KFC_PAGE_HDR + from;

	pc.page = at / KFC_PAGE_DATA;
	pc.off = KFC_PAGE_HDR + at % KFC_PAGE_DATA;
	pc.len = min(len, KFC_PAGE - pc.off);
	return pc;
}

/**
 * kfc_rec_place() - where the next record of a slab goes
 * @off: where the last one ended (offset in the slab, a multiple of 8)
 * @head: bytes before the value, see kfc_rec_head()
 * @vlen: length of the value
 * @start: set to where the record starts
 *
 * Return: where it ends, rounded up to KFC_REC_ALIGN
 */
u32 kfc_rec_place(u32 off, u32 head, u32 vlen, u32 *start)
{
	u32 len = head + vlen;
	u32 in = off % KFC_PAGE, room = in ? KFC_PAGE - in : 0;
	struct kfc_piece last;

	if (len > room && (len <= KFC_REC_SMALL || room < head)) {
		off = round_up(off, KFC_PAGE);
		in = 0;
	}
	if (!in) {
		off += KFC_PAGE_HDR;
		in = KFC_PAGE_HDR;
	}
	*start = off;
	last = kfc_rec_piece(in, len - 1, 1);
	return round_up(off - in + last.page * KFC_PAGE + last.off + 1,
			KFC_REC_ALIGN);
}

/**
 * kfc_rec_pages() - how many pages a record lies in
 * @off: offset of the record in its first page
 * @bytes: its length, all included
 *
 * Return: pages
 */
u32 kfc_rec_pages(u32 off, u32 bytes)
{
	return kfc_rec_piece(off, bytes - 1, 1).page + 1;
}

/**
 * kfc_rec_pieces() - a stretch of a record, as far as some pages have it
 * @off: offset of the record in its first page
 * @from: where the stretch starts, in bytes of the record
 * @len: its length
 * @pages: pages of the record
 * @first: number of the first of them in the record; @from lies in it or behind
 * @nr: how many
 * @bv: room for @nr pieces; filled in, one a page
 *
 * Return: pieces
 */
u32 kfc_rec_pieces(u32 off, u32 from, u32 len, struct page **pages, u32 first,
		   u32 nr, struct bio_vec *bv)
{
	u32 n = 0;

	while (len) {
		struct kfc_piece pc = kfc_rec_piece(off, from, len);

		if (pc.page - first >= nr)
			break;
		bv[n].bv_page = pages[pc.page - first];
		bv[n].bv_offset = pc.off;
		bv[n].bv_len = pc.len;
		n++;
		from += pc.len;
		len -= pc.len;
	}
	return n;
}

/**
 * kfc_rec_copy_in() - copy bytes to their place in a record
 * @pages: the record's first page and those behind it
 * @off: offset of the record in the first
 * @from: where in the record the bytes go
 * @src: the bytes
 * @len: how many
 *
 * Any context; the caller holds the record's reservation.
 */
void kfc_rec_copy_in(struct page **pages, u32 off, u32 from, const void *src,
		     u32 len)
{
	while (len) {
		struct kfc_piece pc = kfc_rec_piece(off, from, len);

		memcpy(page_address(pages[pc.page]) + pc.off, src, pc.len);
		src += pc.len;
		from += pc.len;
		len -= pc.len;
	}
}

/**
 * kfc_rec_copy_out() - copy bytes out of a record's value
 * @dst: where to
 * @r: the record
 * @from: offset in the value
 * @len: how many
 *
 * Any context in which @r is valid.
 */
void kfc_rec_copy_out(void *dst, const struct kfc_rec *r, u32 from, u32 len)
{
	from += r->head;
	while (len) {
		struct kfc_piece pc = kfc_rec_piece(r->off, from, len);

		memcpy(dst, page_address(r->pages[pc.page]) + pc.off, pc.len);
		dst += pc.len;
		from += pc.len;
		len -= pc.len;
	}
}

/**
 * kfc_rec_copy_value() - copy the value of a record into another one
 * @pages: the first page of the record that is being filled, and those behind
 * @off: offset of that record in the first
 * @at: where in it the value goes
 * @from: the record that has the value
 *
 * Any context in which @from is valid; the caller holds the reservation.
 * Return: where in the record the value ends
 */
u32 kfc_rec_copy_value(struct page **pages, u32 off, u32 at,
		       const struct kfc_rec *from)
{
	u32 src = from->head, left = from->vlen;

	while (left) {
		struct kfc_piece pc = kfc_rec_piece(from->off, src, left);

		kfc_rec_copy_in(pages, off, at,
				page_address(from->pages[pc.page]) + pc.off,
				pc.len);
		at += pc.len;
		src += pc.len;
		left -= pc.len;
	}
	return at;
}

/**
 * kfc_rec_used() - note in a record when it was last used
 * @r: the record, on a page that never gets a checksum
 * @now: UNIX seconds
 *
 * Context: as long as @r is valid; any number at a time.
 */
void kfc_rec_used(const struct kfc_rec *r, u32 now)
{
	struct kfc_rec_hdr *h = page_address(r->pages[0]) + r->off;

	if (r->time != now)
		WRITE_ONCE(h->time, cpu_to_le32(now));
}

/**
 * kfc_page_sum() - checksum of a page of a slab
 * @page: the page's bytes
 * @seed: of the slab's life, from kfc_slab_seed()
 * @page_no: the page's place in the slab
 *
 * XXH64 (Yann Collet), its low half. It is built into every kernel with
 * btrfs or zstd, needs no tables and takes the seed that ties the page to its
 * place and to the life of its slab. Any context.
 */
u32 kfc_page_sum(const void *page, u64 seed, u32 page_no)
{
	const struct kfc_page_hdr *h = page;
	u64 place = (u64)page_no << 16 | le16_to_cpu(h->first);

	return xxh64(page + KFC_PAGE_HDR, KFC_PAGE_DATA,
		     seed * 0x9e3779b97f4a7c15ULL + place);
}

/**
 * kfc_page_ok() - is a page what was written there in this life of the slab?
 * @page: the page's bytes
 * @seed: of the slab's life, from kfc_slab_seed()
 * @page_no: the page's place in the slab
 *
 * Any context.
 */
bool kfc_page_ok(const void *page, u64 seed, u32 page_no)
{
	const struct kfc_page_hdr *h = page;

	return !h->reserved &&
	       le32_to_cpu(h->sum) == kfc_page_sum(page, seed, page_no);
}

static bool same_tag(const struct kfc_rec_hdr *h, u32 klen,
		     const struct kfc_index *ix, const struct kfc_ipos *pos,
		     const siphash_key_t *hkey)
{
	struct kfc_ipos p;

	kfc_index_locate(ix, siphash(h + 1, klen, hkey), &p);
	return p.tag == pos->tag && p.line0 == pos->line0;
}

static u64 get_ext(const u8 *p)
{
	__le64 v;

	memcpy(&v, p, sizeof(v));
	return le64_to_cpu(v);
}

static void take_record(const struct kfc_rec_hdr *h, u32 klen,
			struct kfc_rec *rec)
{
	u8 marks = le32_to_cpu(h->meta);
	const u8 *ext = (const u8 *)(h + 1) + klen;

	rec->marks = marks & ~(KFC_REC_STATE | KFC_REC_HOME);
	rec->head = kfc_rec_head(klen, marks);
	rec->vlen = le32_to_cpu(h->lens) >> 8;
	rec->flags = le32_to_cpu(h->flags);
	rec->exptime = le32_to_cpu(h->exptime);
	rec->time = le32_to_cpu(READ_ONCE(h->time));
	rec->order = le64_to_cpu(h->order);
	rec->cas = rec->order;
	if (marks & KFC_REC_CAS) {
		rec->cas = get_ext(ext);
		ext += KFC_REC_EXT;
	}
	rec->home = marks & KFC_REC_HOME ? get_ext(ext) : 0;
}

/**
 * kfc_page_search() - find the record that a slot means
 * @pages: the page that the slot names, and those behind it
 * @key: the key that is wanted
 * @ix: the index, for its geometry
 * @pos: where @key lives in it
 * @hkey: of the hash
 * @rec: filled in where the result is KFC_FOUND
 *
 * A page may hold several versions of a key, and other keys of the same tag
 * that had the slot before or after: the slot means the last one with the
 * highest order number of all that share its tag. An older version of @key beneath
 * another key's newer record must not come back.
 *
 * Context: the pages stay (RCU, or they are the caller's); records that are
 * being written at the same time are passed over. The pages are in memory or
 * were checked by kfc_page_ok().
 */
enum kfc_search kfc_page_search(struct page **pages, const struct kfc_key *key,
				const struct kfc_index *ix,
				const struct kfc_ipos *pos,
				const siphash_key_t *hkey, struct kfc_rec *rec)
{
	const void *page = page_address(pages[0]);
	u32 off = kfc_page_first(page);
	enum kfc_search res = KFC_ABSENT;
	u64 best = 0;

	while (off >= KFC_PAGE_HDR && off + KFC_REC_HDR <= KFC_PAGE) {
		const struct kfc_rec_hdr *h = page + off;
		/* Pairs with the release in reserve_in(). */
		u32 lens = le32_to_cpu(smp_load_acquire(&h->lens));
		/* Pairs with the release in kfc_log_commit(). */
		u32 meta = le32_to_cpu(smp_load_acquire(&h->meta));
		u32 klen = lens & 0xff, vlen = lens >> 8;
		u32 head = kfc_rec_head(klen, meta);

		if (!klen || off + head > KFC_PAGE)
			break;
		if ((meta & KFC_REC_STATE) == KFC_REC_LIVE &&
		    meta >> 8 == (pos->tag & KFC_REC_TAG) &&
		    le64_to_cpu(h->order) >= best) {
			bool same = klen == key->len &&
				    !memcmp(h + 1, key->p, klen);

			if (same || same_tag(h, klen, ix, pos, hkey)) {
				best = le64_to_cpu(h->order);
				res = same ? KFC_FOUND : KFC_OTHER_KEY;
				rec->pages = pages;
				rec->off = off;
				take_record(h, klen, rec);
			}
		}
		off = round_up(off + head + vlen, KFC_REC_ALIGN);
	}
	return res;
}

/**
 * kfc_page_meant() - the record that a slot means, whosever it is
 * @pages: as for kfc_page_search()
 * @ix: likewise
 * @pos: of a key that has the slot's tag
 * @hkey: of the hash
 * @rec: filled in where there is one
 *
 * Context: as kfc_page_search(). Return: whether there is one
 */
bool kfc_page_meant(struct page **pages, const struct kfc_index *ix,
		    const struct kfc_ipos *pos, const siphash_key_t *hkey,
		    struct kfc_rec *rec)
{
	static const struct kfc_key nobody = { .p = (const u8 *)"" };

	return kfc_page_search(pages, &nobody, ix, pos, hkey, rec) ==
	       KFC_OTHER_KEY;
}

/**
 * kfc_page_entries() - what a summary tells of the records that begin in a page
 * @p: the page, in memory
 * @page: its number in the slab
 * @hkey: of the hash
 * @e: room for KFC_PAGE_RECS; filled in, the oldest first
 *
 * Context: as kfc_page_search(). Return: how many
 */
u32 kfc_page_entries(const void *p, u32 page, const siphash_key_t *hkey,
		     struct kfc_sum_entry *e)
{
	u32 off = kfc_page_first(p), n = 0;

	while (off >= KFC_PAGE_HDR && off + KFC_REC_HDR <= KFC_PAGE) {
		const struct kfc_rec_hdr *h = p + off;
		/* Pairs with the release in reserve_in(). */
		u32 lens = le32_to_cpu(smp_load_acquire(&h->lens));
		/* Pairs with the release in kfc_log_commit(). */
		u32 meta = le32_to_cpu(smp_load_acquire(&h->meta));
		u32 klen = lens & 0xff, head = kfc_rec_head(klen, meta);

		if (!klen || off + head > KFC_PAGE)
			break;
		if ((meta & KFC_REC_STATE) == KFC_REC_LIVE) {
			e[n].hash = cpu_to_le64(siphash(h + 1, klen, hkey));
			e[n].order = h->order;
			e[n].off = cpu_to_le32(page * KFC_PAGE + off);
			e[n++].exptime = h->exptime;
		}
		off = round_up(off + head + (lens >> 8), KFC_REC_ALIGN);
	}
	return n;
}

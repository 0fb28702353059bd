// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What somebody else keeps on a device, by the marks that it leaves there.
 * For the words of a refusal: a device is taken for what it lacks, not for
 * what it is, but where a superblock of ours is damaged or others' marks lie
 * behind it.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "dev.h"
#include "foreign.h"

/**
 * struct kfc_mark - bytes that tell what a device holds
 * @off: where; from the end of the device for a negative one
 * @len: how many
 * @bytes: which
 * @name: what it is then
 */
struct kfc_mark {
	s32 off;
	u32 len;
	const char *bytes;
	const char *name;
};

#define MARK(off, bytes, name)	{ off, sizeof(bytes) - 1, bytes, name }

/* The first that fits counts: what is more telling comes first. */
static const struct kfc_mark kfc_marks[] = {
	MARK(0, "LUKS\xba\xbe", "LUKS encryption"),
	MARK(0, "LABELONE", "an LVM physical volume"),
	MARK(512, "LABELONE", "an LVM physical volume"),
	MARK(1024, "LABELONE", "an LVM physical volume"),
	MARK(1536, "LABELONE", "an LVM physical volume"),
	MARK(0, "\xfc\x4e\x2b\xa9", "a member of an md RAID"),
	MARK(4096, "\xfc\x4e\x2b\xa9", "a member of an md RAID"),
	MARK(0, "XFSB", "an xfs file system"),
	MARK(65600, "_BHRfS_M", "a btrfs file system"),
	MARK(4086, "SWAPSPACE2", "swap space"),
	MARK(4086, "SWAP-SPACE", "swap space"),
	MARK(4120, "\xc6\x85\x73\xf6\x4e\x1a", "a bcache device"),
	MARK(4120, "\xc6\x85\x73\xf6\x66\xce", "a bcachefs file system"),
	MARK(0, "bluestore block device", "a Ceph OSD"),
	MARK(0, "dmvdo001", "a VDO volume"),
	MARK(0, "hsqs", "a squashfs file system"),
	MARK(1024, "\x10\x20\xf5\xf2", "an f2fs file system"),
	MARK(65588, "ReIsEr", "a reiserfs file system"),
	MARK(32768, "JFS1", "a jfs file system"),
	MARK(3, "-FVE-FS-", "BitLocker encryption"),
	MARK(3, "NTFS    ", "an NTFS file system"),
	MARK(3, "EXFAT   ", "an exFAT file system"),
	MARK(54, "FAT1", "a FAT file system"),
	MARK(82, "FAT32", "a FAT file system"),
	MARK(512, "EFI PART", "a GPT partition table"),
	MARK(4096, "EFI PART", "a GPT partition table"),
	MARK(32769, "CD001", "an ISO 9660 file system"),
	/* Two bytes only, so these last. */
	MARK(1080, "\x53\xef", "an ext2, ext3 or ext4 file system"),
	MARK(510, "\x55\xaa", "an MBR partition table or a boot sector"),
	MARK(-512, "EFI PART", "the second half of a GPT partition table"),
	MARK(-4096, "EFI PART", "the second half of a GPT partition table"),
};

static bool kfc_mark_fits(const struct kfc_ends *e, const struct kfc_mark *m)
{
	size_t off = m->off < 0 ? e->len + m->off : m->off;

	if (off >= e->len || m->len > e->len - off)
		return false;
	return !memcmp((m->off < 0 ? e->tail : e->head) + off, m->bytes,
		       m->len);
}

/**
 * kfc_foreign_mark() - what the first page of a device says that it is
 * @page: the page
 * @len: its bytes
 *
 * Any context. Return: whose, NULL where there is no mark that lies in it
 */
const char *kfc_foreign_mark(const void *page, size_t len)
{
	const struct kfc_ends e = { .head = page, .len = len };
	const struct kfc_mark *m;

	for (m = kfc_marks; m < kfc_marks + ARRAY_SIZE(kfc_marks); m++)
		if (m->off >= 0 && kfc_mark_fits(&e, m))
			return m->name;
	return NULL;
}

/**
 * kfc_foreign_behind() - what lies behind the first page of a device of ours
 * @head: the first pages, KFC_MARKED_PAGES or all that there are
 * @len: their bytes
 * @pages: gets a bit for each page, counted from the first, with a mark in it
 *
 * Somebody else may have written there only, and neither to the first nor to the
 * last page. Any context. Return: whose, NULL where there is no mark
 */
const char *kfc_foreign_behind(const u8 *head, size_t len, u32 *pages)
{
	const struct kfc_ends e = { .head = head, .len = len };
	const struct kfc_mark *m;
	const char *name = NULL;

	static_assert(KFC_MARKED_PAGES <= 32);
	*pages = 0;
	for (m = kfc_marks; m < kfc_marks + ARRAY_SIZE(kfc_marks); m++) {
		if (m->off < (s32)KFC_PAGE || !kfc_mark_fits(&e, m))
			continue;
		*pages |= 1U << m->off / KFC_PAGE;
		name = name ?: m->name;
	}
	return name;
}

/* The ring of uberblocks in the first label: a slot each KiB, or larger. */
static bool kfc_is_zfs(const struct kfc_ends *e)
{
	static const u8 le[8] = { 0x0c, 0xb1, 0xba };
	static const u8 be[8] = { 0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c };
	size_t off;

	for (off = 128 << 10; off < 256 << 10 && off < e->len; off += 1 << 10)
		if (!memcmp(e->head + off, le, sizeof(le)) ||
		    !memcmp(e->head + off, be, sizeof(be)))
			return true;
	return false;
}

/* md 0.90 and 1.0: within the last 128 KiB, at a multiple of 4 KiB. */
static bool kfc_is_old_md(const struct kfc_ends *e)
{
	size_t back;

	for (back = 4 << 10; back <= 128 << 10 && back <= e->len;
	     back += 4 << 10)
		if (!memcmp(e->tail + e->len - back, "\xfc\x4e\x2b\xa9", 4))
			return true;
	return false;
}

static void kfc_unknown_name(const struct kfc_ends *e, char *buf, size_t size)
{
	const u8 *p = e->head;
	size_t off = 0;
	int n;

	while (off < e->len && !p[off])
		off++;
	if (off == e->len) {
		p = e->tail;
		off = 0;
		while (off < e->len && !p[off])
			off++;
	}
	/* Sixteen bytes of it, from a round offset. */
	off = min(off & ~15UL, e->len - 16);
	n = snprintf(buf, size, "unknown data, at %zu bytes %s:", p == e->head ?
		     off : e->len - off, p == e->head ? "from the start" :
		     "before the end");
	p += off;
	for (off = 0; off < 16 && n > 0 && n < size; off++)
		n += snprintf(buf + n, size - n, " %02x", p[off]);
}

/**
 * kfc_ends_blank() - whether both ends of a device are zeros
 * @e: the ends
 *
 * Context: any.
 * Return: true where they are.
 */
bool kfc_ends_blank(const struct kfc_ends *e)
{
	return !memchr_inv(e->head, 0, e->len) &&
	       !memchr_inv(e->tail, 0, e->len);
}

/**
 * kfc_foreign_name() - say what a device holds
 * @e: its ends, not all zeros
 * @buf: gets a few words
 * @size: of @buf, 128 are enough
 *
 * Context: any.
 */
void kfc_foreign_name(const struct kfc_ends *e, char *buf, size_t size)
{
	const char *name = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kfc_marks) && !name; i++)
		if (kfc_mark_fits(e, &kfc_marks[i]))
			name = kfc_marks[i].name;
	if (kfc_is_zfs(e))
		name = "a ZFS pool";
	else if (!name && kfc_is_old_md(e))
		name = "a member of an md RAID";
	if (name)
		snprintf(buf, size, "%s", name);
	else
		kfc_unknown_name(e, buf, size);
}

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The devices: what lies on them, what should lie on them, and what goes wrong.
 *
 * Beside a device's bytes it keeps those that the cache wrote, as a device without
 * faults would have them. A page that comes back different is a fault that was
 * injected; one that the cache finds bad and that is not different is a bug.
 *
 * When the power is cut, what would be there when it is back is set aside: what
 * was flushed, and of what was written since all, nothing, or pieces. The cache
 * goes on with devices that are of no consequence until its clients have gone,
 * and the next one finds what was set aside.
 */
#include "area.h"
#include "sim.h"

#define QUEUE 512

struct pending {
	struct kfc_io *io;
	unsigned long due;
	u64 hash;	/* of a write's bytes, when it was submitted */
};

/* What is known of the pages of all devices, one array each. */
struct bytes {
	u8 *mem;
	u8 *want;
	u8 *unsure;	/* a write that failed may have changed it or not */
	u8 *broken;	/* it can't be read until it is written */
};

enum part {
	SUPERBLOCK,
	INDEX_AREA,
	SLABS,
};

/* Since the last flush: not written, written, and a flush is under way. */
enum { KEPT, DIRTY, FLUSHING };

struct kfc_dev sim_devs[SIM_DEVS];
u64 sim_bad_pages, sim_bad_lasts, sim_read_errors, sim_write_errors;
u64 sim_meta_faults, sim_meta_errors;
bool sim_may_cut, sim_cut;

static struct bytes now, later;	/* @later: when the power is back */
static u8 *dirty;	/* KEPT and so on, of each page */
static u8 *before;	/* of those that are not KEPT: what was there */
static u64 all_pages;
static struct pending queue[QUEUE];
static u32 nr;
bool sim_gone;
/* The pages of all lie one behind the other: of each its first, and is it gone? */
static u64 base[SIM_DEVS];
static bool gone[SIM_DEVS];

static void try_cut(void);

static u32 nr_of(const struct kfc_dev *dev)
{
	return dev - sim_devs;
}

/* Where the pages of an I/O lie among all. */
static u64 page_of(const struct kfc_io *io)
{
	return base[nr_of(io->dev)] + io->page_no;
}

/* Where the slabs of an I/O's device begin. */
static u64 slabs_at(const struct kfc_io *io)
{
	const struct kfc_cache *c = &sim_env.c;
	u32 i;

	for (i = 0; i < c->nr_devs - 1 && c->devs[i] != io->dev; i++)
		;
	return c->log.geo.place[i].slabs_at;
}

static enum part part_of(const struct kfc_io *io)
{
	if (!io->page_no || io->page_no == io->dev->pages - 1)
		return SUPERBLOCK;
	/* Until it is known where slabs are it is a device that may be blank. */
	if (!sim_env.c.log.geo.slab_bytes)
		return SUPERBLOCK;
	return io->page_no < slabs_at(io) ? INDEX_AREA : SLABS;
}

/* Of an I/O to slabs: is page @nr of it the last of its slab? */
static bool is_last(const struct kfc_io *io, u32 nr)
{
	return (io->page_no + nr - slabs_at(io) + 1) %
	       sim_env.c.log.slab_pages == 0;
}

/* Something went wrong with what a load needs. */
static void note_fault(enum part part)
{
	if (part == SLABS)
		return;
	sim_meta_faults++;
	if (part == SUPERBLOCK)
		SIM_NOTE(SIM_FAULT, "superblock: any of these");
	else
		SIM_NOTE(SIM_FAULT, "index area: any of these");
}

static void note_error(const struct kfc_io *io)
{
	enum part part = part_of(io);

	note_fault(part);
	sim_meta_errors += part != SLABS;
	if (part == SLABS)
		++*(io->write ? &sim_write_errors : &sim_read_errors);
}

static u64 hash_pages(const struct kfc_io *io)
{
	u64 h = io->page_no;
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		h = XXH64(io->pages[i]->mem, KFC_PAGE, h);
	return h;
}

/* Bytes for a page: they are lost unless they are flushed. */
static void put_page_at(u64 page_no, const void *bytes)
{
	u8 *at = now.mem + page_no * KFC_PAGE;

	if (dirty[page_no] != DIRTY)
		memcpy(before + page_no * KFC_PAGE, at, KFC_PAGE);
	dirty[page_no] = DIRTY;
	memcpy(at, bytes, KFC_PAGE);
}

/* @page_no: among the pages of all */
static void put_pages(u64 page_no, const struct kfc_io *io, u32 nr_pages)
{
	u32 i;

	for (i = 0; i < nr_pages; i++)
		put_page_at(page_no + i, io->pages[i]->mem);
}

static void flip_bit(u64 page_no, u32 nr_pages)
{
	u64 page = page_no + sim_below(nr_pages);
	u32 byte = sim_below(KFC_PAGE);

	now.mem[page * KFC_PAGE + byte] ^= 1 << sim_below(8);
}

/* A page of a write's device that it lands on: no superblock, and often a slab's first. */
static u64 wrong_place(const struct kfc_io *io, enum part part)
{
	u64 at = 1 + sim_below(io->dev->pages - 1 - io->nr_pages);
	u64 slabs = slabs_at(io);

	if (part == SLABS && sim_one_in(2))
		at = slabs + sim_below((io->dev->pages - 1 - slabs) / io->nr_pages) *
		     io->nr_pages;
	if (at < slabs)
		note_fault(INDEX_AREA);
	return at;
}

/* Of a write that was acknowledged, how much is there, or where is it? */
static u32 lie(struct kfc_io *io, enum part part)
{
	u32 left = io->nr_pages;

	/* Nothing helps against a device that loses superblocks. */
	if (part == SUPERBLOCK)
		return left;
	if (sim_fault("lost write")) {
		left = 0;
	} else if (sim_fault("misdirected write")) {
		put_pages(base[nr_of(io->dev)] + wrong_place(io, part), io,
			  io->nr_pages);
		left = 0;
	} else if (sim_fault("torn write")) {
		left = sim_below(left);
	}
	if (left < io->nr_pages)
		note_fault(part);
	return left;
}

static void do_write(struct kfc_io *io)
{
	enum part part = part_of(io);
	u64 at = page_of(io);
	u32 i;

	if (sim_fault("write error")) {
		note_error(io);
		io->err = -EIO;
		put_pages(at, io, sim_below(io->nr_pages + 1));
		memset(now.unsure + at, 1, io->nr_pages);
		return;
	}
	for (i = 0; i < io->nr_pages; i++)
		memcpy(now.want + (at + i) * KFC_PAGE, io->pages[i]->mem,
		       KFC_PAGE);
	memset(now.unsure + at, 0, io->nr_pages);
	memset(now.broken + at, 0, io->nr_pages);
	put_pages(at, io, lie(io, part));
	if (sim_fault("bit flipped")) {
		note_fault(part);
		flip_bit(at, io->nr_pages);
	}
}

static bool is_broken(const struct kfc_io *io)
{
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		if (now.broken[page_of(io) + i])
			return true;
	return false;
}

static void do_read(struct kfc_io *io)
{
	enum part part = part_of(io);
	u64 first = page_of(io);
	bool skip;
	u32 i;

	if (sim_fault("bad sector"))
		now.broken[first + sim_below(io->nr_pages)] = 1;
	if (is_broken(io) || sim_fault("read error")) {
		note_error(io);
		io->err = -EIO;
		return;
	}
	if (sim_fault("bit flipped")) {
		note_fault(part);
		flip_bit(first, io->nr_pages);
	}
	skip = sim_fault("read not made");
	if (skip)
		note_fault(part);
	for (i = 0; i < io->nr_pages; i++) {
		u64 at = (first + i) * KFC_PAGE;

		if (!skip)
			memcpy(io->pages[i]->mem, now.mem + at, KFC_PAGE);
		if (part == SLABS &&
		    (now.unsure[first + i] ||
		     memcmp(io->pages[i]->mem, now.want + at, KFC_PAGE))) {
			sim_bad_pages++;
			sim_bad_lasts += sim_loading && is_last(io, i);
		}
	}
}

static void free_bytes(struct bytes *b)
{
	free(b->mem);
	free(b->want);
	free(b->unsure);
	free(b->broken);
	memset(b, 0, sizeof(*b));
}

static void new_bytes(struct bytes *b)
{
	b->mem = calloc(all_pages, KFC_PAGE);
	b->want = calloc(all_pages, KFC_PAGE);
	b->unsure = calloc(all_pages, 1);
	b->broken = calloc(all_pages, 1);
}

/* Of two versions of a page, sectors of each. */
static void mix_sectors(u8 *page, const u8 *other)
{
	u32 i;

	for (i = 0; i < KFC_PAGE; i += 512)
		if (sim_one_in(2))
			memcpy(page + i, other + i, 512);
}

/* Writes that were under way: some of their pages are there. */
static void cut_write(const struct kfc_io *io)
{
	u64 at = page_of(io);
	u32 i;

	memset(later.unsure + at, 1, io->nr_pages);
	if (sim_one_in(2))
		return;
	for (i = 0; i < io->nr_pages; i++) {
		if (sim_one_in(4))
			mix_sectors(later.mem + (at + i) * KFC_PAGE,
				    io->pages[i]->mem);
		else if (sim_one_in(2))
			memcpy(later.mem + (at + i) * KFC_PAGE,
			       io->pages[i]->mem, KFC_PAGE);
	}
}

/* Pages in a row that were written and not flushed: all, none or some. */
static void cut_dirty(u64 from, u64 to)
{
	u32 how = sim_below(3);
	u64 at;

	if (!how)
		return;
	memset(later.unsure + from, 1, to - from);
	for (at = from; at < to; at++) {
		u8 *page = later.mem + at * KFC_PAGE;

		if (how == 1 || sim_one_in(3))
			memcpy(page, before + at * KFC_PAGE, KFC_PAGE);
		else if (sim_one_in(4))
			mix_sectors(page, before + at * KFC_PAGE);
	}
}

static void cut(void)
{
	u64 at, from;
	u32 i;

	sim_cut = true;
	hash_log("cut", 0);
	model_cut();
	new_bytes(&later);
	memcpy(later.mem, now.mem, all_pages * KFC_PAGE);
	memcpy(later.want, now.want, all_pages * KFC_PAGE);
	memcpy(later.unsure, now.unsure, all_pages);
	memcpy(later.broken, now.broken, all_pages);
	for (at = 0; at < all_pages; at++) {
		for (from = at; at < all_pages && dirty[at] != KEPT; at++)
			;
		if (at > from)
			cut_dirty(from, at);
	}
	for (i = 0; i < nr; i++)
		if (queue[i].io->write)
			cut_write(queue[i].io);
}

static void try_cut(void)
{
	if (sim_may_cut && !sim_cut && sim_fault("power cut"))
		cut();
}

/* At other times. */
void sim_dev_cut(void)
{
	if (sim_may_cut && !sim_cut)
		cut();
}

static void finish(const struct pending *p)
{
	struct kfc_io *io = p->io;

	io->err = 0;
	if (io->write && hash_pages(io) != p->hash)
		sim_fail("a slab changed while it was written");
	if (!sim_loading && sim_fault("removal"))
		sim_gone = gone[nr_of(io->dev)] = true;
	if (gone[nr_of(io->dev)]) {
		io->err = -EIO;
		note_error(io);
	} else if (io->write) {
		do_write(io);
	} else {
		do_read(io);
	}
	hash_log(io->write ? "written" : "read",
		 page_of(io) ^ (u64)(u32)io->err << 32);
	try_cut();
	io->done(io);
}

static void submit(struct kfc_dev *dev, struct kfc_io *io, bool write)
{
	struct pending p = { .io = io };

	sim_point();
	io->write = write;
	io->dev = dev;
	assert(io->page_no + io->nr_pages <= dev->pages);
	try_cut();
	if (write)
		p.hash = hash_pages(io);
	hash_log(write ? "write" : "submit", write ? p.hash : page_of(io));
	if (!sim_cfg.latency_ms && sim_one_in(2)) {
		finish(&p);
		return;
	}
	p.due = jiffies + sim_below(sim_cfg.latency_ms + 1);
	if (sim_fault("slow I/O"))
		p.due += sim_below(4 * sim_env.c.cfg.read_timeout_ms);
	assert(nr < QUEUE);
	queue[nr++] = p;
	sim_wake(sim_devs);
}

static void dev_read(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(dev, io, false);
}

static void dev_write(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(dev, io, true);
}

static bool dev_gone(struct kfc_dev *dev)
{
	sim_point();
	return gone[nr_of(dev)];
}

/* What is discarded reads as something else, and nobody is to read it. */
static int dev_discard(struct kfc_dev *dev, u64 page_no, u64 nr_pages)
{
	static u8 discarded[KFC_PAGE];
	u64 at = base[nr_of(dev)] + page_no;
	u32 i;

	memset(discarded, 0xdd, sizeof(discarded));
	sim_point();
	for (i = 0; i < nr; i++)
		if (queue[i].io->dev == dev &&
		    queue[i].io->page_no < page_no + nr_pages &&
		    queue[i].io->page_no + queue[i].io->nr_pages > page_no)
			sim_fail("discarded under an I/O");
	hash_log("discard", base[nr_of(dev)] + page_no);
	if (gone[nr_of(dev)] || sim_fault("discard error"))
		return -EIO;
	for (i = 0; i < nr_pages; i++)
		put_page_at(at + i, discarded);
	memset(now.want + at * KFC_PAGE, 0xdd, nr_pages * KFC_PAGE);
	return 0;
}

/* What was written before is there for good. */
static int dev_flush(struct kfc_dev *dev)
{
	u64 at = base[nr_of(dev)], end = at + dev->pages;

	sim_point();
	try_cut();
	hash_log("flush", at);
	for (; at < end; at++)
		if (dirty[at] == DIRTY)
			dirty[at] = FLUSHING;
	if (sim_cfg.latency_ms)
		sim_sleep(dirty, 1 + sim_below(sim_cfg.latency_ms));
	if (gone[nr_of(dev)] || sim_fault("flush error")) {
		note_fault(SUPERBLOCK);
		sim_meta_errors++;
		for (at = base[nr_of(dev)]; at < end; at++)
			if (dirty[at] == FLUSHING)
				dirty[at] = DIRTY;
		return -EIO;
	}
	for (at = base[nr_of(dev)]; at < end; at++)
		if (dirty[at] == FLUSHING)
			dirty[at] = KEPT;
	return 0;
}

static const struct kfc_dev_ops dev_ops = {
	.read = dev_read,
	.write = dev_write,
	.flush = dev_flush,
	.gone = dev_gone,
	.discard = dev_discard,
};

/* Pages in front of the slabs, on the device that has the index area. */
static u64 pages_before(u64 pages)
{
	u64 lines = sim_env.c.cfg.index_bytes / (64 << KFC_INDEX_GROWTH);
	u64 slabs = pages / (sim_cfg.slab_bytes / KFC_PAGE);

	return round_up(1 + kfc_area_pages(lines, slabs), 256ULL);
}

void sim_dev_start(void)
{
	u64 pages = 0, all = 0;
	u32 i;

	memset(sim_devs, 0, sizeof(sim_devs));
	memset(gone, 0, sizeof(gone));
	for (i = 0; i < sim_cfg.devs; i++)
		all += 1024 + (u64)sim_cfg.device_slabs[i] *
		       (sim_cfg.slab_bytes / KFC_PAGE);
	for (i = 0; i < sim_cfg.devs; i++) {
		sim_devs[i].ops = &dev_ops;
		/* Any of them may become the one with the index area. */
		sim_devs[i].pages = pages_before(all) + 1 +
				    (u64)sim_cfg.device_slabs[i] *
				    (sim_cfg.slab_bytes / KFC_PAGE);
		sprintf(sim_devs[i].name, "sim%u", i);
		base[i] = pages;
		pages += sim_devs[i].pages;
	}
	all_pages = pages;
	new_bytes(&now);
	dirty = calloc(pages, 1);
	before = calloc(pages, KFC_PAGE);
	nr = 0;
	sim_gone = sim_may_cut = sim_cut = false;
	sim_meta_faults = 0;
	sim_bad_pages = sim_bad_lasts = sim_read_errors = sim_write_errors = 0;
}

/* A cache is to be loaded: what was taken away is plugged in again. */
void sim_dev_load(void)
{
	memset(gone, 0, sizeof(gone));
	sim_gone = false;
	sim_meta_errors = 0;
	sim_bad_pages = sim_bad_lasts = sim_read_errors = sim_write_errors = 0;
}

/* Nothing can be read any more: others take the devices' places. */
void sim_dev_replace(void)
{
	memset(now.mem, 0, all_pages * KFC_PAGE);
	memset(now.want, 0, all_pages * KFC_PAGE);
	memset(now.unsure, 0, all_pages);
	memset(now.broken, 0, all_pages);
	memset(dirty, KEPT, all_pages);
	sim_meta_faults++;
}

/* What lies at a page of a device. */
void *sim_dev_page(const struct kfc_dev *dev, u64 page_no)
{
	return now.mem + (base[nr_of(dev)] + page_no) * KFC_PAGE;
}

/* After a cut: the power is back. */
void sim_dev_power_on(void)
{
	free_bytes(&now);
	now = later;
	memset(&later, 0, sizeof(later));
	memset(dirty, KEPT, all_pages);
	sim_cut = false;
}

void sim_dev_exit(void)
{
	if (nr)
		sim_fail("%u I/Os were left behind", nr);
	free_bytes(&now);
	free(dirty);
	free(before);
}

/* The interrupts: what is due ends, in any order. */
int sim_dev_run(void *arg)
{
	for (;;) {
		u32 due[QUEUE], n = 0, i;
		unsigned long next = 0;
		bool stop = sim_should_stop();
		struct pending p;

		for (i = 0; i < nr; i++) {
			if (time_after_eq(jiffies, queue[i].due))
				due[n++] = i;
			else if (!next || time_before(queue[i].due, next))
				next = queue[i].due;
		}
		if (!n) {
			if (!nr && stop)
				return 0;
			/* No point since the look, so no wake is lost. */
			sim_sleep(sim_devs, next ? next - jiffies : 0);
			continue;
		}
		i = due[sim_below(n)];
		if (i) {
			/* Ended before one that was submitted earlier. */
			SIM_NOTE(SIM_FAULT, "I/O reordered");
		}
		p = queue[i];
		memmove(&queue[i], &queue[i + 1], (--nr - i) * sizeof(p));
		finish(&p);
	}
}

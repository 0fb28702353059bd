// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The devices: what lies on them, what should lie on them, and what goes wrong.
 *
 * Beside a device's bytes it keeps those that the cache wrote, as a device without
 * faults would have them. A page that comes back different is a fault that was
 * injected; one that the cache finds bad and that is not different is a bug.
 */
#include "sim.h"

#define QUEUE 512

struct pending {
	struct kfc_io *io;
	unsigned long due;
	u64 hash;	/* of a write's bytes, when it was submitted */
};

struct kfc_dev sim_devs[SIM_DEVS];
u64 sim_bad_pages, sim_read_errors, sim_write_errors;

static u8 *mem, *want;
static u8 *unsure;	/* pages that a failed write may have changed or not */
static u8 *broken;	/* pages that can't be read until they are written */
static struct pending queue[QUEUE];
static u32 nr;
bool sim_gone;
/* The pages of all lie one behind the other: of each its first, and is it gone? */
static u64 base[SIM_DEVS];
static bool gone[SIM_DEVS];

static u32 nr_of(const struct kfc_dev *dev)
{
	return dev - sim_devs;
}

/* Where the pages of an I/O lie among all. */
static u64 page_of(const struct kfc_io *io)
{
	return base[nr_of(io->dev)] + io->page_no;
}

static u64 hash_pages(const struct kfc_io *io)
{
	u64 h = io->page_no;
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		h = XXH64(io->pages[i]->mem, KFC_PAGE, h);
	return h;
}

/* @page_no: among the pages of all */
static void put_pages(u64 page_no, const struct kfc_io *io, u32 nr_pages)
{
	u32 i;

	for (i = 0; i < nr_pages; i++)
		memcpy(mem + (page_no + i) * KFC_PAGE, io->pages[i]->mem,
		       KFC_PAGE);
}

static void flip_bit(u64 page_no, u32 nr_pages)
{
	u64 page = page_no + sim_below(nr_pages);
	u32 byte = sim_below(KFC_PAGE);

	mem[page * KFC_PAGE + byte] ^= 1 << sim_below(8);
}

static void do_write(struct kfc_io *io)
{
	u64 at = page_of(io), slab;
	u32 i;

	if (sim_fault("write error")) {
		sim_write_errors++;
		io->err = -EIO;
		put_pages(at, io, sim_below(io->nr_pages + 1));
		memset(unsure + at, 1, io->nr_pages);
		return;
	}
	for (i = 0; i < io->nr_pages; i++)
		memcpy(want + (at + i) * KFC_PAGE, io->pages[i]->mem, KFC_PAGE);
	memset(unsure + at, 0, io->nr_pages);
	memset(broken + at, 0, io->nr_pages);
	if (sim_fault("lost write"))
		return;
	if (sim_fault("misdirected write")) {
		slab = sim_below(sim_cfg.device_slabs[nr_of(io->dev)]);
		put_pages(base[nr_of(io->dev)] + 1 + slab * io->nr_pages, io,
			  io->nr_pages);
		return;
	}
	put_pages(at, io, sim_fault("torn write") ? sim_below(io->nr_pages) :
						    io->nr_pages);
	if (sim_fault("bit flipped"))
		flip_bit(at, io->nr_pages);
}

static bool is_broken(const struct kfc_io *io)
{
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		if (broken[page_of(io) + i])
			return true;
	return false;
}

static void do_read(struct kfc_io *io)
{
	u64 first = page_of(io);
	bool skip;
	u32 i;

	if (sim_fault("bad sector"))
		broken[first + sim_below(io->nr_pages)] = 1;
	if (is_broken(io) || sim_fault("read error")) {
		sim_read_errors++;
		io->err = -EIO;
		return;
	}
	if (sim_fault("bit flipped"))
		flip_bit(first, io->nr_pages);
	skip = sim_fault("read not made");
	for (i = 0; i < io->nr_pages; i++) {
		u64 at = (first + i) * KFC_PAGE;

		if (!skip)
			memcpy(io->pages[i]->mem, mem + at, KFC_PAGE);
		if (unsure[first + i] ||
		    memcmp(io->pages[i]->mem, want + at, KFC_PAGE))
			sim_bad_pages++;
	}
}

static void finish(const struct pending *p)
{
	struct kfc_io *io = p->io;

	io->err = 0;
	if (io->write && hash_pages(io) != p->hash)
		sim_fail("a slab changed while it was written");
	if (sim_fault("removal"))
		sim_gone = gone[nr_of(io->dev)] = true;
	if (gone[nr_of(io->dev)]) {
		io->err = -EIO;
		++*(io->write ? &sim_write_errors : &sim_read_errors);
	} else if (io->write) {
		do_write(io);
	} else {
		do_read(io);
	}
	hash_log(io->write ? "written" : "read",
		 page_of(io) ^ (u64)(u32)io->err << 32);
	io->done(io);
}

static void submit(struct kfc_dev *dev, struct kfc_io *io, bool write)
{
	struct pending p = { .io = io };

	sim_point();
	io->write = write;
	io->dev = dev;
	assert(io->page_no + io->nr_pages <= dev->pages);
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
	u64 at = (base[nr_of(dev)] + page_no) * KFC_PAGE;
	u32 i;

	sim_point();
	for (i = 0; i < nr; i++)
		if (queue[i].io->dev == dev &&
		    queue[i].io->page_no < page_no + nr_pages &&
		    queue[i].io->page_no + queue[i].io->nr_pages > page_no)
			sim_fail("discarded under an I/O");
	hash_log("discard", base[nr_of(dev)] + page_no);
	if (gone[nr_of(dev)] || sim_fault("discard error"))
		return -EIO;
	memset(mem + at, 0xdd, nr_pages * KFC_PAGE);
	memset(want + at, 0xdd, nr_pages * KFC_PAGE);
	return 0;
}

static const struct kfc_dev_ops dev_ops = {
	.read = dev_read,
	.write = dev_write,
	.gone = dev_gone,
	.discard = dev_discard,
};

/* In place of super.c, which nothing here restarts from. */
int kfc_super_store(struct kfc_cache *c, u32 nr)
{
	sim_point();
	if (!gone[nr] && !sim_fault("flush error"))
		return 0;
	sim_write_errors++;
	kfc_member_fail(c, nr, "a flush that failed");
	return -EIO;
}

void sim_dev_start(void)
{
	u64 pages = 0;
	u32 i;

	memset(sim_devs, 0, sizeof(sim_devs));
	memset(gone, 0, sizeof(gone));
	for (i = 0; i < sim_cfg.devs; i++) {
		sim_devs[i].ops = &dev_ops;
		sim_devs[i].pages = 1 + (u64)sim_cfg.device_slabs[i] *
				    (sim_cfg.slab_bytes / KFC_PAGE);
		sprintf(sim_devs[i].name, "sim%u", i);
		base[i] = pages;
		pages += sim_devs[i].pages;
	}
	mem = calloc(pages, KFC_PAGE);
	want = calloc(pages, KFC_PAGE);
	unsure = calloc(pages, 1);
	broken = calloc(pages, 1);
	nr = 0;
	sim_gone = false;
	sim_bad_pages = sim_read_errors = sim_write_errors = 0;
}

void sim_dev_exit(void)
{
	if (nr)
		sim_fail("%u I/Os were left behind", nr);
	free(mem);
	free(want);
	free(unsure);
	free(broken);
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

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The device: what lies on it, what should lie on it, and what goes wrong.
 *
 * Beside its bytes it keeps those that the cache wrote, as a device without
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

struct kfc_dev sim_dev;
u64 sim_bad_pages, sim_read_errors, sim_write_errors;

static u8 *mem, *want;
static u8 *unsure;	/* pages that a failed write may have changed or not */
static u8 *broken;	/* pages that can't be read until they are written */
static struct pending queue[QUEUE];
static u32 nr;
bool sim_gone;

static u64 hash_pages(const struct kfc_io *io)
{
	u64 h = io->page_no;
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		h = XXH64(io->pages[i]->mem, KFC_PAGE, h);
	return h;
}

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
	u64 slab = (io->page_no - 1) / io->nr_pages;
	u32 i;

	if (sim_fault("write error")) {
		sim_write_errors++;
		io->err = -EIO;
		put_pages(io->page_no, io, sim_below(io->nr_pages + 1));
		memset(unsure + io->page_no, 1, io->nr_pages);
		return;
	}
	for (i = 0; i < io->nr_pages; i++)
		memcpy(want + (io->page_no + i) * KFC_PAGE, io->pages[i]->mem,
		       KFC_PAGE);
	memset(unsure + io->page_no, 0, io->nr_pages);
	memset(broken + io->page_no, 0, io->nr_pages);
	if (sim_fault("lost write"))
		return;
	if (sim_fault("misdirected write")) {
		slab = sim_below(sim_cfg.device_slabs);
		put_pages(1 + slab * io->nr_pages, io, io->nr_pages);
		return;
	}
	put_pages(io->page_no, io, sim_fault("torn write") ?
		  sim_below(io->nr_pages) : io->nr_pages);
	if (sim_fault("bit flipped"))
		flip_bit(io->page_no, io->nr_pages);
}

static bool is_broken(const struct kfc_io *io)
{
	u32 i;

	for (i = 0; i < io->nr_pages; i++)
		if (broken[io->page_no + i])
			return true;
	return false;
}

static void do_read(struct kfc_io *io)
{
	bool skip;
	u32 i;

	if (sim_fault("bad sector"))
		broken[io->page_no + sim_below(io->nr_pages)] = 1;
	if (is_broken(io) || sim_fault("read error")) {
		sim_read_errors++;
		io->err = -EIO;
		return;
	}
	if (sim_fault("bit flipped"))
		flip_bit(io->page_no, io->nr_pages);
	skip = sim_fault("read not made");
	for (i = 0; i < io->nr_pages; i++) {
		u64 at = (io->page_no + i) * KFC_PAGE;

		if (!skip)
			memcpy(io->pages[i]->mem, mem + at, KFC_PAGE);
		if (unsure[io->page_no + i] ||
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
		sim_gone = true;
	if (sim_gone) {
		io->err = -EIO;
		++*(io->write ? &sim_write_errors : &sim_read_errors);
	} else if (io->write) {
		do_write(io);
	} else {
		do_read(io);
	}
	hash_log(io->write ? "written" : "read",
		 io->page_no ^ (u64)(u32)io->err << 32);
	io->done(io);
}

static void submit(struct kfc_io *io, bool write)
{
	struct pending p = { .io = io };

	sim_point();
	io->write = write;
	assert(io->page_no + io->nr_pages <= sim_dev.pages);
	if (write)
		p.hash = hash_pages(io);
	hash_log(write ? "write" : "submit", write ? p.hash : io->page_no);
	if (!sim_cfg.latency_ms && sim_one_in(2)) {
		finish(&p);
		return;
	}
	p.due = jiffies + sim_below(sim_cfg.latency_ms + 1);
	if (sim_fault("slow I/O"))
		p.due += sim_below(4 * sim_env.c.cfg.read_timeout_ms);
	assert(nr < QUEUE);
	queue[nr++] = p;
	sim_wake(&sim_dev);
}

static void dev_read(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(io, false);
}

static void dev_write(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(io, true);
}

static bool dev_gone(struct kfc_dev *dev)
{
	sim_point();
	return sim_gone;
}

/* What is discarded reads as something else, and nobody is to read it. */
static int dev_discard(struct kfc_dev *dev, u64 page_no, u64 nr_pages)
{
	u32 i;

	sim_point();
	for (i = 0; i < nr; i++)
		if (queue[i].io->page_no < page_no + nr_pages &&
		    queue[i].io->page_no + queue[i].io->nr_pages > page_no)
			sim_fail("discarded under an I/O");
	hash_log("discard", page_no);
	if (sim_gone || sim_fault("discard error"))
		return -EIO;
	memset(mem + page_no * KFC_PAGE, 0xdd, nr_pages * KFC_PAGE);
	memset(want + page_no * KFC_PAGE, 0xdd, nr_pages * KFC_PAGE);
	return 0;
}

static const struct kfc_dev_ops dev_ops = {
	.read = dev_read,
	.write = dev_write,
	.gone = dev_gone,
	.discard = dev_discard,
};

/* In place of super.c, which nothing here restarts from. */
int kfc_super_store(struct kfc_cache *c)
{
	sim_point();
	if (!sim_gone && !sim_fault("flush error"))
		return 0;
	sim_write_errors++;
	kfc_log_fail(c, "a flush that failed");
	return -EIO;
}

void sim_dev_start(void)
{
	u64 pages = 1 + (u64)sim_cfg.device_slabs *
		    (sim_cfg.slab_bytes / KFC_PAGE);

	memset(&sim_dev, 0, sizeof(sim_dev));
	sim_dev.ops = &dev_ops;
	sim_dev.pages = pages;
	strcpy(sim_dev.name, "sim");
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
			sim_sleep(&sim_dev, next ? next - jiffies : 0);
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

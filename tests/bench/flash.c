// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "flash.h"

#define CHANNELS 64
#define RING 4096

/* A unit to be read from or programmed. */
struct job {
	struct kfc_io *io;
	u64 seq;
};

struct ring {
	struct job j[RING];
	u32 head, nr;
};

enum doing { NOTHING, READING, PROGRAMMING };

/**
 * struct channel - a part of the device that does one thing at a time
 * @reads: that wait
 * @programs: likewise; the first is the one that is @suspended, if any
 * @doing: what it does now
 * @job: and for whom
 * @ends: when that ends
 * @suspended: ns that are left of a program, 0 for none
 */
struct channel {
	struct ring reads, programs;
	enum doing doing;
	struct job job;
	u64 ends;
	u64 suspended;
};

u64 flash_now, flash_programmed;

static struct env *env;
static struct flash_cfg cfg;
static const struct kfc_dev_ops *base;
static struct channel channels[CHANNELS];
static u64 seq;

static void push(struct ring *r, struct kfc_io *io)
{
	assert(r->nr < RING);
	r->j[(r->head + r->nr++) % RING] = (struct job) { io, seq++ };
}

static struct job pop(struct ring *r)
{
	struct job j = r->j[r->head];

	r->head = (r->head + 1) % RING;
	r->nr--;
	return j;
}

static bool reads_first(const struct channel *ch)
{
	if (!ch->reads.nr || !ch->programs.nr)
		return ch->reads.nr;
	return cfg.order != FLASH_FIFO ||
	       ch->reads.j[ch->reads.head].seq <
	       ch->programs.j[ch->programs.head].seq;
}

static void begin(struct channel *ch)
{
	if (ch->doing != NOTHING)
		return;
	if (reads_first(ch)) {
		ch->doing = READING;
		ch->job = pop(&ch->reads);
		ch->ends = flash_now + cfg.read_ns;
	} else if (ch->programs.nr) {
		ch->doing = PROGRAMMING;
		ch->job = pop(&ch->programs);
		ch->ends = flash_now + (ch->suspended ?
					ch->suspended + cfg.suspend_ns :
					cfg.program_ns);
		ch->suspended = 0;
	}
}

/* A program that has next to nothing left to do is left to do it. */
static void suspend(struct channel *ch)
{
	if (cfg.order != FLASH_SUSPEND || ch->doing != PROGRAMMING ||
	    ch->ends - flash_now <= cfg.suspend_ns)
		return;
	ch->suspended = ch->ends - flash_now;
	ch->programs.head = (ch->programs.head + RING - 1) % RING;
	ch->programs.nr++;
	ch->programs.j[ch->programs.head] = ch->job;
	ch->doing = READING;
	ch->job = pop(&ch->reads);
	ch->ends = flash_now + cfg.suspend_ns + cfg.read_ns;
}

static struct channel *channel_of(u64 page_no)
{
	return &channels[page_no / cfg.unit_pages % cfg.channels];
}

static void begin_read(struct channel *ch, struct kfc_io *io)
{
	push(&ch->reads, io);
	suspend(ch);
	begin(ch);
}

static void begin_program(struct channel *ch, struct kfc_io *io)
{
	push(&ch->programs, io);
	begin(ch);
}

/*
 * A job for each unit that the I/O has a part of; it takes as long as all of
 * the unit. io->left counts them: a device layer's own.
 */
static void split(struct kfc_io *io,
		  void (*job)(struct channel *ch, struct kfc_io *io))
{
	u64 page = io->page_no, end = page + io->nr_pages;

	atomic_set(&io->left, 0);
	for (; page < end; page += cfg.unit_pages - page % cfg.unit_pages) {
		atomic_inc(&io->left);
		job(channel_of(page), io);
	}
}

static void flash_read(struct kfc_dev *d, struct kfc_io *io)
{
	base->read(d, io);
	split(io, begin_read);
}

static void flash_write(struct kfc_dev *d, struct kfc_io *io)
{
	base->write(d, io);
	split(io, begin_program);
}

/* The bytes move, and whoever asked is told. */
static void io_ends(struct kfc_io *io)
{
	u32 i = 0;

	while (env->d.queue[i] != io)
		i++;
	assert(i < env->d.nr);
	env_complete(env, i);
}

static void ends(struct channel *ch)
{
	struct kfc_io *io = ch->job.io;

	if (ch->doing == PROGRAMMING)
		flash_programmed += cfg.unit_pages * KFC_PAGE;
	ch->doing = NOTHING;
	begin(ch);
	if (atomic_dec_and_test(&io->left))
		io_ends(io);
}

/* Return: when something ends next, U64_MAX for never */
u64 flash_next(void)
{
	u64 next = U64_MAX;
	u32 i;

	for (i = 0; i < cfg.channels; i++)
		if (channels[i].doing != NOTHING)
			next = min(next, channels[i].ends);
	return next;
}

/* It is @now: let end what is due, not later than flash_next(). */
void flash_run(u64 now)
{
	u32 i;

	flash_now = now;
	for (i = 0; i < cfg.channels; i++)
		if (channels[i].doing != NOTHING && channels[i].ends <= now)
			ends(&channels[i]);
}

void flash_order(enum flash_order order)
{
	assert(flash_next() == U64_MAX);
	cfg.order = order;
}

static struct kfc_dev_ops ops;

/* From here on the device of @e takes its time; it has nothing under way. */
void flash_start(struct env *e, const struct flash_cfg *c)
{
	assert(!e->d.nr && c->channels <= CHANNELS);
	env = e;
	cfg = *c;
	base = e->d.dev.ops;
	ops = *base;
	ops.read = flash_read;
	ops.write = flash_write;
	e->d.dev.ops = &ops;
	e->d.defer = true;
}

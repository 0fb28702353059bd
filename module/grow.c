// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The memory of the index, and its growth while it is in use.
 *
 * It starts with a 512th of what it may become, or somewhat more where that is
 * next to nothing, and doubles as it fills. The
 * lines of the next level are allocated a few chunks ahead of the groups that
 * move there, and those behind them are freed after a grace period: at the end
 * of a doubling there are few chunks more than the new size. A work item does
 * that; each set of a new entry moves a group or two on the way, so that a
 * table does not fill before it has grown, however fast it is filled.
 *
 * Where there is no memory, growth waits and is tried again; until then sets
 * that find their group full evict.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "index.h"
#include "observe.h"

#define KFC_INDEX_LOCKS	1024
#define KFC_INDEX_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_ZERO)

/* Lines of a chunk, 2 MiB of them at most; a 64th of a small index. */
#define KFC_CHUNK_SHIFT	15
#define KFC_CHUNK_LEAST	4
/*
 * Chunks that the work item moves between one grace period and the next, and
 * those that may be moved by then: while it waits, sets go on.
 */
#define KFC_STEP	2
#define KFC_AHEAD	4
/* Groups that a set moves. */
#define KFC_HELP	2

/*
 * Per cent of the slots of a level at which it grows. The fewer slots a group
 * has, the earlier some of them are full. So early that hardly ever a set
 * evicts before the last level: that one may fill to 0.76.
 */
static const u8 grow_at[] = { 10, 25, 40, 55 };

/* Memory of what vmalloc() is asked for, with its own entries for each page. */
static u64 vmalloc_bytes(u64 n)
{
	return n + DIV_ROUND_UP(n, PAGE_SIZE) * 2 * sizeof(u64);
}

static u32 lines_at(const struct kfc_index *ix, u32 level)
{
	return ix->lines0 << level;
}

static u32 chunks_at(const struct kfc_index *ix, u32 level)
{
	return DIV_ROUND_UP(lines_at(ix, level), BIT(ix->chunk_shift));
}

static u64 chunk_bytes(const struct kfc_index *ix, u32 level, u32 chunk)
{
	u32 first = chunk << ix->chunk_shift;

	return min_t(u32, lines_at(ix, level) - first, BIT(ix->chunk_shift)) *
	       64ULL;
}

/* Directory and overflow bytes. */
static u64 table_bytes(const struct kfc_index *ix, u32 level)
{
	return chunks_at(ix, level) * sizeof(u64 *) +
	       vmalloc_bytes(kfc_index_groups(ix, level));
}

static u32 chunk_shift(u32 lines0)
{
	u32 lines = lines0 << KFC_INDEX_GROWTH;

	return clamp_t(u32, ilog2(lines) - 6, KFC_CHUNK_LEAST,
		       KFC_CHUNK_SHIFT);
}

/**
 * kfc_index_size() - the size that an index of about @want bytes has
 * @want: bytes
 *
 * Return: bytes of lines, fully grown, a multiple of the smallest table, not
 * above @want but where that is less than the smallest
 */
u64 kfc_index_size(u64 want)
{
	u64 unit = 64ULL << KFC_INDEX_GROWTH;
	u64 lines0 = div64_u64(want, unit);

	return clamp_t(u64, lines0, 1, U32_MAX >> KFC_INDEX_GROWTH) * unit;
}

/**
 * kfc_index_start() - the level that an empty index starts at
 * @bytes: size that it may grow to, from kfc_index_size()
 * @least: bytes that it has at once, where it may grow to so many
 *
 * Return: the level for kfc_index_init()
 */
u32 kfc_index_start(u64 bytes, u64 least)
{
	u32 level = 0;

	while (level < KFC_INDEX_GROWTH &&
	       bytes >> (KFC_INDEX_GROWTH - level) < least)
		level++;
	return level;
}

/**
 * kfc_index_bound() - the most memory that an index takes
 * @bytes: its size, from kfc_index_size()
 *
 * Return: bytes, at the worst point of its last growth
 */
u64 kfc_index_bound(u64 bytes)
{
	struct kfc_index ix = {
		.lines0 = div64_u64(bytes, 64ULL << KFC_INDEX_GROWTH),
	};

	ix.chunk_shift = chunk_shift(ix.lines0);
	return vmalloc_bytes(bytes) + table_bytes(&ix, KFC_INDEX_GROWTH) +
	       table_bytes(&ix, KFC_INDEX_GROWTH - 1) +
	       KFC_AHEAD * vmalloc_bytes(64ULL << ix.chunk_shift) +
	       KFC_INDEX_LOCKS * sizeof(*ix.locks);
}

static void add_bytes(struct kfc_index *ix, s64 n)
{
	WRITE_ONCE(ix->bytes, ix->bytes + n);
}

static void free_table(struct kfc_index *ix, u32 level)
{
	struct kfc_itable *t = &ix->tab[level];

	vfree(t->over);
	kvfree(t->chunks);
	t->over = NULL;
	t->chunks = NULL;
}

/* All but the chunks. */
static int add_table(struct kfc_index *ix, u32 level)
{
	struct kfc_itable *t = &ix->tab[level];

	t->chunks = kvcalloc(chunks_at(ix, level), sizeof(*t->chunks),
			     GFP_KERNEL | __GFP_NOWARN);
	t->over = __vmalloc(kfc_index_groups(ix, level), KFC_INDEX_GFP);
	if (!t->chunks || !t->over) {
		free_table(ix, level);
		return -ENOMEM;
	}
	add_bytes(ix, table_bytes(ix, level));
	return 0;
}

/* What /proc/vmallocinfo calls the memory of the index by. */
static noinline int kfc_index_chunk(struct kfc_index *ix, u32 level, u32 chunk)
{
	u64 bytes = chunk_bytes(ix, level, chunk);
	u64 *lines = __vmalloc(bytes, KFC_INDEX_GFP);

	if (!lines)
		return -ENOMEM;
	ix->tab[level].chunks[chunk] = lines;
	add_bytes(ix, vmalloc_bytes(bytes));
	return 0;
}

/* What goes with a level: it is there whole. */
static void set_limits(struct kfc_index *ix, u32 level)
{
	u64 slots = (u64)lines_at(ix, level) * KFC_LINE_SLOTS;
	u32 percent = grow_at[min_t(u32, level, ARRAY_SIZE(grow_at) - 1)];

	/* What all CPUs together have not told is 1.5 % of the slots at most. */
	WRITE_ONCE(ix->batch, clamp_t(u32, lines_at(ix, level) / 8 /
				      num_possible_cpus(), 1, 32));
	WRITE_ONCE(ix->limit, level < KFC_INDEX_GROWTH ?
		   div_u64(slots * percent, 100) : S64_MAX);
}

static void grow_work(struct work_struct *work)
{
	struct kfc_index *ix = container_of(work, struct kfc_index, work);

	if (kfc_index_step(ix))
		queue_work(system_unbound_wq, work);
	else
		WRITE_ONCE(ix->asleep, true);
}

/**
 * kfc_index_init() - make an empty index
 * @ix: zeroed
 * @bytes: size that it may grow to, from kfc_index_size()
 * @level: that it starts at
 *
 * Context: may sleep. Return: 0 or -ENOMEM with nothing left behind.
 */
int kfc_index_init(struct kfc_index *ix, u64 bytes, u32 level)
{
	u32 i;

	INIT_WORK(&ix->work, grow_work);
	spin_lock_init(&ix->move);
	ix->asleep = true;
	ix->lines0 = div64_u64(bytes, 64ULL << KFC_INDEX_GROWTH);
	ix->chunk_shift = chunk_shift(ix->lines0);
	ix->lock_mask = KFC_INDEX_LOCKS - 1;
	ix->state = (u64)level << 32;
	set_limits(ix, level);
	if (percpu_counter_init(&ix->used, 0, GFP_KERNEL))
		return -ENOMEM;
	ix->locks = kvcalloc(KFC_INDEX_LOCKS, sizeof(*ix->locks), GFP_KERNEL);
	if (!ix->locks || add_table(ix, level))
		goto nomem;
	for (i = 0; i <= ix->lock_mask; i++)
		spin_lock_init(&ix->locks[i]);
	add_bytes(ix, KFC_INDEX_LOCKS * sizeof(*ix->locks));
	for (i = 0; i < chunks_at(ix, level); i++)
		if (kfc_index_chunk(ix, level, i))
			goto nomem;
	return 0;
nomem:
	kfc_index_exit(ix);
	return -ENOMEM;
}

/**
 * kfc_index_stop() - no more growth
 * @ix: the index; nobody calls kfc_index_added() any more
 *
 * What has begun stays as it is. Context: may sleep.
 */
void kfc_index_stop(struct kfc_index *ix)
{
	cancel_work_sync(&ix->work);
}

/**
 * kfc_index_exit() - free what kfc_index_init() made
 * @ix: the index; nobody uses it any more
 *
 * Context: may sleep.
 */
void kfc_index_exit(struct kfc_index *ix)
{
	u32 level, i;

	kfc_index_stop(ix);
	for (level = 0; level <= KFC_INDEX_GROWTH; level++) {
		u64 **chunks = ix->tab[level].chunks;

		for (i = 0; chunks && i < chunks_at(ix, level); i++)
			vfree(chunks[i]);
		free_table(ix, level);
	}
	kvfree(ix->locks);
	percpu_counter_destroy(&ix->used);
	memset(ix, 0, sizeof(*ix));
}

static bool is_due(struct kfc_index *ix)
{
	u32 level = kfc_index_level(ix);

	/* Of the two ways to read the counter this one is marked. */
	return level < KFC_INDEX_GROWTH &&
	       (percpu_counter_read_positive(&ix->used) >=
		READ_ONCE(ix->limit) ||
		kfc_rare("grow_early"));
}

/**
 * kfc_index_added() - an entry was added: is growth due, or under way?
 * @ix: the index
 *
 * Context: any process context without a lock of the index. Moves KFC_HELP
 * groups at most.
 */
void kfc_index_added(struct kfc_index *ix)
{
	u32 i;

	if (READ_ONCE(ix->to)) {
		if (READ_ONCE(ix->ready) && spin_trylock(&ix->move)) {
			for (i = 0; i < KFC_HELP && kfc_index_move(ix); i++)
				;
			spin_unlock(&ix->move);
		}
	} else if (is_due(ix)) {
		WRITE_ONCE(ix->want, kfc_index_level(ix) + 1);
	} else {
		return;
	}
	if (!READ_ONCE(ix->asleep))
		return;
	if (READ_ONCE(ix->waiting)) {
		unsigned long at = READ_ONCE(ix->retry_at);

		if (time_before(jiffies, at))
			return;
	}
	WRITE_ONCE(ix->asleep, false);
	queue_work(system_unbound_wq, &ix->work);
}

static void no_memory(struct kfc_index *ix)
{
	if (!ix->waiting)
		pr_warn_ratelimited("no memory for the index to grow beyond %llu MiB; tried again every second, sets may evict for want of slots until then\n",
				    ix->bytes >> 20);
	WRITE_ONCE(ix->put_off, ix->put_off + 1);
	WRITE_ONCE(ix->retry_at, jiffies + HZ);
	WRITE_ONCE(ix->waiting, true);
}

static bool begin(struct kfc_index *ix)
{
	u32 level = kfc_index_level(ix);

	if (is_due(ix))
		WRITE_ONCE(ix->want, level + 1);
	if (READ_ONCE(ix->want) <= level)
		return false;
	if (add_table(ix, level + 1)) {
		no_memory(ix);
		return false;
	}
	ix->nr_new = 0;
	ix->nr_freed = 0;
	WRITE_ONCE(ix->to, level + 1);
	return true;
}

/* Return: whether there are chunks that were not there before. */
static bool fetch_chunks(struct kfc_index *ix)
{
	u32 want = min(chunks_at(ix, ix->to),
		       2 * (ix->nr_freed + KFC_AHEAD));
	u32 had = ix->nr_new, lines;

	while (ix->nr_new < want && !kfc_index_chunk(ix, ix->to, ix->nr_new))
		ix->nr_new++;
	if (ix->nr_new == had)
		return false;
	lines = min_t(u64, (u64)ix->nr_new << ix->chunk_shift,
		      lines_at(ix, ix->to));
	/* Both lines of a line at the old level. */
	spin_lock(&ix->move);
	WRITE_ONCE(ix->ready, lines / 2 >> kfc_group_shift(ix->to - 1));
	spin_unlock(&ix->move);
	return true;
}

/* The next group, if it belongs to this step. */
static bool move_one(struct kfc_index *ix)
{
	u32 level = ix->to - 1, chunks = ix->nr_freed + KFC_STEP;
	u64 end = (u64)chunks << ix->chunk_shift >> kfc_group_shift(level);
	u64 state = READ_ONCE(ix->state);
	bool moved;

	if (state >> 32 != level || (u32)state >= end)
		return false;
	spin_lock(&ix->move);
	moved = kfc_index_move(ix);
	spin_unlock(&ix->move);
	return moved;
}

/* Free what lies behind. Return: whether there was anything. */
static bool free_chunks(struct kfc_index *ix, u64 state)
{
	u32 level = ix->to - 1, last = chunks_at(ix, level);
	u64 **chunks = ix->tab[level].chunks;

	if (state >> 32 == level)
		last = (u32)state << kfc_group_shift(level) >> ix->chunk_shift;
	if (ix->nr_freed == last)
		return false;
	/* Lookups that saw the old place of an entry have ended after this. */
	synchronize_rcu();
	for (; ix->nr_freed < last; ix->nr_freed++) {
		vfree(chunks[ix->nr_freed]);
		chunks[ix->nr_freed] = NULL;
		add_bytes(ix, -vmalloc_bytes(chunk_bytes(ix, level,
							 ix->nr_freed)));
	}
	return true;
}

static void end(struct kfc_index *ix)
{
	u32 level = ix->to - 1;

	free_table(ix, level);
	add_bytes(ix, -table_bytes(ix, level));
	set_limits(ix, ix->to);
	WRITE_ONCE(ix->growths, ix->growths + 1);
	WRITE_ONCE(ix->to, 0);
}

/**
 * kfc_index_step() - grow a little, if growth is due
 * @ix: the index
 *
 * Moves what a few chunks hold. Context: may sleep; the work item, or who calls
 * kfc_index_added() no more or not yet. One at a time.
 * Return: whether there is more to do now
 */
bool kfc_index_step(struct kfc_index *ix)
{
	bool more;
	u64 state;

	if (ix->waiting && time_before(jiffies, ix->retry_at))
		return false;
	if (!ix->to && !begin(ix))
		return false;
	more = fetch_chunks(ix);
	while (move_one(ix)) {
		more = true;
		cond_resched();
	}
	/* Whoever moves a group is done with its old lines by then. */
	spin_lock(&ix->move);
	state = ix->state;
	spin_unlock(&ix->move);
	more |= free_chunks(ix, state);
	if (more)
		WRITE_ONCE(ix->waiting, false);
	if (state >> 32 == ix->to)
		end(ix);
	else if (!more)
		no_memory(ix);
	return more;
}

/**
 * kfc_index_slots() - how many slots there are
 * @ix: the index
 *
 * Context: any. Return: slots now, used or not
 */
u64 kfc_index_slots(const struct kfc_index *ix)
{
	u64 state = READ_ONCE(ix->state);
	u32 level = state >> 32;
	u64 moved = (u64)(u32)state << kfc_group_shift(level);

	return (lines_at(ix, level) + moved) * KFC_LINE_SLOTS;
}

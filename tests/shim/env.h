/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A cache in user space: a device in memory whose I/O the test completes when
 * it likes, a clock that it sets, and clients that speak the text protocol.
 */
#ifndef KFC_ENV_H
#define KFC_ENV_H

#include "kfc.h"
#include "op.h"

/**
 * struct env_dev - the device
 * @dev: as the cache sees it
 * @mem: what is on it
 * @queue: I/O under way, oldest first
 * @nr: how many
 * @defer: I/O waits in @queue for env_complete(); else it ends at once
 * @fail_reads: so many of the next reads fail; likewise the others
 * @fail_writes: ...
 * @drop_writes: ... are acknowledged and never made
 * @flip_reads: ... come back with one bit wrong
 * @skip_reads: ... are said to be made, and are not
 * @reads: how many there were
 * @read_pages: how many pages they had
 * @writes: how many there were
 * @dies_at: the write, counted from 1, from which on none is made, though all
 *	are acknowledged; 0 for never
 * @fail_flush_at: the flush, counted from 1 and from now, that fails; 0: none
 * @no_discard: it can't be told what is of no use
 * @fail_discards: so many of the next discards fail
 * @discards: how many there were
 * @gone: it was taken away
 * @hangs: what waits in @queue does not end while others are waited for
 * @bad_from: reads of pages from here
 * @bad_to: to here fail
 */
struct env_dev {
	struct kfc_dev dev;
	u8 *mem;
	struct kfc_io *queue[4096];
	u32 nr;
	bool defer;
	u32 fail_reads;
	u32 fail_writes;
	u32 drop_writes;
	u32 flip_reads;
	u32 skip_reads;
	u64 reads;
	u64 read_pages;
	u32 writes;
	u32 dies_at;
	u32 fail_flush_at;
	bool no_discard;
	u32 fail_discards;
	u32 discards;
	bool gone;
	bool hangs;
	u64 bad_from;
	u64 bad_to;
};

/**
 * struct env_client - a client and what it was answered
 * @cl: as the command layer sees it
 * @parser: of its bytes
 * @events: posted, oldest first
 * @answer: all bytes sent so far, NUL-terminated
 * @len: how many
 * @whole: how many of them are of answers that were sent to their end
 * @stalled: it takes nothing more
 * @most: so many bytes more of streamed values, and it is stalled; 0: no bound
 */
struct env_client {
	struct kfc_client cl;
	struct mp_parser parser;
	struct kfc_event *events[256];
	u32 nr_events;
	char *answer;
	size_t len;
	size_t whole;
	bool stalled;
	u32 most;
	size_t size;
};

/**
 * struct env - a cache and its devices
 * @d: the device, or the first of several
 * @more: the others
 * @nr: how many there are
 */
struct env {
	struct kfc_cache c;
	struct kfc_counters counters;
	struct env_dev d;
	struct env_dev *more[KFC_DEVICES_MAX - 1];
	u32 nr;
};

extern u64 env_now;
extern u32 env_threads;	/* as threads=, of the next env_start() */

void env_start(struct env *e, u32 slab_bytes, u32 memory_slabs,
	       u32 device_slabs, u64 index_bytes);
void env_start_on(struct env *e, u32 slab_bytes, u32 memory_slabs,
		  u64 device_pages, u64 index_bytes);
void env_start_set(struct env *e, u32 slab_bytes, u32 memory_slabs,
		   const u64 *pages, u32 nr, u64 index_bytes);
struct env_dev *env_dev(struct env *e, u32 nr);
void env_dev_new(struct env_dev *d, u64 pages, u32 nr);
void env_stop(struct env *e);
int env_load(struct env *e);
void env_unload(struct env *e);
u64 env_items(struct env *e);
u64 env_slots(struct env *e);
void env_complete(struct env *e, u32 nth);
void env_complete_of(struct env_dev *d, u32 nth);
void env_client_init(struct env *e, struct env_client *ec);
void env_client_exit(struct env *e, struct env_client *ec);
void env_events(struct env_client *ec);
void env_busy(struct env *e);
size_t env_step(struct env *e, struct env_client *ec, const char *bytes,
		size_t len, u64 *swallow, bool *close);
bool env_feed(struct env *e, struct env_client *ec, const char *bytes,
	      size_t len);
const char *env_ask(struct env *e, struct env_client *ec, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *env_set(struct env *e, struct env_client *ec, const char *verb,
		    const char *key, u32 flags, long exptime, const void *val,
		    u32 len, const char *more);

#endif /* KFC_ENV_H */

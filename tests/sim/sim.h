/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the files of the simulator share: one run, its cache and its model. */
#ifndef KFC_SIM_H
#define KFC_SIM_H

#include "env.h"
#include "pages.h"
#include "sched.h"

#define SIM_DEVS 3

/* Drawn from the seed, see sim.c. */
struct sim_cfg {
	u32 slab_bytes;
	u32 memory_slabs;
	u32 devs;		/* 0: no device */
	u32 device_slabs[SIM_DEVS];
	u32 clients;
	u32 keys;
	u32 ops;		/* of each client */
	u32 value_max;
	u32 sets;		/* of 100 commands, beside those of the mix */
	u32 metas;		/* likewise */
	u32 binaries;		/* of 100 connections */
	u32 latency_ms;		/* most of a read that nothing delays */
	u32 pipeline;		/* answers that a client leaves waiting */
	u32 lives;		/* loads, one after the other */
};

extern u64 sim_seed;
extern struct sim_cfg sim_cfg;
extern struct env sim_env;
extern struct kfc_counters sim_counters[SIM_CPUS];
extern bool sim_loading;	/* kfc_cache_init() is under way */

/* The cache's clock, which lives.c holds against what it has to be. */
static inline u64 sim_now(void)
{
	return kfc_now(&sim_env.c);
}

u64 sim_mix(u64 x);
void sim_sched_start(u64 seed);

/* dev.c: the devices outlive the cache on them. */
extern struct kfc_dev sim_devs[SIM_DEVS];
extern u64 sim_bad_pages;	/* pages that came back otherwise than written */
extern u64 sim_bad_lasts;	/* last ones of slabs that a load met so */
extern u64 sim_read_errors;
extern u64 sim_write_errors;
extern u64 sim_meta_faults;	/* with superblocks, index area and flushes */
extern u64 sim_meta_errors;	/* of them those that were told, in this life */
extern bool sim_gone;		/* one was taken away, as `removal' */
extern bool sim_may_cut;	/* there is another life after this one */
extern bool sim_cut;		/* nothing that happens now is of consequence */
void sim_dev_start(void);
void sim_dev_load(void);
void sim_dev_replace(void);
void sim_dev_cut(void);
void sim_dev_power_on(void);
void *sim_dev_page(const struct kfc_dev *dev, u64 page_no);
void sim_dev_exit(void);
int sim_dev_run(void *arg);

/* hash_log.c: hashes of state at chosen places, recorded or compared. */
extern bool hash_log_trace;	/* print them, too */
void hash_log_open(const char *record, const char *compare);
void hash_log_start(u64 seed);
void hash_log(const char *place, u64 hash);
void hash_log_bytes(const char *place, const void *p, size_t len);
u64 hash_log_end(void);
void hash_log_close(void);

/* Bytes of a value, shared by all that hold it. */
struct sim_blob {
	int refs;
	u32 len;
	char bytes[];
};

/* What a key is at one time. */
struct sim_state {
	bool there;
	const char *cause;	/* of its absence */
	struct sim_blob *val;
	u32 flags;
	u64 exp_lo, exp_hi;	/* first second that it may, must be gone in */
	u64 order;
	u64 cas;
	u64 page;
	u64 home;		/* of a copy: the slot without it, else 0 */
	u64 born;		/* step that its oldest byte was stored at */
	bool stale;
	bool won;		/* somebody was told to refresh it */
};

struct sim_key {
	char name[MP_KEY_MAX + 1];
	u32 len;
	struct sim_state cur;
	u64 last_order;
	struct list_head ops;	/* under way, and answered too early to judge */
	bool set_early;		/* a set came before all was loaded */
	bool pending;		/* @cur is to come back from an earlier load */
	struct sim_state cut;	/* @cur and @pending at a power cut */
	bool cut_pending;
	struct sim_state *versions;	/* all that it was, by order number */
	u32 nr_versions, max_versions;
	struct kfc_ipos stray;	/* without a name: where its entry is */
};

/* What an answer to a meta command shows of an item. */
enum {
	SIM_SHOWS_VALUE = 1,
	SIM_SHOWS_FLAGS = 2,
	SIM_SHOWS_SIZE = 4,
	SIM_SHOWS_TTL = 8,
	SIM_SHOWS_CAS = 16,
};

/* One command on one key, from its start to its answer. */
struct sim_op {
	struct list_head fifo;	/* of its client */
	struct list_head on_key;
	enum mp_op op;
	struct sim_client *cl;
	struct sim_key *key;	/* NULL for flush_all */
	bool last;		/* its answer ends a get's line */
	bool noreply;
	struct sim_blob *val;
	u32 flags;
	s64 exptime;
	u64 delta;
	u64 cas;
	bool compares;		/* it does nothing where @cas is another */
	bool chooses;		/* what it stores has the unique @new_cas */
	bool expires;		/* it sets the expiry, too */
	bool vivifies;		/* on a miss it makes the item: */
	s64 made_exptime;
	u64 initial;
	s64 recache;		/* R, 0 for none */
	bool recache_late;	/* ... behind T */
	bool invalidates;	/* I */
	bool empties;		/* x */
	bool drops;		/* where it is refused the older value goes */
	bool is_meta;
	bool quiet;
	bool with_key;
	u8 opcode;		/* of a binary command */
	bool hit;		/* found; the answer shows what @asks says */
	bool got_win;		/* ... and that this client is to refresh it */
	bool won;		/* what it stored says so */
	bool made;		/* it stored what @vivifies says */
	u32 opaque;		/* of meta and binary commands, 0 for none */
	u32 asks;		/* SIM_SHOWS_* that its answer is to have */
	u64 new_cas;
	u64 stored_cas;
	s64 got_ttl;
	u32 got_size;
	u64 step;
	u64 now;		/* kfc_now() at its start, and so on */
	unsigned long at;
	u64 order;
	u64 valid_from;
	bool put;
	bool removed;
	bool answered;
	const char *line;	/* the answer that waits to be judged */
	struct sim_state got;
	struct sim_state *seen;	/* all that the key was meanwhile */
	u32 nr_seen, max_seen;
};

struct sim_client {
	struct env_client ec;
	struct sim_co *co;
	u32 id;
	struct list_head fifo;
	u32 nr_fifo;
	struct sim_op *now;
	u64 tokens;		/* misses that a fault explains */
	u64 failed;
	bool evicts_tag;
	struct kfc_pages kept;	/* for its reads */
	bool want_end;		/* the line after a value is END */
	bool binary;
	bool quits;		/* it has said so */
	u32 opaque;		/* last one given */
	unsigned long stalled_to; /* it takes nothing before */
};

/* model.c */
extern struct sim_key *sim_keys;
/* Behind sim_cfg.keys of them those of entries that are nobody's. */
extern struct sim_key **sim_entries;
extern u32 sim_nr_entries;
void model_start(void);
void model_end(void);
struct sim_blob *blob_new(u32 len);
void blob_put(struct sim_blob *b);
void model_settle(void);
struct sim_client *model_client(void);
void model_set_client(struct sim_client *cl);
void model_sum(struct kfc_counters *sum);
void model_check_counters(void);
void model_absent(struct sim_key *k, const char *cause);
bool model_same_place(const struct sim_key *k, const struct kfc_ipos *pos,
		      u32 tag);
struct sim_key *model_stray(const struct kfc_ipos *pos, u64 slot);
void model_new_life(void);
struct sim_blob *blob_get(struct sim_blob *b);

/* judge.c: answers, by what the model has seen */
void model_begin(struct sim_op *op);
/* @line: the answer's first line; @got: what a get's answer shows */
void model_answer(struct sim_op *op, const char *line,
		  const struct sim_state *got);
void model_drop(struct sim_op *op);
void model_flush_due(void);
/* The key is something else from now on; @early: that could be seen before. */
void model_become(struct sim_key *k, const struct sim_state *st, bool early);
bool model_may_live(const struct sim_op *op, const struct sim_state *st);
const char *model_may_be_gone(const struct sim_state *st);
/* Where it is refused, does the older value go? */
bool model_takes_old(const struct sim_op *op);
void model_show(const char *what, const struct sim_state *st);
void model_wrong(struct sim_op *op, const char *why) __attribute__((noreturn));

/* effects.c: what commands mean */
bool sim_counts(const struct sim_op *op);
bool sim_is_number(const struct sim_blob *b, u64 *v);
bool sim_wins(const struct sim_op *op, const struct sim_state *st, bool surely);
bool sim_stores_stale(const struct sim_op *op, const struct sim_state *was);
struct sim_state sim_apply(struct sim_op *op, const struct sim_state *was,
			   u64 order, bool found, bool won);

/* told.c: hits and misses */
void told_start(void);
void told_nothing(const struct sim_op *op);
void told_answer(const struct sim_op *op, const char *line, bool value);
void told_check(const struct kfc_counters *n);

/* lives.c: the model, from one load to the next */
void lives_start(void);
void lives_next(void);
void lives_load(void);
void lives_replaced(void);
void lives_loaded(void);
void lives_unload(void);
void lives_unloaded(void);
void lives_check(void);
void lives_power_on(void);
void lives_put(struct sim_key *k);
void lives_flushed(const struct sim_op *op);
bool lives_counted(u32 which, u64 n);
bool lives_forgets(const struct kfc_ipos *pos, u64 slot);
void model_cut(void);
extern u64 sim_flush_due, sim_flush_set, sim_early_sets;

/* meta.c: meta commands and their answers */
void sim_meta_command(struct sim_client *cl);
size_t sim_meta_answer(struct sim_client *cl, struct sim_op *op, const char *p,
		       size_t len);

/* binary.c: binary commands and their answers */
void sim_binary_command(struct sim_client *cl);
size_t sim_binary_answer(struct sim_client *cl, const char *p, size_t len);
void sim_binary_end(struct sim_client *cl);

/* client.c */
extern char sim_text[1 << 18];	/* used between two points only */
struct sim_op *sim_new_op(struct sim_client *cl, enum mp_op kind,
			  struct sim_key *key);
void sim_send(struct sim_client *cl, struct sim_op *op, size_t len);
void sim_answered(struct sim_client *cl, struct sim_op *op, const char *line,
		  const struct sim_state *got);
void sim_dropped(struct sim_client *cl, struct sim_op *op);
bool sim_flush_begin(void);
struct sim_blob *sim_random_value(void);
s64 sim_random_expiry(void);
struct sim_key *sim_random_key(void);
int sim_client_run(void *arg);
void sim_clients_start(void);
void sim_client_init(struct sim_client *cl);
void sim_client_exit(struct sim_client *cl);
void sim_client_get_all(struct sim_client *cl);
void sim_space(struct kfc_cache *c);

#endif /* KFC_SIM_H */

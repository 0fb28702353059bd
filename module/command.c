// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands: what memcached means by them, whoever the client is.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "auth.h"
#include "op.h"
#include "prefix.h"
#include "version.h"

/* What cache_memlimit takes, MiB: memcached's own bounds. */
#define KFC_MEMLIMIT_MIN	8
#define KFC_MEMLIMIT_MAX	1000000000
/* memcached's own words. */
#define MC_NO_FLUSH	"CLIENT_ERROR flush_all not allowed\r\n"

/* With a constructor nothing is zeroed that op_alloc() does not want to be. */
static void op_ctor(void *op)
{
}

/**
 * kfc_cmd_init() - set the command layer up
 * @c: the cache
 *
 * Context: may sleep. Return: 0 or -ENOMEM
 */
int kfc_cmd_init(struct kfc_cache *c)
{
	c->op_cache = kmem_cache_create("kfc_op", sizeof(struct kfc_op), 0, 0,
					op_ctor);
	if (!c->op_cache)
		return -ENOMEM;
	if (!kfc_prefix_init(c))
		return 0;
	kmem_cache_destroy(c->op_cache);
	return -ENOMEM;
}

/**
 * kfc_cmd_exit() - the opposite; no client is left
 * @c: the cache
 *
 * Context: may sleep.
 */
void kfc_cmd_exit(struct kfc_cache *c)
{
	WARN_ON_ONCE(atomic_read(&c->answers));
	kfc_prefix_exit(c);
	kmem_cache_destroy(c->op_cache);
}

/**
 * kfc_client_init() - make a client
 * @cl: zeroed but for post
 * @c: the cache it talks to
 *
 * Any context.
 */
void kfc_client_init(struct kfc_client *cl, struct kfc_cache *c)
{
	cl->cache = c;
	cl->authed = !kfc_auth_required(c);
	kfc_out_init(&cl->out);
	INIT_LIST_HEAD(&cl->ops);
	INIT_LIST_HEAD(&cl->dry);
}

/**
 * kfc_client_close() - let go of what a client holds
 * @cl: the client; kfc_out_drop() was called. It runs no more commands, its
 *	events are still delivered
 *
 * Context: the client's thread.
 */
void kfc_client_close(struct kfc_client *cl)
{
	cl->closed = true;
	kfc_dump_drop(cl);
	kfc_op_unhold(cl);
	kfc_stream_drop(cl);
}

/**
 * kfc_busy() - a command can't go on for want of something
 * @cl: the client
 * @limit_ms: how long it may wait in all
 *
 * Context: the client's thread.
 * Return: KFC_CMD_BUSY to wait, KFC_CMD_DONE when the time is up
 */
enum kfc_cmd_ret kfc_busy(struct kfc_client *cl, u32 limit_ms)
{
	if (!cl->busy_since) {
		cl->busy_since = jiffies ?: 1;
		kfc_count(cl->cache, set_waits);
		return KFC_CMD_BUSY;
	}
	if (time_before(jiffies, cl->busy_since + msecs_to_jiffies(limit_ms)))
		return KFC_CMD_BUSY;
	return KFC_CMD_DONE;
}

/**
 * kfc_cmd_no_memory() - say that there is none for a request's value
 * @cl: the client
 * @req: the request
 *
 * Context: the client's thread.
 */
void kfc_cmd_no_memory(struct kfc_client *cl, const struct mp_req *req)
{
	kfc_answer(cl, req, KFC_NO_MEMORY, 0);
}

/**
 * kfc_cmd_error() - say what was wrong with bytes that are no request
 * @cl: the client
 * @req: what mp_parse() left of them
 * @err: what it said
 *
 * Context: the client's thread.
 */
void kfc_cmd_error(struct kfc_client *cl, const struct mp_req *req,
		   const struct mp_err *err)
{
	if (err->too_large)
		kfc_count(cl->cache, store_too_large);
	if (err->line)
		kfc_out_copy(&cl->out, err->line, strlen(err->line));
	if (err->status)
		kfc_answer_status(cl, req, err->status);
}

/**
 * kfc_cmd_drop_key() - a value that was refused takes the older one with it
 * @cl: the client
 * @key: the key
 * @klen: its length
 *
 * Context: the client's thread.
 */
void kfc_cmd_drop_key(struct kfc_client *cl, const u8 *key, u8 klen)
{
	struct kfc_lookup lk;

	kfc_key_init(cl->cache, &lk, key, klen);
	kfc_store_forget(cl->cache, &lk);
}

/* As memcached's -F does it: it counts those that came as text. */
static enum kfc_cmd_ret refuse_flush(struct kfc_client *cl,
				     const struct mp_req *req)
{
	if (req->binary) {
		kfc_answer(cl, req, KFC_AUTH_FAILURE, 0);
	} else {
		kfc_count(cl->cache, cmd_flush);
		kfc_say(cl, req, MC_NO_FLUSH);
	}
	return KFC_CMD_DONE;
}

/* It holds from the first run on; the others wait until it is on the device. */
static enum kfc_cmd_ret flush_all(struct kfc_client *cl,
				  const struct mp_req *req)
{
	struct kfc_cache *c = cl->cache;
	u64 now = kfc_now(c);

	if (cl->busy_since)
		goto kept;
	if (!READ_ONCE(c->cfg.flush_enabled))
		return refuse_flush(cl, req);
	kfc_count(c, cmd_flush);
	if (req->exptime > 0) {
		u64 at = req->exptime;

		if (at <= 60 * 60 * 24 * 30)
			at += now;
		/* As in memcached there was nothing yet, then. */
		WRITE_ONCE(c->flush_at, at > c->loaded_at ? at : 0);
	} else {
		WRITE_ONCE(c->flush_at, 0);
		kfc_store_flush(c);
	}
kept:
	if (!kfc_store_flushed(c) &&
	    kfc_busy(cl, READ_ONCE(c->cfg.set_wait_ms)) == KFC_CMD_BUSY)
		return KFC_CMD_BUSY;
	kfc_answer(cl, req, KFC_OK, 0);
	return KFC_CMD_DONE;
}

static void memlimit(struct kfc_client *cl, const struct mp_req *req)
{
	const char *line = MP_OK;

	if (req->delta > KFC_MEMLIMIT_MAX)
		line = "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n";
	else if (req->delta < KFC_MEMLIMIT_MIN)
		line = "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n";
	else if (kfc_cache_resize(cl->cache, req->delta << 20))
		line = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n";
	kfc_say(cl, req, line);
}

static enum kfc_cmd_ret administer(struct kfc_client *cl,
				   const struct mp_req *req)
{
	switch (req->op) {
	case MP_FLUSH_ALL:
		return flush_all(cl, req);
	case MP_VERSION:
		kfc_answer_text(cl, req, req->binary ? KFC_MC_VERSION :
				"VERSION " KFC_MC_VERSION "\r\n");
		break;
	case MP_VERBOSITY:
	case MP_NOOP:
		kfc_answer(cl, req, KFC_OK, 0);
		break;
	case MP_META_NOOP:
		kfc_say(cl, req, "MN\r\n");
		break;
	case MP_METADUMP:
		return kfc_run_dump(cl, req);
	case MP_STATS:
		if (mp_is_cachedump(req))
			return kfc_run_dump(cl, req);
		return kfc_run_stats(cl, req);
	case MP_CACHE_MEMLIMIT:
		memlimit(cl, req);
		break;
	case MP_SHUTDOWN:
		kfc_say(cl, req, "ERROR: shutdown not enabled\r\n");
		break;
	case MP_AUTH:
	case MP_SASL_LIST:
	case MP_SASL_AUTH:
	case MP_SASL_STEP:
		kfc_run_auth(cl, req);
		break;
	case MP_QUIT:
		if (req->binary)
			kfc_answer(cl, req, KFC_OK, 0);
		return KFC_CMD_CLOSE;
	default:
		kfc_say(cl, req, MP_ERROR);
		break;
	}
	return KFC_CMD_DONE;
}

/**
 * kfc_cmd_run() - run a command, or run one again that could not go on
 * @cl: the client
 * @req: the request, its key with it
 * @val: its value, for storage commands
 *
 * Context: the client's thread; does not sleep.
 * Return: see enum kfc_cmd_ret
 */
enum kfc_cmd_ret kfc_cmd_run(struct kfc_client *cl, const struct mp_req *req,
			     const struct kfc_value *val)
{
	enum kfc_cmd_ret ret;

	/* A parser that was told to lets none of these through. */
	if (!cl->authed && !kfc_auth_open(req->op))
		return KFC_CMD_CLOSE;
	kfc_store_check_flush(cl->cache);
	switch (req->op) {
	case MP_GET:
	case MP_GETS:
	case MP_META_DEBUG:
		ret = kfc_run_get(cl, req);
		break;
	case MP_META_GET:
		/* These two may write. */
		if (mp_meta_has(req, 'T') || req->vivify)
			ret = kfc_run_modify(cl, req, NULL);
		else
			ret = kfc_run_get(cl, req);
		break;
	case MP_GAT:
	case MP_GATS:
	case MP_SET:
	case MP_ADD:
	case MP_REPLACE:
	case MP_APPEND:
	case MP_PREPEND:
	case MP_CAS:
	case MP_DELETE:
	case MP_INCR:
	case MP_DECR:
	case MP_TOUCH:
	case MP_META_SET:
	case MP_META_DELETE:
	case MP_META_ARITH:
		ret = kfc_run_modify(cl, req, val);
		break;
	default:
		ret = administer(cl, req);
		break;
	}
	if (ret == KFC_CMD_DONE)
		cl->busy_since = 0;
	return ret;
}

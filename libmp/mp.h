/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libmp: the memcached protocol, bytes in -> requests, results -> bytes.
 *
 * No I/O, no allocation, no locks. Builds in the kernel and in user space.
 */
#ifndef MP_H
#define MP_H

#if defined(__KERNEL__) || defined(__KERNEL_SHIM__)
#include <linux/string.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
#endif

/* Longest key, in bytes (memcached's KEY_MAX_LENGTH). */
#define MP_KEY_MAX 250
/*
 * A line without an end is refused past this many bytes, unless it is a
 * get/gets/gat/gats line, whose keys are taken one by one.
 */
#define MP_LINE_MAX 2048
/* Longest "VALUE key flags bytes cas\r\n" line. */
#define MP_VALUE_HEAD_MAX (6 + MP_KEY_MAX + 1 + 10 + 1 + 10 + 1 + 20 + 2)
/* Longest number that incr and decr leave, and its buffer. */
#define MP_U64_MAX_LEN 20

enum mp_op {
	MP_GET, MP_GETS, MP_GAT, MP_GATS,		/* one request a key */
	MP_SET, MP_ADD, MP_REPLACE, MP_APPEND, MP_PREPEND, MP_CAS, /* a value follows */
	MP_DELETE, MP_INCR, MP_DECR, MP_TOUCH,
	MP_FLUSH_ALL, MP_VERSION, MP_VERBOSITY, MP_STATS, MP_CACHE_MEMLIMIT,
	MP_SHUTDOWN, MP_QUIT,
	MP_OP_NR
};

/**
 * struct mp_req - one request as parsed; pointers go into the caller's bytes
 * @op: what to do
 * @noreply: the client wants no answer (errors of a request that parsed
 *	included, as memcached does it)
 * @last: for the get family: this is the last key of the line, "END" follows
 * @klen: length of @key, 1 to MP_KEY_MAX; 0 where the operation has none
 * @key: the key, not NUL-terminated
 * @flags: client flags of a storage command
 * @exptime: expiry as sent (seconds; negative: expired at once; over 30 days:
 *	absolute UNIX time); for flush_all the delay, 0 without one
 * @vlen: bytes of the value that follows, its CRLF not counted
 * @delta: amount of incr and decr; megabytes of cache_memlimit
 * @cas: unique of cas
 * @arg: rest of a stats line, @arg_len bytes, spaces at its ends cut off
 * @arg_len: length of @arg
 */
struct mp_req {
	enum mp_op op;
	bool noreply;
	bool last;
	u8 klen;
	const u8 *key;
	u32 flags;
	s64 exptime;
	u32 vlen;
	u64 delta;
	u64 cas;
	const u8 *arg;
	u32 arg_len;
};

enum mp_status {
	MP_MORE,	/* all usable bytes are consumed; come again with more */
	MP_REQ,		/* *req is a request */
	MP_ERR,		/* answer err->line; see struct mp_err */
};

/**
 * struct mp_err - what a broken line gets
 * @line: the answer with its CRLF, NULL where nothing is to be said (noreply)
 * @swallow: bytes of a value to read and throw away before the next command
 *	(its CRLF counted)
 * @drop_key: the key's older value goes, as memcached does for a set that was
 *	refused after its line was understood (too large); the key is in req
 * @close: close the connection once the answer is out
 */
struct mp_err {
	const char *line;
	u64 swallow;
	bool drop_key;
	bool close;
};

/**
 * struct mp_parser - where the parser of one connection stands
 * @item_max: largest vlen taken; larger is "too large"
 * @in_keys: in the middle of a get line
 * @had_key: ... of which one key was seen
 * @want_exptime: ... whose exptime has not come (gat, gats)
 * @skip_line: throw away up to the line's end
 * @op: the get line's command
 * @exptime: the get line's expiry (gat, gats)
 *
 * Zero it (mp_parser_init()) before the first byte. Only mp_parse() touches
 * the fields.
 */
struct mp_parser {
	u32 item_max;
	bool in_keys;
	bool had_key;
	bool want_exptime;
	bool skip_line;
	enum mp_op op;
	s64 exptime;
};

void mp_parser_init(struct mp_parser *p, u32 item_max);
enum mp_status mp_parse(struct mp_parser *p, const u8 *buf, size_t len,
			size_t *used, struct mp_req *req, struct mp_err *err);

size_t mp_put_value_head(char *dst, const u8 *key, u8 klen, u32 flags,
			 u32 vlen, const u64 *cas);
size_t mp_put_u64(char *dst, u64 v);
bool mp_get_u64(const u8 *p, size_t len, u64 *v);
bool mp_get_s64(const u8 *p, size_t len, s64 *v);

/* The fixed answers, as memcached spells them. */
#define MP_STORED	"STORED\r\n"
#define MP_NOT_STORED	"NOT_STORED\r\n"
#define MP_EXISTS	"EXISTS\r\n"
#define MP_NOT_FOUND	"NOT_FOUND\r\n"
#define MP_DELETED	"DELETED\r\n"
#define MP_TOUCHED	"TOUCHED\r\n"
#define MP_OK		"OK\r\n"
#define MP_END		"END\r\n"
#define MP_ERROR	"ERROR\r\n"
#define MP_RESET	"RESET\r\n"
#define MP_BAD_FORMAT	"CLIENT_ERROR bad command line format\r\n"
#define MP_BAD_CHUNK	"CLIENT_ERROR bad data chunk\r\n"
#define MP_BAD_EXPTIME	"CLIENT_ERROR invalid exptime argument\r\n"
#define MP_BAD_DELTA	"CLIENT_ERROR invalid numeric delta argument\r\n"
#define MP_NON_NUMERIC	"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
#define MP_TOO_LARGE	"SERVER_ERROR object too large for cache\r\n"
#define MP_NO_MEMORY	"SERVER_ERROR out of memory storing object\r\n"
#define MP_NO_MEMORY_READ "SERVER_ERROR out of memory writing get response\r\n"

#endif /* MP_H */

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
	MP_SHUTDOWN, MP_QUIT, MP_METADUMP,
	/* mn, mg, ms (a value follows), md, ma, me */
	MP_META_NOOP, MP_META_GET, MP_META_SET, MP_META_DELETE, MP_META_ARITH,
	MP_META_DEBUG,
	/* of the binary protocol alone; the rest of it are those above */
	MP_NOOP, MP_SASL_LIST, MP_SASL_AUTH, MP_SASL_STEP,
	/* the set by which a text client says who it is */
	MP_AUTH,
	MP_OP_NR
};

/* Flags of one meta command: a line has 19 words at most. */
#define MP_META_FLAGS_MAX 17
/* Longest token of the O flag. */
#define MP_META_OPAQUE_MAX 31
/* Length of @n bytes in base64. */
#define MP_BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* Longest key that base64 of MP_KEY_MAX bytes stands for. */
#define MP_KEY_DECODED_MAX (MP_KEY_MAX / 4 * 3)

/**
 * struct mp_meta - what only meta commands have
 * @given: the flags, one bit a letter: mp_meta_has()
 * @order: the flags' letters as they came, @nr of them
 * @nr: length of @order
 * @opaque: token of O, @opaque_len bytes
 * @opaque_len: length of @opaque
 * @cas_new: token of E, the CAS value that what is stored gets
 * @recache: token of R, seconds
 *
 * The other tokens are in struct mp_req: C in cas (and has_cas), D in delta, F
 * in flags, J in initial, M in mode, N in vivify_exptime (and vivify), T in
 * exptime.
 */
struct mp_meta {
	u64 given;
	u64 cas_new;
	s64 recache;
	u8 nr;
	u8 opaque_len;
	char order[MP_META_FLAGS_MAX];
	char opaque[MP_META_OPAQUE_MAX];
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
 * @arg: rest of a stats line, @arg_len bytes, spaces at its ends cut off; the
 *	key of a binary stat; what the client says to MP_SASL_AUTH, _STEP and
 *	MP_AUTH; what is to be dumped, see mp_dump_classes()
 * @arg_len: length of @arg
 * @drop_old: a storage command that takes the key's older value with it where
 *	it is refused for its size or for want of memory
 * @has_cas: only if the item's unique is @cas
 * @vivify: (meta, binary) on a miss make the item: empty (mg) or with @initial
 *	(ma, binary incr and decr); for ms, with append and prepend
 * @vivify_exptime: ... with this expiry
 * @initial: ... with this number
 * @mode: what ms and ma amount to: MP_SET to MP_CAS, MP_INCR or MP_DECR
 * @binary: the answer is to be binary; @noreply and @last mean nothing
 * @quiet: (binary) a get that misses and anything else that succeeds is not
 *	answered
 * @with_key: (binary) the answer has the key in it
 * @opcode: (binary) what came, for the answer
 * @opaque: (binary) what came, for the answer
 * @meta: of a meta command; of others undefined
 * @key_buf: where @key points if it came in base64 (flag b), so a copy of the
 *	request needs its @key set anew
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

	bool drop_old;
	bool has_cas;
	bool vivify;
	s64 vivify_exptime;
	u64 initial;
	enum mp_op mode;

	bool binary;
	bool quiet;
	bool with_key;
	u8 opcode;
	u32 opaque;

	/* from here on only set where there is something to set */
	struct mp_meta meta;
	u8 key_buf[MP_KEY_DECODED_MAX];
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
 * @too_large: a value is larger than item_max
 * @close: close the connection once the answer is out
 * @status: not 0: answer mp_put_bin_error() with it, req->opcode and
 *	req->opaque; @line is NULL
 */
struct mp_err {
	const char *line;
	u64 swallow;
	bool drop_key;
	bool too_large;
	bool close;
	u16 status;
};

enum mp_proto {
	MP_PROTO_NONE,		/* no byte came yet */
	MP_PROTO_TEXT,		/* with meta */
	MP_PROTO_BINARY,
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
 * @proto: the connection's protocol, found by its first byte
 * @meta: meta commands are known
 * @binary: a first byte of 0x80 begins the binary protocol
 * @auth: clients have to authenticate; without it there is no SASL
 * @authed: ... and this one has
 * @no_flush: flush_all is refused, whatever its words are
 *
 * Zero it (mp_parser_init()) before the first byte. Its owner may then set
 * @meta, @binary, @auth, and @authed and @no_flush when it is so; only mp_parse()
 * touches the other fields.
 */
struct mp_parser {
	u32 item_max;
	bool in_keys;
	bool had_key;
	bool want_exptime;
	bool skip_line;
	enum mp_op op;
	s64 exptime;
	enum mp_proto proto;
	bool meta;
	bool binary;
	bool auth;
	bool authed;
	bool no_flush;
};

void mp_parser_init(struct mp_parser *p, u32 item_max);
enum mp_status mp_parse(struct mp_parser *p, const u8 *buf, size_t len,
			size_t *used, struct mp_req *req, struct mp_err *err);

size_t mp_put_value_head(char *dst, const u8 *key, u8 klen, u32 flags,
			 u32 vlen, const u64 *cas);
size_t mp_put_u64(char *dst, u64 v);
bool mp_get_u64(const u8 *p, size_t len, u64 *v);
bool mp_get_s64(const u8 *p, size_t len, s64 *v);
size_t mp_base64_decode(u8 *dst, const u8 *src, size_t len);
size_t mp_base64_encode(char *dst, const u8 *src, size_t len);

/**
 * mp_has_value() - whether a value follows a request
 * @req: the request
 *
 * Return: true if req->vlen bytes and mp_value_tail() more belong to it.
 */
static inline bool mp_has_value(const struct mp_req *req)
{
	return (req->op >= MP_SET && req->op <= MP_CAS) ||
	       req->op == MP_META_SET;
}

/**
 * mp_value_tail() - bytes that end a value
 * @req: a request that has one
 *
 * Return: 2, which have to be CR LF, or 0.
 */
static inline u32 mp_value_tail(const struct mp_req *req)
{
	return req->binary ? 0 : 2;
}

static inline u64 mp_meta_bit(char flag)
{
	return 1ULL << (flag - 'A');
}

/**
 * mp_from_meta() - whether a request came as a meta command
 * @req: the request
 *
 * Return: whether it is; @req->meta says nothing where not.
 */
static inline bool mp_from_meta(const struct mp_req *req)
{
	return req->op >= MP_META_NOOP && req->op <= MP_META_DEBUG;
}

/**
 * mp_meta_has() - whether a meta command came with a flag
 * @req: the request
 * @flag: the letter
 *
 * Return: whether it did.
 */
static inline bool mp_meta_has(const struct mp_req *req, char flag)
{
	return req->meta.given & mp_meta_bit(flag);
}

bool mp_meta_before(const struct mp_req *req, char first, char second);

/* The time to live of an item that has no end. */
#define MP_TTL_NONE	(-1LL)

/**
 * struct mp_meta_item - what the answer to a meta command tells of an item
 * @size: bytes of the value (for me: of the item)
 * @flags: client flags
 * @cas: its unique
 * @ttl: seconds it had to live before the command, not negative, or MP_TTL_NONE
 * @ttl_new: ... and has since it, where T changed that
 * @ttl_made: ... or got by N, with @created
 * @idle: seconds since the last access before the command
 * @fetched: it was fetched before the command
 * @created: the command made it (flag N)
 * @base64: (mg, me) its key goes out in base64
 * @won: this client is to refresh it
 * @stale: it is stale
 * @sent: another client was told to refresh it
 */
struct mp_meta_item {
	u32 size;
	u32 flags;
	u64 cas;
	s64 ttl;
	s64 ttl_new;
	s64 ttl_made;
	u32 idle;
	bool fetched;
	bool created;
	bool base64;
	bool won;
	bool stale;
	bool sent;
};

/* A key of the binary protocol may be MP_KEY_MAX bytes and need base64. */
#define MP_META_KEY_MAX MP_BASE64_LEN(MP_KEY_MAX)
/* "VA size", then s t f l, c, h, O, k b, Z X W. */
#define MP_META_HEAD_MAX (3 + 10 + 3 * 12 + 2 + MP_U64_MAX_LEN + \
			  2 + MP_U64_MAX_LEN + 3 + 2 + MP_META_OPAQUE_MAX + \
			  2 + MP_META_KEY_MAX + 2 + 3 * 2 + 2)
#define MP_META_DEBUG_MAX (3 + MP_META_KEY_MAX + 5 + 1 + MP_U64_MAX_LEN + \
			   4 + 10 + 5 + MP_U64_MAX_LEN + 10 + 5 + 10 + \
			   6 + 10 + 2)

size_t mp_put_meta_head(char *dst, const char *code, const struct mp_req *req,
			const struct mp_meta_item *it);
size_t mp_put_meta_debug(char *dst, const struct mp_req *req,
			 const struct mp_meta_item *it, u32 cls);

/**
 * struct mp_dump_item - what a dump tells of an item
 * @key: the key
 * @klen: its length, at most MP_KEY_MAX
 * @fetched: it was fetched
 * @exptime: UNIX seconds, 0 for never
 * @time: UNIX seconds of the last access
 * @vlen: bytes of the value
 * @cls: slab class
 * @cas: its unique
 * @size: bytes of the item
 */
struct mp_dump_item {
	const u8 *key;
	u8 klen;
	bool fetched;
	u32 exptime;
	u32 time;
	u32 vlen;
	u32 cls;
	u64 cas;
	u64 size;
};

/* "key=", exp, la, cas, fetch, cls, size; every byte of the key may be %XX. */
#define MP_METADUMP_MAX (4 + 3 * MP_KEY_MAX + 5 + 10 + 4 + 10 + 5 + \
			 MP_U64_MAX_LEN + 10 + 5 + 10 + 6 + MP_U64_MAX_LEN + 1)
#define MP_CACHEDUMP_MAX (5 + MP_KEY_MAX + 2 + 10 + 4 + 10 + 5)

bool mp_dump_classes(const u8 *p, size_t len, u64 *classes);
bool mp_is_cachedump(const struct mp_req *req);
const char *mp_cachedump(const struct mp_req *req, u32 *cls, u64 *limit);
size_t mp_put_metadump(char *dst, const struct mp_dump_item *it);
size_t mp_put_cachedump(char *dst, const struct mp_dump_item *it);

/**
 * struct mp_login - who a client says it is
 * @user: the name, @ulen bytes, no NUL among them
 * @pass: the password, @plen bytes, no NUL among them
 * @ulen: length of @user
 * @plen: length of @pass
 */
struct mp_login {
	const u8 *user;
	const u8 *pass;
	size_t ulen;
	size_t plen;
};

bool mp_login_text(const u8 *p, size_t len, struct mp_login *in);
bool mp_login_plain(const u8 *p, size_t len, struct mp_login *in);

/* Binary: a request's first byte; and a header, in both directions. */
#define MP_BIN_MAGIC	0x80
#define MP_BIN_HEAD	24
/* Longest answer of mp_put_bin_error(). */
#define MP_BIN_ERROR_MAX (MP_BIN_HEAD + 46)
/* What MP_SASL_AUTH and MP_SASL_STEP may bring beside the mechanism. */
#define MP_SASL_MAX	1024

enum mp_bin_status {
	MP_BIN_OK		= 0x00,
	MP_BIN_NOT_FOUND	= 0x01,
	MP_BIN_EXISTS		= 0x02,
	MP_BIN_TOO_LARGE	= 0x03,
	MP_BIN_INVALID		= 0x04,
	MP_BIN_NOT_STORED	= 0x05,
	MP_BIN_NON_NUMERIC	= 0x06,
	MP_BIN_AUTH		= 0x20,
	MP_BIN_AUTH_CONTINUE	= 0x21,
	MP_BIN_UNKNOWN		= 0x81,
	MP_BIN_NO_MEMORY	= 0x82,
};

/**
 * struct mp_bin_head - header of a binary answer
 * @opcode: as in the request
 * @extlen: bytes of the extras that follow
 * @klen: bytes of the key that follows them
 * @status: enum mp_bin_status
 * @vlen: bytes of the value that follows the key
 * @opaque: as in the request
 * @cas: the item's unique, or 0
 */
struct mp_bin_head {
	u8 opcode;
	u8 extlen;
	u16 klen;
	u16 status;
	u32 vlen;
	u32 opaque;
	u64 cas;
};

size_t mp_put_bin_head(char *dst, const struct mp_bin_head *h);
size_t mp_put_bin_error(char *dst, u8 opcode, u32 opaque, u16 status);
const char *mp_bin_text(u16 status);

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
#define MP_NOT_AUTHED	"CLIENT_ERROR unauthenticated\r\n"
#define MP_BAD_LOGIN	"CLIENT_ERROR bad authentication token format\r\n"
#define MP_BAD_LOGIN_END "CLIENT_ERROR bad command line termination\r\n"
#define MP_AUTH_FAILURE	"CLIENT_ERROR authentication failure\r\n"
#define MP_TOO_LARGE	"SERVER_ERROR object too large for cache\r\n"
#define MP_NO_MEMORY	"SERVER_ERROR out of memory storing object\r\n"
#define MP_NO_MEMORY_READ "SERVER_ERROR out of memory writing get response\r\n"

#endif /* MP_H */

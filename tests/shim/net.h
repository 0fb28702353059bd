/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What peer.c needs of the kernel, by means of the C library.
 */
#ifndef KFC_SHIM_NET_H
#define KFC_SHIM_NET_H

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "shim.h"

static inline int in4_pton(const char *src, int len, u8 *dst, int delim,
			   const char **end)
{
	assert(len == -1 && delim == -1 && !end);
	return inet_pton(AF_INET, src, dst) == 1;
}

static inline int in6_pton(const char *src, int len, u8 *dst, int delim,
			   const char **end)
{
	assert(len == -1 && delim == -1 && !end);
	return inet_pton(AF_INET6, src, dst) == 1;
}

static inline bool ipv4_is_loopback(__be32 addr)
{
	return ntohl(addr) >> 24 == 127;
}

static inline bool ipv6_addr_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a);
}

/* As the kernel's it takes a sign, and one newline at the end. */
static inline int kstrtou8(const char *s, unsigned int base, u8 *res)
{
	unsigned long v;
	char *end;

	s += *s == '+';
	if (!isdigit(*s))
		return -EINVAL;
	v = strtoul(s, &end, base);
	end += *end == '\n';
	if (*end)
		return -EINVAL;
	if (v > UCHAR_MAX)
		return -ERANGE;
	*res = v;
	return 0;
}

static inline char *kstrdup(const char *s, gfp_t gfp)
{
	return strdup(s);
}

#endif /* KFC_SHIM_NET_H */

// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Lists of networks: 10.0.0.0/8,192.168.1.5,fd00::/8.
 */
#include <linux/ctype.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "peer.h"

/* The widest private networks: 10.0.0.0/8 and fc00::/7. */
#define KFC_V4_BITS_MIN	8
#define KFC_V6_BITS_MIN	7

static bool kfc_peer_parse(struct kfc_peers *p, char *text)
{
	bool v6 = strchr(text, ':');
	u8 least = v6 ? KFC_V6_BITS_MIN : KFC_V4_BITS_MIN;
	u8 most = v6 ? 128 : 32;
	u8 bits = most;
	char *slash = strchr(text, '/');
	struct kfc_peer *peer;

	if (p->nr == KFC_MAX_PEERS)
		return false;
	peer = &p->peer[p->nr++];
	if (slash)
		*slash++ = '\0';
	if (v6 ? !in6_pton(text, -1, peer->addr, -1, NULL) :
		 !in4_pton(text, -1, peer->addr, -1, NULL))
		return false;
	/* kstrtou8() takes a sign, too. */
	if (slash && (!isdigit(*slash) || kstrtou8(slash, 10, &bits)))
		return false;
	peer->family = v6 ? AF_INET6 : AF_INET;
	peer->bits = bits;
	return bits >= least && bits <= most;
}

/**
 * kfc_peers_parse() - read a list of networks
 * @p: zeroed; gets them
 * @text: addresses and prefixes, separated by commas
 *
 * Context: may sleep.
 * Return: false where it is no such list, or too long, or has a network that
 *	is wider than any private one.
 */
bool kfc_peers_parse(struct kfc_peers *p, const char *text)
{
	char *copy = kstrdup(text, GFP_KERNEL);
	char *rest = copy, *one;
	bool good = copy;

	while (good && (one = strsep(&rest, ",")))
		good = kfc_peer_parse(p, one);
	kfree(copy);
	return good;
}

static const u8 *kfc_addr_bytes(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET6)
		return (const u8 *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
	return (const u8 *)&((const struct sockaddr_in *)addr)->sin_addr;
}

static bool kfc_peer_is(const struct kfc_peer *peer, const u8 *addr)
{
	u32 whole = peer->bits / 8, rest = peer->bits % 8;

	if (memcmp(peer->addr, addr, whole))
		return false;
	return !rest || !((peer->addr[whole] ^ addr[whole]) >> (8 - rest));
}

/**
 * kfc_peers_has() - whether a list has an address
 * @p: the list
 * @addr: IPv4 or IPv6
 *
 * Context: any.
 * Return: whether one of its networks does.
 */
bool kfc_peers_has(const struct kfc_peers *p,
		   const struct sockaddr_storage *addr)
{
	const u8 *bytes = kfc_addr_bytes(addr);
	u32 i;

	for (i = 0; i < p->nr; i++)
		if (p->peer[i].family == addr->ss_family &&
		    kfc_peer_is(&p->peer[i], bytes))
			return true;
	return false;
}

/**
 * kfc_addr_loopback() - whether an address is this machine's own
 * @addr: IPv4 or IPv6
 *
 * Context: any.
 * Return: whether it is 127.0.0.0/8 or ::1.
 */
bool kfc_addr_loopback(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	if (addr->ss_family == AF_INET6)
		return ipv6_addr_loopback(&in6->sin6_addr);
	return ipv4_is_loopback(in->sin_addr.s_addr);
}

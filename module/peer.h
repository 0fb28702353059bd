/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PEER_H
#define KFC_PEER_H

#include <linux/types.h>

struct sockaddr_storage;

#define KFC_MAX_PEERS 16

/**
 * struct kfc_peer - a network
 * @family: AF_INET or AF_INET6
 * @bits: of the prefix
 * @addr: its address, an IPv4 one in the first bytes; what is behind the prefix
 *	does not count
 */
struct kfc_peer {
	u16 family;
	u8 bits;
	u8 addr[16];
};

/**
 * struct kfc_peers - who may ask
 * @peer: networks
 * @nr: how many
 */
struct kfc_peers {
	struct kfc_peer peer[KFC_MAX_PEERS];
	u32 nr;
};

bool kfc_peers_parse(struct kfc_peers *p, const char *text);
bool kfc_peers_has(const struct kfc_peers *p,
		   const struct sockaddr_storage *addr);
bool kfc_addr_loopback(const struct sockaddr_storage *addr);

#endif /* KFC_PEER_H */

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_NET_H
#define KFC_NET_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_emit;

/* What kfc_net_addresses() may fill: 8 IPv6 addresses, a path, a port. */
#define KFC_ADDRESSES_SIZE 640

/* What stats tells of workers and connections (gauges). */
struct kfc_net_info {
	u32 curr_connections;
	u32 accepting;		/* 0 while max_conns keeps the listeners waiting */
	u32 threads;
	pid_t pid;		/* of the first worker */
	u64 cpu_ns;		/* CPU time of all workers */
	u64 upload_bytes;	/* pages that hold values still arriving */
	u64 conn_bytes;		/* receive buffers and queued answers */
	u64 kept_pages;		/* for device reads to come */
	u64 udp_overflows;	/* datagrams that found no room */
};

int kfc_net_start(struct kfc_cache *c);
void kfc_net_stop(struct kfc_cache *c);
void kfc_net_wake(struct kfc_cache *c);
void kfc_net_info(struct kfc_cache *c, struct kfc_net_info *info);
u64 kfc_net_bound(const struct kfc_cache *c);
u64 kfc_upload_cost(u32 need);
bool kfc_net_conns(struct kfc_cache *c, unsigned long *cursor,
		   struct kfc_emit *e);
int kfc_net_addresses(struct kfc_cache *c, char *buf, size_t size);

#endif /* KFC_NET_H */

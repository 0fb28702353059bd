/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_UNIXSOCK_H
#define KFC_UNIXSOCK_H

#include <linux/socket.h>
#include <linux/types.h>

struct cred;
struct socket;

int kfc_unix_bind(struct socket *sock, struct sockaddr_storage *addr,
		  umode_t mode);
void kfc_unix_unlink(struct socket *sock, const struct cred *cred);

#endif /* KFC_UNIXSOCK_H */

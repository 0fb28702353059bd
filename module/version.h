/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_VERSION_H
#define KFC_VERSION_H

#define KFC_VERSION "0.1.0"

/*
 * What clients are told: the memcached that this behaves like comes first.
 * libmemcached takes a major version of 0 for an error.
 */
#define KFC_MC_VERSION "1.6.18-kfatcache-" KFC_VERSION

#endif /* KFC_VERSION_H */

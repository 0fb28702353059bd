/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_REBOOT_H
#define KFC_REBOOT_H

#include <linux/types.h>

struct kfc_cache;

int kfc_reboot_init(struct kfc_cache *c, void (*stop)(struct kfc_cache *c));
bool kfc_reboot_exit(struct kfc_cache *c);

#endif /* KFC_REBOOT_H */

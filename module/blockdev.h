/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_BLOCKDEV_H
#define KFC_BLOCKDEV_H

#include "dev.h"

struct kfc_dev *kfc_blockdev_open(const char *path);
void kfc_blockdev_close(struct kfc_dev *d);

#endif /* KFC_BLOCKDEV_H */

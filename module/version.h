/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_VERSION_H
#define KFC_VERSION_H

#define KFC_VERSION "0.1.0"

#endif /* KFC_VERSION_H */

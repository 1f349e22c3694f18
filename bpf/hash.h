/* SPDX-License-Identifier: GPL-2.0-only */
/* The hash of kernel and user half alike. */
#ifndef PLIMSOLL_BPF_HASH_H
#define PLIMSOLL_BPF_HASH_H

#include <linux/types.h>

/* One round of a multiply-xorshift hash; the multiplier is 2^64 / golden ratio. */
static inline __attribute__((always_inline)) __u64 hash_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

#endif

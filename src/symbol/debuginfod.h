/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from servers that know them by build ID (debuginfod(8)): those of $DEBUGINFOD_URLS,
 * through libdebuginfod, in a child process without privileges that may use the network. Only where
 * it was asked for, since it tells those servers what runs here.
 */
#ifndef PLIMSOLL_SYMBOL_DEBUGINFOD_H
#define PLIMSOLL_SYMBOL_DEBUGINFOD_H

#include "symbol/object.h"

/* Fetches the debug files of `objects`, those that are to be had; how many. Shows its progress;
 * ends after some minutes at the latest, or with Ctrl-C. What is missing for it is said once. */
size_t debuginfod_fetch(struct objects *all, struct object **objects, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names addresses of one source at a time: what runs in the confined children (base/confined.h)
 * that symbol/dispatch.c hands requests to. All parsing of symbol tables, DWARF, perf maps and
 * mangled names happens here, where a file that is made to harm can harm only its own names.
 */
#ifndef PLIMSOLL_SYMBOL_NAMER_H
#define PLIMSOLL_SYMBOL_NAMER_H

/* Serves requests (symbol/answer.h) until the socket ends. */
void namer_run(int socket, void *context);

#endif

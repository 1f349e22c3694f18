/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door for strings that a container wrote: paths and symbol names enter the model as valid
 * UTF-8, because pprof's strings must be. Control characters stay; escaping is the outputs' job.
 */
#ifndef PLIMSOLL_BASE_UTF8_H
#define PLIMSOLL_BASE_UTF8_H

/* Replaces every byte of s that is not part of a valid UTF-8 sequence by '?', in place. Returns s.
 */
char *utf8_clean(char *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of TOML that is needed to learn where containerd, CRI-O and Podman keep their files:
 * one string of one section. What is written in any other way counts as not set.
 */
#ifndef PLIMSOLL_CONTAINER_TOML_H
#define PLIMSOLL_CONTAINER_TOML_H

/* The value of `key = "value"` in [section] ("": before the first section), quoted either way,
 * without escapes; NULL if there is none. The caller frees it. */
char *toml_string(const char *text, const char *section, const char *key);

#endif

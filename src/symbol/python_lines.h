/* SPDX-License-Identifier: Apache-2.0 */
/* From an instruction of a Python function to its source line. The table comes from a process's
 * memory and may be garbage; reading it takes no longer than its size. */
#ifndef PLIMSOLL_SYMBOL_PYTHON_LINES_H
#define PLIMSOLL_SYMBOL_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

enum python_line_format {
	PYTHON_LNOTAB,	   /* 3.8, 3.9: co_lnotab (CPython's Objects/lnotab_notes.txt) */
	PYTHON_LINE_TABLE, /* 3.10: co_linetable (PEP 626; Objects/lnotab_notes.txt) */
	PYTHON_LOCATIONS,  /* 3.11 to 3.13: co_linetable (Objects/locations.md) */
};

/* `offset` in bytes from the function's first instruction. 0: it has no line. */
int64_t python_line(enum python_line_format format, const uint8_t *table, size_t size,
		    int64_t first_line, uint32_t offset);

#endif

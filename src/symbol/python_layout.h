/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPython's structures, a row a version: what the kernel half needs (bpf/python.h) and what names
 * need. 64-bit machines only; x86-64 and arm64 have the same layouts.
 */
#ifndef PLIMSOLL_SYMBOL_PYTHON_LAYOUT_H
#define PLIMSOLL_SYMBOL_PYTHON_LAYOUT_H

#include "bpf/python.h"
#include "symbol/elf.h"
#include "symbol/python_lines.h"

struct python_layout {
	unsigned minor;	    /* of Python 3 */
	const char *symbol; /* that libraries export from this version on; NULL: Py_Version tells */
	enum python_line_format line_format;
	struct python_facts facts; /* but for `runtime` */
	/* PyCodeObject */
	uint16_t code_size; /* bytes that hold the members below; at most PYTHON_CODE_MAX */
	uint16_t first_line, file, name, qualified_name, lines; /* PYTHON_NONE: has none */
	/* PyUnicodeObject: where its characters are, if all are ASCII, and if not */
	uint16_t ascii, characters;
};

#define PYTHON_CODE_MAX 256

/* By the number that python_layout_find() gave; NULL where there is no such row. */
const struct python_layout *python_layout(uint32_t number);

/*
 * The layout of the interpreter in this file, whose _PyRuntime is at this address of the file.
 * False: not a version that we know. *facts are the row's, or what the file itself says.
 */
bool python_layout_find(const struct elf *elf, uint64_t runtime, uint32_t *number,
			struct python_facts *facts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layouts of CPython's versions; see python_layout.h.
 *
 * Offsets are what offsetof() gives with the headers of each version, Include/ and
 * Include/internal/, on a 64-bit machine: _PyRuntimeState in pycore_runtime.h (3.8: in
 * pycore_pystate.h), PyInterpreterState in pycore_interp.h, PyThreadState in cpython/pystate.h,
 * PyFrameObject in cpython/frameobject.h (3.8: frameobject.h), _PyInterpreterFrame in
 * pycore_frame.h, PyCodeObject in cpython/code.h (3.8: code.h), PyUnicodeObject in
 * cpython/unicodeobject.h. tests/unit/test_language_python.c compares them with the headers that
 * are installed.
 */
#include "symbol/python_layout.h"

#include <string.h>

#include "base/cleanup.h"
#include "symbol/dynsym.h"

/* Newest first: a symbol says "this version or a later one". */
static const struct python_layout layouts[] = {
	{
		.minor = 13,
		.line_format = PYTHON_LOCATIONS,
		.facts = {
			.interpreters = 632, .next_interpreter = 7264, .threads = 7344,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 152,
			.thread_c_frame = PYTHON_NONE, .c_frame_back = PYTHON_NONE, .frame = 72,
			.frame_size = 72, .code = 0, .back = 8, .instruction = 56, .entry = 70,
			.identity = 112, .instructions = 200,
			.frames = PYTHON_ENTRY_FRAME,
		},
		.code_size = 144,
		.first_line = 68, .file = 112, .name = 120, .qualified_name = 128, .lines = 136,
		.ascii = 40, .characters = 56,
	},
	{
		.minor = 12,
		.line_format = PYTHON_LOCATIONS,
		.facts = {
			.interpreters = 40, .next_interpreter = 0, .threads = 72,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 136,
			.thread_c_frame = 56, .c_frame_back = 8,
			.frame = 0, .frame_of_c_frame = 1,
			.frame_size = 72, .code = 0, .back = 8, .instruction = 56, .entry = 70,
			.identity = 112, .instructions = 192,
			.frames = PYTHON_ENTRY_FRAME,
		},
		.code_size = 144,
		.first_line = 68, .file = 112, .name = 120, .qualified_name = 128, .lines = 136,
		.ascii = 40, .characters = 56,
	},
	{
		.minor = 11,
		.line_format = PYTHON_LOCATIONS,
		.facts = {
			.interpreters = 40, .next_interpreter = 0, .threads = 16,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 152,
			.thread_c_frame = 56, .c_frame_back = 16,
			.frame = 8, .frame_of_c_frame = 1,
			.frame_size = 72, .code = 32, .back = 48, .instruction = 56, .entry = 68,
			.identity = 112, .instructions = 184,
			.frames = PYTHON_ENTRY_FLAG,
		},
		.code_size = 144,
		.first_line = 72, .file = 112, .name = 120, .qualified_name = 128, .lines = 136,
		.ascii = 48, .characters = 72,
	},
	{
		.minor = 10,
		.symbol = "PyModule_AddObjectRef",
		.line_format = PYTHON_LINE_TABLE,
		.facts = {
			.interpreters = 32, .next_interpreter = 0, .threads = 8,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 176,
			.thread_c_frame = 48, .c_frame_back = 8, .frame = 24,
			.frame_size = 104, .code = 32, .back = 24, .instruction = 96,
			.identity = 104, .instructions = PYTHON_NONE, .index_unit = 2,
			.frames = PYTHON_FRAME_OBJECTS,
		},
		.code_size = 128,
		.first_line = 40, .file = 104, .name = 112, .lines = 120,
		.qualified_name = PYTHON_NONE,
		.ascii = 48, .characters = 72,
	},
	{
		.minor = 9,
		.symbol = "PyModule_AddType",
		.line_format = PYTHON_LNOTAB,
		.facts = {
			.interpreters = 32, .next_interpreter = 0, .threads = 8,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 176,
			.thread_c_frame = PYTHON_NONE, .c_frame_back = PYTHON_NONE, .frame = 24,
			.frame_size = 112, .code = 32, .back = 24, .instruction = 104,
			.identity = 104, .instructions = PYTHON_NONE, .index_unit = 1,
			.frames = PYTHON_FRAME_OBJECTS,
		},
		.code_size = 128,
		.first_line = 40, .file = 104, .name = 112, .lines = 120,
		.qualified_name = PYTHON_NONE,
		.ascii = 48, .characters = 72,
	},
	{
		.minor = 8,
		.symbol = "PyCode_NewWithPosOnlyArgs",
		.line_format = PYTHON_LNOTAB,
		.facts = {
			.interpreters = 32, .next_interpreter = 0, .threads = 8,
			.next_thread = 8, .thread_interpreter = 16, .thread_id = 176,
			.thread_c_frame = PYTHON_NONE, .c_frame_back = PYTHON_NONE, .frame = 24,
			.frame_size = 112, .code = 32, .back = 24, .instruction = 104,
			.identity = 104, .instructions = PYTHON_NONE, .index_unit = 1,
			.frames = PYTHON_FRAME_OBJECTS,
		},
		.code_size = 128,
		.first_line = 40, .file = 104, .name = 112, .lines = 120,
		.qualified_name = PYTHON_NONE,
		.ascii = 48, .characters = 72,
	},
};

const struct python_layout *python_layout(uint32_t number)
{
	return number < ARRAY_SIZE(layouts) ? &layouts[number] : NULL;
}

/*
 * What 3.13 and later say of themselves at the beginning of _PyRuntime, for debuggers:
 * _Py_DebugOffsets in pycore_runtime.h. As it is in 3.13; later versions have moved members.
 */
struct debug_offsets {
	char cookie[8];
	uint64_t version; /* as Py_Version */
	uint64_t free_threaded;
	struct {
		uint64_t size, finalizing, interpreters;
	} runtime;
	struct {
		uint64_t size, id, next, threads, gc, modules, sys, builtins, gil, gil_state,
			gil_enabled, gil_locked, gil_holder;
	} interpreter;
	struct {
		uint64_t size, previous, next, interpreter, frame, id, native_id, chunk, status;
	} thread;
	struct {
		uint64_t size, back, code, instruction, locals, owner;
	} frame;
	struct {
		uint64_t size, file, name, qualified_name, lines, first_line, arguments,
			local_names, local_kinds, instructions;
	} code;
};
_Static_assert(sizeof(struct debug_offsets) == 24 + 8 * (3 + 13 + 9 + 6 + 10), "no padding");

#define DEBUG_COOKIE "xdebugpy"

/* False: the file contradicts the row. Patch releases may move what the kernel half reads; what
 * names need stands in public structures and stays. */
static bool apply_debug_offsets(const struct debug_offsets *d, const struct python_layout *layout,
				struct python_facts *facts)
{
	const struct {
		uint64_t offset;
		uint16_t *fact;
	} told[] = {
		{ d->runtime.interpreters, &facts->interpreters },
		{ d->interpreter.next, &facts->next_interpreter },
		{ d->interpreter.threads, &facts->threads },
		{ d->thread.next, &facts->next_thread },
		{ d->thread.interpreter, &facts->thread_interpreter },
		{ d->thread.id, &facts->thread_id },
		{ d->thread.frame, &facts->frame },
		{ d->frame.code, &facts->code },
		{ d->frame.back, &facts->back },
		{ d->frame.instruction, &facts->instruction },
		{ d->frame.owner, &facts->entry },
		{ d->code.instructions, &facts->instructions },
	};

	/* Without the lock that the others have, objects are laid out differently. */
	if (memcmp(d->cookie, DEBUG_COOKIE, sizeof(d->cookie)) != 0 || d->free_threaded)
		return false;
	if (d->code.file != layout->file || d->code.lines != layout->lines ||
	    d->code.first_line != layout->first_line || d->frame.owner >= PYTHON_FRAME_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		if (told[i].offset >= PYTHON_NONE)
			return false;
		*told[i].fact = (uint16_t)told[i].offset;
	}
	return true;
}

/* PY_VERSION_HEX, by the symbol that 3.11 and later have; 0: older. */
static uint64_t version_of(const struct elf *elf)
{
	struct dynsym symbol;
	uint64_t version;

	if (!dynsym_find(elf, "Py_Version", &symbol) ||
	    !elf_read_address(elf, symbol.address, &version, sizeof(version)))
		return 0;
	return version;
}

static const struct python_layout *find_row(const struct elf *elf)
{
	uint64_t version = version_of(elf);
	struct dynsym symbol;

	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const struct python_layout *layout = &layouts[i];

		if (version ? version >> 16 == (3 << 8 | layout->minor)
			    : layout->symbol && dynsym_find(elf, layout->symbol, &symbol))
			return layout;
	}
	return NULL;
}

#define DEBUG_OFFSETS_SINCE 13

bool python_layout_find(const struct elf *elf, uint64_t runtime, uint32_t *number,
			struct python_facts *facts)
{
	const struct python_layout *layout = find_row(elf);
	struct debug_offsets offsets;

	if (!layout)
		return false;
	*number = (uint32_t)(layout - layouts);
	*facts = layout->facts;
	if (layout->minor < DEBUG_OFFSETS_SINCE)
		return true;
	return elf_read_address(elf, runtime, &offsets, sizeof(offsets)) &&
	       apply_debug_offsets(&offsets, layout, facts);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python: finds CPython in a file, and reads the names of its functions from a process.
 *
 *     code object --> co_filename, co_qualname (before 3.11: co_name)    str, immutable
 *                 --> co_linetable (before 3.10: co_lnotab)              bytes, immutable
 *
 * A code object whose three pointers have the identity that the kernel half saw is the one that
 * ran: what it points to never changes, and lives as long as it does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/cold_part.h"
#include "symbol/dynsym.h"
#include "symbol/language.h"
#include "symbol/python_layout.h"

/* Exported by every CPython, shared or static, stripped or not, for its extension modules. */
#define RUNTIME	      "_PyRuntime"
#define EVAL_FUNCTION "_PyEval_EvalFrameDefault"
/* The largest build (no optimization) has 300 KB; more is not a function. */
#define CODE_MAX (4 << 20)

/* --- finding it in a file --- */

static bool is_this_machine(const struct elf *elf)
{
#if defined(__x86_64__)
	return elf->is64 && elf->machine == EM_X86_64;
#elif defined(__aarch64__)
	return elf->is64 && elf->machine == EM_AARCH64;
#else
	return false;
#endif
}

static bool probe(const struct elf *elf, struct interpreter *out)
{
	struct dynsym runtime, eval;
	uint64_t start, end;
	struct python_facts facts;
	uint32_t version;

	if (!is_this_machine(elf) || !dynsym_find(elf, RUNTIME, &runtime) ||
	    !dynsym_find(elf, EVAL_FUNCTION, &eval) || !eval.size || eval.size > CODE_MAX ||
	    !python_layout_find(elf, runtime.address, &version, &facts))
		return false;
	facts.runtime = runtime.address;
	*out = (struct interpreter){
		.code[0] = { eval.address, eval.address + eval.size },
		.language = LANGUAGE_PYTHON,
		.version = version,
	};
	if (cold_part_find(elf, eval.address, eval.address + eval.size, &start, &end))
		out->code[1] = (struct interpreter_code){ start, end };
	memcpy(out->facts, &facts, sizeof(facts));
	return true;
}

static void place(struct interpreter *interpreter, uint64_t bias)
{
	struct python_facts facts;

	memcpy(&facts, interpreter->facts, sizeof(facts));
	facts.runtime += bias;
	memcpy(interpreter->facts, &facts, sizeof(facts));
}

/* --- reading a process --- */

static bool read_all(const struct language_reader *reader, uint64_t address, void *buffer,
		     size_t size)
{
	return reader->read(reader, address, buffer, size) == size;
}

static uint64_t word_at(const uint8_t *buffer, size_t offset)
{
	uint64_t word;

	memcpy(&word, buffer + offset, sizeof(word));
	return word;
}

static uint32_t half_word_at(const uint8_t *buffer, size_t offset)
{
	uint32_t word;

	memcpy(&word, buffer + offset, sizeof(word));
	return word;
}

/* The head of PyASCIIObject, the same in all versions, and the bits of its `state`. */
#define STRING_LENGTH	    16
#define STRING_STATE	    32
#define STRING_HEAD	    36
#define STATE_KIND(state)   ((state) >> 2 & 7) /* bytes a character: 1, 2, 4 */
#define STATE_IS_COMPACT(s) ((s) >> 5 & 1)     /* the characters follow the head */
#define STATE_IS_ASCII(s)   ((s) >> 6 & 1)

/* Characters of a name that are looked at. */
#define CHARACTERS_MAX 512
/* Most names fit into one read. */
#define STRING_FIRST_READ 160

/* Appends a character as UTF-8, never more than four bytes. What is none, or half of one (Python
 * keeps the bytes of undecodable file names as lone surrogates), becomes '?'. */
static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
		out[0] = '?';
		return 1;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static char *to_utf8(const uint8_t *characters, size_t n, size_t width)
{
	char out[4 * CHARACTERS_MAX];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t c = 0;

		memcpy(&c, characters + i * width, width); /* little-endian, as all we run on */
		if (!c)
			break;
		at += put_utf8(out + at, c);
	}
	return xstrndup(out, at);
}

/* NULL: it is none. The caller frees it. */
static char *read_string(const struct language_reader *reader, const struct python_layout *layout,
			 uint64_t address)
{
	uint8_t buffer[STRING_HEAD + 64 + 4 * CHARACTERS_MAX];
	size_t have = reader->read(reader, address, buffer, STRING_FIRST_READ);
	size_t start, width, length, size;
	uint32_t state;

	if (have < STRING_HEAD)
		return NULL;
	state = half_word_at(buffer, STRING_STATE);
	width = STATE_KIND(state);
	if (!STATE_IS_COMPACT(state) || (width != 1 && width != 2 && width != 4))
		return NULL;
	start = STATE_IS_ASCII(state) ? layout->ascii : layout->characters;
	length = MIN(word_at(buffer, STRING_LENGTH), (uint64_t)CHARACTERS_MAX);
	size = start + length * width;
	if (size > have && !read_all(reader, address + have, buffer + have, size - have))
		return NULL;
	return to_utf8(buffer + start, length, width);
}

/* PyBytesObject, the same in all versions. */
#define BYTES_LENGTH 16
#define BYTES_DATA   32

static void read_lines(const struct language_reader *reader, uint64_t address,
		       struct language_code *out)
{
	uint8_t head[BYTES_DATA];
	size_t size;

	if (!read_all(reader, address, head, sizeof(head)))
		return;
	size = MIN(word_at(head, BYTES_LENGTH), (uint64_t)LANGUAGE_LINES_MAX);
	/* An empty one (a lambda's, before 3.10) says that all is on the first line. */
	out->lines = xmalloc(size + 1);
	out->nlines = reader->read(reader, address + BYTES_DATA, out->lines, size);
}

/* Code that the interpreter makes for itself has one string for all its names and is on no line
 * (_Py_MakeShimCode() in 3.12's and 3.13's Objects/codeobject.c). */
static bool is_shim(const struct python_layout *layout, const uint8_t *code)
{
	return word_at(code, layout->file) == word_at(code, layout->name) &&
	       half_word_at(code, layout->first_line) == 0;
}

static bool read_code(const struct language_reader *reader, const struct interpreter *interpreter,
		      uint64_t address, uint32_t identity, struct language_code *out)
{
	const struct python_layout *layout = python_layout(interpreter->version);
	__u64 pointers[PYTHON_IDENTITY_WORDS];
	uint8_t code[PYTHON_CODE_MAX];
	uint16_t name;

	*out = (struct language_code){ 0 };
	if (!layout || !read_all(reader, address, code, layout->code_size))
		return false;
	memcpy(pointers, code + layout->facts.identity, sizeof(pointers));
	if (python_identity(pointers) != identity)
		return false;
	name = layout->qualified_name != PYTHON_NONE ? layout->qualified_name : layout->name;
	out->name = read_string(reader, layout, word_at(code, name));
	out->file = read_string(reader, layout, word_at(code, layout->file));
	if (!out->name || !out->file) {
		free(out->name);
		free(out->file);
		return false;
	}
	out->first_line = (int32_t)half_word_at(code, layout->first_line);
	out->hidden = is_shim(layout, code);
	read_lines(reader, word_at(code, layout->lines), out);
	return true;
}

static int64_t line_of(uint32_t version, const struct language_code *code, uint32_t offset)
{
	const struct python_layout *layout = python_layout(version);

	if (!layout || !code->lines)
		return 0;
	return python_line(layout->line_format, code->lines, code->nlines, code->first_line,
			   offset);
}

const struct language language_python = {
	.mapping = "[python]",
	.probe = probe,
	.place = place,
	.read = read_code,
	.line = line_of,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What begins as an ELF file is probed for an interpreter. Other bytes are the memory of a process
 * in which a code object lies, with its strings and its line table:
 *
 *     | version | format | offset | memory, from address 0x1000 on, the code object first ... |
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/python.h"
#include "symbol/cold_part.h"
#include "symbol/language.h"
#include "symbol/python_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE 0x1000

struct memory {
	struct language_reader reader;
	const uint8_t *data;
	size_t size;
};

static size_t read_memory(const struct language_reader *reader, uint64_t address, void *buffer,
			  size_t size)
{
	const struct memory *memory =
		(const struct memory *)((const char *)reader - offsetof(struct memory, reader));
	size_t n;

	if (address < BASE || address - BASE >= memory->size)
		return 0;
	n = MIN(size, memory->size - (address - BASE));
	memcpy(buffer, memory->data + (address - BASE), n);
	return n;
}

static void probe(const uint8_t *data, size_t size)
{
	const struct image image = { .data = data, .size = size, .fd = -1 };
	struct interpreter interpreter;
	uint64_t start, end;
	struct elf elf;

	if (elf_open(&image, &elf))
		return;
	if (language_probe(&elf, &interpreter))
		language_place(&interpreter, 4096);
	if (elf.nloads)
		cold_part_find(&elf, elf.loads[0].address,
			       elf.loads[0].address + elf.loads[0].memory_size, &start, &end);
	elf_close(&elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interpreter interpreter = { .language = LANGUAGE_PYTHON };
	struct memory memory = { .reader.read = read_memory };
	__u64 pointers[PYTHON_IDENTITY_WORDS];
	const struct python_layout *layout;
	struct language_code code;
	uint32_t offset;

	if (size < 8)
		return 0;
	if (memcmp(data, ELFMAG, SELFMAG) == 0) {
		probe(data, size);
		return 0;
	}
	interpreter.version = data[0] % 8;
	memcpy(&offset, data + 4, sizeof(offset));
	memory.data = data + 8;
	memory.size = size - 8;

	python_line(data[1] % 3, memory.data, memory.size, data[2], offset);

	layout = python_layout(interpreter.version);
	if (!layout || read_memory(&memory.reader, BASE + layout->facts.identity, pointers,
				   sizeof(pointers)) != sizeof(pointers))
		return 0;
	if (!language_python.read(&memory.reader, &interpreter, BASE, python_identity(pointers),
				  &code))
		return 0;
	language_python.line(interpreter.version, &code, offset);
	free(code.name);
	free(code.file);
	free(code.lines);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares a row of python_layout.c with the headers that this is compiled with: says what differs
 * and exits 1. tests/system/test_python.py builds it once for each Python whose headers it finds.
 */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>

#if PY_VERSION_HEX < 0x03090000
#include <internal/pycore_pystate.h>
#else
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#if PY_VERSION_HEX < 0x030b0000
#include <frameobject.h>
typedef PyFrameObject frame;
#else
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
typedef struct _PyInterpreterFrame frame;
#endif

#include "symbol/python_layout.h"

static int differences;

static void compare(const char *what, size_t ours, size_t theirs)
{
	if (ours == theirs)
		return;
	printf("%s: %zu in the table, %zu in the headers\n", what, ours, theirs);
	differences++;
}

#define OFFSET(fact, type, member) compare(#fact, layout->fact, offsetof(type, member))

int main(void)
{
	const struct python_layout *layout = NULL;

	for (uint32_t i = 0; python_layout(i); i++)
		if (python_layout(i)->minor == PY_MINOR_VERSION)
			layout = python_layout(i);
	if (!layout) {
		printf("no layout for %s\n", PY_VERSION);
		return 1;
	}
	OFFSET(facts.interpreters, _PyRuntimeState, interpreters.head);
	OFFSET(facts.next_interpreter, PyInterpreterState, next);
	OFFSET(facts.next_thread, PyThreadState, next);
	OFFSET(facts.thread_interpreter, PyThreadState, interp);
	OFFSET(facts.thread_id, PyThreadState, thread_id);
#if PY_VERSION_HEX < 0x030b0000
	OFFSET(facts.threads, PyInterpreterState, tstate_head);
	OFFSET(facts.frame, PyThreadState, frame);
	OFFSET(facts.code, frame, f_code);
	OFFSET(facts.back, frame, f_back);
	OFFSET(facts.instruction, frame, f_lasti);
#else
	OFFSET(facts.threads, PyInterpreterState, threads.head);
	OFFSET(facts.back, frame, previous);
	OFFSET(facts.instructions, PyCodeObject, co_code_adaptive);
	OFFSET(qualified_name, PyCodeObject, co_qualname);
#endif
#if PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
	OFFSET(facts.thread_c_frame, PyThreadState, cframe);
	OFFSET(facts.c_frame_back, CFrame, previous);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030d0000
	OFFSET(facts.thread_c_frame, PyThreadState, cframe);
	OFFSET(facts.c_frame_back, _PyCFrame, previous);
	OFFSET(facts.frame, _PyCFrame, current_frame);
	OFFSET(facts.code, frame, f_code);
	OFFSET(facts.instruction, frame, prev_instr);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
	OFFSET(facts.entry, frame, is_entry);
#elif PY_VERSION_HEX >= 0x030c0000
	OFFSET(facts.entry, frame, owner);
	compare("owner", PYTHON_OWNED_BY_C_STACK, FRAME_OWNED_BY_CSTACK);
#endif
#if PY_VERSION_HEX >= 0x030d0000
	OFFSET(facts.frame, PyThreadState, current_frame);
	OFFSET(facts.code, frame, f_executable);
	OFFSET(facts.instruction, frame, instr_ptr);
#endif
	OFFSET(facts.identity, PyCodeObject, co_filename);
	OFFSET(first_line, PyCodeObject, co_firstlineno);
	OFFSET(file, PyCodeObject, co_filename);
	OFFSET(name, PyCodeObject, co_name);
#if PY_VERSION_HEX < 0x030a0000
	OFFSET(lines, PyCodeObject, co_lnotab);
#else
	OFFSET(lines, PyCodeObject, co_linetable);
#endif
	compare("ascii", layout->ascii, sizeof(PyASCIIObject));
	compare("characters", layout->characters, sizeof(PyCompactUnicodeObject));
	compare("length", 16, offsetof(PyASCIIObject, length));
	compare("state", 32, offsetof(PyASCIIObject, state));
	compare("bytes", 32, offsetof(PyBytesObject, ob_sval));
	return differences != 0;
}

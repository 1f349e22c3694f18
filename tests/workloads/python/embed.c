/* SPDX-License-Identifier: Apache-2.0 */
/* A program in C that runs a Python file: embed FILE. */
#include <Python.h>
#include <stdio.h>

__attribute__((noinline)) static int run_python(const char *path)
{
	FILE *f = fopen(path, "r");
	int status = f ? PyRun_SimpleFile(f, path) : 1;

	if (f)
		fclose(f);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 2)
		return 2;
	Py_Initialize();
	status = run_python(argv[1]);
	Py_Finalize();
	return status;
}

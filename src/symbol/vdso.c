/* SPDX-License-Identifier: Apache-2.0 */
/* Our own vDSO, as the kernel's auxiliary vector shows it; see vdso.h. */
#include "symbol/vdso.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

bool vdso_image(struct image *image)
{
	uintptr_t start = getauxval(AT_SYSINFO_EHDR);
	const uint8_t *data = (const uint8_t *)start;
	Elf64_Ehdr header;

	if (!start)
		return false;
	memcpy(&header, data, sizeof(header));
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	/* The section headers are what the kernel's linker script puts last. */
	*image = (struct image){
		.fd = -1,
		.data = data,
		.size = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize,
	};
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr load;

		memcpy(&load, data + header.e_phoff + i * sizeof(load), sizeof(load));
		if (load.p_type == PT_LOAD)
			image->size = MAX(image->size, load.p_offset + load.p_filesz);
	}
	return true;
}

int vdso_file(void)
{
	_cleanup_close_ int fd = memfd_create("vdso", MFD_CLOEXEC);
	struct image image;

	if (fd < 0)
		return -errno;
	if (!vdso_image(&image))
		return -ENODATA;
	if (write(fd, image.data, image.size) != (ssize_t)image.size)
		return -EIO;
	return TAKE_FD(fd);
}

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What kmod/core takes from its surroundings: here the kernel's. */
#ifndef PX_DEPS_H
#define PX_DEPS_H

#include <linux/crc32.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

/* As zlib's crc32(). */
static inline u32 px_crc32(u32 crc, const void *data, size_t bytes)
{
	return ~crc32_le(~crc, data, bytes);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What kmod/core takes from its surroundings: here the kernel's. */
#ifndef PX_DEPS_H
#define PX_DEPS_H

#include <linux/crc32.h>
#include <linux/string.h>
#include <linux/types.h>

#endif

/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What kmod/core takes from its surroundings: here libc's. The kernel's is
 * compat/kernel/px_deps.h; the include path decides.
 */
#ifndef PX_DEPS_H
#define PX_DEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/*
 * CRC-32 of IEEE 802.3, as zlib's crc32(): of `data`, going on from `crc`, which is
 * 0 at the start.
 */
u32 px_crc32(u32 crc, const void *data, size_t bytes);

/*
 * Memory inside the block that nobody may touch, for AddressSanitizer. The core
 * does without where these are not defined.
 */
#if defined(__SANITIZE_ADDRESS__)
#define PX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PX_ASAN 1
#endif
#endif

#ifdef PX_ASAN
#include <sanitizer/asan_interface.h>
#define px_memory_hide(at, bytes) __asan_poison_memory_region(at, bytes)
#define px_memory_show(at, bytes) __asan_unpoison_memory_region(at, bytes)
#endif

#endif

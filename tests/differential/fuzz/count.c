/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "count.h"

unsigned long long fuzz_frames;

__attribute__((destructor)) static void tell_frames(void)
{
	fprintf(stderr, "frames: %llu\n", fuzz_frames);
}

/* SPDX-License-Identifier: MIT */
/* How many frames, records or packets a fuzz target has handed to the code under test. */
#ifndef PX_FUZZ_COUNT_H
#define PX_FUZZ_COUNT_H

extern unsigned long long fuzz_frames;

#endif

/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files, where there is no libFuzzer. */
#include <stdio.h>
#include <stdlib.h>

#include "px.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

int main(int count, char **paths)
{
	for (int i = 1; i < count; i++) {
		FILE *file = fopen(paths[i], "rb");
		u8 *data;
		long bytes;

		if (!file || fseek(file, 0, SEEK_END) || (bytes = ftell(file)) < 0)
			return 2;
		rewind(file);
		/* Exact, so that a byte read behind the input is seen. */
		data = malloc(bytes ? (size_t)bytes : 1);
		if (bytes && fread(data, (size_t)bytes, 1, file) != 1)
			return 2;
		fclose(file);
		LLVMFuzzerTestOneInput(data, (size_t)bytes);
		free(data);
	}
	return 0;
}

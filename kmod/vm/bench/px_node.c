// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A node without Python, for measurements: the paper's user-space equivalent of the
 * replica in the kernel, and a client for both. Volatile: a node that restarts must
 * not take part again.
 */
#include "node.h"

int main(int count, char **words)
{
	const char *mode = count > 1 ? words[1] : "";
	bool device = !strcmp(mode, "device");
	struct options options;
	struct load load;
	int error;

	if (!strcmp(mode, "--help")) {
		fputs(options_usage, stdout);
		return 0;
	}
	if (!device && strcmp(mode, "core")) {
		fprintf(stderr, "px_node: core or device is needed; px_node --help says more\n");
		return 2;
	}
	if (options_read(&options, count - 1, words + 1))
		return 2;
	if (!load_begin(&load, &options)) {
		fprintf(stderr, "px_node: no memory\n");
		return 1;
	}
	error = device ? device_node(&options, &load) : core_node(&options, &load);
	load_report(&load, mode, stdout);
	if (options.hold) {
		/* Whoever counts has time to look at what this process took. */
		fflush(stdout);
		while (getchar() != EOF)
			;
	}
	return error ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The command line. */
#include "node.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

const char options_usage[] =
"usage: px_node core|device --interface IF --node N --member N=MAC ... [options]\n"
"\n"
"  core    a replica in this process, over raw Ethernet (AF_PACKET)\n"
"  device  a replica in the kernel, through /dev/paxos\n"
"\n"
"  --outstanding K   while it leads, keep K commands open and time them (0)\n"
"  --bytes B         of each command (64)\n"
"  --commands C      stop after so many; without, when the time is over\n"
"  --measured S      stop after figures were taken for so long\n"
"  --warm-up C       commands before figures are taken (100)\n"
"  --hold            between the two say \"ready\" and wait for a line of stdin; then \"done\",\n"
"                    and after the report wait until stdin ends\n"
"  --latencies FILE  write all of them there, in ns, 32 bits each, as the machine has them\n"
"  --seconds S       stop after so long, whatever happens (10)\n"
"  --tick-us T       (20000)       --ethertype E  (0x88b5)\n"
"  --memory-mb M     (64)          --window W     slots open at a time (32)\n"
"  --seed S          of the election's jitter   --cluster C  its number\n"
"  --device PATH     (/dev/paxos)\n"
"\n"
"A node with --outstanding stands for leader sooner than one without. Writes one line\n"
"of JSON when it ends. No snapshot, no disk: a measurement.\n";

static int complain(const char *word)
{
	fprintf(stderr, "px_node: not understood: %s; px_node --help says more\n", word);
	return -1;
}

static bool read_number(const char *text, u64 low, u64 high, u64 *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *number >= low && *number <= high;
}

static bool read_member(struct paxos_config *config, const char *text)
{
	struct paxos_member *member = &config->member[config->members];
	unsigned int node, mac[PAXOS_MAC_BYTES];
	char rest;

	if (config->members == PAXOS_MEMBERS_MAX ||
	    sscanf(text, "%u=%2x:%2x:%2x:%2x:%2x:%2x%c", &node, &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &rest) != 7 || !node || node > PX_NODE_MAX)
		return false;
	if (config->members && config->member[config->members - 1].node >= node)
		return false;
	member->node = (u16)node;
	for (u32 i = 0; i < PAXOS_MAC_BYTES; i++)
		member->mac[i] = (u8)mac[i];
	config->members++;
	return true;
}

enum { INTERFACE = 1, NODE, MEMBER, OUTSTANDING, BYTES, COMMANDS, WARM_UP, SECONDS, TICK_US,
	ETHERTYPE, MEMORY_MB, WINDOW, SEED, CLUSTER, DEVICE, HOLD, LATENCIES, MEASURED };

static const struct option words_known[] = {
	{ "interface", 1, NULL, INTERFACE }, { "node", 1, NULL, NODE },
	{ "member", 1, NULL, MEMBER }, { "outstanding", 1, NULL, OUTSTANDING },
	{ "bytes", 1, NULL, BYTES }, { "commands", 1, NULL, COMMANDS },
	{ "warm-up", 1, NULL, WARM_UP }, { "seconds", 1, NULL, SECONDS },
	{ "tick-us", 1, NULL, TICK_US }, { "ethertype", 1, NULL, ETHERTYPE },
	{ "memory-mb", 1, NULL, MEMORY_MB }, { "window", 1, NULL, WINDOW },
	{ "seed", 1, NULL, SEED }, { "cluster", 1, NULL, CLUSTER },
	{ "device", 1, NULL, DEVICE }, { "hold", 0, NULL, HOLD },
	{ "latencies", 1, NULL, LATENCIES }, { "measured", 1, NULL, MEASURED },
	{ NULL, 0, NULL, 0 },
};

static bool read_count(struct options *options, int word, const char *text)
{
	struct paxos_config *config = &options->config;
	u64 number = 0;
	bool good = read_number(text, 0, PX_U64_MAX, &number);

	switch (word) {
	case NODE:
		config->endpoint = number;
		return good && number >= 1 && number <= PX_NODE_MAX;
	case OUTSTANDING:
		options->outstanding = (u32)number;
		return good && number <= 1u << 20;
	case BYTES:
		options->command_bytes = (u32)number;
		return good && number >= COMMAND_BYTES_LEAST && number <= 1u << 16;
	case COMMANDS:
		options->commands = number;
		return good;
	case WARM_UP:
		options->warm_up = (u32)number;
		return good && number <= 1u << 30;
	case TICK_US:
		config->tick_us = (u32)number;
		return good && number >= 1000 && number <= 1000000;
	case ETHERTYPE:
		config->ethertype = (u32)number;
		return good && number >= 0x600 && number <= 0xffff;
	case MEMORY_MB:
		config->memory_bytes = number << 20;
		return good && number >= 1 && number <= 1 << 20;
	case WINDOW:
		config->window_slots = (u32)number;
		return good && number >= 1 && number <= 4096;
	case CLUSTER:
		config->cluster = number;
		return good;
	default:
		config->seed = number;
		return good;
	}
}

static bool read_seconds(double *seconds, const char *text)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds > 0 && *seconds <= 3600;
}

static bool read_option(struct options *options, int word, char *text)
{
	switch (word) {
	case INTERFACE:
		options->interface = text;
		return strlen(text) < PAXOS_INTERFACE_BYTES;
	case DEVICE:
		options->device = text;
		return true;
	case LATENCIES:
		options->latencies = text;
		return true;
	case HOLD:
		options->hold = true;
		return true;
	case MEMBER:
		return read_member(&options->config, text);
	case SECONDS:
		return read_seconds(&options->seconds, text);
	case MEASURED:
		return read_seconds(&options->measured, text);
	default:
		return read_count(options, word, text);
	}
}

static void set_defaults(struct options *options)
{
	struct paxos_config *config = &options->config;

	memset(options, 0, sizeof(*options));
	options->device = "/dev/paxos";
	options->command_bytes = 64;
	options->warm_up = 100;
	options->seconds = 10;
	config->version = PAXOS_ABI_VERSION;
	config->mode = PAXOS_MODE_REPLICA;
	config->flags = PAXOS_FLAG_VOTING;
	config->ethertype = 0x88b5;
	config->cluster = 0x70785f6e6f6465;
	config->tick_us = 20000;
	config->heartbeat_ticks = 3;
	config->election_ticks_min = 25;
	config->election_ticks_max = 50;
	config->resend_ticks = 5;
	config->window_slots = 32;
	config->vote_slots_max = 1024;
	config->log_keep_slots = 256;
	config->page_bytes_max = 256 << 10;
	config->pending_bytes_max = 8 << 20;
	config->log_bytes_max = 16 << 20;
	config->snapshot_bytes_max = 1 << 20;
	config->memory_bytes = 64 << 20;
}

static bool is_complete(struct options *options)
{
	struct paxos_config *config = &options->config;
	bool found = false;

	for (u32 i = 0; i < config->members; i++)
		found = found || config->member[i].node == config->endpoint;
	if (!found || !options->interface) {
		fprintf(stderr, "px_node: --interface, --node and a --member for each node, in "
			"ascending order, are needed\n");
		return false;
	}
	memcpy(config->interface, options->interface, strlen(options->interface));
	config->phase1 = config->phase2 = config->members / 2 + 1;
	if (config->vote_slots_max < 2 * config->window_slots)
		config->vote_slots_max = 2 * config->window_slots;
	if (!config->seed)
		config->seed = config->endpoint;
	if (options->outstanding) {
		config->election_ticks_min = 8;
		config->election_ticks_max = 10;
	}
	return true;
}

/**
 * options_read() - the command line, without the program's name and the mode
 * @options: to be filled in
 * @count: how many words
 * @words: the words, the first of which is passed over
 *
 * Return: 0; -1 if they are not understood, and then it has been said why.
 */
int options_read(struct options *options, int count, char **words)
{
	int word;

	set_defaults(options);
	opterr = 0;
	while ((word = getopt_long(count, words, "", words_known, NULL)) != -1)
		if (word == '?' || !read_option(options, word, optarg))
			return complain(words[optind - 1]);
	if (optind != count)
		return complain(words[optind]);
	return is_complete(options) ? 0 : -1;
}

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The client: while this node leads, so many commands are open. A command holds a
 * nonce, its number and when it was sent, so what is decided tells how long it took.
 */
#include "node.h"
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TIMED_MAX	(1u << 22)	/* latencies that are kept */

u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

/**
 * load_begin() - nothing is sent yet
 * @load: to be filled in
 * @options: what it is to do
 *
 * Return: false without memory.
 */
bool load_begin(struct load *load, const struct options *options)
{
	memset(load, 0, sizeof(*load));
	load->options = options;
	load->nonce = now_ns() << 16 | options->config.endpoint;
	load->command = calloc(1, options->command_bytes);
	load->latency_ns = malloc(TIMED_MAX * sizeof(*load->latency_ns));
	return load->command && load->latency_ns;
}

/**
 * load_leader() - somebody leads now; what we had sent before may be lost
 * @load: the client
 * @leader: who, 0 for nobody
 */
void load_leader(struct load *load, u64 leader)
{
	load->leads = leader == load->options->config.endpoint;
	load->outstanding = 0;
}

/* The warm-up is over and nothing is on its way: whoever counts may begin to. False if not yet. */
static bool is_released(struct load *load)
{
	struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];

	if (!load->held) {
		puts("ready");
		fflush(stdout);
		load->held = true;
		load->slots_before = load->slots;
	}
	if (poll(&ready, 1, load->may_sleep ? -1 : 0) <= 0)
		return false;
	load->released = read(STDIN_FILENO, line, sizeof(line)) >= 0;
	return load->released;
}

/**
 * load_wants() - whether a command is to be sent now
 * @load: the client
 *
 * With the option to hold there is a pause between warm-up and figures, until a line of
 * stdin comes. A node in this process must not sleep then, for others would stand for leader.
 */
bool load_wants(struct load *load)
{
	if (!load->leads)
		return false;
	if (load->options->hold && !load->released && load->decided >= load->options->warm_up &&
	    (load->outstanding || !is_released(load)))
		return false;
	return load->outstanding < load->options->outstanding;
}

/**
 * load_command() - the next command; it counts once load_sent() says so
 * @load: the client
 *
 * Return: its bytes, as many as the options say.
 */
const u8 *load_command(struct load *load)
{
	u64 now = now_ns();

	memcpy(load->command, &load->nonce, 8);
	memcpy(load->command + 8, &load->sent, 8);
	memcpy(load->command + 16, &now, 8);
	return load->command;
}

/**
 * load_sent() - the command is on its way
 * @load: the client
 */
void load_sent(struct load *load)
{
	load->sent++;
	load->outstanding++;
}

static void time_command(struct load *load, u64 sent_ns, u64 now)
{
	if (load->decided++ < load->options->warm_up || (load->options->hold && !load->released))
		return;
	if (!load->first_ns)
		load->first_ns = now;
	load->last_ns = now;
	if (load->timed < TIMED_MAX)
		load->latency_ns[load->timed] = (u32)px_min(now - sent_ns, 0xffffffffu);
	load->timed++;
}

/**
 * load_decided() - a slot's value: our commands in it are done
 * @load: the client
 * @value: a batch, or bytes that are none
 * @bytes: how many
 */
void load_decided(struct load *load, const u8 *value, u32 bytes)
{
	u64 now = load->options->outstanding ? now_ns() : 0;
	const u8 *at = value + PX_BATCH_HEADER_BYTES, *end = value + bytes;

	load->slots++;
	if (!now || bytes < PX_BATCH_HEADER_BYTES || value[0] != PX_ARRAY32)
		return;
	while ((u64)(end - at) >= PX_COMMAND_HEADER_BYTES && at[0] == PX_BIN32) {
		u32 size = px_read_be32(at + 1);
		u64 words[3];

		at += PX_COMMAND_HEADER_BYTES;
		if (size > (u64)(end - at))
			return;
		if (size >= sizeof(words)) {
			memcpy(words, at, sizeof(words));
			if (words[0] == load->nonce) {
				load->outstanding -= load->outstanding > 0;
				time_command(load, words[2], now);
			}
		}
		at += size;
	}
}

/**
 * load_is_done() - whether as many commands are decided, or for as long, as was asked for
 * @load: the client
 */
bool load_is_done(const struct load *load)
{
	const struct options *options = load->options;

	if (!options->outstanding)
		return false;
	return (options->commands && load->timed >= options->commands) ||
	       (options->measured > 0 &&
		(double)(load->last_ns - load->first_ns) >= options->measured * 1e9);
}

static int by_size(const void *one, const void *other)
{
	u32 a = *(const u32 *)one, b = *(const u32 *)other;

	return (a > b) - (a < b);
}

static void keep_latencies(const struct load *load, u64 kept)
{
	FILE *out = fopen(load->options->latencies, "wb");
	bool whole = out && fwrite(load->latency_ns, sizeof(*load->latency_ns), kept, out) == kept;

	if ((out && fclose(out)) || !whole)
		fprintf(stderr, "px_node: %s: cannot be written\n", load->options->latencies);
}

/**
 * load_report() - one line of JSON
 * @load: the client
 * @mode: "core" or "device"
 * @out: where to
 */
void load_report(struct load *load, const char *mode, FILE *out)
{
	u64 kept = px_min(load->timed, TIMED_MAX), sum = 0;
	double seconds = (double)(load->last_ns - load->first_ns) / 1e9;

	/* Whoever counts shall not count what follows. */
	if (load->options->hold) {
		puts("done");
		fflush(stdout);
	}
	if (load->options->latencies)
		keep_latencies(load, kept);
	qsort(load->latency_ns, kept, sizeof(*load->latency_ns), by_size);
	for (u64 i = 0; i < kept; i++)
		sum += load->latency_ns[i];
	fprintf(out, "{\"mode\": \"%s\", \"node\": %llu, \"outstanding\": %u, \"bytes\": %u, "
		"\"slots\": %llu, \"commands\": %llu, \"seconds\": %.6f", mode,
		(unsigned long long)load->options->config.endpoint, load->options->outstanding,
		load->options->command_bytes, (unsigned long long)(load->slots - load->slots_before),
		(unsigned long long)load->timed, seconds);
	if (kept > 1)
		fprintf(out, ", \"commands_per_second\": %.1f, \"latency_us\": {\"mean\": %.2f, "
			"\"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}",
			(double)(load->timed - 1) / seconds, (double)sum / (double)kept / 1e3,
			load->latency_ns[kept / 2] / 1e3, load->latency_ns[kept * 99 / 100] / 1e3,
			load->latency_ns[kept - 1] / 1e3);
	fprintf(out, "}\n");
}

/**
 * empty_chunk_write() - SnapshotChunk of an empty snapshot, whole
 * @frame: where to; EMPTY_CHUNK_BYTES of room
 * @options: who we are
 * @slot: of the snapshot
 */
void empty_chunk_write(u8 *frame, const struct options *options, u64 slot)
{
	const u64 number[5] = { slot, 0, 0, 0, 0 };
	u8 *at = px_frame_write_head(frame, PX_SNAPSHOT_CHUNK, options->config.cluster,
				     options->config.endpoint, number);

	px_body_header_write(at, 0);
}

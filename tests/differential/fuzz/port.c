/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: any bytes as records of uapi/paxos.h, in pieces of any size, to both
 * kinds of port; and reads with buffers of any size.
 */
#include <stdlib.h>
#include <string.h>

#include "px_port.h"

#include "count.h"

#define CLUSTER 0x1122334455667788ull

static void configure(struct px_config *config, u8 shape)
{
	memset(config, 0, sizeof(*config));
	config->cluster = CLUSTER;
	config->node = 1;
	config->members = shape & 1 ? 3 : 1;
	config->phase1 = config->phase2 = config->members / 2 + 1;
	config->voting = true;
	config->frame_bytes_max = 600;
	config->heartbeat_ticks = 1;
	config->election_ticks_min = 2;
	config->election_ticks_max = 4;
	config->resend_ticks = 1;
	config->window_slots = 2;
	config->vote_slots_max = 6;
	config->open_slots_max = 16;
	config->log_slots_max = 16;
	config->log_keep_slots = 2;
	config->page_bytes_max = 700;
	config->pending_bytes_max = 900;
	config->log_bytes_max = 900;
	config->snapshot_bytes_max = 900;
	for (u16 i = 0; i < config->members; i++)
		config->member[i] = i + 1;
}

static void read_all(struct px_port *port, u8 room)
{
	u64 size = 40 + 8 * (u64)room;

	for (int turn = 0; turn < 200; turn++) {
		u8 *out = malloc(size);
		s64 bytes = px_port_read(port, out, size);

		if (bytes > (s64)size)
			abort();
		free(out);
		if (bytes == 0)
			return;
		if (bytes > 0)
			px_port_commit(port);
		else if (size > 1 << 16)
			abort();
		else
			size *= 2;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	struct px_config config;
	struct px_port port = {0};
	u64 size;
	void *block;
	u8 shape, room;

	if (bytes < 2)
		return 0;
	shape = data[0];
	room = data[1];
	data += 2;
	bytes -= 2;
	configure(&config, shape);
	size = px_memory_bytes_min(&config) / 64 * 64 + 64 * (1 + (u64)(shape >> 4) * 64);
	block = aligned_alloc(64, size);
	memset(block, 0x5a, size);
	port.px = px_init(block, size, &config);
	port.kind = shape & 2 ? PX_PORT_LIBRARY : PX_PORT_DEVICE;
	port.durable = shape & 4;
	if (port.px && px_start(port.px) == PX_OK) {
		port.started = true;
		while (bytes) {
			u8 *exact = malloc(bytes);
			s64 taken;

			memcpy(exact, data, bytes);
			fuzz_frames++;
			taken = px_port_write(&port, exact, bytes);
			free(exact);
			if (taken > (s64)bytes)
				abort();
			px_port_settle(&port);
			read_all(&port, room);
			if (taken <= 0)
				break;
			data += taken;
			bytes -= (size_t)taken;
		}
	}
	free(block);
	return 0;
}

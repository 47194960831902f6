/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: any frames, ticks, takes and crashes of the disk into one core.
 *
 * The input is a list of operations, one byte each, with what they need behind
 * it. Half of the frames come with their envelope put right, or no input would
 * ever get behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "px.h"

#include "count.h"

#define CLUSTER 0x1122334455667788ull
#define FRAME_BYTES 600
#define ENVELOPE_BYTES 23

struct input {
	const u8 *data;
	size_t left;
};

static u8 next_byte(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->data++;
}

static void configure(struct px_config *config, u8 shape)
{
	memset(config, 0, sizeof(*config));
	config->cluster = CLUSTER;
	config->seed = shape;
	config->node = 1;
	config->members = shape & 1 ? 3 : 1;
	config->phase1 = config->phase2 = config->members / 2 + 1;
	config->voting = !(shape & 2);
	config->frame_bytes_max = FRAME_BYTES;
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

static void put_u64(u8 *data, u64 number)
{
	data[0] = 0xcf;
	for (int i = 0; i < 8; i++)
		data[1 + i] = (u8)(number >> (56 - 8 * i));
}

/* The right marks where they must be; the numbers and the body stay as they came. */
static void put_right(u8 *frame, size_t bytes)
{
	static const u8 fields[14] = {0, 2, 4, 2, 4, 4, 3, 2, 3, 3, 1, 4, 2, 5};
	static const u8 bodies[14] = {[4] = 1, [5] = 1, [11] = 1, [13] = 1};
	u8 kind = 1 + frame[4] % 13;
	size_t at = ENVELOPE_BYTES;

	frame[0] = 0x90 | (4 + fields[kind] + bodies[kind]);
	frame[1] = frame[3] = 0xcc;
	frame[2] = 1;
	frame[4] = kind;
	put_u64(frame + 5, CLUSTER);
	for (u8 i = 0; i < fields[kind] && at + 9 <= bytes; i++, at += 9)
		frame[at] = 0xcf;
	if (bodies[kind] && at + 5 <= bytes) {
		u32 body = (u32)(bytes - at - 5);

		frame[at] = 0xc6;
		for (int i = 0; i < 4; i++)
			frame[at + 1 + i] = (u8)(body >> (24 - 8 * i));
	}
}

static void receive(struct px *px, struct input *input, bool right)
{
	u64 sender = next_byte(input) % 5;
	size_t bytes = next_byte(input) | (next_byte(input) & 1) << 8;
	u8 *frame;

	if (bytes > input->left)
		bytes = input->left;
	frame = malloc(bytes ? bytes : 1);
	memcpy(frame, input->data, bytes);
	input->data += bytes;
	input->left -= bytes;
	if (right && bytes >= ENVELOPE_BYTES) {
		put_right(frame, bytes);
		put_u64(frame + 14, sender);
	}
	fuzz_frames++;
	px_receive(px, sender, frame, (u32)bytes);
	free(frame);
}

static u64 take(struct px *px)
{
	struct px_message message;
	struct px_decided decided;
	struct px_record record = {0};
	struct px_event event;
	u8 data[1 << 12];

	if (px_take(px) < 0)
		return 0;
	while (px_next_message(px, &message) == 1) {
		if (message.bytes > FRAME_BYTES)
			abort();
		px_encode(px, &message, data);
	}
	while (px_next_record(px, &record) == 1)
		if (!record.snapshot)
			px_encode_record(px, &record, data);
	while (px_next_decided(px, &decided) == 1 && decided.bytes)
		memcpy(data, decided.value, decided.bytes);
	while (px_next_event(px, &event) == 1 && event.bytes)
		memcpy(data, event.data, event.bytes);
	return record.write_id;
}

static void operate(struct px *px, struct input *input, u64 *written)
{
	struct px_status status;
	u64 taken;

	switch (next_byte(input) % 9) {
	case 0:
		receive(px, input, false);
		break;
	case 1: case 2: case 3:
		receive(px, input, true);
		break;
	case 4:
		for (u8 count = next_byte(input) % 16; count; count--)
			px_tick(px);
		break;
	case 5:
		taken = take(px);
		*written = taken ? taken : *written;
		break;
	case 6:
		px_persisted(px, *written);
		break;
	case 7:
		if (input->left >= 300)
			px_propose(px, input->data, next_byte(input));
		break;
	case 8:
		px_status(px, &status);
		px_compact(px, status.read_slot - next_byte(input) % 4, 1, next_byte(input) * 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	static u64 numbers[1 << 12];
	struct px_config config;
	struct input input = {data, bytes};
	u64 size, written = 0;
	void *block;
	struct px *px;

	configure(&config, next_byte(&input));
	size = px_memory_bytes_min(&config) / 64 * 64 + 64 * (1 + next_byte(&input) * 8);
	block = aligned_alloc(64, size);
	memset(block, 0x5a, size);
	px = px_init(block, size, &config);
	if (px && px_start(px) == PX_OK) {
		while (input.left)
			operate(px, &input, &written);
		take(px);
		px_dump(px, numbers, sizeof(numbers) / sizeof(numbers[0]));
	}
	free(block);
	return 0;
}

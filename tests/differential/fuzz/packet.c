/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: any packet. What is read from it must lie within it, and the same
 * frames written again must give the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "px.h"

#include "count.h"
#include "packet.h"

static void write_again(const struct px_packet *packet, const u8 *body, u32 frames, const u8 *data)
{
	u32 position = 0, bytes = PX_PACKET_HEADER_BYTES + packet->bytes;
	u8 *again = malloc(bytes);

	px_packet_write_header(again, packet);
	for (; frames; frames--) {
		u32 start = position;
		u32 size = px_packet_frame_bytes(body, &position);

		if (size == 0 || position + size > packet->bytes)
			abort();
		px_packet_write_length(again + PX_PACKET_HEADER_BYTES + start, size);
		memcpy(again + PX_PACKET_HEADER_BYTES + position, body + position, size);
		position += size;
	}
	if (position != packet->bytes || memcmp(again, data, bytes))
		abort();
	free(again);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	struct px_packet packet;
	u32 frames, largest = 0;
	u8 *header, *body;

	if (bytes < PX_PACKET_HEADER_BYTES)
		return 0;
	fuzz_frames++;
	/* Exact blocks: header and body are read apart, as the module reads them. */
	header = malloc(PX_PACKET_HEADER_BYTES);
	memcpy(header, data, PX_PACKET_HEADER_BYTES);
	if (px_packet_read_header(&packet, header, (u32)bytes)) {
		body = malloc(packet.bytes);
		memcpy(body, data + PX_PACKET_HEADER_BYTES, packet.bytes);
		frames = px_packet_count_frames(&packet, body, &largest);
		if (frames) {
			if (!largest || largest > packet.bytes)
				abort();
			write_again(&packet, body, frames, data);
			fuzz_frames += frames - 1;
		}
		free(body);
	}
	free(header);
	return 0;
}

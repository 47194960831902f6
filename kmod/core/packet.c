// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "packet.h"

#define MAGIC	0x50584401u	/* "PXD" and the version */

static u32 read_u16(const u8 *data)
{
	return (u32)data[0] << 8 | data[1];
}

static u32 read_u32(const u8 *data)
{
	return read_u16(data) << 16 | read_u16(data + 2);
}

static u64 read_u64(const u8 *data)
{
	return (u64)read_u32(data) << 32 | read_u32(data + 4);
}

static void write_u16(u8 *data, u32 number)
{
	data[0] = (u8)(number >> 8);
	data[1] = (u8)number;
}

static void write_u32(u8 *data, u32 number)
{
	write_u16(data, number >> 16);
	write_u16(data + 2, number);
}

static void write_u64(u8 *data, u64 number)
{
	write_u32(data, (u32)(number >> 32));
	write_u32(data + 4, (u32)number);
}

bool px_packet_read_header(struct px_packet *packet, const u8 *data, u32 bytes)
{
	if (bytes < PX_PACKET_OVERHEAD_BYTES || read_u32(data) != MAGIC)
		return false;
	packet->bytes = read_u32(data + 4);
	packet->sender = read_u64(data + 8);
	packet->receiver = read_u64(data + 16);
	return packet->bytes > PX_PACKET_LENGTH_BYTES &&
	       packet->bytes <= bytes - PX_PACKET_HEADER_BYTES;
}

u32 px_packet_count_frames(const struct px_packet *packet, const u8 *body, u32 *largest)
{
	u32 frames = 0, position = 0, left = packet->bytes;

	*largest = 0;
	while (left > PX_PACKET_LENGTH_BYTES) {
		u32 size = px_packet_frame_bytes(body, &position);

		left -= PX_PACKET_LENGTH_BYTES;
		if (size == 0 || size > left)
			return 0;
		left -= size;
		position += size;
		frames++;
		if (size > *largest)
			*largest = size;
	}
	return left == 0 ? frames : 0;
}

u32 px_packet_frame_bytes(const u8 *body, u32 *position)
{
	u32 size = read_u16(body + *position);

	*position += PX_PACKET_LENGTH_BYTES;
	return size;
}

void px_packet_write_header(u8 *data, const struct px_packet *packet)
{
	write_u32(data, MAGIC);
	write_u32(data + 4, packet->bytes);
	write_u64(data + 8, packet->sender);
	write_u64(data + 16, packet->receiver);
}

void px_packet_write_length(u8 *data, u32 frame_bytes)
{
	write_u16(data, frame_bytes);
}

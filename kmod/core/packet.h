/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Frames in packets: the bytes that raw Ethernet carries, as transports/_packets.py
 * describes them. No I/O, no memory of its own.
 *
 *	offset  bytes  what
 *	0       4      "PXD" and the version, 1
 *	4       4      how many bytes follow the header
 *	8       8      the sender's id
 *	16      8      the receiver's id
 *	24      2      the length of the first frame, above zero
 *	26             the first frame, then the next length, and so on
 *
 * Integers are big-endian. What follows the end that the header tells is padding.
 */
#ifndef PX_PACKET_H
#define PX_PACKET_H

#include <px_deps.h>

#define PX_PACKET_HEADER_BYTES	24
#define PX_PACKET_LENGTH_BYTES	2
#define PX_PACKET_OVERHEAD_BYTES	(PX_PACKET_HEADER_BYTES + PX_PACKET_LENGTH_BYTES)

struct px_packet {
	u64 sender;
	u64 receiver;
	u32 bytes;		/* of all its frames and their lengths, behind the header */
};

/*
 * Read the header alone, of which PX_PACKET_HEADER_BYTES are there, in a packet of
 * `bytes`. False unless it is one of this version's that may hold a frame.
 */
bool px_packet_read_header(struct px_packet *packet, const u8 *data, u32 bytes);

/*
 * The lengths in `body`, which holds packet->bytes. Returns how many frames there
 * are, and the largest in `largest`; 0 unless they fill the body to its last byte.
 */
u32 px_packet_count_frames(const struct px_packet *packet, const u8 *body, u32 *largest);

/*
 * The length of the frame at `*position` of a body that px_packet_count_frames()
 * has passed; moves on to the frame's first byte.
 */
u32 px_packet_frame_bytes(const u8 *body, u32 *position);

/* Write the header; the frames and their lengths follow it. */
void px_packet_write_header(u8 *data, const struct px_packet *packet);

/* Write the length of a frame of 1 to 65,535 bytes. */
void px_packet_write_length(u8 *data, u32 frame_bytes);

#endif

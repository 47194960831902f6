// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The one wire format, read at fixed offsets:
 *
 *	0       array header, 0x90 | number of elements
 *	1..2    0xcc version
 *	3..4    0xcc kind
 *	5..13   0xcf cluster
 *	14..22  0xcf sender
 *	23..    0xcf field, nine bytes each
 *	then    0xc6, four bytes of length, the body
 *
 * What paxos_core/codec.py refuses is refused here, for the same cause.
 */
#include "codec.h"

struct layout {
	u8 numbers;
	u8 body;	/* 1 if a body follows the numbers */
};

/* Kinds that are not named have no numbers, and are none. */
static const struct layout layouts[PX_KINDS] = {
	[PX_PRE_VOTE] = { 2, 0 },
	[PX_PRE_VOTE_REPLY] = { 4, 0 },
	[PX_PREPARE] = { 2, 0 },
	[PX_PROMISE] = { 4, 1 },
	[PX_ACCEPT] = { 4, 1 },
	[PX_ACCEPTED] = { 3, 0 },
	[PX_NACK] = { 2, 0 },
	[PX_HEARTBEAT] = { 3, 0 },
	[PX_HEARTBEAT_ACK] = { 3, 0 },
	[PX_LEARN] = { 1, 0 },
	[PX_CHOSEN] = { 4, 1 },
	[PX_SNAPSHOT_REQUEST] = { 2, 0 },
	[PX_SNAPSHOT_CHUNK] = { 5, 1 },
	[32] = { 1, 0 },	/* OpenSession */
	[33] = { 2, 0 },	/* SessionOpened */
	[34] = { 4, 1 },	/* Request */
	[35] = { 3, 1 },	/* Reply */
	[36] = { 5, 0 },	/* Refused */
	[37] = { 1, 0 },	/* StatusRequest */
	[38] = { 1, 1 },	/* StatusReply */
};

static u8 array_of(const struct layout *layout)
{
	return (u8)(PX_FIXARRAY | (4 + layout->numbers + layout->body));
}

static int read_envelope(struct px_frame *frame, u64 cluster, const u8 *data, u32 bytes)
{
	if (bytes < PX_HEADER_BYTES)
		return PX_DROP_MALFORMED;
	if (data[1] != PX_UINT8 || data[3] != PX_UINT8 || data[5] != PX_UINT64 ||
	    data[14] != PX_UINT64)
		return PX_DROP_MALFORMED;
	if (data[2] != PX_WIRE_VERSION)
		return PX_DROP_VERSION;
	if (px_read_be64(data + 6) != cluster)
		return PX_DROP_CLUSTER;
	frame->kind = data[4];
	if (frame->kind >= PX_KINDS || !layouts[frame->kind].numbers ||
	    data[0] != array_of(&layouts[frame->kind]))
		return PX_DROP_MALFORMED;
	frame->sender = px_read_be64(data + 15);
	return PX_OK;
}

/* Whether the body of a Promise is votes, end to end. */
static bool votes_are_whole(const struct px_frame *frame)
{
	const u8 *at = frame->body, *end = at + frame->body_bytes;
	struct px_wire_vote vote;

	while (at < end)
		if (!px_wire_vote_next(&vote, &at, end))
			return false;
	return true;
}

static int read_body(struct px_frame *frame, const u8 *at, u32 left)
{
	if (left < PX_BODY_HEADER_BYTES || at[0] != PX_BIN32)
		return PX_DROP_MALFORMED;
	frame->body = at + PX_BODY_HEADER_BYTES;
	frame->body_bytes = px_read_be32(at + 1);
	if (frame->body_bytes != left - PX_BODY_HEADER_BYTES)
		return PX_DROP_MALFORMED;
	if (frame->kind == PX_PROMISE && !votes_are_whole(frame))
		return PX_DROP_MALFORMED;
	return PX_OK;
}

/**
 * px_frame_read() - check a frame, and find what is in it
 * @frame: to be filled in; its body points into @data
 * @cluster: the cluster that it must be of
 * @data: any bytes whatever
 * @bytes: how many
 *
 * Return: PX_OK, PX_DROP_MALFORMED, PX_DROP_VERSION or PX_DROP_CLUSTER.
 */
int px_frame_read(struct px_frame *frame, u64 cluster, const u8 *data, u32 bytes)
{
	int error = read_envelope(frame, cluster, data, bytes);
	const struct layout *layout;
	const u8 *at;
	u32 left;

	if (error)
		return error;
	layout = &layouts[frame->kind];
	at = data + PX_HEADER_BYTES;
	left = bytes - PX_HEADER_BYTES;
	if (left < layout->numbers * PX_FIELD_BYTES)
		return PX_DROP_MALFORMED;
	for (u32 i = 0; i < layout->numbers; i++, at += PX_FIELD_BYTES) {
		if (at[0] != PX_UINT64)
			return PX_DROP_MALFORMED;
		frame->number[i] = px_read_be64(at + 1);
	}
	left -= layout->numbers * PX_FIELD_BYTES;
	if (layout->body)
		return read_body(frame, at, left);
	frame->body = NULL;
	frame->body_bytes = 0;
	return left ? PX_DROP_MALFORMED : PX_OK;
}

/**
 * px_wire_vote_next() - the next vote in the body of a Promise
 * @vote: to be filled in
 * @at: where it begins; moved behind it
 * @end: where the body ends
 *
 * Return: false if no whole vote begins there.
 */
bool px_wire_vote_next(struct px_wire_vote *vote, const u8 **at, const u8 *end)
{
	const u8 *data = *at;
	size_t left = (size_t)(end - data);

	if (left < PX_VOTE_OVERHEAD_BYTES)
		return false;
	if (data[0] != (PX_FIXARRAY | 4) || data[1] != PX_UINT64 || data[10] != PX_UINT64 ||
	    data[19] != PX_UINT64 || data[28] != PX_BIN32)
		return false;
	vote->slot = px_read_be64(data + 2);
	vote->ballot = px_read_be64(data + 11);
	vote->checksum = px_read_be64(data + 20);
	vote->bytes = px_read_be32(data + 29);
	vote->value = data + PX_VOTE_OVERHEAD_BYTES;
	if (vote->bytes > left - PX_VOTE_OVERHEAD_BYTES)
		return false;
	*at = vote->value + vote->bytes;
	return true;
}

/**
 * px_frame_bytes() - the length of a frame
 * @kind: of its message
 * @body_bytes: of its body, 0 without one
 */
u32 px_frame_bytes(u8 kind, u32 body_bytes)
{
	const struct layout *layout = &layouts[kind];

	return PX_HEADER_BYTES + layout->numbers * PX_FIELD_BYTES +
	       layout->body * PX_BODY_HEADER_BYTES + body_bytes;
}

/**
 * px_frame_write_head() - all of a frame but its body
 * @at: where to
 * @kind: of its message
 * @cluster: for the envelope
 * @sender: for the envelope
 * @number: as many numbers as the message has
 *
 * Return: what follows the last number.
 */
u8 *px_frame_write_head(u8 *at, u8 kind, u64 cluster, u64 sender, const u64 *number)
{
	const struct layout *layout = &layouts[kind];

	at[0] = array_of(layout);
	at[1] = PX_UINT8;
	at[2] = PX_WIRE_VERSION;
	at[3] = PX_UINT8;
	at[4] = kind;
	at = px_field_write(at + 5, cluster);
	at = px_field_write(at, sender);
	for (u32 i = 0; i < layout->numbers; i++)
		at = px_field_write(at, number[i]);
	return at;
}

/**
 * px_body_header_write() - what stands before the bytes of a body or command
 * @at: where to
 * @bytes: how many will follow
 *
 * Return: where they are to follow.
 */
u8 *px_body_header_write(u8 *at, u32 bytes)
{
	at[0] = PX_BIN32;
	px_write_be32(at + 1, bytes);
	return at + PX_BODY_HEADER_BYTES;
}

/**
 * px_vote_header_write() - what stands before the value of a vote in a Promise
 * @at: where to
 * @vote: the vote; its value is not written
 *
 * Return: where the value is to follow.
 */
u8 *px_vote_header_write(u8 *at, const struct px_wire_vote *vote)
{
	*at = PX_FIXARRAY | 4;
	at = px_field_write(at + 1, vote->slot);
	at = px_field_write(at, vote->ballot);
	at = px_field_write(at, vote->checksum);
	return px_body_header_write(at, vote->bytes);
}

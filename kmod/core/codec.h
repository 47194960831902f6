/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Messages as bytes, as paxos_core/codec.py has them, and integers as MessagePack has them. */
#ifndef PX_CODEC_H
#define PX_CODEC_H

#include "px.h"

#define PX_U64_MAX	(~(u64)0)
#define PX_NO_MORE	PX_U64_MAX	/* in Promise.next_slot: this was the last page */

#define PX_WIRE_VERSION		1
#define PX_HEADER_BYTES		23u
#define PX_FIELD_BYTES		9u
#define PX_BODY_HEADER_BYTES	5u
#define PX_VOTE_OVERHEAD_BYTES	33u
#define PX_NUMBERS_MAX		5

/* MessagePack's markers */
#define PX_UINT8	0xcc
#define PX_UINT64	0xcf
#define PX_BIN32	0xc6
#define PX_ARRAY32	0xdd
#define PX_FIXARRAY	0x90

enum px_kind {
	PX_PRE_VOTE = 1,
	PX_PRE_VOTE_REPLY = 2,
	PX_PREPARE = 3,
	PX_PROMISE = 4,
	PX_ACCEPT = 5,
	PX_ACCEPTED = 6,
	PX_NACK = 7,
	PX_HEARTBEAT = 8,
	PX_HEARTBEAT_ACK = 9,
	PX_LEARN = 10,
	PX_CHOSEN = 11,
	PX_SNAPSHOT_REQUEST = 12,
	PX_SNAPSHOT_CHUNK = 13,
	PX_CLIENT_KINDS = 32,	/* from here up to PX_KINDS: with clients */
	PX_KINDS = 39,
};

/* A frame that has been read; `body` points into it. */
struct px_frame {
	u64 sender;
	u64 number[PX_NUMBERS_MAX];
	const u8 *body;
	u32 body_bytes;
	u8 kind;
};

/* One vote in the body of a Promise; `value` points into it. */
struct px_wire_vote {
	u64 slot;
	u64 ballot;
	u64 checksum;
	const u8 *value;
	u32 bytes;
};

int px_frame_read(struct px_frame *frame, u64 cluster, const u8 *data, u32 bytes);
bool px_wire_vote_next(struct px_wire_vote *vote, const u8 **at, const u8 *end);
u32 px_frame_bytes(u8 kind, u32 body_bytes);
u8 *px_frame_write_head(u8 *at, u8 kind, u64 cluster, u64 sender, const u64 *number);
u8 *px_body_header_write(u8 *at, u32 bytes);
u8 *px_vote_header_write(u8 *at, const struct px_wire_vote *vote);

static inline u32 px_read_be32(const u8 *at)
{
	return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | (u32)at[3];
}

static inline u64 px_read_be64(const u8 *at)
{
	return (u64)px_read_be32(at) << 32 | px_read_be32(at + 4);
}

static inline void px_write_be32(u8 *at, u32 number)
{
	at[0] = (u8)(number >> 24);
	at[1] = (u8)(number >> 16);
	at[2] = (u8)(number >> 8);
	at[3] = (u8)number;
}

static inline void px_write_be64(u8 *at, u64 number)
{
	px_write_be32(at, (u32)(number >> 32));
	px_write_be32(at + 4, (u32)number);
}

/* A uint 64 field; returns what follows it. */
static inline u8 *px_field_write(u8 *at, u64 number)
{
	at[0] = PX_UINT64;
	px_write_be64(at + 1, number);
	return at + PX_FIELD_BYTES;
}

#endif

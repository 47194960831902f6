/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A node in plain C, for measurements: what its files share. */
#ifndef NODE_H
#define NODE_H

#include "core.h"		/* of kmod/core: the chunk of an empty snapshot is written with its codec */
#include <paxos.h>
#include <stdio.h>

#define COMMAND_BYTES_LEAST	24u
#define READ_BYTES		(1u << 20)

struct options {
	const char *interface;
	const char *device;
	struct paxos_config config;	/* of /dev/paxos; the core's is made from it */
	u32 outstanding;		/* commands that this node keeps open while it leads; 0: none */
	u32 command_bytes;
	u32 warm_up;			/* commands before figures are taken */
	u64 commands;			/* then stop; 0: when time is over */
	double measured;		/* seconds of figures, then stop; 0: when time is over */
	double seconds;			/* at most */
	const char *latencies;		/* a file for all of them, or NULL */
	bool hold;			/* between warm-up and figures, wait for a line of stdin */
};

extern const char options_usage[];

int options_read(struct options *options, int count, char **words);

/* The client: keeps commands outstanding while this node leads, and times them. */
struct load {
	const struct options *options;
	u64 nonce;		/* tells our commands from those of others */
	u64 sent;
	u64 decided;		/* ours, all of them */
	u64 slots;
	u64 slots_before;	/* of these, before the hold */
	u64 first_ns;		/* when figures began */
	u64 last_ns;
	u32 outstanding;
	bool leads;
	bool may_sleep;		/* the replica is not in this process */
	bool held;		/* the pause has been said */
	bool released;		/* and is over */
	u32 *latency_ns;
	u64 timed;
	u8 *command;
};

bool load_begin(struct load *load, const struct options *options);
void load_leader(struct load *load, u64 leader);
bool load_wants(struct load *load);
const u8 *load_command(struct load *load);
void load_sent(struct load *load);
void load_decided(struct load *load, const u8 *value, u32 bytes);
bool load_is_done(const struct load *load);
void load_report(struct load *load, const char *mode, FILE *out);

u64 now_ns(void);

/* The one chunk of an empty snapshot, which is all that a bench's application is. */
#define EMPTY_CHUNK_BYTES	(PX_HEADER_BYTES + 5 * PX_FIELD_BYTES + PX_BODY_HEADER_BYTES)
void empty_chunk_write(u8 *frame, const struct options *options, u64 slot);

int core_node(const struct options *options, struct load *load);
int device_node(const struct options *options, struct load *load);

#endif

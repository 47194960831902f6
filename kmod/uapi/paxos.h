/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * /dev/paxos: what user space and the module say to one another.
 *
 * Opening the device gives an endpoint, PAXOS_IOC_CONFIGURE makes it one, and
 * closing it ends it. read() and write() carry whole records, as many as fit:
 * one struct paxos_record, its payload, and zeros up to the next multiple of
 * PAXOS_RECORD_ALIGN. Their integers are little-endian; those of the ioctls are
 * the machine's own. All have a fixed width, and there is no pointer anywhere.
 *
 * The same records drive the library of kmod/core in user space, where a buffer
 * stands in for the device.
 */
#ifndef _UAPI_PAXOS_H
#define _UAPI_PAXOS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PAXOS_ABI_VERSION	1
#define PAXOS_MEMBERS_MAX	64
#define PAXOS_INTERFACE_BYTES	16
#define PAXOS_MAC_BYTES		6

/* What an endpoint is. */
enum paxos_mode {
	PAXOS_MODE_RELAY	= 1,	/* carries frames, knows nothing of Paxos */
	PAXOS_MODE_REPLICA	= 2,	/* a member of the cluster, decided here */
	PAXOS_MODE_ECHO		= 3,	/* every packet goes back to its sender */
};

/* paxos_config.flags */
#define PAXOS_FLAG_DURABLE	(1u << 0)	/* records go out and are acknowledged */
#define PAXOS_FLAG_VOTING	(1u << 1)	/* without it: learns, and does not vote */

struct paxos_member {
	__u16 node;			/* 1..65535, ascending */
	__u8 mac[PAXOS_MAC_BYTES];
};

/*
 * PAXOS_IOC_CONFIGURE, once per open file. A count or size of 0 asks for the
 * default; what was taken is written back.
 */
struct paxos_config {
	__u32 version;			/* PAXOS_ABI_VERSION */
	__u32 mode;			/* enum paxos_mode */
	__u32 flags;
	__u32 ethertype;		/* 0x0600..0xffff; 0: 0x88b5 */
	char interface[PAXOS_INTERFACE_BYTES];	/* in the opener's network namespace */
	__u64 endpoint;			/* a member's node id, or a client's: 65536 and up */
	__u64 cluster;			/* what every frame's envelope must name */
	__u64 seed;			/* of the election's jitter */
	__u32 frame_bytes_max;		/* 0: what the interface's MTU allows */
	__u32 tick_us;			/* 0: 20000 */
	__u32 heartbeat_ticks;
	__u32 election_ticks_min;
	__u32 election_ticks_max;
	__u32 resend_ticks;
	__u32 window_slots;
	__u32 vote_slots_max;
	__u32 log_keep_slots;
	__u32 page_bytes_max;
	__u64 pending_bytes_max;
	__u64 log_bytes_max;
	__u64 snapshot_bytes_max;
	__u64 memory_bytes;		/* for the whole replica: log, votes, queues */
	__u32 queue_bytes_max;		/* frames that wait to be read; more are dropped and counted */
	__u32 clients_max;		/* clients whose way back is remembered */
	__u32 phase1;			/* acceptors of a phase 1 quorum */
	__u32 phase2;
	__u32 members;			/* how many of member[] count */
	__u32 reserved;			/* 0 */
	struct paxos_member member[PAXOS_MEMBERS_MAX];
};

/* Why frames or packets were dropped: indices of paxos_stats.dropped. */
enum paxos_drop {
	PAXOS_DROP_MALFORMED,		/* a packet or frame that is none of this version's */
	PAXOS_DROP_VERSION,		/* a frame of another wire version */
	PAXOS_DROP_CLUSTER,		/* a frame of another cluster */
	PAXOS_DROP_MISDIRECTED,		/* for another endpoint */
	PAXOS_DROP_UNKNOWN_SENDER,	/* neither a member nor a client */
	PAXOS_DROP_MISATTRIBUTED,	/* a member's id, but not from its MAC, or not in its envelope */
	PAXOS_DROP_OVERSIZED,
	PAXOS_DROP_UNKNOWN_PEER,	/* to send: nobody known has this id */
	PAXOS_DROP_INTERFACE_DOWN,
	PAXOS_DROP_NO_MEMORY,		/* the allocator, or the replica's own memory, had no room */
	PAXOS_DROP_QUEUE_FULL,		/* nobody reads fast enough */
	PAXOS_DROP_SEND_FAILED,		/* the interface did not take it */
	PAXOS_DROP_CAUSES
};

#define PAXOS_LATENCY_BUCKETS	64

/* PAXOS_IOC_STATS. Counted since PAXOS_IOC_CONFIGURE. */
struct paxos_stats {
	__u64 frames_received;
	__u64 frames_sent;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 packets_received;
	__u64 packets_sent;
	__u64 decisions;		/* slots decided here, in order */
	__u64 proposed;			/* slots proposed here */
	__u64 dropped[PAXOS_DROP_CAUSES];
	/*
	 * Of slots proposed here: nanoseconds from the proposal to the decision.
	 * Bucket i counts those of 2^i .. 2^(i+1) - 1.
	 */
	__u64 latency_ns[PAXOS_LATENCY_BUCKETS];
	__u64 latency_ns_sum;
};

enum paxos_role {
	PAXOS_ROLE_FOLLOWER	= 0,
	PAXOS_ROLE_CANDIDATE	= 1,
	PAXOS_ROLE_LEADER	= 2,
};

/* PAXOS_IOC_STATUS, of a replica. */
struct paxos_status {
	__u64 leader;			/* 0: nobody known */
	__u64 ballot;			/* of that leader */
	__u64 promised;
	__u64 watermark;		/* every slot below is chosen and delivered */
	__u64 read_slot;		/* the next that read() hands out */
	__u64 first_slot;		/* the log in memory begins here */
	__u64 log_bytes;
	__u64 pending_bytes;
	__u64 memory_bytes_free;
	__u64 write_id;			/* the last batch of records handed out */
	__u64 persisted;		/* the last one acknowledged */
	__u32 in_flight_slots;
	__u32 role;			/* enum paxos_role */
	__u32 voting;
	__u32 lags;
	__u32 snapshot_due;
	__u32 poisoned;			/* 0, or the number of the invariant that broke */
};

#define PAXOS_IOC_MAGIC		0xb5
#define PAXOS_IOC_CONFIGURE	_IOWR(PAXOS_IOC_MAGIC, 1, struct paxos_config)
#define PAXOS_IOC_START		_IO(PAXOS_IOC_MAGIC, 2)	/* a replica, after its RESTOREs */
#define PAXOS_IOC_STATS		_IOR(PAXOS_IOC_MAGIC, 3, struct paxos_stats)
#define PAXOS_IOC_STATUS	_IOR(PAXOS_IOC_MAGIC, 4, struct paxos_status)

/* Records. */

#define PAXOS_RECORD_ALIGN	8

struct paxos_record {
	__le32 length;			/* of header and payload, without the zeros behind */
	__le16 type;			/* enum paxos_record_type */
	__le16 flags;
	__le64 a, b, c, d;		/* by type; 0 where nothing is said */
};

enum paxos_record_type {
	/*
	 * Frames. SEND goes to the network, FRAME has come from it. The device
	 * reads SEND from user space and hands FRAME out: in relay mode all
	 * frames, in replica mode those of clients. The library is the network's
	 * other side: it takes FRAME and hands SEND out.
	 */
	PAXOS_SEND		= 1,	/* a: receiver; payload: the frame */
	PAXOS_FRAME		= 2,	/* a: sender; payload: the frame */

	/* To a replica. */
	PAXOS_RESTORE		= 16,	/* before START: payload: a durable record, oldest first */
	PAXOS_RESTORE_SNAPSHOT	= 17,	/* the same for a Snapshot; a: slot, b: checksum, c: bytes */
	PAXOS_PROPOSE		= 18,	/* payload: a command; lost unless this is the leader */
	PAXOS_PERSISTED		= 19,	/* a: write id; cumulative */
	PAXOS_COMPACT		= 20,	/* a: slot, b: checksum, c: bytes of the application's state */
	PAXOS_TICK		= 21,	/* the library only; a: how many */

	/* From a replica. */
	PAXOS_DECIDED		= 32,	/* a: slot, b: checksum; payload: the value */
	PAXOS_RECORD		= 33,	/* a: write id; payload: a durable record; flags below */
	PAXOS_RECORD_SNAPSHOT	= 34,	/* a: write id, b: slot, c: checksum, d: bytes: of the last
					 * COMPACT or INSTALL, whose bytes user space has */
	PAXOS_SNAPSHOT_BYTES	= 35,	/* a: slot, b: offset; payload: bytes of a peer's snapshot.
					 * Offset 0 begins anew */
	PAXOS_INSTALL		= 36,	/* a: slot, b: checksum, c: bytes: the snapshot is whole and
					 * is the application's state now */
	PAXOS_SERVE		= 37,	/* a: peer, b: slot, c: offset: send it a page of the last
					 * snapshot, from 0 if that is not of this slot */
	PAXOS_LEADER		= 38,	/* a: leader, 0 for nobody; b: ballot */
	PAXOS_CAUGHT_UP		= 39,	/* a: watermark */
	PAXOS_TOO_LARGE		= 40,	/* a: bytes of a COMPACT over snapshot_bytes_max */
};

/* paxos_record.flags of RECORD and RECORD_SNAPSHOT */
#define PAXOS_RECORD_CHECKPOINT	(1u << 0)	/* this write restates all: earlier ones may go */
#define PAXOS_RECORD_LAST	(1u << 1)	/* of its write: sync, then PERSISTED */

#endif

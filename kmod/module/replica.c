// SPDX-License-Identifier: GPL-2.0
/*
 * A replica in the kernel: packets, ticks and records go into the core, and whatever
 * follows goes out in the same turn. The core decides; nothing here knows of Paxos.
 */
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/vmalloc.h>

#include "config.h"
#include "px_compat.h"
#include "queue.h"
#include "replica.h"

#define OPEN_SLOTS_MIN		(1u << 16)
#define LOG_SLOTS_MAX		(1u << 22)
#define ENTRY_BYTES_MIN		128	/* of the log: what its smallest entry counts for */
#define UNREAD_SLOTS_MAX	256	/* decided values that a follower's reader is left to sleep on */

static u32 power_of_two(u64 least, u32 most)
{
	return roundup_pow_of_two(min_t(u64, max_t(u64, least, 1), most));
}

static void describe(struct px_config *to, const struct paxos_config *from)
{
	u64 log_slots = max(4ull * from->log_keep_slots, from->log_bytes_max / ENTRY_BYTES_MIN * 2);
	u32 i;

	*to = (struct px_config){
		.cluster = from->cluster,
		.seed = from->seed,
		.node = from->endpoint,
		.members = from->members,
		.phase1 = min_t(u32, from->phase1, U16_MAX),
		.phase2 = min_t(u32, from->phase2, U16_MAX),
		.voting = from->flags & PAXOS_FLAG_VOTING,
		.frame_bytes_max = from->frame_bytes_max,
		.heartbeat_ticks = from->heartbeat_ticks,
		.election_ticks_min = from->election_ticks_min,
		.election_ticks_max = from->election_ticks_max,
		.resend_ticks = from->resend_ticks,
		.window_slots = from->window_slots,
		.vote_slots_max = from->vote_slots_max,
		.open_slots_max = power_of_two(max_t(u64, 2ull * from->vote_slots_max,
						     OPEN_SLOTS_MIN), 1u << 26),
		.log_slots_max = power_of_two(log_slots, LOG_SLOTS_MAX),
		.log_keep_slots = from->log_keep_slots,
		.page_bytes_max = from->page_bytes_max,
		.pending_bytes_max = from->pending_bytes_max,
		.log_bytes_max = from->log_bytes_max,
		.snapshot_bytes_max = from->snapshot_bytes_max,
	};
	for (i = 0; i < from->members; i++)
		to->member[i] = from->member[i].node;
}

/* Twice what the limits allow, for values take more room than they count. */
static u64 usual_memory(const struct paxos_config *config, u64 least)
{
	u64 log = min_t(u64, config->log_bytes_max, 1 << 30);
	u64 pending = min_t(u64, config->pending_bytes_max, 1 << 30);
	u64 votes = (u64)config->window_slots * config->frame_bytes_max;
	u64 wanted = least + 2 * (log + pending + min_t(u64, votes, 1 << 30));

	return max(least, min(wanted, paxos_config_memory_max()));
}

/**
 * paxos_replica_init() - make the core
 * @ep: the endpoint, with its configuration
 *
 * Return: 0; -EINVAL for a configuration that no core takes, or with too little memory;
 * -E2BIG if it cannot do with what the module allows; -ENOMEM.
 */
int paxos_replica_init(struct paxos_endpoint *ep)
{
	struct paxos_config *config = &ep->config;
	struct paxos_replica *replica;
	struct px_config core;
	u64 least;

	describe(&core, config);
	least = px_memory_bytes_min(&core);
	if (!least)
		return -EINVAL;
	if (!config->memory_bytes)
		config->memory_bytes = usual_memory(config, least);
	if (config->memory_bytes < least)
		return -EINVAL;
	if (config->memory_bytes > paxos_config_memory_max())
		return -E2BIG;

	replica = kzalloc(sizeof(*replica), GFP_KERNEL_ACCOUNT);
	if (!replica)
		return -ENOMEM;
	ep->replica = replica;
	replica->ep = ep;
	/* Too much is an error of whoever asks, and no reason to kill others for it. */
	replica->memory = __vmalloc(config->memory_bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO |
				    __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
	if (!replica->memory || paxos_progress_init(&replica->progress, config->window_slots))
		return -ENOMEM;
	replica->port.px = px_init(replica->memory, config->memory_bytes, &core);
	if (!replica->port.px)
		return -EINVAL;
	replica->port.kind = PX_PORT_DEVICE;
	replica->port.durable = config->flags & PAXOS_FLAG_DURABLE;
	return 0;
}

/**
 * paxos_replica_free() - give back all memory
 * @ep: the endpoint, with a replica that is not running, or with none
 */
void paxos_replica_free(struct paxos_endpoint *ep)
{
	struct paxos_replica *replica = ep->replica;

	if (!replica)
		return;
	paxos_progress_free(&replica->progress);
	vfree(replica->memory);
	kfree(replica);
	ep->replica = NULL;
}

/**
 * paxos_replica_start() - all durable records are restored
 * @ep: the endpoint
 *
 * Return: 0; -ENOMEM if they did not fit; -EBADMSG if they leave open what was promised.
 */
int paxos_replica_start(struct paxos_endpoint *ep)
{
	struct paxos_replica *replica = ep->replica;
	struct px_status status;
	int err;

	spin_lock_bh(&ep->lock);
	err = px_start(replica->port.px);
	if (!err) {
		replica->port.started = true;
		px_status(replica->port.px, &status);
		paxos_progress_begin(&replica->progress, &status);
		if (px_port_settle(&replica->port) < 0)
			err = PX_POISONED;
	}
	spin_unlock_bh(&ep->lock);
	if (err == PX_DROP_NO_MEMORY)
		return -ENOMEM;
	return err ? -EBADMSG : 0;
}

/* One turn */

/* A client asks for the log as well, and the core answers it. Its entry stays while we lock. */
static const u8 *way_to(struct paxos_endpoint *ep, u64 to)
{
	const struct paxos_member *member = paxos_member_find(&ep->config, to);

	return member ? member->mac : paxos_clients_find(&ep->clients, to);
}

static void gather(struct paxos_endpoint *ep, struct paxos_outbox *outbox)
{
	struct px *px = ep->replica->port.px;
	const u8 *same = NULL;
	struct px_message message;

	while (px_next_message(px, &message) == 1) {
		const u8 *mac = way_to(ep, message.to);
		u8 *place;

		if (!message.same)
			same = NULL;
		if (!mac) {
			outbox->dropped[PAXOS_DROP_UNKNOWN_PEER]++;
			continue;
		}
		place = paxos_outbox_add(ep, outbox, message.to, mac, message.bytes, GFP_ATOMIC);
		if (!place)
			continue;
		/* The same frame to another: its first copy has not moved, as nothing joined it. */
		if (message.same && same)
			memcpy(place, same, message.bytes);
		else
			px_encode(px, &message, place);
		same = place;
	}
}

static void break_down(struct paxos_endpoint *ep)
{
	struct px_status status;

	px_status(ep->replica->port.px, &status);
	WRITE_ONCE(ep->replica->broken, true);
	/* Whoever waits with a command is to come and be told. */
	WRITE_ONCE(ep->replica->busy, false);
	pr_err("paxos: assertion %u of replica %llu failed: it takes no part any more\n",
	       status.poisoned, ep->config.endpoint);
	wake_up_interruptible_poll(&ep->read_wait, EPOLLIN | EPOLLERR | EPOLLHUP);
	wake_up_interruptible_poll(&ep->write_wait, EPOLLERR | EPOLLHUP);
}

/* A command that had to wait may fit once something has been decided, or has been freed. */
static void look_at_writers(struct paxos_endpoint *ep, const struct px_status *now, bool late)
{
	struct paxos_replica *replica = ep->replica;
	const struct px_status *then = &replica->busy_status;

	if (!replica->busy)
		return;
	if (!late && now->role == then->role && now->pending_bytes >= then->pending_bytes &&
	    now->memory_bytes_free <= then->memory_bytes_free)
		return;
	WRITE_ONCE(replica->busy, false);
	if (wq_has_sleeper(&ep->write_wait))
		wake_up_interruptible_poll(&ep->write_wait, EPOLLOUT | EPOLLWRNORM);
}

/*
 * A follower's reader may sleep on decided values for a tick, for nobody waits for it:
 * one wakeup for many decisions. All else is told at once.
 */
static void look_at_readers(struct paxos_endpoint *ep, const struct px_status *now, bool late)
{
	struct px_port *port = &ep->replica->port;

	if (!wq_has_sleeper(&ep->read_wait))
		return;
	if (skb_queue_empty(&ep->arrived)) {
		if (!px_port_readable(port))
			return;
		if (!late && now->role == PAXOS_ROLE_FOLLOWER && !px_port_urgent(port) &&
		    now->watermark - now->read_slot < UNREAD_SLOTS_MAX)
			return;
	}
	wake_up_interruptible_poll(&ep->read_wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * paxos_replica_advance() - let everything follow from the inputs so far
 * @ep: the endpoint, whose lock the caller holds
 * @outbox: what is to be sent afterwards
 * @late: at a tick, when whoever has slept long enough is woken
 */
void paxos_replica_advance(struct paxos_endpoint *ep, struct paxos_outbox *outbox, bool late)
{
	struct paxos_replica *replica = ep->replica;
	struct px_status status;

	lockdep_assert_held(&ep->lock);
	if (replica->broken || !replica->port.started)
		return;
	if (px_port_settle(&replica->port) < 0) {
		break_down(ep);
		return;
	}
	gather(ep, outbox);
	px_status(replica->port.px, &status);
	paxos_progress_note(&replica->progress, &status, &ep->stats);
	look_at_writers(ep, &status, late);
	look_at_readers(ep, &status, late);
}

/* Time */

static ktime_t tick_length(const struct paxos_endpoint *ep)
{
	return ns_to_ktime((u64)ep->config.tick_us * NSEC_PER_USEC);
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct paxos_replica *replica = container_of(timer, struct paxos_replica, timer);
	struct paxos_endpoint *ep = replica->ep;
	struct paxos_outbox outbox;

	paxos_outbox_init(&outbox, NULL);
	spin_lock_bh(&ep->lock);
	px_tick(replica->port.px);
	paxos_replica_advance(ep, &outbox, true);
	spin_unlock_bh(&ep->lock);
	paxos_outbox_transmit(ep, &outbox);
	/* Ticks that were missed are: a clock that was late is no reason for an election. */
	hrtimer_forward_now(timer, tick_length(ep));
	return HRTIMER_RESTART;
}

/**
 * paxos_replica_run() - begin to tick
 * @ep: the endpoint, which is listening
 */
void paxos_replica_run(struct paxos_endpoint *ep)
{
	struct hrtimer *timer = &ep->replica->timer;

	hrtimer_setup(timer, tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	hrtimer_start(timer, tick_length(ep), HRTIMER_MODE_REL_SOFT);
}

/**
 * paxos_replica_stop() - end ticking; afterwards no tick is under way
 * @ep: the endpoint, which is listening
 */
void paxos_replica_stop(struct paxos_endpoint *ep)
{
	hrtimer_cancel(&ep->replica->timer);
}

/* Packets */

static void count_refusal(struct paxos_endpoint *ep, int error)
{
	static const u8 causes[] = {
		[-PX_DROP_MALFORMED] = 1 + PAXOS_DROP_MALFORMED,
		[-PX_DROP_VERSION] = 1 + PAXOS_DROP_VERSION,
		[-PX_DROP_CLUSTER] = 1 + PAXOS_DROP_CLUSTER,
		[-PX_DROP_MISATTRIBUTED] = 1 + PAXOS_DROP_MISATTRIBUTED,
		[-PX_DROP_NO_MEMORY] = 1 + PAXOS_DROP_NO_MEMORY,
	};
	u32 index = -error;

	if (index < ARRAY_SIZE(causes) && causes[index])
		paxos_drop_locked(ep, causes[index] - 1, 1);
}

/* Frames from..to of a packet's data go to the reader, in a packet of their own. */
static void hand_out(struct paxos_endpoint *ep, const struct sk_buff *skb, u64 sender, u32 frames,
		     u32 from, u32 to)
{
	struct sk_buff *part = skb_clone((struct sk_buff *)skb, GFP_ATOMIC);

	if (part)
		paxos_queue_add(ep, part, sender, frames, PX_PACKET_HEADER_BYTES + from,
				PX_PACKET_HEADER_BYTES + to);
	else
		paxos_drop_locked(ep, PAXOS_DROP_NO_MEMORY, frames);
}

/* Give each frame to the core, and those that are not for it to the reader. */
static void take_frames(struct paxos_endpoint *ep, const struct sk_buff *skb,
			const struct paxos_received *received)
{
	u64 sender = received->packet.sender;
	u32 position = 0, first = 0, run = 0;

	while (position < received->packet.bytes) {
		u32 start = position;
		u32 size = px_packet_frame_bytes(received->body, &position);
		int err = px_receive(ep->replica->port.px, sender, received->body + position, size);

		position += size;
		if (err == PX_DROP_NOT_FOR_CORE) {
			first = run++ ? first : start;
			continue;
		}
		if (err)
			count_refusal(ep, err);
		if (run)
			hand_out(ep, skb, sender, run, first, start);
		run = 0;
	}
	if (run)
		hand_out(ep, skb, sender, run, first, position);
}

/**
 * paxos_replica_receive() - a packet for the replica
 * @ep: the endpoint
 * @skb: the packet; not the caller's any more
 * @received: what it holds
 */
void paxos_replica_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			   const struct paxos_received *received)
{
	struct paxos_outbox outbox;

	paxos_outbox_init(&outbox, NULL);
	spin_lock(&ep->lock);
	paxos_received_count(ep, skb, received);
	take_frames(ep, skb, received);
	paxos_replica_advance(ep, &outbox, false);
	spin_unlock(&ep->lock);
	consume_skb(skb);
	paxos_outbox_transmit(ep, &outbox);
}

/**
 * paxos_replica_status() - how the replica is
 * @ep: the endpoint
 * @status: to be filled in
 */
void paxos_replica_status(struct paxos_endpoint *ep, struct paxos_status *status)
{
	struct px_status core;

	spin_lock_bh(&ep->lock);
	px_status(ep->replica->port.px, &core);
	spin_unlock_bh(&ep->lock);
	*status = (struct paxos_status){
		.leader = core.leader,
		.ballot = core.ballot,
		.promised = core.promised,
		.watermark = core.watermark,
		.read_slot = core.read_slot,
		.first_slot = core.first_slot,
		.log_bytes = core.log_bytes,
		.pending_bytes = core.pending_bytes,
		.memory_bytes_free = core.memory_bytes_free,
		.write_id = core.write_id,
		.persisted = core.persisted,
		.in_flight_slots = core.in_flight_slots,
		.role = core.role,
		.voting = core.voting,
		.lags = core.lags,
		.snapshot_due = core.snapshot_due,
		.poisoned = core.poisoned,
	};
}

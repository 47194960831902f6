// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What a replica is told once, and how it shares out its block. */
#include "core.h"

static bool is_power_of_two(u64 number)
{
	return number && !(number & (number - 1));
}

static u64 power_of_two_from(u64 number)
{
	u64 power = 1;

	while (power < number)
		power *= 2;
	return power;
}

static bool members_are_good(const struct px_config *config)
{
	bool found = false;

	if (config->members < 1 || config->members > PX_MEMBERS_MAX)
		return false;
	for (u32 i = 0; i < config->members; i++) {
		if (config->member[i] <= (i ? config->member[i - 1] : 0))
			return false;
		found = found || config->member[i] == config->node;
	}
	return found;
}

static bool quorums_are_good(const struct px_config *config)
{
	return config->phase1 >= 1 && config->phase1 <= config->members &&
	       config->phase2 >= 1 && config->phase2 <= config->members &&
	       config->phase1 + config->phase2 > config->members;
}

static bool timing_is_good(const struct px_config *config)
{
	return config->heartbeat_ticks >= 1 &&
	       config->heartbeat_ticks < config->election_ticks_min &&
	       config->election_ticks_min <= config->election_ticks_max &&
	       config->election_ticks_max < 1u << 31 && config->resend_ticks >= 1;
}

static bool limits_are_good(const struct px_config *config)
{
	return config->window_slots >= 1 &&
	       config->vote_slots_max / 2 >= config->window_slots &&
	       config->vote_slots_max <= 1u << 24 && config->page_bytes_max >= 1 &&
	       config->pending_bytes_max >= 1 && config->log_bytes_max >= 1 &&
	       config->snapshot_bytes_max >= 1 && config->log_keep_slots >= 1 &&
	       config->log_keep_slots < config->log_slots_max &&
	       is_power_of_two(config->log_slots_max) && config->log_slots_max <= 1u << 28 &&
	       is_power_of_two(config->open_slots_max) && config->open_slots_max <= 1u << 28;
}

/**
 * px_config_is_good() - whether a replica can be made of this
 * @config: any configuration
 */
bool px_config_is_good(const struct px_config *config)
{
	return members_are_good(config) && quorums_are_good(config) && timing_is_good(config) &&
	       limits_are_good(config) && config->frame_bytes_max >= PX_FRAME_BYTES_MIN &&
	       config->frame_bytes_max <= PX_FRAME_BYTES_MAX;
}

/**
 * px_member_bit() - a member's place in masks
 * @px: the core
 * @node: any id
 *
 * Return: its bit; 0 if it is no member.
 */
u64 px_member_bit(const struct px *px, u64 node)
{
	u32 low = 0, high = px->config.members;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (px->config.member[middle] < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low < px->config.members && px->config.member[low] == node ? (u64)1 << low : 0;
}

/* The tables by slot, one after the other, each aligned to 64 bytes. */
struct tables {
	u64 log;
	u64 ahead;
	u64 votes;
	u64 open;
};

static u64 aligned(u64 bytes)
{
	return (bytes + 63) & ~(u64)63;
}

static struct tables table_slots(const struct px_config *config)
{
	u64 votes = power_of_two_from(config->vote_slots_max);

	return (struct tables){
		.log = config->log_slots_max,
		.ahead = votes,
		.votes = votes,
		.open = px_min(votes, px_max(config->open_slots_max,
					     power_of_two_from(config->window_slots))),
	};
}

static u64 table_bytes(const struct tables *slots)
{
	return aligned(sizeof(struct px)) + aligned(slots->log * sizeof(struct px_entry)) +
	       aligned(slots->ahead * sizeof(struct px_value *)) +
	       aligned(slots->votes * sizeof(struct px_vote)) +
	       aligned(slots->open * sizeof(struct px_open));
}

/* Units for what an input may not fail at: pages of promises, a checkpoint's votes. */
static u32 reserve_for(u64 votes)
{
	return (u32)(256 + votes);
}

static u64 units_min(const struct px_config *config)
{
	u64 votes = power_of_two_from(config->vote_slots_max);

	return 2 * (u64)reserve_for(votes) + 8 * px_value_units(config->frame_bytes_max) +
	       PX_HEADROOM + 1024;
}

/**
 * px_memory_bytes_min() - the least that px_init() takes
 * @config: any configuration
 *
 * With no more a replica works, but its log is short: what is over holds values.
 *
 * Return: bytes; 0 if the configuration is impossible.
 */
u64 px_memory_bytes_min(const struct px_config *config)
{
	struct tables slots;
	u64 units;

	if (!px_config_is_good(config))
		return 0;
	slots = table_slots(config);
	units = units_min(config);
	return table_bytes(&slots) + units * PX_UNIT_BYTES + px_memory_overhead(units);
}

static void *carve(u8 **at, u64 bytes)
{
	void *table = *at;

	memset(table, 0, (size_t)bytes);
	*at += aligned(bytes);
	return table;
}

static void make_tables(struct px *px, u8 **at)
{
	struct tables slots = table_slots(&px->config);

	px->learner.log = carve(at, slots.log * sizeof(struct px_entry));
	px->learner.log_mask = (u32)(slots.log - 1);
	px->learner.ahead = carve(at, slots.ahead * sizeof(struct px_value *));
	px->learner.ahead_mask = (u32)(slots.ahead - 1);
	px->acceptor.ring = carve(at, slots.votes * sizeof(struct px_vote));
	px->acceptor.ring_first = px->acceptor.ring;
	px->acceptor.mask = (u32)(slots.votes - 1);
	px->proposer.ring = carve(at, slots.open * sizeof(struct px_open));
	px->proposer.ring_first = px->proposer.ring;
	px->proposer.mask = px->proposer.mask_first = (u32)(slots.open - 1);
}

/**
 * px_init() - a replica that knows nothing yet
 * @memory: aligned to 64 bytes; what it holds does not matter
 * @bytes: its length
 * @config: copied
 *
 * Return: the core, which lies in @memory; NULL if memory or configuration is unfit.
 */
struct px *px_init(void *memory, u64 bytes, const struct px_config *config)
{
	u64 least = px_memory_bytes_min(config);
	struct px *px = memory;
	u8 *at = memory;

	if (!least || bytes < least || ((uintptr_t)memory & 63))
		return NULL;
	memset(px, 0, sizeof(*px));
	px->config = *config;
	at += aligned(sizeof(*px));
	make_tables(px, &at);
	px_memory_init(&px->memory, at, bytes - (u64)(at - (u8 *)memory));
	px->own = px_member_bit(px, config->node);
	px->peers = (config->members < 64 ? ((u64)1 << config->members) - 1 : PX_U64_MAX) & ~px->own;
	px->value_bytes_max = config->frame_bytes_max - PX_VALUE_OVERHEAD_BYTES;
	px->promise_bytes_max = config->frame_bytes_max - PX_HEADER_BYTES - 4 * PX_FIELD_BYTES -
				PX_BODY_HEADER_BYTES;
	px->reserve = reserve_for((u64)px->acceptor.mask + 1);
	px->noop = px_batch_noop(px);
	px_catchup_init(px);
	return px->noop ? px : NULL;
}

/* What replay left above the watermark was never said to be chosen. */
static void drop_leftovers(struct px *px)
{
	struct px_learner *learner = &px->learner;
	u64 slot;

	for (slot = learner->watermark; slot - learner->first_slot <= learner->log_mask; slot++) {
		struct px_entry *entry = px_entry_at(px, slot);

		if (entry->value)
			px_value_put(&px->memory, entry->value);
		entry->value = NULL;
	}
	learner->log_bytes = 0;
	for (slot = learner->first_slot; slot < learner->watermark; slot++)
		learner->log_bytes += PX_ENTRY_OVERHEAD_BYTES + px_entry_at(px, slot)->value->bytes;
}

/**
 * px_start() - all records are restored: inputs may come
 * @px: the core
 *
 * Return: PX_OK; the error of px_restore(), if there was one: then the promise is not
 * known, and the replica must not start; PX_BAD_CALL the second time.
 */
int px_start(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;

	if (px->started)
		return PX_BAD_CALL;
	if (px->restore_error)
		return px->restore_error;
	drop_leftovers(px);
	px->reserve = reserve_for((u64)px->acceptor.mask + 1);
	/* Then it asks for a snapshot first of all. */
	px->starved = !px_room_for_value(px, px->config.frame_bytes_max);
	px->learner.known_chosen = px->learner.watermark;
	px->recorded = px->learner.watermark;
	px_election_init(px);
	outbox->read_slot = outbox->read_cursor = px->learner.first_slot;
	px->started = true;
	px_announce_install(px);
	return PX_OK;
}

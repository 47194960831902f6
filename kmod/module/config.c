// SPDX-License-Identifier: GPL-2.0
/* What CONFIGURE may ask for, and what it gets where it asks for nothing. */
#include <linux/etherdevice.h>
#include <linux/moduleparam.h>

#include "config.h"
#include "endpoint.h"

static ulong memory_bytes_max = 1UL << 30;
module_param(memory_bytes_max, ulong, 0644);
MODULE_PARM_DESC(memory_bytes_max, "most memory that one replica may ask for (default 1 GiB)");

static uint queue_bytes_max = 64 << 20;
module_param(queue_bytes_max, uint, 0644);
MODULE_PARM_DESC(queue_bytes_max, "longest queue of unread frames, in bytes (default 64 MiB)");

static uint clients_max = 65536;
module_param(clients_max, uint, 0644);
MODULE_PARM_DESC(clients_max, "most clients that one endpoint may remember (default 65536)");

#define ETHERTYPE_DEFAULT	0x88b5
#define FRAME_BYTES_MIN		528	/* of transports/ethernet.py */
#define FRAME_BYTES_MAX		65481
#define QUEUE_BYTES_DEFAULT	(4u << 20)
#define QUEUE_BYTES_MIN		(128u << 10)	/* above the largest packet */
#define CLIENTS_DEFAULT		4096
#define TICK_US_DEFAULT		20000
#define TICK_US_MIN		100
#define TICK_US_MAX		(60u * 1000 * 1000)

static void set_default(u32 *number, u32 usual)
{
	if (!*number)
		*number = usual;
}

static void set_default_u64(u64 *number, u64 usual)
{
	if (!*number)
		*number = usual;
}

/* The numbers of paxos_core/config.py. What they may be, px_init() judges. */
static void set_replica_defaults(struct paxos_config *config)
{
	set_default(&config->tick_us, TICK_US_DEFAULT);
	set_default(&config->heartbeat_ticks, 3);
	set_default(&config->election_ticks_min, 15);
	set_default(&config->election_ticks_max, 30);
	set_default(&config->resend_ticks, 5);
	set_default(&config->window_slots, 32);
	set_default(&config->vote_slots_max, 1024);
	set_default(&config->log_keep_slots, 256);
	set_default(&config->page_bytes_max, 256 << 10);
	set_default_u64(&config->pending_bytes_max, 8 << 20);
	set_default_u64(&config->log_bytes_max, 16 << 20);
	set_default_u64(&config->snapshot_bytes_max, 256 << 20);
	set_default(&config->phase1, config->members / 2 + 1);
	set_default(&config->phase2, config->members / 2 + 1);
}

static int check_members(const struct paxos_config *config)
{
	bool local = false;
	u32 i;

	if (!config->members || config->members > PAXOS_MEMBERS_MAX)
		return -EINVAL;
	for (i = 0; i < config->members; i++) {
		const struct paxos_member *member = &config->member[i];

		if (!member->node || (i && member->node <= member[-1].node))
			return -EINVAL;
		if (is_multicast_ether_addr(member->mac))
			return -EINVAL;
		local |= member->node == config->endpoint;
	}
	if (config->endpoint >= PAXOS_FIRST_CLIENT)
		return config->endpoint <= PAXOS_LAST_CLIENT ? 0 : -EINVAL;
	return local ? 0 : -EINVAL;
}

static int check_mode(const struct paxos_config *config)
{
	switch (config->mode) {
	case PAXOS_MODE_RELAY:
		return config->flags ? -EINVAL : 0;
	case PAXOS_MODE_ECHO:
		return config->flags || config->endpoint >= PAXOS_FIRST_CLIENT ? -EINVAL : 0;
	case PAXOS_MODE_REPLICA:
		if (config->flags & ~(PAXOS_FLAG_DURABLE | PAXOS_FLAG_VOTING))
			return -EINVAL;
		return config->endpoint >= PAXOS_FIRST_CLIENT ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/**
 * paxos_config_memory_max() - the module's ceiling for a replica
 *
 * Return: bytes.
 */
u64 paxos_config_memory_max(void)
{
	return READ_ONCE(memory_bytes_max);
}

/* What the administrator bounds, so that a user of the device cannot take all memory. */
static int check_ceilings(const struct paxos_config *config)
{
	if (config->queue_bytes_max > READ_ONCE(queue_bytes_max) ||
	    config->clients_max > READ_ONCE(clients_max))
		return -E2BIG;
	if (config->mode == PAXOS_MODE_REPLICA && config->memory_bytes > paxos_config_memory_max())
		return -E2BIG;
	return 0;
}

/**
 * paxos_config_check() - check what does not depend on the interface; set defaults
 * @config: as user space gave it
 *
 * Return: 0, -EPROTONOSUPPORT for another version of this interface, -E2BIG above the
 * module's ceilings, -EINVAL for anything else that cannot be.
 */
int paxos_config_check(struct paxos_config *config)
{
	int err;

	if (config->version != PAXOS_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (config->reserved || !memchr(config->interface, 0, sizeof(config->interface)))
		return -EINVAL;
	err = check_mode(config) ?: check_members(config);
	if (err)
		return err;

	set_default(&config->ethertype, ETHERTYPE_DEFAULT);
	set_default(&config->queue_bytes_max,
		    min_t(u32, QUEUE_BYTES_DEFAULT, READ_ONCE(queue_bytes_max)));
	set_default(&config->clients_max, min_t(u32, CLIENTS_DEFAULT, READ_ONCE(clients_max)));
	if (config->mode == PAXOS_MODE_REPLICA)
		set_replica_defaults(config);
	err = check_ceilings(config);
	if (err)
		return err;

	if (config->ethertype < ETH_P_802_3_MIN || config->ethertype > 0xffff)
		return -EINVAL;
	if (config->queue_bytes_max < QUEUE_BYTES_MIN || !config->clients_max)
		return -EINVAL;
	if (config->mode == PAXOS_MODE_REPLICA &&
	    (config->tick_us < TICK_US_MIN || config->tick_us > TICK_US_MAX))
		return -EINVAL;
	return 0;
}

/**
 * paxos_config_fit() - check the configuration against its interface
 * @config: checked; frame_bytes_max is set if it was 0
 * @dev: the interface
 *
 * Return: 0, -EPFNOSUPPORT if it is not of Ethernet's kind, -ENETDOWN if it is down,
 * -EADDRNOTAVAIL if this member's MAC is another, -EMSGSIZE if its MTU is too small for
 * such frames.
 */
int paxos_config_fit(struct paxos_config *config, const struct net_device *dev)
{
	const struct paxos_member *local = paxos_member_find(config, config->endpoint);
	u32 mtu = READ_ONCE(dev->mtu);
	u32 least = config->frame_bytes_max ?: FRAME_BYTES_MIN;

	if (!paxos_is_ethernet(dev))
		return -EPFNOSUPPORT;
	if (!(dev->flags & IFF_UP))
		return -ENETDOWN;
	if (local && !ether_addr_equal_unaligned(local->mac, dev->dev_addr))
		return -EADDRNOTAVAIL;
	if (least > FRAME_BYTES_MAX || mtu < least + PX_PACKET_OVERHEAD_BYTES)
		return -EMSGSIZE;
	if (!config->frame_bytes_max)
		config->frame_bytes_max = min_t(u32, mtu - PX_PACKET_OVERHEAD_BYTES,
						FRAME_BYTES_MAX);
	return 0;
}

/**
 * paxos_member_find() - a member by its id
 * @config: checked
 * @node: any number
 *
 * Return: the member, or NULL.
 */
const struct paxos_member *paxos_member_find(const struct paxos_config *config, u64 node)
{
	u32 low = 0, high = config->members;

	while (low < high) {
		u32 middle = (low + high) / 2;
		const struct paxos_member *member = &config->member[middle];

		if (member->node == node)
			return member;
		if (member->node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

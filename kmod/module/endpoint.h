/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_ENDPOINT_H
#define PAXOS_ENDPOINT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <net/sock.h>

#include "../core/packet.h"
#include "../uapi/paxos.h"
#include "clients.h"

#define PAXOS_FIRST_CLIENT	65536ULL
#define PAXOS_LAST_CLIENT	((u64)S64_MAX)

struct paxos_replica;

enum paxos_state {
	PAXOS_STATE_OPEN,	/* not CONFIGUREd: only that is possible */
	PAXOS_STATE_CONFIGURED,	/* a replica before START: takes RESTOREs, hears nothing */
	PAXOS_STATE_STARTED,
};

/**
 * struct paxos_endpoint - an open file of /dev/paxos
 *
 * Locking, of all of the module:
 *
 * RTNL		the list of claims, and beginning and ending to listen on an interface.
 * @setup	one CONFIGURE or START at a time.
 * @reading	one reader at a time; it owns @being_read and @read_buffer.
 * @writing	one writer at a time; it owns @write_buffer.
 * @lock	what packet handler, timer, reader and writer share: @arrived, @clients,
 *		@stats and the replica with its core. Taken with bottom halves off, since
 *		handler and timer run there. Nobody who holds it sleeps, touches user
 *		space or sends: packets are built under it and sent after it.
 * RCU		@dev, which goes when the interface does, and, for the callback of @sk,
 *		the endpoint itself.
 *
 * The order is @setup, @reading or @writing, then RTNL, then @lock. What CONFIGURE sets
 * is constant once @state says so, and is read without a lock.
 *
 * Life: a packet handler or timer runs only between paxos_endpoint_listen() and
 * paxos_endpoint_leave(), which waits for those that still run. The file's last
 * reference calls paxos_endpoint_close(), so nothing else is on its way by then.
 */
struct paxos_endpoint {
	struct paxos_config config;
	int state;		/* enum paxos_state; only grows */
	bool gone;		/* the interface has been removed; nothing arrives after this is set */

	struct mutex setup;
	struct mutex reading;
	struct mutex writing;

	struct sock *sk;	/* counts what is on its way out; holds the network namespace */
	struct list_head claim;
	struct net_device __rcu *dev;
	netdevice_tracker dev_tracker;
	struct packet_type packet_type;
	bool listening;
	u32 headroom;		/* what the interface wants before and behind a packet */
	u32 tailroom;

	wait_queue_head_t read_wait;
	wait_queue_head_t write_wait;

	spinlock_t lock;
	struct sk_buff_head arrived;
	u64 arrived_bytes;	/* memory of @arrived and @being_read */
	struct paxos_clients clients;
	struct paxos_stats stats;
	struct paxos_replica *replica;

	struct sk_buff_head being_read;
	u8 *read_buffer;
	u8 *write_buffer;
	u32 buffer_bytes;

	struct rcu_head rcu;
};

struct paxos_endpoint *paxos_endpoint_open(struct net *net);
void paxos_endpoint_close(struct paxos_endpoint *ep);
int paxos_endpoint_configure(struct paxos_endpoint *ep, struct paxos_config *config,
			     struct paxos_config __user *taken);
int paxos_endpoint_start(struct paxos_endpoint *ep);

int paxos_endpoints_init(void);
void paxos_endpoints_exit(void);

static inline int paxos_endpoint_state(const struct paxos_endpoint *ep)
{
	/* Pairs with the release in endpoint.c: whoever sees a state sees what belongs to it. */
	return smp_load_acquire(&ep->state);
}

/* Count a drop under a lock that is held. */
static inline void paxos_drop_locked(struct paxos_endpoint *ep, enum paxos_drop cause, u64 count)
{
	lockdep_assert_held(&ep->lock);
	ep->stats.dropped[cause] += count;
}

static inline void paxos_drop(struct paxos_endpoint *ep, enum paxos_drop cause, u64 count)
{
	spin_lock_bh(&ep->lock);
	paxos_drop_locked(ep, cause, count);
	spin_unlock_bh(&ep->lock);
}

const struct paxos_member *paxos_member_find(const struct paxos_config *config, u64 node);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_CONFIG_H
#define PAXOS_CONFIG_H

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netdevice.h>

#include "../uapi/paxos.h"

int paxos_config_check(struct paxos_config *config);
static inline bool paxos_is_ethernet(const struct net_device *dev)
{
	return (dev->type == ARPHRD_ETHER || dev->type == ARPHRD_LOOPBACK) &&
	       dev->addr_len == ETH_ALEN && dev->hard_header_len == ETH_HLEN;
}

u64 paxos_config_memory_max(void);
int paxos_config_fit(struct paxos_config *config, const struct net_device *dev);

#endif

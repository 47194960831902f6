/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_CONFIG_H
#define PAXOS_CONFIG_H

#include <linux/netdevice.h>

#include "../uapi/paxos.h"

int paxos_config_check(struct paxos_config *config);
u64 paxos_config_memory_max(void);
int paxos_config_fit(struct paxos_config *config, const struct net_device *dev);

#endif

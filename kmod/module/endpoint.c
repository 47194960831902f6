// SPDX-License-Identifier: GPL-2.0
/* The life of an endpoint: opened, configured, listening, without its interface, closed. */
#include <linux/capability.h>
#include <linux/etherdevice.h>
#include <linux/moduleparam.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "config.h"
#include "endpoint.h"
#include "queue.h"
#include "receive.h"
#include "replica.h"

static uint endpoints_max = 1024;
module_param(endpoints_max, uint, 0644);
MODULE_PARM_DESC(endpoints_max, "most open files of /dev/paxos at a time (default 1024)");

#define BUFFER_BYTES_MIN	(64u << 10)

static atomic_t endpoints = ATOMIC_INIT(0);
static LIST_HEAD(claims);	/* endpoints that have an interface; under RTNL */

/* For its count of bytes on their way out. They may outlive the file, and so may the socket. */
static struct proto paxos_proto = {
	.name = "paxos",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct sock),
};

static void write_space(struct sock *sk)
{
	struct paxos_endpoint *ep;

	rcu_read_lock();
	ep = rcu_dereference_sk_user_data(sk);
	if (ep && sock_writeable(sk) && wq_has_sleeper(&ep->write_wait))
		wake_up_interruptible_poll(&ep->write_wait, EPOLLOUT | EPOLLWRNORM);
	rcu_read_unlock();
}

/**
 * paxos_endpoint_open() - a new endpoint, that can only be configured
 * @net: the network namespace in which its interface will be looked for
 *
 * Return: the endpoint, or an ERR_PTR: -ENFILE, -ENOMEM.
 */
struct paxos_endpoint *paxos_endpoint_open(struct net *net)
{
	struct paxos_endpoint *ep;
	int err = -ENFILE;

	if (atomic_inc_return(&endpoints) > READ_ONCE(endpoints_max))
		goto uncount;
	err = -ENOMEM;
	ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	if (!ep)
		goto uncount;
	ep->sk = sk_alloc(net, AF_UNSPEC, GFP_KERNEL, &paxos_proto, 0);
	if (!ep->sk)
		goto free;
	sock_init_data(NULL, ep->sk);
	ep->sk->sk_write_space = write_space;
	rcu_assign_sk_user_data(ep->sk, ep);

	mutex_init(&ep->setup);
	mutex_init(&ep->reading);
	mutex_init(&ep->writing);
	spin_lock_init(&ep->lock);
	INIT_LIST_HEAD(&ep->claim);
	init_waitqueue_head(&ep->read_wait);
	init_waitqueue_head(&ep->write_wait);
	__skb_queue_head_init(&ep->arrived);
	__skb_queue_head_init(&ep->being_read);
	return ep;

free:
	kfree(ep);
uncount:
	atomic_dec(&endpoints);
	return ERR_PTR(err);
}

/* Interfaces */

static bool claimed(const struct paxos_config *config, const struct net_device *dev)
{
	const struct paxos_endpoint *other;

	list_for_each_entry(other, &claims, claim)
		if (rcu_access_pointer(other->dev) == dev &&
		    other->config.ethertype == config->ethertype &&
		    other->config.endpoint == config->endpoint)
			return true;
	return false;
}

/* Take the interface, which then cannot be forgotten by us, and the place on it. */
static int claim(struct paxos_endpoint *ep, struct paxos_config *config)
{
	struct net_device *dev;
	int err;

	ASSERT_RTNL();
	dev = __dev_get_by_name(sock_net(ep->sk), config->interface);
	if (!dev)
		return -ENODEV;
	err = paxos_config_fit(config, dev);
	if (err)
		return err;
	if (claimed(config, dev))
		return -EADDRINUSE;
	ep->config = *config;
	WRITE_ONCE(ep->gone, false);
	ep->headroom = LL_RESERVED_SPACE(dev);
	ep->tailroom = dev->needed_tailroom;
	netdev_hold(dev, &ep->dev_tracker, GFP_KERNEL);
	rcu_assign_pointer(ep->dev, dev);
	list_add_tail(&ep->claim, &claims);
	return 0;
}

/* Hear packets and time, unless the interface has gone meanwhile. */
static void listen(struct paxos_endpoint *ep)
{
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_dereference(ep->dev);
	if (dev) {
		ep->packet_type.type = htons(ep->config.ethertype);
		ep->packet_type.dev = dev;
		ep->packet_type.func = paxos_receive;
		ep->packet_type.af_packet_priv = ep;
		ep->listening = true;
		dev_add_pack(&ep->packet_type);
		if (ep->replica)
			paxos_replica_run(ep);
	}
	rtnl_unlock();
}

/* Give up interface and place. Afterwards no handler, timer or sender uses them. */
static void leave(struct paxos_endpoint *ep)
{
	struct net_device *dev = rtnl_dereference(ep->dev);

	ASSERT_RTNL();
	if (!dev)
		return;
	RCU_INIT_POINTER(ep->dev, NULL);
	list_del_init(&ep->claim);
	if (ep->listening) {
		if (ep->replica)
			paxos_replica_stop(ep);
		dev_remove_pack(&ep->packet_type);
		ep->listening = false;
	} else {
		synchronize_net();
	}
	netdev_put(dev, &ep->dev_tracker);
}

static int interface_event(struct notifier_block *block, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct paxos_endpoint *ep, *next;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	list_for_each_entry_safe(ep, next, &claims, claim) {
		if (rtnl_dereference(ep->dev) != dev)
			continue;
		leave(ep);
		/* Readers that see this find all that has arrived, and then the end. */
		smp_store_release(&ep->gone, true);
		wake_up_interruptible_poll(&ep->read_wait, EPOLLIN | EPOLLERR | EPOLLHUP);
		wake_up_interruptible_poll(&ep->write_wait, EPOLLERR | EPOLLHUP);
	}
	return NOTIFY_DONE;
}

static struct notifier_block interface_notifier = { .notifier_call = interface_event };

/* Configuring */

static void free_memory(struct paxos_endpoint *ep)
{
	paxos_replica_free(ep);
	paxos_clients_free(&ep->clients);
	kvfree(ep->read_buffer);
	kvfree(ep->write_buffer);
	ep->read_buffer = NULL;
	ep->write_buffer = NULL;
}

static int allocate(struct paxos_endpoint *ep)
{
	const struct paxos_config *config = &ep->config;
	bool learns = config->endpoint < PAXOS_FIRST_CLIENT && config->mode != PAXOS_MODE_ECHO;
	int err;

	/* Room for the largest record, and for many small ones. */
	ep->buffer_bytes = BUFFER_BYTES_MIN + ALIGN(config->frame_bytes_max, PAGE_SIZE);
	ep->write_buffer = kvmalloc(ep->buffer_bytes, GFP_KERNEL_ACCOUNT);
	if (!ep->write_buffer)
		return -ENOMEM;
	err = paxos_clients_init(&ep->clients, learns ? config->clients_max : 0);
	if (err || config->mode != PAXOS_MODE_REPLICA)
		return err;
	ep->read_buffer = kvmalloc(ep->buffer_bytes, GFP_KERNEL_ACCOUNT);
	if (!ep->read_buffer)
		return -ENOMEM;
	return paxos_replica_init(ep);
}

static int configure(struct paxos_endpoint *ep, struct paxos_config *config,
		     struct paxos_config __user *taken)
{
	int err;

	rtnl_lock();
	err = claim(ep, config);
	rtnl_unlock();
	if (err)
		return err;
	err = allocate(ep);
	if (!err && copy_to_user(taken, &ep->config, sizeof(*taken)))
		err = -EFAULT;
	if (err) {
		rtnl_lock();
		leave(ep);
		rtnl_unlock();
		free_memory(ep);
		return err;
	}
	WRITE_ONCE(ep->sk->sk_sndbuf, ep->config.queue_bytes_max);
	if (ep->replica) {
		smp_store_release(&ep->state, PAXOS_STATE_CONFIGURED);
	} else {
		listen(ep);
		smp_store_release(&ep->state, PAXOS_STATE_STARTED);
	}
	return 0;
}

/**
 * paxos_endpoint_configure() - make the endpoint what user space asks for
 * @ep: the endpoint
 * @config: what is asked for; changed
 * @taken: where user space is told what it got
 *
 * Without success nothing has changed.
 *
 * Return: 0; -EISCONN if it was configured before; -EPERM without CAP_NET_RAW in the
 * namespace of the interface; -ENODEV without that interface; -EADDRINUSE if another
 * endpoint has this EtherType and id there; -ENOMEM; or as paxos_config_check() and
 * paxos_config_fit() say.
 */
int paxos_endpoint_configure(struct paxos_endpoint *ep, struct paxos_config *config,
			     struct paxos_config __user *taken)
{
	int err;

	if (!ns_capable(sock_net(ep->sk)->user_ns, CAP_NET_RAW))
		return -EPERM;
	err = paxos_config_check(config);
	if (err)
		return err;
	if (mutex_lock_interruptible(&ep->setup))
		return -ERESTARTSYS;
	if (ep->state == PAXOS_STATE_OPEN)
		err = configure(ep, config, taken);
	else
		err = -EISCONN;
	mutex_unlock(&ep->setup);
	return err;
}

/**
 * paxos_endpoint_start() - let a replica take part
 * @ep: the endpoint
 *
 * Return: 0; -ENOTCONN before CONFIGURE; -EISCONN if it has started; -EBADMSG if the
 * records that were restored leave open what it has promised.
 */
int paxos_endpoint_start(struct paxos_endpoint *ep)
{
	int err = 0;

	if (mutex_lock_interruptible(&ep->setup))
		return -ERESTARTSYS;
	if (ep->state == PAXOS_STATE_OPEN)
		err = -ENOTCONN;
	else if (ep->state == PAXOS_STATE_STARTED)
		err = -EISCONN;
	else
		err = paxos_replica_start(ep);
	if (!err) {
		listen(ep);
		smp_store_release(&ep->state, PAXOS_STATE_STARTED);
	}
	mutex_unlock(&ep->setup);
	return err;
}

/**
 * paxos_endpoint_close() - the last reference to the file has gone
 * @ep: the endpoint; not the caller's any more
 */
void paxos_endpoint_close(struct paxos_endpoint *ep)
{
	if (ep->state != PAXOS_STATE_OPEN) {
		rtnl_lock();
		leave(ep);
		rtnl_unlock();
	}
	paxos_queue_free(ep);
	free_memory(ep);
	/* Packets on their way keep the socket, and it the module, but nothing of ours. */
	rcu_assign_sk_user_data(ep->sk, NULL);
	sock_put(ep->sk);
	kfree_rcu(ep, rcu);
	atomic_dec(&endpoints);
}

/**
 * paxos_endpoints_init() - begin to hear of interfaces
 *
 * Return: 0 or an errno.
 */
int paxos_endpoints_init(void)
{
	return register_netdevice_notifier(&interface_notifier);
}

/**
 * paxos_endpoints_exit() - the opposite; no endpoint is left
 */
void paxos_endpoints_exit(void)
{
	unregister_netdevice_notifier(&interface_notifier);
}

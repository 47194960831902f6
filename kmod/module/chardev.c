// SPDX-License-Identifier: GPL-2.0
/* The file: what open, read, write, poll, ioctl and the last close do. */
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "chardev.h"
#include "endpoint.h"
#include "queue.h"
#include "record.h"
#include "replica.h"

static int paxos_open(struct inode *inode, struct file *file)
{
	struct paxos_endpoint *ep = paxos_endpoint_open(current->nsproxy->net_ns);

	if (IS_ERR(ep))
		return PTR_ERR(ep);
	file->private_data = ep;
	return stream_open(inode, file);
}

static int paxos_release(struct inode *inode, struct file *file)
{
	paxos_endpoint_close(file->private_data);
	return 0;
}

/* Whether the file is used as its mode allows. */
static int check_use(const struct paxos_endpoint *ep)
{
	if (paxos_endpoint_state(ep) == PAXOS_STATE_OPEN)
		return -ENOTCONN;
	return ep->config.mode == PAXOS_MODE_ECHO ? -EOPNOTSUPP : 0;
}

static bool is_gone(const struct paxos_endpoint *ep)
{
	return smp_load_acquire(&ep->gone);
}

static int take_turn(struct mutex *mutex, bool wait)
{
	if (wait)
		return mutex_lock_interruptible(mutex) ? -ERESTARTSYS : 0;
	return mutex_trylock(mutex) ? 0 : -EAGAIN;
}

static bool may_wait(const struct kiocb *iocb)
{
	return !(iocb->ki_filp->f_flags & O_NONBLOCK) && !(iocb->ki_flags & IOCB_NOWAIT);
}

/* Reading */

static bool readable(struct paxos_endpoint *ep)
{
	return paxos_queue_readable(ep) || (ep->replica && paxos_replica_readable(ep));
}

static ssize_t read_records(struct paxos_endpoint *ep, struct iov_iter *to)
{
	return ep->replica ? paxos_replica_read(ep, to) : paxos_queue_read(ep, to);
}

static ssize_t paxos_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct paxos_endpoint *ep = iocb->ki_filp->private_data;
	bool wait = may_wait(iocb);
	ssize_t done = check_use(ep);

	if (done || !iov_iter_count(to))
		return done;
	for (;;) {
		bool gone = is_gone(ep);

		done = take_turn(&ep->reading, wait);
		if (done)
			return done;
		done = read_records(ep, to);
		mutex_unlock(&ep->reading);
		if (done)
			return done;
		if (gone)
			return -ENODEV;
		if (!wait)
			return -EAGAIN;
		if (wait_event_interruptible(ep->read_wait, readable(ep) || is_gone(ep)))
			return -ERESTARTSYS;
	}
}

/* Writing */

static bool writable(struct paxos_endpoint *ep)
{
	return ep->replica ? !READ_ONCE(ep->replica->busy) : sock_writeable(ep->sk);
}

/* Records of write_buffer; the bytes taken, 0 for "not now", or an error of the first one. */
static ssize_t send_records(struct paxos_endpoint *ep, struct paxos_outbox *outbox, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		const u8 *data = ep->write_buffer + done;
		ssize_t used = paxos_record_bytes(ep, data, bytes - done);

		if (used > 0)
			used = paxos_record_send(ep, outbox, data, used);
		if (used < 0)
			return done ?: used;
		done += used;
	}
	return done;
}

/* Take as many whole records as there are; everything written at once is one batch. */
static ssize_t write_records(struct paxos_endpoint *ep, struct iov_iter *from)
{
	struct paxos_outbox outbox;
	ssize_t done = 0, used = 0;

	paxos_outbox_init(&outbox, ep->sk);
	while (iov_iter_count(from) && (ep->replica || sock_writeable(ep->sk))) {
		size_t bytes = min_t(size_t, iov_iter_count(from), ep->buffer_bytes);

		if (copy_from_iter(ep->write_buffer, bytes, from) != bytes) {
			used = -EFAULT;
			break;
		}
		if (ep->replica)
			used = paxos_replica_write(ep, &outbox, bytes);
		else
			used = send_records(ep, &outbox, bytes);
		if (used <= 0)
			break;
		done += used;
		iov_iter_revert(from, bytes - used);
		if (signal_pending(current))
			break;
		cond_resched();
	}
	if (ep->replica)
		paxos_replica_settle(ep, &outbox);
	paxos_outbox_transmit(ep, &outbox);
	return done ?: used;
}

static ssize_t paxos_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct paxos_endpoint *ep = iocb->ki_filp->private_data;
	bool wait = may_wait(iocb);
	ssize_t done = check_use(ep);
	size_t count = iov_iter_count(from);

	if (done || !count)
		return done;
	for (;;) {
		if (is_gone(ep))
			return -ENODEV;
		done = take_turn(&ep->writing, wait);
		if (done)
			return done;
		done = write_records(ep, from);
		mutex_unlock(&ep->writing);
		if (done)
			return done;
		if (!wait)
			return -EAGAIN;
		iov_iter_revert(from, count - iov_iter_count(from));
		if (wait_event_interruptible(ep->write_wait, writable(ep) || is_gone(ep)))
			return -ERESTARTSYS;
	}
}

/* Waiting */

static __poll_t paxos_poll(struct file *file, poll_table *table)
{
	struct paxos_endpoint *ep = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &ep->read_wait, table);
	poll_wait(file, &ep->write_wait, table);
	if (check_use(ep))
		return EPOLLERR;
	if (is_gone(ep) || (ep->replica && READ_ONCE(ep->replica->broken)))
		events |= EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP;
	if (readable(ep))
		events |= EPOLLIN | EPOLLRDNORM;
	if (writable(ep))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* Asking */

static long configure(struct paxos_endpoint *ep, struct paxos_config __user *arg)
{
	struct paxos_config *config = memdup_user(arg, sizeof(*config));
	long err;

	if (IS_ERR(config))
		return PTR_ERR(config);
	err = paxos_endpoint_configure(ep, config, arg);
	kfree(config);
	return err;
}

static long tell_stats(struct paxos_endpoint *ep, struct paxos_stats __user *arg)
{
	struct paxos_stats *stats;
	long err = 0;

	stats = kmalloc(sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	spin_lock_bh(&ep->lock);
	*stats = ep->stats;
	spin_unlock_bh(&ep->lock);
	if (copy_to_user(arg, stats, sizeof(*stats)))
		err = -EFAULT;
	kfree(stats);
	return err;
}

static long tell_status(struct paxos_endpoint *ep, struct paxos_status __user *arg)
{
	struct paxos_status status;

	if (!ep->replica)
		return -EOPNOTSUPP;
	paxos_replica_status(ep, &status);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static long paxos_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	struct paxos_endpoint *ep = file->private_data;
	void __user *arg = (void __user *)argument;

	switch (request) {
	case PAXOS_IOC_CONFIGURE:
		return configure(ep, arg);
	case PAXOS_IOC_START:
		return paxos_endpoint_start(ep);
	case PAXOS_IOC_STATS:
	case PAXOS_IOC_STATUS:
		break;
	default:
		return -ENOTTY;
	}
	if (paxos_endpoint_state(ep) == PAXOS_STATE_OPEN)
		return -ENOTCONN;
	if (request == PAXOS_IOC_STATS)
		return tell_stats(ep, arg);
	return tell_status(ep, arg);
}

const struct file_operations paxos_file_operations = {
	.owner = THIS_MODULE,
	.open = paxos_open,
	.release = paxos_release,
	.read_iter = paxos_read_iter,
	.write_iter = paxos_write_iter,
	.poll = paxos_poll,
	.unlocked_ioctl = paxos_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

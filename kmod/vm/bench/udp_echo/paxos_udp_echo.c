// SPDX-License-Identifier: GPL-2.0
/*
 * A UDP echo in the kernel: one cell of the paper's Table I. For measurements alone.
 *
 * By itself it answers in the callback that a packet's arrival makes, in the softirq
 * that delivers it: like the packet handler of paxos.ko, with the IP stack on both ways.
 * With thread=1 a kernel thread waits in recvmsg() instead, and must be woken.
 */
#include <linux/in.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#define BYTES_MAX	2048

static ushort port = 7000;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "the UDP port, on all addresses of insmod's network namespace");

static bool thread;
module_param(thread, bool, 0444);
MODULE_PARM_DESC(thread, "answer from a kernel thread, not from the softirq");

static struct socket *sock;
static struct task_struct *task;
static u8 bytes[BYTES_MAX];	/* whoever answers holds receive_lock, or is the only thread */
static DEFINE_SPINLOCK(receive_lock);
static void (*data_ready)(struct sock *sk);

/* Send one packet back; false if there is none. Does not sleep if flags say so. */
static bool answer(int flags)
{
	struct sockaddr_in from;
	struct msghdr msg = { .msg_name = &from, .msg_flags = flags };
	struct kvec vec = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	int size = kernel_recvmsg(sock, &msg, &vec, 1, sizeof(bytes), flags);

	if (size < 0)
		return false;
	msg = (struct msghdr) {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_flags = flags,
	};
	vec.iov_base = bytes;
	kernel_sendmsg(sock, &msg, &vec, 1, size);
	return true;
}

/* In softirq. To send puts the packet in a queue, so no answer leads back here. */
static void echo_data_ready(struct sock *sk)
{
	spin_lock_bh(&receive_lock);
	while (answer(MSG_DONTWAIT))
		;
	spin_unlock_bh(&receive_lock);
}

static int echo_thread(void *unused)
{
	while (!kthread_should_stop())
		answer(0);
	return 0;
}

static int start(void)
{
	struct sock *sk = sock->sk;

	if (thread) {
		/* So that it looks now and then whether it shall stop. */
		sk->sk_rcvtimeo = HZ / 4;
		task = kthread_run(echo_thread, NULL, "paxos_udp_echo");
		return PTR_ERR_OR_ZERO(task);
	}
	sk->sk_allocation = GFP_ATOMIC;
	lock_sock(sk);
	data_ready = sk->sk_data_ready;
	sk->sk_data_ready = echo_data_ready;
	release_sock(sk);
	return 0;
}

static int __init echo_init(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port),
	};
	int err;

	err = sock_create_kern(current->nsproxy->net_ns, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &sock);
	if (err)
		return err;
	err = kernel_bind(sock, (struct sockaddr *)&address, sizeof(address));
	if (!err)
		err = start();
	if (err)
		sock_release(sock);
	return err;
}

static void __exit echo_exit(void)
{
	if (thread) {
		kthread_stop(task);
	} else {
		lock_sock(sock->sk);
		sock->sk->sk_data_ready = data_ready;
		release_sock(sock->sk);
		/* A callback that runs now is in a softirq, which is an RCU reader. */
		synchronize_net();
	}
	sock_release(sock);
}

module_init(echo_init);
module_exit(echo_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("UDP echo in the kernel, for measurements");

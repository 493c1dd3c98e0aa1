/* Two functions of its own, constants that nobody can write, and variables: clang makes maps of them. */
#include "include/context.h"
#include "include/net.h"

/* .rodata, .data and .bss: maps with one value each. */
const volatile u16 blocked_ports[4] = { 23, 135, 139, 445 };
u32 verdict_when_blocked = XDP_DROP;
u64 blocked;
u64 passed;

static noinline int is_blocked(u16 port)
{
	for (int i = 0; i < 4; i++)
		if (blocked_ports[i] == port)
			return 1;
	return 0;
}

static noinline int destination_port(struct xdp *xdp)
{
	void *end = (void *)(long)xdp->data_end;
	struct ethernet *eth = (void *)(long)xdp->data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct ports *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > end)
		return -1;
	if (eth->type != htons(ETH_IP) || ip->version_and_length != 0x45)
		return -1;
	if (ip->protocol != IP_TCP && ip->protocol != IP_UDP)
		return -1;
	return ntohs(ports->to);
}

SEC("xdp")
int block_ports(struct xdp *xdp)
{
	int port = destination_port(xdp);

	if (port >= 0 && is_blocked(port)) {
		__sync_fetch_and_add(&blocked, 1);
		return verdict_when_blocked;
	}
	__sync_fetch_and_add(&passed, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";

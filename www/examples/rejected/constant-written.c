/* A constant lies in a map that programs can only read. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 4;

SEC("tc")
int raise(struct __sk_buff *skb)
{
	__u32 *raised = (__u32 *)&limit;

	barrier_var(raised);
	if (skb->len > 1000)
		*raised = 8;
	return skb->len > limit;
}

char _license[] SEC("license") = "GPL";

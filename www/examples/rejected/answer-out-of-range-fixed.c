/* What a program may answer depends on its type: here 0, drop, and 1, let through. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress")
int answer(struct __sk_buff *skb)
{
	return skb->len > 64;
}

char _license[] SEC("license") = "GPL";

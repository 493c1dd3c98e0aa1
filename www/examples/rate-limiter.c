/* Lets each IPv4 source send so many packets a second: a token bucket per source, under a lock. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NANOSECONDS 1000000000ULL

struct bucket {
	struct bpf_spin_lock lock;
	__u32 tokens;
	__u64 filled;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, struct bucket);
} buckets SEC(".maps");

/* Packets a second, and the most that may come at once. */
const volatile __u32 rate = 4;
const volatile __u32 burst = 8;

SEC("xdp")
int limit(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);

	if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;

	__be32 source = ip->saddr;
	__u64 now = bpf_ktime_get_ns();
	struct bucket *bucket = bpf_map_lookup_elem(&buckets, &source);
	if (!bucket) {
		struct bucket full = { .tokens = burst - 1, .filled = now };

		bpf_map_update_elem(&buckets, &source, &full, BPF_NOEXIST);
		return XDP_PASS;
	}

	int verdict = XDP_DROP;
	bpf_spin_lock(&bucket->lock);
	__u64 earned = (now - bucket->filled) * rate / NANOSECONDS;
	if (earned) {
		__u64 tokens = bucket->tokens + earned;

		bucket->tokens = tokens > burst ? burst : tokens;
		bucket->filled = now;
	}
	if (bucket->tokens) {
		bucket->tokens--;
		verdict = XDP_PASS;
	}
	/* What was locked is unlocked on every path: the verifier looks. */
	bpf_spin_unlock(&bucket->lock);
	return verdict;
}

char _license[] SEC("license") = "GPL";

/* A full ring buffer has no room to give: the reservation may be null. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} lengths SEC(".maps");

SEC("xdp")
int tell(struct xdp_md *ctx)
{
	__u32 *record = bpf_ringbuf_reserve(&lengths, sizeof(*record), 0);

	if (!record)
		return XDP_PASS;
	*record = ctx->data_end - ctx->data;
	bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";

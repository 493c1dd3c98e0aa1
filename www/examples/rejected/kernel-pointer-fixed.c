/* What a traced function was given is a number: a helper reads where it points to, and says if it can't. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("kprobe/do_unlinkat")
int first_word(struct pt_regs *ctx)
{
	__u64 *name = (void *)PT_REGS_PARM2(ctx);

	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), name);
	return word == 0;
}

char _license[] SEC("license") = "GPL";

// The assembler's language for the editor: what a line is made of, what comes next, and what a word means.

import { snippetCompletion } from "@codemirror/autocomplete";
import { StreamLanguage } from "@codemirror/language";

const RFC = "https://www.rfc-editor.org/rfc/rfc9669.html";
const HELPERS = "https://man7.org/linux/man-pages/man7/bpf-helpers.7.html";

/** Directives and forms of instructions: how they begin, what they look like, what they do, where to read on. */
const FORMS = [
  [".type", ".type ${xdp}", "The program's type, which fixes its context, its helpers and what it may return."],
  [".license", ".license ${GPL}", "The program's licence; some helpers ask for a GPL-compatible one."],
  [".map", ".map ${name} ${array} ${4} ${8} ${16}", "A map: name, type, bytes of a key, bytes of a value, most entries."],
  ["r0 = 0", "r${0} = ${0}", "Sets a register to a constant or to another register; w0 sets the lower half, and clears the upper.", "#section-4.1"],
  ["r0 += r1", "r${0} += ${r1}", "Arithmetic: += -= *= /= s/= %= s%= |= &= ^= <<= >>= s>>=.", "#section-4.1"],
  ["r1 = map", "r${1} = map ${name}", "The address of a map, for a helper's argument.", "#section-5.4"],
  ["load", "r${0} = *(u${32} *)(r${1} +${0})", "Loads 1, 2, 4 or 8 bytes from memory.", "#section-5.1"],
  ["store", "*(u${32} *)(r${10} -${4}) = r${0}", "Stores 1, 2, 4 or 8 bytes to memory.", "#section-5.1"],
  ["lock", "lock *(u${64} *)(r${0} +${0}) += r${1}", "Adds to memory in one step, which no other processor can divide.", "#section-5.3"],
  ["if", "if r${0} == ${0} goto ${label}", "Jumps where the condition holds: == != < <= > >= s< s<= s> s>= &.", "#section-4.3"],
  ["goto", "goto ${label}", "Jumps.", "#section-4.3"],
  ["call", "call ${bpf_map_lookup_elem}", "Calls a helper, with r1 to r5 as its arguments; r0 is its result, and r1 to r5 are lost.", "#section-4.3.1"],
  ["exit", "exit", "Returns from the program, or from a function, with r0.", "#section-4.3"],
];

/** What `/` at the beginning of a line offers. */
const COMMANDS = [
  ["/check for null", "if r${0} != 0 goto ${checked}\nr0 = ${0}\nexit\n${checked}:", "Leaves where a look-up found nothing."],
  ["/packet bounds", "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += ${14}\nif r4 > r3 goto ${out}", "XDP: measures the packet before its bytes are read."],
  ["/look up", "*(u32 *)(r10 -4) = ${0}\nr2 = r10\nr2 += -4\nr1 = map ${name}\ncall bpf_map_lookup_elem", "A key on the stack, and a look-up in a map."],
  ["/count", "r1 = 1\nlock *(u64 *)(r0 +0) += r1", "Adds one to what r0 points to."],
  ["/loop", "r6 = 0\n${again}:\nr6 += 1\nif r6 < ${8} goto ${again}", "A loop that the verifier can see the end of."],
  ["/program", ".type ${xdp}\n.license GPL\n\nr0 = ${2}\nexit\n", "A program that does nothing yet."],
];

/** Words of every assembly. */
const WORDS = {
  exit: ["Returns from the program, or from a function, with r0.", `${RFC}#section-4.3`],
  goto: ["Jumps to a label, or so many slots ahead (`pc+2`).", `${RFC}#section-4.3`],
  call: ["Calls a helper, a kernel function, or a function of the program.", `${RFC}#section-4.3.1`],
  lock: ["What follows happens in one step, which no other processor can divide.", `${RFC}#section-5.3`],
  if: ["Jumps where the condition holds; both ways are verified where both are possible.", `${RFC}#section-4.3`],
  map: ["The address of a map by its name.", `${RFC}#section-5.4`],
  map_value: ["The address of a map's value, for data that lies in a map.", `${RFC}#section-5.4`],
  r0: ["The result of calls, and of the program.", `${RFC}#section-2`],
  r10: ["The frame pointer: the end of the stack, which is read-only.", `${RFC}#section-2`],
};

const REGISTER = /^[rw](10|[0-9])\b/;

/** The tokens of a line. */
export const assembly = StreamLanguage.define({
  name: "assembly",
  startState: () => ({ begun: false }),
  token(stream, state) {
    if (stream.sol()) state.begun = false;
    if (stream.eatSpace()) return null;
    const first = !state.begun;
    state.begun = true;
    if (stream.match(/^(;|\/\/|#(?!\d)).*/)) return "comment";
    if (first && stream.match(/^\.[a-z]+/)) return "meta";
    if (first && stream.match(/^[A-Za-z_$][\w.$]*:/)) return "labelName";
    if (stream.match(REGISTER)) return "variableName";
    if (stream.match(/^(if|goto|gotol|may_goto|call|callx|exit|lock|ll)\b/)) return "keyword";
    if (stream.match(/^(s8|s16|s32|u8|u16|u32|u64|map_value|map)\b/)) return "typeName";
    if (stream.match(/^bpf_\w+(#\d+)?/)) return "variableName.function";
    if (stream.match(/^[+-]?(0x[\da-fA-F]+|\d+)\b/)) return "number";
    if (stream.match(/^pc[+-]\d+/)) return "labelName";
    if (stream.match(/^[A-Za-z_$][\w.$]*/)) return "name";
    if (stream.match(/^(s?[<>]=?|s?>>=|[-+*/%|&^=!<>]+)/)) return "operator";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: ";" } },
});

/** @param {string} kind */
const all = (words, kind) => words.filter((word) => word.kind === kind);

const option = (word, type) => ({ label: word.name, type, detail: word.detail, info: word.info || undefined });

/**
 * What may come where the cursor is.
 *
 * @param {() => {kind: string, name: string, detail: string, info: string}[]} words of the engine's tables
 */
export function completes(words) {
  return (context) => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const word = before.match(/[\w./$]*$/)[0];
    const from = context.pos - word.length;
    const text = context.state.doc.toString();
    const list = (options, valid = /^[\w.$]*$/) => ({ from, options, validFor: valid });
    if (/[;]/.test(before)) return null;
    if (/^\s*\/[\w ]*$/.test(before)) {
      const begin = line.from + before.indexOf("/");
      const options = COMMANDS.map(([label, template, detail]) =>
        snippetCompletion(template, { label, detail, type: "text" }));
      return { from: begin, options, validFor: /^\/[\w ]*$/ };
    }
    if (/^\s*\.type\s+\w*$/.test(before)) return list(all(words(), "program").map((w) => option(w, "type")));
    if (/^\s*\.map\s+\S+\s+\w*$/.test(before)) return list(all(words(), "map").map((w) => option(w, "type")));
    if (/\bcall\s+\w*$/.test(before)) {
      const labels = [...text.matchAll(/^\s*([A-Za-z_][\w.$]*):/gm)].map(([, label]) => ({ label, type: "function" }));
      return list([...all(words(), "helper").map((w) => option(w, "function")), ...labels]);
    }
    if (/\bmap\s+\w*$/.test(before) && !/^\s*\./.test(before)) {
      return list([...text.matchAll(/^\s*\.map\s+(\w+)\s+(\w+)/gm)].map(([, label, detail]) => ({ label, detail, type: "variable" })));
    }
    if (/\bgoto\s+\w*$/.test(before)) {
      return list([...text.matchAll(/^\s*([A-Za-z_][\w.$]*):/gm)].map(([, label]) => ({ label, type: "labelName" })));
    }
    if (/^\s*[\w.]*$/.test(before)) {
      if (!word && !context.explicit) return null;
      return list(FORMS.map(([label, template, info, section]) =>
        snippetCompletion(template, { label, info: section ? `${info} (RFC 9669)` : info, type: "keyword" })));
    }
    if (/=\s*[A-Z_]\w*$/.test(before) || (context.explicit && /=\s*\w*$/.test(before))) {
      return list(all(words(), "constant").map((w) => ({ ...option(w, "constant"), apply: w.info })));
    }
    return null;
  };
}

/**
 * What a word means: text, and a page to read on.
 *
 * @param {string} word
 * @param {{kind: string, name: string, detail: string, info: string}[]} words
 */
export function meaning(word, words) {
  const known = WORDS[word];
  if (known) return { title: word, text: known[0], link: known[1], from: "RFC 9669" };
  if (/^[rw]\d+$/.test(word)) {
    const number = Number(word.slice(1));
    const text = number < 6 ? "A call loses it: r1 to r5 are its arguments." : "Calls leave it as it is.";
    return { title: word, text: word[0] === "w" ? `The lower half of r${number}. ${text}` : text, link: `${RFC}#section-2`, from: "RFC 9669" };
  }
  const form = FORMS.find(([label]) => label === word);
  if (form) return { title: word, text: form[2], link: "", from: "" };
  const found = words.find((w) => w.name === word || w.name === `bpf_${word}`);
  if (!found) return null;
  const link = found.kind === "helper" ? HELPERS : "";
  return { title: found.name, text: [found.detail, found.info].filter(Boolean).join(". "), link, from: "bpf-helpers(7)" };
}

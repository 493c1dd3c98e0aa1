/// <reference lib="esnext.disposable" />

/** What {@link init} takes: where the engine is, its bytes, or its compiled module. */
export type EngineSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/**
 * Loads the engine; to be awaited before anything else is called. A second call waits for the first.
 * Without an argument the engine comes from beside the package's own file.
 */
export default function init(source?: EngineSource): Promise<void>;

/** Loads the engine at once, from its bytes or its compiled module. */
export function initSync(source: BufferSource | WebAssembly.Module): void;

/** The engine's version. */
export function version(): string;

/** An error that the system call would return: `code` is its name ("EINVAL"), `errno` its positive number. */
export interface BpfError extends Error {
  readonly name: "BpfError";
  readonly code: string;
  readonly errno: number;
}

/** Options of a {@link Kernel}. */
export interface KernelOptions {
  /** Bytes that programs and maps may take together. Default: 64 MiB. */
  memory?: number;
  /** Number of CPUs it pretends to have. Default: 1. */
  cpus?: number;
  /** Where `bpf_get_prandom_u32` begins: the same seed gives the same runs. Default: 1. */
  seed?: number;
}

/** What a map is created with. */
export interface MapSpec {
  /** "hash", "array", … */
  type: string;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  /** `BPF_F_*` creation flags. */
  flags?: number;
  /** At most 15 characters. */
  name?: string;
}

/** A program as instructions. */
export interface ProgramSpec {
  /** "xdp", "socket_filter", "sched_cls", … */
  type: string;
  /** Eight bytes an instruction; a map is referred to by its descriptor. */
  instructions: Uint8Array;
  /** Default: "GPL". */
  license?: string;
  expectedAttachType?: number;
  /** `BPF_F_*` load flags. */
  flags?: number;
  name?: string;
}

/** How a program is verified. */
export interface VerifyOptions {
  /** Bits 1, 2 and 4 as bpf(2) has them; 0 for no log. Default: 1. */
  logLevel?: number;
}

/** What the verifier counted. */
export interface Stats {
  processed: number;
  maxStatesPerInstruction: number;
  totalStates: number;
  peakStates: number;
}

/** A step in the history of a value. */
export interface Cause {
  pc: number;
  step: number;
  what: string;
}

/** Why a program was rejected. */
export interface Diagnostic {
  reason: string;
  message: string;
  pc: number | undefined;
  step: number | undefined;
  register: number | undefined;
  path: Cause[];
  required: string;
  suggestion: { text: string; insert: string[]; at: number } | undefined;
}

/** What became of a load. */
export interface LoadResult {
  /** The program's descriptor, where it was accepted. */
  fd: number | undefined;
  accepted: boolean;
  /** The error's name, where it was rejected: "EACCES". */
  error: string | undefined;
  /** Why it could not be handed to the verifier at all: no program type, a map that can't be made. */
  problem: string | undefined;
  /** The verifier's log, in the kernel's format. */
  log: string;
  stats: Stats;
  diagnostic: Diagnostic | undefined;
}

/** A program loaded from a file or a text, and its maps' descriptors by name. */
export interface Loaded {
  programs: (LoadResult & { name: string; section: string })[];
  maps: Record<string, number>;
}

/** What a program is run on. */
export interface TestRun {
  /** The packet. */
  data?: Uint8Array;
  /** The context, in the uapi structure's layout. */
  context?: Uint8Array;
  /** How often; the last run's results are returned. Default: 1. */
  repeat?: number;
}

/** What a run answered. */
export interface TestRunResult {
  /** r0's lower 32 bits. */
  returnValue: number;
  /** The packet afterwards. */
  data: Uint8Array;
  /** The context afterwards, where one was given. */
  context: Uint8Array | undefined;
  /** What the program printed (`bpf_trace_printk`). */
  printed: string[];
  /**
   * What ran the last round: programs are interpreted at first, and compiled to WebAssembly once they have run for
   * long enough.
   */
  engine: "interpreter" | "WebAssembly";
}

/**
 * A whole system: its maps, its programs, its descriptors. What the system call refuses is thrown as a
 * {@link BpfError}, an argument that can't be one as a TypeError or RangeError; a program that the verifier
 * rejects is an answer, not an error.
 */
export class Kernel {
  constructor(options?: KernelOptions);
  /** Creates a map; gives back its descriptor. */
  createMap(spec: MapSpec): number;
  /** A value, or `undefined` where the key is not there. */
  lookup(fd: number, key: Uint8Array): Uint8Array | undefined;
  /** Writes a value; flags: 0 any, 1 only new, 2 only existing. */
  update(fd: number, key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** Deletes an element; `false` where the key is not there. */
  delete(fd: number, key: Uint8Array): boolean;
  /** All keys, in the map's order. */
  keys(fd: number): Uint8Array[];
  /** Verifies and loads a program. */
  load(program: ProgramSpec, options?: VerifyOptions): LoadResult;
  /** Assembles a text with its directives, makes its maps, verifies and loads its program. Throws a SyntaxError with line and column where the text is wrong. */
  loadAssembly(text: string, options?: VerifyOptions): Loaded;
  /** Reads an object that clang built, makes its maps, verifies and loads its programs. Throws a SyntaxError for a file that is none. */
  loadObject(bytes: Uint8Array, options?: VerifyOptions): Loaded;
  /** Runs a program. */
  testRun(fd: number, run?: TestRun): TestRunResult;
  /** Closes a descriptor. */
  close(fd: number): void;
  /** Gives all of it back. */
  free(): void;
  [Symbol.dispose](): void;
}

/** Assembles instructions; throws a SyntaxError with line and column. Maps are not referred to by descriptor: use {@link Kernel.loadAssembly}. */
export function assemble(text: string): Uint8Array;

/** The instructions as text, a line each, in the kernel log's syntax. */
export function disassemble(instructions: Uint8Array): string[];

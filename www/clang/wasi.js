// A WASI host whose files are in memory: what a command-line compiler needs, and no more.
//
// The interface is `wasi_unstable` (snapshot 0): a seek counts from the current place, the end and the start as 0,
// 1 and 2, and a link count has 32 bits. Every file and folder has an inode of its own, since clang takes two files
// with one inode for the same.

/** @typedef {{ inode: bigint, bytes: Uint8Array, size: number }} File */
/** @typedef {{ node: File | null, path: string, at: number, appending: boolean }} Open */

const SUCCESS = 0;
const BADF = 8;
const EXIST = 20;
const INVAL = 28;
const ISDIR = 31;
const NOENT = 44;
const NOSYS = 52;
const NOTDIR = 54;
const SPIPE = 70;

const CHARACTER_DEVICE = 2;
const DIRECTORY = 3;
const REGULAR_FILE = 4;

const OPEN_CREATE = 1;
const OPEN_DIRECTORY = 2;
const OPEN_EXCLUSIVE = 4;
const OPEN_TRUNCATE = 8;
const FLAG_APPEND = 1;

/** How a program says that it ends. */
class Exit {
  /** @param {number} status */
  constructor(status) {
    this.status = status;
  }
}

/** The files of one run: absolute paths, and the folders that they imply. */
export class Files {
  constructor() {
    /** @type {Map<string, File>} */
    this.files = new Map();
    /** @type {Map<string, bigint>} */
    this.folders = new Map([["/", 1n]]);
    this.nextInode = 2n;
  }

  /**
   * Puts a file, and the folders above it.
   * @param {string} path
   * @param {Uint8Array | string} content
   */
  put(path, content) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.files.set(path, { inode: this.nextInode++, bytes, size: bytes.length });
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      this.makeFolder(path.slice(0, at));
    }
  }

  /** @param {string} path */
  makeFolder(path) {
    if (!this.folders.has(path)) this.folders.set(path, this.nextInode++);
  }

  /**
   * A file's content, if it is there.
   * @param {string} path
   */
  get(path) {
    const file = this.files.get(path);
    return file && file.bytes.subarray(0, file.size);
  }
}

/**
 * Runs a WASI command over the files; gives back its status and what it wrote to its output and its errors.
 * @param {WebAssembly.Module} module
 * @param {string[]} args the command's name first
 * @param {Files} files
 */
export async function run(module, args, files) {
  const host = new Host(args, files);
  const instance = await WebAssembly.instantiate(module, { wasi_unstable: host.imports() });
  host.memory = /** @type {WebAssembly.Memory} */ (instance.exports.memory);
  let status = 0;
  try {
    /** @type {() => void} */ (instance.exports._start)();
  } catch (end) {
    if (!(end instanceof Exit)) throw end;
    status = end.status;
  }
  return { status, output: host.text(1), errors: host.text(2) };
}

class Host {
  /**
   * @param {string[]} args
   * @param {Files} files
   */
  constructor(args, files) {
    this.args = args.map((arg) => new TextEncoder().encode(`${arg}\0`));
    this.files = files;
    /** @type {Uint8Array[][]} */
    this.streams = [[], [], []];
    /** @type {Map<number, Open>} */
    this.open = new Map([[3, { node: null, path: "/", at: 0, appending: false }]]);
    /** @type {WebAssembly.Memory} */
    this.memory = new WebAssembly.Memory({ initial: 0 });
  }

  get view() {
    return new DataView(this.memory.buffer);
  }

  /**
   * @param {number} at
   * @param {number} length
   */
  bytes(at, length) {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  /** @param {number} stream */
  text(stream) {
    const decoder = new TextDecoder();
    return this.streams[stream].map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
  }

  /**
   * The absolute path that a call names, without `.` and `..`.
   * @param {number} fd
   * @param {number} at
   * @param {number} length
   */
  path(fd, at, length) {
    const name = new TextDecoder().decode(this.bytes(at, length));
    const from = this.open.get(fd)?.path ?? "/";
    /** @type {string[]} */
    const parts = [];
    for (const part of (name.startsWith("/") ? name : `${from}/${name}`).split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    return `/${parts.join("/")}`;
  }

  /**
   * Each part of a vector of buffers (`ciovec`): address and length of 32 bits each.
   * @param {number} at
   * @param {number} count
   */
  *vector(at, count) {
    for (let part = 0; part < count; part++) {
      const address = this.view.getUint32(at + 8 * part, true);
      yield this.bytes(address, this.view.getUint32(at + 8 * part + 4, true));
    }
  }

  /**
   * @param {number} at
   * @param {bigint} inode
   * @param {number} type
   * @param {number} size
   */
  writeStat(at, inode, type, size) {
    this.bytes(at, 56).fill(0);
    this.view.setBigUint64(at, 1n, true);
    this.view.setBigUint64(at + 8, inode, true);
    this.view.setUint8(at + 16, type);
    this.view.setUint32(at + 20, 1, true);
    this.view.setBigUint64(at + 24, BigInt(size), true);
    return SUCCESS;
  }

  /**
   * @param {number} fd
   * @param {number} vector
   * @param {number} count
   * @param {number} offset
   */
  readAt(fd, vector, count, offset) {
    const node = this.open.get(fd)?.node;
    let read = 0;
    if (node) {
      for (const part of this.vector(vector, count)) {
        const from = node.bytes.subarray(offset + read, Math.min(node.size, offset + read + part.length));
        part.set(from);
        read += from.length;
      }
    }
    return read;
  }

  /**
   * Writes into a file, which grows by doubling.
   * @param {File} node
   * @param {number} at
   * @param {Uint8Array} part
   */
  writeAt(node, at, part) {
    const end = at + part.length;
    if (end > node.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * node.bytes.length, 4096));
      grown.set(node.bytes.subarray(0, node.size));
      node.bytes = grown;
    }
    node.bytes.set(part, at);
    node.size = Math.max(node.size, end);
  }

  /** @returns {Record<string, (...args: any[]) => number>} */
  imports() {
    /** @type {Record<string, (...args: any[]) => number>} */
    const calls = {
      fd_prestat_get: (fd, to) => {
        if (fd !== 3) return BADF;
        this.view.setUint32(to, 0, true);
        this.view.setUint32(to + 4, 1, true);
        return SUCCESS;
      },
      fd_prestat_dir_name: (fd, to, length) => {
        if (fd !== 3 || length < 1) return fd === 3 ? INVAL : BADF;
        this.bytes(to, 1)[0] = 0x2f;
        return SUCCESS;
      },
      environ_sizes_get: (count, size) => {
        this.view.setUint32(count, 0, true);
        this.view.setUint32(size, 0, true);
        return SUCCESS;
      },
      environ_get: () => SUCCESS,
      args_sizes_get: (count, size) => {
        this.view.setUint32(count, this.args.length, true);
        this.view.setUint32(size, this.args.reduce((sum, arg) => sum + arg.length, 0), true);
        return SUCCESS;
      },
      args_get: (pointers, to) => {
        for (const [index, arg] of this.args.entries()) {
          this.view.setUint32(pointers + 4 * index, to, true);
          this.bytes(to, arg.length).set(arg);
          to += arg.length;
        }
        return SUCCESS;
      },
      // Always the same moment, so that the same source gives the same object.
      clock_time_get: (_clock, _precision, to) => {
        this.view.setBigUint64(to, 0n, true);
        return SUCCESS;
      },
      random_get: (to, length) => {
        this.bytes(to, length).fill(0);
        return SUCCESS;
      },
      poll_oneoff: () => NOSYS,
      proc_exit: (status) => {
        throw new Exit(status);
      },
      fd_filestat_get: (fd, to) => {
        if (fd < 3) return this.writeStat(to, BigInt(1_000_000 + fd), CHARACTER_DEVICE, 0);
        const open = this.open.get(fd);
        if (!open) return BADF;
        return open.node
          ? this.writeStat(to, open.node.inode, REGULAR_FILE, open.node.size)
          : this.writeStat(to, this.files.folders.get(open.path) ?? 0n, DIRECTORY, 0);
      },
      fd_fdstat_get: (fd, to) => {
        const open = this.open.get(fd);
        if (fd >= 3 && !open) return BADF;
        this.bytes(to, 24).fill(0);
        this.view.setUint8(to, fd < 3 ? CHARACTER_DEVICE : open?.node ? REGULAR_FILE : DIRECTORY);
        this.view.setUint16(to + 2, open?.appending ? FLAG_APPEND : 0, true);
        this.view.setBigUint64(to + 8, ~0n, true);
        this.view.setBigUint64(to + 16, ~0n, true);
        return SUCCESS;
      },
      fd_fdstat_set_flags: () => SUCCESS,
      fd_pread: (fd, vector, count, offset, read) => {
        if (!this.open.get(fd)?.node) return BADF;
        this.view.setUint32(read, this.readAt(fd, vector, count, Number(offset)), true);
        return SUCCESS;
      },
      fd_read: (fd, vector, count, to) => {
        const open = this.open.get(fd);
        if (fd !== 0 && !open?.node) return BADF;
        const read = open ? this.readAt(fd, vector, count, open.at) : 0;
        if (open) open.at += read;
        this.view.setUint32(to, read, true);
        return SUCCESS;
      },
      fd_write: (fd, vector, count, to) => {
        const open = this.open.get(fd);
        if (fd !== 1 && fd !== 2 && !open?.node) return BADF;
        let written = 0;
        for (const part of this.vector(vector, count)) {
          if (open?.node) {
            if (open.appending) open.at = open.node.size;
            this.writeAt(open.node, open.at, part);
            open.at += part.length;
          } else {
            this.streams[fd].push(part.slice());
          }
          written += part.length;
        }
        this.view.setUint32(to, written, true);
        return SUCCESS;
      },
      fd_seek: (fd, offset, whence, to) => {
        const open = this.open.get(fd);
        if (!open?.node) return fd < 3 ? SPIPE : BADF;
        const from = [open.at, open.node.size, 0][whence];
        if (from === undefined || from + Number(offset) < 0) return INVAL;
        open.at = from + Number(offset);
        this.view.setBigUint64(to, BigInt(open.at), true);
        return SUCCESS;
      },
      fd_close: (fd) => (fd < 3 || this.open.delete(fd) ? SUCCESS : BADF),
      // clang asks for listings of module maps alone: there are none.
      fd_readdir: (_fd, _to, _length, _cookie, used) => {
        this.view.setUint32(used, 0, true);
        return SUCCESS;
      },
      path_open: (folder, _follow, at, length, how, _rights, _inherited, flags, to) => {
        const path = this.path(folder, at, length);
        let node = this.files.files.get(path) ?? null;
        const isFolder = this.files.folders.has(path);
        if (how & OPEN_DIRECTORY && !isFolder) return node ? NOTDIR : NOENT;
        if (isFolder && how & (OPEN_CREATE | OPEN_TRUNCATE)) return ISDIR;
        if (node && how & OPEN_CREATE && how & OPEN_EXCLUSIVE) return EXIST;
        if (!node && !isFolder) {
          if (!(how & OPEN_CREATE)) return NOENT;
          this.files.put(path, new Uint8Array());
          node = /** @type {File} */ (this.files.files.get(path));
        }
        if (node && how & OPEN_TRUNCATE) node.size = 0;
        let fd = 4;
        while (this.open.has(fd)) fd++;
        this.open.set(fd, { node, path, at: 0, appending: (flags & FLAG_APPEND) !== 0 });
        this.view.setUint32(to, fd, true);
        return SUCCESS;
      },
      path_filestat_get: (folder, _follow, at, length, to) => {
        const path = this.path(folder, at, length);
        const file = this.files.files.get(path);
        if (file) return this.writeStat(to, file.inode, REGULAR_FILE, file.size);
        const inode = this.files.folders.get(path);
        return inode === undefined ? NOENT : this.writeStat(to, inode, DIRECTORY, 0);
      },
      path_rename: (folder, at, length, otherFolder, otherAt, otherLength) => {
        const from = this.path(folder, at, length);
        const file = this.files.files.get(from);
        if (!file) return NOENT;
        this.files.files.delete(from);
        this.files.files.set(this.path(otherFolder, otherAt, otherLength), file);
        return SUCCESS;
      },
      path_unlink_file: (folder, at, length) =>
        this.files.files.delete(this.path(folder, at, length)) ? SUCCESS : NOENT,
      path_create_directory: (folder, at, length) => {
        this.files.makeFolder(this.path(folder, at, length));
        return SUCCESS;
      },
      path_remove_directory: () => NOSYS,
      path_readlink: () => INVAL,
      path_symlink: () => NOSYS,
    };
    return calls;
  }
}

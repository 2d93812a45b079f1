import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import { bool, string } from '../qom/kinds.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import { MemoryBackend, memoryBackendProperties, sizeAsInt } from './memory-backend.ts';

const PAGE = 4096n;
const CHUNK = 1 << 20;
const UNMAPPABLE = 'unable to map backing store for guest RAM: No such device';

const align = objectProperty('align', sizeAsInt, 0n);
const memPath = objectProperty('mem-path', string, null);

/** Of a file backend, in the order of QEMU's listings. */
export const memoryBackendFileProperties: readonly Property<unknown>[] = [
  objectProperty('readonly', bool, false),
  align,
  objectProperty('pmem', bool, false),
  memPath,
  objectProperty('discard-data', bool, false),
];

/**
 * RAM that starts with the contents of a file. A program cannot map memory here, so the file is read once, when the
 * object is made, and what the guest writes stays in the daemon, `share=on` or not.
 */
export class MemoryBackendFile extends MemoryBackend {
  override readonly required = ['size', 'mem-path'];

  override get members(): readonly string[] {
    return [...super.members, 'align', 'discard-data', 'mem-path', 'pmem', 'readonly'];
  }

  protected override fill(block: RamBlock): void {
    const alignment = this.value(align);
    const path = this.value(memPath) ?? '';
    const file = openBackingStore(path);
    if (file === null) return;
    try {
      const bytes = this.value(memoryBackendProperties.size);
      if (alignment % PAGE !== 0n) {
        throw new CommandError(`alignment 0x${alignment.toString(16)} must be multiples of page size 0x1000`);
      }
      if (file.size > 0n && file.size < bytes) {
        const [has, wants] = [file.size, bytes].map((value) => value.toString(16));
        throw new CommandError(`backing store size 0x${has} does not match 'size' option 0x${wants}`);
      }
      load(file, block);
    } finally {
      closeSync(file.descriptor);
    }
  }
}

interface BackingStore {
  readonly descriptor: number;
  readonly size: bigint;
}

/** Opens the file, making it where there is none; null for a folder, in which QEMU keeps a nameless file. */
function openBackingStore(path: string): BackingStore | null {
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory() === true) return null;
    if (there?.isCharacterDevice() === true) throw new CommandError(UNMAPPABLE);
    const descriptor = openSync(path, 'a+');
    return { descriptor, size: statSync(path, { bigint: true }).size };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`can't open backing store ${path} for guest RAM: ${systemText(error)}`);
  }
}

function load({ descriptor, size: bytes }: BackingStore, block: RamBlock): void {
  const chunk = new Uint8Array(CHUNK);
  const end = Number(bytes < block.size ? bytes : block.size);
  for (let at = 0; at < end; ) {
    const count = readSync(descriptor, chunk, 0, Math.min(CHUNK, end - at), at);
    if (count === 0) return;
    const part = chunk.subarray(0, count);
    if (part.some((byte) => byte !== 0)) block.write(at, part);
    at += count;
  }
}

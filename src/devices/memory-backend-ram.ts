import { CommandError } from '../core/errors.ts';
import { LARGEST_RAM_BLOCK, RamBlock } from '../memory/ram-block.ts';
import { bool, enumeration, size, uint32 } from '../qom/kinds.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { inUse, UserObject } from './user-object.ts';

export const memoryBackendProperties = {
  size: objectProperty('size', size, 0n, { description: 'Size of the memory region (ex: 500M)' }),
  share: objectProperty('share', bool, false, { description: 'Mark the memory as private to QEMU or shared' }),
  merge: objectProperty('merge', bool, true, { description: 'Mark memory as mergeable' }),
  dump: objectProperty('dump', bool, true, { description: "Set to 'off' to exclude from core dump" }),
  prealloc: objectProperty('prealloc', bool, false, { description: 'Preallocate memory' }),
  reserve: objectProperty('reserve', bool, true, { description: 'Reserve swap space (or huge pages) if applicable' }),
  preallocThreads: objectProperty('prealloc-threads', uint32, 1, {
    description: 'Number of CPU threads to use for prealloc',
  }),
  policy: objectProperty(
    'policy',
    enumeration('HostMemPolicy', ['default', 'preferred', 'bind', 'interleave']),
    'default',
    {
      description: 'Set the NUMA policy',
    },
  ),
  canonicalPath: objectProperty('x-use-canonical-path-for-ramblock-id', bool, false),
} as const;

/** What the RAM was made from, and what QEMU says to one who wants it otherwise. */
const settled: ReadonlyMap<string, string> = new Map([
  ['size', 'cannot change property size of memory-backend-ram '],
  ['share', 'cannot change property value'],
  ['reserve', 'cannot change property value'],
]);

/** RAM of a given size. It shows nowhere until something puts it into the guest's memory. */
export class MemoryBackendRam extends UserObject {
  readonly required = ['size'];
  readonly #context: DeviceContext;
  #block: RamBlock | null = null;
  /** Something shows the RAM to the guest: the machine itself does with pc.ram. */
  attached = false;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  /** @throws Error before the object is complete */
  get block(): RamBlock {
    if (this.#block === null) throw new Error(`${this.path} is not complete`);
    return this.#block;
  }

  complete(): void {
    const bytes = this.value(memoryBackendProperties.size);
    if (bytes === 0n) throw new CommandError("property 'size' of memory-backend-ram doesn't take value '0'");
    if (bytes > LARGEST_RAM_BLOCK) {
      throw new CommandError(
        `property 'size' of memory-backend-ram doesn't take value '${bytes}': the limit is ${LARGEST_RAM_BLOCK} (16T)`,
      );
    }
    this.#block = new RamBlock(this.name, bytes, this.#context.operations);
  }

  protected override checkPhase(property: Property<unknown>): void {
    const sentence = this.#block === null ? undefined : settled.get(property.name);
    if (sentence !== undefined) throw new CommandError(sentence);
  }

  dispose(): void {
    if (this.attached) throw inUse(this);
    if (this.#block !== null) this.#context.host.memory.release(this.#block);
    this.#block = null;
  }
}

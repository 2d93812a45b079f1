import { CommandError } from '../core/errors.ts';
import { LARGEST_RAM_BLOCK, RamBlock } from '../memory/ram-block.ts';
import { MemoryRegion } from '../memory/region.ts';
import { OwnedRegions } from '../pci/region-object.ts';
import { bool, enumeration, link, type PropertyKind, size, uint32 } from '../qom/kinds.ts';
import type { QomObject } from '../qom/object.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { nodeList } from './integer-list.ts';
import { inUse, UserObject } from './user-object.ts';

/** QEMU knows this many nodes of NUMA. */
const MAX_NODES = 128n;

/** The kinds of sizes and counts, which the listings of these types all call `int`. */
export const sizeAsInt: PropertyKind<bigint> = { ...size, type: 'int' };
const countAsInt: PropertyKind<number> = { ...uint32, type: 'int' };

function refusesZero(name: string): (object: QomObject, value: bigint | number) => void {
  return (object, value) => {
    if (Number(value) === 0) {
      throw new CommandError(`property '${name}' of ${object.type.name} doesn't take value '0'`);
    }
    object.assign(object.type.property(name)!, value);
  };
}

const description = {
  share: 'Mark the memory as private to QEMU or shared',
  size: 'Size of the memory region (ex: 500M)',
  dump: "Set to 'off' to exclude from core dump",
  threads: 'Number of CPU threads to use for prealloc',
  policy: 'Set the NUMA policy',
  context: 'Context to use for creating CPU threads for preallocation',
  prealloc: 'Preallocate memory',
  reserve: 'Reserve swap space (or huge pages) if applicable',
  hostNodes: 'Binds memory to the list of NUMA host nodes',
  merge: 'Mark memory as mergeable',
} as const;

const policies = ['default', 'preferred', 'bind', 'interleave'] as const;

/** Of every memory backend, in the order of QEMU's listings. */
export const memoryBackendProperties = {
  share: objectProperty('share', bool, false, { description: description.share }),
  size: objectProperty('size', sizeAsInt, 0n, { description: description.size, apply: refusesZero('size') }),
  dump: objectProperty('dump', bool, true, { description: description.dump }),
  preallocThreads: objectProperty('prealloc-threads', countAsInt, 1, {
    description: description.threads,
    apply: refusesZero('prealloc-threads'),
  }),
  canonicalPath: objectProperty('x-use-canonical-path-for-ramblock-id', bool, false),
  policy: objectProperty('policy', enumeration('HostMemPolicy', policies), 'default', {
    description: description.policy,
  }),
  preallocContext: objectProperty('prealloc-context', link('thread-context'), null, {
    description: description.context,
  }),
  prealloc: objectProperty('prealloc', bool, false, {
    description: description.prealloc,
    // What was allocated stays so.
    apply: (object, wanted) => {
      const property = object.type.property('prealloc')!;
      object.assign(property, wanted || (object.path !== '' && object.value(property) === true));
    },
  }),
  reserve: objectProperty('reserve', bool, true, { description: description.reserve }),
  hostNodes: objectProperty<readonly bigint[]>('host-nodes', nodeList, [], {
    description: description.hostNodes,
    apply: (object, nodes) => {
      const bad = nodes.find((node) => node >= MAX_NODES);
      if (bad !== undefined) throw new CommandError(`Invalid host-nodes value: ${bad}`);
      object.assign(object.type.property('host-nodes')!, nodes);
    },
  }),
  merge: objectProperty('merge', bool, true, { description: description.merge }),
} as const;

/** What the RAM was made from, and what QEMU says to one who wants it otherwise. */
const settled: ReadonlyMap<string, (object: QomObject) => string> = new Map<string, (object: QomObject) => string>([
  ['size', ({ type }) => `cannot change property size of ${type.name} `],
  ['share', () => 'cannot change property value'],
  ['reserve', () => 'cannot change property value'],
]);

/** RAM of a given size. It shows nowhere until something puts it into the guest's memory. */
export class MemoryBackend extends UserObject {
  override readonly required: readonly string[] = ['size'];
  readonly #context: DeviceContext;
  readonly #regions = new OwnedRegions(this, 'obj');
  #region: MemoryRegion | null = null;
  /** Something shows the RAM to the guest: the machine itself does with its own. */
  attached = false;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  override get members(): readonly string[] {
    return [
      ...['dump', 'host-nodes', 'merge', 'policy', 'prealloc', 'prealloc-threads', 'prealloc-context', 'share'],
      ...['reserve', 'size', 'x-use-canonical-path-for-ramblock-id'],
    ];
  }

  /** @throws Error before the object is complete */
  get region(): MemoryRegion {
    if (this.#region === null) throw new Error(`${this.path} is not complete`);
    return this.#region;
  }

  /** @throws Error before the object is complete */
  get block(): RamBlock {
    return this.region.block!;
  }

  complete(): void {
    this.#check();
    const bytes = this.value(memoryBackendProperties.size);
    if (bytes > LARGEST_RAM_BLOCK) {
      throw new CommandError(`cannot set up guest memory '${this.name}': Cannot allocate memory`);
    }
    const { operations, topology } = this.#context;
    const block = new RamBlock(this.name, bytes, operations);
    this.fill(block);
    this.#region = MemoryRegion.ram(topology, this.name, block);
    this.#regions.adopt(this.#region);
  }

  dispose(): void {
    if (this.attached) throw inUse(this);
    this.#regions.release();
    if (this.#region?.block) this.#context.host.memory.release(this.#region.block);
    this.#region = null;
  }

  /** What the RAM holds at first. @throws CommandError when that cannot be had */
  protected fill(_block: RamBlock): void {}

  protected override checkPhase(property: Property<unknown>): void {
    const sentence = this.#region === null ? undefined : settled.get(property.name);
    if (sentence !== undefined) throw new CommandError(sentence(this));
  }

  #check(): void {
    const policy = this.value(memoryBackendProperties.policy);
    const nodes = this.value(memoryBackendProperties.hostNodes);
    if (this.value(memoryBackendProperties.prealloc) && !this.value(memoryBackendProperties.reserve)) {
      throw new CommandError("'prealloc=on' and 'reserve=off' are incompatible");
    }
    if (policy === 'default' && nodes.length > 0) {
      throw new CommandError(
        'host-nodes must be empty for policy default, or you should explicitly specify a policy other than default',
      );
    }
    if (policy !== 'default' && nodes.length === 0) {
      throw new CommandError(`host-nodes must be set for policy ${policy}`);
    }
  }
}

export const memfdProperties: readonly Property<unknown>[] = [
  objectProperty('hugetlb', bool, false, { description: 'Use huge pages' }),
  objectProperty('seal', bool, true, { description: 'Seal growing & shrinking' }),
  objectProperty('hugetlbsize', sizeAsInt, 0n, {
    description: 'Huge pages size (ex: 2M, 1G)',
    apply: (object, value) => {
      if (value === 0n) throw new CommandError(`Property '${object.type.name}.hugetlbsize' doesn't take value '0'`);
      object.assign(object.type.property('hugetlbsize')!, value);
    },
  }),
];

/** RAM of which QEMU has a file descriptor; it is shared unless told otherwise. */
export class MemoryBackendMemfd extends MemoryBackend {
  constructor(type: QomType, context: DeviceContext) {
    super(type, context);
    this.assign(memoryBackendProperties.share, true);
  }

  override get members(): readonly string[] {
    return [...super.members, 'hugetlb', 'hugetlbsize', 'seal'];
  }
}

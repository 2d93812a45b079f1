import { ADDRESS_SPACE_SIZE, hex } from '../core/address.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { MmioOperations } from './mmio.ts';
import type { RamBlock } from './ram-block.ts';
import type { MemoryTopology } from './topology.ts';

/**
 * What a region is. `container`: only holds others; `alias`: a window into another region; `reservation`: takes its
 * place so that nothing below it shows, and answers nothing.
 */
export type RegionKind = 'container' | 'ram' | 'rom' | 'alias' | 'mmio' | 'iommu' | 'reservation';

/**
 * Whom a region belongs to, for `info mtree -o`: a device or another object, by its id or its QOM path. A region of
 * the machine itself has no owner but a parent: role `parent`.
 */
export interface RegionOwner {
  readonly role?: 'owner' | 'parent';
  readonly kind: 'dev' | 'obj';
  readonly id?: string;
  readonly path?: string;
}

export interface RegionState {
  address: bigint;
  size: bigint;
  priority: number;
  enabled: boolean;
  readonly: boolean;
  aliasOffset: bigint;
}

interface RegionContents {
  readonly block?: RamBlock;
  readonly operations?: MmioOperations;
  readonly target?: MemoryRegion;
  readonly aliasOffset?: bigint;
}

/**
 * A node of the memory topology. Where children overlap the one of higher priority shows, among equals the one that
 * was added later; a region's own contents fill what its children leave. Every change outside a transaction is a
 * transaction of its own.
 */
export class MemoryRegion implements Snapshottable<RegionState> {
  readonly topology: MemoryTopology;
  readonly name: string;
  readonly kind: RegionKind;
  /** The RAM behind a `ram` or `rom` region. */
  readonly block: RamBlock | null;
  /** What answers behind an `mmio` region. */
  readonly operations: MmioOperations | null;
  /** Shown by `info mtree -o`; null: an orphan. */
  owner: RegionOwner | null = null;
  #size: bigint;
  #address = 0n;
  #priority = 0;
  #enabled = true;
  #readonly: boolean;
  #parent: MemoryRegion | null = null;
  #subregions: readonly MemoryRegion[] = [];
  #aliasTarget: MemoryRegion | null;
  #aliasOffset: bigint;

  /** @throws RangeError unless `size` is 0 to 2^64 */
  protected constructor(
    topology: MemoryTopology,
    name: string,
    kind: RegionKind,
    size: bigint,
    contents: RegionContents = {},
  ) {
    checkSize(name, size);
    this.topology = topology;
    this.name = name;
    this.kind = kind;
    this.#size = size;
    this.#readonly = kind === 'rom';
    this.block = contents.block ?? null;
    this.operations = contents.operations ?? null;
    this.#aliasTarget = contents.target ?? null;
    this.#aliasOffset = contents.aliasOffset ?? 0n;
  }

  /** A region that only holds others. `size` in bytes, 0 to 2^64 (as for all kinds). */
  static container(topology: MemoryTopology, name: string, size: bigint): MemoryRegion {
    return new MemoryRegion(topology, name, 'container', size);
  }

  /** All of a RAM block. */
  static ram(topology: MemoryTopology, name: string, block: RamBlock): MemoryRegion {
    return new MemoryRegion(topology, name, 'ram', block.size, { block });
  }

  /** A RAM block that transactions can only read; writes are dropped without an error. */
  static rom(topology: MemoryTopology, name: string, block: RamBlock): MemoryRegion {
    return new MemoryRegion(topology, name, 'rom', block.size, { block });
  }

  /** A window of `size` bytes that shows `target` from `offset` on. */
  static alias(
    topology: MemoryTopology,
    name: string,
    target: MemoryRegion,
    offset: bigint,
    size: bigint,
  ): MemoryRegion {
    return new MemoryRegion(topology, name, 'alias', size, { target, aliasOffset: offset });
  }

  /** Registers. @throws RangeError when `size` is above 2^53: offsets are plain numbers */
  static mmio(topology: MemoryTopology, name: string, size: bigint, operations: MmioOperations): MemoryRegion {
    if (size > 1n << 53n) throw new RangeError(`MMIO region ${name} of ${hex(size)} bytes is above the limit of 2^53`);
    return new MemoryRegion(topology, name, 'mmio', size, { operations });
  }

  /** A place that is taken and answers nothing. */
  static reservation(topology: MemoryTopology, name: string, size: bigint): MemoryRegion {
    return new MemoryRegion(topology, name, 'reservation', size);
  }

  /** In bytes, up to 2^64. */
  get size(): bigint {
    return this.#size;
  }

  /** Offset inside the parent; 0 for a root. */
  get address(): bigint {
    return this.#address;
  }

  /** The same as {@link address}. */
  get offset(): bigint {
    return this.#address;
  }

  get priority(): number {
    return this.#priority;
  }

  /** A disabled region shows neither itself nor its children. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Writes through this region, and through everything below it, are dropped. */
  get readonly(): boolean {
    return this.#readonly;
  }

  get parent(): MemoryRegion | null {
    return this.#parent;
  }

  /** By descending priority, among equals the latest first: the order in which they win. */
  get subregions(): readonly MemoryRegion[] {
    return this.#subregions;
  }

  /** What an alias shows. */
  get aliasTarget(): MemoryRegion | null {
    return this.#aliasTarget;
  }

  /** Offset inside the target at which an alias begins. */
  get aliasOffset(): bigint {
    return this.#aliasOffset;
  }

  /** True when the region itself answers, or takes the place, where no child does. */
  get terminates(): boolean {
    return this.kind !== 'container' && this.kind !== 'alias';
  }

  /** The offset inside the outermost region that holds this one. */
  absoluteAddress(): bigint {
    return this.#address + (this.#parent?.absoluteAddress() ?? 0n);
  }

  /** Puts `child` at `offset`. @throws Error when it has a parent already, or holds this region */
  addSubregion(offset: bigint, child: MemoryRegion, priority = 0): void {
    if (child.#parent !== null) {
      throw new Error(`Memory region ${child.name} is already inside ${child.#parent.name}`);
    }
    if (this.#liesInside(child)) throw new Error(`Memory region ${child.name} cannot hold itself`);
    this.#change(() => {
      child.#parent = this;
      child.#address = offset;
      child.#priority = priority;
      this.#insert(child);
    });
  }

  /** Takes `child` out. @throws Error when it is not in this region */
  removeSubregion(child: MemoryRegion): void {
    if (child.#parent !== this) throw new Error(`Memory region ${child.name} is not inside ${this.name}`);
    this.#change(() => {
      child.#parent = null;
      child.#address = 0n;
      this.#subregions = this.#subregions.filter((other) => other !== child);
    });
  }

  setEnabled(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#change(() => (this.#enabled = enabled));
  }

  /** Moves the region inside its parent; it then counts as added last among those of its priority. */
  setAddress(address: bigint): void {
    if (address === this.#address) return;
    this.#change(() => {
      this.#address = address;
      this.#reinsert();
    });
  }

  /** @throws RangeError unless `size` is 0 to 2^64, and no more than the RAM block behind the region */
  setSize(size: bigint): void {
    checkSize(this.name, size);
    if (this.block !== null && size > this.block.size) {
      throw new RangeError(
        `Memory region ${this.name} cannot have ${size} bytes; its RAM block has ${this.block.size}`,
      );
    }
    if (size === this.#size) return;
    this.#change(() => (this.#size = size));
  }

  setPriority(priority: number): void {
    if (priority === this.#priority) return;
    this.#change(() => {
      this.#priority = priority;
      this.#reinsert();
    });
  }

  setReadonly(readonly: boolean): void {
    if (readonly === this.#readonly) return;
    this.#change(() => (this.#readonly = readonly));
  }

  /** @throws Error when the region is no alias */
  setAliasOffset(offset: bigint): void {
    if (this.#aliasTarget === null) throw new Error(`Memory region ${this.name} is no alias`);
    if (offset === this.#aliasOffset) return;
    this.#change(() => (this.#aliasOffset = offset));
  }

  /** Lets an alias show another region. @throws Error when the region is no alias */
  setAliasTarget(target: MemoryRegion): void {
    if (this.#aliasTarget === null) throw new Error(`Memory region ${this.name} is no alias`);
    if (target === this.#aliasTarget) return;
    this.#change(() => (this.#aliasTarget = target));
  }

  save(): RegionState {
    return {
      address: this.#address,
      size: this.#size,
      priority: this.#priority,
      enabled: this.#enabled,
      readonly: this.#readonly,
      aliasOffset: this.#aliasOffset,
    };
  }

  /** Takes back the region's own figures; whose child it is stays with whoever builds the topology. */
  restore(state: RegionState): void {
    this.topology.transaction(() => {
      this.setAddress(state.address);
      this.setSize(state.size);
      this.setPriority(state.priority);
      this.setEnabled(state.enabled);
      this.setReadonly(state.readonly);
      if (this.#aliasTarget !== null) this.setAliasOffset(state.aliasOffset);
    });
  }

  #liesInside(region: MemoryRegion): boolean {
    return region === this || (this.#parent !== null && this.#parent.#liesInside(region));
  }

  #insert(child: MemoryRegion): void {
    const index = this.#subregions.findIndex((other) => other.#priority <= child.#priority);
    this.#subregions = this.#subregions.toSpliced(index < 0 ? this.#subregions.length : index, 0, child);
  }

  #reinsert(): void {
    const parent = this.#parent;
    if (parent === null) return;
    parent.#subregions = parent.#subregions.filter((other) => other !== this);
    parent.#insert(this);
  }

  #change(body: () => void): void {
    this.topology.transaction(() => {
      this.topology.noteChange();
      body();
    });
  }
}

function checkSize(name: string, size: bigint): void {
  if (size < 0n || size > ADDRESS_SPACE_SIZE) {
    throw new RangeError(`Memory region ${name} cannot have ${size} bytes; the limit is 2^64`);
  }
}

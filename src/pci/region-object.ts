import type { MemoryRegion } from '../memory/region.ts';
import { link, uint32, uint64 } from '../qom/kinds.ts';
import { QomObject } from '../qom/object.ts';
import { readonlyProperty } from '../qom/property.ts';
import type { QomType, TypeDefinition } from '../qom/type-registry.ts';

/** Makes a memory region part of something: its owner in `info mtree -o`, its parent in the tree of objects. */
export type AdoptRegion = (region: MemoryRegion) => void;

const objects = new WeakMap<MemoryRegion, RegionObject>();
const LARGEST = 0xffff_ffff_ffff_ffffn;

/** A memory region as an object of the tree. It changes only through what owns it. */
export class RegionObject extends QomObject {
  readonly region: MemoryRegion;

  constructor(type: QomType, region: MemoryRegion) {
    super(type);
    this.region = region;
    objects.set(region, this);
  }
}

function of<Value>(read: (region: MemoryRegion) => Value): (object: QomObject) => Value {
  return (object) => {
    if (!(object instanceof RegionObject)) throw new Error(`${object.path} is no memory region`);
    return read(object.region);
  };
}

/** The type of memory regions. */
export const regionType: TypeDefinition = {
  name: 'memory-region',
  parent: 'object',
  instanceProperties: [
    readonlyProperty(
      'container',
      link('memory-region'),
      of(({ parent }) => (parent === null ? null : (objects.get(parent) ?? null))),
    ),
    readonlyProperty(
      'addr',
      uint64,
      of(({ address }) => address),
    ),
    readonlyProperty(
      'priority',
      uint32,
      of(({ priority }) => priority),
    ),
    readonlyProperty(
      'size',
      uint64,
      of(({ size }) => (size > LARGEST ? LARGEST : size)),
    ),
  ],
};

/** A slash would end a component of a path, and brackets number what has one name. */
function escaped(name: string): string {
  return name.replaceAll(/[/[\]\\]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The regions of an object, which are its children until they are released. */
export class OwnedRegions {
  readonly #owner: QomObject;
  readonly #kind: 'dev' | 'obj';
  #children: RegionObject[] = [];
  readonly #later: MemoryRegion[] = [];

  constructor(owner: QomObject, kind: 'dev' | 'obj') {
    this.#owner = owner;
    this.#kind = kind;
  }

  adopt(region: MemoryRegion): void {
    this.#own(region);
    this.#children.push(addRegion(this.#owner, region));
  }

  /** As `adopt`, but the region becomes a child only with `finish`. */
  adoptLater(region: MemoryRegion): void {
    this.#own(region);
    this.#later.push(region);
  }

  finish(): void {
    for (const region of this.#later.splice(0)) this.#children.push(addRegion(this.#owner, region));
  }

  /** The owner goes: they leave the tree. */
  release(): void {
    this.#later.length = 0;
    for (const child of this.#children) child.unparent();
    this.#children = [];
  }

  #own(region: MemoryRegion): void {
    const owner = this.#owner;
    const id = 'id' in owner && typeof owner.id === 'string' ? owner.id : null;
    region.owner = { kind: this.#kind, ...(id === null ? { path: owner.path } : { id }) };
  }
}

/** Puts a region into the tree as `NAME[N]` under `parent`, which need not be its owner. */
export function addRegion(parent: QomObject, region: MemoryRegion): RegionObject {
  const object = new RegionObject(parent.type.registry.require(regionType.name), region);
  parent.addChild(`${escaped(region.name)}[*]`, object);
  return object;
}

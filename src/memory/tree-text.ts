import type { AddressSpace } from './address-space.ts';
import type { FlatRange, FlatView } from './flat-view.ts';
import type { MemoryRegion } from './region.ts';
import type { MemoryTopology } from './topology.ts';

/** The options of `info mtree`: `-o` names owners, `-D` shows disabled regions (without `-f`). */
export interface TreeTextOptions {
  readonly owners?: boolean;
  readonly disabled?: boolean;
}

const INDENT = '  ';

function digits(address: bigint): string {
  return BigInt.asUintN(64, address).toString(16).padStart(16, '0');
}

/** A range as the monitor prints it; an empty one ends where it begins. */
function span(start: bigint, size: bigint): string {
  return `${digits(start)}-${digits(size === 0n ? start : start + size - 1n)}`;
}

/** How the monitor names what a region is made of. */
function typeOf(region: MemoryRegion): string {
  if (region.aliasTarget !== null) return typeOf(region.aliasTarget);
  if (region.block === null) return 'i/o';
  return region.readonly ? 'rom' : 'ram';
}

function ownerText(region: MemoryRegion): string {
  if (region.owner === null) return ' orphan';
  const { kind, id, path, role } = region.owner;
  const name = id === undefined ? ` path=${path ?? ''}` : ` id=${id}`;
  return ` ${role ?? 'owner'}:{${kind}${name}}`;
}

/** By address, at one address by priority: not the order in which regions win. */
function childrenByAddress(region: MemoryRegion): MemoryRegion[] {
  return region.subregions.toSorted((a, b) => {
    if (a.address !== b.address) return a.address < b.address ? -1 : 1;
    return b.priority - a.priority;
  });
}

/** Prints trees, and collects the targets of the aliases that it meets for the second half of the text. */
class TreePrinter {
  readonly lines: string[] = [];
  readonly targets: MemoryRegion[] = [];
  readonly #options: TreeTextOptions;

  constructor(options: TreeTextOptions) {
    this.#options = options;
  }

  print(region: MemoryRegion, level: number, base: bigint): void {
    const start = base + region.address;
    const target = region.aliasTarget;
    if (target !== null && !this.targets.includes(target)) this.targets.push(target);
    if (region.enabled || this.#options.disabled === true) this.lines.push(this.#line(region, level, start));
    for (const child of childrenByAddress(region)) this.print(child, level + 1, start);
  }

  #line(region: MemoryRegion, level: number, start: bigint): string {
    const target = region.aliasTarget;
    const name =
      target === null ? region.name : `alias ${region.name} @${target.name} ${span(region.aliasOffset, region.size)}`;
    const state = region.enabled ? '' : ' [disabled]';
    const owner = this.#options.owners === true ? ownerText(region) : '';
    const attributes = `(prio ${region.priority}, ${typeOf(region)})`;
    return `${INDENT.repeat(level)}${span(start, region.size)} ${attributes}: ${name}${state}${owner}`;
  }
}

/**
 * The text of `info mtree`: the tree of every root with the spaces that have it (by name; roots in the order of
 * creation, where QEMU's is that of a hash), then the tree of every region that an alias shows.
 */
export function memoryTreeText(topology: MemoryTopology, options: TreeTextOptions = {}): string {
  const printer = new TreePrinter(options);
  for (const [root, spaces] of grouped(topology.addressSpaces(), (space) => space.root)) {
    const names = spaces.map((space) => space.name).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    for (const name of names) printer.lines.push(`address-space: ${name}`);
    printer.print(root, 1, 0n);
    printer.lines.push('');
  }
  // Printing a target may add further ones behind it.
  for (const target of printer.targets) {
    printer.lines.push(`memory-region: ${target.name}`);
    printer.print(target, 1, 0n);
    printer.lines.push('');
  }
  return printer.lines.map((line) => `${line}\n`).join('');
}

/** The text of `info mtree -f`: every flat view with the spaces that share it, in the order of creation. */
export function flatViewText(topology: MemoryTopology, options: TreeTextOptions = {}): string {
  const lines: string[] = [];
  let number = 0;
  for (const [view, spaces] of grouped(topology.addressSpaces(), (space) => space.flatView)) {
    lines.push(`FlatView #${number}`);
    number += 1;
    for (const { name, root } of spaces) {
      const alias = root.aliasTarget === null ? '' : `, alias ${root.aliasTarget.name}`;
      lines.push(` AS "${name}", root: ${root.name}${alias}`);
    }
    lines.push(` Root memory region: ${view.root?.name ?? '(none)'}`);
    lines.push(...rangeLines(view, options), '');
  }
  return lines.map((line) => `${line}\n`).join('');
}

function rangeLines(view: FlatView, options: TreeTextOptions): string[] {
  if (view.ranges.length === 0) return [`${INDENT}No rendered FlatView`];
  return view.ranges.map((range) => rangeLine(range, options));
}

function rangeLine(range: FlatRange, options: TreeTextOptions): string {
  const { region } = range;
  const type = range.readonly ? 'rom' : typeOf(region);
  const offset = range.offsetInRegion === 0n ? '' : ` @${digits(range.offsetInRegion)}`;
  const owner = options.owners === true ? ownerText(region) : '';
  const place = span(range.start, range.last - range.start + 1n);
  return `${INDENT}${place} (prio ${region.priority}, ${type}): ${region.name}${offset}${owner}`;
}

function grouped<Key>(spaces: readonly AddressSpace[], keyOf: (space: AddressSpace) => Key): Map<Key, AddressSpace[]> {
  const groups = new Map<Key, AddressSpace[]>();
  for (const space of spaces) {
    const key = keyOf(space);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [space]);
    else group.push(space);
  }
  return groups;
}

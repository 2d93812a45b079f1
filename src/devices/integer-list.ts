import { CommandError } from '../core/errors.ts';
import { type PropertyKind, type PropertyPlace, uint16, uint64 } from '../qom/kinds.ts';

/** A range of the command line: `3`, or `0-3` with both ends. */
function readRange(text: string, place: PropertyPlace): bigint[] {
  const [first, last = first] = text.split('-').map((end) => uint64.parseText(end, place));
  if (last! < first! || last! - first! > 0xffffn)
    throw new CommandError(`Parameter '${place.name}' expects an uint64 value or range`);
  return Array.from({ length: Number(last! - first!) + 1 }, (_, index) => first! + BigInt(index));
}

/** Integers, of processors or nodes: an array on the wire; on the command line a number or a range of them. */
export const integerList: PropertyKind<readonly bigint[]> = {
  type: 'int',
  showDefault: false,
  parseText: readRange,
  parseJson(value, place) {
    if (!Array.isArray(value)) throw new CommandError(`Invalid parameter type for '${place.name}', expected: array`);
    const numbers = value.map((item, index) => uint64.parseJson(item, { ...place, name: `${place.name}[${index}]` }));
    return [...new Set(numbers)].toSorted((a, b) => (a < b ? -1 : 1));
  },
  encode: (value) => [...value],
};

/** Nodes of NUMA: QEMU reads each as 16 bits, and knows no name for an element that is out of range. */
export const nodeList: PropertyKind<readonly bigint[]> = {
  ...integerList,
  parseJson(value, place) {
    const nodes = integerList.parseJson(value, place);
    for (const node of nodes) uint16.parseJson(node, { ...place, name: 'null' });
    return nodes;
  },
};

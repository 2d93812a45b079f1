import { describe, expect, it } from 'vitest';
import { NameTable } from '../../src/core/name-table.ts';

/** Recorded from QEMU 7.2.22: names as they were added and removed, and `qom-list` afterwards without its first entry. */
const recorded: readonly { readonly where: string; readonly changes: readonly string[]; readonly listed: string }[] = [
  { where: '/', changes: ['machine', 'objects', 'chardevs'], listed: 'objects machine chardevs' },
  {
    where: '/machine/peripheral/edu0, what the object has of its own',
    changes: ['dma_mask', 'bus master container[0]', 'edu-mmio[0]', 'bus master[0]'],
    listed: 'edu-mmio[0] dma_mask bus master[0] bus master container[0]',
  },
  {
    where: 'a bus with seven devices',
    changes: ['hotplug-handler', 'realized', ...[0, 1, 2, 3, 4, 5, 6].map((index) => `child[${index}]`)],
    listed: 'child[6] child[2] realized child[0] child[1] child[3] hotplug-handler child[4] child[5]',
  },
];

describe('the order of listings', () => {
  it.each(recorded)('is that of $where', ({ changes, listed }) => {
    const table = new NameTable();
    for (const change of changes) {
      if (change.startsWith('-')) table.remove(change.slice(1));
      else table.insert(change);
    }
    expect(table.names().toReversed().join(' ')).toBe(listed);
  });
});

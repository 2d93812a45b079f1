/**
 * `make demo`: the main job, over a real socket, printed as it went over the wire. A device is added, a PASID table
 * is put into guest memory and bound, the device reads through both stages; then a page-table entry changes and the
 * guest forgets to invalidate.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../typescript/client.ts';
import { CommandFailed } from '../typescript/errors.ts';
import { directoryEntry, entryAddress, firstStageEntry, pasidEntry } from './guest-tables.ts';

const folder = mkdtempSync(join(tmpdir(), 'viommud-demo-'));
const path = join(folder, 'qmp.sock');

const directory = 0x10_0000n;
const pasidTable = 0x10_1000n;
const levels = [0x11_3000n, 0x11_2000n, 0x11_1000n, 0x11_0000n]; // levels 1 (leaves) to 4 (top)
const before = 0x20_0000n;
const after = 0x20_1000n;
const virtual = 0x7f12_3456_7000n;
const pasid = 5;
const domainId = 7;

const say = (text: string): void => console.log(`\n# ${text}`);
const show = (direction: 'in' | 'out', line: string): void =>
  console.log(`${direction === 'out' ? '->' : '<-'} ${line.trim()}`);
const hexOf = (text: string): string => Buffer.from(text).toString('hex');

async function play(client: QmpClient): Promise<void> {
  const write = (address: bigint, data: string): Promise<unknown> =>
    client.execute('memory-write', { address, data, encoding: 'hex' });
  const read = async (): Promise<string> => {
    const { data } = await client.execute('dma-read', {
      device: 'nic0',
      address: virtual,
      size: 16n,
      pasid,
      encoding: 'hex',
    });
    return Buffer.from(data ?? '', 'hex').toString();
  };

  say('A host function is given to the guest. Its address space is in bypass: GPA to HPA is mapped, RAM by RAM.');
  await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });

  say('The reason for the framework: in bypass no region notifier is registered, the object notifier is.');
  await client.execute('query-iommu-notifiers');

  say('The guest driver writes a PASID table, four levels of page table and the data behind them.');
  await write(directory, directoryEntry(pasidTable));
  await write(pasidTable + BigInt(pasid) * 64n, pasidEntry(BigInt(domainId), levels[3]!));
  for (const level of [4, 3, 2]) {
    await write(entryAddress(levels[level - 1]!, level, virtual), firstStageEntry(levels[level - 2]!));
  }
  await write(entryAddress(levels[0]!, 1, virtual), firstStageEntry(before));
  await write(before, hexOf('the old contents'));
  await write(after, hexOf('the new contents'));

  say('Bind: the host nests the guest table under the map of the container.');
  await client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory, size: 4096n });

  say('The device reads guest virtual memory, through both stages.');
  expect(await read(), 'the old contents');

  say('The guest changes the leaf entry, and forgets to invalidate. The device still sees the old page.');
  await write(entryAddress(levels[0]!, 1, virtual), firstStageEntry(after));
  expect(await read(), 'the old contents');
  const { data: stale } = await client.events.next('HOST_STALE_TRANSLATION');

  say('HOST_STALE_TRANSLATION named the invalidation that was missing. Here it is.');
  await client.execute('iommu-flush-iotlb', {
    device: 'nic0',
    granularity: stale.missing.granularity,
    'domain-id': stale.missing['domain-id'],
    pasid: stale.missing.pasid,
    address: stale.missing.address,
    size: stale.missing.size,
  });
  expect(await read(), 'the new contents');

  say('Unbind: the same read is refused now.');
  await client.execute('iommu-unbind-pasid-table', { device: 'nic0' });
  const refused = await read().catch((error: unknown) => error);
  if (!(refused instanceof CommandFailed)) throw new Error('the read after unbind was not refused');
}

function expect(seen: string, wanted: string): void {
  if (seen !== wanted) throw new Error(`the device read "${seen}" where "${wanted}" was due`);
  console.log(`   (the device read: "${seen}")`);
}

const daemon = spawn(process.execPath, ['dist/main.js', '-qmp', `unix:${path},server=on,wait=off`], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
try {
  for (let tries = 0; !existsSync(path) && tries < 500 && daemon.exitCode === null; tries += 1) await sleep(10);
  const client = await QmpClient.connect({ path }, { onLine: show });
  await play(client);
  client.close();
  console.log('\n# Done: bound, read, went stale, was named, flushed, unbound.');
} finally {
  daemon.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
